/* server/api/api.c: calls that are planned by one thread and run by another. Risks: a request that is read
 * twice; a model that goes between the two, or another one that comes under its name; an index of one model
 * used for another; what a plan holds and nobody runs. */
#include "base/limits.h"
#include "base/mem.h"
#include "engine/format/model_write.h"
#include "server/api/json_body.h"
#include "server/http/worker_pool.h"
#include "tests/support/api_world.h"
#include "tests/support/sample_model.h"
#include "tests/support/suite.h"

#include <jansson.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- what is counted: readings of parameters, bodies, items and models ---- */

static atomic_size_t n_params, n_bodies, n_items, n_models;

struct text __real_request_param_of(const struct request *r, const char *name);
struct text __wrap_request_param_of(const struct request *r, const char *name);
struct text __wrap_request_param_of(const struct request *r, const char *name)
{
    atomic_fetch_add(&n_params, 1);
    return __real_request_param_of(r, name);
}

json_t *__real_json_body_parse(struct request *r, const char *text, size_t n, int line_offset);
json_t *__wrap_json_body_parse(struct request *r, const char *text, size_t n, int line_offset);
json_t *__wrap_json_body_parse(struct request *r, const char *text, size_t n, int line_offset)
{
    atomic_fetch_add(&n_bodies, 1);
    return __real_json_body_parse(r, text, n, line_offset);
}

long __real_item_snapshot_find(const struct item_snapshot *t, struct text id);
long __wrap_item_snapshot_find(const struct item_snapshot *t, struct text id);
long __wrap_item_snapshot_find(const struct item_snapshot *t, struct text id)
{
    atomic_fetch_add(&n_items, 1);
    return __real_item_snapshot_find(t, id);
}

long __real_item_snapshot_find_ranked(const struct item_snapshot *t, struct text id);
long __wrap_item_snapshot_find_ranked(const struct item_snapshot *t, struct text id);
long __wrap_item_snapshot_find_ranked(const struct item_snapshot *t, struct text id)
{
    atomic_fetch_add(&n_items, 1);
    return __real_item_snapshot_find_ranked(t, id);
}

struct model_handle *__real_recommender_find(struct recommender *p, const char *name);
struct model_handle *__wrap_recommender_find(struct recommender *p, const char *name);
struct model_handle *__wrap_recommender_find(struct recommender *p, const char *name)
{
    atomic_fetch_add(&n_models, 1);
    return __real_recommender_find(p, name);
}

struct counts {
    size_t params, bodies, items, models;
};

static struct counts take_counts(void)
{
    return (struct counts){atomic_exchange(&n_params, 0), atomic_exchange(&n_bodies, 0),
                           atomic_exchange(&n_items, 0), atomic_exchange(&n_models, 0)};
}

/* ---- the world ---- */

static struct api_world w;
static char third[128];

static void write_third(const char *version)
{
    struct sample_model m;
    struct err e = {0};
    sample_model_init(&m, SAMPLE_RANKING, 2);
    (void)snprintf(m.spec.name, sizeof m.spec.name, "third");
    (void)snprintf(m.spec.version, sizeof m.spec.version, "%s", version);
    ck_assert_msg(model_write(third, &m.spec, &m.params, &m.ids, &e) == ERR_OK, "%s", e.text);
    sample_model_fini(&m);
}

static void must_add(void)
{
    struct err e = {0};
    ck_assert_msg(serving_add_model(&w.serving, third, &e) == ERR_OK, "%s", e.text);
}

static void must_remove(const char *name)
{
    struct err e = {0};
    ck_assert_msg(serving_remove_model(&w.serving, name, &e) == ERR_OK, "%s", e.text);
}

static int put(const char *target, const char *body)
{
    return api_world_json(&w, "PUT", target, body, NULL);
}

static void setup(void)
{
    api_world_init(&w);
    (void)snprintf(third, sizeof third, "%s/third.hn", w.folder);
    write_third("one");
    ck_assert_int_eq(put("/v1/admin/users/ann", "{\"interactions\":[{\"item\":\"1\"}]}"), 201);
    (void)take_counts();
}

static void teardown(void)
{
    mem_fail_at(0, 0);
    (void)unlink(third);
    api_world_fini(&w);
}

/* From now on the models make nobody's weights inline: a miss is a worker's. */
static void leave_misses_to_workers(void)
{
    struct model_set *models = serving_models(&w.serving);
    for (size_t i = 0; i < models->n; i++)
        models->models[i]->inline_budget.any = false;
    model_set_unref(models);
    weights_cache_clear(w.serving.cache);
}

