/* Three passes over the store's items would be simpler; one suffices: texts go into an arena as they come,
 * and the categories' posting lists are made from (category, item) pairs by sorting. */
#include "server/items/item_index.h"

#include "base/mem.h"
#include "server/fields/categories.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct text_at {
    size_t offset; /* in the arena */
    size_t len;
    bool there;
};

struct text_row {
    struct text_at title, categories;
};

/* An item of the store that the model does not have. */
struct extra {
    int64_t key;
    struct text_at id;
};

/* One that has no row yet: it gets one while there is room. */
struct waiting {
    int64_t key;
    struct text_at id;
    struct text_row texts;
    bool promoted; /* the table before knew it, and had no row for it */
};

enum { UNKNOWN = -1, NOT_SERVED = -2 }; /* in index_of: a key that was not there; an item that has no index */

/* A category of an item, while the table is made. */
struct pair {
    struct text_at name;
    uint32_t index;
};

struct category {
    struct text_at name;
    size_t start, n; /* in postings */
};

struct item_index {
    atomic_size_t refs;
    const struct model *model;
    const struct item_index *old; /* while it is loaded; NULL: none */
    bool with_extra, with_foreign;
    int32_t *index_of; /* (n_keys) index of a store's key, or UNKNOWN, NOT_SERVED */
    size_t n_keys;
    int64_t last_key;      /* the largest */
    int64_t *own_keys;     /* (n_items) of the model's items; 0: the store does not have it */
    struct text_row *rows; /* (n_rows) by index */
    size_t n_rows, row_capacity;
    struct extra *extra;     /* (n_rows - I) */
    uint32_t *by_id;         /* (n_rows - I) numbers of extra items in the order of their ids */
    size_t n_left_out;       /* past the limit */
    size_t n_ranked;         /* extra items with a row, without the deleted ones */
    bool promoted;           /* an item has a row that had none */
    struct waiting *waiting; /* (n_waiting) while it is loaded, in the order of keys */
    size_t n_waiting, waiting_capacity;
    uint64_t *visible; /* (n_rows bits); NULL: all are */
    uint64_t *hidden;  /* (n_rows bits) while it is loaded */
    uint64_t *known;   /* (n_items bits) while it is loaded: the model's items that the store has */
    size_t n_hidden;
    size_t n_foreign; /* of the model's items, those that the store does not have */
    struct buf arena;
    struct pair *pairs; /* (n_pairs) sorted by name, then index, once loaded */
    size_t n_pairs, pair_capacity;
    uint32_t *postings;          /* (n_pairs) */
    struct category *categories; /* (n_categories) sorted by name */
    size_t n_categories;
    struct err failure; /* of the loading callback */
};

static struct text_at keep(struct item_index *t, struct text text)
{
    struct text_at at = {.offset = t->arena.len, .len = text.len, .there = text.data != NULL};
    if (text.data)
        buf_add(&t->arena, text.data, text.len);
    return at;
}

static struct text stored_text(const struct item_index *t, struct text_at at)
{
    return at.there ? (struct text){t->arena.data + at.offset, at.len} : (struct text){NULL, 0};
}

static struct text extra_id(const struct item_index *t, size_t k)
{
    return stored_text(t, t->extra[k].id);
}

static void hide(struct item_index *t, long row)
{
    t->hidden[row / 64] |= (uint64_t)1 << (row % 64);
    t->n_hidden++;
}

static bool add_pair(struct item_index *t, struct text name, uint32_t index)
{
    if (!MEM_RESERVE(t->pairs, t->pair_capacity, t->n_pairs + 1))
        return false;
    t->pairs[t->n_pairs++] = (struct pair){keep(t, name), index};
    return true;
}

/* The item whose categories come in. */
struct categorised {
    struct item_index *t;
    uint32_t index;
};

static bool add_category(void *arg, struct text name)
{
    const struct categorised *item = arg;
    return add_pair(item->t, name, item->index);
}

static bool add_categories(struct item_index *t, struct text json, uint32_t index)
{
    return categories_each(json, add_category, &(struct categorised){t, index});
}

static bool reserve_key(struct item_index *t, int64_t key)
{
    if (key < 0)
        return true;
    size_t had = t->n_keys;
    if (!MEM_RESERVE(t->index_of, t->n_keys, (size_t)key + 1))
        return false;
    for (size_t i = had; i < t->n_keys; i++)
        t->index_of[i] = UNKNOWN;
    return true;
}

