/* server/api*.c, user_updates.c, recommender.c without sockets; risks: an HTTP thread that reads the store, a
 * limit that one kind of user escapes, a model without an encoder, an answer whose numbers do not read
 * back. */
#include "base/limits.h"
#include "base/mem.h"
#include "tests/support/api_world.h"
#include "tests/support/page_cache.h"
#include "tests/support/suite.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct api_world w;

static void setup(void)
{
    api_world_init(&w);
}

static void setup_in_memory(void)
{
    api_world_init_in_memory(&w);
}

static void teardown(void)
{
    api_world_fini(&w);
}

/* Calls and parses the answer, which the caller releases. */
static json_t *call(const char *method, const char *target, const char *body, int status)
{
    char *answer;
    int got = api_world_json(&w, method, target, body, &answer);
    ck_assert_msg(got == status, "%s %s: %d %s", method, target, got, answer ? answer : "");
    json_t *document = answer && *answer ? json_loads(answer, JSON_REJECT_DUPLICATES, NULL) : NULL;
    mem_free(answer);
    return document;
}

static void assert_problem(const char *method, const char *target, const char *body, int status,
                           const char *type, const char *pointer)
{
    char want[64];
    json_t *d = call(method, target, body, status);
    (void)snprintf(want, sizeof want, "urn:hypernet:problem:%s", type);
    ck_assert_str_eq(json_string_value(json_object_get(d, "type")), want);
    if (pointer)
        ck_assert_str_eq(json_string_value(json_object_get(d, "pointer")), pointer);
    json_decref(d);
}

static void assert_same_counts(struct store_counts a)
{
    struct store_counts b = api_world_counts(&w);
    ck_assert_int_eq(a.n_users, b.n_users);
    ck_assert_int_eq(a.n_items, b.n_items);
    ck_assert_int_eq(a.n_interactions, b.n_interactions);
    ck_assert_int_eq(a.n_contexts, b.n_contexts);
}

/* ---- threads ---- */

START_TEST(test_api_a_cached_user_needs_no_worker)
{
    json_decref(call("PUT", "/v1/admin/users/ann", "{}", 201));
    json_decref(call("GET", "/v1/users/ann/recommendations", NULL, 200));
    size_t before = w.n_handed_over;
    for (int i = 0; i < 3; i++)
        json_decref(
            call("GET", "/v1/users/ann/recommendations?limit=5&category=x&exclude_seen=false", NULL, 200));
    json_decref(call("POST", "/v1/users/ann/predictions", "{\"items\":[\"1\"]}", 200));
    ck_assert_uint_eq(w.n_handed_over, before);
}
END_TEST

/* Asks twice, the first time with an empty cache; whether a worker was needed for it. */
static bool needs_worker(const char *method, const char *target, const char *body)
{
    size_t before = w.n_handed_over;
    uint_fast64_t at_once = atomic_load(&w.metrics.serving.misses_at_once);
    char *first, *second;
    weights_cache_clear(w.serving.cache);
    ck_assert_int_eq(api_world_json(&w, method, target, body, &first), 200);
    bool needed = w.n_handed_over > before;
    ck_assert_uint_eq(atomic_load(&w.metrics.serving.misses_at_once), at_once + !needed);
    ck_assert_int_eq(api_world_json(&w, method, target, body, &second), 200);
    ck_assert_str_eq(first, second);
    mem_free(first);
    mem_free(second);
    return needed;
}

static bool any_needs_worker(void)
{
    bool first = needs_worker("GET", "/v1/users/ann/recommendations", NULL),
         second = needs_worker("POST", "/v1/users/ann/predictions", "{\"items\":[\"1\"]}"),
         third = needs_worker("POST", "/v1/users/ann/predictions", "{\"inputs\":[[1,2,3,4,5,6]]}"),
         fourth = needs_worker("GET", "/v1/users/eve/recommendations?model=linear", NULL);
    ck_assert(first == second && second == third && third == fourth);
    return first;
}

