/* profile_value_json - a row of a vocabulary in the description of a model: [field, value], or [field, range]
 * with a range of numbers, {"from": x, "below": y}.
 * Layer: engine/format
 * Threads: any.
 * Memory: texts of a decoded value and encoded JSON are new. */
#ifndef ENGINE_FORMAT_PROFILE_VALUE_JSON_H
#define ENGINE_FORMAT_PROFILE_VALUE_JSON_H

#include "engine/format/model_spec.h"

#include <jansson.h>
#include <stdbool.h>

/* Reads such a pair; with ranges false no range is one. False: it is none, or no memory (*nomem). */
bool profile_value_decode(const json_t *pair, bool ranges, struct profile_value *out, bool *nomem);

/* New; NULL: no memory. */
json_t *profile_value_encode(const struct profile_value *x);

#endif
