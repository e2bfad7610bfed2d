/* Loads beside others who write. Whatever is written while a load is staged, the store must hold what
 * these writes and then the load would have left; a load that ends in between leaves nothing. Risks: users
 * who changed, left or came meanwhile. */
#include "base/mem.h"
#include "tests/support/load_fixture.h"
#include "tests/support/store_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N_SEEDS = 8 };

static struct store_fixture f, twin;
static struct store_conn *others; /* another connection to the store of f */

static void start(void)
{
    store_fixture_start(&f);
    store_fixture_start(&twin);
    STORE_OK(store_connect(f.store, &others, &e));
}

static void stop(void)
{
    store_disconnect(others);
    store_fixture_stop(&f);
    store_fixture_stop(&twin);
}

/* Rows of a user and item that a row before names. */
static int64_t count_repeated(const struct load_fixture_row *rows, size_t n)
{
    int64_t found = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(rows[i].user, rows[j].user) == 0 && strcmp(rows[i].item, rows[j].item) == 0) {
                found++;
                break;
            }
    return found;
}

static bool find_item(void *arg, const struct store_item *item)
{
    if (item->id.len == 2 && memcmp(item->id.data, "i1", 2) == 0)
        *(int64_t *)arg = item->key;
    return true;
}

START_TEST(test_rows_that_come_together_are_counted_apart_from_those_that_were_there)
{
    enum { N_ROWS = 200 };
    struct load_fixture_row rows[N_ROWS];
    struct rng r;
    rng_init(&r, 84, 0);
    for (size_t i = 0; i < N_ROWS; i++)
        rows[i] = load_fixture_random(&r);
    for (int again = 0; again < 2; again++) {
        struct store_load *l;
        struct store_bulk *b;
        struct store_bulk_counts counts;
        struct store_item item = {.id = text_of(rows[0].item)};
        int64_t n_older;
        STORE_OK(store_load_new(f.conn, _i ? 1 : 1000, &l, &e));
        for (size_t i = 0; i < N_ROWS; i++)
            STORE_OK(store_load_interaction(l, text_of(rows[i].user), text_of(rows[i].item), 1, 1, 0, &e));
        STORE_OK(store_load_stage(l, &e));
        ck_assert_int_eq(store_load_is_staged(l), _i);
        STORE_OK(store_begin(f.conn, &e));
        STORE_OK(store_bulk_begin(f.conn, &b, &e));
        STORE_OK(store_load_apply(l, b, &n_older, &e));
        ck_assert_int_eq(store_load_repeated(l), count_repeated(rows, N_ROWS));
        for (int i = 0; i < 3; i++) {
            STORE_OK(store_bulk_item(b, &item, &e));
            STORE_OK(store_bulk_user(b, text_of(rows[0].user), text_of("{}"), &e));
        }
        store_bulk_count(b, &counts);
        ck_assert_int_eq(counts.n_known_items, again);
        ck_assert_int_eq(counts.n_known_users, again);
        ck_assert_int_eq(counts.n_repeated_items, 2);
        ck_assert_int_eq(counts.n_repeated_users, 2);
        STORE_OK(store_bulk_end(b, NULL, &e));
        STORE_OK(store_commit(f.conn, &e));
        store_load_free(l);
    }
}
END_TEST

/* Older than what the store has, or than a row before; and of a user whom others change meanwhile, so that
 * his rows are merged twice. */
START_TEST(test_rows_that_are_older_than_what_is_there_are_counted_once)
{
    static const struct load_fixture_row rows[] = {{"ann", "a", 1, NAN, 50},
                                                   {"ann", "b", 1, NAN, 100},
                                                   {"ann", "c", 1, NAN, 9},
                                                   {"ann", "c", 1, NAN, 8},
                                                   {"bob", "a", 1, NAN, 7}};
    enum { N_ROWS = sizeof rows / sizeof *rows };
    struct store_load *l;
    struct store_bulk *b;
    int64_t n_staged, n_others, n;
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_event(f.conn, "ann", "a", 1, 100);
    store_fixture_event(f.conn, "ann", "b", 1, 100);
    STORE_OK(store_load_new(f.conn, _i ? 1 : 1000, &l, &e));
    for (size_t i = 0; i < N_ROWS; i++)
        STORE_OK(store_load_interaction(l, text_of(rows[i].user), text_of(rows[i].item), 1, NAN,
                                        rows[i].timestamp, &e));
    STORE_OK(store_load_stage(l, &e));
    ck_assert_int_eq(store_load_is_staged(l), _i);
    store_fixture_event(others, "ann", "d", 1, 1);
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &b, &e));
    STORE_OK(store_load_apply(l, b, &n_staged, &e));
    n = store_load_repeated(l);
    STORE_OK(store_bulk_end(b, &n_others, &e));
    STORE_OK(store_commit(f.conn, &e));
    store_load_free(l);
    ck_assert_int_eq(n_staged, _i ? 2 : 0);
    ck_assert_int_eq(n_others, _i ? 0 : 2);
    ck_assert_int_eq(n, 1);
    store_fixture_assert_counts(f.conn, 2, 4, 5, 0);
}
END_TEST

