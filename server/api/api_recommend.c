/* GET /v1/users/{user}/recommendations */
#include "server/api/api.h"

#include "base/limits.h"
#include "server/http/problem.h"

#include <stdlib.h>
#include <string.h>

/* A whole number in [least, most] given as a query parameter; absent: *out stays. */
static bool count_param(struct request *r, const char *name, size_t least, size_t most, size_t *out)
{
    struct text value = request_param_of(r, name);
    size_t n = 0;
    if (!value.data)
        return true;
    bool ok = value.len >= 1 && value.len <= 9;
    for (size_t i = 0; ok && i < value.len; i++) {
        ok = value.data[i] >= '0' && value.data[i] <= '9';
        n = n * 10 + (size_t)(value.data[i] - '0');
    }
    if (ok && n >= least && n <= most) {
        *out = n;
        return true;
    }
    problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "%s takes a whole number from %zu to %zu, not '%.*s'", name,
                   least, most, (int)value.len, value.data);
    return false;
}

static bool category_params(struct request *r, struct recommend_query *q)
{
    for (size_t i = 0; i < r->n_params; i++) {
        if (!text_is(r->params[i].name, "category"))
            continue;
        if (q->n_categories == RECOMMENDER_MAX_CATEGORIES) {
            problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "category may be given %d times",
                           RECOMMENDER_MAX_CATEGORIES);
            return false;
        }
        q->categories[q->n_categories++] = r->params[i].value;
    }
    return true;
}

static bool explain_param(struct request *r, struct recommend_query *q)
{
    if (!count_param(r, "explain", 1, LIMIT_EXPLAIN_REASONS, &q->explain))
        return false;
    if (q->explain == 0 || q->limit <= LIMIT_EXPLAIN_ITEMS)
        return true;
    problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "with explain, limit is at most %d, not %zu",
                   LIMIT_EXPLAIN_ITEMS, q->limit);
    return false;
}

enum route_next api_recommend_get(struct api_thread *t, struct request *r, bool may_block)
{
    struct recommend_query q = {.limit = 10};
    bool exclude_seen = true;
    struct model_handle *handle;
    struct weights *w;
    if (!api_user_id(r, 2, &q.user) || !api_model(t, r, &handle) ||
        !count_param(r, "limit", 1, LIMIT_RECOMMENDATIONS, &q.limit) ||
        !count_param(r, "offset", 0, LIMIT_OFFSET, &q.offset) ||
        !api_bool_param(r, "exclude_seen", &exclude_seen) || !category_params(r, &q) || !explain_param(r, &q))
        return ROUTE_DONE;
    q.include_seen = !exclude_seen;
    if (q.explain && !may_block)
        return ROUTE_NEEDS_WORKER;
    enum route_next next = api_weights(t, r, handle, q.user, may_block, &w, &q.cold);
    if (next == ROUTE_NEEDS_WORKER || !w)
        return next;
    if (q.explain && !q.cold && !api_reread(t, r, handle, q.user, &w))
        return ROUTE_DONE;
    struct err e = {0};
    struct buf *out = request_answer(r, 200, request_json);
    if (recommender_recommend(t->session.recommender, handle, w, &q, out, &e))
        problem_answer_err(r, &e);
    weights_unref(w);
    return ROUTE_DONE;
}
