/* POST /v1/recommendations: the best items, of those and in the way that the body says. A user whose weights
 * need no wait is answered where the request was read, as GET /v1/users/{user}/recommendations is. */
#include "server/api/api.h"

#include "base/clock.h"
#include "base/limits.h"
#include "server/api/filter_body.h"
#include "server/api/json_body.h"
#include "server/api/kind_names.h"
#include "server/api/recommend_body.h"
#include "server/serving/page_weights.h"

#include <assert.h>
#include <stddef.h>

/* More users, a longer diverse list or the metadata of more items wait with other long computations. */
enum { MAX_USERS_SHORT = 32, MAX_DIVERSE_SHORT = 50, MAX_METADATA_SHORT = 20 };

struct recommendations_plan {
    struct api_plan of;
    struct recommend_body body;
};

static void end_plan(void *plan)
{
    struct recommendations_plan *p = plan;
    recommend_body_fini(&p->body);
    api_plan_end(plan);
}

void api_recommendations_plan(struct api_thread *t, struct request *r)
{
    struct recommendations_plan *plan =
        api_plan_new(t, r, API_PLAN_BODY, sizeof *plan, sizeof *plan, end_plan);
    if (!plan || !recommend_body_read(r, plan->of.handle, &t->session.serving->page_key, &plan->body))
        return;
    const struct recommend_body *b = &plan->body;
    plan->of.user = b->q.user;
    plan->of.user_pointer = "/user";
    plan->of.cold_start = b->cold_start || b->more.n_fallback;
    plan->of.needs_no_weights = b->whom != FOR_USER;
    size_t n_users = json_array_size(b->users);
    r->takes_long = b->more.n_fallback || b->q.explain || b->q.samples || n_users > MAX_USERS_SHORT ||
                    (b->more.with_metadata && (n_users ? n_users : 1) * b->q.limit > MAX_METADATA_SHORT) ||
                    ((b->rules.diversity > 0 || b->rules.max_per.n) &&
                     (b->users || b->q.offset + b->q.limit > MAX_DIVERSE_SHORT)) ||
                    (b->rules.diversity > 0 && b->page.n_shown > MAX_DIVERSE_SHORT);
    r->writes = b->mark.asked;
    plan->of.takes_long = r->takes_long || r->writes || b->more.with_metadata || b->rules.diversity > 0 ||
                          b->rules.max_per.n || b->whom != FOR_USER ||
                          filter_takes_long(plan->of.handle, b->filter);
}

/* ---- long answers ---- */

/* Answers of many lists, or with metadata, wait for clients to read them, one on each connection: they have a
 * bound below that of others, and count with the bodies. */
static bool may_be_long(const struct recommend_body *b)
{
    return b->users || b->more.with_metadata;
}

static size_t charged_bytes(const struct request *r)
{
    return r->charged_bytes ? r->charged_bytes : r->body.capacity;
}

/* Counts the answer so far, beyond what was charged before it. False: answered with a refusal. */
static bool charge(struct request *r, size_t before)
{
    if (request_charge(r, before + r->answer.capacity))
        return true;
    buf_fini(&r->answer);
    problem_answer(r, PROBLEM_OVERLOADED, NULL,
                   "bodies and long answers take all the memory there is for them (--max-body-memory); try "
                   "again in a second");
    return false;
}

static void fail(struct api_thread *t, struct request *r, const struct err *e)
{
    if (e->code != ERR_LIMIT) {
        api_fail(t, r, e);
        return;
    }
    buf_fini(&r->answer);
    problem_answer(r, PROBLEM_TOO_LARGE, NULL,
                   "the answer would have more than %zu bytes: ask for fewer users at a time, or with a "
                   "smaller limit or fewer fields",
                   r->answer.max_bytes);
}

/* ---- pages ---- */

/* What tells the weights of a list from those that it would have after a change. */
static int64_t revision_of(const struct recommendations_plan *plan, bool cold, struct text user,
                           const struct weights *weights)
{
    if (plan->body.whom == FOR_CONTEXTS)
        return weights->revision; /* of all of them: recommend_contexts_revision */
    return cold ? LIST_PAGE_OF_PRIOR : user.data ? weights->revision : LIST_PAGE_OF_NOBODY;
}

/* What the next page is bound to, and for it the weights of this one, which are kept. */
static void begin_list(struct api_thread *t, struct recommendations_plan *plan, struct text user,
                       struct weights *weights)
{
    struct serving *s = t->session.serving;
    struct recommend_body *b = &plan->body;
    uint64_t uid = plan->of.served->uid;
    b->page.question = recommend_body_question(b, &s->page_key, uid, user);
    b->page.revision = revision_of(plan, b->q.cold, user, weights);
    if (b->page.revision > 0 && user.data)
        page_weights_keep(s, uid, user, weights);
}

