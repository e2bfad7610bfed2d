/* task_json - what a model of tasks reads and predicts, in the description of a model: schema/model.md.
 * Layer: engine/format
 * Threads: any.
 * Memory: texts of a decoded spec and encoded JSON are new. */
#ifndef ENGINE_FORMAT_TASK_JSON_H
#define ENGINE_FORMAT_TASK_JSON_H

#include "engine/format/json_reader.h"
#include "engine/format/model_spec.h"

/* Decodes the object of r, which keeps the first error; what was decoded before it is freed by
 * model_spec_fini. */
void task_json_decode(struct json_reader *r, struct task_spec *out);

/* New; NULL: no memory. */
json_t *task_json_encode(const struct task_spec *t);

#endif
