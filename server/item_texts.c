/* Three passes over the store's items would be simpler; one suffices: texts go into an arena as they come,
 * and the categories' posting lists are made from (category, item) pairs by sorting. */
#include "server/item_table.h"

#include "base/mem.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct text_at {
    size_t offset; /* in the arena */
    size_t len;
    bool there;
};

struct item_row {
    struct text_at title, categories;
};

/* A category of an item, while the table is made. */
struct pair {
    struct text_at name;
    uint32_t index;
};

struct category {
    struct text_at name;
    size_t start, n; /* in postings */
};

struct item_table {
    atomic_size_t refs;
    const struct model *model;
    int32_t *index_of; /* (n_keys) catalogue index of a store's key, -1: not in the model */
    size_t n_keys;
    struct item_row *rows; /* (n_items of the model) */
    struct buf arena;
    struct pair *pairs; /* (n_pairs) sorted by name, then index, once loaded */
    size_t n_pairs, pair_capacity;
    uint32_t *postings;          /* (n_pairs) */
    struct category *categories; /* (n_categories) sorted by name */
    size_t n_categories;
    struct err failure; /* of the loading callback */
};

static struct text_at keep(struct item_table *t, struct store_text text)
{
    struct text_at at = {.offset = t->arena.len, .len = text.len, .there = text.data != NULL};
    if (text.data)
        buf_add(&t->arena, text.data, text.len);
    return at;
}

static bool add_pair(struct item_table *t, struct store_text name, uint32_t index)
{
    if (t->n_pairs == t->pair_capacity) {
        size_t grown = t->pair_capacity ? t->pair_capacity * 2 : 1024;
        struct pair *pairs = mem_realloc_array(t->pairs, grown, sizeof *pairs);
        if (!pairs)
            return false;
        t->pairs = pairs;
        t->pair_capacity = grown;
    }
    t->pairs[t->n_pairs++] = (struct pair){keep(t, name), index};
    return true;
}

/* The category names of a JSON array of strings; anything else in it has none. */
static bool add_categories(struct item_table *t, struct store_text json, uint32_t index)
{
    if (!json.data)
        return true;
    json_t *array = json_loadb(json.data, json.len, 0, NULL);
    bool ok = true;
    for (size_t i = 0; ok && i < json_array_size(array); i++) {
        const json_t *name = json_array_get(array, i);
        if (json_is_string(name))
            ok = add_pair(t, (struct store_text){json_string_value(name), json_string_length(name)}, index);
    }
    json_decref(array);
    return ok;
}

static bool reserve_key(struct item_table *t, int64_t key)
{
    if (key < 0)
        return true;
    if ((size_t)key < t->n_keys)
        return true;
    size_t grown = t->n_keys ? t->n_keys * 2 : 1024;
    while (grown <= (size_t)key)
        grown *= 2;
    int32_t *index_of = mem_realloc_array(t->index_of, grown, sizeof *index_of);
    if (!index_of)
        return false;
    for (size_t i = t->n_keys; i < grown; i++)
        index_of[i] = -1;
    t->index_of = index_of;
    t->n_keys = grown;
    return true;
}

static bool load_item(void *arg, const struct store_item *item)
{
    struct item_table *t = arg;
    long index = model_item_index(t->model, item->id.data, item->id.len);
    if (index < 0)
        return true;
    if (!reserve_key(t, item->key) || !add_categories(t, item->categories, (uint32_t)index)) {
        (void)err_set(&t->failure, ERR_NOMEM, "no memory for the table of items");
        return false;
    }
    t->index_of[item->key] = (int32_t)index;
    t->rows[index] = (struct item_row){keep(t, item->title), keep(t, item->categories)};
    return true;
}

/* ---- categories ---- */

static struct store_text text_of(const struct item_table *t, struct text_at at)
{
    return at.there ? (struct store_text){t->arena.data + at.offset, at.len} : (struct store_text){NULL, 0};
}

static int compare_texts(struct store_text a, struct store_text b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_name_and_index(const void *a, const void *b, void *arg)
{
    const struct pair *p = a, *q = b;
    int order = compare_texts(text_of(arg, p->name), text_of(arg, q->name));
    return order ? order : (p->index > q->index) - (p->index < q->index);
}

static enum err_code make_postings(struct item_table *t, struct err *e)
{
    t->postings = mem_alloc_array(t->n_pairs, sizeof *t->postings);
    t->categories = mem_alloc_array(t->n_pairs, sizeof *t->categories);
    if (!t->postings || !t->categories)
        return err_set(e, ERR_NOMEM, "no memory for the table of categories");
    if (t->n_pairs)
        qsort_r(t->pairs, t->n_pairs, sizeof *t->pairs, by_name_and_index, t);
    for (size_t i = 0; i < t->n_pairs; i++) {
        struct category *last = t->n_categories ? &t->categories[t->n_categories - 1] : NULL;
        if (!last || compare_texts(text_of(t, last->name), text_of(t, t->pairs[i].name)) != 0) {
            last = &t->categories[t->n_categories++];
            *last = (struct category){.name = t->pairs[i].name, .start = i};
        }
        t->postings[i] = t->pairs[i].index;
        last->n++;
    }
    mem_free(t->pairs);
    t->pairs = NULL;
    return ERR_OK;
}

bool item_table_category(const struct item_table *t, struct store_text name, const uint32_t **indices,
                         size_t *n)
{
    size_t low = 0, high = t->n_categories;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_texts(text_of(t, t->categories[middle].name), name);
        if (order == 0) {
            *indices = t->postings + t->categories[middle].start;
            *n = t->categories[middle].n;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* ---- life ---- */

enum err_code item_table_load(struct store_conn *c, const struct model *m, struct item_table **out,
                              struct err *e)
{
    struct item_table *t = mem_zalloc_array(1, sizeof *t);
    if (!t)
        return err_set(e, ERR_NOMEM, "no memory for the table of items");
    atomic_init(&t->refs, 1);
    t->model = m;
    buf_init(&t->arena, SIZE_MAX / 4);
    t->rows = mem_zalloc_array(m->spec.n_items, sizeof *t->rows);
    enum err_code code = t->rows ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for the table of items");
    if (!code)
        code = store_each_item(c, 0, load_item, t, e);
    if (!code && t->failure.code)
        code = err_set(e, t->failure.code, "%s", t->failure.text);
    if (!code)
        code = buf_check(&t->arena, "the table of items", e);
    if (!code)
        code = make_postings(t, e);
    if (code) {
        item_table_unref(t);
        return code;
    }
    *out = t;
    return ERR_OK;
}

struct item_table *item_table_ref(struct item_table *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void item_table_unref(struct item_table *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    mem_free(t->index_of);
    mem_free(t->rows);
    buf_fini(&t->arena);
    mem_free(t->pairs);
    mem_free(t->postings);
    mem_free(t->categories);
    mem_free(t);
}

long item_table_index(const struct item_table *t, int64_t item_key)
{
    return item_key >= 0 && (size_t)item_key < t->n_keys ? t->index_of[item_key] : -1;
}

struct item_info item_table_info(const struct item_table *t, size_t index)
{
    return (struct item_info){text_of(t, t->rows[index].title), text_of(t, t->rows[index].categories)};
}
