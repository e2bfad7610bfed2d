/* A profile is kept as it is, whatever a model knows of it: the next one may know more. */
#include "server/fields/profile_known.h"

#include "engine/network/encoder.h"
#include "server/fields/profile.h"

#include <string.h>

struct asking {
    const struct model_spec *spec;
    struct buf *out; /* NULL: stop at the first value that is known */
    size_t n_known, n_unknown;
};

static bool ask(void *arg, const char *field, const char *value)
{
    struct asking *a = arg;
    if (value && encoder_profile_value(a->spec, field, value) >= 0) {
        a->n_known++;
        return a->out != NULL;
    }
    if (!a->out)
        return true;
    buf_adds(a->out, a->n_unknown++ ? ",{\"field\":" : "{\"field\":");
    buf_add_json_string(a->out, field, strlen(field));
    if (value) {
        buf_adds(a->out, ",\"value\":");
        buf_add_json_string(a->out, value, strlen(value));
    }
    buf_addc(a->out, '}');
    return true;
}

bool profile_known(const struct model_spec *spec, struct text profile)
{
    struct asking a = {.spec = spec};
    return profile.len && !profile_each(profile.data, profile.len, ask, &a, NULL) && a.n_known;
}

/* What was stored is an object; should there be no memory to read it, nothing is said of it. */
void profile_add_unknown(const struct model_spec *spec, struct text profile, struct buf *out)
{
    struct asking a = {.spec = spec, .out = out};
    buf_addc(out, '[');
    if (profile_each_given(profile.data, profile.len, ask, &a, NULL))
        a.n_unknown = 0;
    buf_addc(out, ']');
}
