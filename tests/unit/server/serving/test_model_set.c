/* server/serving/model_set.c, model_handle.c and what adds and removes models: a process takes models up and
 * lets them go while it answers. Risks: a freed model that a thread still uses; weights of one model under
 * another; a user who changed answered from before; a set that is half there when memory ends. Long
 * because each of these is tried while threads answer, with one set of makers. */
#include "base/mem.h"
#include "engine/format/model_write.h"
#include "server/serving/user_updates.h"
#include "store/sqlite/private.h"
#include "tests/support/api_world.h"
#include "tests/support/sample_model.h"
#include "tests/support/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct api_world w;
static char third[128], tasks[128]; /* paths of models that are not served at first */

/* version NULL: as the sample has it. */
static void write_version(const char *path, enum sample_model_kind kind, const char *name,
                          const char *version, unsigned seed)
{
    struct sample_model m;
    struct err e = {0};
    sample_model_init(&m, kind, seed);
    (void)snprintf(m.spec.name, sizeof m.spec.name, "%s", name);
    if (version)
        (void)snprintf(m.spec.version, sizeof m.spec.version, "%s", version);
    ck_assert_msg(model_write(path, &m.spec, &m.params, &m.ids, &e) == ERR_OK, "%s", e.text);
    sample_model_fini(&m);
}

static void write_model(const char *path, enum sample_model_kind kind, const char *name)
{
    write_version(path, kind, name, NULL, 2);
}

static void setup(void)
{
    api_world_init(&w);
    (void)snprintf(third, sizeof third, "%s/third.hn", w.folder);
    (void)snprintf(tasks, sizeof tasks, "%s/tasks.hn", w.folder);
    write_model(third, SAMPLE_RANKING, "third");
    write_model(tasks, SAMPLE_TASKS, "tasks");
    ck_assert_int_eq(
        api_world_json(&w, "PUT", "/v1/admin/users/ann", "{\"interactions\":[{\"item\":\"1\"}]}", NULL), 201);
}

