/* The calls without memory: each allocation of a call fails in turn, once and from then on. The answer is
 * then whole or a refusal that says so, what was refused changed no row, and the same call works right after.
 * Leaks are the sanitizer's to find. */
#include "base/mem.h"
#include "server/http/http.h"
#include "server/serving/change_follower.h"
#include "tests/support/api_world.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct api_world w;

static void setup(void)
{
    api_world_init(&w);
    ck_assert_int_eq(api_world_json(&w, "PUT", "/v1/admin/users/ann",
                                    "{\"profile\":{\"gender\":\"F\"},\"interactions\":[{\"item\":\"1\"}]}",
                                    NULL),
                     201);
}

static void teardown(void)
{
    mem_fail_at(0, 0);
    api_world_fini(&w);
}

static const struct {
    const char *method, *target, *body;
    int status;
} calls[] = {
    {"GET", "/v1/users/ann/recommendations?limit=50&category=a", NULL, 200},
    {"GET", "/v1/users/nobody/recommendations?cold_start=true", NULL, 200},
    {"GET", "/v1/users/ann/recommendations?explain=3", NULL, 200},
    {"POST", "/v1/recommendations",
     "{\"contexts\":[{\"user\":\"ann\"},{\"user\":\"ann\",\"weight\":2}],\"limit\":3}", 200},
    {"GET", "/v1/users/ann", NULL, 200},
    {"GET", "/v1/users/ann/export", NULL, 200},
    {"POST", "/v1/recommendations", "{\"user\":\"ann\",\"max_per\":{\"field\":\"categories\"}}", 200},
    {"POST", "/v1/recommendations",
     "{\"user\":\"ann\",\"max_per\":{\"field\":\"categories\"},\"diversity\":0.5}", 200},
    {"POST", "/v1/recommendations",
     "{\"user\":\"ann\",\"limit\":2,\"exclude\":[\"1\"],\"min_score\":-1000,\"fields\":[\"x\"]}", 200},
    {"POST", "/v1/recommendations", "{\"user\":\"nobody\",\"fallback\":[\"popular\"]}", 200},
    {"GET", "/v1/items?sort=trending&category=a", NULL, 200},
    {"GET", "/v1/items?sort=popular&window_days=3", NULL, 200},
    {"GET", "/v1/items?sort=latest", NULL, 200},
    {"POST", "/v1/recommendations", "{\"user\":\"nobody\",\"fallback\":[\"latest\",\"trending\"]}", 200},
    {"GET", "/v1/items?limit=2&prefix=1&cursor=0", NULL, 200},
    {"GET", "/v1/items?q=toy&category=a&filter=%7B%22field%22%3A%22id%22%2C%22exists%22%3Atrue%7D", NULL,
     200},
    {"GET", "/v1/users?limit=1", NULL, 200},
    {"GET", "/v1/users/ann/similar", NULL, 200},
    {"GET", "/v1/items/1/users?limit=2", NULL, 200},
    {"POST", "/v1/users/ann/merge", "{\"from\":\"nobody\"}", 404},
    {"POST", "/v1/users/ann/predictions", "{\"items\":[\"1\",\"2x\"]}", 200},
    {"POST", "/v1/users/ann/predictions", "{\"inputs\":[[1,2,3,4,5,6]]}", 200},
    {"POST", "/v1/events",
     "{\"events\":[{\"user\":\"ann\",\"item\":\"2x\"},{\"user\":\"ann\",\"item\":\"4xxx\"}]}", 200},
    {"PUT", "/v1/admin/users/bob", "{\"profile\":{\"age\":\"25-34\"},\"interactions\":[{\"item\":\"1\"}]}",
     201},
    {"PUT", "/v1/admin/users/eve?model=linear", "{\"embedding\":[1,2,3]}", 201},
    {"POST", "/v1/admin/users", "{\"users\":[{\"id\":\"a\"},{\"id\":\"b\",\"profile\":{\"gender\":\"M\"}}]}",
     200},
    {"PATCH", "/v1/admin/users/ann",
     "{\"profile\":{\"age\":\"25-34\",\"gender\":null},\"interactions\":null}", 200},
    {"POST", "/v1/events?on_error=skip&create=true",
     "{\"events\":[{\"user\":\"eve\",\"item\":\"made\",\"rating\":1},{\"user\":\"ann\",\"item\":5},{\"user\":"
     "\"ann\",\"item\":\"1\"}]}",
     200},
    {"POST", "/v1/users/ann/predictions?unknown=null", "{\"items\":[\"1\",\"no such\"]}", 200},
    {"POST", "/v1/events?create=false",
     "{\"events\":[{\"user\":\"eve\",\"item\":\"1\"},{\"user\":\"ann\",\"item\":\"no such\"}]}", 404},
    {"DELETE", "/v1/admin/users/ann", NULL, 204},
    {"PUT", "/v1/admin/items/new", "{\"title\":\"Toy 1999\",\"categories\":[\"a\"],\"metadata\":{\"x\":1}}",
     201},
    {"POST", "/v1/admin/items", "{\"items\":[{\"id\":\"new\"},{\"id\":\"1\",\"title\":\"Toy\"}]}", 200},
    {"PATCH", "/v1/admin/items/1",
     "{\"title\":\"Toy\",\"categories\":[\"a\"],\"metadata\":{\"x\":1,\"y\":null}}", 200},
    {"POST", "/v1/admin/items?on_error=skip", "{\"items\":[{\"id\":\"new\"},{\"id\":5}]}", 200},
    {"POST", "/v1/admin/users?on_error=skip",
     "{\"users\":[{\"id\":\"a\",\"profile\":{\"age\":\"x\"},\"interactions\":[{\"item\":\"2x\",\"rating\":2}]"
     "},"
     "{\"id\":\"b\",\"profile\":5}]}",
     200},
    {"POST", "/v1/recommendations",
     "{\"user\":\"ann\",\"filter\":{\"any\":[{\"field\":\"id\",\"in\":[\"1\",\"2\"]},{\"not\":{\"field\":"
     "\"title\",\"eq\":\"x\"}},"
     "{\"field\":\"categories\",\"has\":\"c\"}]}}",
     200},
    {"POST", "/v1/recommendations",
     "{\"user\":\"ann\",\"exclude_seen\":false,\"filter\":{\"any\":[{\"field\":\"id\",\"in\":[\"1\",\"2\"]},"
     "{\"not\":{\"has_kind\":{\"kind\":\"interaction\",\"within_days\":30}}},"
     "{\"has_kind\":{\"kind\":\"interaction\"}}]}}",
     200},
    {"POST", "/v1/recommendations",
     "{\"users\":[\"ann\",\"nobody\",\"ann\"],\"exclude\":[\"1\"],\"exclude_seen\":false,\"limit\":40}", 200},
    {"POST", "/v1/recommendations", "{\"users\":[\"ann\",\"nobody\"],\"limit\":2,\"mark_shown\":{}}", 200},
    {"DELETE", "/v1/admin/items/1", NULL, 204},
    {"GET", "/v1/items/1", NULL, 200},
    {"GET", "/metrics", NULL, 200},
    {"GET", "/openapi.json", NULL, 200},
    {"GET", "/", NULL, 200},
    {"PUT", "/v1/admin/users/bob", "{\"profile\":5}", 422},
    {"GET", "/nothing", NULL, 404},
};
enum { N_CALLS = sizeof calls / sizeof *calls };