START_TEST(test_api_a_miss_needs_a_worker_only_where_it_would_wait)
{
    json_decref(call("PUT", "/v1/admin/users/ann", "{\"interactions\":[{\"item\":\"1\"}]}", 201));
    json_decref(call("PUT", "/v1/admin/users/eve?model=linear", "{\"embedding\":[1,2,3]}", 201));
    page_cache_fail(EAGAIN, 0); /* the thread's connection has read nothing yet */
    ck_assert(any_needs_worker());
    page_cache_fail(0, 0);
    ck_assert(!any_needs_worker());
    page_cache_fail(EAGAIN, 0); /* now it holds what it needs */
    ck_assert(!any_needs_worker());
    page_cache_fail(0, 0);
    char long_profile[INLINE_MAX_PROFILE_BYTES + 100];
    (void)snprintf(long_profile, sizeof long_profile, "{\"embedding\":[1,2,3],\"profile\":{\"x\":\"%0*d\"}}",
                   INLINE_MAX_PROFILE_BYTES, 0);
    json_decref(call("PUT", "/v1/admin/users/eva?model=linear", long_profile, 201));
    ck_assert(needs_worker("GET", "/v1/users/eva/recommendations?model=linear", NULL));
    struct inline_budget *first = &atomic_load(&w.serving.models)->models[0]->inline_budget,
                         *second = &atomic_load(&w.serving.models)->models[1]->inline_budget;
    ck_assert(first->any && first->max_items > 1 && second->any && second->max_read > 1);
    first->max_items = 1; /* which she has */
    second->max_read = 0; /* and none */
    ck_assert(!any_needs_worker());
    first->max_items = 0;
    json_decref(call("POST", "/v1/events", "{\"events\":[{\"user\":\"eve\",\"item\":\"1\"}]}", 200));
    ck_assert(any_needs_worker());
    first->any = second->any = false;
    first->max_items = second->max_read = 9;
    ck_assert(any_needs_worker());
}
END_TEST

START_TEST(test_api_a_miss_needs_a_worker_where_each_read_may_wait)
{
    size_t before = w.n_handed_over;
    json_decref(call("PUT", "/v1/admin/users/ann", "{\"interactions\":[{\"item\":\"1\"}]}", 201));
    ck_assert_uint_eq(w.n_handed_over, ++before);
    json_decref(call("GET", "/v1/users/ann/recommendations", NULL, 200));
    ck_assert_uint_eq(w.n_handed_over, ++before);
    json_decref(call("GET", "/v1/users/ann/recommendations", NULL, 200));
    ck_assert_uint_eq(w.n_handed_over, before);
    ck_assert_uint_eq(atomic_load(&w.metrics.serving.misses_at_once), 0);
}
END_TEST

START_TEST(test_api_a_large_body_is_parsed_by_a_worker)
{
    json_decref(call("PUT", "/v1/admin/users/ann", "{}", 201));
    json_decref(call("GET", "/v1/users/ann/recommendations", NULL, 200));
    size_t before = w.n_handed_over, n = 64 * 1024;
    char *body = mem_alloc(n + 32);
    memset(body, ' ', n);
    memcpy(body + n, "{\"items\":[\"1\"]}", 16);
    json_decref(call("POST", "/v1/users/ann/predictions", body, 200));
    mem_free(body);
    ck_assert_uint_eq(w.n_handed_over, before + 1);
}
END_TEST

START_TEST(test_api_refusals_of_the_query_need_no_worker)
{
    static const char *const targets[] = {"limit=0",
                                          "limit=1001",
                                          "limit=x",
                                          "limit=",
                                          "limit=1e3",
                                          "limit=%2B5",
                                          "limit=9999999999999999999999",
                                          "offset=-1",
                                          "offset=100001",
                                          "exclude_seen=1",
                                          "exclude_seen=TRUE",
                                          "cold_start=",
                                          "category=%FF",
                                          "category=x&category=a%C3",
                                          "nothing=1"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        char target[128];
        (void)snprintf(target, sizeof target, "/v1/users/ann/recommendations?%s", targets[i]);
        assert_problem("GET", target, NULL, 400, "bad-request", NULL);
    }
    assert_problem("GET", "/v1/users/ann/recommendations?model=none", NULL, 404, "unknown-model", NULL);
    ck_assert_uint_eq(w.n_handed_over, 0);
}
END_TEST

/* ---- answers ---- */

