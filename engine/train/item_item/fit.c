/* One row of the Gram matrix is what a user's items and their users say of an item; rows are independent, so
 * threads share nothing. A catalogue of some thousand items is solved whole (global.c), a larger one item by
 * item (local.c). */
#include "engine/train/item_item/parts.h"

#include "base/mem.h"
#include "engine/rank/topk.h"

#include <math.h>
#include <string.h>

enum { MAX_WHOLE = 200, MAX_PACKED = 200, LEAST_PACKED = 8 };
#define PACKED_BYTES ((size_t)3 << 30)

/* The part of the mean that every item has more, where it is raised to a power: for those that nobody
 * took. */
#define LEAST_PART 0.05

real *item_item_row(const struct item_item_fit *f, size_t thread)
{
    return f->workspace + thread * f->stride;
}

struct topk_entry *item_item_entries(const struct item_item_fit *f, size_t thread)
{
    return (struct topk_entry *)(void *)(item_item_row(f, thread) + (f->n_items + 1) / 2 * 2);
}

/* ---- the interactions, turned round ---- */

static enum err_code turn(struct item_item_fit *f, struct err *e)
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
    double sum = 0;
    for (size_t i = 0; i < f->n_items; i++)
        sum += (double)f->diagonal[i];
    f->mean_diagonal = (real)(sum / (double)f->n_items);
    return ERR_OK;
}

/* ---- for both ways ---- */

void item_item_gram_row(const struct item_item_fit *f, size_t item, real *row)
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

void item_item_set_near(struct item_item_fit *f, size_t item, const struct topk_entry *entries, size_t n)
{
    uint32_t *near = f->near + item * f->k;
    for (size_t a = 0; a < n; a++) { /* by insertion into rising order */
        size_t at = a;
        for (; at > 0 && near[at - 1] > entries[a].index; at--)
            near[at] = near[at - 1];
        near[at] = entries[a].index;
    }
    f->n_near[item] = (uint32_t)n;
}

bool item_item_all_finite(const real *x, size_t n)
{
    real zero = 0; /* NaN and infinity times zero are NaN */
    for (size_t i = 0; i < n; i++)
        zero += x[i] * 0;
    return zero == 0;
}

/* ---- life ---- */

static size_t choose_k(size_t n_items, bool whole)
{
    size_t k = whole ? MAX_WHOLE : MAX_PACKED;
    while (!whole && k > LEAST_PACKED && n_items * k * k / 2 * sizeof(real) > PACKED_BYTES)
        k--;
    return k < n_items ? k : n_items - 1;
}

static enum err_code reserve(struct item_item_fit *f, struct err *e)
{
    size_t k = f->k, n = f->n_items, threads = parallel_threads(f->team);
    size_t row = n + 1 + k * (sizeof(struct topk_entry) / sizeof(real)), system = f->whole ? 0 : k * k;
    f->stride = ((row > system ? row : system) + 15) / 16 * 16;
    f->ridge = mem_alloc_array(n, sizeof *f->ridge);
    f->near = mem_alloc_array(n * k, sizeof *f->near);
    f->n_near = mem_zalloc_array(n, sizeof *f->n_near);
    f->solution = mem_alloc_array(n * k, sizeof *f->solution);
    f->gram = mem_alloc_array(f->whole ? n * n : n * (k * (k + 1) / 2), sizeof *f->gram);
    f->workspace = mem_alloc_aligned(threads * f->stride, sizeof *f->workspace);
    bool there = f->ridge && f->near && f->n_near && f->solution && f->gram && f->workspace;
    if (f->whole)
        there = there && (f->inverse = mem_alloc_array(n * n, sizeof *f->inverse));
    else
        there = there && (f->products = mem_alloc_array(n * k, sizeof *f->products));
    return there ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for the neighbours of %zu items", n);
}

enum err_code item_item_fit_new(const struct split *s, size_t max_whole, struct parallel *team,
                                struct item_item_fit **out, struct err *e)
{
    struct item_item_fit *f = mem_zalloc_array(1, sizeof *f);
    if (!f)
        return err_set(e, ERR_NOMEM, "no memory for neighbours");
    *f = (struct item_item_fit){.split = s, .team = team, .n_items = s->data->n_items};
    f->whole = f->n_items <= max_whole;
    f->k = choose_k(f->n_items, f->whole);
    enum err_code code = reserve(f, e);
    if (!code)
        code = turn(f, e);
    if (!code && f->whole)
        item_item_whole_gather(f);
    else if (!code)
        code = item_item_packed_gather(f, e);
    if (code) {
        item_item_fit_free(f);
        return code;
    }
    f->split = NULL;
    *out = f;
    return ERR_OK;
}

void item_item_fit_free(struct item_item_fit *f)
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
    mem_free(f->inverse);
    mem_free(f->ridge);
    mem_free(f->workspace);
    mem_free(f->solution);
    mem_free(f);
}

/* ---- weights ---- */

/* From each item's neighbours to what each item says of others. */
static enum err_code turn_weights(const struct item_item_fit *f, struct item_weights *out, struct err *e)
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

enum err_code item_item_fit_solve(struct item_item_fit *f, double ridge, struct item_weights *out,
                                  struct err *e)
{
    double m = (double)f->mean_diagonal;
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < f->n_items; i++)
        f->ridge[i] = (real)(ridge * sqrt(m * ((double)f->diagonal[i] + LEAST_PART * m)));
    if (f->whole)
        item_item_whole_solve(f);
    else
        item_item_packed_solve(f);
    return turn_weights(f, out, e);
}

void item_item_fit_damp(const struct item_item_fit *f, double damping, struct item_weights *w)
{
    double m = (double)f->mean_diagonal;
    for (size_t k = 0; k < w->n_pairs; k++) {
        double part = (double)f->diagonal[w->item[k]] / m + LEAST_PART;
        w->weight[k] *= (real)pow(part, -damping);
    }
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
