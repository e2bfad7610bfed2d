/* image_json - the member `images` of a model's description.
 * Layer: engine/format
 * Threads: any.
 * Memory: a JSON tree. */
#ifndef ENGINE_FORMAT_IMAGE_JSON_H
#define ENGINE_FORMAT_IMAGE_JSON_H

#include "engine/format/image_spec.h"
#include "engine/format/json_reader.h"

#include <jansson.h>

/* Fills out; errors are the reader's. */
void image_json_decode(struct json_reader *r, struct image_model_spec *out);

/* A new object; NULL: no memory. */
json_t *image_json_encode(const struct image_model_spec *spec);

#endif
