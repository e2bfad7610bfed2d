/* The store around its records: transactions, connections in several threads, snapshots, opening again.
 * Risk: a write that is kept by half, or seen before it is done. */
#include "base/mem.h"
#include "tests/support/store_fixture.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

STORE_FIXTURE(f)

static struct store_counts counts(struct store_conn *c)
{
    struct store_counts n;
    STORE_OK(store_count(c, &n, &e));
    return n;
}

/* ---- transactions ---- */

START_TEST(test_a_rollback_leaves_nothing)
{
    store_fixture_user(f.conn, "ann", "{}");
    store_fixture_event(f.conn, "ann", "i", 1, 1);
    char *before = store_fixture_dump(f.conn), *after;
    int64_t last, now, revision;
    bool created;
    STORE_OK(store_last_change(f.conn, &last, &e));
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_put_user(f.conn, text_of("bob"), text_of("{}"), &revision, &created, &e));
    STORE_OK(store_put_user(f.conn, text_of("ann"), text_of("{\"x\":1}"), &revision, &created, &e));
    STORE_OK(store_put_interaction(f.conn, text_of("bob"), text_of("j"), 1, NAN, 1, NULL, &e));
    STORE_OK(store_clear_user(f.conn, text_of("ann"), STORE_CLEAR_ALL, &e));
    STORE_OK(store_put_context(f.conn, &store_fixture_key, text_of("ann"), 5, true, "abcd", 4, &e));
    STORE_OK(store_delete_user(f.conn, text_of("bob"), &e));
    store_rollback(f.conn);
    store_rollback(f.conn); /* nothing to do is no harm */
    after = store_fixture_dump(f.conn);
    STORE_OK(store_last_change(f.conn, &now, &e));
    ck_assert_str_eq(before, after);
    ck_assert_int_eq(last, now);
    mem_free(before);
    mem_free(after);
}
END_TEST

START_TEST(test_writes_outside_of_a_transaction_are_refused)
{
    int64_t revision;
    bool flag;
    struct store_item item = {.id = text_of("i")};
    struct store_bulk *bulk;
    store_fixture_user(f.conn, "ann", "{}");
    store_fixture_event(f.conn, "ann", "known", 1, 1);
    char *before = store_fixture_dump(f.conn), *after;
    STORE_FAILS(store_put_user(f.conn, text_of("u"), text_of(NULL), &revision, &flag, &e), ERR_INTERNAL);
    STORE_FAILS(store_touch_user(f.conn, text_of("ann"), &revision, &e), ERR_INTERNAL);
    STORE_FAILS(store_clear_user(f.conn, text_of("ann"), STORE_CLEAR_ALL, &e), ERR_INTERNAL);
    STORE_FAILS(store_delete_user(f.conn, text_of("ann"), &e), ERR_INTERNAL);
    STORE_FAILS(store_put_interaction(f.conn, text_of("ann"), text_of("known"), 2, NAN, 2, NULL, &e),
                ERR_INTERNAL);
    STORE_FAILS(store_put_item(f.conn, &item, &flag, &e), ERR_INTERNAL);
    STORE_FAILS(store_put_context(f.conn, &store_fixture_key, text_of("ann"), 1, true, "abcd", 4, &e),
                ERR_INTERNAL);
    STORE_FAILS(store_touch_item(f.conn, text_of("known"), &e), ERR_INTERNAL);
    STORE_FAILS(store_delete_item(f.conn, text_of("known"), &e), ERR_INTERNAL);
    STORE_FAILS(store_drop_contexts(f.conn, &store_fixture_key, &e), ERR_INTERNAL);
    STORE_FAILS(store_note_unfinished(f.conn, 1, 2, &e), ERR_INTERNAL);
    STORE_FAILS(store_end_unfinished(f.conn, 1, &e), ERR_INTERNAL);
    STORE_FAILS(store_bulk_begin(f.conn, &bulk, &e), ERR_INTERNAL);
    STORE_FAILS(store_commit(f.conn, &e), ERR_INTERNAL);
    after = store_fixture_dump(f.conn);
    ck_assert_str_eq(before, after);
    mem_free(before);
    mem_free(after);
}
END_TEST

START_TEST(test_beginning_twice_fails_and_keeps_the_transaction)
{
    int64_t revision;
    bool created;
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_put_user(f.conn, text_of("a"), text_of(NULL), &revision, &created, &e));
    STORE_FAILS(store_begin(f.conn, &e), ERR_INTERNAL);
    STORE_FAILS(store_snapshot_begin(f.conn, &e), ERR_INTERNAL);
    store_snapshot_end(f.conn); /* ends snapshots only */
    STORE_OK(store_put_user(f.conn, text_of("b"), text_of(NULL), &revision, &created, &e));
    store_rollback(f.conn);
    store_fixture_assert_counts(f.conn, 0, 0, 0, 0);
}
END_TEST

