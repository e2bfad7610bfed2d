/* GET /v1/items?sort=popular|trending|latest: the items that everybody takes, or the latest. The first call
 * after changes sums all interactions, so it has the worker of scans. */
#include "server/api/api_lists.h"

#include "base/limits.h"
#include "server/api/filter_body.h"
#include "server/http/problem.h"

static bool sort_param(struct request *r, struct sorted_query *q)
{
    struct text value = request_param_of(r, "sort");
    if (!item_sort_of(value, &q->sort)) {
        problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "sort takes popular, trending or latest, not '%.*s'",
                       text_shown(value), value.data);
        return false;
    }
    if (q->sort != ITEM_SORT_LATEST || !request_param_of(r, "window_days").data)
        return api_count_param(r, "window_days", 1, LIMIT_WINDOW_DAYS, &q->window_days);
    problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "window_days is of popular and trending items");
    return false;
}

/* What lists by id take alone. */
static bool refuse_page_params(struct request *r)
{
    static const char *const names[] = {"cursor", "prefix", "q"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (request_param_of(r, names[i]).data) {
            problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "%s is of lists by id: it does not go with sort",
                           names[i]);
            return true;
        }
    return false;
}

void api_item_lists_get(struct api_thread *t, struct request *r)
{
    struct sorted_query q = {.limit = 10};
    struct model_handle *handle;
    struct item_filter *filter;
    struct err e = {0};
    if (!request_param_of(r, "sort").data) {
        api_items_page(t, r);
        return;
    }
    if (refuse_page_params(r) || !sort_param(r, &q) || !api_model(t, r, &handle) ||
        !api_count_param(r, "limit", 1, LIMIT_RECOMMENDATIONS, &q.limit) ||
        !api_category_params(r, q.categories, &q.n_categories) ||
        !filter_param_read(r, handle, false, &filter))
        return;
    q.filter = filter;
    struct buf *out = request_answer(r, 200, request_json);
    if (recommender_sorted(t->session.recommender, handle, &q, out, &e)) {
        buf_fini(out);
        api_fail(t, r, &e);
    }
    item_filter_free(filter);
}