START_TEST(test_api_a_prediction_is_the_score_that_ranked)
{
    json_decref(
        call("PUT", "/v1/admin/users/ann", "{\"interactions\":[{\"item\":\"1\"},{\"item\":\"2x\"}]}", 201));
    json_t *list = call("GET", "/v1/users/ann/recommendations?limit=20", NULL, 200);
    const json_t *items = json_object_get(list, "items");
    ck_assert_uint_eq(json_array_size(items), 20);
    for (size_t i = 0; i < 20; i++) {
        const json_t *item = json_array_get(items, i);
        json_t *body = json_pack("{s:[O]}", "items", json_object_get(item, "id"));
        char *text = json_dumps(body, 0);
        json_t *answer = call("POST", "/v1/users/ann/predictions", text, 200);
        const json_t *row = json_array_get(json_object_get(answer, "predictions"), 0);
        ck_assert_ptr_nonnull(row);
        float ranked = (float)json_number_value(json_object_get(item, "score"));
        float predicted = (float)json_number_value(json_object_get(row, "score"));
        ck_assert_mem_eq(&ranked, &predicted, sizeof ranked);
        json_decref(answer);
        json_decref(body);
        free(text);
    }
    json_decref(list);
}
END_TEST

START_TEST(test_api_pages_past_the_end_are_empty)
{
    json_decref(call("PUT", "/v1/admin/users/ann", "{}", 201));
    json_t *all = call("GET", "/v1/users/ann/recommendations?limit=1000", NULL, 200);
    size_t n = json_array_size(json_object_get(all, "items"));
    ck_assert_uint_eq(n, 300);
    json_t *rest = call("GET", "/v1/users/ann/recommendations?limit=10&offset=295", NULL, 200);
    ck_assert_uint_eq(json_array_size(json_object_get(rest, "items")), 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert(json_equal(json_array_get(json_object_get(all, "items"), 295 + i),
                             json_array_get(json_object_get(rest, "items"), i)));
    json_decref(rest);
    rest = call("GET", "/v1/users/ann/recommendations?limit=10&offset=100000", NULL, 200);
    ck_assert_uint_eq(json_array_size(json_object_get(rest, "items")), 0);
    json_decref(rest);
    json_decref(all);
}
END_TEST

/* ---- a model without an encoder ---- */

START_TEST(test_api_without_an_encoder_a_user_needs_an_embedding)
{
    struct store_counts before = api_world_counts(&w);
    assert_problem("PUT", "/v1/admin/users/ann?model=linear", "{}", 422, "encoder-missing", "");
    assert_problem("PUT", "/v1/admin/users/ann?model=linear", "{\"embedding\":[1,2]}", 422, "invalid-value",
                   "/embedding");
    assert_problem("POST", "/v1/admin/users?model=linear",
                   "{\"users\":[{\"id\":\"a\",\"embedding\":[1,2,3]},{\"id\":\"b\"}]}", 422,
                   "encoder-missing", "/users/1");
    assert_same_counts(before);
    json_t *answer = call("PUT", "/v1/admin/users/ann?model=linear", "{\"embedding\":[1,2,3]}", 201);
    ck_assert_str_eq(json_string_value(json_object_get(answer, "source")), "embedding");
    json_decref(answer);
    json_decref(call("GET", "/v1/users/ann/recommendations?model=linear", NULL, 200));
    json_decref(call("GET", "/v1/users/ann/recommendations?model=sample", NULL, 200));
    json_decref(
        call("PUT", "/v1/admin/users/bob", "{}", 201)); /* for the first model, which has an encoder */
    assert_problem("GET", "/v1/users/bob/recommendations?model=linear", NULL, 422, "encoder-missing", NULL);
    assert_problem("POST", "/v1/users/bob/predictions?model=linear", "{\"items\":[\"1\"]}", 422,
                   "encoder-missing", NULL);
    json_decref(call("GET", "/v1/users/nobody/recommendations?model=linear&cold_start=true", NULL, 200));
}
END_TEST

/* ---- events ---- */

START_TEST(test_api_events_leave_a_given_embedding_and_count_as_seen)
{
    json_decref(call("PUT", "/v1/admin/users/ann?model=linear", "{\"embedding\":[1,2,3]}", 201));
    json_t *before = call("GET", "/v1/users/ann/recommendations?model=linear&exclude_seen=false", NULL, 200);
    json_decref(call("POST", "/v1/events", "{\"events\":[{\"user\":\"ann\",\"item\":\"1\"}]}", 200));
    json_t *after = call("GET", "/v1/users/ann/recommendations?model=linear&exclude_seen=false", NULL, 200);
    ck_assert(json_equal(json_object_get(before, "items"), json_object_get(after, "items")));
    ck_assert_int_gt(json_integer_value(json_object_get(after, "context_revision")),
                     json_integer_value(json_object_get(before, "context_revision")));
    json_t *unseen = call("GET", "/v1/users/ann/recommendations?model=linear", NULL, 200);
    ck_assert_uint_eq(json_array_size(json_object_get(unseen, "items")), 2);
    json_decref(before);
    json_decref(after);
    json_decref(unseen);
}
END_TEST

START_TEST(test_api_a_history_has_a_limit_for_every_kind_of_user)
{
    static const char *const bodies[] = {"{}", "{\"embedding\":[1,2,3]}"};
    static const char *const targets[] = {"/v1/admin/users/ann", "/v1/admin/users/ann?model=linear"};
    json_decref(call("PUT", targets[_i], bodies[_i], 201));
    struct store_conn *c = w.worker->session.conn;
    struct err e = {0};
    struct text ann = {"ann", 3};
    ck_assert_int_eq(store_begin(c, &e), ERR_OK);
    for (int i = 0; i < LIMIT_USER_INTERACTIONS; i++) {
        char id[32];
        struct text item = {id, (size_t)snprintf(id, sizeof id, "extra-%d", i)};
        ck_assert_int_eq(store_put_interaction(c, ann, item, 1, 1, 0, NULL, &e), ERR_OK);
    }
    ck_assert_int_eq(store_commit(c, &e), ERR_OK);
    struct store_counts before = api_world_counts(&w);
    assert_problem("POST", "/v1/events", "{\"events\":[{\"user\":\"ann\",\"item\":\"1\"}]}", 422,
                   "invalid-value", "/events/0");
    assert_same_counts(before);
    /* an item that is there already takes no room */
    json_decref(call("POST", "/v1/events", "{\"events\":[{\"user\":\"ann\",\"item\":\"extra-5\"}]}", 200));
    assert_same_counts(before);
    /* left out with on_error=skip, it leaves the others of the batch */
    json_decref(call("PUT", "/v1/admin/users/bob", "{}", 201));
    json_t *answer = call("POST", "/v1/events?on_error=skip&create=false",
                          "{\"events\":[{\"user\":\"bob\",\"item\":\"1\"},{\"user\":\"ann\",\"item\":\"1\"},"
                          "{\"user\":\"bob\",\"item\":\"2x\"},{\"user\":\"no\",\"item\":\"1\"}]}",
                          200);
    json_t *refused = json_object_get(answer, "refused");
    ck_assert_int_eq(json_integer_value(json_object_get(answer, "accepted")), 2);
    ck_assert_uint_eq(json_array_size(refused), 2);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(refused, 0), "pointer")), "/events/1");
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(refused, 1), "pointer")),
                     "/events/3/user");
    json_decref(answer);
    ck_assert_int_eq(api_world_counts(&w).n_interactions, before.n_interactions + 2);
}
END_TEST