START_TEST(test_a_transaction_reads_its_own_writes)
{
    int64_t revision;
    bool created;
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_put_user(f.conn, text_of("a"), text_of("{}"), &revision, &created, &e));
    STORE_OK(store_put_interaction(f.conn, text_of("a"), text_of("i"), 1, NAN, 1, NULL, &e));
    store_fixture_read(&f, "a");
    ck_assert_int_eq(f.user.revision, revision);
    ck_assert_uint_eq(f.user.n_interactions, 1);
    STORE_OK(store_commit(f.conn, &e));
    store_fixture_assert_counts(f.conn, 1, 1, 1, 0);
}
END_TEST

START_TEST(test_a_closed_connection_gives_its_transaction_up)
{
    int64_t revision;
    bool created;
    struct store_conn *other;
    STORE_OK(store_connect(f.store, &other, &e));
    STORE_OK(store_begin(other, &e));
    STORE_OK(store_put_user(other, text_of("a"), text_of("{}"), &revision, &created, &e));
    store_disconnect(other);
    store_disconnect(NULL);
    store_fixture_assert_counts(f.conn, 0, 0, 0, 0);
    store_fixture_user(f.conn, "b", NULL);
}
END_TEST

START_TEST(test_everything_is_there_after_opening_again)
{
    store_fixture_user(f.conn, "ann", "{\"a\":[1,2]}");
    store_fixture_event(f.conn, "ann", "i", 2.5, 7);
    store_fixture_item(f.conn, "i", "Title \xE2\x82\xAC");
    store_fixture_context(f.conn, &store_fixture_key, "ann", 99, true, "abcdefgh");
    char *before = store_fixture_dump(f.conn);
    int64_t last, now;
    STORE_OK(store_last_change(f.conn, &last, &e));
    store_fixture_reopen(&f);
    char *after = store_fixture_dump(f.conn);
    STORE_OK(store_last_change(f.conn, &now, &e));
    ck_assert_str_eq(before, after);
    ck_assert_int_eq(last, now);
    mem_free(before);
    mem_free(after);
}
END_TEST

/* ---- several connections ---- */

enum { N_THREAD_WRITES = 150 };

struct writer {
    const char *name;
    int64_t revisions[N_THREAD_WRITES];
};

static void *write_often(void *arg)
{
    struct writer *w = arg;
    struct store_conn *c;
    STORE_OK(store_connect(f.store, &c, &e));
    store_fixture_user(c, w->name, NULL);
    for (int i = 0; i < N_THREAD_WRITES; i++) {
        char item[16];
        (void)snprintf(item, sizeof item, "i%d", i);
        w->revisions[i] = store_fixture_event(c, i % 2 ? w->name : "both", item, 1, i);
    }
    store_disconnect(c);
    return NULL;
}

START_TEST(test_two_threads_write_at_once_and_lose_nothing)
{
    static struct writer writers[2] = {{.name = "ann"}, {.name = "bob"}};
    pthread_t threads[2];
    store_fixture_user(f.conn, "both", NULL);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_often, &writers[i]), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    store_fixture_assert_counts(f.conn, 3, N_THREAD_WRITES, N_THREAD_WRITES / 2 * 3, 0);
    for (int a = 0; a < N_THREAD_WRITES; a++)
        for (int b = 0; b < N_THREAD_WRITES; b++)
            ck_assert_int_ne(writers[0].revisions[a], writers[1].revisions[b]);
}
END_TEST

START_TEST(test_a_snapshot_sees_one_state_of_the_store)
{
    struct store_conn *other;
    STORE_OK(store_connect(f.store, &other, &e));
    store_fixture_user(f.conn, "ann", "{}");
    STORE_OK(store_snapshot_begin(f.conn, &e));
    char *before = store_fixture_dump(f.conn);
    store_fixture_event(other, "ann", "i", 1, 1);
    store_fixture_user(other, "bob", "{}");
    char *during = store_fixture_dump(f.conn);
    store_fixture_assert_counts(f.conn, 1, 0, 0, 0);
    store_snapshot_end(f.conn);
    store_fixture_assert_counts(f.conn, 2, 1, 1, 0);
    char *after = store_fixture_dump(f.conn), *others = store_fixture_dump(other);
    ck_assert_str_eq(before, during);
    ck_assert_str_ne(before, after);
    ck_assert_str_eq(after, others);
    store_snapshot_end(f.conn); /* none: nothing */
    mem_free(before);
    mem_free(during);
    mem_free(after);
    mem_free(others);
    store_disconnect(other);
}
END_TEST

