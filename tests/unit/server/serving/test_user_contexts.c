/* server/serving/user_contexts.c, user_record.c and the parts of user_updates.c that use them; risks: a
 * record in memory that is not what the store would read back, a registration that reads what it has, a large
 * batch that others wait for, that is kept in part, or that brings a context back of somebody who was
 * deleted. */
#include "server/serving/user_contexts.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "server/serving/batch_recovery.h"
#include "server/serving/user_record.h"
#include "server/serving/user_weights.h"
#include "store/sqlite/private.h"
#include "tests/support/api_world.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_MANY = 600 }; /* users of a batch: several pieces */

static struct api_world w;
static struct store_conn *other; /* as another process would write */
static struct store_user read, built;

static void must(enum err_code code, const struct err *e)
{
    ck_assert_msg(code == ERR_OK, "%s", e->text);
}

static void setup(void)
{
    struct err e = {0};
    api_world_init(&w);
    must(store_connect(w.store, &other, &e), &e);
    memset(&read, 0, sizeof read);
    memset(&built, 0, sizeof built);
    buf_init(&built.profile, LIMIT_PROFILE_BYTES);
    buf_init(&built.embedding, 1);
}

static void teardown(void)
{
    store_user_fini(&read);
    store_user_fini(&built);
    store_disconnect(other);
    api_world_fini(&w);
}

static sqlite3 *db_of(struct store_conn *c)
{
    return ((struct sqlite_conn *)c)->db;
}

/* ---- records ---- */

static void assert_same_record(const struct store_user *a, const struct store_user *b)
{
    ck_assert_int_eq(a->revision, b->revision);
    ck_assert_int_eq(a->embedding_given, b->embedding_given);
    ck_assert_uint_eq(a->profile.len, b->profile.len);
    ck_assert(a->profile.len == 0 || memcmp(a->profile.data, b->profile.data, a->profile.len) == 0);
    ck_assert_uint_eq(a->n_interactions, b->n_interactions);
    for (size_t i = 0; i < a->n_interactions; i++) {
        const struct store_interaction *x = &a->interactions[i], *y = &b->interactions[i];
        ck_assert_int_eq(x->item_key, y->item_key);
        ck_assert_int_eq(x->timestamp, y->timestamp);
        ck_assert_double_eq(x->weight, y->weight);
        ck_assert(isnan(x->rating) ? isnan(y->rating) : x->rating == y->rating);
    }
}

START_TEST(test_a_record_is_what_the_store_reads_back)
{
    enum { MOST = 40, ITEMS = 12, TIMES = 5 };
    struct rng rng;
    struct err e = {0};
    struct text ann = text_of("ann"), profile = text_of("{\"age\":\"25-34\"}");
    rng_init(&rng, (uint64_t)_i + 1, 0);
    for (int round = 0; round < 20; round++) {
        int64_t revision;
        bool created;
        size_t n = rng_below(&rng, MOST);
        if (round % 3 == 0)
            profile = (struct text){NULL, 0};
        must(store_begin(other, &e), &e);
        must(store_put_user(other, ann, profile, &revision, &created, &e), &e);
        must(store_clear_user(other, ann, STORE_CLEAR_ALL, &e), &e);
        must(user_record_begin(&built, revision, profile, n, &e), &e);
        for (size_t i = 0; i < n; i++) {
            char id[32];
            struct text item = {id,
                                (size_t)snprintf(id, sizeof id, "item %u", (unsigned)rng_below(&rng, ITEMS))};
            struct store_interaction x = {.weight = 1 + (double)i,
                                          .rating = i % 2 ? (double)NAN : (double)i,
                                          .timestamp = (int64_t)rng_below(&rng, TIMES)};
            must(store_put_interaction(other, ann, item, x.weight, x.rating, x.timestamp, NULL, &e), &e);
            must(store_item_key_of(other, item, &x.item_key, &e), &e);
            user_record_add(&built, &x);
        }
        must(user_record_end(&built, &e), &e);
        must(store_read_user(other, ann, NULL, &read, &e), &e);
        must(store_commit(other, &e), &e);
        assert_same_record(&built, &read);
    }
}
END_TEST

