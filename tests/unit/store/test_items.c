/* Items and who took them: items that are deleted and come back, users of an item. Risks: a key that
 * another item gets, a taker without a context of this model. */
#include "base/clock.h"
#include "tests/support/item_fixture.h"
#include "tests/support/store_fixture.h"

#include <math.h>
#include <string.h>

STORE_FIXTURE(f)

static void delete_item(const char *id)
{
    STORE_WRITE(f.conn, store_delete_item(f.conn, text_of(id), &e));
}

START_TEST(test_a_deleted_item_keeps_its_row_and_key)
{
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_item(f.conn, "a", "A");
    store_fixture_item(f.conn, "b", "B");
    store_fixture_event(f.conn, "ann", "b", 1, 5);
    struct item_seen before = item_fixture_read(f.conn, "b");
    delete_item("b");
    struct item_seen after = item_fixture_read(f.conn, "b");
    ck_assert(after.item.deleted && !before.item.deleted);
    ck_assert_int_eq(after.item.key, before.item.key);
    ck_assert_int_gt(after.item.revision, before.item.revision);
    ck_assert_str_eq(after.title, "B");
    store_fixture_item(f.conn, "c", "C");
    ck_assert_int_gt(item_fixture_read(f.conn, "c").item.key, before.item.key);
    struct store_user user = {0};
    STORE_OK(store_read_user(f.conn, text_of("ann"), NULL, &user, &e));
    ck_assert_uint_eq(user.n_interactions, 1);
    store_user_fini(&user);
}
END_TEST

START_TEST(test_a_deleted_item_is_deleted_once_and_created_anew)
{
    bool created = false;
    struct store_item item = {.id = text_of("a"), .title = text_of("New")};
    store_fixture_item(f.conn, "a", "A");
    int64_t key = item_fixture_read(f.conn, "a").item.key;
    delete_item("a");
    STORE_OK(store_begin(f.conn, &e));
    STORE_FAILS(store_delete_item(f.conn, text_of("a"), &e), ERR_NOTFOUND);
    STORE_FAILS(store_delete_item(f.conn, text_of("never"), &e), ERR_NOTFOUND);
    STORE_OK(store_put_item(f.conn, &item, &created, &e));
    STORE_OK(store_commit(f.conn, &e));
    ck_assert(created);
    struct item_seen s = item_fixture_read(f.conn, "a");
    ck_assert(!s.item.deleted);
    ck_assert_int_eq(s.item.key, key);
    ck_assert_str_eq(s.title, "New");
}
END_TEST

static bool take_life(void *arg, const struct store_item *item)
{
    *(struct store_item_life *)arg = item->life;
    return true;
}

static struct store_item_life life_of(const char *id)
{
    struct store_item_life life;
    STORE_OK(store_read_item(f.conn, text_of(id), take_life, &life, &e));
    return life;
}

START_TEST(test_a_new_item_has_no_limits_and_was_created_now)
{
    int64_t before = clock_unix_s();
    store_fixture_item(f.conn, "a", "A");
    struct store_item_life life = life_of("a");
    ck_assert(!life.hidden && life.from == STORE_ALWAYS_FROM && life.until == STORE_ALWAYS_UNTIL);
    ck_assert(life.created >= before && life.created <= clock_unix_s());
}
END_TEST

START_TEST(test_what_is_said_of_an_items_life_stays_when_it_is_written_and_deleted)
{
    const struct store_item_life life = {.hidden = true, .from = -5, .until = 7000000000, .created = 3};
    store_fixture_item(f.conn, "a", "A");
    STORE_WRITE(f.conn, store_set_item_life(f.conn, text_of("a"), &life, &e));
    store_fixture_item(f.conn, "a", "B");
    delete_item("a");
    store_fixture_item(f.conn, "a", "C");
    struct store_item_life got = life_of("a");
    ck_assert(got.hidden && got.from == -5 && got.until == 7000000000 && got.created == 3);
    const struct store_item_life none = {.from = STORE_ALWAYS_FROM, .until = STORE_ALWAYS_UNTIL};
    STORE_WRITE(f.conn, store_set_item_life(f.conn, text_of("a"), &none, &e));
    got = life_of("a");
    ck_assert(!got.hidden && got.from == STORE_ALWAYS_FROM && got.until == STORE_ALWAYS_UNTIL &&
              got.created == 0);
}
END_TEST

START_TEST(test_the_life_of_no_item_and_outside_of_a_transaction_is_refused)
{
    const struct store_item_life life = {.hidden = true};
    store_fixture_item(f.conn, "a", "A");
    STORE_FAILS(store_set_item_life(f.conn, text_of("a"), &life, &e), ERR_INTERNAL);
    STORE_OK(store_begin(f.conn, &e));
    STORE_FAILS(store_set_item_life(f.conn, text_of("b"), &life, &e), ERR_NOTFOUND);
    STORE_OK(store_commit(f.conn, &e));
    ck_assert(!life_of("a").hidden);
}
END_TEST