/* The weights by which the list began, in place of those of now. False: answered with a refusal. */
static bool go_on(struct api_thread *t, struct request *r, struct recommendations_plan *plan)
{
    struct api_plan *of = &plan->of;
    int64_t began = plan->body.page.revision;
    int64_t now = revision_of(plan, of->cold, of->user, of->weights);
    struct weights *first = NULL;
    struct err e = {0};
    bool hit;
    if (began == now)
        return true;
    if (began == LIST_PAGE_OF_PRIOR &&
        recommender_acquire(t->session.recommender, of->handle, WEIGHTS_OF_PRIOR, (struct text){NULL, 0},
                            &first, &hit, &e)) {
        api_fail(t, r, &e);
        return false;
    }
    if (began > 0 && !of->cold && of->user.data)
        first = page_weights_get(t->session.serving, of->served->uid, of->user, began);
    if (!first || plan->body.q.explain || plan->body.q.samples) {
        weights_unref(first);
        problem_answer(
            r, PROBLEM_LIST_GONE, "/page",
            "the user changed since, and how he was is not kept any more or cannot be explained; ask for "
            "the first page again");
        return false;
    }
    weights_unref(of->weights);
    of->weights = first;
    of->cold = began == LIST_PAGE_OF_PRIOR;
    return true;
}

/* ---- what the filter asks of them ---- */

static bool asks_history(const struct recommend_body *b)
{
    return b->filter && b->filter->n_own;
}

/* Begins with nothing, for the next list. */
static void begin_history(struct api_thread *t, struct recommend_body *b)
{
    own_history_begin(&t->session.own);
    b->q.history = &t->session.own;
}

/* What all of them have whom one list is for. */
static enum err_code read_history(struct api_thread *t, struct recommend_body *b, struct err *e)
{
    struct session *s = &t->session;
    const struct store_user *passing = recommender_user_record(s->recommender);
    enum err_code code = ERR_OK;
    begin_history(t, b);
    if (b->whom == FOR_PASSING)
        return own_history_add(&s->own, b->filter, passing->interactions, passing->n_interactions,
                               clock_unix_s(), e);
    if (b->whom == FOR_USER)
        return filter_history_add(s, b->filter, b->q.user, e);
    for (size_t i = 0; i < b->contexts.n && !code; i++)
        if (b->contexts.list[i].user.data)
            code = filter_history_add(s, b->filter, b->contexts.list[i].user, e);
    return code;
}

/* False: answered with a refusal. */
static bool find_history(struct api_thread *t, struct request *r, struct recommend_body *b)
{
    struct err e = {0};
    if (!asks_history(b) || read_history(t, b, &e) == ERR_OK)
        return true;
    api_fail(t, r, &e);
    return false;
}

/* ---- many users ---- */

/* Users whose lists are found in one pass over the catalogue. */
struct listed_users {
    size_t first, n; /* of the body's users */
    struct text ids[RECOMMENDER_TOGETHER];
    struct weights *weights[RECOMMENDER_TOGETHER]; /* NULL: there are none, for this reason */
    struct err reasons[RECOMMENDER_TOGETHER];
    bool cold[RECOMMENDER_TOGETHER]; /* the weights are the prior's */
};

/* The weights of one of the users, or where he is unknown and that is asked for, the prior's. */
static void acquire(struct api_thread *t, struct recommendations_plan *plan, struct listed_users *u, size_t i)
{
    struct recommender *p = t->session.recommender;
    struct err *e = &u->reasons[i];
    bool hit;
    err_clear(e);
    u->weights[i] = NULL;
    enum err_code code =
        recommender_acquire(p, plan->of.handle, WEIGHTS_OF_USER, u->ids[i], &u->weights[i], &hit, e);
    u->cold[i] = code == ERR_NOTFOUND && (plan->body.cold_start || plan->body.more.n_fallback);
    if (u->cold[i]) {
        err_clear(e);
        code = recommender_acquire(p, plan->of.handle, WEIGHTS_OF_PRIOR, (struct text){NULL, 0},
                                   &u->weights[i], &hit, e);
    }
    assert(code == e->code);
}

/* Whether a list is made of what everybody takes, and of nothing else. */
static bool falls_back_alone(const struct recommendations_plan *plan, bool cold)
{
    return cold && !plan->body.cold_start;
}

