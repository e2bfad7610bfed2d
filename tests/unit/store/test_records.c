/* The records of the store by what each call promises: users, items, interactions. Risk: a write that is
 * lost, or kept after the user asked to be forgotten. */
#include "base/mem.h"
#include "tests/support/store_fixture.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

STORE_FIXTURE(f)

/* ---- users ---- */

START_TEST(test_a_registered_user_reads_back)
{
    int64_t revision = store_fixture_user(f.conn, "ann", "{\"age\":3}");
    store_fixture_read(&f, "ann");
    ck_assert_int_gt(revision, 0);
    ck_assert_int_eq(f.user.revision, revision);
    ck_assert_str_eq(buf_text(&f.user.profile), "{\"age\":3}");
    ck_assert_uint_eq(f.user.n_interactions, 0);
    ck_assert_uint_eq(f.user.embedding.len, 0);
    STORE_FAILS(store_read_user(f.conn, text_of("bob"), NULL, &f.user, &e), ERR_NOTFOUND);
}
END_TEST

START_TEST(test_a_user_put_again_gets_the_new_profile_and_a_higher_revision)
{
    int64_t first = store_fixture_user(f.conn, "ann", "{\"a\":1}"), second;
    store_fixture_event(f.conn, "ann", "i", 1, 5);
    bool created = true;
    STORE_WRITE(f.conn, store_put_user(f.conn, text_of("ann"), text_of(NULL), &second, &created, &e));
    ck_assert(!created);
    ck_assert_int_gt(second, first);
    store_fixture_read(&f, "ann");
    ck_assert_int_eq(f.user.revision, second);
    ck_assert_uint_eq(f.user.profile.len, 0);
    ck_assert_uint_eq(f.user.n_interactions, 1);
    STORE_WRITE(f.conn, store_put_user(f.conn, text_of("new"), text_of("{}"), &second, &created, &e));
    ck_assert(created);
}
END_TEST

START_TEST(test_a_record_read_twice_holds_nothing_of_the_first_user)
{
    store_fixture_user(f.conn, "full", "{\"long\":\"profile\"}");
    for (int i = 0; i < 600; i++) {
        char item[16];
        (void)snprintf(item, sizeof item, "i%d", i);
        store_fixture_event(f.conn, "full", item, 1, i);
    }
    store_fixture_context(f.conn, &store_fixture_key, "full", 7, true, "12345678");
    store_fixture_user(f.conn, "empty", NULL);
    store_fixture_read(&f, "full");
    ck_assert_uint_eq(f.user.n_interactions, 600);
    ck_assert_uint_eq(f.user.embedding.len, 8);
    store_fixture_read(&f, "empty");
    ck_assert_uint_eq(f.user.n_interactions, 0);
    ck_assert_uint_eq(f.user.profile.len, 0);
    ck_assert_uint_eq(f.user.embedding.len, 0);
    ck_assert_int_eq(f.user.embedding_revision, 0);
    ck_assert(!f.user.embedding_given);
    mem_fail_at(1, 1); /* the record's memory is reused */
    store_fixture_read(&f, "full");
    mem_fail_at(0, 0);
    ck_assert_uint_eq(f.user.n_interactions, 600);
}
END_TEST

START_TEST(test_clearing_a_user_drops_events_and_contexts_alone)
{
    store_fixture_user(f.conn, "ann", "{}");
    store_fixture_user(f.conn, "bob", "{}");
    store_fixture_event(f.conn, "ann", "i", 1, 1);
    store_fixture_event(f.conn, "bob", "i", 1, 1);
    store_fixture_context(f.conn, &store_fixture_key, "ann", 9, true, "abcd");
    store_fixture_context(f.conn, &store_fixture_key, "bob", 9, true, "abcd");
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_clear_user(f.conn, text_of("ann"), STORE_CLEAR_ALL, &e));
    STORE_FAILS(store_clear_user(f.conn, text_of("nobody"), STORE_CLEAR_ALL, &e), ERR_NOTFOUND);
    STORE_OK(store_commit(f.conn, &e));
    store_fixture_read(&f, "ann");
    ck_assert_uint_eq(f.user.n_interactions, 0);
    ck_assert_uint_eq(f.user.embedding.len, 0);
    ck_assert_uint_eq(f.user.profile.len, 2);
    store_fixture_assert_counts(f.conn, 2, 1, 1, 1);
}
END_TEST

