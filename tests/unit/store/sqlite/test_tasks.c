/* Tasks in SQLite: the migration that makes room for them, what a row costs, what is left of a deleted one.
 * Risk: a store of before that loses its log of changes or its numbers, a row that takes the longer the more
 * there are, rows of somebody who was forgotten in the file. */
#include "store/sqlite/private.h"

#include "schema/schema.h"
#include "tests/support/change_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

STORE_FIXTURE(f)
static const struct store_context_key key = {"model", "1", "task"};

/* ---- the migration ---- */

/* A store as the version before tasks made it. */
static void make_old_store(const char *content)
{
    const char *const sql[] = {
        schema_sql_0001, schema_sql_0002,
        schema_sql_0003, schema_sql_0004,
        schema_sql_0005, schema_sql_0006,
        content,         "PRAGMA application_id = 1752788596; PRAGMA user_version = 6"};
    sqlite3 *db;
    store_fixture_stop(&f);
    store_fixture_folder(&f);
    ck_assert_int_eq(sqlite3_open(f.path, &db), SQLITE_OK);
    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++)
        ck_assert_msg(sqlite3_exec(db, sql[i], NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
    STORE_OK(store_open(f.path, STORE_READ_WRITE, &f.store, &e));
    STORE_OK(store_connect(f.store, &f.conn, &e));
}

static void assert_changes(int64_t since, const char *expected)
{
    ck_assert_str_eq(change_fixture_since(f.conn, since, 0).line, expected);
}

START_TEST(test_a_store_of_before_tasks_keeps_what_it_has_and_its_log)
{
    make_old_store("INSERT INTO users (id, profile, revision) VALUES ('ann', '{}', 8);"
                   "INSERT INTO items (id, revision) VALUES ('i', 9);"
                   "INSERT INTO interactions VALUES (1, 1, 1, NULL, 5, 1, 1);"
                   "INSERT INTO contexts (model, model_version, kind, id, revision, given, embedding)"
                   " VALUES ('model', '1', 'user', 'ann', 8, 0, x'41424344');"
                   "INSERT INTO changes (change, kind, row_key) VALUES (7, 'gone', 3), (8, 'user', 1),"
                   " (9, 'item', 1)");
    store_fixture_read(&f, "ann");
    ck_assert_str_eq(buf_text(&f.user.embedding), "ABCD");
    ck_assert_int_eq(f.user.revision, 8);
    assert_changes(6, "gone:3 user:ann item:i ");
    assert_changes(5, "all: "); /* of before the log */
    ck_assert_int_eq(store_fixture_task(f.conn, "shop", NULL, true), 10);
    assert_changes(8, "item:i task:shop ");
    store_fixture_assert_counts(f.conn, 1, 1, 1, 1);
    store_fixture_assert_tasks(f.conn, 1, 0);
}
END_TEST

START_TEST(test_a_store_whose_log_is_empty_goes_on_with_its_numbers)
{
    make_old_store("INSERT INTO changes (change, kind, row_key) VALUES (41, 'all', 0); DELETE FROM changes");
    ck_assert_int_eq(store_fixture_task(f.conn, "shop", NULL, true), 42);
    make_old_store(""); /* and one that has none */
    ck_assert_int_eq(store_fixture_task(f.conn, "shop", NULL, true), 1);
}
END_TEST

/* ---- what it costs ---- */

/* Steps of SQLite's machine that a statement has taken since it was last asked. */
static int steps_of(enum sqlite_statement which)
{
    return sqlite3_stmt_status(((struct sqlite_conn *)f.conn)->statements[which], SQLITE_STMTSTATUS_VM_STEP,
                               1);
}

/* Adds rows to a task; the steps that all statements of the last one took. */
static int add_rows(int n)
{
    int steps = 0;
    STORE_OK(store_begin(f.conn, &e));
    for (int i = 0; i < n; i++) {
        for (int s = 0; s < SQL_COUNT_OF_STATEMENTS; s++)
            (void)steps_of((enum sqlite_statement)s);
        STORE_OK(store_add_task_row(f.conn, text_of("shop"), text_of("{\"price\":2.5,\"units\":12}"), &e));
    }
    for (int s = 0; s < SQL_COUNT_OF_STATEMENTS; s++)
        steps += steps_of((enum sqlite_statement)s);
    STORE_OK(store_commit(f.conn, &e));
    return steps;
}

START_TEST(test_a_row_costs_the_same_however_many_there_are)
{
    struct store_counts counts;
    struct store_task task = {0};
    store_fixture_task(f.conn, "shop", NULL, true);
    int few = add_rows(3);
    STORE_OK(store_count(f.conn, &counts, &e));
    int counted = steps_of(SQL_COUNT);
    int many = add_rows(5000);
    ck_assert_int_gt(few, 5);
    ck_assert_int_eq(few, many);
    STORE_OK(store_count(f.conn, &counts, &e));
    ck_assert_int_eq(counts.n_task_rows, 5003);
    ck_assert_int_eq(steps_of(SQL_COUNT), counted);
    STORE_OK(store_read_task(f.conn, text_of("shop"), &key, &task, &e));
    ck_assert_int_eq(task.n_rows, 5003);
    ck_assert_int_eq(steps_of(SQL_TASK_ROWS_OF), 0);
    store_task_fini(&task);
}
END_TEST

/* ---- deletion ---- */

static void put(int i, int n_rows)
{
    char id[32], row[256], sums[64], profile[64];
    int64_t revision;
    bool created;
    (void)snprintf(id, sizeof id, "%s-%04d", i % 2 ? "stays" : "leaves", i);
    (void)snprintf(profile, sizeof profile, "{\"of\":\"%s\"}", id);
    (void)snprintf(sums, sizeof sums, "sums of %s", id);
    STORE_OK(store_put_task(f.conn, text_of(id), text_of(profile), true, &revision, &created, &e));
    for (int r = 0; r < n_rows; r++) {
        (void)snprintf(row, sizeof row, "{\"of\":\"%s\",\"filling\":\"%0*d\"}", id, 20 + (i * 7 + r) % 90, r);
        STORE_OK(store_add_task_row(f.conn, text_of(id), text_of(row), &e));
    }
    STORE_OK(store_put_task_context(f.conn, &key, text_of(id), revision, i % 4 == 0, sums, strlen(sums), &e));
}

/* How often a word is in the store's file or its log. */
static size_t count_of(const char *word)
{
    static const char *const suffixes[] = {"", "-wal"};
    size_t n = 0;
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        size_t n_bytes;
        (void)snprintf(path, sizeof path, "%s%s", f.path, suffixes[i]);
        char *bytes = store_fixture_read_file(path, &n_bytes);
        for (const char *at = bytes;
             (at = memmem(at, n_bytes - (size_t)(at - bytes), word, strlen(word))) != NULL; at++)
            n++;
        free(bytes);
    }
    return n;
}

