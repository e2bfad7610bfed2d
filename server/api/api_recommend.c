/* GET /v1/users/{user}/recommendations */
#include "server/api/api.h"

#include "base/limits.h"
#include "base/utf8.h"
#include "server/api/filter_body.h"
#include "server/fields/field_value.h"
#include "server/http/problem.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

bool api_count_param(struct request *r, const char *name, size_t least, size_t most, size_t *out)
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

bool api_category_params(struct request *r, struct text *categories, size_t *n)
{
    for (size_t i = 0; i < r->n_params; i++) {
        if (!text_is(r->params[i].name, "category"))
            continue;
        if (*n == RECOMMENDER_MAX_CATEGORIES) {
            problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "category may be given %d times",
                           RECOMMENDER_MAX_CATEGORIES);
            return false;
        }
        struct text name = r->params[i].value;
        if (!utf8_valid(name.data, name.len)) { /* an answer repeats those that no item has */
            problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "category is percent-encoded UTF-8");
            return false;
        }
        categories[(*n)++] = name;
    }
    return true;
}

/* Both only where somebody may wait: see api_recommend_plan. */
static bool samples_params(struct request *r, struct recommend_query *q)
{
    size_t seed = 0;
    if (!api_count_param(r, "samples", 2, LIMIT_SCORE_SAMPLES, &q->samples) ||
        !api_count_param(r, "seed", 0, 999999999, &seed))
        return false;
    q->seed = seed;
    if (q->samples == 0 || q->limit <= LIMIT_EXPLAIN_ITEMS)
        return true;
    problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "with samples, limit is at most %d, not %zu",
                   LIMIT_EXPLAIN_ITEMS, q->limit);
    return false;
}

static bool explain_param(struct request *r, struct recommend_query *q)
{
    if (!api_count_param(r, "explain", 1, LIMIT_EXPLAIN_REASONS, &q->explain))
        return false;
    if (q->explain == 0 || q->limit <= LIMIT_EXPLAIN_ITEMS)
        return true;
    problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "with explain, limit is at most %d, not %zu",
                   LIMIT_EXPLAIN_ITEMS, q->limit);
    return false;
}

struct recommend_plan {
    struct api_plan of;
    struct recommend_query q;
    struct list_rules rules;
    struct item_filter *filter; /* NULL: none */
    size_t n_exclude_ids;
    struct text exclude_ids[REQUEST_MAX_PARAMS];
    uint32_t excluded[REQUEST_MAX_PARAMS]; /* what those are in q.items */
};

/* Ids that no answer has are no fault: there is nothing to leave out. */
static bool exclude_params(struct request *r, struct recommend_plan *plan)
{
    for (size_t i = 0; i < r->n_params; i++) {
        struct text id = r->params[i].value;
        if (!text_is(r->params[i].name, "exclude"))
            continue;
        if (!api_is_id(id)) {
            problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "exclude is an item's id: %s", api_id_rule);
            return false;
        }
        plan->exclude_ids[plan->n_exclude_ids++] = id;
    }
    return true;
}

/* Looks the ids up in the items that the list is then of: they come and go after the plan was made. */
static void resolve_excluded(struct recommend_plan *plan)
{
    if (plan->n_exclude_ids == 0)
        return;
    plan->q.items = model_handle_items(plan->of.handle);
    plan->rules.excluded = plan->excluded;
    for (size_t i = 0; i < plan->n_exclude_ids; i++) {
        long index = item_snapshot_find(plan->q.items, plan->exclude_ids[i]);
        if (index >= 0)
            plan->excluded[plan->rules.n_excluded++] = (uint32_t)index;
    }
}

static bool min_score_param(struct request *r, struct list_rules *rules)
{
    struct text value = request_param_of(r, "min_score");
    rules->has_min_score = value.data != NULL;
    if (!value.data || field_value_number(value, &rules->min_score))
        return true;
    problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "min_score takes a number, not '%.*s'", (int)value.len,
                   value.data);
    return false;
}

static void end_plan(void *plan)
{
    struct recommend_plan *p = plan;
    item_filter_free(p->filter);
    api_plan_end(plan);
}

void api_recommend_plan(struct api_thread *t, struct request *r)
{
    struct recommend_plan *plan = api_plan_new(t, r, API_PLAN_USER, sizeof *plan,
                                               offsetof(struct recommend_plan, exclude_ids), end_plan);
    bool exclude_seen = true;
    if (!plan)
        return;
    struct recommend_query *q = &plan->q;
    q->user = plan->of.user;
    q->limit = 10;
    if (!api_count_param(r, "limit", 1, LIMIT_RECOMMENDATIONS, &q->limit) ||
        !api_count_param(r, "offset", 0, LIMIT_OFFSET, &q->offset) ||
        !api_bool_param(r, "exclude_seen", &exclude_seen) ||
        !api_category_params(r, q->categories, &q->n_categories) || !explain_param(r, q) ||
        !samples_params(r, q) || !exclude_params(r, plan) || !min_score_param(r, &plan->rules) ||
        !filter_param_read(r, plan->of.handle, true, &plan->filter))
        return;
    q->filter = plan->filter;
    if (plan->n_exclude_ids || plan->rules.has_min_score)
        q->rules = &plan->rules;
    q->include_seen = !exclude_seen;
    plan->of.takes_long = q->explain || q->samples || filter_takes_long(plan->of.handle, q->filter);
}

/* What the user has of which the filter asks. False: answered with a refusal. */
static bool find_history(struct api_thread *t, struct request *r, struct recommend_plan *plan)
{
    struct recommend_query *q = &plan->q;
    struct session *s = &t->session;
    struct err e = {0};
    if (!plan->filter || !plan->filter->n_own)
        return true;
    if (!filter_kinds_find(r, s->conn, plan->filter))
        return false;
    own_history_begin(&s->own);
    q->history = &s->own;
    if (filter_history_add(s, plan->filter, q->user, &e) == ERR_OK)
        return true;
    api_fail(t, r, &e);
    return false;
}

void api_recommend_get(struct api_thread *t, struct request *r)
{
    struct recommend_plan *plan = r->plan;
    struct api_plan *of = &plan->of;
    struct err e = {0};
    if (!find_history(t, r, plan))
        return;
    if ((plan->q.explain || plan->q.samples) && !of->cold && !api_reread(t, r, of))
        return;
    plan->q.cold = of->cold;
    resolve_excluded(plan);
    struct buf *out = request_answer(r, 200, request_json);
    if (recommender_recommend(t->session.recommender, of->handle, of->weights, &plan->q, out, &e))
        problem_answer_err(r, &e);
}