static bool has_item(const json_t *answer, const char *id)
{
    const json_t *items = json_object_get(answer, "items");
    for (size_t i = 0; i < json_array_size(items); i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(items, i), "id")), id) == 0)
            return true;
    return false;
}

START_TEST(test_api_an_item_of_the_store_alone_is_served_where_a_model_has_an_item_side)
{
    struct err e = {0};
    bool created;
    struct store_item item = {.id = {"not in the models", 17}};
    ck_assert_int_eq(store_begin(w.worker->session.conn, &e), ERR_OK);
    ck_assert_int_eq(store_put_item(w.worker->session.conn, &item, &created, &e), ERR_OK);
    ck_assert_int_eq(store_commit(w.worker->session.conn, &e), ERR_OK);
    json_decref(
        call("PUT", "/v1/admin/users/ann", "{\"interactions\":[{\"item\":\"not in the models\"}]}", 201));
    json_t *user = call("GET", "/v1/users/ann", NULL, 200);
    ck_assert_int_eq(json_integer_value(json_object_get(user, "n_interactions")), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(user, "interactions")), 1);
    json_t *other = call("GET", "/v1/users/ann?model=linear", NULL, 200); /* which has none */
    ck_assert_int_eq(json_integer_value(json_object_get(other, "n_interactions")), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(other, "interactions")), 0);
    json_t *ann = call("GET", "/v1/users/ann/recommendations?limit=1000", NULL, 200);
    json_t *cold = call("GET", "/v1/users/nobody/recommendations?limit=1000&cold_start=true", NULL, 200);
    ck_assert(!has_item(ann, "not in the models")); /* seen */
    ck_assert(has_item(cold, "not in the models"));
    json_decref(user);
    json_decref(other);
    json_decref(ann);
    json_decref(cold);
}
END_TEST