START_TEST(test_touching_raises_the_revision_and_needs_the_user)
{
    int64_t first = store_fixture_user(f.conn, "ann", NULL), second = 0;
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_touch_user(f.conn, text_of("ann"), &second, &e));
    STORE_FAILS(store_touch_user(f.conn, text_of("bob"), &second, &e), ERR_NOTFOUND);
    STORE_OK(store_commit(f.conn, &e));
    ck_assert_int_gt(second, first);
    store_fixture_read(&f, "ann");
    ck_assert_int_eq(f.user.revision, second);
}
END_TEST

START_TEST(test_a_deleted_user_leaves_no_row)
{
    store_fixture_user(f.conn, "ann", "{}");
    store_fixture_event(f.conn, "ann", "i", 1, 1);
    store_fixture_context(f.conn, &store_fixture_key, "ann", 9, true, "abcd");
    store_fixture_delete(f.conn, "ann");
    STORE_FAILS(store_read_user(f.conn, text_of("ann"), NULL, &f.user, &e), ERR_NOTFOUND);
    store_fixture_assert_counts(f.conn, 0, 1, 0, 0);
    STORE_OK(store_begin(f.conn, &e));
    STORE_FAILS(store_delete_user(f.conn, text_of("ann"), &e), ERR_NOTFOUND);
    store_rollback(f.conn);
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_read(&f, "ann");
    ck_assert_uint_eq(f.user.n_interactions, 0);
    ck_assert_uint_eq(f.user.embedding.len, 0);
}
END_TEST

/* ---- interactions ---- */

static double rating_of(const char *id)
{
    store_fixture_read(&f, id);
    ck_assert_uint_eq(f.user.n_interactions, 1);
    return f.user.interactions[0].rating;
}

static enum store_put put_event(const char *item, double weight, double rating, int64_t timestamp)
{
    enum store_put put = STORE_PUT_OLDER;
    STORE_WRITE(f.conn, store_put_interaction(f.conn, text_of("ann"), text_of(item), weight, rating,
                                              timestamp, &put, &e));
    return put;
}

START_TEST(test_of_two_events_on_one_item_the_newest_timestamp_wins)
{
    store_fixture_user(f.conn, "ann", NULL);
    ck_assert_int_eq(put_event("i", 1, 3.5, 100), STORE_PUT_NEW);
    ck_assert_int_eq(put_event("i", 2, 4.5, 99), STORE_PUT_OLDER); /* it stays as it was */
    ck_assert_double_eq(rating_of("ann"), 3.5);
    ck_assert_int_eq(put_event("i", 2, 1.5, 100), STORE_PUT_REPLACED); /* as new: what arrived last */
    ck_assert_double_eq(rating_of("ann"), 1.5);
    ck_assert_int_eq(put_event("i", 3, (double)NAN, 101), STORE_PUT_REPLACED);
    ck_assert(isnan(rating_of("ann")));
    ck_assert_double_eq(f.user.interactions[0].weight, 3);
    ck_assert_int_eq(f.user.interactions[0].timestamp, 101);
}
END_TEST

static void assert_order(const char *const *items, size_t n)
{
    store_fixture_read(&f, "ann");
    ck_assert_uint_eq(f.user.n_interactions, n);
    for (size_t i = 0; i < n; i++) {
        int64_t key;
        STORE_OK(store_item_key_of(f.conn, text_of(items[i]), &key, &e));
        ck_assert_int_eq(f.user.interactions[i].item_key, key);
    }
}