/* What a change would change: rows and the last change of the store. */
static void state_of(char *out, size_t size)
{
    struct store_counts n = api_world_counts(&w);
    struct err e = {0};
    int64_t change;
    ck_assert_int_eq(store_last_change(w.worker->session.conn, &change, &e), ERR_OK);
    (void)snprintf(out, size, "%lld users %lld interactions %lld contexts, change %lld", (long long)n.n_users,
                   (long long)n.n_interactions, (long long)n.n_contexts, (long long)change);
}

START_TEST(a_call_without_memory_answers_whole_or_changes_nothing)
{
    int call = _i / 2, persistent = _i % 2;
    const char *body = calls[call].body ? calls[call].body : "";
    bool whole = false;
    int n_refused = 0;
    for (long n = 1; n < 1000 && !whole; n++) {
        char before[128], after[128];
        state_of(before, sizeof before);
        weights_cache_clear(w.serving.cache);
        mem_fail_at(n, persistent);
        struct request *r = api_world_call(&w, calls[call].method, calls[call].target,
                                           calls[call].body ? "application/json" : NULL, body, strlen(body));
        bool failed_one = mem_count() >= n;
        mem_fail_at(0, 0);
        int status = r ? r->status : 0; /* 0: the connection is dropped */
        /* A buffer that could not grow shows when its answer is taken, and goes out as 500 without a body. */
        bool torn = r && r->answer.failed != ERR_OK;
        request_free(r);
        state_of(after, sizeof after);
        if (status == calls[call].status && !torn) {
            whole = !failed_one; /* else: what failed could be done without */
            if (strcmp(calls[call].method, "GET") != 0 && !whole)
                break; /* done; it cannot be done again */
        } else if (!torn) {
            n_refused++;
            ck_assert_msg(status == 0 || status == 503, "allocation %ld: status %d", n, status);
            ck_assert_msg(strcmp(before, after) == 0, "allocation %ld, status %d: %s; before: %s", n, status,
                          after, before);
        } else {
            ck_assert_msg(strcmp(before, after) == 0, "allocation %ld: written, and no answer", n);
        }
    }
    ck_assert_int_gt(n_refused, 1);
    if (strcmp(calls[call].method, "GET") == 0)
        ck_assert(whole);
}
END_TEST

