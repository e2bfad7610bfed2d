/* Everything a cached answer needs is in the thread's own workspaces. */
#include "server/serving/recommender_lists.h"

#include "base/mem.h"
#include "engine/added_items.h"
#include "engine/network/target.h"
#include "engine/rank/catalogue.h"
#include "server/serving/explain.h"
#include "server/serving/item_list.h"
#include "server/serving/item_metadata.h"
#include "server/serving/score_spread.h"
#include "server/serving/shown_list.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static void add_model(struct buf *out, const struct model_spec *spec)
{
    buf_adds(out, ",\"model\":");
    buf_add_json_string(out, spec->name, strlen(spec->name));
    buf_adds(out, ",\"model_version\":");
    buf_add_json_string(out, spec->version, strlen(spec->version));
}

/* n_bytes: about what the list takes; room for it at once saves growing by doubling. */
static void add_head(struct buf *out, const struct model_spec *spec, struct text user,
                     const struct weights *w, bool cold, size_t n_bytes)
{
    (void)buf_reserve(out, n_bytes + 512);
    buf_adds(out, "{\"user\":");
    if (user.data)
        buf_add_json_string(out, user.data, user.len);
    else
        buf_adds(out, "null");
    add_model(out, spec);
    buf_adds(out, ",\"context_revision\":");
    if (cold)
        buf_adds(out, "null,\"cold\":true");
    else if (!user.data)
        buf_adds(out, "null");
    else
        buf_add_int(out, w->revision);
}

/* The reasons of the best items; of the prior, which is made of nothing, there are none. */
static enum err_code explain(struct recommender *p, struct model_handle *handle,
                             const struct recommend_query *q, const struct item_snapshot *items,
                             const struct item_list *best, struct explanation **out, struct err *e)
{
    static const struct store_user nobody;
    struct explain_query query = {.model = handle->model,
                                  .items = items,
                                  .user = q->cold ? &nobody : &p->user,
                                  .n = best->n,
                                  .most = q->explain,
                                  .workspace = handle->workspace};
    uint32_t indices[LIMIT_EXPLAIN_ITEMS];
    float scores[LIMIT_EXPLAIN_ITEMS];
    assert(best->n <= LIMIT_EXPLAIN_ITEMS);
    enum err_code code = model_handle_encoder(handle, &query.encoder, e);
    if (code)
        return code;
    for (size_t i = 0; i < best->n; i++) {
        indices[i] = best->entries[i].index;
        scores[i] = best->entries[i].score;
    }
    query.indices = indices;
    query.scores = scores;
    return explain_new(&query, out, e);
}

/* The deviations (n) of the best items' scores. */
static enum err_code spread(struct recommender *p, struct model_handle *handle,
                            const struct recommend_query *q, const struct item_snapshot *items,
                            const struct item_list *best, float *deviations, struct err *e)
{
    static const struct store_user nobody;
    uint32_t indices[LIMIT_EXPLAIN_ITEMS];
    struct score_spread_query query = {.model = handle->model,
                                       .items = items,
                                       .user = q->cold ? &nobody : &p->user,
                                       .indices = indices,
                                       .n = best->n,
                                       .n_samples = q->samples,
                                       .seed = q->seed,
                                       .workspace = handle->workspace};
    bool known = false;
    assert(best->n <= LIMIT_EXPLAIN_ITEMS);
    for (size_t i = 0; i < best->n; i++)
        indices[i] = best->entries[i].index;
    enum err_code code = model_handle_encoder(handle, &query.encoder, e);
    if (!code)
        code = score_spread_make(&query, deviations, &known, e);
    for (size_t i = 0; i < best->n && !known; i++)
        deviations[i] = -1;
    return code;
}

/* The candidates that no answer has, which follow the n_known entries there are. With a least score there are
 * none: they have no score. */
static void take_unknown(const struct recommend_query *q, size_t n_known, struct item_list *list)
{
    size_t first = q->offset > n_known ? q->offset - n_known : 0;
    if (q->more->page)
        first += q->more->page->n_unknown;
    if (q->rules->has_min_score || first >= q->more->n_unknown)
        return;
    list->unknown = q->more->unknown + first;
    list->n_unknown = q->more->n_unknown - first;
    if (list->n_unknown > q->limit - list->n)
        list->n_unknown = q->limit - list->n;
}

