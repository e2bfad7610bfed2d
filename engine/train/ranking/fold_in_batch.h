/* fold_in_batch - the fold-ins of many moments of one user, from one factorisation.
 * Cost: for all moments of a block about that of one fold-in, d^3 / 3 + FOLD_INS_MOST d^2, instead of d^3 / 3
 * each. Each result is that of encoder_encode's fold-in on the same interactions, but for rounding. One whose
 * equation has no solution, or that knows no interactions, is the model's prior.
 * Layer: engine/train/ranking
 * Threads: confined to its thread.
 * Memory: a few (d, d) and (FOLD_INS_MOST, d) blocks, allocated once; nothing later. */
#ifndef ENGINE_TRAIN_RANKING_FOLD_IN_BATCH_H
#define ENGINE_TRAIN_RANKING_FOLD_IN_BATCH_H

#include "base/err.h"
#include "engine/format/model_spec.h"
#include "engine/network/encoder.h"

#include <stddef.h>

enum { FOLD_INS_MOST = 64 }; /* interactions, and moments, that share a factorisation */
enum { FOLD_INS_MOST_LEFT_OUT = 8, FOLD_INS_FEW = 32 };

struct fold_in_batch;

/* few: the sizes (n_few, most of them above 0) that fold_in_batch_of is asked for, at most FOLD_INS_FEW;
 * borrowed. The parameters are read at the first use of each function; they do not change after. */
enum err_code fold_in_batch_new(const struct model_spec *spec, const struct model_params *params,
                                const size_t *few, size_t n_few, struct fold_in_batch **out,
                                struct err *e) ERR_MUST_CHECK;
void fold_in_batch_free(struct fold_in_batch *f);

/* The fold-in of the first n interactions, to be written to f (d_fold_in). */
struct fold_in_moment {
    size_t n;
    real *f;
};

/* Of a user's interactions x, at these moments (n not falling). */
void fold_in_batch_prefixes(struct fold_in_batch *s, const struct encoder_interaction *x,
                            const struct fold_in_moment *moments, size_t n_moments);

/* For what follows: the user has these n interactions. size: how many of them fold_in_batch_without leaves
 * out. */
void fold_in_batch_know(struct fold_in_batch *s, const struct encoder_interaction *x, size_t n, size_t size);

/* Of all that is known but `size` of it, left_out (size <= FOLD_INS_MOST_LEFT_OUT). */
void fold_in_batch_without(struct fold_in_batch *s, const struct encoder_interaction *const *left_out,
                           real *f);

/* Of n interactions alone, n being among the few. What is known stays. */
void fold_in_batch_of(struct fold_in_batch *s, const struct encoder_interaction *x, size_t n, real *f);

#endif
