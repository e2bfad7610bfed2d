/* Stores of before there were kinds of events, made by the migrations of then, and how many ids of events a
 * store keeps. Risk: ids that grow without end; an answer that changes
 * because the program did, or a history that loses a row. */
#include "base/limits.h"
#include "schema/schema.h"
#include "store/sqlite/private.h"
#include "tests/support/store_fixture.h"

#include <check.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>

STORE_FIXTURE(f)

/* A store as the last program without kinds left it, with an import that was killed. */
static void make_old_store(const char *content)
{
    const char *const sql[] = {
        schema_sql_0001,           schema_sql_0002, schema_sql_0003,
        schema_sql_0004,           schema_sql_0005, schema_sql_0006,
        schema_sql_0007,           schema_sql_0008, "PRAGMA application_id = 0x68796e74",
        "PRAGMA user_version = 8", content};
    sqlite3 *db;
    store_fixture_close(&f);
    ck_assert_int_eq(remove(f.path), 0);
    ck_assert_int_eq(sqlite3_open(f.path, &db), SQLITE_OK);
    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++)
        ck_assert_msg(sqlite3_exec(db, sql[i], NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
    STORE_OK(store_open(f.path, STORE_READ_WRITE, &f.store, &e));
    STORE_OK(store_connect(f.store, &f.conn, &e));
}

static const char content[] =
    "INSERT INTO users (id, profile, revision) VALUES ('ann', '{}', 8), ('bob', NULL, 9);"
    "INSERT INTO items (id, revision, followed) VALUES ('i', 1, 1), ('j', 2, 0);"
    "INSERT INTO interactions VALUES (1, 2, 3.25, 4.5, 50, 2, 0), (1, 1, 0.1, NULL, 50, 1, 1),"
    " (2, 1, 2, NULL, 0, 1, 1);"
    "INSERT INTO contexts (model, model_version, kind, id, revision, given, embedding, taken)"
    " VALUES ('model', '1', 'user', 'ann', 8, 0, x'41424344',"
    "         x'08000000000000000100000002000000');"
    "INSERT INTO changes (change, kind, row_key) VALUES (8, 'user', 1), (9, 'user', 2);"
    /* of an import that was killed; the index has the name that a later one takes */
    "CREATE TABLE interactions_next (user_key INTEGER, item_key INTEGER, timestamp INTEGER, followed "
    "INTEGER);"
    "DROP INDEX interactions_by_item;"
    "CREATE INDEX interactions_by_item ON interactions_next (item_key, timestamp) WHERE followed = 1;"
    "CREATE INDEX interactions_by_item_too ON interactions (item_key, timestamp) WHERE followed = 1";

static int64_t slept_us;
static int (*usual_sleep)(sqlite3_vfs *files, int us);

static int count_sleep(sqlite3_vfs *files, int us)
{
    slept_us += us;
    return usual_sleep(files, us);
}

/* What it sleeps is counted, and not the time that passes. */
START_TEST(test_old_interactions_wait_a_moment_for_another_writer_and_go_later)
{
    const struct store_expiry x = {.now = 1000, .keep = 100};
    int64_t at = 0, n = 0;
    sqlite3 *writer;
    sqlite3_vfs *files = sqlite3_vfs_find(NULL);
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_event(f.conn, "ann", "i", 1, 5);
    ck_assert_int_eq(sqlite3_open(f.path, &writer), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(writer, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    usual_sleep = files->xSleep;
    files->xSleep = count_sleep;
    slept_us = 0;
    enum err_code code = store_expire(f.conn, &x, &at, &n, NULL);
    files->xSleep = usual_sleep;
    ck_assert_int_eq(code, ERR_BUSY);
    ck_assert_int_le(slept_us, 100000);
    ck_assert_int_eq(((struct sqlite_conn *)f.conn)->busy_ms, SQLITE_BUSY_MS);
    ck_assert_int_eq(sqlite3_exec(writer, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(writer);
    STORE_OK(store_expire(f.conn, &x, &at, &n, &e));
    ck_assert_int_eq(n, 1);
}
END_TEST

START_TEST(test_what_a_store_of_before_kinds_has_stays_and_has_none)
{
    int64_t last;
    make_old_store(content);
    store_fixture_read(&f, "ann");
    ck_assert_uint_eq(f.user.n_interactions, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct store_interaction *x = &f.user.interactions[i];
        ck_assert_int_eq(x->item_key, i + 1); /* as new, in the order of arrival */
        ck_assert_int_eq(x->kind, STORE_KIND_NONE);
        ck_assert_int_eq(x->count, 1);
        ck_assert_int_eq(x->timestamp, 50);
        ck_assert_int_eq(x->first, 0);
        ck_assert(!x->unseen);
        ck_assert_double_eq(store_interaction_effect(x), 1);
    }
    ck_assert_double_eq(f.user.interactions[0].weight, 0.1);
    ck_assert(isnan(f.user.interactions[0].rating));
    ck_assert_double_eq(f.user.interactions[1].weight, 3.25);
    ck_assert_double_eq(f.user.interactions[1].rating, 4.5);
    ck_assert_int_eq(f.user.revision, 8); /* so its context is of now */
    STORE_OK(store_last_change(f.conn, &last, &e));
    ck_assert_int_eq(last, 9);
    store_fixture_assert_counts(f.conn, 2, 2, 3, 1);
}
END_TEST

START_TEST(test_contexts_of_before_kinds_answer_without_being_made_anew)
{
    make_old_store(content);
    const struct store_context_key key = {"model", "1", "user"};
    bool found = false;
    STORE_OK(store_read_context(f.conn, text_of("ann"), &key, &f.context, &found, &e));
    ck_assert(found);
    ck_assert_uint_eq(f.context.n_items, 2);
}
END_TEST

START_TEST(test_a_store_of_before_kinds_goes_on)
{
    make_old_store(content);
    const struct store_event x = {.kind = 3, .weight = 1, .rating = (double)NAN, .timestamp = 60};
    int64_t revision;
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_touch_user(f.conn, text_of("ann"), &revision, &e));
    STORE_OK(store_put_event(f.conn, text_of("ann"), text_of("i"), &x, NULL, &e));
    STORE_OK(store_commit(f.conn, &e));
    store_fixture_event(f.conn, "ann", "i", 2, 70);
    store_fixture_reopen(&f);
    store_fixture_read(&f, "ann");
    ck_assert_uint_eq(f.user.n_interactions, 3);
    ck_assert_int_eq(f.user.interactions[2].timestamp, 70);
    ck_assert_int_eq(f.user.interactions[2].first, 50);
    ck_assert_int_eq(f.user.interactions[2].count, 2);
    ck_assert_int_eq(f.user.interactions[1].kind, 3);
}
END_TEST

/* ---- ids of events, which are bounded ---- */

/* Runs a statement on the file; returns the one number of its answer, 0 without one. */
static int64_t run_sql(const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    ck_assert_int_eq(sqlite3_open(f.path, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    int64_t n = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    ck_assert_int_eq(sqlite3_finalize(s), SQLITE_OK);
    sqlite3_close(db);
    return n;
}

static void put_with_id(const char *user, const char *id, enum store_put wanted)
{
    const struct store_event x = {.weight = 1, .rating = (double)NAN, .timestamp = 60, .id = text_of(id)};
    enum store_put became;
    STORE_WRITE(f.conn, store_put_event(f.conn, text_of(user), text_of("i"), &x, &became, &e));
    ck_assert_int_eq(became, wanted);
}

/* As if so many ids had come since the first. */
static void pass_ids(int64_t last)
{
    char sql[96];
    (void)snprintf(sql, sizeof sql, "UPDATE sqlite_sequence SET seq = %lld WHERE name = 'event_ids'",
                   (long long)last);
    (void)run_sql(sql);
}

START_TEST(test_ids_are_bounded_where_each_event_comes_twice)
{
    char id[16];
    store_fixture_user(f.conn, "ann", NULL);
    put_with_id("ann", "oldest", STORE_PUT_NEW);
    pass_ids(LIMIT_EVENT_IDS); /* the next one has an odd number */
    STORE_OK(store_begin(f.conn, &e));
    for (int i = 0; i < 2 * SQLITE_TRIM_EVERY; i++) {
        struct store_event x = {.weight = 1, .rating = (double)NAN, .timestamp = 60};
        (void)snprintf(id, sizeof id, "e%d", i / 2);
        x.id = text_of(id);
        STORE_OK(store_put_event(f.conn, text_of("ann"), text_of("i"), &x, NULL, &e));
    }
    STORE_OK(store_commit(f.conn, &e));
    ck_assert_int_eq(run_sql("SELECT count(*) FROM event_ids WHERE id = 'oldest'"), 0);
    ck_assert_int_eq(run_sql("SELECT count(*) FROM event_ids"), SQLITE_TRIM_EVERY);
    ck_assert_int_eq(run_sql("SELECT max(number) FROM event_ids"), LIMIT_EVENT_IDS + SQLITE_TRIM_EVERY);
}
END_TEST

START_TEST(test_ids_are_bounded_where_users_become_one)
{
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_user(f.conn, "bob", NULL);
    put_with_id("bob", "oldest", STORE_PUT_NEW);
    pass_ids(LIMIT_EVENT_IDS + SQLITE_TRIM_EVERY - 4);
    put_with_id("ann", "a", STORE_PUT_NEW);
    put_with_id("ann", "b", STORE_PUT_REPLACED);
    STORE_WRITE(f.conn, store_add_interactions_of(f.conn, text_of("ann"), text_of("bob"), &e));
    ck_assert_int_eq(run_sql("SELECT count(*) FROM event_ids WHERE id = 'oldest'"), 0);
    ck_assert_int_eq(run_sql("SELECT count(*) FROM event_ids"), 4);
    STORE_WRITE(f.conn, store_add_interactions_of(f.conn, text_of("ann"), text_of("bob"), &e));
    ck_assert_int_eq(run_sql("SELECT count(*) FROM event_ids"), 4);
}
END_TEST

START_TEST(test_an_id_is_known_of_its_user_once_it_was_put)
{
    bool known = true;
    STORE_OK(store_knows_event(f.conn, text_of("nobody"), text_of("a"), &known, &e));
    ck_assert(!known);
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_user(f.conn, "bob", NULL);
    put_with_id("ann", "a", STORE_PUT_NEW);
    STORE_OK(store_knows_event(f.conn, text_of("ann"), text_of("a"), &known, &e));
    ck_assert(known);
    STORE_OK(store_knows_event(f.conn, text_of("bob"), text_of("a"), &known, &e));
    ck_assert(!known);
    STORE_OK(store_knows_event(f.conn, text_of("ann"), text_of("b"), &known, &e));
    ck_assert(!known);
}
END_TEST

SUITE("kinds, of before and of SQLite", start, stop,
      {test_old_interactions_wait_a_moment_for_another_writer_and_go_later},
      {test_what_a_store_of_before_kinds_has_stays_and_has_none},
      {test_contexts_of_before_kinds_answer_without_being_made_anew}, {test_a_store_of_before_kinds_goes_on},
      {test_ids_are_bounded_where_each_event_comes_twice}, {test_ids_are_bounded_where_users_become_one},
      {test_an_id_is_known_of_its_user_once_it_was_put})