/* Room for one more row, of the next extra item. */
static bool reserve_row(struct item_index *t)
{
    if (t->n_rows < t->row_capacity)
        return true;
    size_t grown = t->row_capacity + t->row_capacity / 8 + 64, n_items = t->model->spec.n_items;
    struct text_row *rows = mem_realloc_array(t->rows, grown, sizeof *rows);
    if (!rows)
        return false;
    t->rows = rows;
    struct extra *extra = mem_realloc_array(t->extra, grown - n_items, sizeof *extra);
    if (!extra)
        return false;
    t->extra = extra;
    size_t words = (grown + 63) / 64, had = (t->row_capacity + 63) / 64;
    uint64_t *hidden = mem_realloc_array(t->hidden, words, sizeof *hidden);
    if (!hidden)
        return false;
    memset(hidden + had, 0, (words - had) * sizeof *hidden);
    t->hidden = hidden;
    t->row_capacity = grown;
    return true;
}

/* A new row, of an extra item. */
static long new_row(struct item_index *t, int64_t key, struct text_at id)
{
    if (!reserve_row(t))
        return UNKNOWN;
    t->extra[item_index_n_extra(t)] = (struct extra){key, id};
    return (long)t->n_rows++;
}

/* The rows of the table before, with their keys and ids: an item keeps its row. */
static bool take_over(struct item_index *t)
{
    size_t n = t->old ? item_index_n_extra(t->old) : 0;
    for (size_t k = 0; k < n; k++) {
        struct text id = extra_id(t->old, k);
        long row = new_row(t, t->old->extra[k].key, keep(t, id));
        if (row < 0)
            return false;
        t->rows[row] = (struct text_row){0};
        hide(t, row); /* until the store says that it is there */
    }
    return true;
}

/* Notes an extra item that has no row; false: no memory. */
static bool wait_for_row(struct item_index *t, const struct store_item *item)
{
    if (!MEM_RESERVE(t->waiting, t->waiting_capacity, t->n_waiting + 1))
        return false;
    t->waiting[t->n_waiting++] = (struct waiting){.key = item->key,
                                                  .id = keep(t, item->id),
                                                  .texts = {keep(t, item->title), keep(t, item->categories)},
                                                  .promoted = t->old && item_index_knows(t->old, item->key)};
    return true;
}

static void show(struct item_index *t, long row)
{
    t->hidden[row / 64] &= ~((uint64_t)1 << (row % 64));
    t->n_hidden--;
}

/* Sets what the store says of the item in a row; false: no memory. */
static bool set_row(struct item_index *t, const struct store_item *item, long row)
{
    t->index_of[item->key] = (int32_t)row;
    t->rows[row] = (struct text_row){keep(t, item->title), keep(t, item->categories)};
    bool extra = (size_t)row >= t->model->spec.n_items;
    if (!extra) {
        t->known[row / 64] |= (uint64_t)1 << (row % 64);
        t->own_keys[row] = item->key;
    }
    if (item->deleted && !extra)
        hide(t, row);
    else if (!item->deleted && extra)
        show(t, row);
    t->n_ranked += extra && !item->deleted;
    return item->deleted || add_categories(t, item->categories, (uint32_t)row);
}

static bool load_item(void *arg, const struct store_item *item)
{
    struct item_index *t = arg;
    bool ok = reserve_key(t, item->key);
    if (ok) {
        long row = model_item_index(t->model, item->id.data, item->id.len);
        if (row < 0 && t->old)
            row = item_index_index(t->old, item->key);
        t->last_key = item->key;
        t->index_of[item->key] = NOT_SERVED;
        if (row >= 0)
            ok = set_row(t, item, row);
        else if (t->with_extra && !item->deleted) /* a deleted one takes no room */
            ok = wait_for_row(t, item);
    }
    if (!ok)
        (void)err_set(&t->failure, ERR_NOMEM, "no memory for the table of items");
    return ok;
}

/* Rows for those who wait, the oldest first, while there is room. */
static enum err_code give_rows(struct item_index *t, struct err *e)
{
    bool ok = true;
    for (size_t i = 0; i < t->n_waiting && ok; i++) {
        const struct waiting *w = &t->waiting[i];
        if (t->n_ranked >= LIMIT_EXTRA_ITEMS || item_index_n_extra(t) == LIMIT_EXTRA_ROWS) {
            t->n_left_out++;
            continue;
        }
        long row = new_row(t, w->key, w->id);
        ok = row >= 0;
        if (!ok)
            break;
        t->rows[row] = w->texts;
        t->index_of[w->key] = (int32_t)row;
        t->promoted = t->promoted || w->promoted;
        t->n_ranked++;
        struct buf categories; /* the arena may move while names are added to it */
        struct text names = stored_text(t, w->texts.categories);
        buf_init(&categories, SIZE_MAX / 4);
        buf_add(&categories, names.data ? names.data : "", names.len);
        ok = !categories.failed &&
             add_categories(t, (struct text){names.data ? categories.data : NULL, names.len}, (uint32_t)row);
        buf_fini(&categories);
    }
    mem_free(t->waiting);
    t->waiting = NULL;
    return ok ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for the table of items");
}