START_TEST(test_a_staged_load_leaves_what_a_bulk_load_leaves)
{
    struct load_fixture_row rows[200];
    struct rng r, same;
    rng_init(&r, 81, (uint64_t)_i);
    rng_init(&same, 81, (uint64_t)_i);
    for (int round = 0; round < 3; round++) { /* the second meets what the first left */
        for (int i = 0; i < 20; i++) {
            load_fixture_write(f.conn, &r);
            load_fixture_write(twin.conn, &same);
        }
        for (size_t i = 0; i < 200; i++) {
            rows[i] = load_fixture_random(&r);
            (void)load_fixture_random(&same);
        }
        load_fixture_load(f.conn, rows, 200);
        load_fixture_bulk(twin.conn, rows, 200);
        load_fixture_assert_same(f.conn, twin.conn);
    }
}
END_TEST

START_TEST(test_what_others_wrote_meanwhile_is_there_as_if_it_came_first)
{
    struct load_fixture_row rows[60];
    struct rng r, same;
    int64_t key = 0;
    rng_init(&r, 82, (uint64_t)_i);
    rng_init(&same, 82, (uint64_t)_i);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 60; i++) {
            rows[i] = load_fixture_random(&r);
            (void)load_fixture_random(&same);
        }
        struct store_load *l = load_fixture_stage(f.conn, rows, 60);
        for (int i = 0; i < 25; i++) {
            load_fixture_write(others, &r);
            load_fixture_write(twin.conn, &same);
        }
        STORE_OK(store_each_item(others, 0, find_item, &key, &e));
        if (key)
            STORE_OK(store_follow_items(others, &key, 1, &e));
        load_fixture_apply(f.conn, l);
        STORE_OK(store_commit(f.conn, &e));
        store_load_free(l);
        load_fixture_bulk(twin.conn, rows, 60);
        load_fixture_assert_same(f.conn, twin.conn);
        load_fixture_assert_same(others,
                                 twin.conn); /* whose statements are of before the tables changed places */
        load_fixture_write(others, &r);
        load_fixture_write(twin.conn, &same);
        load_fixture_assert_same(f.conn, twin.conn);
    }
}
END_TEST

START_TEST(test_who_was_deleted_meanwhile_leaves_no_rows_though_the_load_does_not_name_him)
{
    struct load_fixture_row rows[1] = {{"ann", "a", 1, NAN, 1}};
    store_fixture_user(f.conn, "zed", "{}");
    store_fixture_event(f.conn, "zed", "z", 1, 0);
    store_fixture_user(f.conn, "ann", "{}");
    struct store_load *l = load_fixture_stage(f.conn, rows, 1);
    store_fixture_delete(others, "zed");
    load_fixture_apply(f.conn, l);
    STORE_OK(store_commit(f.conn, &e));
    store_load_free(l);
    store_fixture_assert_counts(f.conn, 1, 2, 1, 0);
}
END_TEST

