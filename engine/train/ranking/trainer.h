/* trainer - one model on one split: from its first values through epochs of steps.
 *
 * What is measured and written is the running average of the parameters (Polyak and Juditsky 1992): it starts
 * at the factorisation, which nothing noisy has touched, and smooths the steps.
 * Layer: engine/train/ranking
 * Threads: uses the given team; the result does not depend on its size.
 * Memory: about six times the parameters (values, gradients, two moments, the average, a spare) and one chunk
 *   of examples. */
#ifndef ENGINE_TRAIN_RANKING_TRAINER_H
#define ENGINE_TRAIN_RANKING_TRAINER_H

#include "base/err.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "engine/format/model_spec.h"
#include "engine/train/data/split.h"
#include "engine/train/data/training.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/linear/ials_search.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct examples;
struct train_step;

struct trainer {
    const struct split *split;           /* borrowed */
    const struct train_options *options; /* borrowed */
    struct parallel *team;               /* borrowed */
    struct model_spec spec;
    struct param_block block;
    real *average; /* (block.n_values) running, of the values */
    real *values;  /* (block.n_values) the values while the average stands in their place */
    struct examples *samples;
    struct train_step *step;
    uint32_t *order; /* (n_users) */
    size_t batch;    /* examples a step */
    long n_steps;    /* updates done */
};

/* Makes room for a model of the given hyperparameters of the factorisation; no value is set. */
enum err_code trainer_init(struct trainer *f, const struct split *split, const struct train_options *options,
                           const struct ials_options *ials, struct parallel *team,
                           struct err *e) ERR_MUST_CHECK;
void trainer_fini(struct trainer *f); /* of a zeroed struct as well */

/* Sets the first values: scores rank as the factorisation does, at a quarter of the scale with the least
 * loss. */
enum err_code trainer_start(struct trainer *f, const struct ials_start *factors,
                            struct err *e) ERR_MUST_CHECK;

/* One epoch, the number of which counts from 1; rate scales all learning rates. progress is told how far it
 * is, with the mean loss; false from it ends the epoch there. */
enum err_code trainer_epoch(struct trainer *f, int number, double rate, progress_fn *progress, void *arg,
                            double *loss, struct err *e) ERR_MUST_CHECK;

/* NDCG@10 of the average on the split's held-out items, and of each validated user (gains, NULL: not
 * wanted). */
enum err_code trainer_measure(struct trainer *f, double *gains, double *metric, struct err *e) ERR_MUST_CHECK;

/* Examples in an epoch of this split, about. */
size_t trainer_n_examples(const struct split *split);

#endif