/* One time all rows of a task come together, another time rows of all tasks come in turn, so that pages are
 * split, filled anew and joined. */
START_TEST(test_nothing_of_deleted_tasks_is_left_in_any_file)
{
    enum { N = 300 };
    for (int pass = 0; pass < 2; pass++) {
        STORE_OK(store_begin(f.conn, &e));
        for (int i = 0; i < N; i++)
            put(pass ? N - 1 - i : i, 5);
        STORE_OK(store_commit(f.conn, &e));
    }
    ck_assert_uint_ge(count_of("leaves-"), N / 2 * 12);
    for (int i = 0; i < N; i += 2) {
        char id[32];
        (void)snprintf(id, sizeof id, "leaves-%04d", i);
        STORE_WRITE(f.conn, store_delete_task(f.conn, text_of(id), &e));
    }
    STORE_OK(store_settle(f.conn, &e));
    ck_assert_uint_eq(count_of("leaves-"), 0);
    ck_assert_uint_ge(count_of("stays-"), N / 2 * 12);
    store_fixture_assert_tasks(f.conn, N / 2, N / 2 * 10);
}
END_TEST

START_TEST(test_nothing_of_cleared_rows_is_left_in_any_file)
{
    STORE_OK(store_begin(f.conn, &e));
    for (int i = 0; i < 40; i++)
        put(i, 5);
    STORE_OK(store_commit(f.conn, &e));
    STORE_OK(store_begin(f.conn, &e));
    for (int i = 0; i < 40; i += 2) {
        char id[32];
        (void)snprintf(id, sizeof id, "leaves-%04d", i);
        STORE_OK(store_clear_task(f.conn, text_of(id), STORE_CLEAR_INTERACTIONS, &e));
    }
    STORE_OK(store_commit(f.conn, &e));
    STORE_OK(store_settle(f.conn, &e));
    ck_assert_uint_eq(count_of("{\"of\":\"leaves-0002\",\"filling"), 0);
    ck_assert_uint_eq(count_of("{\"of\":\"leaves-0002\"}"), 1); /* the profile */
}
END_TEST

START_TEST(test_a_follower_of_a_task_that_left_empties_the_log)
{
    struct store *other;
    struct store_conn *conn;
    store_fixture_task(f.conn, "leaves-0", NULL, true);
    STORE_OK(store_open(f.path, STORE_READ_WRITE, &other, &e));
    STORE_OK(store_connect(other, &conn, &e));
    STORE_OK(store_settle(conn, &e));
    STORE_WRITE(f.conn, store_delete_task(f.conn, text_of("leaves-0"), &e));
    ck_assert_uint_gt(count_of("leaves-0"), 0); /* whoever did it died */
    ck_assert_str_eq(change_fixture_since(conn, 1, 0).line, "task gone:1 ");
    STORE_OK(store_settle(conn, &e));
    ck_assert_uint_eq(count_of("leaves-0"), 0);
    store_disconnect(conn);
    store_close(other);
}
END_TEST

SUITE("store/sqlite/tasks", start, stop, {test_a_store_of_before_tasks_keeps_what_it_has_and_its_log},
      {test_a_store_whose_log_is_empty_goes_on_with_its_numbers},
      {test_a_row_costs_the_same_however_many_there_are}, {test_nothing_of_deleted_tasks_is_left_in_any_file},
      {test_nothing_of_cleared_rows_is_left_in_any_file},
      {test_a_follower_of_a_task_that_left_empties_the_log})
