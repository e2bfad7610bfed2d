/* An event moves one row, and leaves every text as it is; so a table is two parts that the next one may
 * share. */
#include "server/items/item_snapshot.h"

#include "base/limits.h"
#include "base/mem.h"

#include <stdatomic.h>
#include <string.h>

struct item_snapshot {
    atomic_size_t refs;
    const struct model *model;
    struct item_index *texts;
    struct added_item_rows *rows; /* NULL: no items beyond the model's own */
    struct item_columns *columns; /* NULL: none */
    struct filter_cache *filters; /* of these texts and columns; NULL: none */
    uint64_t *shown;              /* (bits by index) what lists may have; NULL: what the texts say */
    int64_t changes_at;           /* when that changes by the clock */
};

static enum err_code table_new(const struct model *m, struct item_index *texts_take,
                               struct item_snapshot **out, struct err *e)
{
    struct item_snapshot *t = mem_zalloc_array(1, sizeof *t);
    if (!t) {
        item_index_unref(texts_take);
        return err_set(e, ERR_NOMEM, "no memory for the table of items");
    }
    atomic_init(&t->refs, 1);
    t->model = m;
    t->texts = texts_take;
    t->changes_at = INT64_MAX;
    *out = t;
    return ERR_OK;
}

enum err_code item_snapshot_load(struct store_conn *c, const struct model *m, struct item_snapshot **out,
                                 struct err *e)
{
    struct item_index *texts;
    enum err_code code = item_index_load(c, m, &(struct item_choice){0}, NULL, &texts, e);
    return code ? code : table_new(m, texts, out, e);
}

/* ---- the next table ---- */

struct comparing {
    const struct item_index *texts;
    bool same;
};

static bool compare_item(void *arg, const struct store_item *item)
{
    struct comparing *k = arg;
    k->same = item_index_same(k->texts, item);
    return true;
}

/* Whether the old texts say of every changed item what the store says. */
static enum err_code texts_stand(struct store_conn *c, const struct item_snapshot *old,
                                 const struct item_changes *changes, bool *stand, struct err *e)
{
    const char *at = changes->ids.data, *end = at ? at + changes->ids.len : at;
    enum err_code code = ERR_OK;
    *stand = old && !changes->all;
    for (; *stand && !code && at < end; at += strlen(at) + 1) {
        struct comparing k = {old->texts, false};
        code = store_read_item(c, text_of(at), compare_item, &k, e);
        *stand = k.same;
    }
    return code;
}

/* Bits of the extra items that changed, by number; *any tells whether there is one. */
static enum err_code mark_stale(const struct item_snapshot *t, const struct item_changes *changes,
                                uint64_t **out, bool *any, struct err *e)
{
    const char *at = changes->ids.data, *end = at ? at + changes->ids.len : at;
    size_t n_items = t->model->spec.n_items;
    uint64_t *stale = mem_zalloc_array((item_index_n_extra(t->texts) + 63) / 64, sizeof *stale);
    if (!stale)
        return err_set(e, ERR_NOMEM, "no memory for the table of items");
    *any = false;
    for (; at < end; at += strlen(at) + 1) {
        long index = item_index_find(t->texts, text_of(at));
        if (index < (long)n_items)
            continue;
        size_t k = (size_t)index - n_items;
        stale[k / 64] |= (uint64_t)1 << (k % 64);
        *any = true;
    }
    *out = stale;
    return ERR_OK;
}

static enum err_code make_rows(struct store_conn *c, struct item_snapshot *t, const struct item_snapshot *old,
                               const struct item_changes *changes, struct err *e)
{
    size_t n = item_index_n_extra(t->texts);
    if (n == 0)
        return ERR_OK;
    if (!old || !old->rows || changes->all)
        return added_item_rows_make(c, t->model, t->texts, NULL, NULL, &t->rows, e);
    uint64_t *stale = NULL;
    bool any = false;
    enum err_code code = mark_stale(t, changes, &stale, &any, e);
    if (!code && !any && n == item_index_n_extra(old->texts))
        t->rows = added_item_rows_ref(old->rows);
    else if (!code)
        code = added_item_rows_make(c, t->model, t->texts, old->rows, stale, &t->rows, e);
    mem_free(stale);
    return code;
}

/* Which items lists may have at a time. */
static enum err_code make_shown(struct item_snapshot *t, int64_t now, struct err *e)
{
    size_t n_words = (item_snapshot_count(t) + 63) / 64;
    const uint64_t *visible = item_index_visible_bits(t->texts);
    if (!t->columns || !item_lives_limit(&t->columns->lives))
        return ERR_OK;
    t->shown = mem_alloc_array(n_words, sizeof *t->shown);
    if (!t->shown)
        return err_set(e, ERR_NOMEM, "no memory for the table of items");
    if (visible)
        memcpy(t->shown, visible, n_words * sizeof *t->shown);
    else
        memset(t->shown, 0xFF, n_words * sizeof *t->shown);
    t->changes_at = item_lives_hide(&t->columns->lives, t->texts, now, t->shown);
    return ERR_OK;
}

enum err_code item_snapshot_at(struct item_snapshot *t, int64_t now, struct item_snapshot **out,
                               struct err *e)
{
    struct item_snapshot *next = NULL;
    enum err_code code = table_new(t->model, item_index_ref(t->texts), &next, e);
    if (code)
        return code;
    next->rows = t->rows ? added_item_rows_ref(t->rows) : NULL;
    next->columns = t->columns ? item_columns_ref(t->columns) : NULL;
    next->filters = t->filters ? filter_cache_ref(t->filters) : NULL;
    code = make_shown(next, now, e);
    if (code)
        item_snapshot_unref(next);
    else
        *out = next;
    return code;
}

