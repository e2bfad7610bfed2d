#include "server/items/own_history.h"

#include "base/limits.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

void own_history_begin(struct own_history *h)
{
    h->n = 0;
}

void own_history_fini(struct own_history *h)
{
    mem_free(h->rows);
    *h = (struct own_history){.rows = NULL};
}

/* The leaves that an interaction answers, a bit each. */
static uint64_t answers(const struct item_filter *f, const struct store_interaction *x, int64_t now)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < f->n_own; i++) {
        const struct filter_own *own = &f->own[i];
        if (x->kind == own->number && (!own->within || (x->timestamp && x->timestamp >= now - own->within)))
            bits |= (uint64_t)1 << i;
    }
    return bits;
}

enum err_code own_history_add(struct own_history *h, const struct item_filter *f,
                              const struct store_interaction *x, size_t n, int64_t now, struct err *e)
{
    static_assert(LIMIT_FILTER_OWN <= 64, "a bit each");
    for (size_t i = 0; i < n; i++) {
        uint64_t own = answers(f, &x[i], now);
        if (!own)
            continue;
        if (!MEM_RESERVE(h->rows, h->capacity, h->n + 1))
            return err_set(e, ERR_NOMEM, "no memory for what a filter asks of a user");
        h->rows[h->n++] = (struct own_row){x[i].item_key, own};
    }
    return ERR_OK;
}

/* ---- applied ---- */

/* An item that he has, and the leaves that hold of it. */
struct met {
    uint32_t index;
    uint64_t own;
};

/* What the items are asked with. */
struct asking {
    const struct item_filter *f;
    struct filter_bits **parts; /* (f->n_parts) */
    struct met *met;            /* (n_met) rising by index, each item once */
    size_t n_met;
};

static int by_index(const void *a, const void *b)
{
    const struct met *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

/* Those of the history's items that may be allowed at all. */
static void find_met(struct asking *k, const struct own_history *h, const struct item_snapshot *items,
                     const uint64_t *allowed)
{
    for (size_t i = 0; i < h->n; i++) {
        long index = item_index_index(item_snapshot_items(items), h->rows[i].item_key);
        if (index >= 0 && (allowed[index / 64] >> (index % 64) & 1))
            k->met[k->n_met++] = (struct met){(uint32_t)index, h->rows[i].own};
    }
    if (k->n_met > 1)
        qsort(k->met, k->n_met, sizeof *k->met, by_index);
    size_t kept = 0;
    for (size_t i = 0; i < k->n_met; i++)
        if (kept && k->met[kept - 1].index == k->met[i].index)
            k->met[kept - 1].own |= k->met[i].own;
        else
            k->met[kept++] = k->met[i];
    k->n_met = kept;
}

/* Whether a node holds of an item. */
static bool holds(const struct asking *k, size_t at, const struct met *item)
{
    const struct filter_node *node = &k->f->nodes[at];
    if (node->part)
        return k->parts[node->part - 1]->words[item->index / 64] >> (item->index % 64) & 1;
    if (node->kind == FILTER_OWN)
        return item->own >> node->own & 1;
    if (node->kind == FILTER_NOT)
        return !holds(k, at + 1, item);
    for (size_t child = at + 1; child < node->end; child = k->f->nodes[child].end)
        if (holds(k, child, item) == (node->kind == FILTER_ANY))
            return node->kind == FILTER_ANY;
    return node->kind == FILTER_ALL;
}

/* Sets or clears the items that he has, which were allowed. */
static void decide_met(const struct asking *k, uint64_t *allowed)
{
    for (size_t i = 0; i < k->n_met; i++) {
        uint32_t index = k->met[i].index;
        uint64_t bit = (uint64_t)1 << (index % 64);
        if (holds(k, 0, &k->met[i]))
            allowed[index / 64] |= bit;
        else
            allowed[index / 64] &= ~bit;
    }
}

static enum err_code take_parts(struct asking *k, const struct item_snapshot *items, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < k->f->n_parts && !code; i++)
        code = item_snapshot_filter(items, k->f->parts[i], &k->parts[i], e);
    return code;
}

enum err_code own_history_apply(const struct own_history *h, const struct item_filter *f,
                                const struct item_snapshot *items, uint64_t *allowed, struct err *e)
{
    struct asking k = {.f = f};
    struct filter_bits *bits = NULL;
    enum err_code code = item_snapshot_filter(items, f, &bits, e);
    if (!code && h && h->n) {
        k.met = mem_alloc_array(h->n, sizeof *k.met);
        k.parts = mem_zalloc_array(f->n_parts + 1, sizeof *k.parts);
        code = k.met && k.parts ? take_parts(&k, items, e)
                                : err_set(e, ERR_NOMEM, "no memory for what a filter asks of a user");
        if (!code)
            find_met(&k, h, items, allowed);
    }
    for (size_t i = 0; !code && i < bits->n_words; i++)
        allowed[i] &= bits->words[i];
    if (!code)
        decide_met(&k, allowed);
    for (size_t i = 0; k.parts && i < f->n_parts; i++)
        filter_bits_unref(k.parts[i]);
    filter_bits_unref(bits);
    mem_free(k.parts);
    mem_free(k.met);
    return code;
}