/* ---- registrations ---- */

static int n_reads; /* of a user's interactions, by the traced connection */

static int count_read(unsigned kind, void *arg, void *statement, void *text)
{
    (void)kind;
    (void)arg;
    (void)statement;
    n_reads += strncmp(text, "SELECT item_key, weight", 23) == 0;
    return 0;
}

static int status_of(const char *method, const char *target, const char *body)
{
    return api_world_json(&w, method, target, body, NULL);
}

static int reads_of(const char *method, const char *target, const char *body)
{
    sqlite3 *db = db_of(w.serving.writer);
    n_reads = 0;
    (void)sqlite3_trace_v2(db, SQLITE_TRACE_STMT, count_read, NULL);
    int status = status_of(method, target, body);
    (void)sqlite3_trace_v2(db, 0, NULL, NULL);
    ck_assert_msg(status / 100 == 2, "%s: %d", target, status);
    return n_reads;
}

START_TEST(test_a_registration_reads_nothing_back)
{
    static const char with[] =
        "{\"profile\":{\"age\":\"25-34\"},\"interactions\":[{\"item\":\"1\"},{\"item\":\"2x\"}]}";
    ck_assert_int_eq(reads_of("PUT", "/v1/admin/users/ann", with), 0); /* new */
    ck_assert_int_eq(reads_of("PUT", "/v1/admin/users/ann", with), 0); /* replaced */
    ck_assert_int_eq(reads_of("PUT", "/v1/admin/users/bob", "{}"), 0);
    ck_assert_int_eq(reads_of("PUT", "/v1/admin/users/eve?model=linear", "{\"embedding\":[1,2,3]}"), 0);
    ck_assert_int_eq(reads_of("POST", "/v1/admin/users", "{\"users\":[{\"id\":\"a\"},{\"id\":\"b\"}]}"), 0);
    ck_assert_int_eq(reads_of("PUT", "/v1/admin/users/ann", "{}"),
                     1); /* what is kept is read once, not for each model */
}
END_TEST

/* The stored context of a user for the first model is that of the user as stored. */
static void assert_context(const char *id)
{
    const struct model *m = atomic_load(&w.serving.models)->models[0]->model;
    struct store_context_key key = {m->spec.name, m->spec.version, "user"};
    struct user_encoder *encoder;
    struct err e = {0};
    const float *c;
    must(store_read_user(w.worker->session.conn, text_of(id), &key, &read, &e), &e);
    ck_assert_msg(read.embedding_revision == read.revision, "%s: %lld of %lld", id,
                  (long long)read.embedding_revision, (long long)read.revision);
    must(user_encoder_new(m, &encoder, &e), &e);
    must(context_encode(encoder, model_handle_items(recommender_find(w.worker->session.recommender, NULL)),
                        &read, &c, &e),
         &e);
    ck_assert_uint_eq(read.embedding.len, m->spec.d_context * sizeof *c);
    ck_assert_int_eq(memcmp(read.embedding.data, c, read.embedding.len), 0);
    user_encoder_free(encoder);
}

START_TEST(test_a_registration_stores_the_context_of_what_it_stores)
{
    ck_assert_int_eq(status_of("PUT", "/v1/admin/users/ann",
                               "{\"profile\":{\"age\":\"25-34\"},\"interactions\":["
                               "{\"item\":\"1\",\"timestamp\":9},{\"item\":\"2x\",\"timestamp\":5},"
                               "{\"item\":\"1\",\"timestamp\":3,\"weight\":4}]}"),
                     201);
    assert_context("ann");
    ck_assert_uint_eq(read.n_interactions, 2);
    ck_assert_int_eq(status_of("PUT", "/v1/admin/users/ann", "{\"profile\":{\"age\":\"35-44\"}}"), 200);
    assert_context("ann");
    ck_assert_uint_eq(read.n_interactions, 2);
    ck_assert_int_eq(status_of("PUT", "/v1/admin/users/ann", "{\"interactions\":[]}"), 200);
    assert_context("ann");
    ck_assert_uint_eq(read.n_interactions, 0);
}
END_TEST

