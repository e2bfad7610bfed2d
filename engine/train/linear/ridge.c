/* The normal equation (F^T F + 1) W = F^T X is never formed: features are as many as users or items. Few
 * steps from the last weights are enough, because the targets move little between two calls. Columns do not
 * meet: each has its own step length. */
#include "engine/train/linear/ridge.h"

#include "base/mem.h"

#include <string.h>

enum err_code ridge_init(struct ridge *r, const struct sparse *features, size_t d, struct err *e)
{
    memset(r, 0, sizeof *r);
    enum err_code code = sparse_transpose(features, &r->turned, e);
    if (code)
        return code;
    r->features = features;
    r->d = d;
    size_t n = features->n_columns * d;
    r->weights = mem_zalloc_array(n, sizeof *r->weights);
    r->residual = mem_alloc_array(n, sizeof *r->residual);
    r->direction = mem_alloc_array(n, sizeof *r->direction);
    r->product = mem_alloc_array(n, sizeof *r->product);
    r->fitted = mem_alloc_array(features->n_rows * d, sizeof *r->fitted);
    r->sums = mem_alloc_array(4 * d, sizeof *r->sums);
    if (r->weights && r->residual && r->direction && r->product && r->fitted && r->sums)
        return ERR_OK;
    ridge_fini(r);
    return err_set(e, ERR_NOMEM, "no memory to regress on %zu features", features->n_columns);
}

void ridge_fini(struct ridge *r)
{
    sparse_fini(&r->turned);
    mem_free(r->weights);
    mem_free(r->residual);
    mem_free(r->direction);
    mem_free(r->product);
    mem_free(r->fitted);
    mem_free(r->sums);
    memset(r, 0, sizeof *r);
}

/* sums (d) of a * b down the columns of two (n / d, d). */
static void dot_columns(size_t n, size_t d, const real *a, const real *b, double *sums)
{
    memset(sums, 0, d * sizeof *sums);
    for (size_t i = 0; i < n; i += d)
        for (size_t k = 0; k < d; k++)
            sums[k] += (double)a[i + k] * (double)b[i + k];
}

/* residual = F^T (x - F W) - W */
static void start(struct ridge *r, struct parallel *team, const real *x)
{
    size_t d = r->d, n = r->features->n_columns * d, m = r->features->n_rows * d;
    sparse_times(r->features, team, d, r->weights, r->fitted);
    for (size_t i = 0; i < m; i++)
        r->fitted[i] = x[i] - r->fitted[i];
    sparse_times(&r->turned, team, d, r->fitted, r->residual);
    for (size_t i = 0; i < n; i++)
        r->residual[i] -= r->weights[i];
    memcpy(r->direction, r->residual, n * sizeof *r->direction);
}

static void step(struct ridge *r, struct parallel *team)
{
    size_t d = r->d, n = r->features->n_columns * d;
    double *square = r->sums, *curve = square + d, *length = curve + d, *turn = length + d;
    sparse_times(r->features, team, d, r->direction, r->fitted);
    sparse_times(&r->turned, team, d, r->fitted, r->product);
    for (size_t i = 0; i < n; i++)
        r->product[i] += r->direction[i];
    dot_columns(n, d, r->direction, r->product, curve);
    for (size_t k = 0; k < d; k++)
        length[k] = curve[k] > 0 ? square[k] / curve[k] : 0;
    for (size_t i = 0; i < n; i += d)
        for (size_t k = 0; k < d; k++) {
            r->weights[i + k] += (real)length[k] * r->direction[i + k];
            r->residual[i + k] -= (real)length[k] * r->product[i + k];
        }
    dot_columns(n, d, r->residual, r->residual, turn);
    for (size_t k = 0; k < d; k++) {
        double left = turn[k];
        turn[k] = square[k] > 0 ? left / square[k] : 0;
        square[k] = left;
    }
    for (size_t i = 0; i < n; i += d)
        for (size_t k = 0; k < d; k++)
            r->direction[i + k] = r->residual[i + k] + (real)turn[k] * r->direction[i + k];
}

void ridge_fit(struct ridge *r, struct parallel *team, const real *x, int n_steps, real *mean)
{
    start(r, team, x);
    dot_columns(r->features->n_columns * r->d, r->d, r->residual, r->residual, r->sums);
    for (int i = 0; i < n_steps; i++)
        step(r, team);
    sparse_times(r->features, team, r->d, r->weights, mean);
}