START_TEST(test_events_come_by_timestamp_then_arrival)
{
    store_fixture_user(f.conn, "ann", NULL);
    const char *const first[] = {"late", "b", "a", "early", "c"};
    const int64_t at[] = {INT64_MAX, 0, 0, INT64_MIN, 0};
    for (int i = 0; i < 5; i++)
        put_event(first[i], 1, NAN, at[i]);
    assert_order((const char *const[]){"early", "b", "a", "c", "late"}, 5);
    put_event("b", 1, NAN, 0); /* arrives again: last among its equals */
    assert_order((const char *const[]){"early", "a", "c", "b", "late"}, 5);
    store_fixture_reopen(&f);
    put_event("d", 1, NAN, 0);
    assert_order((const char *const[]){"early", "a", "c", "b", "d", "late"}, 6);
}
END_TEST

START_TEST(test_an_event_needs_its_user_and_makes_its_item)
{
    STORE_OK(store_begin(f.conn, &e));
    STORE_FAILS(store_put_interaction(f.conn, text_of("ann"), text_of("i"), 1, NAN, 0, NULL, &e),
                ERR_NOTFOUND);
    store_rollback(f.conn);
    store_fixture_assert_counts(f.conn, 0, 0, 0, 0);
    store_fixture_user(f.conn, "ann", NULL);
    int64_t key = -1;
    STORE_FAILS(store_item_key_of(f.conn, text_of("i"), &key, &e), ERR_NOTFOUND);
    put_event("i", 1, NAN, 0);
    STORE_OK(store_item_key_of(f.conn, text_of("i"), &key, &e));
    store_fixture_assert_counts(f.conn, 1, 1, 1, 0);
}
END_TEST

START_TEST(test_weights_and_ratings_that_mean_nothing_are_refused)
{
    const double weights[] = {0, -1, (double)NAN, (double)INFINITY, -(double)INFINITY};
    store_fixture_user(f.conn, "ann", NULL);
    STORE_OK(store_begin(f.conn, &e));
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        STORE_FAILS(store_put_interaction(f.conn, text_of("ann"), text_of("i"), weights[i], NAN, 0, NULL, &e),
                    ERR_INVALID);
    STORE_FAILS(store_put_interaction(f.conn, text_of("ann"), text_of("i"), 1, (double)INFINITY, 0, NULL, &e),
                ERR_INVALID);
    STORE_OK(store_put_interaction(f.conn, text_of("ann"), text_of("i"), 5e-324, -1e308, 0, NULL, &e));
    STORE_OK(store_commit(f.conn, &e));
    ck_assert_double_eq(rating_of("ann"), -1e308);
    ck_assert_double_eq(f.user.interactions[0].weight, 5e-324);
}
END_TEST

START_TEST(test_a_profile_a_count_and_a_newest_time_are_read_by_themselves)
{
    struct buf profile;
    size_t n = 7;
    int64_t at = 7;
    buf_init(&profile, 1 << 20);
    store_fixture_user(f.conn, "ann", "{\"a\":1}");
    STORE_OK(store_count_interactions(f.conn, text_of("ann"), &n, &e));
    STORE_OK(store_newest_time(f.conn, text_of("ann"), &at, &e));
    ck_assert(n == 0 && at == 0);
    put_event("i", 1, NAN, -5);
    STORE_OK(store_newest_time(f.conn, text_of("ann"), &at, &e));
    ck_assert_int_eq(at, -5);
    put_event("j", 1, NAN, 9);
    put_event("k", 1, NAN, 3);
    STORE_OK(store_newest_time(f.conn, text_of("ann"), &at, &e));
    STORE_OK(store_count_interactions(f.conn, text_of("ann"), &n, &e));
    ck_assert(n == 3 && at == 9);
    STORE_OK(store_read_profile(f.conn, text_of("ann"), &profile, &e));
    ck_assert_str_eq(buf_text(&profile), "{\"a\":1}");
    store_fixture_user(f.conn, "ann", NULL);
    STORE_OK(store_read_profile(f.conn, text_of("ann"), &profile, &e));
    ck_assert_uint_eq(profile.len, 0);
    STORE_FAILS(store_read_profile(f.conn, text_of("bob"), &profile, &e), ERR_NOTFOUND);
    STORE_FAILS(store_count_interactions(f.conn, text_of("bob"), &n, &e), ERR_NOTFOUND);
    STORE_FAILS(store_newest_time(f.conn, text_of("bob"), &at, &e), ERR_NOTFOUND);
    buf_fini(&profile);
}
END_TEST

