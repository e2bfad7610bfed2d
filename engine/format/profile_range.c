/* An end that is open is left out: JSON has no infinity. */
#include "engine/format/profile_range.h"

#include <math.h>

/* A bound of a range; absent: open. */
static bool decode_bound(const json_t *range, const char *name, double open, size_t *n_read, double *out)
{
    const json_t *bound = json_object_get(range, name);
    *out = bound ? json_number_value(bound) : open;
    *n_read += bound != NULL;
    return !bound || (json_is_number(bound) && isfinite(*out));
}

bool profile_range_decode(const json_t *range, struct profile_value *out)
{
    size_t n_read = 0;
    return json_is_object(range) && decode_bound(range, "from", -(double)INFINITY, &n_read, &out->from) &&
           decode_bound(range, "below", (double)INFINITY, &n_read, &out->below) &&
           n_read == json_object_size(range) && out->from < out->below;
}

json_t *profile_range_encode(const struct profile_value *x)
{
    json_t *range = json_object();
    if ((isfinite(x->from) && json_object_set_new(range, "from", json_real(x->from)) != 0) ||
        (isfinite(x->below) && json_object_set_new(range, "below", json_real(x->below)) != 0)) {
        json_decref(range);
        return NULL;
    }
    return range;
}
