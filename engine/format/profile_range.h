/* profile_range - a range of numbers in the description of a model: {"from": x, "below": y}.
 * Layer: engine/format
 * Threads: any.
 * Memory: a new JSON object from profile_range_encode. */
#ifndef ENGINE_FORMAT_PROFILE_RANGE_H
#define ENGINE_FORMAT_PROFILE_RANGE_H

#include "engine/format/model_spec.h"

#include <jansson.h>
#include <stdbool.h>

/* Reads the bounds of a range, of which either may be absent; false: it is none, or from is not below the
 * other. */
bool profile_range_decode(const json_t *range, struct profile_value *out);

/* New; NULL: no memory. */
json_t *profile_range_encode(const struct profile_value *x);

#endif
