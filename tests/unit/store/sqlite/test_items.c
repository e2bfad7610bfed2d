/* store/sqlite/items.c and schema/0002 and 0003: items that are deleted and come back, who took an item, and
 * stores of before. Risks: a key that another item gets, a taker without a context of this model, a store of
 * version 1 that cannot be opened or loses a row. */
#include "store/sqlite/private.h"

#include "schema/schema.h"
#include "tests/support/store_fixture.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct store_fixture f;

static void start(void)
{
    store_fixture_start(&f);
}

static void stop(void)
{
    store_fixture_stop(&f);
}

static struct text text(const char *s)
{
    return store_fixture_text(s);
}

struct seen {
    struct store_item item;
    char title[32];
};

static bool see(void *arg, const struct store_item *item)
{
    struct seen *s = arg;
    s->item = *item;
    (void)snprintf(s->title, sizeof s->title, "%.*s", (int)item->title.len,
                   item->title.data ? item->title.data : "");
    return true;
}

static struct seen read_item(const char *id)
{
    struct seen s = {0};
    STORE_OK(store_read_item(f.conn, text(id), see, &s, &e));
    return s;
}

static void delete_item(const char *id)
{
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_delete_item(f.conn, text(id), &e));
    STORE_OK(store_commit(f.conn, &e));
}

START_TEST(test_a_deleted_item_keeps_its_row_and_key)
{
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_item(f.conn, "a", "A");
    store_fixture_item(f.conn, "b", "B");
    store_fixture_event(f.conn, "ann", "b", 1, 5);
    struct seen before = read_item("b");
    delete_item("b");
    struct seen after = read_item("b");
    ck_assert(after.item.deleted && !before.item.deleted);
    ck_assert_int_eq(after.item.key, before.item.key);
    ck_assert_int_gt(after.item.revision, before.item.revision);
    ck_assert_str_eq(after.title, "B");
    store_fixture_item(f.conn, "c", "C");
    ck_assert_int_gt(read_item("c").item.key, before.item.key);
    struct store_user user = {0};
    STORE_OK(store_read_user(f.conn, text("ann"), NULL, &user, &e));
    ck_assert_uint_eq(user.n_interactions, 1);
    store_user_fini(&user);
}
END_TEST

START_TEST(test_a_deleted_item_is_deleted_once_and_created_anew)
{
    bool created = false;
    struct store_item item = {.id = text("a"), .title = text("New")};
    store_fixture_item(f.conn, "a", "A");
    int64_t key = read_item("a").item.key;
    delete_item("a");
    STORE_OK(store_begin(f.conn, &e));
    STORE_FAILS(store_delete_item(f.conn, text("a"), &e), ERR_NOTFOUND);
    STORE_FAILS(store_delete_item(f.conn, text("never"), &e), ERR_NOTFOUND);
    STORE_OK(store_put_item(f.conn, &item, &created, &e));
    STORE_OK(store_commit(f.conn, &e));
    ck_assert(created);
    struct seen s = read_item("a");
    ck_assert(!s.item.deleted);
    ck_assert_int_eq(s.item.key, key);
    ck_assert_str_eq(s.title, "New");
}
END_TEST

