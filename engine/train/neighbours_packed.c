/* Of a catalogue whose Gram matrix would not fit, and is mostly zero, each item keeps the small one of its own neighbours,
 * gathered through a table of their places. Items are independent, so threads share nothing. */
#include "engine/train/neighbours_parts.h"

#include "engine/blas.h"
#include "engine/topk.h"

#include <math.h>
#include <string.h>

static void find_near(void *arg, size_t item, size_t thread)
{
    struct neighbours_fit *f = arg;
    real *row = neighbours_row(f, thread);
    struct topk_entry *entries = neighbours_entries(f, thread);
    struct topk top;
    neighbours_gram_row(f, item, row);
    topk_init(&top, entries, f->k);
    for (size_t j = 0; j < f->n_items; j++)
        if (row[j] > 0 && j != item)
            topk_push(&top, row[j] / (real)sqrt((double)f->diagonal[j]), (uint32_t)j);
    neighbours_set_near(f, item, entries, topk_finish(&top));
    for (size_t a = 0; a < f->n_near[item]; a++)
        f->products[item * f->k + a] = row[f->near[item * f->k + a]];
}

/* The packed Gram matrix of an item's neighbours. The thread's places (I) are 0 for others, else 1 + the place. */
static void gather(void *arg, size_t item, size_t thread)
{
    struct neighbours_fit *f = arg;
    const struct split *s = f->split;
    uint32_t *place = (uint32_t *)(void *)neighbours_row(f, thread);
    const uint32_t *near = f->near + item * f->k;
    size_t n = f->n_near[item];
    real *packed = f->gram + item * (f->k * (f->k + 1) / 2);
    for (size_t a = 0; a < n; a++)
        place[near[a]] = (uint32_t)a + 1;
    for (size_t a = 0; a < n; a++) {
        real *row = packed + a * (a + 1) / 2;
        memset(row, 0, (a + 1) * sizeof *row);
        for (size_t p = f->user_start[near[a]]; p < f->user_start[near[a] + 1]; p++) {
            size_t u = f->user[p];
            for (size_t i = s->start[u]; i < s->end[u]; i++) {
                size_t b = place[s->interactions[i].item];
                if (b && b <= a + 1)
                    row[b - 1] += (real)f->user_weight[u];
            }
        }
    }
    for (size_t a = 0; a < n; a++)
        place[near[a]] = 0;
}

void neighbours_packed_gather(struct neighbours_fit *f)
{
    parallel_for(f->team, f->n_items, find_near, f);
    memset(f->workspace, 0, parallel_threads(f->team) * f->stride * sizeof *f->workspace);
    parallel_for(f->team, f->n_items, gather, f);
}

static void solve_item(void *arg, size_t item, size_t thread)
{
    struct neighbours_fit *f = arg;
    size_t n = f->n_near[item], k = f->k;
    const uint32_t *near = f->near + item * k;
    const real *packed = f->gram + item * (k * (k + 1) / 2);
    real *a = f->workspace + thread * f->stride, *s = f->solution + item * k; /* a: (n, n) lower triangle */
    for (size_t r = 0; r < n; r++) {
        memcpy(a + r * n, packed + r * (r + 1) / 2, (r + 1) * sizeof *a);
        a[r * n + r] += f->ridge[near[r]];
    }
    memcpy(s, f->products + item * k, n * sizeof *s);
    bool solved = n && blas_cholesky(n, a, n);
    if (solved)
        blas_cholesky_solve(n, a, n, 1, s, n);
    if (!solved ||
        !neighbours_all_finite(s, n)) /* too near to singular for float32: no model has such weights */
        memset(s, 0, n * sizeof *s);
}

void neighbours_packed_solve(struct neighbours_fit *f)
{
    parallel_for(f->team, f->n_items, solve_item, f);
}