/* ---- tokens ---- */

static int status_with(const char *authorization, const char *target)
{
    struct request *r = request_new(target, 100);
    r->method = "GET";
    if (strncmp(target, "/v1/admin", 9) == 0)
        r->method = "DELETE";
    r->authorization = text_of(authorization);
    api_begin(&w.api, r);
    int status = r->status;
    if (status == 401)
        ck_assert(r->challenge);
    request_free(r);
    return status;
}

START_TEST(test_api_calls_take_their_tokens_alone)
{
    static const char api_token[] = "a token for data calls";
    static const char *const wrong[] = {NULL,
                                        "",
                                        "Bearer",
                                        "Bearer ",
                                        "Bearer x",
                                        "Basic " API_WORLD_TOKEN,
                                        "Bearer  " API_WORLD_TOKEN,
                                        "Bearer " API_WORLD_TOKEN "x",
                                        API_WORLD_TOKEN,
                                        "Bearer an admin token of test"};
    ck_assert_int_eq(status_with(NULL, "/v1/users/ann"), 0);
    ck_assert_int_eq(tokens_set(&w.api.tokens, TOKEN_API, api_token, NULL), ERR_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_int_eq(status_with(wrong[i], "/v1/users/ann"), 401);
        ck_assert_int_eq(status_with(wrong[i], "/v1/admin/users/ann"), 401);
        ck_assert_int_eq(status_with(wrong[i], "/metrics"), 0);
    }
    ck_assert_int_eq(status_with("Bearer " API_WORLD_TOKEN, "/v1/users/ann"), 0);
    ck_assert_int_eq(status_with("bearer " API_WORLD_TOKEN, "/v1/admin/users/ann"), 0);
    ck_assert_int_eq(status_with("Bearer a token for data calls", "/v1/users/ann"), 0);
    ck_assert_int_eq(status_with("Bearer a token for data calls", "/v1/admin/users/ann"), 401);
    tokens_fini(&w.api.tokens);
    ck_assert_int_eq(tokens_set(&w.api.tokens, TOKEN_API, api_token, NULL), ERR_OK);
    ck_assert_int_eq(status_with("Bearer ", "/v1/admin/users/ann"), 403);
    ck_assert_int_eq(status_with("Bearer " API_WORLD_TOKEN, "/v1/admin/users/ann"), 403);
    ck_assert_int_eq(status_with("Bearer a token for data calls", "/v1/users/ann"), 0);
}
END_TEST

/* Whatever the store is. */
static void add(TCase *t)
{
    tcase_add_test(t, test_api_a_cached_user_needs_no_worker);
    tcase_add_test(t, test_api_a_large_body_is_parsed_by_a_worker);
    tcase_add_test(t, test_api_refusals_of_the_query_need_no_worker);
    tcase_add_test(t, test_api_a_prediction_is_the_score_that_ranked);
    tcase_add_test(t, test_api_pages_past_the_end_are_empty);
    tcase_add_test(t, test_api_without_an_encoder_a_user_needs_an_embedding);
    tcase_add_test(t, test_api_events_leave_a_given_embedding_and_count_as_seen);
    tcase_add_test(t, test_api_an_item_of_the_store_alone_is_served_where_a_model_has_an_item_side);
    tcase_add_test(t, test_api_calls_take_their_tokens_alone);
}

int main(void)
{
    Suite *s = suite_create("server/api");
    TCase *sqlite = tcase_create("api"), *memory = tcase_create("api in memory");
    tcase_add_checked_fixture(sqlite, setup, teardown);
    tcase_add_checked_fixture(memory, setup_in_memory, teardown);
    tcase_add_test(sqlite, test_api_a_miss_needs_a_worker_only_where_it_would_wait);
    /* 100,000 items: the store in memory is for few */
    tcase_add_loop_test(sqlite, test_api_a_history_has_a_limit_for_every_kind_of_user, 0, 2);
    add(sqlite);
    tcase_add_test(memory, test_api_a_miss_needs_a_worker_where_each_read_may_wait);
    add(memory);
    suite_add_tcase(s, sqlite);
    suite_add_tcase(s, memory);
    return suite_run(s);
}
