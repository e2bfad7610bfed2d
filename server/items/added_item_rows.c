/* A taker's part in the equation is the beginning of his stored context, so that an item moves by reading and
 * not by encoding anybody: contexts are stored in the transaction that records an event, those of a large
 * batch after it (serving/user_contexts.h). */
#include "server/items/added_item_rows.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/network/cold_items.h"
#include "server/fields/field.h"
#include "server/items/item_features.h"

#include <stdatomic.h>
#include <string.h>

struct added_item_rows {
    atomic_size_t refs;
    struct added_items *items;
    struct item_row_source *sources; /* (n) */
    size_t n;
    bool aside; /* some of those that were made are not followed */
};

/* What is needed to make a row. */
struct builder {
    struct store_conn *conn;
    const struct model *model;
    struct store_context_key key;
    real *row, *workspace;
    real *f;       /* (LIMIT_ITEM_TAKERS, d_fold_in) */
    real *weights; /* (LIMIT_ITEM_TAKERS) */
    size_t n;      /* takers */
};

static enum err_code builder_init(struct builder *k, struct store_conn *c, const struct model *m,
                                  struct err *e)
{
    const struct model_spec *spec = &m->spec;
    *k = (struct builder){.conn = c, .model = m, .key = {spec->name, spec->version, "user"}};
    k->row = mem_alloc_aligned(model_spec_item_row(spec), sizeof *k->row);
    k->workspace = mem_alloc_aligned(cold_items_workspace_len(spec), sizeof *k->workspace);
    k->f = mem_alloc_aligned(LIMIT_ITEM_TAKERS, spec->encoder.d_fold_in * sizeof *k->f);
    k->weights = mem_alloc_array(LIMIT_ITEM_TAKERS, sizeof *k->weights);
    return k->row && k->workspace && k->f && k->weights ? ERR_OK
                                                        : err_set(e, ERR_NOMEM, "no memory for new items");
}

static void builder_fini(struct builder *k)
{
    mem_free(k->row);
    mem_free(k->workspace);
    mem_free(k->f);
    mem_free(k->weights);
}

/* Contexts of another width cannot be of this model; they say nothing. */
static bool take_taker(void *arg, const void *embedding, size_t n_bytes, double weight)
{
    struct builder *k = arg;
    size_t d = k->model->spec.encoder.d_fold_in;
    real *f = k->f + k->n * d;
    if (n_bytes != k->model->spec.d_context * sizeof *f)
        return true;
    memcpy(f, embedding, d * sizeof *f);
    field_make_usable(f, d);
    k->weights[k->n++] = field_usable_weight(weight);
    return k->n < LIMIT_ITEM_TAKERS;
}

/* The row of an item to k->row. */
static enum err_code make_row(struct builder *k, const struct item_index *texts, size_t number,
                              struct item_row_source *source, struct err *e)
{
    const struct model *m = k->model;
    struct item_info info = item_index_info(texts, m->spec.n_items + number);
    struct store_item record = {.title = info.title, .categories = info.categories};
    uint32_t features[ITEM_FEATURES_OF_ITEM];
    size_t n_features = item_features_of(&m->spec, &record, features);
    cold_items_prior(&m->spec, &m->params, features, n_features, k->row);
    k->n = 0;
    enum err_code code = store_each_taker(k->conn, item_index_extra_key(texts, number), &k->key,
                                          LIMIT_ITEM_TAKERS, take_taker, k, e);
    if (!code) /* where the equation has no solution the item stays at its prior */
        (void)cold_items_fold(&m->spec, &m->params, k->f, k->weights, k->n, k->workspace, k->row);
    *source = (struct item_row_source){(uint32_t)n_features, (uint32_t)k->n};
    return code;
}

static bool is_stale(const struct added_item_rows *old, const uint64_t *stale, size_t k)
{
    return !old || !stale || k >= old->n || (stale[k / 64] >> (k % 64) & 1);
}

/* Asks the store to find takers of the items to be made by an index. Should it be unable to, it finds them
 * all the same, only slower. *aside: some are not followed. */
static enum err_code prepare(struct store_conn *c, const struct item_index *texts,
                             const struct added_item_rows *old, const uint64_t *stale, bool *aside,
                             struct err *e)
{
    size_t n = 0, n_extra = item_index_n_extra(texts);
    int64_t *keys = mem_alloc_array(n_extra, sizeof *keys);
    struct err ignored = {0};
    if (!keys)
        return err_set(e, ERR_NOMEM, "no memory for new items");
    for (size_t k = 0; k < n_extra; k++)
        if (is_stale(old, stale, k))
            keys[n++] = item_index_extra_key(texts, k);
    if (store_takers_begin(c, keys, n, aside, &ignored))
        log_line(LOG_WARN, "finding who took new items will be slow: %s", ignored.text);
    mem_free(keys);
    return ERR_OK;
}

enum err_code added_item_rows_make(struct store_conn *c, const struct model *m,
                                   const struct item_index *texts, const struct added_item_rows *old,
                                   const uint64_t *stale, struct added_item_rows **out, struct err *e)
{
    size_t n = item_index_n_extra(texts);
    struct builder k = {0};
    struct added_item_rows *r = mem_zalloc_array(1, sizeof *r);
    if (!r)
        return err_set(e, ERR_NOMEM, "no memory for new items");
    atomic_init(&r->refs, 1);
    r->n = n;
    r->sources = mem_zalloc_array(n, sizeof *r->sources);
    enum err_code code = r->sources ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for new items");
    if (!code)
        code = added_items_new(m, n, &r->items, e);
    if (!code)
        code = builder_init(&k, c, m, e);
    if (!code)
        code = prepare(c, texts, old, stale, &r->aside, e);
    for (size_t i = 0; i < n && !code; i++) {
        if (is_stale(old, stale, i)) {
            code = make_row(&k, texts, i, &r->sources[i], e);
        } else {
            added_items_get(old->items, i, k.row);
            r->sources[i] = old->sources[i];
        }
        if (!code)
            added_items_set(r->items, i, k.row);
    }
    if (!code)
        code = added_items_finish(r->items, e);
    store_takers_end(c);
    builder_fini(&k);
    if (code)
        added_item_rows_unref(r);
    else
        *out = r;
    return code;
}

struct added_item_rows *added_item_rows_ref(struct added_item_rows *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void added_item_rows_unref(struct added_item_rows *r)
{
    if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    added_items_free(r->items);
    mem_free(r->sources);
    mem_free(r);
}

const struct added_items *added_item_rows_items(const struct added_item_rows *r)
{
    return r ? r->items : NULL;
}

struct item_row_source added_item_rows_source(const struct added_item_rows *r, size_t k)
{
    return r->sources[k];
}

bool added_item_rows_aside(const struct added_item_rows *r)
{
    return r && r->aside;
}
