/* Columns in the order in which they tell most, and how many of them a network may read. */
#include "base/mem.h"
#include "engine/format/columns.h"
#include "engine/train/search/input_order.h"
#include "server/search/search_data.h"

#include <string.h>

enum { LEAST_INPUTS = 8 /* fewer are no time */ };

/* Where each number of a row comes from, and the columns in their new order. */
static enum err_code move_columns(struct columns *c, const uint32_t *order, uint32_t *from, struct err *e)
{
    size_t bytes = c->n * sizeof *c->list, *start = mem_alloc_array(c->n, sizeof *start);
    struct column *old = mem_alloc_array(c->n, sizeof *old);
    if (start && old) {
        memcpy(old, c->list, bytes);
        for (size_t k = 0, at = 0; k < c->n; at += column_width(&old[k++]))
            start[k] = at;
        for (size_t k = 0, at = 0; k < c->n; k++) {
            c->list[k] = old[order[k]];
            for (size_t i = 0; i < column_width(&c->list[k]); i++)
                from[at++] = (uint32_t)(start[order[k]] + i);
        }
    }
    enum err_code code = start && old ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for %zu columns", c->n);
    mem_free(start);
    mem_free(old);
    return code;
}

static void move_numbers(struct search_table *t, size_t d, const uint32_t *from, real *row)
{
    for (size_t i = 0; i < t->n; i++) {
        real *x = t->x + i * d;
        memcpy(row, x, d * sizeof *row);
        for (size_t j = 0; j < d; j++)
            x[j] = row[from[j]];
    }
}

/* All, and about a half, a quarter and an eighth of them, as far as columns go. */
static void find_counts(struct search_data *d)
{
    const struct columns *c = &d->about.task.columns;
    struct architecture_inputs *in = &d->inputs;
    *in = (struct architecture_inputs){.n = 1, .count = {d->about.d_item}};
    for (size_t want = d->about.d_item / 2; want >= LEAST_INPUTS && in->n < ARCHITECTURE_INPUTS; want /= 2) {
        size_t at = 0;
        for (size_t k = 0; k < c->n && at + column_width(&c->list[k]) <= want; k++)
            at += column_width(&c->list[k]);
        if (at >= LEAST_INPUTS && at < in->count[in->n - 1])
            in->count[in->n++] = at;
    }
}

static enum err_code order_all(struct search_data *d, uint32_t *order, uint32_t *from, real *row,
                               struct err *e)
{
    enum input_order by = d->of_images ? INPUT_ORDER_BY_VARIANCE : INPUT_ORDER_BY_TARGET;
    enum err_code code = input_order_find(by, &d->about, &d->train, order, e);
    if (!code)
        code = move_columns(&d->about.task.columns, order, from, e);
    if (code)
        return code;
    move_numbers(&d->all, d->about.d_item, from, row);
    move_numbers(&d->apart, d->about.d_item, from, row);
    find_counts(d);
    return ERR_OK;
}

enum err_code search_inputs_order(struct search_data *d, bool all, struct err *e)
{
    size_t n = d->about.d_item;
    d->inputs = (struct architecture_inputs){.n = 1, .count = {n}};
    if (all || n < 2 * LEAST_INPUTS)
        return ERR_OK;
    uint32_t *order = mem_alloc_array(2 * n, sizeof *order); /* columns are no more than inputs */
    real *row = mem_alloc_array(n, sizeof *row);
    enum err_code code = order && row ? order_all(d, order, order + n, row, e)
                                      : err_set(e, ERR_NOMEM, "no memory for %zu inputs", n);
    mem_free(order);
    mem_free(row);
    return code;
}
