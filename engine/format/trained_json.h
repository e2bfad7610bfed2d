/* trained_json - tasks learned one after the other, in the description of a model: schema/model.md.
 * Layer: engine/format
 * Threads: any.
 * Memory: texts of a decoded spec and encoded JSON are new. */
#ifndef ENGINE_FORMAT_TRAINED_JSON_H
#define ENGINE_FORMAT_TRAINED_JSON_H

#include "engine/format/json_reader.h"
#include "engine/format/trained_spec.h"

/* Decodes the object of r, which keeps the first error; what was decoded before it is freed by
 * trained_spec_fini. */
void trained_json_decode(struct json_reader *r, struct trained_spec *out);

/* New; NULL: no memory. */
json_t *trained_json_encode(const struct trained_spec *t);

#endif