/* Weights of the users from u->first on, and their best items. */
static void take_users(struct api_thread *t, struct recommendations_plan *plan, struct listed_users *u)
{
    struct weights *listed[RECOMMENDER_TOGETHER];
    size_t left = json_array_size(plan->body.users) - u->first;
    u->n = left < RECOMMENDER_TOGETHER ? left : RECOMMENDER_TOGETHER;
    for (size_t i = 0; i < u->n; i++) {
        const json_t *id = json_array_get(plan->body.users, u->first + i);
        u->ids[i] = (struct text){json_string_value(id), json_string_length(id)};
        acquire(t, plan, u, i);
        listed[i] = falls_back_alone(plan, u->cold[i]) ? NULL : u->weights[i];
    }
    /* After all weights, which may be of newer items than there were before them. */
    recommend_body_resolve(&plan->body, plan->of.handle);
    list_page_fini(&plan->body.page);
    recommender_find_together(t->session.recommender, plan->of.handle, listed, u->n, &plan->body.q);
}

static void end_users(struct listed_users *u)
{
    for (size_t i = 0; i < u->n; i++)
        weights_unref(u->weights[i]);
    u->first += u->n;
}

/* Whether an error is one user's, who gets a document that says so. What is stored of him may be damaged, and
 * of the others not. */
static bool add_refusal(struct api_thread *t, struct buf *out, const struct request *r, const struct model *m,
                        const struct err *e)
{
    enum problem p = e->code == ERR_NOTFOUND   ? PROBLEM_UNKNOWN_USER
                     : e->code == ERR_CONFLICT ? api_context_problem(m)
                                               : PROBLEM_INVALID_VALUE;
    if (e->code == ERR_CORRUPT) {
        COUNTER_ADD(t->session.counters, store_errors, 1);
        problem_add_err(out, r, e);
        return true;
    }
    if (e->code != ERR_NOTFOUND && e->code != ERR_CONFLICT && e->code != ERR_INVALID)
        return false;
    problem_add(out, r, p, e->text);
    return true;
}

/* Appends a user's result. False: an error that is not this user's alone, which is then his reason. */
static bool add_result(struct api_thread *t, const struct request *r, struct recommendations_plan *plan,
                       struct listed_users *u, size_t i, struct buf *out)
{
    struct recommend_query *q = &plan->body.q;
    struct err *e = &u->reasons[i];
    size_t before = out->len, n_shown = plan->body.mark.shown.n;
    enum err_code code = e->code;
    q->user = u->ids[i];
    q->cold = u->cold[i];
    q->together = i + 1;
    plan->body.more.fallback_alone = falls_back_alone(plan, q->cold);
    if (!code && asks_history(&plan->body)) {
        begin_history(t, &plan->body);
        code = filter_history_add(&t->session, plan->body.filter, q->user, e);
    }
    list_page_fini(&plan->body.page);
    if (!code) {
        begin_list(t, plan, q->user, u->weights[i]);
        code = recommender_recommend(t->session.recommender, plan->of.handle, u->weights[i], q, out, e);
    }
    if (!code)
        return true;
    out->len = before;
    shown_list_cut(&plan->body.mark.shown, n_shown);
    return add_refusal(t, out, r, plan->of.handle->model, e);
}

/* Appends the results of some users. False: the request is answered or left. */
static bool add_results(struct api_thread *t, struct request *r, struct recommendations_plan *plan,
                        struct listed_users *u, size_t charged, struct buf *out)
{
    for (size_t i = 0; i < u->n; i++) {
        if (u->first + i > 0)
            buf_addc(out, ',');
        if (!add_result(t, r, plan, u, i, out)) {
            fail(t, r, &u->reasons[i]);
            return false;
        }
        if (!charge(r, charged) || request_is_left(r))
            return false;
    }
    return true;
}

static void answer_users(struct api_thread *t, struct request *r, struct recommendations_plan *plan)
{
    struct buf *out = request_answer(r, 200, request_json);
    size_t before = charged_bytes(r), n = json_array_size(plan->body.users);
    struct listed_users users = {.first = 0};
    struct err e = {0};
    bool ok = true;
    buf_adds(out, "{\"results\":[");
    while (users.first < n && ok) {
        take_users(t, plan, &users);
        ok = add_results(t, r, plan, &users, before, out);
        end_users(&users);
    }
    if (!ok)
        return;
    buf_addc(out, ']');
    if (plan->body.mark.asked)
        mark_body_end(t, r, &plan->body.mark, out);
    buf_addc(out, '}');
    if (buf_check(out, "the answer", &e))
        fail(t, r, &e);
}

/* ---- one ---- */

/* The numbers of the kinds that the body names. False: answered with a refusal. */
static bool find_kinds(struct api_thread *t, struct request *r, struct recommend_body *b)
{
    struct kind_names kinds;
    struct json_place root = json_place_root(), list = json_place_key(&root, "interactions");
    bool ok = true;
    kind_names_init(&kinds, t->session.conn);
    for (size_t i = 0; i < b->passing.n_interactions; i++) {
        struct json_place at = json_place_index(&list, i);
        ok = kind_names_find(&kinds, r, &at, &b->interactions[i]) && ok;
    }
    return ok;
}

