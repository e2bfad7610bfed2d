/* How connections learn of each other's writes: waits, the log of changes, revisions that never come back.
 * Risk: a replica that serves a forgotten user from its cache. */
#include "tests/support/change_fixture.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

STORE_FIXTURE(f)

/* ---- waiting ---- */

START_TEST(test_others_changes_are_told_of_until_they_are_followed)
{
    struct store_conn *other;
    STORE_OK(store_connect(f.store, &other, &e));
    ck_assert(!change_fixture_any(f.conn, 0));
    int64_t first = store_fixture_user(other, "ann", NULL);
    ck_assert(change_fixture_any(f.conn, 0));
    ck_assert(change_fixture_any(f.conn, 0)); /* as often as it is asked */
    ck_assert(!change_fixture_any(f.conn, first));
    int64_t second = store_fixture_user(other, "bob", NULL);
    ck_assert(change_fixture_any(f.conn, first));
    ck_assert(!change_fixture_any(f.conn, second));
    STORE_OK(store_begin(other, &e));
    STORE_OK(store_delete_user(other, text_of("bob"), &e));
    ck_assert(!change_fixture_any(f.conn, second));
    store_rollback(other);
    ck_assert(!change_fixture_any(f.conn, second));
    store_disconnect(other);
}
END_TEST

START_TEST(test_what_was_written_before_a_connection_was_made_is_told_of)
{
    int64_t last = store_fixture_user(f.conn, "ann", NULL);
    store_fixture_reopen(&f);
    ck_assert(change_fixture_any(f.conn, last - 1));
    ck_assert(!change_fixture_any(f.conn, last));
}
END_TEST

enum { VERY_LONG_MS = 600 * 1000 }; /* a test that waits so long has failed */

struct waiter {
    struct store_conn *conn;
    int64_t since;
    bool changed;
};

static void *wait_long(void *arg)
{
    struct waiter *w = arg;
    STORE_OK(store_wait_changes(w->conn, w->since, VERY_LONG_MS, &w->changed, &e));
    return NULL;
}

START_TEST(test_a_wait_ends_when_another_connection_writes)
{
    pthread_t thread;
    struct waiter w = {.since = store_fixture_user(f.conn, "ann", NULL)};
    STORE_OK(store_connect(f.store, &w.conn, &e));
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_long, &w), 0);
    store_fixture_user(f.conn, "bob", NULL);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(w.changed);
    store_disconnect(w.conn);
}
END_TEST

START_TEST(test_a_wait_ends_when_it_is_woken_during_it_or_before)
{
    pthread_t thread;
    struct waiter w = {.changed = true};
    STORE_OK(store_connect(f.store, &w.conn, &e));
    for (int round = 0; round < 50; round++) {
        ck_assert_int_eq(pthread_create(&thread, NULL, wait_long, &w), 0);
        store_wake(w.conn); /* the thread is there or not yet */
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert(!w.changed);
    }
    store_wake(w.conn);
    (void)wait_long(&w);
    ck_assert(!w.changed);
    int64_t last = store_fixture_user(f.conn, "ann", NULL);
    ck_assert(change_fixture_any(w.conn, last - 1)); /* one wake, one wait */
    store_disconnect(w.conn);
}
END_TEST

/* ---- the log ---- */

START_TEST(test_the_log_tells_what_changed_in_order)
{
    int64_t since = change_fixture_last(f.conn);
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_event(f.conn, "ann", "i", 1, 1); /* the new item, then the touched user */
    store_fixture_item(f.conn, "i", "title");
    store_fixture_delete(f.conn, "ann");
    struct seen_changes seen = change_fixture_since(f.conn, since, 0);
    ck_assert_str_eq(seen.line, "gone:1 item:i gone:1 item:i gone:1 ");
    ck_assert_int_eq(seen.last, change_fixture_last(f.conn));
    ck_assert_uint_eq(change_fixture_since(f.conn, seen.last, 0).n, 0);
    ck_assert_uint_eq(change_fixture_since(f.conn, since, 2).n, 2);
    ck_assert_str_eq(change_fixture_since(f.conn, seen.last - 1, 0).line, "gone:1 ");
}
END_TEST

START_TEST(test_a_new_store_has_no_change)
{
    ck_assert_int_eq(change_fixture_last(f.conn), 0);
    ck_assert_uint_eq(change_fixture_since(f.conn, 0, 0).n, 0);
}
END_TEST

START_TEST(test_a_bulk_load_is_one_change_of_all)
{
    struct store_bulk *bulk;
    int64_t since = change_fixture_last(f.conn);
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &bulk, &e));
    for (int i = 0; i < 50; i++)
        STORE_OK(store_bulk_interaction(bulk, text_of(i % 2 ? "a" : "b"), text_of(i % 3 ? "i" : "j"), 1, NAN,
                                        i, &e));
    STORE_OK(store_bulk_end(bulk, NULL, &e));
    STORE_OK(store_commit(f.conn, &e));
    ck_assert_str_eq(change_fixture_since(f.conn, since, 0).line, "all: ");
}
END_TEST

/* ---- following ---- */

enum { N_THREAD_WRITES = 100 };

static void *write_events(void *user)
{
    struct store_conn *c;
    STORE_OK(store_connect(f.store, &c, &e));
    for (int i = 0; i < N_THREAD_WRITES; i++)
        store_fixture_event(c, user, i % 2 ? "i" : "j", 1, i);
    store_disconnect(c);
    return NULL;
}

/* What a follower remembers. */
struct follower {
    int64_t seen;
    size_t n;
};

static bool follow_change(void *arg, const struct store_change *change)
{
    struct follower *w = arg;
    ck_assert_int_gt(change->number, w->seen);
    w->seen = change->number;
    w->n++;
    return true;
}

START_TEST(test_who_follows_while_several_write_misses_no_change)
{
    static char names[2][4] = {"ann", "bob"};
    pthread_t threads[2];
    struct follower w = {0};
    struct store_conn *follower;
    STORE_OK(store_connect(f.store, &follower, &e));
    for (int i = 0; i < 2; i++) {
        store_fixture_user(f.conn, names[i], NULL);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_events, names[i]), 0);
    }
    while (w.n < 2 * N_THREAD_WRITES) /* each event touches its user; and the users and items were made */
        if (change_fixture_any(follower, w.seen))
            STORE_OK(store_changes(follower, w.seen, follow_change, &w, &e));
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    STORE_OK(store_changes(follower, w.seen, follow_change, &w, &e));
    ck_assert_uint_eq(w.n, change_fixture_since(f.conn, 0, 0).n);
    ck_assert(!change_fixture_any(follower, w.seen));
    store_disconnect(follower);
}
END_TEST

STORE_SUITE("store changes", start, stop, {test_who_follows_while_several_write_misses_no_change},
            {test_others_changes_are_told_of_until_they_are_followed},
            {test_what_was_written_before_a_connection_was_made_is_told_of},
            {test_a_wait_ends_when_another_connection_writes},
            {test_a_wait_ends_when_it_is_woken_during_it_or_before},
            {test_the_log_tells_what_changed_in_order}, {test_a_new_store_has_no_change},
            {test_a_bulk_load_is_one_change_of_all})