START_TEST(test_nothing_of_a_load_is_seen_before_its_end_and_all_of_it_after)
{
    struct load_fixture_row rows[3] = {
        {"ann", "a", 1, NAN, 1}, {"new", "b", 1, NAN, 2}, {"ann", "b", 1, NAN, 3}};
    int64_t revision = store_fixture_user(f.conn, "ann", "{}"), change;
    store_fixture_event(f.conn, "ann", "a", 1, 0);
    char *before = store_fixture_dump(others);
    struct store_load *l = load_fixture_stage(f.conn, rows, 3);
    char *staged = store_fixture_dump(others);
    load_fixture_apply(f.conn, l);
    char *applied = store_fixture_dump(others);
    ck_assert_str_eq(before, staged);
    ck_assert_str_eq(before, applied);
    STORE_OK(store_commit(f.conn, &e));
    store_load_free(l);
    store_fixture_assert_counts(others, 2, 2, 3, 0);
    STORE_OK(store_last_change(others, &change, &e));
    struct store_user u = {0};
    STORE_OK(store_read_user(others, text_of("ann"), NULL, &u, &e));
    ck_assert_int_eq(u.revision, change);
    ck_assert_int_gt(change, revision);
    store_user_fini(&u);
    mem_free(before);
    mem_free(staged);
    mem_free(applied);
}
END_TEST

START_TEST(test_who_was_deleted_meanwhile_stays_deleted)
{
    struct load_fixture_row rows[4] = {
        {"ann", "a", 1, NAN, 1}, {"bob", "b", 1, NAN, 2}, {"carl", "b", 1, NAN, 3}, {"bob", "c", 1, NAN, 4}};
    store_fixture_user(f.conn, "ann", "{}");
    store_fixture_event(f.conn, "ann", "a", 1, 0);
    store_fixture_user(f.conn, "bob", "{}");
    struct store_load *l = load_fixture_stage(f.conn, rows, 4);
    store_fixture_delete(others, "bob"); /* who had the highest key: the next one gets it */
    store_fixture_user(others, "dora", "{}");
    store_fixture_event(others, "dora", "d", 1, 5);
    load_fixture_apply(f.conn, l);
    STORE_OK(store_commit(f.conn, &e));
    store_load_free(l);
    store_fixture_assert_counts(f.conn, 3, 4, 3, 0);
    ck_assert(!load_fixture_exists(f.conn, "bob"));
    store_fixture_read(&f, "dora");
    ck_assert_uint_eq(f.user.n_interactions, 1);
    store_fixture_read(&f, "carl");
    ck_assert_uint_eq(f.user.n_interactions, 1);
}
END_TEST

START_TEST(test_a_load_that_is_given_up_leaves_nothing)
{
    struct load_fixture_row rows[2] = {{"ann", "a", 1, NAN, 1}, {"new", "b", 1, NAN, 2}};
    store_fixture_user(f.conn, "ann", "{}");
    char *before = store_fixture_dump(f.conn);
    store_load_free(NULL);
    store_load_free(load_fixture_stage(f.conn, rows, 2));
    struct store_load *l = load_fixture_stage(f.conn, rows, 2);
    load_fixture_apply(f.conn, l);
    store_rollback(f.conn);
    store_load_free(l);
    char *after = store_fixture_dump(f.conn);
    ck_assert_str_eq(before, after);
    mem_free(before);
    mem_free(after);
}
END_TEST

/* ---- new users and items ---- */

static void load_new(struct store_load *l, const char *user, const char *profile, const char *item)
{
    const struct store_item x = {.id = text_of(item),
                                 .title = text_of("T"),
                                 .categories = text_of("[\"c\"]"),
                                 .metadata = text_of("{\"price\":1}")};
    STORE_OK(store_load_new_user(l, text_of(user), text_of(profile), &e));
    STORE_OK(store_load_new_item(l, &x, &e));
}

/* A load of two users and items, of which interactions name one each, staged. */
static struct store_load *stage_new(struct store_conn *c, size_t stage_from)
{
    struct store_load *l;
    STORE_OK(store_load_new(c, stage_from, &l, &e));
    STORE_OK(store_load_interaction(l, text_of("new"), text_of("newest"), 1, NAN, 1, &e));
    STORE_OK(store_load_interaction(l, text_of("ann"), text_of("named"), 1, NAN, 1, &e));
    load_new(l, "new", "{\"a\":1}", "newer");
    load_new(l, "bea", NULL, "newest");
    STORE_OK(store_load_stage(l, &e));
    return l;
}

static bool take_profile(void *arg, int64_t key, struct text id, struct text profile, int64_t revision)
{
    (void)key;
    (void)revision;
    if (id.len == 3 && memcmp(id.data, "new", 3) == 0)
        (void)snprintf(arg, 16, "%.*s", (int)profile.len, profile.data);
    return true;
}

