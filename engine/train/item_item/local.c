/* Of a catalogue whose Gram matrix would not fit, and is mostly zero, each item keeps the small one of its
 * own neighbours, gathered from the users they have. Items are independent, so threads share nothing. */
#include "engine/train/item_item/parts.h"

#include "base/mem.h"
#include "engine/kernels/blas.h"
#include "engine/rank/topk.h"

#include <math.h>
#include <string.h>

static void find_near(void *arg, size_t item, size_t thread)
{
    struct item_item_fit *f = arg;
    real *row = item_item_row(f, thread);
    struct topk_entry *entries = item_item_entries(f, thread);
    struct topk top;
    item_item_gram_row(f, item, row);
    topk_init(&top, entries, f->k);
    for (size_t j = 0; j < f->n_items; j++)
        if (row[j] > 0 && j != item)
            topk_push(&top, row[j] / (real)sqrt((double)f->diagonal[j]), (uint32_t)j);
    item_item_set_near(f, item, entries, topk_finish(&top));
    for (size_t a = 0; a < f->n_near[item]; a++)
        f->products[item * f->k + a] = row[f->near[item * f->k + a]];
}

/* Which of an item's neighbours a user took, the last seen first. Entry 0 is the end of every list. */
struct taken {
    uint32_t place, next;
};

struct batching {
    struct item_item_fit *f;
    size_t n_users, max_taken; /* entries that an item needs at most */
    uint32_t *heads;           /* (threads, n_users) */
    struct taken *taken;       /* (threads, max_taken) */
};

/* The packed Gram matrix of an item's neighbours: what two of them share is found from the users of either,
 * in the list of those of the item's neighbours that each has, and not in all that a user took. The thread's
 * heads (n_users) are zero. */
static void gather(void *arg, size_t item, size_t thread)
{
    struct batching *g = arg;
    struct item_item_fit *f = g->f;
    uint32_t *head = g->heads + thread * g->n_users;
    struct taken *entries = g->taken + thread * g->max_taken;
    const uint32_t *near = f->near + item * f->k;
    uint32_t n_entries = 0;
    real *row = f->gram + item * (f->k * (f->k + 1) / 2);
    for (uint32_t a = 0; a < f->n_near[item]; a++) {
        memset(row, 0, a * sizeof *row);
        row[a] = f->diagonal[near[a]];
        for (size_t p = f->user_start[near[a]]; p < f->user_start[near[a] + 1]; p++) {
            uint32_t u = f->user[p];
            real w = (real)f->user_weight[u];
            for (uint32_t at = head[u]; at; at = entries[at].next)
                row[entries[at].place] += w;
            entries[++n_entries] = (struct taken){a, head[u]};
            head[u] = n_entries;
        }
        row += a + 1;
    }
    for (size_t a = 0; a < f->n_near[item]; a++)
        for (size_t p = f->user_start[near[a]]; p < f->user_start[near[a] + 1]; p++)
            head[f->user[p]] = 0;
}

static size_t count_taken(const struct item_item_fit *f, size_t item)
{
    size_t n = 1;
    for (size_t a = 0; a < f->n_near[item]; a++) {
        uint32_t i = f->near[item * f->k + a];
        n += f->user_start[i + 1] - f->user_start[i];
    }
    return n;
}

enum err_code item_item_packed_gather(struct item_item_fit *f, struct err *e)
{
    struct batching g = {.f = f, .n_users = f->split->data->n_users};
    size_t threads = parallel_threads(f->team);
    parallel_for_unless_stopped(f->team, f->n_items, find_near, f);
    for (size_t i = 0; i < f->n_items; i++) {
        size_t n = count_taken(f, i);
        g.max_taken = n > g.max_taken ? n : g.max_taken;
    }
    if (g.max_taken > UINT32_MAX)
        return err_set(e, ERR_LIMIT, "the neighbours of one item have %zu takers, more than %u", g.max_taken,
                       UINT32_MAX);
    g.heads = mem_zalloc_array(g.n_users, threads * sizeof *g.heads);
    g.taken = mem_alloc_array(g.max_taken, threads * sizeof *g.taken);
    bool there = g.heads && g.taken;
    if (there)
        parallel_for_unless_stopped(f->team, f->n_items, gather, &g);
    mem_free(g.heads);
    mem_free(g.taken);
    return there ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for the neighbours of %zu items", f->n_items);
}

static void solve_item(void *arg, size_t item, size_t thread)
{
    struct item_item_fit *f = arg;
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
        !item_item_all_finite(s, n)) /* too near to singular for float32: no model has such weights */
        memset(s, 0, n * sizeof *s);
}

void item_item_packed_solve(struct item_item_fit *f)
{
    parallel_for_unless_stopped(f->team, f->n_items, solve_item, f);
}
