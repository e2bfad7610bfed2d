/* checkpoint - the state of training between two epochs, as a safetensors file; a resumed run ends with the
 * same model.
 * The file names the data and the options it belongs to; one of another run is refused, not ignored.
 * Layer: engine/train/ranking
 * Threads: confined to its thread.
 * Memory: a view of the file while it reads. */
#ifndef ENGINE_TRAIN_RANKING_CHECKPOINT_H
#define ENGINE_TRAIN_RANKING_CHECKPOINT_H

#include "base/err.h"
#include "engine/train/gradient/param_block.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRAINING_MOST_CUTS = 4, TRAINING_MOST_DIM = 1024 };

/* What spoke for the generator that was chosen: NDCG@10 with nothing generated and with core, and the
 * standard error of their difference. */
struct generator_choice {
    int made; /* 0: there was none, the rest is 0 */
    int sure; /* 0: both models had ended, or their time had, before the difference was one */
    double shared, generated, error;
};

struct training_state {
    uint64_t fingerprint; /* of data (train_fingerprint.h) and options */
    int generator;        /* of the hidden layer, enum generator */
    struct generator_choice choice;
    int refit;      /* 1: the second course, on all interactions */
    int epoch;      /* epochs done of this course */
    int n_first;    /* epochs of the first course */
    int best_epoch; /* among them */
    int n_cuts;     /* epochs that did not improve, after which the learning rates were lowered */
    int cuts[TRAINING_MOST_CUTS]; /* which */
    long n_steps;                 /* updates done */
    double start_metric, best_metric;
    double peak_metric; /* best of the epochs, without the factorisation */
    double alpha, reg, reg_exponent;
    size_t dim;
    double ridge, damping, scale; /* of the neighbours; scale 0: none, or not chosen yet */
    int local;                    /* and whether each item has a system of its own */
};

/* Models in training that a checkpoint has: one, or two of which it is not sure yet which is the better. */
enum { CHECKPOINT_MOST_MODELS = 2 };

/* One of them; all is borrowed. */
struct checkpoint_model {
    const struct training_state *state;
    const struct param_block *block;
    real *best, *average; /* (block->n_values) the best values so far, and the running average */
};

/* Writes n models, whole or not at all. */
enum err_code checkpoint_write(const char *path, const struct checkpoint_model *models, size_t n,
                               struct err *e) ERR_MUST_CHECK;

/* Reads the states alone, *n of them. ERR_NOTFOUND: no such file. ERR_CONFLICT: of other data or options.
 * ERR_CORRUPT: no checkpoint, or of a state that no training is in. */
enum err_code checkpoint_read_states(const char *path, uint64_t fingerprint,
                                     struct training_state states[CHECKPOINT_MOST_MODELS], size_t *n,
                                     struct err *e) ERR_MUST_CHECK;

/* Fills what the model has but its state; its block is of the same spec. ERR_CORRUPT: of another size, or
 * numbers that no training has. */
enum err_code checkpoint_read_model(const char *path, size_t model, struct param_block *block, real *best,
                                    real *average, struct err *e) ERR_MUST_CHECK;

#endif