START_TEST(test_what_is_served_is_counted_without_deleted_items)
{
    struct store_counts n;
    store_fixture_user(f.conn, "ann", NULL);
    put_event("i", 1, NAN, 1);
    put_event("j", 1, NAN, 1);
    STORE_WRITE(f.conn, store_delete_item(f.conn, text_of("i"), &e));
    STORE_OK(store_count_served(f.conn, &n, &e));
    ck_assert(n.n_users == 1 && n.n_items == 1 && n.n_interactions == 0 && n.n_contexts == 0);
    store_fixture_assert_counts(f.conn, 1, 2, 2, 0);
}
END_TEST

/* ---- items ---- */

struct seen_items {
    size_t n, stop_at;
    struct store_item last;
    char title[64], categories[64], metadata[64];
};

static void copy_text(char *to, struct text from)
{
    (void)snprintf(to, 64, "%s%.*s", from.data ? "" : "none", (int)from.len, from.data ? from.data : "");
}

static bool see_item(void *arg, const struct store_item *item)
{
    struct seen_items *seen = arg;
    ck_assert_int_gt(item->key, seen->last.key);
    seen->last = *item;
    copy_text(seen->title, item->title);
    copy_text(seen->categories, item->categories);
    copy_text(seen->metadata, item->metadata);
    return ++seen->n != seen->stop_at;
}

static struct seen_items items_since(int64_t since, size_t stop_at)
{
    struct seen_items seen = {.stop_at = stop_at};
    STORE_OK(store_each_item(f.conn, since, see_item, &seen, &e));
    return seen;
}

START_TEST(test_an_item_put_again_is_replaced_and_keeps_its_key)
{
    struct store_item item = {.id = text_of("i"),
                              .title = text_of("T"),
                              .categories = text_of("[\"a\"]"),
                              .metadata = text_of("{}")};
    bool created = false;
    STORE_WRITE(f.conn, store_put_item(f.conn, &item, &created, &e));
    ck_assert(created);
    struct seen_items before = items_since(0, 0);
    ck_assert_str_eq(before.title, "T");
    ck_assert_str_eq(before.categories, "[\"a\"]");
    ck_assert_str_eq(before.metadata, "{}");
    item = (struct store_item){.id = text_of("i"), .title = text_of("")};
    STORE_WRITE(f.conn, store_put_item(f.conn, &item, &created, &e));
    ck_assert(!created);
    struct seen_items after = items_since(0, 0);
    ck_assert_uint_eq(after.n, 1);
    ck_assert_int_eq(after.last.key, before.last.key);
    ck_assert_int_gt(after.last.revision, before.last.revision);
    ck_assert_str_eq(after.title, ""); /* empty is not absent */
    ck_assert_str_eq(after.categories, "none");
    ck_assert_str_eq(after.metadata, "none");
}
END_TEST

START_TEST(test_items_come_by_key_and_since_a_revision_and_stop_early)
{
    for (int i = 0; i < 5; i++)
        store_fixture_item(f.conn, (const char *const[]){"e", "d", "c", "b", "a"}[i], NULL);
    struct seen_items all = items_since(0, 0);
    ck_assert_uint_eq(all.n, 5);
    ck_assert_uint_eq(items_since(0, 2).n, 2);
    ck_assert_uint_eq(items_since(all.last.revision, 0).n, 0);
    store_fixture_item(f.conn, "c", "new");
    struct seen_items changed = items_since(all.last.revision, 0);
    ck_assert_uint_eq(changed.n, 1);
    ck_assert_str_eq(changed.title, "new");
    ck_assert_uint_eq(items_since(0, 0).n, 5); /* as often as asked, after an early stop too */
}
END_TEST

