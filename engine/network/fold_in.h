/* fold_in - solves the fold-in equation of one history, (G + ridge Id + U^T U) f = U^T r, where G is the
 * model's gram, a row of U is sqrt(w) v of an interaction with weight w and item factor v, and r holds the
 * sqrt(w).
 * Cost: fold_in_solve O(n d^2 + d^3 / 3); with a basis and a short history O(n d^2 + n^2 d), a few times
 * less. Which way is taken depends on n and the basis alone, so that the same history gives the same bits.
 * The two ways agree to the rounding of float times the condition of the equation.
 * Layer: engine/network
 * Threads: a basis is immutable after new.
 * Memory: a basis is one d x d block; solving allocates nothing. */
#ifndef ENGINE_NETWORK_FOLD_IN_H
#define ENGINE_NETWORK_FOLD_IN_H

#include "base/err.h"
#include "engine/kernels/real.h"

#include <stdbool.h>
#include <stddef.h>

struct encoder_interaction;

/* The eigenvectors and eigenvalues of G: in them G + ridge Id is diagonal, whatever the ridge. */
struct fold_in_basis;

enum { FOLD_IN_BASIS_MOST = 512 }; /* widest gram that has a basis: making one takes O(d^3) */

/* New from the lower triangle of gram (d, d); *out is NULL, and no error, for one that is too wide or that
 * LAPACK gives up. */
enum err_code fold_in_basis_new(const real *gram, size_t d, struct fold_in_basis **out,
                                struct err *e) ERR_MUST_CHECK;
void fold_in_basis_free(struct fold_in_basis *b); /* NULL is allowed */

/* The longest history that is solved in the basis. */
size_t fold_in_most_short(size_t d);

/* A table of factors: the model's own items, and those that came after them. */
struct fold_in_factors {
    const real *own, *extra; /* (n_own, d), (.., d) */
    size_t n_own, d;
};

/* Reals that fold_in_solve needs as workspace, however long a history is. */
size_t fold_in_workspace_len(size_t d);

/* What a user is taken to think of an item that pushes down, where 1 is one that was taken and 0 one that
 * nothing is known of (Hu, Koren, Volinsky 2008 have 0 at least). */
#define FOLD_IN_DISLIKED (-1)

/* Writes f (d) of n interactions, and n_negative behind them that push down. basis: of gram, or NULL. False
 * when the equation has no solution in float. */
bool fold_in_solve(const struct fold_in_factors *factors, const real *gram, const struct fold_in_basis *basis,
                   double ridge, const struct encoder_interaction *x, size_t n, size_t n_negative,
                   real *workspace, real *f);

#endif
