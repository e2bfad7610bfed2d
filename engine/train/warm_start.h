/* warm_start - the factorisation that training starts from, and the choice of its hyperparameters by
 * validation. Layer: engine.       Threads: uses the given team; the result does not depend on its size.
 * Memory: the factors of users and items.
 * Which alpha and reg are best differs widely from data set to data set: a small grid at low dimension finds
 * the region. */
#ifndef ENGINE_TRAIN_WARM_START_H
#define ENGINE_TRAIN_WARM_START_H

#include "base/err.h"
#include "engine/real.h"
#include "engine/train/ials.h"
#include "engine/train/parallel.h"
#include "engine/train/split.h"

struct warm_start {
    struct ials_options options; /* what was chosen */
    real *items;                 /* (n_items, dim) */
    real *users;                 /* (n_users, dim) */
    double ndcg;                 /* validation, users' own factors */
};

/* Told of each try; returns false to stop the search with what is known. */
typedef bool warm_start_fn(void *arg, const char *stage, double fraction, double ndcg, double best);

/* dim 0: chosen from the size of the data. On success the caller frees by warm_start_fini. */
enum err_code warm_start_run(const struct split *split, size_t dim, uint64_t seed, struct parallel *team,
                             warm_start_fn *fn, void *arg, struct warm_start *out,
                             struct err *e) ERR_MUST_CHECK;
/* The factorisation alone, with hyperparameters that are known (dim above 0); ndcg is NAN. */
enum err_code warm_start_factorise(const struct split *split, const struct ials_options *options,
                                   struct parallel *team, warm_start_fn *fn, void *arg,
                                   struct warm_start *out, struct err *e) ERR_MUST_CHECK;

void warm_start_fini(struct warm_start *w);

#endif