static struct request *new_request(const char *method, const char *target, const char *body)
{
    struct request *r = request_new(target, LIMIT_BODY_BYTES);
    ck_assert_ptr_nonnull(r);
    r->method = method;
    r->content_type = body ? text_of("application/json") : (struct text){NULL, 0};
    r->authorization = text_of("Bearer " API_WORLD_TOKEN);
    (void)snprintf(r->id, sizeof r->id, "test");
    api_begin(&w.api, r);
    ck_assert_int_eq(r->status, 0);
    if (body)
        buf_adds(&r->body, body);
    return r;
}

/* A request that was planned by the HTTP thread and waits for a worker. */
static struct request *planned(const char *method, const char *target, const char *body)
{
    struct request *r = new_request(method, target, body);
    ck_assert(!api_plan(w.http, r));
    ck_assert_int_eq(r->status, 0);
    return r;
}

/* Runs it on the worker; what the answer must have in it (NULL: nothing certain). */
static void run_on_worker(struct request *r, int status, const char *text)
{
    api_run(w.worker, r);
    const char *answer = buf_text(&r->answer);
    ck_assert_msg(r->status == status && (!text || strstr(answer, text)), "%d %s", r->status, answer);
    request_free(r);
}

static const struct {
    const char *method, *target, *body;
} calls[] = {
    {"GET",
     "/v1/users/ann/recommendations?limit=3&offset=1&category=a&category=b&exclude_seen=false&model=sample",
     NULL},
    {"GET", "/v1/users/nobody/recommendations?cold_start=true", NULL},
    {"POST", "/v1/users/ann/predictions?model=sample", "{\"items\":[\"1\",\"2x\"]}"},
    {"POST", "/v1/users/ann/predictions?unknown=null", "{\"items\":[\"1\",\"no such\"]}"},
    {"POST", "/v1/users/ann/predictions", "{\"inputs\":[[1,2,3,4,5,6]]}"},
};
enum { N_CALLS = sizeof calls / sizeof *calls };

START_TEST(what_a_worker_runs_was_read_once)
{
    leave_misses_to_workers();
    struct request *r = planned(calls[_i].method, calls[_i].target, calls[_i].body);
    struct counts plan = take_counts();
    ck_assert_uint_gt(plan.params, 0);
    ck_assert_uint_eq(plan.models, 1);
    ck_assert_uint_le(plan.bodies, 1);
    api_run(w.worker, r);
    struct counts run = take_counts();
    ck_assert(run.params == 0 && run.bodies == 0 && run.items == 0 && run.models == 0);
    ck_assert_int_eq(r->status, 200);
    ck_assert_str_eq(r->cache, "miss");
    struct request *again = new_request(calls[_i].method, calls[_i].target, calls[_i].body);
    if (api_plan(w.http, again)) { /* cached: all but the one who is not there */
        ck_assert_str_ne(strstr(calls[_i].target, "/v1/users/") + 10, "nobody");
        api_run(w.http, again);
    } else {
        api_run(w.worker, again);
    }
    ck_assert_str_eq(again->cache, "hit");
    ck_assert_str_eq(buf_text(&r->answer), buf_text(&again->answer));
    request_free(r);
    request_free(again);
}
END_TEST

START_TEST(what_a_worker_reads_is_read_by_nobody_before)
{
    size_t n = 40 * 1024;
    char *body = malloc(n + 64);
    ck_assert_ptr_nonnull(body);
    memset(body, ' ', n);
    strcpy(body + n, "{\"items\":[\"1\",\"2x\"]}");
    struct request *r = planned("POST", "/v1/users/ann/predictions", body);
    struct counts plan = take_counts();
    ck_assert(plan.params == 0 && plan.bodies == 0 && plan.items == 0 && plan.models == 0);
    run_on_worker(r, 200, "predictions");
    ck_assert_uint_eq(take_counts().items, 2);
    free(body);
    r = planned("PUT", "/v1/admin/users/ann", "{}");
    plan = take_counts();
    ck_assert(plan.params == 0 && plan.bodies == 0 && plan.models == 0);
    run_on_worker(r, 200, "replaced");
    ck_assert_uint_eq(take_counts().bodies, 1);
}
END_TEST