START_TEST(test_uncommitted_writes_are_seen_by_no_other)
{
    struct store_conn *other;
    int64_t revision;
    bool created;
    STORE_OK(store_connect(f.store, &other, &e));
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_put_user(f.conn, text_of("a"), text_of(NULL), &revision, &created, &e));
    ck_assert_int_eq(counts(other).n_users, 0);
    STORE_OK(store_ping(other, &e));
    STORE_OK(store_commit(f.conn, &e));
    ck_assert_int_eq(counts(other).n_users, 1);
    store_disconnect(other);
}
END_TEST

/* ---- opening ---- */

START_TEST(test_a_store_that_is_not_there_is_opened_only_to_be_made)
{
    struct store *s = NULL;
    store_fixture_stop(&f);
    store_fixture_folder(&f);
    STORE_FAILS(store_open(store_fixture_url(&f), STORE_READ_WRITE, &s, &e), ERR_NOTFOUND);
    STORE_FAILS(store_open(store_fixture_url(&f), STORE_READ_ONLY, &s, &e), ERR_NOTFOUND);
    ck_assert_ptr_null(s);
    STORE_OK(store_open(store_fixture_url(&f), STORE_CREATE, &s, &e));
    store_close(s);
    STORE_OK(store_open(store_fixture_url(&f), STORE_CREATE, &s, &e)); /* it is there: opened as it is */
    store_close(s);
    STORE_OK(store_open(store_fixture_url(&f), STORE_READ_WRITE, &s, &e));
    store_close(s);
    store_close(NULL);
}
END_TEST

START_TEST(test_a_store_opened_for_reading_is_read_and_takes_no_write)
{
    struct store *s;
    struct store_conn *c;
    store_fixture_user(f.conn, "ann", "{}");
    STORE_OK(store_open(store_fixture_url(&f), STORE_READ_ONLY, &s, &e));
    STORE_OK(store_connect(s, &c, &e));
    ck_assert_int_eq(counts(c).n_users, 1);
    STORE_FAILS(store_begin(c, &e), ERR_INTERNAL);
    store_fixture_user(f.conn, "bob", "{}");
    ck_assert_int_eq(counts(c).n_users, 2);
    store_disconnect(c);
    store_close(s);
}
END_TEST

START_TEST(test_a_new_store_is_discarded_unless_it_was_written_to)
{
    struct store *s;
    struct store_conn *c;
    store_fixture_stop(&f);
    store_fixture_folder(&f);
    STORE_OK(store_open(store_fixture_url(&f), STORE_CREATE, &s, &e));
    STORE_OK(store_connect(s, &c, &e));
    STORE_OK(store_begin(c, &e)); /* what is given up is nothing */
    store_disconnect(c);
    store_discard_new(s);
    STORE_FAILS(store_open(store_fixture_url(&f), STORE_READ_WRITE, &s, &e), ERR_NOTFOUND);
    STORE_OK(store_open(store_fixture_url(&f), STORE_CREATE, &s, &e));
    STORE_OK(store_connect(s, &c, &e));
    store_fixture_user(c, "ann", NULL);
    store_disconnect(c);
    store_discard_new(s);
    store_fixture_reopen(&f);
    ck_assert_int_eq(counts(f.conn).n_users, 1);
    store_discard_new(NULL);
}
END_TEST

START_TEST(test_a_store_that_was_there_before_is_never_discarded)
{
    struct store *s;
    store_fixture_close(&f);
    STORE_OK(store_open(store_fixture_url(&f), STORE_CREATE, &s, &e)); /* empty, but not made by this one */
    store_discard_new(s);
    store_fixture_reopen(&f);
    ck_assert_int_eq(counts(f.conn).n_users, 0);
}
END_TEST

STORE_SUITE("store transactions", start, stop, {test_a_store_that_is_not_there_is_opened_only_to_be_made},
            {test_a_store_opened_for_reading_is_read_and_takes_no_write},
            {test_a_new_store_is_discarded_unless_it_was_written_to},
            {test_a_store_that_was_there_before_is_never_discarded}, {test_a_rollback_leaves_nothing},
            {test_writes_outside_of_a_transaction_are_refused},
            {test_beginning_twice_fails_and_keeps_the_transaction}, {test_a_transaction_reads_its_own_writes},
            {test_a_closed_connection_gives_its_transaction_up},
            {test_everything_is_there_after_opening_again}, {test_two_threads_write_at_once_and_lose_nothing},
            {test_a_snapshot_sees_one_state_of_the_store}, {test_uncommitted_writes_are_seen_by_no_other})