START_TEST(test_a_deleted_item_comes_back_with_an_import_that_replaces_only)
{
    struct store_bulk *bulk;
    struct store_item item = {.id = text_of("a"), .title = text_of("Imported")};
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_item(f.conn, "a", "A");
    store_fixture_item(f.conn, "b", "B");
    delete_item("a");
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &bulk, &e));
    STORE_OK(store_bulk_interaction(bulk, text_of("ann"), text_of("a"), 1, (double)NAN, 0, &e));
    STORE_OK(store_bulk_end(bulk, NULL, &e));
    STORE_OK(store_commit(f.conn, &e));
    ck_assert(item_fixture_read(f.conn, "a").item.deleted);
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
        ck_assert_int_eq(item_fixture_read(f.conn, "a").item.deleted, !replaces);
        ck_assert_str_eq(item_fixture_read(f.conn, "a").title, "Imported");
        ck_assert_int_eq(n_deleted, replaces);
        ck_assert_int_eq(item_fixture_read(f.conn, "b").item.deleted, replaces);
    }
}
END_TEST

static bool no_item(void *arg, const struct store_item *item)
{
    (void)arg, (void)item;
    ck_abort_msg("told of an item that is not there");
    return false;
}

START_TEST(test_a_touched_item_has_a_new_revision_and_nothing_else)
{
    store_fixture_item(f.conn, "a", "A");
    struct item_seen before = item_fixture_read(f.conn, "a");
    int64_t last;
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_touch_item(f.conn, text_of("a"), &e));
    STORE_FAILS(store_touch_item(f.conn, text_of("never"), &e), ERR_NOTFOUND);
    STORE_OK(store_commit(f.conn, &e));
    struct item_seen after = item_fixture_read(f.conn, "a");
    STORE_OK(store_last_change(f.conn, &last, &e));
    ck_assert_int_gt(after.item.revision, before.item.revision);
    ck_assert_int_eq(after.item.revision, last);
    ck_assert_str_eq(after.title, "A");
    STORE_FAILS(store_read_item(f.conn, text_of("never"), no_item, NULL, &e), ERR_NOTFOUND);
}
END_TEST

/* ---- takers ---- */

static void assert_takers(int64_t item, const char *expected)
{
    item_fixture_assert_takers(f.conn, item, &(struct store_context_key){"m", "1", "user"}, 10, expected);
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
    item_fixture_context(f.conn, "ann", "m", 'A');
    item_fixture_context(f.conn, "bob", "other", 'X');
    item_fixture_context(f.conn, "cid", "m", 'C');
    item_fixture_context(f.conn, "dan", "m", 'D');
    int64_t item;
    STORE_OK(store_item_key_of(f.conn, text_of("a"), &item, &e));
    item_fixture_assert_takers(f.conn, item, &key, 10, "A*1,C*3,D*4,");
    item_fixture_assert_takers(f.conn, item, &key, 2, "A*1,C*3,");
    item_fixture_assert_takers(f.conn, item, &other, 2, "");
}
END_TEST

START_TEST(test_takers_above_a_key_leave_the_others_out)
{
    int64_t item;
    bool taken;
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_event(f.conn, "ann", "a", 1, 5);
    STORE_OK(store_item_key_of(f.conn, text_of("a"), &item, &e));
    STORE_OK(store_taken_above(f.conn, item - 1, &taken, &e));
    ck_assert(taken);
    STORE_OK(store_taken_above(f.conn, item, &taken, &e));
    ck_assert(!taken);
    store_fixture_item(f.conn, "b", "B");
    STORE_OK(store_taken_above(f.conn, item, &taken, &e));
    ck_assert(!taken);
}
END_TEST

START_TEST(test_takers_are_the_same_before_an_item_is_followed_and_after)
{
    int64_t keys[2];
    bool taken;
    item_fixture_import(f.conn);
    STORE_OK(store_item_key_of(f.conn, text_of("a"), &keys[0], &e));
    STORE_OK(store_item_key_of(f.conn, text_of("b"), &keys[1], &e));
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

START_TEST(test_who_takes_or_leaves_a_followed_item_is_found)
{
    struct store_bulk *bulk;
    int64_t key;
    item_fixture_import(f.conn);
    STORE_OK(store_item_key_of(f.conn, text_of("a"), &key, &e));
    STORE_OK(store_follow_items(f.conn, &key, 1, &e));
    store_fixture_user(f.conn, "cid", NULL);
    store_fixture_event(f.conn, "cid", "a", 3, 20);
    store_fixture_event(f.conn, "ann", "a", 4, 10); /* replaces what was imported */
    item_fixture_context(f.conn, "cid", "m", 'C');
    assert_takers(key, "C*3,A*4,B*2,");
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &bulk, &e));
    STORE_OK(store_bulk_interaction(bulk, text_of("bob"), text_of("a"), 6, (double)NAN, 30, &e));
    STORE_OK(store_bulk_end(bulk, NULL, &e));
    STORE_OK(store_delete_user(f.conn, text_of("ann"), &e));
    STORE_OK(store_commit(f.conn, &e));
    assert_takers(key, "B*6,C*3,");
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

STORE_SUITE("store items", start, stop, {test_a_deleted_item_keeps_its_row_and_key},
            {test_a_deleted_item_is_deleted_once_and_created_anew},
            {test_a_new_item_has_no_limits_and_was_created_now},
            {test_what_is_said_of_an_items_life_stays_when_it_is_written_and_deleted},
            {test_the_life_of_no_item_and_outside_of_a_transaction_is_refused},
            {test_a_deleted_item_comes_back_with_an_import_that_replaces_only},
            {test_a_touched_item_has_a_new_revision_and_nothing_else},
            {test_takers_are_the_newest_with_a_context_of_the_model},
            {test_takers_above_a_key_leave_the_others_out},
            {test_takers_are_the_same_before_an_item_is_followed_and_after},
            {test_who_takes_or_leaves_a_followed_item_is_found},
            {test_following_nothing_or_what_is_not_there_changes_nothing})
