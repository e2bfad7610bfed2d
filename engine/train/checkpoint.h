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

enum { TRAINING_MOST_CUTS = 4 };

/* What spoke for the generator that was chosen: NDCG@10 with nothing generated and with core, and the standard error of their
 * difference. */
struct generator_choice {
    int made; /* 0: there was none, the rest is 0 */
    double shared, generated, error;
};

struct training_state {
    uint64_t fingerprint; /* of data and options */
    int generator;        /* of the hidden layer, enum generator */
    struct generator_choice choice;
    int refit;      /* 1: the second course, on all interactions */
    int epoch;      /* epochs done of this course */
    int n_first;    /* epochs of the first course */
    int best_epoch; /* among them */
    int n_cuts;     /* epochs that did not improve, after which the learning rates were lowered */
    int cuts[TRAINING_MOST_CUTS]; /* which */
    long n_steps;                 /* updates done */
    double warm_metric, best_metric;
    double peak_metric; /* best of the epochs, without the warm start */
    double alpha, reg, reg_exponent;
    size_t dim;
    double ridge, damping, scale; /* of the neighbours; scale 0: none, or not chosen yet */
    int local;                    /* and whether each item has a system of its own */
};

/* Writes state, the block, the best values so far and the running average (block->n_values each), whole or
 * not at all. */
enum err_code checkpoint_write(const char *path, const struct training_state *state,
                               const struct param_block *block, const real *best, const real *average,
                               struct err *e) ERR_MUST_CHECK;

/* Reads the state alone. ERR_NOTFOUND: no such file. ERR_CONFLICT: of other data or options. */
enum err_code checkpoint_read_state(const char *path, uint64_t fingerprint, struct training_state *state,
                                    struct err *e) ERR_MUST_CHECK;

/* Fills a block of the same spec, best and average. */
enum err_code checkpoint_read_block(const char *path, struct param_block *block, real *best, real *average,
                                    struct err *e) ERR_MUST_CHECK;

#endif
