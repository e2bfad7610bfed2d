/* model_write - writes a model file; schema/model.md says what is in it.
 * Layer: engine/format
 * Threads: any.
 * Memory: the description and the ids once, while it writes. */
#ifndef ENGINE_FORMAT_MODEL_WRITE_H
#define ENGINE_FORMAT_MODEL_WRITE_H

#include "base/err.h"
#include "engine/format/model_spec.h"

/* What the writer needs besides spec and params. */
struct model_ids {
    const char *const *ids; /* (model_spec_n_ids) terminated strings: of items, or of trained tasks */
};

/* Writes a model file, whole or not at all. Refuses non-finite tensors (ERR_INVALID). */
enum err_code model_write(const char *path, const struct model_spec *spec, const struct model_params *params,
                          const struct model_ids *ids, struct err *e) ERR_MUST_CHECK;

/* The same bytes, appended to out. */
struct buf;
enum err_code model_write_buf(struct buf *out, const struct model_spec *spec,
                              const struct model_params *params, const struct model_ids *ids,
                              struct err *e) ERR_MUST_CHECK;

#endif
