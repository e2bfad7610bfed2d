/* One row of the Gram matrix is what a user's items and their users say of an item; rows are independent, so threads share
 * nothing. A catalogue of some thousand items keeps the whole matrix. Of a larger one it would not fit, and most of it is
 * zero: each item then keeps the small matrix of its own neighbours, gathered through a table of their places. */
#include "engine/train/neighbours_fit.h"

#include "base/mem.h"
#include "engine/blas.h"
#include "engine/topk.h"

#include <math.h>
#include <string.h>

enum { MOST_DENSE = 200, MOST_PACKED = 64, LEAST_PACKED = 8 };
#define PACKED_BYTES ((size_t)3 << 30)

struct neighbours_fit {
    const struct split *split; /* until new returns */
    struct parallel *team;
    size_t n_items, k; /* I, K */
    bool dense;
    float *user_weight; /* (n_users) */
    size_t *user_start; /* (I + 1) users of item i are user[user_start[i]..) */
    uint32_t *user;     /* (n_training) */
    real *diagonal;     /* (I) of the Gram matrix */
    double mean_diagonal;
    uint32_t *near;   /* (I, K) rising */
    uint32_t *n_near; /* (I) */
    real *products;   /* (I, K) Gram of the item and each neighbour */
    real *gram;       /* dense: (I, I), else (I, K (K + 1) / 2): of the neighbours, lower triangle by rows */
    real *workspace;  /* (threads, stride) */
    size_t stride;
    real ridge;
    real *solution; /* (I, K) */
};

/* ---- the interactions, turned round ---- */

static enum err_code turn(struct neighbours_fit *f, struct err *e)
{
    const struct split *s = f->split;
    size_t n_users = s->data->n_users, n = s->n_training;
    f->user_weight = mem_alloc_array(n_users, sizeof *f->user_weight);
    f->user_start = mem_zalloc_array(f->n_items + 2, sizeof *f->user_start);
    f->user = mem_alloc_array(n ? n : 1, sizeof *f->user);
    f->diagonal = mem_zalloc_array(f->n_items, sizeof *f->diagonal);
    if (!f->user_weight || !f->user_start || !f->user || !f->diagonal)
        return err_set(e, ERR_NOMEM, "no memory for the neighbours of %zu items", f->n_items);
    for (size_t u = 0; u < n_users; u++) {
        size_t n_u = s->end[u] - s->start[u];
        f->user_weight[u] = (float)(1 / sqrt((double)(n_u ? n_u : 1)));
        for (size_t i = s->start[u]; i < s->end[u]; i++)
            f->user_start[s->interactions[i].item + 2]++;
    }
    for (size_t i = 0; i < f->n_items; i++)
        f->user_start[i + 2] += f->user_start[i + 1];
    for (size_t u = 0; u < n_users; u++)
        for (size_t i = s->start[u]; i < s->end[u]; i++) {
            size_t item = s->interactions[i].item;
            f->user[f->user_start[item + 1]++] = (uint32_t)u;
            f->diagonal[item] += (real)f->user_weight[u];
        }
    for (size_t i = 0; i < f->n_items; i++)
        f->mean_diagonal += (double)f->diagonal[i] / (double)f->n_items;
    return ERR_OK;
}

/* ---- neighbours ---- */

/* row (I) = the Gram matrix's. */
static void gram_row(const struct neighbours_fit *f, size_t item, real *row)
{
    const struct split *s = f->split;
    memset(row, 0, f->n_items * sizeof *row);
    for (size_t p = f->user_start[item]; p < f->user_start[item + 1]; p++) {
        size_t u = f->user[p];
        real w = (real)f->user_weight[u];
        for (size_t i = s->start[u]; i < s->end[u]; i++)
            row[s->interactions[i].item] += w;
    }
}