START_TEST(test_a_deleted_item_comes_back_with_an_import_that_replaces_only)
{
    struct store_bulk *bulk;
    struct store_item item = {.id = text("a"), .title = text("Imported")};
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_item(f.conn, "a", "A");
    store_fixture_item(f.conn, "b", "B");
    delete_item("a");
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &bulk, &e));
    STORE_OK(store_bulk_interaction(bulk, text("ann"), text("a"), 1, (double)NAN, 0, &e));
    STORE_OK(store_bulk_end(bulk, NULL, &e));
    STORE_OK(store_commit(f.conn, &e));
    ck_assert(read_item("a").item.deleted);
    for (int replaces = 0; replaces < 2; replaces++) {
        int64_t n_deleted = 0;
        STORE_OK(store_begin(f.conn, &e));
        STORE_OK(store_bulk_begin(f.conn, &bulk, &e));
        if (replaces)
            store_bulk_replace_items(bulk);
        STORE_OK(store_bulk_item(bulk, &item, &e));
        struct store_bulk_counts counts;
        store_bulk_count(bulk, &counts);
        ck_assert_int_eq(counts.n_kept_deleted, !replaces);
        ck_assert_int_eq(counts.n_known_items, 0);
        if (replaces)
            STORE_OK(store_bulk_delete_other_items(bulk, &n_deleted, &e));
        STORE_OK(store_bulk_end(bulk, NULL, &e));
        STORE_OK(store_commit(f.conn, &e));
        ck_assert_int_eq(read_item("a").item.deleted, !replaces);
        ck_assert_str_eq(read_item("a").title, "Imported");
        ck_assert_int_eq(n_deleted, replaces);
        ck_assert_int_eq(read_item("b").item.deleted, replaces);
    }
}
END_TEST

START_TEST(test_a_touched_item_has_a_new_revision_and_nothing_else)
{
    store_fixture_item(f.conn, "a", "A");
    struct seen before = read_item("a");
    int64_t last;
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_touch_item(f.conn, text("a"), &e));
    STORE_FAILS(store_touch_item(f.conn, text("never"), &e), ERR_NOTFOUND);
    STORE_OK(store_commit(f.conn, &e));
    struct seen after = read_item("a");
    STORE_OK(store_last_change(f.conn, &last, &e));
    ck_assert_int_gt(after.item.revision, before.item.revision);
    ck_assert_int_eq(after.item.revision, last);
    ck_assert_str_eq(after.title, "A");
    STORE_FAILS(store_read_item(f.conn, text("never"), see, &after, &e), ERR_NOTFOUND);
}
END_TEST

/* ---- takers ---- */

struct takers {
    size_t n;
    char line[64]; /* "first byte of the context * weight," each */
};

static bool take(void *arg, const void *embedding, size_t n_bytes, double weight)
{
    struct takers *t = arg;
    ck_assert_uint_eq(n_bytes, 1);
    size_t n = strlen(t->line);
    (void)snprintf(t->line + n, sizeof t->line - n, "%c*%g,", *(const char *)embedding, weight);
    t->n++;
    return true;
}

static void put_context(const char *user, const char *model, char embedding)
{
    struct store_context_key key = {model, "1", "user"};
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_put_context(f.conn, &key, text(user), 1000, false, &embedding, 1, &e));
    STORE_OK(store_commit(f.conn, &e));
}

START_TEST(test_takers_are_the_newest_with_a_context_of_the_model)
{
    static const char *const users[] = {"ann", "bob", "cid", "dan"};
    struct store_context_key key = {"m", "1", "user"}, other = {"m", "2", "user"};
    for (size_t i = 0; i < 4; i++) {
        store_fixture_user(f.conn, users[i], NULL);
        store_fixture_event(f.conn, users[i], "a", (double)i + 1, 100 - (int64_t)i);
    }
    store_fixture_event(f.conn, "ann", "b", 1, 5);
    put_context("ann", "m", 'A');
    put_context("bob", "other", 'X');
    put_context("cid", "m", 'C');
    put_context("dan", "m", 'D');
    int64_t item;
    STORE_OK(store_item_key_of(f.conn, text("a"), &item, &e));
    struct takers t = {0}, two = {0}, none = {0};
    STORE_OK(store_each_taker(f.conn, item, &key, 10, take, &t, &e));
    ck_assert_str_eq(t.line, "A*1,C*3,D*4,");
    STORE_OK(store_each_taker(f.conn, item, &key, 2, take, &two, &e));
    ck_assert_str_eq(two.line, "A*1,C*3,");
    STORE_OK(store_each_taker(f.conn, item, &other, 2, take, &none, &e));
    ck_assert_uint_eq(none.n, 0);
}
END_TEST

