/* GET /v1/items/{item}/similar */
#include "server/api/api.h"

#include "base/limits.h"
#include "server/api/filter_body.h"
#include "server/http/problem.h"
#include "server/serving/item_updates.h"

void api_similar_get(struct api_thread *t, struct request *r)
{
    struct similar_query q = {.limit = 10};
    struct model_handle *handle;
    struct err e = {0};
    if (!api_item_id(r, 2, &q.item) || !api_model(t, r, &handle) ||
        !api_count_param(r, "limit", 1, LIMIT_RECOMMENDATIONS, &q.limit) ||
        !api_category_params(r, q.categories, &q.n_categories))
        return;
    long index = item_snapshot_find_ranked(model_handle_items(handle), q.item);
    if (index < 0) {
        problem_answer(r, PROBLEM_NO_ITEM, NULL, "no answer of model '%s' may have item '%.*s'%s",
                       handle->model->spec.name, (int)q.item.len, q.item.data,
                       update_missing_item(&t->session, q.item));
        return;
    }
    q.index = (uint32_t)index;
    struct item_filter *filter;
    if (!filter_param_read(r, handle, false, &filter))
        return;
    q.filter = filter;
    struct buf *out = request_answer(r, 200, request_json);
    if (recommender_similar(t->session.recommender, handle, &q, out, &e))
        problem_answer_err(r, &e);
    item_filter_free(filter);
}
