/* A pass over a large catalogue waits for memory, so the users of one call share it. What is the same of all,
 * which items may be listed, is found once; what each saw is his own. */
#include "server/serving/recommender_lists.h"

#include "engine/added_items.h"
#include "engine/rank/catalogue.h"

#include <assert.h>

/* Longer lists of so many users would take memory; each of them is found alone. */
enum { MAX_TOGETHER_K = 2 * LIMIT_RECOMMENDATIONS };

static_assert((int)RECOMMENDER_TOGETHER == (int)CATALOGUE_TOGETHER, "they share one pass");

/* Room for the best k of each; and the items that may be listed. */
static enum err_code reserve(struct recommender *p, struct model_handle *handle,
                             const struct recommend_query *q, size_t k, const uint64_t **allowed)
{
    struct found_together *f = &p->together;
    const struct list_allowing allowing = recommender_allowing(q);
    struct err none = {0};
    enum err_code code = recommender_reserve((void **)&f->entries, &f->n_entries, RECOMMENDER_TOGETHER * k,
                                             sizeof *f->entries, &none);
    if (!code)
        code = recommender_reserve((void **)&f->workspace, &f->n_workspace,
                                   catalogue_each_workspace_len(handle->model->catalogue),
                                   sizeof *f->workspace, &none);
    return code ? code : recommender_allow(p, handle->items, &allowing, allowed, &none);
}

/* The best of those users whom w (n) has. */
static void find(struct recommender *p, struct model_handle *handle, struct weights *const w[], size_t n,
                 const struct recommend_query *q, const uint64_t *allowed, size_t k)
{
    struct found_together *f = &p->together;
    struct catalogue_filter filters[RECOMMENDER_TOGETHER];
    struct topk tops[RECOMMENDER_TOGETHER];
    struct catalogue_query queries[RECOMMENDER_TOGETHER];
    size_t n_queries = 0;
    for (size_t i = 0; i < n; i++) {
        topk_init(&tops[i], f->entries + i * k, k);
        if (!w[i])
            continue;
        assert(w[i]->n_theta >= handle->theta_len); /* weights of this model */
        filters[i] = (struct catalogue_filter){.excluded = q->include_seen ? NULL : w[i]->seen,
                                               .n_excluded = q->include_seen ? 0 : w[i]->n_seen,
                                               .allowed = allowed};
        queries[n_queries++] = (struct catalogue_query){w[i]->theta, &filters[i], &tops[i]};
    }
    added_items_top_k_each(handle->model, item_snapshot_extra(handle->items), queries, n_queries,
                           f->workspace);
    for (size_t i = 0; i < n; i++)
        f->n[i] = topk_finish(&tops[i]);
    f->k = k;
}

void recommender_find_together(struct recommender *p, struct model_handle *handle, struct weights *const w[],
                               size_t n, const struct recommend_query *q)
{
    size_t count = item_snapshot_count(handle->items), k = recommender_reach(q, q->offset + q->limit, count);
    const uint64_t *allowed = NULL;
    assert(n <= RECOMMENDER_TOGETHER && q->items == handle->items);
    p->together.k = 0;
    bool own = q->filter && q->filter->n_own; /* of each the filter leaves other items */
    if (n < 2 || k == 0 || k > MAX_TOGETHER_K || (q->rules && q->rules->among) || own)
        return;
    if (reserve(p, handle, q, k, &allowed) || recommender_scores_each(q, allowed, count))
        return; /* alone, which meets a failure again */
    find(p, handle, w, n, q, allowed, k);
}