static void find_near(void *arg, size_t item, size_t thread)
{
    struct neighbours_fit *f = arg;
    real *row = f->workspace + thread * f->stride;
    struct topk_entry *entries = (struct topk_entry *)(void *)(row + f->n_items);
    struct topk top;
    gram_row(f, item, row);
    if (f->dense)
        memcpy(f->gram + item * f->n_items, row, f->n_items * sizeof *row);
    topk_init(&top, entries, f->k);
    for (size_t j = 0; j < f->n_items; j++)
        if (row[j] > 0 && j != item)
            topk_push(&top, row[j] / (real)sqrt((double)f->diagonal[j]), (uint32_t)j);
    size_t n = topk_finish(&top);
    for (size_t a = 0; a < n; a++) { /* by insertion into rising order */
        uint32_t j = entries[a].index;
        size_t at = a;
        for (; at > 0 && f->near[item * f->k + at - 1] > j; at--)
            f->near[item * f->k + at] = f->near[item * f->k + at - 1];
        f->near[item * f->k + at] = j;
    }
    for (size_t a = 0; a < n; a++)
        f->products[item * f->k + a] = row[f->near[item * f->k + a]];
    f->n_near[item] = (uint32_t)n;
}

/* The packed Gram matrix of an item's neighbours. The thread's places (I) are 0 for others, else 1 + the place. */
static void gather(void *arg, size_t item, size_t thread)
{
    struct neighbours_fit *f = arg;
    const struct split *s = f->split;
    uint32_t *place = (uint32_t *)(void *)(f->workspace + thread * f->stride);
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

static size_t choose_k(size_t n_items, bool dense)
{
    size_t k = dense ? MOST_DENSE : MOST_PACKED;
    while (!dense && k > LEAST_PACKED && n_items * k * k / 2 * sizeof(real) > PACKED_BYTES)
        k--;
    return k < n_items ? k : n_items - 1;
}

static enum err_code reserve(struct neighbours_fit *f, struct err *e)
{
    size_t k = f->k, n = f->n_items, threads = parallel_threads(f->team);
    size_t row = n + k * (sizeof(struct topk_entry) / sizeof(real) + 1), system = k * k;
    f->stride = ((row > system ? row : system) + 15) / 16 * 16;
    f->near = mem_alloc_array(n * k, sizeof *f->near);
    f->n_near = mem_zalloc_array(n, sizeof *f->n_near);
    f->products = mem_alloc_array(n * k, sizeof *f->products);
    f->solution = mem_alloc_array(n * k, sizeof *f->solution);
    f->gram = mem_alloc_array(f->dense ? n * n : n * (k * (k + 1) / 2), sizeof *f->gram);
    f->workspace = mem_alloc_aligned(threads * f->stride, sizeof *f->workspace);
    if (f->near && f->n_near && f->products && f->solution && f->gram && f->workspace)
        return ERR_OK;
    return err_set(e, ERR_NOMEM, "no memory for the neighbours of %zu items", n);
}

enum err_code neighbours_fit_new(const struct split *s, size_t most_dense, struct parallel *team,
                                 struct neighbours_fit **out, struct err *e)
{
    struct neighbours_fit *f = mem_zalloc_array(1, sizeof *f);
    if (!f)
        return err_set(e, ERR_NOMEM, "no memory for neighbours");
    *f = (struct neighbours_fit){.split = s, .team = team, .n_items = s->data->n_items};
    f->dense = f->n_items <= most_dense;
    f->k = choose_k(f->n_items, f->dense);
    enum err_code code = reserve(f, e);
    if (!code)
        code = turn(f, e);
    if (code) {
        neighbours_fit_free(f);
        return code;
    }
    parallel_for(team, f->n_items, find_near, f);
    memset(f->workspace, 0, parallel_threads(team) * f->stride * sizeof *f->workspace);
    if (!f->dense)
        parallel_for(team, f->n_items, gather, f);
    f->split = NULL;
    *out = f;
    return ERR_OK;
}

void neighbours_fit_free(struct neighbours_fit *f)
{
    if (!f)
        return;
    mem_free(f->user_weight);
    mem_free(f->user_start);
    mem_free(f->user);
    mem_free(f->diagonal);
    mem_free(f->near);
    mem_free(f->n_near);
    mem_free(f->products);
    mem_free(f->gram);
    mem_free(f->workspace);
    mem_free(f->solution);
    mem_free(f);
}

/* ---- weights ---- */

static bool all_finite(const real *x, size_t n)
{
    real zero = 0; /* NaN and infinity times zero are NaN */
    for (size_t i = 0; i < n; i++)
        zero += x[i] * 0;
    return zero == 0;
}

static void solve_item(void *arg, size_t item, size_t thread)
{
    struct neighbours_fit *f = arg;
    size_t n = f->n_near[item], k = f->k;
    const uint32_t *near = f->near + item * k;
    real *a = f->workspace + thread * f->stride, *s = f->solution + item * k; /* a: (n, n) lower triangle */
    for (size_t r = 0; r < n; r++) {
        const real *packed = f->gram + item * (k * (k + 1) / 2) + r * (r + 1) / 2;
        for (size_t c = 0; c <= r; c++)
            a[r * n + c] = f->dense ? f->gram[near[r] * f->n_items + near[c]] : packed[c];
        a[r * n + r] += f->ridge;
    }
    memcpy(s, f->products + item * k, n * sizeof *s);
    bool solved = n && blas_cholesky(n, a, n);
    if (solved)
        blas_cholesky_solve(n, a, n, 1, s, n);
    if (!solved || !all_finite(s, n)) /* too near to singular for float32: no model has such weights */
        memset(s, 0, n * sizeof *s);
}

/* From each item's neighbours to what each item says of others. */
static enum err_code turn_weights(const struct neighbours_fit *f, struct item_weights *out, struct err *e)
{
    size_t n = 0, k = f->k;
    for (size_t i = 0; i < f->n_items; i++)
        n += f->n_near[i];
    out->n_pairs = n;
    out->start = mem_zalloc_array(f->n_items + 2, sizeof *out->start);
    out->item = mem_alloc_array(n ? n : 1, sizeof *out->item);
    out->weight = mem_alloc_array(n ? n : 1, sizeof *out->weight);
    if (!out->start || !out->item || !out->weight) {
        item_weights_fini(out);
        return err_set(e, ERR_NOMEM, "no memory for %zu item-item weights", n);
    }
    for (size_t i = 0; i < f->n_items; i++)
        for (size_t a = 0; a < f->n_near[i]; a++)
            out->start[f->near[i * k + a] + 2]++;
    for (size_t i = 0; i < f->n_items; i++)
        out->start[i + 2] += out->start[i + 1];
    for (size_t i = 0; i < f->n_items; i++)
        for (size_t a = 0; a < f->n_near[i]; a++) {
            int64_t at = out->start[f->near[i * k + a] + 1]++;
            out->item[at] = (uint32_t)i;
            out->weight[at] = f->solution[i * k + a];
        }
    return ERR_OK;
}

enum err_code neighbours_fit_solve(struct neighbours_fit *f, double ridge, struct item_weights *out,
                                   struct err *e)
{
    memset(out, 0, sizeof *out);
    f->ridge = (real)(ridge * f->mean_diagonal);
    parallel_for(f->team, f->n_items, solve_item, f);
    return turn_weights(f, out, e);
}

void item_weights_scale(struct item_weights *w, double factor)
{
    for (size_t i = 0; i < w->n_pairs; i++)
        w->weight[i] *= (real)factor;
}

struct item_pairs item_weights_view(const struct item_weights *w)
{
    return (struct item_pairs){w->start, w->item, w->weight};
}

void item_weights_fini(struct item_weights *w)
{
    mem_free(w->start);
    mem_free(w->item);
    mem_free(w->weight);
    memset(w, 0, sizeof *w);
}