START_TEST(a_call_works_right_after_one_without_memory)
{
    for (long n = 1; n < 60; n++) {
        mem_fail_at(n, 1);
        request_free(api_world_call(&w, "GET", "/v1/users/ann/recommendations", NULL, "", 0));
        mem_fail_at(0, 0);
        ck_assert_int_eq(api_world_json(&w, "GET", "/v1/users/ann/recommendations", NULL, NULL), 200);
        weights_cache_clear(w.serving.cache);
    }
}
END_TEST

START_TEST(a_thread_without_memory_is_not_made)
{
    bool done = false;
    for (long n = 1; n < 1000 && !done; n++) {
        struct api_thread *t = NULL;
        struct err e = {0};
        mem_fail_at(n, 0);
        enum err_code code = api_thread_new(&w.api, &t, &e);
        mem_fail_at(0, 0);
        ck_assert(code == ERR_OK || (code == ERR_NOMEM && e.code == ERR_NOMEM && !t));
        done = code == ERR_OK;
        if (done)
            api_thread_free(t);
    }
    ck_assert(done);
}
END_TEST

START_TEST(a_server_without_memory_does_not_start)
{
    struct http_config config = api_world_http_config();
    config.n_threads = config.n_workers = 2;
    bool done = false;
    for (long n = 1; n < 1000 && !done; n++) {
        const struct http_handler handler = api_handler(&w.api);
        struct http_server *s = NULL;
        struct change_follower *follower = NULL;
        struct err e = {0};
        mem_fail_at(n, 0);
        enum err_code code = change_follower_start(&w.serving, &w.metrics.serving, &follower, &e);
        if (!code)
            code = http_start(&config, &handler, &s, &e);
        mem_fail_at(0, 0);
        ck_assert_msg(code == ERR_OK || code == ERR_NOMEM, "allocation %ld: %s", n, e.text);
        ck_assert_int_eq(code != ERR_OK, e.code != ERR_OK);
        done = code == ERR_OK;
        if (s)
            http_stop(s, 1);
        change_follower_stop(follower);
    }
    ck_assert(done);
}
END_TEST

START_TEST(a_store_and_models_without_memory_are_not_opened)
{
    char model[96];
    (void)snprintf(model, sizeof model, "%s/sample.hn", w.folder);
    const char *paths[] = {model};
    struct serving_options options = {
        .models = paths, .n_models = 1, .cache_bytes = 1 << 20, .foreign_items = true};
    bool done = false;
    for (long n = 1; n < 5000 && !done; n++) {
        struct serving s;
        struct err e = {0};
        mem_fail_at(n, 0);
        enum err_code code = serving_open(&s, w.store, &options, &e);
        mem_fail_at(0, 0);
        ck_assert_msg(code == ERR_OK || code == ERR_NOMEM, "allocation %ld: %s", n, e.text);
        ck_assert_int_eq(code != ERR_OK, e.code != ERR_OK);
        done = code == ERR_OK;
        if (done)
            serving_close(&s);
    }
    ck_assert(done);
}
END_TEST

SUITE("server/api, without memory", setup, teardown,
      {a_call_without_memory_answers_whole_or_changes_nothing, 2 * N_CALLS},
      {a_call_works_right_after_one_without_memory}, {a_thread_without_memory_is_not_made},
      {a_server_without_memory_does_not_start}, {a_store_and_models_without_memory_are_not_opened})
