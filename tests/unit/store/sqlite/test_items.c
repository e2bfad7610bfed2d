/* store/sqlite/items.c and follow.c, schema/0002 and 0003: the index of who took an item, beside others
 * who write, and stores of before. Risks: a taker who is not found, a store of version 1 that cannot be
 * opened or loses a row. */
#include "store/sqlite/private.h"

#include "schema/schema.h"
#include "tests/support/item_fixture.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

STORE_FIXTURE(f)

/* ---- takers ---- */

static void assert_takers(int64_t item, const char *expected)
{
    item_fixture_assert_takers(f.conn, item, &(struct store_context_key){"m", "1", "user"}, 10, expected);
}

/* Who reads needs no lock of writers and writes nothing; who follows does not wait for one. */
START_TEST(test_takers_are_set_aside_while_another_process_writes)
{
    int64_t keys[2];
    bool aside;
    sqlite3 *writer;
    item_fixture_import(f.conn);
    STORE_OK(store_item_key_of(f.conn, text_of("a"), &keys[0], &e));
    STORE_OK(store_item_key_of(f.conn, text_of("b"), &keys[1], &e));
    ck_assert_int_eq(sqlite3_open(f.path, &writer), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(writer, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    STORE_OK(store_takers_begin(f.conn, keys, 2, &aside, &e));
    ck_assert(aside);
    assert_takers(keys[0], "A*1,B*2,");
    assert_takers(keys[1], "A*5,");
    store_takers_end(f.conn);
    assert_takers(keys[1], "A*5,");
    ck_assert_int_eq(store_follow_items(f.conn, keys, 2, NULL), ERR_BUSY);
    ck_assert_int_eq(sqlite3_exec(writer, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(writer);
    STORE_OK(store_takers_begin(f.conn, keys, 2, &aside, &e));
    ck_assert(aside); /* still nothing was written */
    STORE_OK(store_follow_items(f.conn, keys, 2, &e));
    STORE_OK(store_takers_begin(f.conn, keys, 2, &aside, &e));
    ck_assert(!aside);
    assert_takers(keys[0], "A*1,B*2,");
}
END_TEST

/* A program of before, still running, writes into followed items without knowing of them. */
START_TEST(test_what_an_earlier_program_writes_is_found)
{
    sqlite3 *db;
    int64_t key;
    item_fixture_import(f.conn);
    STORE_OK(store_item_key_of(f.conn, text_of("a"), &key, &e));
    STORE_OK(store_follow_items(f.conn, &key, 1, &e));
    store_fixture_user(f.conn, "cid", NULL);
    item_fixture_context(f.conn, "cid", "m", 'C');
    ck_assert_int_eq(sqlite3_open(f.path, &db), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(db,
                     "INSERT INTO interactions (user_key, item_key, weight, rating, timestamp, position) "
                     "SELECT u.user_key, i.item_key, 7, NULL, 50, 0 FROM users u, items i "
                     "WHERE u.id = 'cid' AND i.id = 'a'",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    assert_takers(key, "C*7,A*1,B*2,");
}
END_TEST

/* ---- stores of before ---- */

START_TEST(test_a_store_of_version_1_is_brought_up)
{
    sqlite3 *db;
    store_fixture_close(&f);
    ck_assert_int_eq(remove(f.path), 0);
    ck_assert_int_eq(sqlite3_open(f.path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, schema_sql_0001, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db,
                                  "PRAGMA application_id = 0x68796e74; PRAGMA user_version = 1;"
                                  "INSERT INTO users VALUES (1, 'ann', NULL, 3);"
                                  "INSERT INTO items VALUES (7, 'a', 'A', NULL, NULL, 2);"
                                  "INSERT INTO interactions VALUES (1, 7, 1, NULL, 5, 0);",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    store_fixture_reopen(&f);
    struct item_seen s = item_fixture_read(f.conn, "a");
    ck_assert(!s.item.deleted);
    ck_assert_int_eq(s.item.key, 7);
    item_fixture_context(f.conn, "ann", "m", 'A');
    assert_takers(7, "A*1,");
    store_fixture_reopen(&f);
    ck_assert_str_eq(item_fixture_read(f.conn, "a").title, "A");
}
END_TEST

/* ---- following beside others ---- */

enum { N_TAKERS = 28000 };

static struct store_conn *others;
static bool in_pause;
static int n_pauses, load_in; /* in which pause somebody stages a load, which ends in the next */
static struct store_load *load;

/* Users take `i`, by somebody's staged load, which puts another table in the place of the interactions. */
static struct store_load *stage(struct store_conn *c, int n)
{
    struct store_load *l;
    char id[32];
    STORE_OK(store_load_new(c, 1, &l, &e));
    for (int i = 0; i < n; i++) {
        (void)snprintf(id, sizeof id, "u%d", i);
        STORE_OK(store_load_interaction(l, text_of(id), text_of("i"), 1, (double)NAN, 0, &e));
    }
    STORE_OK(store_load_stage(l, &e));
    return l;
}

static void apply(struct store_conn *c, struct store_load *l)
{
    struct store_bulk *b;
    int64_t n_older;
    STORE_OK(store_begin(c, &e));
    STORE_OK(store_bulk_begin(c, &b, &e));
    STORE_OK(store_load_apply(l, b, &n_older, &e));
    STORE_OK(store_bulk_end(b, NULL, &e));
    STORE_OK(store_commit(c, &e));
    store_load_free(l);
}

static int write_in_pause(sqlite3_vfs *vfs, int us)
{
    char id[32];
    (void)vfs;
    if (in_pause)
        return us;
    in_pause = true;
    (void)snprintf(id, sizeof id, "late %d", n_pauses++);
    store_fixture_user(others, id, NULL);
    store_fixture_event(others, id, "i", 1, 5);
    store_fixture_event(others, "u0", "i", 1, n_pauses);
    if (n_pauses == load_in)
        load = stage(others, 4000);
    if (n_pauses == load_in + 1 && load) {
        apply(others, load);
        load = NULL;
    }
    in_pause = false;
    return us;
}

static int64_t number_of(const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    ck_assert_int_eq(sqlite3_open(f.path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return n;
}

START_TEST(test_others_write_while_takers_are_looked_for_and_all_are_found)
{
    sqlite3_vfs *files = sqlite3_vfs_find(NULL);
    int (*usual)(sqlite3_vfs *, int) = files->xSleep;
    apply(f.conn, stage(f.conn, N_TAKERS));
    STORE_OK(store_connect(f.store, &others, &e));
    int64_t key = item_fixture_read(f.conn, "i").item.key;
    ck_assert_int_eq(number_of("SELECT count(*) FROM items WHERE followed = 1"), 0);
    ((struct sqlite_conn *)f.conn)->follow_ms = INT_MAX; /* however slow the machine is */
    n_pauses = 0;
    load_in = _i;
    files->xSleep = write_in_pause;
    STORE_OK(store_follow_items(f.conn, &key, 1, &e));
    files->xSleep = usual;
    store_disconnect(others);
    ck_assert_int_gt(n_pauses, 1);
    ck_assert_int_eq(number_of("SELECT count(*) FROM items WHERE followed = 1"), 1);
    ck_assert_int_eq(number_of("SELECT count(*) FROM interactions WHERE followed = 1"), N_TAKERS + n_pauses);
    ck_assert_int_eq(number_of("SELECT count(*) FROM interactions"), N_TAKERS + n_pauses);
}
END_TEST

/* A call's time is up with the first rows that it reads. */
static void hurry(void)
{
    ((struct sqlite_conn *)f.conn)->follow_ms = 0;
}

enum { MAX_CALLS = 20 };

START_TEST(test_following_ends_soon_and_the_next_call_goes_on_with_what_was_marked)
{
    int64_t marked = 0, before;
    int n_calls = 0;
    enum err_code code = ERR_BUSY;
    apply(f.conn, stage(f.conn, N_TAKERS));
    STORE_OK(store_connect(f.store, &others, &e));
    int64_t key = item_fixture_read(f.conn, "i").item.key;
    hurry();
    for (; code == ERR_BUSY && n_calls < MAX_CALLS; n_calls++) {
        before = number_of("SELECT count(*) FROM interactions WHERE followed = 1");
        code = store_follow_items(f.conn, &key, 1, NULL);
        marked = number_of("SELECT count(*) FROM interactions WHERE followed = 1");
        ck_assert_int_gt(marked, before);
        ck_assert_int_lt(marked - before, N_TAKERS / 2);
        ck_assert_int_eq(number_of("SELECT count(*) FROM items WHERE followed = 1"), code == ERR_OK);
        if (code == ERR_OK)
            break;
        in_pause = false; /* somebody of the users that are done, new ones, and in one of the calls a load */
        n_pauses = n_calls;
        load_in = _i;
        (void)write_in_pause(NULL, 0);
    }
    ck_assert_int_eq(code, ERR_OK);
    ck_assert_int_gt(n_calls, 1);
    store_disconnect(others);
    ck_assert_int_eq(marked, N_TAKERS + n_calls);
    ck_assert_int_eq(number_of("SELECT count(*) FROM interactions"), N_TAKERS + n_calls);
}
END_TEST

START_TEST(test_following_goes_on_where_it_was_though_nothing_was_found)
{
    int n_calls = 0;
    enum err_code code = ERR_BUSY;
    store_fixture_item(f.conn, "rare", "Rare");
    apply(f.conn, stage(f.conn, N_TAKERS));
    int64_t key = item_fixture_read(f.conn, "rare").item.key;
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(f.path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "UPDATE items SET followed = 0", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    hurry();
    for (; code == ERR_BUSY && n_calls < MAX_CALLS; n_calls++)
        code = store_follow_items(f.conn, &key, 1, NULL);
    ck_assert_int_eq(code, ERR_OK);
    ck_assert_int_gt(n_calls, 2);
    ck_assert_int_eq(number_of("SELECT count(*) FROM items WHERE followed = 1"), 1);
}
END_TEST

/* As an import brings it: not followed. */
static int64_t bulk_item(const char *id)
{
    struct store_bulk *b;
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &b, &e));
    STORE_OK(store_bulk_item(b, &(struct store_item){.id = text_of(id)}, &e));
    STORE_OK(store_bulk_end(b, NULL, &e));
    STORE_OK(store_commit(f.conn, &e));
    return item_fixture_read(f.conn, id).item.key;
}

/* Each call asks for one item more than the one before; nobody took one, so that no mark tells how far the
 * calls before came. */
START_TEST(test_following_ends_though_items_come_with_every_call)
{
    int64_t keys[MAX_CALLS + 1];
    int n_calls = 0;
    apply(f.conn, stage(f.conn, N_TAKERS));
    keys[0] = bulk_item("rare");
    hurry();
    while (number_of("SELECT followed FROM items WHERE id = 'rare'") == 0 && n_calls < MAX_CALLS) {
        char id[32];
        n_calls++;
        enum err_code code = store_follow_items(f.conn, keys, (size_t)n_calls, NULL);
        ck_assert(code == ERR_BUSY || code == ERR_OK);
        (void)snprintf(id, sizeof id, "come %d", n_calls);
        keys[n_calls] = bulk_item(id);
    }
    ck_assert_int_lt(n_calls, MAX_CALLS);
    ck_assert_int_gt(n_calls, 2); /* and the list did change meanwhile */
    ((struct sqlite_conn *)f.conn)->follow_ms = INT_MAX;
    STORE_OK(store_follow_items(f.conn, keys, (size_t)n_calls + 1, &e));
    ck_assert_int_eq(number_of("SELECT count(*) FROM items WHERE followed = 1"), n_calls + 1);
}
END_TEST

SUITE("store/items", start, stop, {test_takers_are_set_aside_while_another_process_writes},
      {test_what_an_earlier_program_writes_is_found},
      {test_others_write_while_takers_are_looked_for_and_all_are_found, 3},
      {test_following_ends_soon_and_the_next_call_goes_on_with_what_was_marked, 3},
      {test_following_goes_on_where_it_was_though_nothing_was_found},
      {test_following_ends_though_items_come_with_every_call}, {test_a_store_of_version_1_is_brought_up})