/* ---- large batches ---- */

/* The order of names is that of numbers, in which a batch of events goes through its users. */
static const char *user_name(int i)
{
    static char name[16];
    (void)snprintf(name, sizeof name, "many%03d", i);
    return name;
}

/* A batch of events or registrations of N_MANY users, one of whom may name an item that is not there. */
static int post_many(bool register_them, const char *query, const char *last_item)
{
    struct buf body;
    char target[64];
    buf_init(&body, LIMIT_BODY_BYTES);
    (void)snprintf(target, sizeof target, "%s%s", register_them ? "/v1/admin/users" : "/v1/events", query);
    buf_adds(&body, register_them ? "{\"users\":[" : "{\"events\":[");
    for (int i = 0; i < N_MANY; i++)
        buf_addf(&body,
                 register_them ? "%s{\"id\":\"%s\",\"interactions\":[{\"item\":\"%s\"}]}"
                               : "%s{\"user\":\"%s\",\"item\":\"%s\"}",
                 i ? "," : "", user_name(i), i == N_MANY - 1 ? last_item : "1");
    buf_adds(&body, "]}");
    buf_addc(&body, '\0');
    int status = status_of("POST", target, body.data);
    buf_fini(&body);
    return status;
}

START_TEST(test_a_large_batch_has_its_contexts_stored_when_it_is_answered)
{
    ck_assert_int_eq(post_many(_i, _i ? "" : "?create=true", "2x"), 200);
    for (int i = 0; i < N_MANY; i++)
        assert_context(user_name(i));
}
END_TEST

START_TEST(test_a_large_batch_with_a_fault_is_not_kept_in_part)
{
    ck_assert_int_eq(post_many(true, "", "1"), 200);
    struct store_counts before = api_world_counts(&w);
    ck_assert_int_eq(post_many(_i, "", "no such item") / 100, 4);
    struct store_counts after = api_world_counts(&w);
    ck_assert_int_eq(memcmp(&before, &after, sizeof before), 0);
}
END_TEST

/* One of many would have more interactions than a user may: the lower layer's word against it, within the
 * transaction. */
START_TEST(test_a_large_batch_is_refused_for_a_history_that_would_be_too_long)
{
    struct err e = {0};
    ck_assert_int_eq(post_many(true, "", "1"), 200);
    must(store_begin(other, &e), &e);
    for (int i = 0; i < LIMIT_USER_INTERACTIONS; i++) {
        char id[32];
        struct text item = {id, (size_t)snprintf(id, sizeof id, "extra-%d", i)};
        must(store_put_interaction(other, text_of("many007"), item, 1, 1, 0, NULL, &e), &e);
    }
    must(store_commit(other, &e), &e);
    struct store_counts before = api_world_counts(&w);
    int64_t change, same;
    must(store_last_change(other, &change, &e), &e);
    ck_assert_int_eq(post_many(false, "", "2x"), 422);
    must(store_last_change(other, &same, &e), &e);
    ck_assert_int_eq(change, same);
    struct store_counts after = api_world_counts(&w);
    ck_assert_int_eq(memcmp(&before, &after, sizeof before), 0);
}
END_TEST

enum { WRITES_MORE, IS_DELETED, COMES_BACK, N_MEANWHILE };

static int meanwhile,
    n_meanwhile; /* what somebody else does when a user is read after the transaction, and how often */

static void write_meanwhile(void)
{
    struct err e = {0};
    int64_t revision;
    bool created;
    const char *name = user_name(n_meanwhile % N_MANY);
    must(store_begin(other, &e), &e); /* ERR_BUSY while the batch holds the lock */
    if (meanwhile == WRITES_MORE)
        must(store_touch_user(other, text_of(name), &revision, &e), &e);
    else if (n_meanwhile < N_MANY)
        must(store_delete_user(other, text_of(name), &e), &e);
    if (meanwhile == COMES_BACK && n_meanwhile < N_MANY)
        must(store_put_user(other, text_of(name), (struct text){NULL, 0}, &revision, &created, &e), &e);
    must(store_commit(other, &e), &e);
    n_meanwhile++;
}