static bool make_passing(struct api_thread *t, struct request *r, struct recommendations_plan *plan)
{
    struct err e = {0};
    if (!find_kinds(t, r, &plan->body))
        return false;
    if (passing_user_weights(&t->session, plan->of.handle, &plan->body.passing, &plan->of.weights, &e) ==
        ERR_OK)
        return true;
    if (e.code == ERR_CONFLICT)
        problem_answer(r, PROBLEM_ENCODER_MISSING, NULL,
                       "the model makes no contexts of interactions; ask for a user");
    else
        api_fail(t, r, &e);
    return false;
}

/* An error that is about one of the contexts says which. */
static void refuse_context(struct api_thread *t, struct request *r, struct recommendations_plan *plan,
                           size_t at, const struct err *e)
{
    struct json_place place = json_place_root();
    if (at == plan->body.contexts.n || (e->code != ERR_NOTFOUND && e->code != ERR_CONFLICT)) {
        api_fail(t, r, e);
        return;
    }
    place = json_place_key(&place, "contexts");
    place = json_place_index(&place, at);
    place = json_place_key(&place, "user");
    problem_answer(
        r, e->code == ERR_NOTFOUND ? PROBLEM_UNKNOWN_USER : api_context_problem(plan->of.handle->model),
        place.text, "%s", e->text);
}

/* False: answered with a refusal. */
static bool make_blend(struct api_thread *t, struct request *r, struct recommendations_plan *plan)
{
    struct recommend_contexts *c = &plan->body.contexts;
    struct blend_query q = {.contexts = c->list, .n = c->n, .cold_start = plan->body.cold_start};
    struct err e = {0};
    size_t at;
    if (recommender_blend(t->session.recommender, plan->of.handle, &q, &plan->of.weights, &at, &e)) {
        refuse_context(t, r, plan, at, &e);
        return false;
    }
    plan->of.weights->revision = recommend_contexts_revision(c, &t->session.serving->page_key);
    return true;
}

/* Adds what became of the marks to an answer that is whole. */
static void end_marked(struct api_thread *t, struct request *r, struct recommendations_plan *plan)
{
    struct err e = {0};
    if (!plan->body.mark.asked || request_is_left(r))
        return;
    r->answer.len--; /* its closing brace */
    mark_body_end(t, r, &plan->body.mark, &r->answer);
    buf_addc(&r->answer, '}');
    if (buf_check(&r->answer, "the answer", &e))
        fail(t, r, &e);
}

static void answer_one(struct api_thread *t, struct request *r, struct recommendations_plan *plan)
{
    struct api_plan *of = &plan->of;
    struct recommend_query *q = &plan->body.q;
    if (!find_history(t, r, &plan->body))
        return;
    if ((q->explain || q->samples) && !of->cold && of->user.data && !api_reread(t, r, of))
        return;
    if (plan->body.goes_on && !go_on(t, r, plan))
        return;
    q->cold = of->cold;
    plan->body.more.fallback_alone = of->cold && !plan->body.cold_start;
    if (!plan->body.goes_on || of->weights->revision == plan->body.page.revision)
        begin_list(t, plan, of->user, of->weights);
    recommend_body_resolve(&plan->body, of->handle);
    size_t before = charged_bytes(r);
    struct err e = {0};
    struct buf *out = request_answer(r, 200, request_json);
    if (recommender_recommend(t->session.recommender, of->handle, of->weights, q, out, &e))
        fail(t, r, &e);
    else if (!may_be_long(&plan->body) || charge(r, before))
        end_marked(t, r, plan);
}

static void answer(struct api_thread *t, struct request *r, struct recommendations_plan *plan)
{
    struct recommend_body *b = &plan->body;
    if (asks_history(b) && !filter_kinds_find(r, t->session.conn, b->filter))
        return;
    if (b->mark.asked && !mark_body_find_kind(t, r, &b->mark))
        return;
    if (b->whom == FOR_USERS)
        answer_users(t, r, plan);
    else if (plan->body.whom == FOR_USER ||
             (plan->body.whom == FOR_CONTEXTS ? make_blend(t, r, plan) : make_passing(t, r, plan)))
        answer_one(t, r, plan);
}

void api_recommendations_post(struct api_thread *t, struct request *r)
{
    struct recommendations_plan *plan = r->plan;
    if (may_be_long(&plan->body))
        r->answer.max_bytes = LIMIT_LISTS_BYTES;
    answer(t, r, plan);
    r->answer.max_bytes = LIMIT_RESPONSE_BYTES; /* the next request has this buffer too */
}
