/* The items that a context lists, as SQLite's backend keeps them (schema/sqlite/0004_taken.sql). Risks: a
 * list that another program or a damage left is believed; a long history is written anew with each event. */
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

STORE_FIXTURE(f)

static void run_sql(const char *sql)
{
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(f.path, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
    ck_assert_int_gt(sqlite3_changes(db), 0);
    sqlite3_close(db);
}

START_TEST(test_a_long_history_has_no_list)
{
    struct store_interaction *many = calloc(4097, sizeof *many);
    ck_assert_ptr_nonnull(many);
    int64_t revision = store_fixture_user(f.conn, "ann", NULL);
    for (size_t n = 4096; n <= 4097; n++) {
        struct store_user user = {.revision = revision, .interactions = many, .n_interactions = n};
        STORE_WRITE(f.conn,
                    store_put_encoded(f.conn, &store_fixture_key, text_of("ann"), &user, "abcd", 4, &e));
        ck_assert_int_eq(store_fixture_finds_context(&f, "ann"), n == 4096);
    }
    many[7].item_key = (int64_t)1 << 32;
    struct store_user user = {.revision = revision, .interactions = many, .n_interactions = 10};
    STORE_WRITE(f.conn, store_put_encoded(f.conn, &store_fixture_key, text_of("ann"), &user, "abcd", 4, &e));
    ck_assert(!store_fixture_finds_context(&f, "ann"));
    free(many);
}
END_TEST

/* A program of before knows no lists: it writes a new context over an old one and leaves the list of
 * before. */
START_TEST(test_a_list_that_is_not_of_the_users_revision_or_no_list_at_all_is_not_believed)
{
    static const char *const damage[] = {
        "UPDATE contexts SET taken = NULL",
        "UPDATE contexts SET taken = X''",
        "UPDATE contexts SET taken = X'00000000'",
        "UPDATE contexts SET taken = CAST(substr(taken, 1, 9) AS BLOB)",
        "UPDATE contexts SET taken = zeroblob(4000012)",
        "UPDATE contexts SET taken = CAST(X'6300000000000000' || substr(taken, 9) AS BLOB)",
    };
    store_fixture_user(f.conn, "ann", NULL);
    (void)store_fixture_event(f.conn, "ann", "a", 1, 1);
    store_fixture_encoded(&f, "ann", "abcd");
    ck_assert(store_fixture_finds_context(&f, "ann"));
    run_sql(damage[_i]);
    ck_assert(!store_fixture_finds_context(&f, "ann"));
    store_fixture_read(&f, "ann");
    ck_assert_uint_eq(f.user.n_interactions, 1);
    ck_assert_str_eq(buf_text(&f.user.embedding), "abcd");
}
END_TEST

SUITE("store context lists", start, stop, {test_a_long_history_has_no_list},
      {test_a_list_that_is_not_of_the_users_revision_or_no_list_at_all_is_not_believed, 6})