/* What is said of the listed items beyond their scores; explanation and metadata are the caller's to free. */
static enum err_code describe(struct recommender *p, struct model_handle *handle,
                              const struct recommend_query *q, struct item_list *list, float *deviations,
                              struct explanation **explanation, struct item_metadata *metadata, struct err *e)
{
    const struct item_snapshot *items = handle->items;
    enum err_code code = ERR_OK;
    if (q->samples) {
        code = spread(p, handle, q, items, list, deviations, e);
        list->deviations = deviations;
    }
    if (!code && q->explain)
        code = explain(p, handle, q, items, list, explanation, e);
    list->explanation = *explanation;
    if (!code && q->more && q->more->with_metadata) {
        code = item_metadata_read(p->conn, items, list->entries, list->n, q->more->fields, q->more->n_fields,
                                  metadata, e);
        list->metadata = metadata;
    }
    return code;
}

/* The token of the next page behind the n entries that were passed over or listed, where there is more:
 * another entry, or candidates that no answer has. */
static enum err_code add_page(struct recommender *p, const struct recommend_query *q,
                              const struct item_list *list, size_t n, bool more, struct buf *out,
                              struct err *e)
{
    struct list_page *page = q->more->page;
    size_t n_unknown =
        list->n_unknown ? (size_t)(list->unknown + list->n_unknown - q->more->unknown) : page->n_unknown;
    bool left = q->more->n_unknown && !q->rules->has_min_score && n_unknown < q->more->n_unknown;
    if ((!more && !left) ||
        page->n_shown + n > (q->rules->diversity > 0 ? LIMIT_RECOMMENDATIONS : LIMIT_PAGED_ITEMS))
        return ERR_OK;
    enum err_code code = list_page_add(page, p->entries, n, e);
    page->n_unknown = n_unknown;
    if (code)
        return code;
    buf_adds(out, ",\"page\":\"");
    list_page_write(page, &p->serving->page_key, out);
    buf_addc(out, '"');
    return ERR_OK;
}

static void add_source(struct item_sources *sources, const char *name, size_t end)
{
    sources->at[sources->n].name = name;
    sources->at[sources->n++].end = end;
}

/* The items that may still come to a list, as bits: allowed, not seen, not in the list. The caller frees. */
static enum err_code list_left(struct recommender *p, const struct item_snapshot *items,
                               const struct weights *w, const struct recommend_query *q,
                               const struct item_list *list, uint64_t **out, struct err *e)
{
    const struct list_allowing allowing = {.categories = q->categories,
                                           .n_categories = q->n_categories,
                                           .filter = q->filter,
                                           .history = q->history,
                                           .rules = q->rules};
    const uint64_t *allowed = NULL;
    size_t n_words = (item_snapshot_count(items) + 63) / 64;
    enum err_code code = recommender_allow(p, items, &allowing, &allowed, e);
    uint64_t *bits = code ? NULL : mem_alloc_array(n_words, sizeof *bits);
    if (!bits)
        return code ? code : err_set(e, ERR_NOMEM, "no memory for the items of a list");
    if (allowed)
        memcpy(bits, allowed, n_words * sizeof *bits);
    else
        memset(bits, 0xFF, n_words * sizeof *bits);
    for (size_t i = 0; !q->include_seen && i < w->n_seen; i++)
        bits[w->seen[i] / 64] &= ~((uint64_t)1 << (w->seen[i] % 64));
    for (size_t i = 0; i < list->n; i++)
        bits[list->entries[i].index / 64] &= ~((uint64_t)1 << (list->entries[i].index % 64));
    *out = bits;
    return ERR_OK;
}

/* Fills the list, which begins the thread's entries, by what everybody takes. */
static enum err_code fall_back(struct recommender *p, const struct item_snapshot *items,
                               const struct weights *w, const struct recommend_query *q,
                               struct item_list *list, struct item_sources *sources, struct err *e)
{
    uint64_t *bits = NULL;
    add_source(sources, "personal", list->n);
    enum err_code code = list->n < q->limit ? list_left(p, items, w, q, list, &bits, e) : ERR_OK;
    for (size_t i = 0; i < q->more->n_fallback && list->n < q->limit && !code; i++) {
        struct sorted_items found = {
            .sort = q->more->fallback[i], .items = items, .allowed = bits, .entries = p->entries + list->n};
        code = sorted_items_find(&found, p->serving->trends, p->conn, q->limit - list->n, e);
        for (size_t k = 0; k < found.n && !code; k++)
            bits[found.entries[k].index / 64] &= ~((uint64_t)1 << (found.entries[k].index % 64));
        list->n += code ? 0 : found.n;
        add_source(sources, item_sort_name(found.sort), list->n);
    }
    mem_free(bits);
    return code;
}

/* Tells what was listed. */
static enum err_code tell_shown(const struct recommend_query *q, const struct item_snapshot *items,
                                const struct item_list *list, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < list->n && !code; i++) {
        struct text id;
        id.data = item_index_id(item_snapshot_items(items), list->entries[i].index, &id.len);
        code = shown_list_add(q->more->shown, q->user, id, e);
    }
    return code;
}

