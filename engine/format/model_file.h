/* model_file - what reading and writing a model file share; documented for users in schema/model.md.
 * Layer: engine/format
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_FORMAT_MODEL_FILE_H
#define ENGINE_FORMAT_MODEL_FILE_H

#include "base/err.h"
#include "engine/format/model_spec.h"

#define MODEL_FILE_KEY "hypernet" /* of __metadata__: the description of the model */
/* Whose ids a file has, and of which tensors: those of items, or of a model without them of trained tasks. */
#define MODEL_FILE_IDS          "catalogue"
#define MODEL_FILE_ID_BYTES     "catalogue.id_bytes"
#define MODEL_FILE_ID_OFFSETS   "catalogue.id_offsets"
#define MODEL_FILE_TASKS        "encoder.id"
#define MODEL_FILE_TASK_BYTES   "encoder.id.id_bytes"
#define MODEL_FILE_TASK_OFFSETS "encoder.id.id_offsets"

#define MODEL_FILE_PAIR_START   "neighbours.start"
#define MODEL_FILE_PAIR_ITEM    "neighbours.item"
#define MODEL_FILE_PAIR_WEIGHT  "neighbours.weight"

/* ERR_INVALID names the first value that is not finite, or is below the one before it where values of a row
 * rise, by its row and column. */
enum err_code model_file_check_finite(const struct tensor_spec *t, const real *values,
                                      struct err *e) ERR_MUST_CHECK;

/* The same of values in bfloat16. */
enum err_code model_file_check_half(const struct tensor_spec *t, const uint16_t *values,
                                    struct err *e) ERR_MUST_CHECK;

/* Checks the item-item weights: starts that rise from 0 to n_pairs, items below n_items, finite weights. */
enum err_code model_file_check_pairs(const struct model_spec *spec, const struct item_pairs *pairs,
                                     struct err *e) ERR_MUST_CHECK;

#endif
