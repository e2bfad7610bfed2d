/* Let L L^T = A be the normal matrix of a user's first interactions with its ridge, b its right-hand side and
 * V (rows v) the interactions after them. In coordinates x' = L^T x the matrix is I + W^T W, W = V L^-T, and
 * with the factor S = R R^T of S = diag(1 / weight) + W W^T the solution after t more interactions is
 * (Woodbury)
 *
 *     x'(t) = w + sum over k < t of z_k q_k,     w = L^-1 b,  Q = R^-1 W,  z = R^-1 (1 - W w)
 *
 * because the leading blocks of R factor the leading blocks of S: the moments are one running sum. The ridge
 * grows with the number of interactions, and A has that of the block's middle; the rest delta of it is
 * brought in by x <- x(t) - delta (A + V_t^T V_t)^-1 x, where (A + V_t^T V_t)^-1 = L^-T (I - Q_t^T Q_t) L^-1.
 * The error falls by delta / ridge a round, which the choice of blocks keeps below RIDGE_SPREAD / 2.
 *
 * Leaving interactions out is the same with S = diag(1 / weight) - W W^T, and there the ridge is exact. So it
 * is for a few interactions alone, whose A is that of nobody's: its inverse M is computed once for each
 * number of them, and the solution is M V^T S^-1 1 with S = diag(1 / weight) + V M V^T. */
#include "engine/train/ranking/fold_in_batch.h"

#include "base/mem.h"
#include "engine/kernels/blas.h"
#include "engine/kernels/normal_sum.h"

#include <math.h>
#include <string.h>

enum { CHUNK = FOLD_INS_MOST };
_Static_assert((int)CHUNK == (int)NORMAL_CHUNK_ROWS, "W lies where the sum's rows waited");
#define RIDGE_SPREAD 0.25 /* of a block, relative */
#define RIDGE_ERROR  1e-5 /* relative, at most */

struct fold_in_batch {
    const struct model_spec *spec;
    const struct model_params *params;
    size_t d;
    struct normal_sum sum; /* of what was added, without ridge */
    real *workspace;       /* (normal_workspace_len) the sum's */
    real *b;               /* (d) its right-hand side */
    real *factor;          /* (d, d) L */
    real *w;               /* (d) */
    bool solvable;
    real *rows;      /* (CHUNK, d) W, then Q; in the sum's workspace, of which no row is waiting then */
    real *small;     /* (CHUNK, CHUNK) S, then R */
    real *z;         /* (CHUNK) */
    real *first;     /* (CHUNK, d) x'(t) of the moments */
    real *x;         /* (CHUNK, d) */
    real *y;         /* (CHUNK, d) */
    real *projected; /* (CHUNK, CHUNK) */
    double deltas[CHUNK];
    size_t n_known, n_left_out;
    const size_t *few; /* (n_few) */
    size_t n_few;
    real *inverses; /* (n_few, d, d) M */
    enum { NOT_YET, SINGULAR, READY } ready[FOLD_INS_FEW];
    real *block;
};

enum err_code fold_in_batch_new(const struct model_spec *spec, const struct model_params *params,
                                const size_t *few, size_t n_few, struct fold_in_batch **out, struct err *e)
{
    struct fold_in_batch *s = mem_zalloc_array(1, sizeof *s);
    size_t d = spec->encoder.d_fold_in;
    size_t n = (2 + n_few) * d * d + 4 * CHUNK * d + 2 * CHUNK * CHUNK + CHUNK + 2 * d;
    if (!s || !(s->block = mem_alloc_aligned(n, sizeof *s->block))) {
        fold_in_batch_free(s);
        return err_set(e, ERR_NOMEM, "no memory for fold-ins");
    }
    s->few = few;
    s->n_few = n_few;
    s->spec = spec;
    s->params = params;
    s->d = d;
    real *at = s->block;
#define TAKE(field, size) (s->field = at, at += (size))
    TAKE(workspace, normal_workspace_len(d));
    s->rows = s->workspace + d * d;
    TAKE(factor, d * d);
    TAKE(inverses, n_few * d * d);
    TAKE(first, CHUNK * d);
    TAKE(x, CHUNK * d);
    TAKE(y, CHUNK * d);
    TAKE(small, CHUNK * CHUNK);
    TAKE(projected, CHUNK * CHUNK);
    TAKE(z, CHUNK);
    TAKE(b, d);
    TAKE(w, d);
#undef TAKE
    *out = s;
    return ERR_OK;
}

void fold_in_batch_free(struct fold_in_batch *s)
{
    if (s)
        mem_free(s->block);
    mem_free(s);
}

/* ---- the common factorisation ---- */

static void start(struct fold_in_batch *s)
{
    normal_start(&s->sum, s->d, s->params->fold_in_gram, s->workspace, s->b);
}

static const real *factor_of(const struct fold_in_batch *s, const struct encoder_interaction *x)
{
    return s->params->fold_in_factor + (size_t)x->item * s->d;
}

static void add(struct fold_in_batch *s, const struct encoder_interaction *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        normal_add(&s->sum, factor_of(s, &x[i]), (real)x[i].weight, (real)x[i].weight);
    normal_end(&s->sum);
}