static bool assert_complete(void *arg, const struct store_item *item)
{
    ck_assert_uint_eq(item->title.len, 1);
    ck_assert_uint_eq(item->categories.len, 5);
    ck_assert_uint_eq(item->metadata.len, 11);
    *(int64_t *)arg = item->revision;
    return true;
}

START_TEST(test_new_users_and_items_are_there_when_the_load_is)
{
    int64_t change, revision = 0;
    char profile[16] = "";
    store_fixture_user(f.conn, "ann", "{}");
    char *before = store_fixture_dump(others);
    struct store_load *l = stage_new(f.conn, _i ? 1 : 1000);
    ck_assert_int_eq(store_load_is_staged(l), _i);
    char *staged = store_fixture_dump(others);
    store_fixture_assert_counts(others, 1, 0, 0, 0);
    load_fixture_apply(f.conn, l);
    char *applied = store_fixture_dump(others);
    STORE_OK(store_commit(f.conn, &e));
    for (int swept = 0; swept < 2; swept++) { /* as soon as it is committed, and when it is over */
        store_fixture_assert_counts(others, 3, 3, 2, 0);
        STORE_OK(store_last_change(others, &change, &e));
        STORE_OK(store_each_user(others, take_profile, profile, &e));
        ck_assert_str_eq(profile, "{\"a\":1}");
        STORE_OK(store_read_item(others, text_of("newer"), assert_complete, &revision, &e));
        ck_assert_int_eq(revision, change);
        struct store_user u = {0};
        STORE_OK(store_read_user(others, text_of("new"), NULL, &u, &e));
        ck_assert_int_eq(u.revision, change);
        ck_assert_uint_eq(u.n_interactions, 1);
        store_user_fini(&u);
        if (!swept)
            store_load_free(l);
    }
    ck_assert_str_eq(before, staged);
    ck_assert_str_eq(before, applied);
    mem_free(before);
    mem_free(staged);
    mem_free(applied);
}
END_TEST

START_TEST(test_new_users_and_items_of_a_load_that_is_given_up_were_never_there)
{
    store_fixture_user(f.conn, "ann", "{}");
    char *before = store_fixture_dump(f.conn);
    store_load_free(stage_new(f.conn, _i ? 1 : 1000));
    struct store_load *l = stage_new(f.conn, _i ? 1 : 1000);
    load_fixture_apply(f.conn, l);
    store_rollback(f.conn);
    store_load_free(l);
    char *after = store_fixture_dump(f.conn);
    ck_assert_str_eq(before, after);
    store_fixture_event(f.conn, "ann", "newest", 1, 0); /* whose id is free */
    store_fixture_user(f.conn, "new", NULL);
    store_fixture_assert_counts(f.conn, 2, 1, 1, 0);
    mem_free(before);
    mem_free(after);
}
END_TEST

static bool note_change(void *arg, const struct store_change *change)
{
    if (change->kind == STORE_CHANGE_USER && change->id.len == 3 && memcmp(change->id.data, "new", 3) == 0)
        ++*(int *)arg;
    return true;
}

START_TEST(test_who_registers_a_new_user_or_item_of_a_load_has_it)
{
    int n = 0;
    int64_t change;
    store_fixture_user(f.conn, "ann", "{}");
    struct store_load *l = stage_new(f.conn, 1);
    STORE_OK(store_last_change(others, &change, &e));
    store_fixture_user(others, "new", "{\"a\":2}");
    store_fixture_item(others, "newer", "U");
    store_fixture_event(others, "new", "newest", 1, 7);
    store_fixture_assert_counts(others, 2, 2, 1, 0);
    STORE_OK(store_changes(others, change, note_change, &n, &e));
    ck_assert_int_gt(n, 0);
    bool kept = _i;
    if (kept)
        load_fixture_apply(f.conn, l);
    if (kept)
        STORE_OK(store_commit(f.conn, &e));
    store_load_free(l);
    store_fixture_assert_counts(others, kept ? 3 : 2, kept ? 3 : 2, kept ? 2 : 1, 0);
    store_fixture_read(&f, "new");
    ck_assert_uint_eq(f.user.n_interactions, 1);
    ck_assert_int_eq(f.user.interactions[0].timestamp, 7);
    ck_assert_uint_eq(f.user.profile.len, 7);
    ck_assert_int_eq(f.user.profile.data[5], '2');
}
END_TEST