enum err_code recommender_recommend(struct recommender *p, struct model_handle *handle,
                                    const struct weights *w, const struct recommend_query *q, struct buf *out,
                                    struct err *e)
{
    const struct item_snapshot *items = q->items ? q->items : model_handle_items(handle);
    struct explanation *explanation = NULL;
    struct item_metadata metadata = {.ends = NULL};
    float deviations[LIMIT_EXPLAIN_ITEMS];
    bool paged = q->more && q->more->page;
    bool falls_back = q->more && q->more->n_fallback;
    struct listing l = {.most = q->offset + q->limit};
    struct item_sources sources = {.n = 0};
    assert(items == handle->items);
    enum err_code code =
        falls_back ? recommender_reserve((void **)&p->entries, &p->n_entries, q->limit, sizeof *p->entries, e)
                   : ERR_OK;
    if (!code && !(falls_back && q->more->fallback_alone))
        code = recommender_list(p, handle, w, q, &l, e);
    if (code)
        return code;
    size_t n = l.n;
    struct item_list best = {.entries = p->entries + q->offset, .n = n > q->offset ? n - q->offset : 0};
    if (falls_back) {
        code = fall_back(p, items, w, q, &best, &sources, e);
        best.sources = &sources;
    } else if (q->more) {
        take_unknown(q, n, &best);
    }
    if (!code && (q->samples || q->explain || q->more))
        code = describe(p, handle, q, &best, deviations, &explanation, &metadata, e);
    if (!code) {
        add_head(out, &handle->model->spec, q->user, w, q->cold, best.n * 128);
        code = item_list_add(out, items, &best, e);
    }
    explain_free(explanation);
    item_metadata_fini(&metadata);
    item_list_warn_of_categories(out, items, q->categories, q->n_categories);
    if (!code && paged)
        code = add_page(p, q, &best, n, l.more, out, e);
    if (!code && q->more && q->more->shown)
        code = tell_shown(q, items, &best, e);
    buf_addc(out, '}');
    return code ? code : buf_check(out, "the answer", e);
}

enum err_code recommender_similar(struct recommender *p, struct model_handle *handle,
                                  const struct similar_query *q, struct buf *out, struct err *e)
{
    const struct model *m = handle->model;
    const struct item_snapshot *items = model_handle_items(handle);
    size_t k = q->limit < item_snapshot_count(items) ? q->limit : item_snapshot_count(items);
    enum err_code code = recommender_reserve((void **)&p->entries, &p->n_entries, k, sizeof *p->entries, e);
    struct catalogue_filter filter = {.excluded = &q->index, .n_excluded = 1};
    const struct list_allowing allowing = {
        .categories = q->categories, .n_categories = q->n_categories, .filter = q->filter};
    if (!code)
        code = recommender_allow(p, items, &allowing, &filter.allowed, e);
    if (code)
        return code;
    struct topk top;
    topk_init(&top, p->entries, k);
    added_items_similar(m, item_snapshot_extra(items), q->index, &filter, &top);
    struct item_list list = {.entries = p->entries, .n = topk_finish(&top)};
    (void)buf_reserve(out, list.n * 128 + 512);
    buf_adds(out, "{\"item\":");
    buf_add_json_string(out, q->item.data, q->item.len);
    add_model(out, &m->spec);
    code = item_list_add(out, items, &list, e);
    item_list_warn_of_categories(out, items, q->categories, q->n_categories);
    buf_addc(out, '}');
    return code ? code : buf_check(out, "the answer", e);
}

enum err_code recommender_sorted(struct recommender *p, struct model_handle *handle,
                                 const struct sorted_query *q, struct buf *out, struct err *e)
{
    const struct item_snapshot *items = model_handle_items(handle);
    size_t k = q->limit < item_snapshot_count(items) ? q->limit : item_snapshot_count(items);
    const struct list_allowing allowing = {
        .categories = q->categories, .n_categories = q->n_categories, .filter = q->filter};
    struct sorted_items found = {.sort = q->sort, .window_days = q->window_days, .items = items};
    enum err_code code = recommender_reserve((void **)&p->entries, &p->n_entries, k, sizeof *p->entries, e);
    if (!code)
        code = recommender_allow(p, items, &allowing, &found.allowed, e);
    found.entries = p->entries;
    if (!code)
        code = sorted_items_find(&found, p->serving->trends, p->conn, k, e);
    if (code)
        return code;
    struct item_list list = {.entries = p->entries, .n = found.n};
    buf_addf(out, "{\"sort\":\"%s\",\"as_of\":%lld", item_sort_name(q->sort), (long long)found.as_of);
    bool trending = q->sort == ITEM_SORT_TRENDING;
    if (trending || q->window_days)
        buf_addf(out, ",\"window_days\":%zu", q->window_days ? q->window_days : TREND_WINDOW_DAYS);
    if (trending)
        buf_addf(out, ",\"decay\":%g", TREND_DECAY);
    code = item_list_add(out, items, &list, e);
    item_list_warn_of_categories(out, items, q->categories, q->n_categories);
    buf_addc(out, '}');
    return code ? code : buf_check(out, "the answer", e);
}