/* Asks over a connection, and reads the answer, head and body, as text. */
static void ask(int fd, size_t call, char *answer, size_t size)
{
    char request[512];
    const char *body = calls[call].body ? calls[call].body : "", *end = NULL;
    int n = snprintf(
        request, sizeof request,
        "%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
        calls[call].method, calls[call].target, strlen(body), body);
    size_t have = 0, whole = size;
    ck_assert_int_eq(send(fd, request, (size_t)n, 0), n);
    while (have < whole) {
        ssize_t got = recv(fd, answer + have, size - 1 - have, 0);
        ck_assert_int_gt(got, 0);
        answer[have += (size_t)got] = '\0';
        if (!end && (end = strstr(answer, "\r\n\r\n")))
            whole = (size_t)(end + 4 - answer) + strtoul(strstr(answer, "Content-Length: ") + 16, NULL, 10);
    }
}

START_TEST(a_miss_over_a_connection_is_read_as_often_as_a_hit)
{
    static char miss[1 << 16], hit[1 << 16];
    leave_misses_to_workers();
    struct http_server *server = api_world_serve(&w);
    int fd = api_world_connect(server);
    (void)take_counts();
    ask(fd, (size_t)_i, miss, sizeof miss);
    struct counts of_miss = take_counts();
    ask(fd, (size_t)_i, hit, sizeof hit);
    struct counts of_hit = take_counts();
    (void)close(fd);
    http_stop(server, 5);
    ck_assert_msg(strstr(miss, "x-hypernet-cache: miss") && strstr(hit, "x-hypernet-cache: hit"), "%s", miss);
    ck_assert_uint_eq(of_miss.models, 1);
    ck_assert_uint_eq(of_miss.bodies, of_hit.bodies);
    ck_assert_uint_eq(of_miss.items, of_hit.items);
    ck_assert_uint_le(of_miss.params, of_hit.params + 2); /* explain, samples: which queue it waits in */
}
END_TEST

/* ---- what happens between plan and run ---- */

START_TEST(a_call_ends_with_the_model_that_it_was_planned_with)
{
    must_add();
    leave_misses_to_workers();
    struct request *get = planned("GET", "/v1/users/ann/recommendations?model=third", NULL),
                   *explain = planned("GET", "/v1/users/ann/recommendations?model=third&explain=1", NULL),
                   *items = planned("POST", "/v1/users/ann/predictions?model=third", "{\"items\":[\"1\"]}");
    must_remove("third");
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/users/ann?model=third", NULL, NULL), 404);
    run_on_worker(get, 200, "\"model\":\"third\"");
    run_on_worker(explain, 200, "\"because\":");
    run_on_worker(items, 200, "\"model\":\"third\"");
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/users/ann?model=third", NULL, NULL), 404);
    struct request *later = new_request("GET", "/v1/users/ann/recommendations?model=third", NULL);
    ck_assert(api_plan(w.http, later) && later->status == 404);
    request_free(later);
}
END_TEST

START_TEST(another_model_that_took_the_name_does_not_answer_for_the_planned_one)
{
    must_add();
    leave_misses_to_workers();
    struct request *r = planned("GET", "/v1/users/ann/recommendations?model=third", NULL);
    must_remove("third");
    write_third("two");
    must_add();
    run_on_worker(r, 200, "\"model_version\":\"one\"");
    char *answer;
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/users/ann/recommendations?model=third", NULL, &answer),
                     200);
    ck_assert_ptr_nonnull(strstr(answer, "\"model_version\":\"two\""));
    mem_free(answer);
}
END_TEST

START_TEST(the_first_model_of_a_plan_is_the_one_that_was_first)
{
    must_add();
    leave_misses_to_workers();
    struct request *r = planned("GET", "/v1/users/ann/recommendations", NULL);
    must_remove("sample");
    must_remove("linear");
    run_on_worker(r, 200, "\"model\":\"sample\"");
    char *answer;
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/users/ann/recommendations", NULL, &answer), 200);
    ck_assert_ptr_nonnull(strstr(answer, "\"model\":\"third\""));
    mem_free(answer);
}
END_TEST

START_TEST(users_are_as_they_are_when_the_call_is_run)
{
    leave_misses_to_workers();
    struct request *gone = planned("GET", "/v1/users/ann/recommendations", NULL),
                   *come = planned("GET", "/v1/users/bob/recommendations", NULL),
                   *cold = planned("GET", "/v1/users/ann/recommendations?cold_start=true", NULL);
    ck_assert_int_eq(api_world_json(&w, "DELETE", "/v1/admin/users/ann", NULL, NULL), 204);
    ck_assert_int_eq(put("/v1/admin/users/bob", "{}"), 201);
    run_on_worker(gone, 404, "unknown-user");
    run_on_worker(come, 200, "\"user\":\"bob\"");
    run_on_worker(cold, 200, "\"cold\":true");
}
END_TEST

