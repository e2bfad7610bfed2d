/* Stores of before there were kinds of events, made by the migrations of then. Risk: an answer that changes
 * because the program did, or a history that loses a row. */
#include "schema/schema.h"
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

SUITE("kinds, of before", start, stop, {test_what_a_store_of_before_kinds_has_stays_and_has_none},
      {test_contexts_of_before_kinds_answer_without_being_made_anew}, {test_a_store_of_before_kinds_goes_on})