enum err_code item_snapshot_set_columns(struct item_snapshot *t, struct item_columns *columns, int64_t now,
                                        struct err *e)
{
    struct filter_cache *filters = filter_cache_new();
    if (!filters)
        return err_set(e, ERR_NOMEM, "no memory for filters");
    filter_cache_unref(t->filters);
    item_columns_unref(t->columns);
    t->filters = filters;
    t->columns = item_columns_ref(columns);
    return make_shown(t, now, e);
}

/* The filters of a table in which nothing of what they ask for changed go on. */
static enum err_code take_columns(struct item_snapshot *t, const struct item_snapshot *old,
                                  struct item_columns *columns, int64_t now, struct err *e)
{
    if (!columns)
        return ERR_OK;
    if (!old || !old->filters || old->texts != t->texts || old->columns != columns)
        return item_snapshot_set_columns(t, columns, now, e);
    t->columns = item_columns_ref(columns);
    t->filters = filter_cache_ref(old->filters);
    return make_shown(t, now, e);
}

enum err_code item_snapshot_next(struct store_conn *c, const struct model *m, bool foreign,
                                 struct item_snapshot *old, const struct item_changes *changes,
                                 struct item_columns *columns, int64_t now, struct item_snapshot **out,
                                 struct err *e)
{
    struct item_choice choice = {.extra = m->spec.cold_items.present, .foreign = foreign};
    struct item_index *texts;
    struct item_snapshot *t = NULL;
    bool stand;
    enum err_code code = texts_stand(c, old, changes, &stand, e);
    if (code)
        return code;
    if (stand)
        texts = item_index_ref(old->texts);
    else if ((code = item_index_load(c, m, &choice, old ? old->texts : NULL, &texts, e)))
        return code;
    if ((code = table_new(m, texts, &t, e)))
        return code;
    code = take_columns(t, old, columns, now, e);
    if (!code)
        code = make_rows(c, t, old, changes, e);
    if (code)
        item_snapshot_unref(t);
    else
        *out = t;
    return code;
}

struct item_snapshot *item_snapshot_ref(struct item_snapshot *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void item_snapshot_unref(struct item_snapshot *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    item_index_unref(t->texts);
    added_item_rows_unref(t->rows);
    item_columns_unref(t->columns);
    filter_cache_unref(t->filters);
    mem_free(t->shown);
    mem_free(t);
}

/* ---- use ---- */

const struct item_index *item_snapshot_items(const struct item_snapshot *t)
{
    return t->texts;
}

long item_snapshot_find_ranked(const struct item_snapshot *t, struct text id)
{
    long index = item_index_find(t->texts, id);
    return index >= 0 && item_index_visible(t->texts, (size_t)index) ? index : -1;
}

long item_snapshot_find(const struct item_snapshot *t, struct text id)
{
    long index = item_index_find(t->texts, id);
    const uint64_t *shown = item_snapshot_shown_bits(t);
    return index >= 0 && (!shown || shown[index / 64] >> (index % 64) & 1) ? index : -1;
}

const uint64_t *item_snapshot_shown_bits(const struct item_snapshot *t)
{
    return t->shown ? t->shown : item_index_visible_bits(t->texts);
}

int64_t item_snapshot_changes_at(const struct item_snapshot *t)
{
    return t->changes_at;
}

const struct item_columns *item_snapshot_columns(const struct item_snapshot *t)
{
    return t->columns;
}

static struct text text_of_filter(const struct item_filter *f)
{
    return (struct text){f->text.data, f->text.len};
}

struct filter_bits *item_snapshot_filter_made(const struct item_snapshot *t, const struct item_filter *f)
{
    return t->filters ? filter_cache_get(t->filters, text_of_filter(f)) : NULL;
}

enum err_code item_snapshot_filter(const struct item_snapshot *t, const struct item_filter *f,
                                   struct filter_bits **out, struct err *e)
{
    *out = item_snapshot_filter_made(t, f);
    if (*out)
        return ERR_OK;
    enum err_code code = filter_bits_make(f, t->texts, t->columns, out, e);
    if (!code && t->filters)
        filter_cache_keep(t->filters, text_of_filter(f), *out);
    return code;
}

size_t item_snapshot_count(const struct item_snapshot *t)
{
    return t->model->spec.n_items + item_index_n_extra(t->texts);
}

const struct added_items *item_snapshot_extra(const struct item_snapshot *t)
{
    return added_item_rows_items(t->rows);
}

enum err_code item_snapshot_check_known(const struct item_snapshot *t, struct err *e)
{
    const struct model_spec *spec = &t->model->spec;
    size_t n_known = spec->n_items - item_index_n_foreign(t->texts);
    if (2 * n_known >= spec->n_items)
        return ERR_OK;
    return err_set(e, ERR_CONFLICT,
                   "the store knows %zu of the %zu items of model '%s': is it a model of another catalogue? "
                   "Give the store that "
                   "it belongs to, import its items, or allow them with --allow-foreign-items",
                   n_known, spec->n_items, spec->name);
}

const char *item_snapshot_source(const struct item_snapshot *t, size_t index)
{
    if (index < t->model->spec.n_items)
        return "training";
    struct item_row_source source = added_item_rows_source(t->rows, index - t->model->spec.n_items);
    return source.n_takers ? "interactions" : source.n_features ? "features" : "prior";
}

bool item_snapshot_aside(const struct item_snapshot *t, const struct item_snapshot *old)
{
    return added_item_rows_aside(t->rows) && (!old || old->rows != t->rows);
}

size_t item_snapshot_extra_keys(const struct item_snapshot *t, int64_t *keys)
{
    size_t n = item_index_n_extra(t->texts);
    for (size_t k = 0; keys && k < n; k++)
        keys[k] = item_index_extra_key(t->texts, k);
    return n;
}