START_TEST(test_an_event_on_a_known_item_leaves_the_item_alone)
{
    store_fixture_item(f.conn, "i", "title");
    int64_t revision = items_since(0, 0).last.revision;
    store_fixture_user(f.conn, "ann", NULL);
    put_event("i", 1, NAN, 1);
    struct seen_items seen = items_since(0, 0);
    ck_assert_str_eq(seen.title, "title");
    ck_assert_int_eq(seen.last.revision, revision);
}
END_TEST

/* ---- all users, all interactions ---- */

struct seen_rows {
    size_t n, stop_at;
    int64_t last_user, last_time;
    int64_t users[8];
};

static bool see_user(void *arg, int64_t key, struct text id, struct text profile, int64_t revision)
{
    struct seen_rows *seen = arg;
    ck_assert_int_gt(key, seen->last_user);
    ck_assert_int_gt(revision, 0);
    ck_assert_uint_eq(id.len, 1);
    ck_assert_int_eq(profile.data == NULL, id.data[0] == 'a');
    seen->last_user = key;
    seen->users[seen->n] = key;
    return ++seen->n != seen->stop_at;
}

static bool see_interaction(void *arg, int64_t key, const struct store_interaction *x)
{
    struct seen_rows *seen = arg;
    ck_assert_int_ge(key, seen->last_user);
    if (key == seen->last_user)
        ck_assert_int_ge(x->timestamp, seen->last_time);
    seen->last_user = key;
    seen->last_time = x->timestamp;
    return ++seen->n != seen->stop_at;
}

START_TEST(test_all_users_and_interactions_come_in_order_and_stop_early)
{
    const char *const ids[] = {"c", "a", "b"};
    for (int i = 0; i < 3; i++) {
        store_fixture_user(f.conn, ids[i], i == 1 ? NULL : "{}");
        for (int k = 0; k < 5; k++)
            store_fixture_event(f.conn, ids[i], (const char *const[]){"p", "q", "r", "s", "t"}[k], 1,
                                (k * 7 + i) % 5);
    }
    struct seen_rows users = {0}, rows = {0}, some_users = {.stop_at = 1};
    STORE_OK(store_each_user(f.conn, see_user, &users, &e));
    STORE_OK(store_each_user(f.conn, see_user, &some_users, &e));
    STORE_OK(store_each_interaction(f.conn, see_interaction, &rows, &e));
    ck_assert_uint_eq(users.n, 3);
    ck_assert_uint_eq(some_users.n, 1);
    ck_assert_uint_eq(rows.n, 15);
    ck_assert_int_eq(rows.last_user, users.users[2]);
    for (size_t stop_at = 1; stop_at <= 15; stop_at++) {
        struct seen_rows some = {.stop_at = stop_at};
        STORE_OK(store_each_interaction(f.conn, see_interaction, &some, &e));
        ck_assert_uint_eq(some.n, stop_at);
    }
}
END_TEST

STORE_SUITE("store records", start, stop, {test_a_registered_user_reads_back},
            {test_a_user_put_again_gets_the_new_profile_and_a_higher_revision},
            {test_a_record_read_twice_holds_nothing_of_the_first_user},
            {test_clearing_a_user_drops_events_and_contexts_alone},
            {test_touching_raises_the_revision_and_needs_the_user}, {test_a_deleted_user_leaves_no_row},
            {test_of_two_events_on_one_item_the_newest_timestamp_wins},
            {test_events_come_by_timestamp_then_arrival}, {test_an_event_needs_its_user_and_makes_its_item},
            {test_weights_and_ratings_that_mean_nothing_are_refused},
            {test_a_profile_a_count_and_a_newest_time_are_read_by_themselves},
            {test_what_is_served_is_counted_without_deleted_items},
            {test_an_item_put_again_is_replaced_and_keeps_its_key},
            {test_items_come_by_key_and_since_a_revision_and_stop_early},
            {test_an_event_on_a_known_item_leaves_the_item_alone},
            {test_all_users_and_interactions_come_in_order_and_stop_early})