START_TEST(items_that_come_between_move_no_planned_one)
{
    leave_misses_to_workers();
    const char *body = "{\"items\":[\"2x\",\"1\"]}";
    struct request *before = new_request("POST", "/v1/users/ann/predictions", body);
    api_run(w.worker, before);
    weights_cache_clear(w.serving.cache);
    struct request *r = planned("POST", "/v1/users/ann/predictions", body);
    ck_assert_int_eq(put("/v1/admin/items/new", "{\"title\":\"Toy\"}"), 201);
    run_on_worker(r, 200, strstr(buf_text(&before->answer), "\"predictions\":"));
    request_free(before);
}
END_TEST

START_TEST(a_plan_that_nobody_runs_lets_go_of_what_it_holds)
{
    leave_misses_to_workers();
    struct model_set *models = serving_models(&w.serving);
    size_t before = atomic_load(&models->n_refs);
    struct request *list[N_CALLS];
    for (size_t i = 0; i < N_CALLS; i++)
        list[i] = planned(calls[i].method, calls[i].target, calls[i].body);
    ck_assert_uint_eq(atomic_load(&models->n_refs), before + N_CALLS);
    for (size_t i = 0; i < N_CALLS; i++)
        request_free(list[i]);
    ck_assert_uint_eq(atomic_load(&models->n_refs), before);
    model_set_unref(models);
}
END_TEST

/* A count that all threads share is for those who go to a worker. */
START_TEST(a_cached_answer_holds_no_models)
{
    request_free(new_request("GET", "/v1/users/ann/recommendations", NULL));
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/users/ann/recommendations", NULL, NULL), 200);
    struct model_set *models = serving_models(&w.serving);
    size_t before = atomic_load(&models->n_refs);
    struct request *r = new_request("GET", "/v1/users/ann/recommendations", NULL);
    ck_assert(api_plan(w.http, r));
    ck_assert_uint_eq(atomic_load(&models->n_refs), before);
    api_run(w.http, r);
    ck_assert_str_eq(r->cache, "hit");
    request_free(r);
    model_set_unref(models);
}
END_TEST

START_TEST(a_worker_without_memory_for_the_models_of_a_plan_says_so)
{
    must_add();
    leave_misses_to_workers();
    struct request *r = planned("GET", "/v1/users/ann/recommendations?model=third", NULL);
    must_remove("third");
    recommender_refresh(w.worker->session.recommender);
    mem_fail_at(1, 1);
    api_run(w.worker, r);
    mem_fail_at(0, 0);
    ck_assert_int_eq(r->status, 503);
    request_free(r);
    r = planned("GET", "/v1/users/ann/recommendations", NULL);
    run_on_worker(r, 200, "\"model\":\"sample\"");
}
END_TEST

START_TEST(a_thread_without_memory_for_another_model_takes_over_the_one_it_has)
{
    struct recommender *p = w.worker->session.recommender;
    struct model_handle *handle = NULL;
    struct err e = {0};
    must_add();
    struct model_set *models = serving_models(&w.serving);
    ck_assert_uint_eq(models->n, 3);
    mem_fail_at(1, 1);
    enum err_code first = recommender_take_over(p, models, models->models[0], &handle, &e);
    const struct served_model *served = handle ? handle->served : NULL;
    enum err_code last = recommender_take_over(p, models, models->models[2], &handle, &e);
    mem_fail_at(0, 0);
    ck_assert(first == ERR_OK && served == models->models[0]);
    ck_assert(last == ERR_NOMEM && e.code == ERR_NOMEM);
    err_clear(&e);
    ck_assert_int_eq(recommender_take_over(p, models, models->models[2], &handle, &e), ERR_OK);
    ck_assert_ptr_eq(handle->served, models->models[2]);
    model_set_unref(models);
}
END_TEST

/* ---- from thread to thread ---- */

enum { N_ASKING = 2, N_WORKERS = 2, N_ROUNDS = 10 };

struct asking {
    struct api_thread *thread;
    struct workers *workers;
    sem_t answered; /* by a worker, or by itself */
    struct request *request;
    atomic_uint n_third, n_gone, n_moved, n_wrong;
    atomic_bool *ending;
};

static enum err_code start_worker(void *arg, void **thread, struct err *e)
{
    return api_thread_new(arg, (struct api_thread **)thread, e);
}

static void run_job(void *arg, void *thread, void *job)
{
    struct asking *a = job;
    (void)arg;
    api_run(thread, a->request);
    sem_post(&a->answered);
}

