/* stored_inputs - rows of the tasks that a model file keeps, by which `POST /v1/tasks/predictions` guesses
 * whose others are: those of the model before, and some of the new task, as many of each class.
 * Layer: server/cli
 * Threads: confined to the main thread.
 * Memory: the rows that are kept, and what engine/train/continual/stored_rows_fit.h takes. */
#ifndef SERVER_CLI_STORED_INPUTS_H
#define SERVER_CLI_STORED_INPUTS_H

#include "base/err.h"
#include "engine/model.h"
#include "engine/train/continual/minibatch.h"

#include <stddef.h>
#include <stdint.h>

struct stored_inputs {
    size_t n, n_new; /* rows, and those of the new task */
    real *rows;      /* (n, D) */
    real *weights;   /* (n, C) */
    double right;    /* the share that is of its task by the others; of one task all are */
};

/* Whether a model has room for `most` rows more; before (NULL: none) is the model that goes on. ERR_LIMIT. */
enum err_code stored_inputs_check(const struct model *before, size_t most, struct err *e) ERR_MUST_CHECK;

/* Draws at most `most` rows of the newest task of spec, and has spec and params say what the file stores;
 * params then refer to s. Without rows before and with most 0 there is nothing. ERR_NOMEM; errors of the
 * fit. Zero-initialise; stored_inputs_fini frees. */
enum err_code stored_inputs_make(struct stored_inputs *s, struct model_spec *spec,
                                 struct model_params *params, const struct model *before,
                                 const struct labelled_rows *rows, size_t most, uint64_t seed,
                                 struct err *e) ERR_MUST_CHECK;
void stored_inputs_fini(struct stored_inputs *s);

#endif