static void teardown(void)
{
    mem_fail_at(0, 0);
    (void)unlink(third);
    (void)unlink(tasks);
    api_world_fini(&w);
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

/* What is at the path of a model in its place. */
static enum err_code replace(const char *name, struct err *e)
{
    struct model_set *set = serving_models(&w.serving);
    enum err_code code = serving_replace_model(&w.serving, model_set_find_any(set, name), e);
    model_set_unref(set);
    return code;
}

static size_t n_models(void)
{
    return atomic_load(&w.serving.models)->n;
}

static size_t n_cached(void)
{
    struct weights_cache_stats s;
    weights_cache_read_stats(w.serving.cache, &s);
    return s.n_entries;
}

static int status_of(const char *model)
{
    char target[96];
    (void)snprintf(target, sizeof target, "/v1/users/ann/recommendations?model=%s", model);
    return api_world_json(&w, "GET", target, NULL, NULL);
}

START_TEST(a_model_is_answered_from_when_it_was_added_until_it_is_removed)
{
    ck_assert_int_eq(status_of("third"), 404);
    must_add();
    ck_assert_int_eq(status_of("third"), 200);
    must_remove("third");
    ck_assert_int_eq(status_of("third"), 404);
    ck_assert_int_eq(status_of("sample"), 200);
}
END_TEST

START_TEST(what_cannot_be_served_is_refused_and_the_set_stays)
{
    struct err e = {0};
    char missing[160];
    (void)snprintf(missing, sizeof missing, "%s/nothing.hn", w.folder);
    must_add();
    ck_assert_int_eq(serving_add_model(&w.serving, third, &e), ERR_CONFLICT);
    err_clear(&e);
    ck_assert_int_eq(serving_add_model(&w.serving, tasks, &e), ERR_INVALID);
    err_clear(&e);
    ck_assert_int_ne(serving_add_model(&w.serving, missing, &e), ERR_OK);
    err_clear(&e);
    ck_assert_int_eq(serving_remove_model(&w.serving, "fourth", &e), ERR_NOTFOUND);
    ck_assert_uint_eq(n_models(), 3);
    must_remove("sample");
    must_remove("third");
    err_clear(&e);
    ck_assert_int_eq(serving_remove_model(&w.serving, "linear", &e), ERR_CONFLICT);
    ck_assert_int_eq(status_of("linear"), 422); /* served, without an encoder */
}
END_TEST

START_TEST(the_first_that_is_left_answers_where_none_is_named)
{
    char *answer;
    must_add();
    must_remove("sample");
    must_remove("linear");
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/users/ann/recommendations", NULL, &answer), 200);
    ck_assert_ptr_nonnull(strstr(answer, "\"model\":\"third\""));
    mem_free(answer);
}
END_TEST

START_TEST(weights_go_with_their_model_and_no_later_loading_is_given_them)
{
    must_add();
    uint64_t uid = atomic_load(&w.serving.models)->models[2]->uid;
    size_t before = n_cached();
    ck_assert_int_eq(status_of("third"), 200);
    ck_assert_uint_eq(n_cached(), before + 1);
    must_remove("third");
    ck_assert_uint_eq(n_cached(), before);
    must_add();
    ck_assert_uint_gt(atomic_load(&w.serving.models)->models[2]->uid, uid);
}
END_TEST

START_TEST(a_model_takes_the_place_of_the_one_before_it_in_one_step)
{
    struct err e = {0};
    must_add();
    must_remove("linear"); /* sample, third */
    size_t before = n_cached();
    uint64_t uid = atomic_load(&w.serving.models)->models[0]->uid;
    ck_assert_int_eq(status_of("sample"), 200);
    ck_assert_msg(replace("sample", &e) == ERR_OK, "%s", e.text);
    ck_assert_uint_eq(n_models(), 2);
    ck_assert_str_eq(atomic_load(&w.serving.models)->models[0]->model->spec.name, "sample");
    ck_assert_uint_gt(atomic_load(&w.serving.models)->models[0]->uid, uid);
    ck_assert_uint_le(n_cached(), before);
    ck_assert_int_eq(status_of("sample"), 200);
}
END_TEST

START_TEST(a_model_of_another_name_or_kind_takes_no_place)
{
    struct err e = {0};
    must_add();
    struct model_set *set = serving_models(&w.serving);
    write_model(third, SAMPLE_RANKING, "other");
    ck_assert_int_eq(replace("third", &e), ERR_INVALID);
    write_model(third, SAMPLE_TASKS, "third");
    err_clear(&e);
    ck_assert_int_eq(replace("third", &e), ERR_INVALID);
    (void)unlink(third);
    err_clear(&e);
    ck_assert_int_eq(replace("third", &e), ERR_NOTFOUND);
    ck_assert_int_eq(status_of("third"), 200);
    write_model(third, SAMPLE_RANKING, "third");
    struct served_model *old = model_set_find(set, "third");
    must_remove("third");
    err_clear(&e);
    ck_assert_int_eq(serving_replace_model(&w.serving, old, &e), ERR_NOTFOUND);
    must_add(); /* another loading, which old is not */
    err_clear(&e);
    ck_assert_int_eq(serving_replace_model(&w.serving, old, &e), ERR_NOTFOUND);
    model_set_unref(set);
}
END_TEST

/* The contexts that the store has of the one before would be taken for its own. */
START_TEST(another_model_of_the_same_name_and_version_takes_no_place)
{
    struct err e = {0};
    must_add();
    const struct served_model *before = atomic_load(&w.serving.models)->models[2];
    write_version(third, SAMPLE_RANKING, "third", NULL, 3);
    ck_assert_int_eq(replace("third", &e), ERR_INVALID);
    ck_assert_msg(strstr(e.text, third) && strstr(e.text, "--model-version"), "%s", e.text);
    ck_assert_ptr_eq(atomic_load(&w.serving.models)->models[2], before);
    write_version(third, SAMPLE_RANKING, "third", "another", 3);
    err_clear(&e);
    ck_assert_msg(replace("third", &e) == ERR_OK, "%s", e.text);
}
END_TEST

START_TEST(a_model_is_outdated_once_another_file_is_at_its_path)
{
    struct stat now;
    must_add();
    const struct served_model *m = atomic_load(&w.serving.models)->models[2];
    ck_assert_int_eq(stat(third, &now), 0);
    ck_assert(!served_model_is_outdated(m, &now));
    now.st_mtim.tv_nsec ^= 1;
    ck_assert(served_model_is_outdated(m, &now));
    write_model(third, SAMPLE_RANKING, "third");
    ck_assert_int_eq(stat(third, &now), 0);
    ck_assert(served_model_is_outdated(m, &now));
}
END_TEST

START_TEST(a_request_under_way_ends_with_the_model_it_began_with)
{
    struct recommender *p = w.http->session.recommender;
    struct err e = {0};
    struct weights *weights;
    struct recommend_query q = {.user = text_of("ann"), .limit = 3};
    struct buf out;
    bool hit;
    must_add();
    recommender_refresh(p);
    struct model_handle *handle = recommender_find(p, "third");
    ck_assert_ptr_nonnull(handle);
    must_remove("third");
    buf_init(&out, LIMIT_RESPONSE_BYTES);
    ck_assert_msg(recommender_acquire(p, handle, WEIGHTS_OF_USER, q.user, &weights, &hit, &e) == ERR_OK, "%s",
                  e.text);
    ck_assert_msg(recommender_recommend(p, handle, weights, &q, &out, &e) == ERR_OK, "%s", e.text);
    weights_unref(weights);
    buf_fini(&out);
    recommender_refresh(p);
    ck_assert_ptr_null(recommender_find(p, "third"));
}
END_TEST

/* The writer's thread met its request before the model came; another thread has weights of the model
 * already. */
START_TEST(a_change_by_a_thread_with_an_older_set_drops_the_weights_of_the_newer_one)
{
    struct recommender *p = w.http->session.recommender;
    struct update_rules rules = {.refuse = NULL};
    struct registration again = {.id = text_of("ann")};
    struct err e = {0};
    struct weights *old, *now;
    bool hit;
    recommender_refresh(w.worker->session.recommender);
    again.handle = recommender_find(w.worker->session.recommender, NULL);
    must_add();
    recommender_refresh(p);
    struct model_handle *handle = recommender_find(p, "third");
    ck_assert_int_eq(recommender_acquire(p, handle, WEIGHTS_OF_USER, again.id, &old, &hit, &e), ERR_OK);
    ck_assert_msg(update_register(&w.worker->session, &again, 1, &rules, &e) == ERR_OK, "%s", e.text);
    ck_assert_int_eq(recommender_acquire(p, handle, WEIGHTS_OF_USER, again.id, &now, &hit, &e), ERR_OK);
    ck_assert(!hit && now->revision > old->revision);
    weights_unref(old);
    weights_unref(now);
}
END_TEST

START_TEST(items_that_come_after_a_model_was_added_are_among_its_answers)
{
    must_add();
    ck_assert_int_eq(api_world_json(&w, "PUT", "/v1/admin/items/new", "{\"title\":\"Toy\"}", NULL), 201);
    char *answer;
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/items/new?model=third", NULL, &answer), 200);
    ck_assert_ptr_nonnull(strstr(answer, "Toy"));
    mem_free(answer);
}
END_TEST

/* ---- while one loads ---- */

static void (*in_between)(void); /* done once, when the connection that loads has read the items */

static int after_a_statement(unsigned kind, void *arg, void *statement, void *ns)
{
    static const char items[] = "SELECT item_key, id, title";
    void (*what)(void) = in_between;
    (void)kind;
    (void)arg;
    (void)ns;
    if (what && strncmp(sqlite3_sql(statement), items, sizeof items - 1) == 0) {
        in_between = NULL;
        what();
    }
    return 0;
}

static int trace_connection(sqlite3 *db, char **text, const struct sqlite3_api_routines *api)
{
    (void)text;
    (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, after_a_statement, NULL);
}

static void add_and_between(void (*what)(void))
{
    in_between = what;
    ck_assert_int_eq(sqlite3_auto_extension((void (*)(void))trace_connection), SQLITE_OK);
    must_add();
    (void)sqlite3_cancel_auto_extension((void (*)(void))trace_connection);
    ck_assert_ptr_null(in_between);
}

static void put_an_item_elsewhere(void)
{
    struct store_conn *c;
    struct err e = {0};
    bool created;
    const struct store_item late = {.id = text_of("late"), .title = text_of("Late")};
    ck_assert_int_eq(store_connect(w.store, &c, &e), ERR_OK);
    ck_assert_int_eq(store_begin(c, &e), ERR_OK);
    ck_assert_int_eq(store_put_item(c, &late, &created, &e), ERR_OK);
    ck_assert_int_eq(store_commit(c, &e), ERR_OK);
    ck_assert_msg(pthread_mutex_trylock(&w.serving.following) == 0,
                  "nothing is followed while a model loads");
    pthread_mutex_unlock(&w.serving.following);
    ck_assert_msg(serving_follow_items(&w.serving, c, &e) == ERR_OK, "%s", e.text);
    store_disconnect(c);
}

START_TEST(items_that_come_while_a_model_loads_are_followed_and_come_to_it)
{
    add_and_between(put_an_item_elsewhere);
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/items/late?model=sample", NULL, NULL), 200);
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/items/late?model=third", NULL, NULL), 200);
}
END_TEST

/* Whether somebody could write into the third model's file now; else he waits from here on, and SIGIO is on
 * its way. */
static bool can_write(void)
{
    int fd = open(third, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert(fd >= 0 || errno == EWOULDBLOCK);
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

static void write_and_settle(void)
{
    struct err e = {0};
    if (!can_write())
        ck_assert_int_eq(serving_settle(&w.serving, &e), ERR_OK);
}

START_TEST(a_file_is_let_go_while_its_model_loads)
{
    (void)signal(SIGIO, SIG_IGN);
    w.serving.share = true;
    add_and_between(write_and_settle);
    ck_assert(can_write());
    ck_assert_int_eq(status_of("third"), 200);
}
END_TEST

START_TEST(a_file_is_let_go_whose_model_is_removed_and_held_still)
{
    struct recommender *p = w.http->session.recommender;
    (void)signal(SIGIO, SIG_IGN);
    w.serving.share = true;
    must_add();
    recommender_refresh(p);
    must_remove("third");
    ck_assert_ptr_nonnull(recommender_find(p, "third"));
    write_and_settle();
    ck_assert(can_write());
}
END_TEST

/* ---- without memory ---- */

START_TEST(a_model_without_memory_is_not_added_and_the_set_stays)
{
    bool added = false;
    for (long n = 1; !added; n++) {
        struct err e = {0};
        mem_fail_at(n, _i);
        added = serving_add_model(&w.serving, third, &e) == ERR_OK;
        mem_fail_at(0, 0);
        ck_assert(added || e.code != ERR_OK);
        ck_assert_uint_eq(n_models(), added ? 3 : 2);
    }
    ck_assert_int_eq(status_of("third"), 200);
}
END_TEST

START_TEST(without_memory_the_model_before_is_served)
{
    bool replaced = false;
    must_add();
    for (long n = 1; !replaced; n++) {
        struct err e = {0};
        const struct served_model *old = atomic_load(&w.serving.models)->models[2];
        mem_fail_at(n, _i);
        replaced = replace("third", &e) == ERR_OK;
        mem_fail_at(0, 0);
        ck_assert(replaced || e.code != ERR_OK);
        ck_assert(replaced == (atomic_load(&w.serving.models)->models[2] != old));
    }
    ck_assert_int_eq(status_of("third"), 200);
}
END_TEST

START_TEST(a_thread_without_memory_goes_on_with_the_models_that_it_has)
{
    struct recommender *p = w.http->session.recommender;
    must_add();
    mem_fail_at(1, 1);
    recommender_refresh(p);
    mem_fail_at(0, 0);
    ck_assert(recommender_n_models(p) == 2 && !recommender_find(p, "third"));
    recommender_refresh(p);
    ck_assert(recommender_n_models(p) == 3 && recommender_find(p, "third"));
}
END_TEST

START_TEST(a_thread_without_memory_keeps_no_model_that_was_removed)
{
    struct recommender *p = w.http->session.recommender;
    must_add();
    recommender_refresh(p);
    uint64_t gone = recommender_find(p, "third")->served->uid;
    must_remove("third");
    must_add();
    mem_fail_at(1, 1);
    recommender_refresh(p);
    mem_fail_at(0, 0);
    ck_assert_ptr_null(recommender_find(p, "third"));
    ck_assert(recommender_lacks(p, "third") && !recommender_lacks(p, "fourth"));
    ck_assert_uint_eq(recommender_n_models(p), 2);
    recommender_refresh(p);
    ck_assert_uint_gt(recommender_find(p, "third")->served->uid, gone);
}
END_TEST

START_TEST(a_thread_without_memory_for_the_first_model_answers_from_no_other)
{
    struct recommender *p = w.http->session.recommender;
    struct err e = {0};
    char fourth[128];
    (void)snprintf(fourth, sizeof fourth, "%s/fourth.hn", w.folder);
    write_model(fourth, SAMPLE_RANKING, "fourth");
    must_add();
    ck_assert_int_eq(serving_add_model(&w.serving, fourth, &e), ERR_OK);
    (void)unlink(fourth);
    must_remove("sample");
    must_remove("linear");
    mem_fail_at(1, 0);
    recommender_refresh(p);
    mem_fail_at(0, 0);
    ck_assert(recommender_find(p, "fourth") && !recommender_find(p, "third"));
    ck_assert(!recommender_find(p, NULL) && recommender_lacks(p, NULL));
    recommender_refresh(p);
    ck_assert(recommender_find(p, NULL) == recommender_find(p, "third"));
}
END_TEST

/* ---- readers that never stop ---- */

enum { N_READERS = 4, N_ROUNDS = 12 };

struct reader {
    struct api_thread *thread;
    atomic_uint n_served, n_gone, n_wrong; /* answers of the third model, refusals of it, all else */
    atomic_bool *ending;
};

/* One request by one thread, from its headers to its answer. */
static struct request *ask(struct api_thread *t, const char *method, const char *target, const char *body)
{
    struct request *r = request_new(target, LIMIT_BODY_BYTES);
    ck_assert_ptr_nonnull(r);
    r->method = method;
    r->content_type = body ? text_of("application/json") : (struct text){NULL, 0};
    r->authorization = text_of("Bearer " API_WORLD_TOKEN);
    (void)snprintf(r->id, sizeof r->id, "test");
    api_begin(t->api, r);
    if (body)
        buf_adds(&r->body, body);
    if (!r->status)
        (void)api_plan(t, r);
    if (!r->status)
        api_run(t, r);
    api_finish(t->api, r);
    return r;
}

/* `sample` is always there, also when another loading of it takes the place of the one before. */
static void *read_on(void *arg)
{
    struct reader *reader = arg;
    while (!atomic_load(reader->ending)) {
        struct request *always =
                           ask(reader->thread, "GET", "/v1/users/ann/recommendations?model=sample", NULL),
                       *r = ask(reader->thread, "GET", "/v1/users/ann/recommendations?model=third", NULL);
        const char *text = buf_text(&r->answer);
        if (always->status != 200 || (r->status != 404 && r->status != 200) ||
            (r->status == 200 && !strstr(text, "\"model\":\"third\"")))
            atomic_fetch_add(&reader->n_wrong, 1);
        else
            atomic_fetch_add(r->status == 200 ? &reader->n_served : &reader->n_gone, 1);
        request_free(always);
        request_free(r);
    }
    return NULL;
}

/* Registers the user again and again, which drops weights of all models, and an item now and then. */
static void *write_on(void *arg)
{
    struct reader *writer = arg;
    for (unsigned i = 0; !atomic_load(writer->ending); i++) {
        char target[64];
        (void)snprintf(target, sizeof target, "/v1/admin/items/new%u", i % 4);
        struct request *r =
            i % 8 ? ask(writer->thread, "PUT", "/v1/admin/users/ann", "{\"interactions\":[{\"item\":\"1\"}]}")
                  : ask(writer->thread, "PUT", target, "{}");
        atomic_fetch_add(r->status == 200 || r->status == 201 ? &writer->n_served : &writer->n_wrong, 1);
        request_free(r);
    }
    return NULL;
}

/* Until every reader has met what was just done, however long it takes. */
static void wait_for_all(struct reader *readers, bool served)
{
    unsigned before[N_READERS];
    for (size_t i = 0; i < N_READERS; i++)
        before[i] = atomic_load(served ? &readers[i].n_served : &readers[i].n_gone);
    for (size_t i = 0; i < N_READERS; i++)
        while (atomic_load(served ? &readers[i].n_served : &readers[i].n_gone) == before[i] &&
               !atomic_load(&readers[i].n_wrong))
            (void)sched_yield();
}

START_TEST(models_come_and_go_while_readers_never_stop)
{
    struct reader threads[N_READERS + 1];
    pthread_t ids[N_READERS + 1];
    atomic_bool ending = false;
    struct err e = {0};
    for (size_t i = 0; i <= N_READERS; i++) {
        threads[i] = (struct reader){.ending = &ending};
        ck_assert_int_eq(api_thread_new(&w.api, &threads[i].thread, &e), ERR_OK);
        ck_assert_int_eq(pthread_create(&ids[i], NULL, i < N_READERS ? read_on : write_on, &threads[i]), 0);
    }
    for (int round = 0; round < N_ROUNDS; round++) {
        must_add();
        wait_for_all(threads, true);
        ck_assert_msg(replace("sample", &e) == ERR_OK, "%s", e.text);
        must_remove("third");
        wait_for_all(threads, false);
    }
    atomic_store(&ending, true);
    for (size_t i = 0; i <= N_READERS; i++) {
        pthread_join(ids[i], NULL);
        ck_assert_uint_eq(atomic_load(&threads[i].n_wrong), 0);
        api_thread_free(threads[i].thread);
    }
    ck_assert_uint_eq(n_models(), 2);
}
END_TEST

SUITE("server/serving/model_set", setup, teardown,
      {a_model_is_answered_from_when_it_was_added_until_it_is_removed},
      {what_cannot_be_served_is_refused_and_the_set_stays},
      {the_first_that_is_left_answers_where_none_is_named},
      {weights_go_with_their_model_and_no_later_loading_is_given_them},
      {a_model_takes_the_place_of_the_one_before_it_in_one_step},
      {a_model_of_another_name_or_kind_takes_no_place},
      {another_model_of_the_same_name_and_version_takes_no_place},
      {a_model_is_outdated_once_another_file_is_at_its_path},
      {a_request_under_way_ends_with_the_model_it_began_with},
      {a_change_by_a_thread_with_an_older_set_drops_the_weights_of_the_newer_one},
      {items_that_come_after_a_model_was_added_are_among_its_answers},
      {items_that_come_while_a_model_loads_are_followed_and_come_to_it},
      {a_file_is_let_go_while_its_model_loads}, {a_file_is_let_go_whose_model_is_removed_and_held_still},
      {a_model_without_memory_is_not_added_and_the_set_stays, 2},
      {without_memory_the_model_before_is_served, 2},
      {a_thread_without_memory_goes_on_with_the_models_that_it_has},
      {a_thread_without_memory_keeps_no_model_that_was_removed},
      {a_thread_without_memory_for_the_first_model_answers_from_no_other},
      {models_come_and_go_while_readers_never_stop})