START_TEST(test_takers_above_a_key_leave_the_others_out)
{
    int64_t item;
    bool taken;
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_event(f.conn, "ann", "a", 1, 5);
    STORE_OK(store_item_key_of(f.conn, text("a"), &item, &e));
    STORE_OK(store_taken_above(f.conn, item - 1, &taken, &e));
    ck_assert(taken);
    STORE_OK(store_taken_above(f.conn, item, &taken, &e));
    ck_assert(!taken);
    store_fixture_item(f.conn, "b", "B");
    STORE_OK(store_taken_above(f.conn, item, &taken, &e));
    ck_assert(!taken);
}
END_TEST

/* Items of an import, taken by bulk and one by one, before anybody follows them and after. */
static void import_taken_items(void)
{
    struct store_bulk *bulk;
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &bulk, &e));
    STORE_OK(store_bulk_item(bulk, &(struct store_item){.id = text("a")}, &e));
    STORE_OK(store_bulk_interaction(bulk, text("ann"), text("a"), 1, (double)NAN, 9, &e));
    STORE_OK(store_bulk_interaction(bulk, text("ann"), text("b"), 5, (double)NAN, 9, &e));
    STORE_OK(store_bulk_end(bulk, NULL, &e));
    STORE_OK(store_commit(f.conn, &e));
    store_fixture_user(f.conn, "bob", NULL);
    store_fixture_event(f.conn, "bob", "a", 2, 8);
    put_context("ann", "m", 'A');
    put_context("bob", "m", 'B');
}

static void assert_takers(int64_t item, const char *expected)
{
    struct store_context_key key = {"m", "1", "user"};
    struct takers t = {0};
    STORE_OK(store_each_taker(f.conn, item, &key, 10, take, &t, &e));
    ck_assert_str_eq(t.line, expected);
}

START_TEST(test_takers_are_the_same_before_an_item_is_followed_and_after)
{
    int64_t keys[2];
    bool taken;
    import_taken_items();
    STORE_OK(store_item_key_of(f.conn, text("a"), &keys[0], &e));
    STORE_OK(store_item_key_of(f.conn, text("b"), &keys[1], &e));
    for (int round = 0; round < 3; round++) { /* the second time nothing is left to do */
        assert_takers(keys[0], "A*1,B*2,");
        assert_takers(keys[1], "A*5,");
        STORE_OK(store_taken_above(f.conn, keys[0] - 1, &taken, &e));
        ck_assert(taken);
        STORE_OK(store_taken_above(f.conn, keys[1], &taken, &e));
        ck_assert(!taken);
        STORE_OK(store_follow_items(f.conn, keys, 2, &e));
    }
}
END_TEST

/* Who reads needs no lock of writers and writes nothing; who follows does not wait for one. */
START_TEST(test_takers_are_set_aside_while_another_process_writes)
{
    int64_t keys[2];
    bool aside;
    sqlite3 *writer;
    import_taken_items();
    STORE_OK(store_item_key_of(f.conn, text("a"), &keys[0], &e));
    STORE_OK(store_item_key_of(f.conn, text("b"), &keys[1], &e));
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

START_TEST(test_who_takes_or_leaves_a_followed_item_is_found)
{
    struct store_bulk *bulk;
    int64_t key;
    import_taken_items();
    STORE_OK(store_item_key_of(f.conn, text("a"), &key, &e));
    STORE_OK(store_follow_items(f.conn, &key, 1, &e));
    store_fixture_user(f.conn, "cid", NULL);
    store_fixture_event(f.conn, "cid", "a", 3, 20);
    store_fixture_event(f.conn, "ann", "a", 4, 10); /* replaces what was imported */
    put_context("cid", "m", 'C');
    assert_takers(key, "C*3,A*4,B*2,");
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &bulk, &e));
    STORE_OK(store_bulk_interaction(bulk, text("bob"), text("a"), 6, (double)NAN, 30, &e));
    STORE_OK(store_bulk_end(bulk, NULL, &e));
    STORE_OK(store_delete_user(f.conn, text("ann"), &e));
    STORE_OK(store_commit(f.conn, &e));
    assert_takers(key, "B*6,C*3,");
}
END_TEST

