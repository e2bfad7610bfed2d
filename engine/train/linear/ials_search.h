/* ials_search - the factorisation that training starts from, and the choice of its hyperparameters by
 * validation.
 * Which alpha and reg are best differs widely from data set to data set: a small grid at low dimension finds
 * the region.
 * Layer: engine/train/linear
 * Threads: uses the given team; the result does not depend on its size.
 * Memory: the factors of users and items. */
#ifndef ENGINE_TRAIN_LINEAR_IALS_SEARCH_H
#define ENGINE_TRAIN_LINEAR_IALS_SEARCH_H

#include "base/err.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "engine/kernels/real.h"
#include "engine/train/data/split.h"
#include "engine/train/linear/ials.h"

struct ials_start {
    struct ials_options options; /* what was chosen */
    real *items;                 /* (n_items, dim) */
    real *users;                 /* (n_users, dim) */
};

struct ials_choice {
    struct ials_options options;
    double round_s;   /* how long a round of the factorisation took, */
    size_t round_dim; /* this wide */
};

/* The hyperparameters that are best. dim 0: ials_search_dim. progress (may be NULL) is told of each try;
 * false from it, or a team that is stopped, ends the search with what is known. */
enum err_code ials_search(const struct split *split, size_t dim, uint64_t seed, struct parallel *team,
                          progress_fn *progress, void *arg, struct ials_choice *out,
                          struct err *e) ERR_MUST_CHECK;

/* Width of the factors for data of this size. */
size_t ials_search_dim(const struct split *split);

/* The factorisation, dim above 0; the caller frees it by ials_start_fini. However early progress
 * or the team's stop ends it, its first round is done. */
enum err_code ials_factorise(const struct split *split, const struct ials_options *options,
                             struct parallel *team, progress_fn *progress, void *arg, struct ials_start *out,
                             struct err *e) ERR_MUST_CHECK;

void ials_start_fini(struct ials_start *w);

#endif