/* All that is said of a listed item, whose id is plain text. One addition to the buffer: six would wait for
 * each other. */
static void add_scored_text(struct buf *out, struct text id, float score)
{
    static const char before[] = "{\"id\":\"", between[] = "\",\"score\":";
    char *to = buf_reserve(out, sizeof before + id.len + sizeof between + BUF_FLOAT_BYTES);
    if (!to)
        return;
    char *at = mempcpy(to, before, sizeof before - 1);
    at = mempcpy(at, id.data, id.len);
    at = mempcpy(at, between, sizeof between - 1);
    at += buf_float_text(score, at);
    *at++ = '}';
    out->len += (size_t)(at - to);
}

/* One item that the model has: the `known`th of them, the i-th of all. */
static void add_known(struct buf *out, const struct item_snapshot *items, const struct predict_items *asked,
                      size_t i, size_t known, float score)
{
    if (asked->texts) {
        add_scored_text(out, asked->texts[i], score);
        return;
    }
    size_t len;
    const char *id = item_index_id(item_snapshot_items(items), asked->indices[known], &len);
    item_list_add_scored(out, (struct text){id, len}, score);
    buf_addc(out, '}');
}

static void add_unknown(struct buf *out, struct text id)
{
    buf_adds(out, "{\"id\":");
    buf_add_json_string(out, id.data, id.len);
    buf_adds(out, ",\"score\":null}");
}

enum err_code recommender_predict_items(struct recommender *p, struct model_handle *handle,
                                        const struct weights *w, struct text user, bool cold,
                                        const struct predict_items *asked, struct buf *out, struct err *e)
{
    const struct model *m = handle->model;
    enum err_code code =
        recommender_reserve((void **)&p->scores, &p->n_scores, asked->n_known, sizeof *p->scores, e);
    if (code)
        return code;
    const struct item_snapshot *items = model_handle_items(handle);
    assert(w->n_theta >= handle->theta_len);
    added_items_score(m, item_snapshot_extra(items), w->theta, asked->indices, asked->n_known,
                      handle->workspace, p->scores);
    add_head(out, &m->spec, user, w, cold, asked->n * 48);
    buf_adds(out, ",\"predictions\":[");
    for (size_t i = 0, known = 0; i < asked->n; i++) {
        if (i)
            buf_addc(out, ',');
        if (asked->unknown && asked->unknown[i].data) {
            add_unknown(out, asked->unknown[i]);
            continue;
        }
        if (!isfinite(p->scores[known]))
            return item_list_refuse_score(e);
        float score = (float)model_prediction(m, (double)p->scores[known]);
        add_known(out, items, asked, i, known++, score);
    }
    buf_addc(out, ']');
    if (asked->count_unknown)
        buf_addf(out, ",\"unknown\":%zu", asked->n - asked->n_known);
    buf_addc(out, '}');
    return buf_check(out, "the answer", e);
}

enum err_code recommender_score_rows(struct recommender *p, struct model_handle *handle,
                                     const struct weights *w, const float *x, size_t n, const float **scores,
                                     struct err *e)
{
    const struct model *m = handle->model;
    enum err_code code =
        recommender_reserve((void **)&p->scores, &p->n_scores, n * m->spec.d_output, sizeof *p->scores, e);
    if (code)
        return code;
    assert(w->n_theta >= handle->theta_len);
    target_forward(&m->spec, &m->params, w->theta, x, n, handle->workspace, p->scores);
    *scores = p->scores;
    return ERR_OK;
}

enum err_code recommender_predict_rows(struct model_handle *handle, const struct weights *w, struct text user,
                                       bool cold, const float *scores, size_t n, struct buf *out,
                                       struct err *e)
{
    const struct model_spec *spec = &handle->model->spec;
    add_head(out, spec, user, w, cold, n * 48);
    buf_adds(out, ",\"predictions\":[");
    for (size_t i = 0; i < n * spec->d_output; i++) {
        if (i)
            buf_addc(out, ',');
        buf_add_float(out, scores[i]);
    }
    buf_adds(out, "]}");
    return buf_check(out, "the answer", e);
}