/* L and w of what was added, with this ridge. */
static void factorise(struct fold_in_batch *s, double ridge)
{
    size_t d = s->d;
    memcpy(s->factor, s->sum.a, d * d * sizeof *s->factor);
    for (size_t i = 0; i < d; i++)
        s->factor[i * d + i] += (real)ridge;
    s->solvable = blas_cholesky(d, s->factor, d);
    memcpy(s->w, s->b, d * sizeof *s->w);
    if (s->solvable)
        blas_lower_solve(BLAS_AS_IS, d, s->factor, d, 1, s->w, d);
}

/* R of S = diag(1 / weight) + sign W W^T for the rows of W (n, d). */
static bool factorise_small(struct fold_in_batch *s, size_t n, const real *weights, real sign)
{
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, n, s->d, sign, s->rows, s->d, s->rows, s->d, 0, s->small, n);
    for (size_t i = 0; i < n; i++)
        s->small[i * n + i] += 1 / weights[i];
    return blas_cholesky(n, s->small, n);
}

static void take_prior(const struct fold_in_batch *s, real *f)
{
    memcpy(f, s->params->prior, s->d * sizeof *f);
}

/* ---- all moments of a block ---- */

/* W, then S, Q and z for the n interactions after those that were added. */
static bool block_rows(struct fold_in_batch *s, const struct encoder_interaction *x, size_t n)
{
    size_t d = s->d;
    real weights[CHUNK];
    if (n == 0)
        return true;
    for (size_t i = 0; i < n; i++) {
        memcpy(s->rows + i * d, factor_of(s, &x[i]), d * sizeof *s->rows);
        weights[i] = (real)x[i].weight;
        s->z[i] = 1;
    }
    blas_lower_solve(BLAS_AS_IS, d, s->factor, d, n, s->rows, d);
    if (!factorise_small(s, n, weights, 1))
        return false;
    blas_gemv(BLAS_AS_IS, n, d, -1, s->rows, d, s->w, 1, s->z);
    blas_lower_solve(BLAS_AS_IS, n, s->small, n, 1, s->z, n);
    blas_lower_solve_columns(n, s->small, n, d, s->rows, d);
    return true;
}

/* One round of bringing the rest of the ridge in: x' = x'(t) - delta (I - Q_t^T Q_t) L^-1 L^-T x'. */
static void correct(struct fold_in_batch *s, const struct fold_in_moment *m, size_t n_moments, size_t start_n,
                    size_t n)
{
    size_t d = s->d;
    memcpy(s->y, s->x, n_moments * d * sizeof *s->y);
    blas_lower_solve(BLAS_TRANSPOSED, d, s->factor, d, n_moments, s->y, d);
    blas_lower_solve(BLAS_AS_IS, d, s->factor, d, n_moments, s->y, d);
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n_moments, n, d, 1, s->y, d, s->rows, d, 0, s->projected, n);
    for (size_t k = 0; k < n_moments; k++)
        for (size_t t = m[k].n - start_n; t < n; t++)
            s->projected[k * n + t] = 0; /* the moment does not know this interaction yet */
    if (n)
        blas_gemm(BLAS_AS_IS, BLAS_AS_IS, n_moments, d, n, -1, s->projected, n, s->rows, d, 1, s->y, d);
    memcpy(s->x, s->first, n_moments * d * sizeof *s->x);
    for (size_t k = 0; k < n_moments; k++)
        blas_axpy(d, (real)-s->deltas[k], s->y + k * d, s->x + k * d);
}

/* The moments m, all of which have at least start_n (the number added) and at most start_n + n
 * interactions. */
static void solve_block(struct fold_in_batch *s, const struct encoder_interaction *x,
                        const struct fold_in_moment *m, size_t n_moments, size_t start_n, size_t n)
{
    size_t d = s->d, at = 0;
    double low = encoder_fold_in_ridge(s->spec, start_n), high = encoder_fold_in_ridge(s->spec, start_n + n),
           middle = (low + high) / 2;
    factorise(s, middle);
    if (!s->solvable || !block_rows(s, x + start_n, n)) {
        for (size_t k = 0; k < n_moments; k++)
            take_prior(s, m[k].f);
        return;
    }
    for (size_t k = 0; k < n_moments; k++) { /* w is the running sum */
        for (; at < m[k].n - start_n; at++)
            blas_axpy(d, s->z[at], s->rows + at * d, s->w);
        memcpy(s->first + k * d, s->w, d * sizeof *s->w);
        s->deltas[k] = encoder_fold_in_ridge(s->spec, m[k].n) - middle;
    }
    memcpy(s->x, s->first, n_moments * d * sizeof *s->x);
    double rate = middle > 0 ? fabs(high - low) / 2 / middle : 0;
    for (double error = rate; error > RIDGE_ERROR; error *= rate)
        correct(s, m, n_moments, start_n, n);
    blas_lower_solve(BLAS_TRANSPOSED, d, s->factor, d, n_moments, s->x, d);
    for (size_t k = 0; k < n_moments; k++)
        memcpy(m[k].f, s->x + k * d, d * sizeof *s->x);
}

