/* server/serving/event_updates.c: a batch of events of many users. Risks: others who write wait for what
 * could have been read before; what was read before and is not so any more within the transaction. */
#include "base/limits.h"
#include "base/mem.h"
#include "store/sqlite/private.h"
#include "tests/support/api_world.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N_MANY = 300 }; /* users: more than whose contexts are made within a write */

static struct api_world w;
static struct store_conn *other; /* as another process would write */

static void must(enum err_code code, const struct err *e)
{
    ck_assert_msg(code == ERR_OK, "%s", e->text);
}

static const char *user_name(int i)
{
    static char name[16];
    (void)snprintf(name, sizeof name, "many%03d", i);
    return name;
}

/* Two events of each user, of items 1 and 2x, without a time. */
static int post(const char *query)
{
    struct buf body;
    char target[64];
    buf_init(&body, LIMIT_BODY_BYTES);
    (void)snprintf(target, sizeof target, "/v1/events%s", query);
    buf_adds(&body, "{\"events\":[");
    for (int i = 0; i < 2 * N_MANY; i++)
        buf_addf(&body, "%s{\"user\":\"%s\",\"item\":\"%s\"}", i ? "," : "", user_name(i % N_MANY),
                 i < N_MANY ? "1" : "2x");
    buf_adds(&body, "]}");
    int status = api_world_json(&w, "POST", target, buf_text(&body), NULL);
    buf_fini(&body);
    return status;
}

static void setup(void)
{
    struct err e = {0};
    api_world_init(&w);
    must(store_connect(w.store, &other, &e), &e);
    ck_assert_int_eq(post("?create=true"), 200);
}

static void teardown(void)
{
    store_disconnect(other);
    api_world_fini(&w);
}

static sqlite3 *db_of(struct store_conn *c)
{
    return ((struct sqlite_conn *)c)->db;
}

/* ---- what is done within the transaction ---- */

static int n_reads, n_begun; /* of the connection that writes */

static int count_reads(unsigned kind, void *arg, void *statement, void *text)
{
    (void)kind;
    (void)arg;
    (void)statement;
    n_begun += strncmp(text, "BEGIN IMMEDIATE", 15) == 0;
    n_reads += strstr(text, "max(position)") || strstr(text, "profile");
    return 0;
}

static int post_counted(const char *query)
{
    n_reads = n_begun = 0;
    (void)sqlite3_trace_v2(db_of(w.serving.writer), SQLITE_TRACE_STMT, count_reads, NULL);
    int status = post(query);
    (void)sqlite3_trace_v2(db_of(w.serving.writer), 0, NULL, NULL);
    return status;
}

START_TEST(what_users_have_is_read_before_the_transaction_and_not_within_it)
{
    ck_assert_int_eq(post_counted(""), 200);
    ck_assert_int_gt(n_begun, 0);
    ck_assert_int_eq(n_reads, 0);
}
END_TEST

START_TEST(what_is_refused_takes_no_lock)
{
    struct err e = {0};
    must(store_begin(other, &e), &e);
    must(store_delete_user(other, text_of("many007"), &e), &e);
    must(store_commit(other, &e), &e);
    ck_assert_int_eq(post_counted("?create=false"), 404);
    ck_assert_int_eq(n_begun, 0);
}
END_TEST

/* ---- what others do in between ---- */

static void (*in_between)(void); /* done once, when the first user's history is about to be read */

static int run_between(unsigned kind, void *arg, void *statement, void *text)
{
    void (*what)(void) = in_between;
    (void)kind;
    (void)arg;
    (void)statement;
    if (what && strstr(text, "max(position)")) {
        in_between = NULL;
        what();
    }
    return 0;
}

static int post_and_between(const char *query, void (*what)(void))
{
    in_between = what;
    (void)sqlite3_trace_v2(db_of(w.worker->session.conn), SQLITE_TRACE_STMT, run_between, NULL);
    int status = post(query);
    (void)sqlite3_trace_v2(db_of(w.worker->session.conn), 0, NULL, NULL);
    ck_assert_ptr_null(in_between);
    return status;
}

static void forget_one(void)
{
    struct err e = {0};
    must(store_begin(other, &e), &e);
    must(store_delete_user(other, text_of("many007"), &e), &e);
    must(store_commit(other, &e), &e);
}

START_TEST(a_user_who_is_deleted_meanwhile_is_refused_or_made_as_if_he_had_been_before)
{
    struct err e = {0};
    size_t n;
    struct store_counts before = api_world_counts(&w);
    ck_assert_int_eq(post_and_between("?create=false", forget_one), 404);
    ck_assert_int_eq(api_world_counts(&w).n_interactions, before.n_interactions - 2);
    ck_assert_int_eq(store_count_interactions(other, text_of("many007"), &n, &e), ERR_NOTFOUND);
    err_clear(&e);
    ck_assert_int_eq(post("?create=true"), 200);
    ck_assert_int_eq(post_and_between("?create=true", forget_one), 200);
    must(store_count_interactions(other, text_of("many007"), &n, &e), &e);
    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(post_and_between("?on_error=skip&create=false", forget_one), 200);
    ck_assert_int_eq(store_count_interactions(other, text_of("many007"), &n, &e), ERR_NOTFOUND);
}
END_TEST

enum { AHEAD = 2000000000 }; /* a time that events without one are not before */

static void act_ahead(void)
{
    struct err e = {0};
    int64_t revision;
    must(store_begin(other, &e), &e);
    must(store_touch_user(other, text_of("many007"), &revision, &e), &e);
    must(store_put_interaction(other, text_of("many007"), text_of("3"), 1, (double)NAN, AHEAD, NULL, &e), &e);
    must(store_commit(other, &e), &e);
}

START_TEST(what_a_user_did_meanwhile_comes_before_the_batch)
{
    struct err e = {0};
    struct store_user user = {0};
    int64_t key;
    ck_assert_int_eq(post_and_between("", act_ahead), 200);
    must(store_read_user(other, text_of("many007"), NULL, &user, &e), &e);
    must(store_item_key_of(other, text_of("3"), &key, &e), &e);
    ck_assert_uint_eq(user.n_interactions, 3);
    ck_assert_int_eq(user.interactions[0].item_key, key);
    ck_assert_int_eq(user.interactions[1].timestamp, AHEAD);
    ck_assert_int_eq(user.interactions[2].timestamp, AHEAD);
    store_user_fini(&user);
}
END_TEST

SUITE("server/serving/event_updates", setup, teardown,
      {what_users_have_is_read_before_the_transaction_and_not_within_it}, {what_is_refused_takes_no_lock},
      {a_user_who_is_deleted_meanwhile_is_refused_or_made_as_if_he_had_been_before},
      {what_a_user_did_meanwhile_comes_before_the_batch})