/* Items that only the model has: they are not in answers, unless they are wanted. */
static void hide_foreign(struct item_index *t)
{
    for (size_t i = 0; i < t->model->spec.n_items; i++) {
        if (t->known[i / 64] >> (i % 64) & 1)
            continue;
        t->n_foreign++;
        if (!t->with_foreign)
            hide(t, (long)i);
    }
    mem_free(t->known);
    t->known = NULL;
}

/* ---- categories ---- */

static int by_name_and_index(const void *a, const void *b, void *arg)
{
    const struct pair *p = a, *q = b;
    int order = text_compare(stored_text(arg, p->name), stored_text(arg, q->name));
    return order ? order : (p->index > q->index) - (p->index < q->index);
}

static enum err_code make_postings(struct item_index *t, struct err *e)
{
    t->postings = mem_alloc_array(t->n_pairs, sizeof *t->postings);
    t->categories = mem_alloc_array(t->n_pairs, sizeof *t->categories);
    if (!t->postings || !t->categories)
        return err_set(e, ERR_NOMEM, "no memory for the table of categories");
    if (t->n_pairs)
        qsort_r(t->pairs, t->n_pairs, sizeof *t->pairs, by_name_and_index, t);
    for (size_t i = 0; i < t->n_pairs; i++) {
        struct category *last = t->n_categories ? &t->categories[t->n_categories - 1] : NULL;
        if (!last || text_compare(stored_text(t, last->name), stored_text(t, t->pairs[i].name)) != 0) {
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

bool item_index_category(const struct item_index *t, struct text name, const uint32_t **indices, size_t *n)
{
    size_t low = 0, high = t->n_categories;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = text_compare(stored_text(t, t->categories[middle].name), name);
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

bool item_index_category_at(const struct item_index *t, size_t i, struct text *name, const uint32_t **indices,
                            size_t *n)
{
    if (i >= t->n_categories)
        return false;
    *name = stored_text(t, t->categories[i].name);
    *indices = t->postings + t->categories[i].start;
    *n = t->categories[i].n;
    return true;
}

bool item_index_category_like(const struct item_index *t, struct text name, struct text *out)
{
    for (size_t i = 0; i < t->n_categories; i++) {
        struct text found = stored_text(t, t->categories[i].name);
        if (found.len == name.len && strncasecmp(found.data, name.data, name.len) == 0) {
            *out = found;
            return true;
        }
    }
    return false;
}

/* ---- ids ---- */

static int by_id(const void *a, const void *b, void *arg)
{
    return text_compare(extra_id(arg, *(const uint32_t *)a), extra_id(arg, *(const uint32_t *)b));
}

/* The order of the extra ids, and which items answers may have. */
static enum err_code make_order(struct item_index *t, struct err *e)
{
    size_t n = item_index_n_extra(t), words = (t->n_rows + 63) / 64;
    t->by_id = mem_alloc_array(n, sizeof *t->by_id);
    if (!t->by_id)
        return err_set(e, ERR_NOMEM, "no memory for the table of items");
    for (size_t k = 0; k < n; k++)
        t->by_id[k] = (uint32_t)k;
    if (n > 1)
        qsort_r(t->by_id, n, sizeof *t->by_id, by_id, t);
    if (t->n_hidden == 0)
        return ERR_OK;
    for (size_t i = 0; i < words; i++)
        t->hidden[i] = ~t->hidden[i];
    t->visible = t->hidden;
    t->hidden = NULL;
    return ERR_OK;
}

long item_index_find(const struct item_index *t, struct text id)
{
    long index = model_item_index(t->model, id.data, id.len);
    size_t low = 0, high = item_index_n_extra(t);
    while (index < 0 && low < high) {
        size_t middle = low + (high - low) / 2;
        int order = text_compare(extra_id(t, t->by_id[middle]), id);
        if (order == 0)
            return (long)(t->model->spec.n_items + t->by_id[middle]);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return index;
}

const char *item_index_id(const struct item_index *t, size_t index, size_t *len)
{
    if (index < t->model->spec.n_items)
        return model_item_id(t->model, index, len);
    struct text id = extra_id(t, index - t->model->spec.n_items);
    *len = id.len;
    return id.data;
}

static bool same_text(struct text a, struct text b)
{
    return !a.data == !b.data && text_compare(a, b) == 0;
}

bool item_index_same(const struct item_index *t, const struct store_item *item)
{
    long index = item_index_index(t, item->key);
    if (index < 0) /* one without a row may get one when it comes back, or there is room */
        return item_index_knows(t, item->key) && (item->deleted || !t->with_extra);
    const struct text_row *row = &t->rows[index];
    return same_text(stored_text(t, row->title), item->title) &&
           same_text(stored_text(t, row->categories), item->categories) &&
           item_index_visible(t, (size_t)index) == !item->deleted;
}

/* ---- life ---- */

enum err_code item_index_load(struct store_conn *c, const struct model *m, const struct item_choice *choice,
                              const struct item_index *old, struct item_index **out, struct err *e)
{
    struct item_index *t = mem_zalloc_array(1, sizeof *t);
    if (!t)
        return err_set(e, ERR_NOMEM, "no memory for the table of items");
    atomic_init(&t->refs, 1);
    t->model = m;
    buf_init(&t->arena, SIZE_MAX / 4);
    t->with_extra = choice->extra;
    t->with_foreign = choice->foreign;
    t->n_rows = t->row_capacity = m->spec.n_items;
    t->rows = mem_zalloc_array(m->spec.n_items, sizeof *t->rows);
    t->hidden = mem_zalloc_array((m->spec.n_items + 63) / 64, sizeof *t->hidden);
    t->known = mem_zalloc_array((m->spec.n_items + 63) / 64, sizeof *t->known);
    t->own_keys = mem_zalloc_array(m->spec.n_items, sizeof *t->own_keys);
    enum err_code code = t->rows && t->hidden && t->known && t->own_keys
                             ? ERR_OK
                             : err_set(e, ERR_NOMEM, "no memory for the table of items");
    t->old = old;
    if (!code && !take_over(t))
        code = err_set(e, ERR_NOMEM, "no memory for the table of items");
    if (!code)
        code = store_each_item(c, 0, load_item, t, e);
    if (!code && t->failure.code)
        code = err_copy(e, &t->failure);
    if (!code)
        code = give_rows(t, e);
    t->old = NULL;
    if (!code)
        code = buf_check(&t->arena, "the table of items", e);
    if (!code)
        hide_foreign(t);
    if (!code)
        code = make_postings(t, e);
    if (!code)
        code = make_order(t, e);
    if (code) {
        item_index_unref(t);
        return code;
    }
    *out = t;
    return ERR_OK;
}

struct item_index *item_index_ref(struct item_index *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void item_index_unref(struct item_index *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    mem_free(t->index_of);
    mem_free(t->own_keys);
    mem_free(t->rows);
    mem_free(t->extra);
    mem_free(t->by_id);
    mem_free(t->visible);
    mem_free(t->hidden);
    mem_free(t->known);
    buf_fini(&t->arena);
    mem_free(t->waiting);
    mem_free(t->pairs);
    mem_free(t->postings);
    mem_free(t->categories);
    mem_free(t);
}

long item_index_index(const struct item_index *t, int64_t item_key)
{
    long index = item_key >= 0 && (size_t)item_key < t->n_keys ? t->index_of[item_key] : UNKNOWN;
    return index >= 0 ? index : -1;
}

bool item_index_knows(const struct item_index *t, int64_t item_key)
{
    return item_key >= 0 && (size_t)item_key < t->n_keys && t->index_of[item_key] != UNKNOWN;
}

size_t item_index_n_extra(const struct item_index *t)
{
    return t->n_rows - t->model->spec.n_items;
}

size_t item_index_count(const struct item_index *t)
{
    return t->n_rows;
}

int64_t item_index_key(const struct item_index *t, size_t index)
{
    size_t n_items = t->model->spec.n_items;
    return index < n_items ? t->own_keys[index] : t->extra[index - n_items].key;
}

size_t item_index_n_left_out(const struct item_index *t)
{
    return t->n_left_out;
}

bool item_index_promoted(const struct item_index *t)
{
    return t->promoted;
}

size_t item_index_n_foreign(const struct item_index *t)
{
    return t->n_foreign;
}

int64_t item_index_extra_key(const struct item_index *t, size_t k)
{
    return t->extra[k].key;
}

int64_t item_index_last_key(const struct item_index *t)
{
    return t->last_key;
}

const uint64_t *item_index_visible_bits(const struct item_index *t)
{
    return t->visible;
}

bool item_index_visible(const struct item_index *t, size_t index)
{
    return !t->visible || (t->visible[index / 64] >> (index % 64) & 1);
}

struct item_info item_index_info(const struct item_index *t, size_t index)
{
    return (struct item_info){stored_text(t, t->rows[index].title),
                              stored_text(t, t->rows[index].categories)};
}
