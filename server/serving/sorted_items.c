#include "server/serving/sorted_items.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

static const char *const words[ITEM_SORTS] = {"popular", "trending", "latest"};

const char *item_sort_name(enum item_sort sort)
{
    return words[sort];
}

bool item_sort_of(struct text word, enum item_sort *out)
{
    for (int i = 0; i < ITEM_SORTS; i++)
        if (text_is(word, words[i])) {
            *out = (enum item_sort)i;
            return true;
        }
    return false;
}

static bool is_allowed(const struct sorted_items *s, size_t index)
{
    return !s->allowed || s->allowed[index / 64] >> (index % 64) & 1;
}

/* ---- by sums ---- */

static enum err_code find_taken(struct sorted_items *s, struct item_trends *trends, struct store_conn *conn,
                                size_t k, struct err *e)
{
    struct item_sums sums;
    struct topk top;
    enum err_code code = item_trends_enter(trends, conn, s->window_days, &sums, e);
    if (code)
        return code;
    topk_init(&top, s->entries, k);
    const double *by = s->sort == ITEM_SORT_POPULAR ? sums.popular : sums.trending;
    for (size_t key = 0; key < sums.n_keys; key++) {
        long index = by[key] > 0 ? item_index_index(item_snapshot_items(s->items), (int64_t)key) : -1;
        if (index >= 0 && is_allowed(s, (size_t)index))
            topk_push(&top, (real)by[key], (uint32_t)index);
    }
    s->as_of = sums.as_of;
    item_trends_leave(trends, s->window_days);
    s->n = topk_finish(&top);
    return ERR_OK;
}

/* ---- by time ---- */

/* A float does not tell the seconds of a year apart, so items are ordered by whole ones. */
struct dated {
    int64_t created, key; /* of two as new the one that was registered last comes first */
    uint32_t index;
};

static int compare_dated(const void *a, const void *b)
{
    const struct dated *x = a, *y = b;
    if (x->created != y->created)
        return x->created > y->created ? -1 : 1;
    return (x->key < y->key) - (x->key > y->key);
}

/* Sinks the top of a heap (n) that has its last item on top. */
static void sink(struct dated *heap, size_t n)
{
    struct dated top = heap[0];
    size_t at = 0;
    for (size_t below = 1; below < n; below = 2 * at + 1) {
        if (below + 1 < n && compare_dated(&heap[below + 1], &heap[below]) > 0)
            below++;
        if (compare_dated(&heap[below], &top) <= 0)
            break;
        heap[at] = heap[below];
        at = below;
    }
    heap[at] = top;
}

static void rise(struct dated *heap, size_t at, struct dated what)
{
    while (at && compare_dated(&what, &heap[(at - 1) / 2]) > 0) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = what;
}

/* The latest to the heap; how many. */
static size_t collect_dated(const struct sorted_items *s, const struct item_columns *columns,
                            struct dated *heap, size_t k)
{
    const struct item_index *items = item_snapshot_items(s->items);
    size_t n = 0;
    for (size_t i = item_index_count(items); i-- > 0 && k;) { /* the newest have the last indices, mostly */
        struct dated one = {.key = item_index_key(items, i), .index = (uint32_t)i};
        one.created = item_lives_created(&columns->lives, one.key);
        if (!one.created || !is_allowed(s, i))
            continue;
        if (n < k) {
            rise(heap, n++, one);
        } else if (compare_dated(&one, &heap[0]) < 0) {
            heap[0] = one;
            sink(heap, n);
        }
    }
    return n;
}

static enum err_code find_latest(struct sorted_items *s, size_t k, struct err *e)
{
    enum { DAY_SECONDS = 86400 };
    const struct item_columns *columns = item_snapshot_columns(s->items);
    s->as_of = clock_unix_s();
    s->n = 0;
    if (!columns)
        return ERR_OK;
    struct dated *heap = mem_alloc_array(k, sizeof *heap);
    if (!heap)
        return err_set(e, ERR_NOMEM, "no memory for the latest %zu items", k);
    s->n = collect_dated(s, columns, heap, k);
    qsort(heap, s->n, sizeof *heap, compare_dated);
    for (size_t i = 0; i < s->n; i++)
        s->entries[i] = (struct topk_entry){
            .score = (real)((double)(heap[i].created - s->as_of) / DAY_SECONDS), .index = heap[i].index};
    mem_free(heap);
    return ERR_OK;
}

enum err_code sorted_items_find(struct sorted_items *s, struct item_trends *trends, struct store_conn *conn,
                                size_t k, struct err *e)
{
    return s->sort == ITEM_SORT_LATEST ? find_latest(s, k, e) : find_taken(s, trends, conn, k, e);
}
