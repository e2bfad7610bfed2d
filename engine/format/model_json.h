/* model_json - the description of a model as JSON, the value of the `hypernet` key of the file's metadata.
 * The format is documented in schema/model.md.
 * Layer: engine/format
 * Threads: any.
 * Memory: a JSON tree while it reads or writes. */
#ifndef ENGINE_FORMAT_MODEL_JSON_H
#define ENGINE_FORMAT_MODEL_JSON_H

#include "base/buf.h"
#include "base/err.h"
#include "engine/format/model_spec.h"

/* Fills spec (zeroed before) from JSON text; unknown keys, wrong types, missing keys and bad numbers are
 * ERR_INVALID with the path of the key. The spec is checked by model_spec_check. On failure spec is left
 * freed. */
enum err_code model_json_decode(const char *text, struct model_spec *spec, struct err *e) ERR_MUST_CHECK;

/* Appends the description of a checked spec to out. */
enum err_code model_json_encode(const struct model_spec *spec, struct buf *out, struct err *e) ERR_MUST_CHECK;

#endif