static int on_read(unsigned kind, void *arg, void *statement, void *text)
{
    (void)kind;
    (void)arg;
    (void)statement;
    if (strncmp(text, "SELECT item_key, weight", 23) == 0) {
        ck_assert(sqlite3_get_autocommit(db_of(w.serving.writer)));
        write_meanwhile();
    }
    return 0;
}

START_TEST(test_others_write_while_a_large_batch_is_encoded_and_nothing_stale_is_stored)
{
    struct err e = {0};
    sqlite3 *db = db_of(w.worker->session.conn);
    meanwhile = _i;
    n_meanwhile = 0;
    ck_assert_int_eq(post_many(true, "", "1"), 200);
    ((struct sqlite_conn *)other)->busy_ms = 0; /* whoever would have to wait fails */
    (void)sqlite3_busy_handler(db_of(other), NULL, NULL);
    (void)sqlite3_trace_v2(db, SQLITE_TRACE_STMT, on_read, NULL);
    ck_assert_int_eq(post_many(false, "", "1"), 200);
    (void)sqlite3_trace_v2(db, 0, NULL, NULL);
    ck_assert_int_eq(n_meanwhile, N_MANY);
    const struct model_spec *spec = &atomic_load(&w.serving.models)->models[0]->model->spec;
    struct store_context_key key = {spec->name, spec->version, "user"};
    for (int i = 0; i < N_MANY; i++) {
        enum err_code code = store_read_user(other, text_of(user_name(i)), &key, &read, &e);
        ck_assert_int_eq(code, meanwhile == IS_DELETED ? ERR_NOTFOUND : ERR_OK);
        if (meanwhile == COMES_BACK)
            ck_assert_uint_eq(read.embedding.len, 0); /* of somebody else */
        if (meanwhile == WRITES_MORE)
            ck_assert_int_lt(read.embedding_revision, read.revision);
        err_clear(&e);
    }
    if (meanwhile == IS_DELETED)
        ck_assert_int_eq(api_world_counts(&w).n_contexts, 0);
}
END_TEST

/* What comes after the transaction fails for want of memory: the batch is kept and answered, and the contexts
 * are made when asked for. */
static int fail_from_here(unsigned kind, void *arg, void *statement, void *text)
{
    (void)kind;
    (void)arg;
    (void)statement;
    if (strncmp(text, "SELECT item_key, weight", 23) == 0 && n_reads++ == 0)
        mem_fail_at(1, 1);
    return 0;
}

START_TEST(test_a_large_batch_is_kept_though_its_contexts_cannot_be_made)
{
    char *answer;
    sqlite3 *db = db_of(w.worker->session.conn);
    n_reads = 0;
    (void)sqlite3_trace_v2(db, SQLITE_TRACE_STMT, fail_from_here, NULL);
    int status = post_many(false, "?create=true", "2x");
    mem_fail_at(0, 0);
    (void)sqlite3_trace_v2(db, 0, NULL, NULL);
    ck_assert_int_eq(status, 200);
    ck_assert_int_eq(n_reads, 1);
    ck_assert_int_eq(api_world_counts(&w).n_interactions, N_MANY);
    ck_assert_int_lt(api_world_counts(&w).n_contexts, N_MANY);
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/users/many003/recommendations?limit=1000", NULL, &answer),
                     200);
    ck_assert_ptr_null(strstr(answer, "{\"id\":\"1\","));
    mem_free(answer);
}
END_TEST

/* ---- what is left after a transaction ---- */

static bool count_left(void *arg, int64_t first, int64_t last)
{
    (void)first;
    (void)last;
    ++*(int *)arg;
    return true;
}

static int n_left(void)
{
    struct err e = {0};
    int n = 0;
    must(store_each_unfinished(other, count_left, &n, &e), &e);
    return n;
}