/* A program of before, still running, writes into followed items without knowing of them. */
START_TEST(test_what_an_earlier_program_writes_is_found)
{
    sqlite3 *db;
    int64_t key;
    import_taken_items();
    STORE_OK(store_item_key_of(f.conn, text("a"), &key, &e));
    STORE_OK(store_follow_items(f.conn, &key, 1, &e));
    store_fixture_user(f.conn, "cid", NULL);
    put_context("cid", "m", 'C');
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

START_TEST(test_following_nothing_or_what_is_not_there_changes_nothing)
{
    int64_t key = 4711, before, after;
    store_fixture_item(f.conn, "a", "A");
    STORE_OK(store_last_change(f.conn, &before, &e));
    STORE_OK(store_follow_items(f.conn, &key, 0, &e));
    STORE_OK(store_follow_items(f.conn, &key, 1, &e));
    STORE_OK(store_last_change(f.conn, &after, &e));
    ck_assert_int_eq(before, after); /* no answer depends on it */
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
    struct seen s = read_item("a");
    ck_assert(!s.item.deleted);
    ck_assert_int_eq(s.item.key, 7);
    put_context("ann", "m", 'A');
    struct store_context_key key = {"m", "1", "user"};
    struct takers t = {0};
    STORE_OK(store_each_taker(f.conn, 7, &key, 10, take, &t, &e));
    ck_assert_str_eq(t.line, "A*1,");
    store_fixture_reopen(&f);
    ck_assert_str_eq(read_item("a").title, "A");
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
        STORE_OK(store_load_interaction(l, text(id), text("i"), 1, (double)NAN, 0, &e));
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
    int64_t key = read_item("i").item.key;
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
    int64_t key = read_item("i").item.key;
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
    int64_t key = read_item("rare").item.key;
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
    STORE_OK(store_bulk_item(b, &(struct store_item){.id = text(id)}, &e));
    STORE_OK(store_bulk_end(b, NULL, &e));
    STORE_OK(store_commit(f.conn, &e));
    return read_item(id).item.key;
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

int main(void)
{
    Suite *s = suite_create("store/items");
    TCase *t = tcase_create("items");
    tcase_add_checked_fixture(t, start, stop);
    tcase_add_test(t, test_a_deleted_item_keeps_its_row_and_key);
    tcase_add_test(t, test_a_deleted_item_is_deleted_once_and_created_anew);
    tcase_add_test(t, test_a_deleted_item_comes_back_with_an_import_that_replaces_only);
    tcase_add_test(t, test_a_touched_item_has_a_new_revision_and_nothing_else);
    tcase_add_test(t, test_takers_are_the_newest_with_a_context_of_the_model);
    tcase_add_test(t, test_takers_above_a_key_leave_the_others_out);
    tcase_add_test(t, test_takers_are_the_same_before_an_item_is_followed_and_after);
    tcase_add_test(t, test_takers_are_set_aside_while_another_process_writes);
    tcase_add_test(t, test_who_takes_or_leaves_a_followed_item_is_found);
    tcase_add_test(t, test_what_an_earlier_program_writes_is_found);
    tcase_add_loop_test(t, test_others_write_while_takers_are_looked_for_and_all_are_found, 0, 3);
    tcase_add_loop_test(t, test_following_ends_soon_and_the_next_call_goes_on_with_what_was_marked, 0, 3);
    tcase_add_test(t, test_following_goes_on_where_it_was_though_nothing_was_found);
    tcase_add_test(t, test_following_ends_though_items_come_with_every_call);
    tcase_add_test(t, test_following_nothing_or_what_is_not_there_changes_nothing);
    tcase_add_test(t, test_a_store_of_version_1_is_brought_up);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
