/* checkpoint - the state of training between two epochs, as a safetensors file; a resumed run ends with the
 * same model. Layer: engine.       Threads: confined to its thread. The file names the data and the options
 * it belongs to; one of another run is refused, not ignored. */
#ifndef ENGINE_TRAIN_CHECKPOINT_H
#define ENGINE_TRAIN_CHECKPOINT_H

#include "base/err.h"
#include "engine/train/param_block.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct training_state {
    uint64_t fingerprint; /* of data and options */
    int epoch;            /* epochs done */
    int best_epoch;
    int n_worse; /* epochs in a row that did not improve */
    long step;   /* updates done */
    double rate;
    double warm_metric, best_metric;
    double alpha, reg, reg_exponent;
    size_t dim;
};

/* Writes state, the block and the best values so far (block->n_values), whole or not at all. */
enum err_code checkpoint_write(const char *path, const struct training_state *state,
                               const struct param_block *block, const real *best,
                               struct err *e) ERR_MUST_CHECK;

/* Reads the state alone. ERR_NOTFOUND: no such file. ERR_CONFLICT: of other data or options. */
enum err_code checkpoint_read_state(const char *path, uint64_t fingerprint, struct training_state *state,
                                    struct err *e) ERR_MUST_CHECK;

/* Fills a block of the same spec, and best. */
enum err_code checkpoint_read_block(const char *path, struct param_block *block, real *best,
                                    struct err *e) ERR_MUST_CHECK;

#endif