/* A batch that takes an item which came after the training, and none of whose contexts are made. */
static void leave_a_batch(bool register_them)
{
    sqlite3 *db = db_of(w.worker->session.conn);
    ck_assert_int_eq(status_of("PUT", "/v1/admin/items/new", "{}"), 201);
    n_reads = 0;
    (void)sqlite3_trace_v2(db, SQLITE_TRACE_STMT, fail_from_here, NULL);
    ck_assert_int_eq(post_many(register_them, register_them ? "" : "?create=true", "new"), 200);
    mem_fail_at(0, 0);
    (void)sqlite3_trace_v2(db, 0, NULL, NULL);
    ck_assert_int_eq(n_left(), 1);
}

static void assert_source_of_new(const char *source)
{
    char *answer;
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/items/new", NULL, &answer), 200);
    ck_assert_msg(strstr(answer, source) != NULL, "%s", answer);
    mem_free(answer);
}

START_TEST(test_a_batch_that_was_not_finished_is_finished_at_the_next_start)
{
    struct err e = {0};
    leave_a_batch(_i);
    must(serving_follow_items(&w.serving, other, &e), &e);
    assert_source_of_new("prior");
    batch_recovery(&w.worker->session);
    for (int i = 0; i < N_MANY; i++)
        assert_context(user_name(i));
    must(serving_follow_items(&w.serving, other, &e), &e);
    assert_source_of_new("interactions");
    ck_assert_int_eq(n_left(), 0);
}
END_TEST

START_TEST(test_a_batch_that_cannot_be_finished_is_left_for_another_start)
{
    leave_a_batch(false);
    for (long n = 1; n_left(); n++) {
        ck_assert_int_lt(n, 100000);
        mem_fail_at(n, 0);
        batch_recovery(&w.worker->session);
        mem_fail_at(0, 0);
    }
    for (int i = 0; i < N_MANY; i++)
        assert_context(user_name(i));
}
END_TEST

START_TEST(test_a_finished_batch_leaves_nothing_to_the_next_start)
{
    ck_assert_int_eq(post_many(_i, _i ? "" : "?create=true", "2x"), 200);
    ck_assert_int_eq(n_left(), 0);
}
END_TEST

static bool take_revision(void *arg, const struct store_item *item)
{
    *(int64_t *)arg = item->revision;
    return true;
}

START_TEST(test_items_move_although_not_all_contexts_could_be_made)
{
    struct err e = {0};
    int64_t before, after;
    struct text user = text_of("ann"), item = text_of("new");
    ck_assert_int_eq(status_of("PUT", "/v1/admin/items/new", "{}"), 201);
    ck_assert_int_eq(status_of("PUT", "/v1/admin/users/ann", "{}"), 201);
    must(store_read_item(other, item, take_revision, &before, &e), &e);
    mem_fail_at(1, 0);
    user_contexts_follow(&w.worker->session, &(const struct user_batch){&user, 1, &item, 1, 1});
    mem_fail_at(0, 0);
    must(store_read_item(other, text_of("new"), take_revision, &after, &e), &e);
    ck_assert_int_gt(after, before);
}
END_TEST

SUITE("server/user_contexts", setup, teardown, {test_a_record_is_what_the_store_reads_back, 5},
      {test_a_registration_reads_nothing_back}, {test_a_registration_stores_the_context_of_what_it_stores},
      {test_a_large_batch_has_its_contexts_stored_when_it_is_answered, 2},
      {test_a_large_batch_with_a_fault_is_not_kept_in_part, 2},
      {test_a_large_batch_is_refused_for_a_history_that_would_be_too_long},
      {test_others_write_while_a_large_batch_is_encoded_and_nothing_stale_is_stored, N_MEANWHILE},
      {test_a_large_batch_is_kept_though_its_contexts_cannot_be_made},
      {test_a_batch_that_was_not_finished_is_finished_at_the_next_start, 2},
      {test_a_batch_that_cannot_be_finished_is_left_for_another_start},
      {test_a_finished_batch_leaves_nothing_to_the_next_start, 2},
      {test_items_move_although_not_all_contexts_could_be_made})
