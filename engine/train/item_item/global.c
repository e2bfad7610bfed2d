/* All columns of the regression at once, from one inverse; of each only the largest weights are kept. Those
 * were solved with all other items present, which on dense data is worth more than a regression on the kept
 * ones alone. */
#include "engine/train/item_item/parts.h"

#include "engine/kernels/blas.h"
#include "engine/rank/topk.h"

#include <math.h>
#include <string.h>

static void gather_row(void *arg, size_t item, size_t thread)
{
    (void)thread;
    struct item_item_fit *f = arg;
    item_item_gram_row(f, item, f->gram + item * f->n_items);
}

void item_item_whole_gather(struct item_item_fit *f)
{
    parallel_for_unless_stopped(f->team, f->n_items, gather_row, f);
}

/* row (I) = item's column of the weights, -P_ji / P_ii (Steck 2019, eq. 8), from the lower triangle of P. */
static void column_of(const struct item_item_fit *f, size_t item, real *row)
{
    size_t n = f->n_items;
    real factor = -1 / f->inverse[item * n + item];
    for (size_t j = 0; j < item; j++)
        row[j] = factor * f->inverse[item * n + j];
    row[item] = 0;
    for (size_t j = item + 1; j < n; j++)
        row[j] = factor * f->inverse[j * n + item];
}

/* A weight counts for as much as it moves: of two alike, the item that more users have is heard more
 * often. */
static void keep_largest(void *arg, size_t item, size_t thread)
{
    struct item_item_fit *f = arg;
    real *row = item_item_row(f, thread), *solution = f->solution + item * f->k;
    struct topk_entry *entries = item_item_entries(f, thread);
    struct topk top;
    f->n_near[item] = 0;
    column_of(f, item, row);
    if (!(f->diagonal[item] > 0) || !item_item_all_finite(row, f->n_items))
        return;
    topk_init(&top, entries, f->k);
    for (size_t j = 0; j < f->n_items; j++) {
        real moved = (real)fabs((double)row[j]) * (real)sqrt((double)f->diagonal[j]);
        if (moved > 0)
            topk_push(&top, moved, (uint32_t)j);
    }
    item_item_set_near(f, item, entries, topk_finish(&top));
    for (size_t a = 0; a < f->n_near[item]; a++)
        solution[a] = row[f->near[item * f->k + a]];
}

void item_item_whole_solve(struct item_item_fit *f)
{
    size_t n = f->n_items;
    memcpy(f->inverse, f->gram, n * n * sizeof *f->inverse);
    for (size_t i = 0; i < n; i++)
        f->inverse[i * n + i] += f->ridge[i];
    memset(f->n_near, 0, n * sizeof *f->n_near);
    if (parallel_stopped(f->team)) /* the inverse of a large matrix takes longer than anybody waits */
        return;
    /* too near to singular for float32: no model has such weights */
    if (blas_cholesky(n, f->inverse, n) && blas_cholesky_inverse(n, f->inverse, n))
        parallel_for_unless_stopped(f->team, n, keep_largest, f);
}
