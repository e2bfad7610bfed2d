/* An end of a range that is open is left out: JSON has no infinity. */
#include "engine/format/profile_value_json.h"

#include "base/mem.h"
#include "base/value_text.h"

#include <math.h>
#include <string.h>

/* A bound of a range; absent: open. */
static bool decode_bound(const json_t *range, const char *name, double open, size_t *n_read, double *out)
{
    const json_t *bound = json_object_get(range, name);
    *out = bound ? json_number_value(bound) : open;
    *n_read += bound != NULL;
    return !bound || (json_is_number(bound) && isfinite(*out));
}

/* False: it is no range, or from is not below the other. */
static bool decode_range(const json_t *range, struct profile_value *out)
{
    size_t n_read = 0;
    return json_is_object(range) && decode_bound(range, "from", -(double)INFINITY, &n_read, &out->from) &&
           decode_bound(range, "below", (double)INFINITY, &n_read, &out->below) &&
           n_read == json_object_size(range) && out->from < out->below;
}

/* Keeps the one form of a value that is written in another; false: no memory. */
static bool keep_form(struct profile_value *v)
{
    char room[VALUE_TEXT_ROOM];
    const char *form = v->value ? value_text(v->value, room) : NULL;
    bool is_another = form && strcmp(form, v->value) != 0;
    v->form = is_another ? mem_strdup(form) : NULL;
    return !is_another || v->form;
}

bool profile_value_decode(const json_t *pair, bool ranges, struct profile_value *out, bool *nomem)
{
    const json_t *what = json_array_get(pair, 1);
    const char *field = json_string_value(json_array_get(pair, 0)), *value = json_string_value(what);
    if (!field || !*field || json_array_size(pair) != 2 || !(value || (ranges && decode_range(what, out))))
        return false;
    out->field = mem_strdup(field);
    out->value = value ? mem_strdup(value) : NULL;
    *nomem = !out->field || (value && !out->value) || !keep_form(out);
    return !*nomem;
}

static json_t *encode_range(const struct profile_value *x)
{
    json_t *range = json_object();
    if ((isfinite(x->from) && json_object_set_new(range, "from", json_real(x->from)) != 0) ||
        (isfinite(x->below) && json_object_set_new(range, "below", json_real(x->below)) != 0)) {
        json_decref(range);
        return NULL;
    }
    return range;
}

json_t *profile_value_encode(const struct profile_value *x)
{
    json_t *pair = json_array();
    if (json_array_append_new(pair, json_string(x->field)) != 0 ||
        json_array_append_new(pair, x->value ? json_string(x->value) : encode_range(x)) != 0) {
        json_decref(pair);
        return NULL;
    }
    return pair;
}