static void stop_worker(void *arg, void *thread)
{
    (void)arg;
    api_thread_free(thread);
}

static void ask_once(struct asking *a, const char *target, const char *body)
{
    struct request *r = a->request = new_request(body ? "POST" : "GET", target, body);
    bool inline_ = api_plan(a->thread, r);
    if (!inline_ && worker_reserve(a->workers)) {
        worker_submit(a->workers, a);
        while (sem_wait(&a->answered))
            continue;
        atomic_fetch_add(&a->n_moved, 1);
    } else if (inline_ && !r->status) {
        api_run(a->thread, r);
    }
    if (r->status == 200 && strstr(buf_text(&r->answer), "\"model\":\"third\""))
        atomic_fetch_add(&a->n_third, 1);
    else
        atomic_fetch_add(r->status == 404 ? &a->n_gone : &a->n_wrong, 1);
    request_free(r);
}

static void *ask_on(void *arg)
{
    struct asking *a = arg;
    while (!atomic_load(a->ending)) {
        ask_once(a, "/v1/users/ann/recommendations?model=third", NULL);
        ask_once(a, "/v1/users/ann/predictions?model=third", "{\"items\":[\"1\",\"2x\"]}");
        ask_once(a, "/v1/users/ann/predictions?model=third", "{\"inputs\":[[1,2,3,4,5,6]]}");
    }
    return NULL;
}

/* Until each has met what was just done, however long it takes. */
static void wait_for_all(struct asking *list, bool third_is_there)
{
    for (size_t i = 0; i < N_ASKING; i++) {
        atomic_uint *n = third_is_there ? &list[i].n_third : &list[i].n_gone;
        unsigned before = atomic_load(n);
        while (atomic_load(n) < before + 3 && !atomic_load(&list[i].n_wrong)) {
            weights_cache_clear(w.serving.cache);
            (void)sched_yield();
        }
    }
}

START_TEST(plans_move_from_thread_to_thread_while_models_come_and_go)
{
    struct worker_calls worker_calls = {&w.api, start_worker, run_job, stop_worker};
    struct asking list[N_ASKING];
    pthread_t ids[N_ASKING];
    atomic_bool ending = false;
    struct workers *workers;
    struct err e = {0};
    w.serving.measures = false; /* a model that comes makes nobody's weights inline */
    ck_assert_int_eq(workers_start(N_WORKERS, N_ASKING, &worker_calls, &workers, &e), ERR_OK);
    for (size_t i = 0; i < N_ASKING; i++) {
        list[i] = (struct asking){.workers = workers, .ending = &ending};
        (void)sem_init(&list[i].answered, 0, 0);
        ck_assert_int_eq(api_thread_new(&w.api, &list[i].thread, &e), ERR_OK);
        ck_assert_int_eq(pthread_create(&ids[i], NULL, ask_on, &list[i]), 0);
    }
    for (int round = 0; round < N_ROUNDS; round++) {
        must_add();
        wait_for_all(list, true);
        must_remove("third");
        wait_for_all(list, false);
    }
    atomic_store(&ending, true);
    for (size_t i = 0; i < N_ASKING; i++) {
        pthread_join(ids[i], NULL);
        ck_assert_uint_eq(atomic_load(&list[i].n_wrong), 0);
        ck_assert_uint_gt(atomic_load(&list[i].n_moved), 0);
        api_thread_free(list[i].thread);
        (void)sem_destroy(&list[i].answered);
    }
    workers_stop(workers);
    workers_free(workers);
}
END_TEST

SUITE("server/api/plan", setup, teardown, {what_a_worker_runs_was_read_once, N_CALLS},
      {a_miss_over_a_connection_is_read_as_often_as_a_hit, N_CALLS},
      {what_a_worker_reads_is_read_by_nobody_before}, {a_call_ends_with_the_model_that_it_was_planned_with},
      {another_model_that_took_the_name_does_not_answer_for_the_planned_one},
      {the_first_model_of_a_plan_is_the_one_that_was_first}, {users_are_as_they_are_when_the_call_is_run},
      {items_that_come_between_move_no_planned_one}, {a_plan_that_nobody_runs_lets_go_of_what_it_holds},
      {a_cached_answer_holds_no_models}, {a_worker_without_memory_for_the_models_of_a_plan_says_so},
      {a_thread_without_memory_for_another_model_takes_over_the_one_it_has},
      {plans_move_from_thread_to_thread_while_models_come_and_go})