/* How many of the moments from the first share its factorisation. */
static size_t block_moments(const struct fold_in_batch *s, const struct fold_in_moment *m, size_t n_moments)
{
    double low = encoder_fold_in_ridge(s->spec, m[0].n), most = low * (1 + RIDGE_SPREAD),
           least = low / (1 + RIDGE_SPREAD);
    size_t n = 1;
    while (n < n_moments && n < CHUNK && m[n].n - m[0].n <= CHUNK) {
        double ridge = encoder_fold_in_ridge(s->spec, m[n].n);
        if (!(ridge <= most && ridge >= least))
            break;
        n++;
    }
    return n;
}

void fold_in_batch_prefixes(struct fold_in_batch *s, const struct encoder_interaction *x,
                            const struct fold_in_moment *moments, size_t n_moments)
{
    size_t added = 0;
    start(s);
    while (n_moments > 0 && moments[0].n == 0) {
        take_prior(s, moments[0].f);
        moments++;
        n_moments--;
    }
    while (n_moments > 0) {
        size_t n = block_moments(s, moments, n_moments);
        add(s, x + added, moments[0].n - added);
        added = moments[0].n;
        solve_block(s, x, moments, n, added, moments[n - 1].n - added);
        moments += n;
        n_moments -= n;
    }
}

/* ---- some left out ---- */

void fold_in_batch_know(struct fold_in_batch *s, const struct encoder_interaction *x, size_t n, size_t size)
{
    start(s);
    add(s, x, n);
    factorise(s, encoder_fold_in_ridge(s->spec, n - size));
    s->n_known = n;
    s->n_left_out = size;
}

void fold_in_batch_without(struct fold_in_batch *s, const struct encoder_interaction *const *left_out,
                           real *f)
{
    size_t d = s->d, n = s->n_left_out;
    real weights[FOLD_INS_MOST_LEFT_OUT];
    memcpy(s->x, s->w, d * sizeof *s->x);
    for (size_t i = 0; i < n; i++) {
        memcpy(s->rows + i * d, factor_of(s, left_out[i]), d * sizeof *s->rows);
        weights[i] = (real)left_out[i]->weight;
    }
    if (s->solvable && n < s->n_known) {
        blas_lower_solve(BLAS_AS_IS, d, s->factor, d, n, s->rows, d);
        for (size_t i = 0; i < n; i++)
            blas_axpy(d, -weights[i], s->rows + i * d, s->x);
    }
    if (!s->solvable || n >= s->n_known || !factorise_small(s, n, weights, -1)) {
        take_prior(s, f);
        return;
    }
    /* (I - W^T W)^-1 = I + W^T S^-1 W */
    blas_gemv(BLAS_AS_IS, n, d, 1, s->rows, d, s->x, 0, s->z);
    if (n)
        blas_cholesky_solve(n, s->small, n, 1, s->z, n);
    blas_gemv(BLAS_TRANSPOSED, n, d, 1, s->rows, d, s->z, 1, s->x);
    blas_lower_solve(BLAS_TRANSPOSED, d, s->factor, d, 1, s->x, d);
    memcpy(f, s->x, d * sizeof *f);
}

/* ---- a few alone ---- */

/* M for the k-th of the few; NULL when there is none. */
static const real *inverse_of(struct fold_in_batch *s, size_t k)
{
    size_t d = s->d;
    real *m = s->inverses + k * d * d;
    if (s->ready[k] != NOT_YET)
        return s->ready[k] == READY ? m : NULL;
    memcpy(m, s->params->fold_in_gram, d * d * sizeof *m);
    for (size_t i = 0; i < d; i++)
        m[i * d + i] += (real)encoder_fold_in_ridge(s->spec, s->few[k]);
    s->ready[k] = blas_cholesky(d, m, d) && blas_cholesky_inverse(d, m, d) ? READY : SINGULAR;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < i; j++)
            m[j * d + i] = m[i * d + j];
    return s->ready[k] == READY ? m : NULL;
}

void fold_in_batch_of(struct fold_in_batch *s, const struct encoder_interaction *x, size_t n, real *f)
{
    size_t d = s->d, k = 0;
    while (k < s->n_few && s->few[k] != n)
        k++;
    const real *m = n > 0 && k < s->n_few ? inverse_of(s, k) : NULL;
    take_prior(s, f);
    if (!m)
        return;
    for (size_t i = 0; i < n; i++) {
        memcpy(s->rows + i * d, factor_of(s, &x[i]), d * sizeof *s->rows);
        s->z[i] = 1;
    }
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, n, d, d, 1, s->rows, d, m, d, 0, s->y, d);
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, n, d, 1, s->y, d, s->rows, d, 0, s->small, n);
    for (size_t i = 0; i < n; i++)
        s->small[i * n + i] += 1 / (real)x[i].weight;
    if (!blas_cholesky(n, s->small, n))
        return;
    blas_cholesky_solve(n, s->small, n, 1, s->z, n);
    blas_gemv(BLAS_TRANSPOSED, n, d, 1, s->y, d, s->z, 0, f);
}