/* Of whom the load has a row and interactions: who registers and goes again, or was seen and goes. */
START_TEST(test_who_was_seen_or_written_ahead_and_is_deleted_stays_deleted)
{
    struct store_load *l;
    struct store_bulk *b;
    int64_t n_older;
    bool staged = _i & 1, new = _i & 2;
    if (!new)
        store_fixture_user(f.conn, "ann", "{}");
    STORE_OK(store_load_new(f.conn, staged ? 1 : 1000, &l, &e));
    STORE_OK(store_load_interaction(l, text_of("ann"), text_of("a"), 1, NAN, 1, &e));
    STORE_OK(store_load_interaction(l, text_of("bob"), text_of("a"), 1, NAN, 1, &e));
    if (new)
        STORE_OK(store_load_new_user(l, text_of("ann"), text_of("{\"a\":1}"), &e));
    else
        STORE_OK(store_load_seen_user(l, text_of("ann"), &e));
    if (!new)
        store_fixture_delete(others, "ann"); /* before her interactions are looked at */
    STORE_OK(store_load_stage(l, &e));
    if (new) {
        store_fixture_user(others, "ann", "{}");
        store_fixture_delete(others, "ann");
    }
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &b, &e));
    if (staged)
        STORE_OK(store_load_apply(l, b, &n_older, &e));
    STORE_OK(store_bulk_seen_user(b, text_of("ann"), text_of("{\"a\":2}"), &e));
    if (!staged)
        STORE_OK(store_load_apply(l, b, &n_older, &e));
    STORE_OK(store_bulk_user(b, text_of("ann"), text_of("{\"a\":2}"), &e)); /* gone for all of the load */
    STORE_OK(store_bulk_end(b, NULL, &e));
    STORE_OK(store_commit(f.conn, &e));
    store_load_free(l);
    ck_assert(!load_fixture_exists(others, "ann"));
    store_fixture_assert_counts(others, 1, 1, 1, 0);
}
END_TEST

START_TEST(test_few_rows_are_not_staged_and_give_the_same)
{
    struct load_fixture_row rows[2] = {{"ann", "a", 1, NAN, 1}, {"new", "b", 1, NAN, 2}};
    struct store_load *l;
    STORE_OK(store_load_new(f.conn, 3, &l, &e));
    for (size_t i = 0; i < 2; i++)
        STORE_OK(store_load_interaction(l, text_of(rows[i].user), text_of(rows[i].item), 1, NAN,
                                        rows[i].timestamp, &e));
    STORE_FAILS(store_load_interaction(l, text_of("ann"), text_of(""), 1, NAN, 0, &e), ERR_INVALID);
    STORE_OK(store_load_stage(l, &e));
    ck_assert(!store_load_is_staged(l));
    load_fixture_apply(f.conn, l);
    STORE_OK(store_commit(f.conn, &e));
    store_load_free(l);
    load_fixture_bulk(twin.conn, rows, 2);
    load_fixture_assert_same(f.conn, twin.conn);
}
END_TEST

STORE_SUITE("store load", start, stop,
            {test_rows_that_come_together_are_counted_apart_from_those_that_were_there, 2},
            {test_rows_that_are_older_than_what_is_there_are_counted_once, 2},
            {test_a_staged_load_leaves_what_a_bulk_load_leaves, N_SEEDS},
            {test_what_others_wrote_meanwhile_is_there_as_if_it_came_first, N_SEEDS},
            {test_who_was_deleted_meanwhile_leaves_no_rows_though_the_load_does_not_name_him},
            {test_nothing_of_a_load_is_seen_before_its_end_and_all_of_it_after},
            {test_who_was_deleted_meanwhile_stays_deleted}, {test_a_load_that_is_given_up_leaves_nothing},
            {test_new_users_and_items_are_there_when_the_load_is, 2},
            {test_new_users_and_items_of_a_load_that_is_given_up_were_never_there, 2},
            {test_who_registers_a_new_user_or_item_of_a_load_has_it, 2},
            {test_who_was_seen_or_written_ahead_and_is_deleted_stays_deleted, 4},
            {test_few_rows_are_not_staged_and_give_the_same})
