/* Kinds of events in the store, as each backend keeps them: what one event makes of another of the same user
 * and item, what a kind says, ids of events, and users who become one. Risk: a view that takes the place of a
 * purchase; an event that is counted twice; a weight of before that answers. */
#include "base/limits.h"
#include "tests/support/item_fixture.h"
#include "tests/support/store_fixture.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

STORE_FIXTURE(f)

enum { INTERACTION, VIEW, LIKE, PURCHASE, DISLIKE, SHOWN }; /* of a new store */

static enum store_put put(const char *user, const char *item, struct store_event x)
{
    enum store_put became = STORE_PUT_NEW;
    int64_t revision;
    x.weight = x.weight > 0 ? x.weight : 1;
    x.rating = (double)NAN;
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_touch_user(f.conn, text_of(user), &revision, &e));
    STORE_OK(store_put_event(f.conn, text_of(user), text_of(item), &x, &became, &e));
    STORE_OK(store_commit(f.conn, &e));
    return became;
}

/* What a user has, a line of "kind*weight(effect) count first-last" each. */
static const char *history(const char *user)
{
    static char text[1024];
    int n = 0;
    text[0] = 0;
    store_fixture_read(&f, user);
    for (size_t i = 0; i < f.user.n_interactions; i++) {
        const struct store_interaction *x = &f.user.interactions[i];
        n += snprintf(text + n, sizeof text - (size_t)n, "%d*%g(%g%s) %d %lld-%lld; ", (int)x->kind,
                      x->weight, store_interaction_effect(x), x->unseen ? " unseen" : "", (int)x->count,
                      (long long)(x->first ? x->first : x->timestamp), (long long)x->timestamp);
    }
    return text;
}

static bool change_kind(const char *name, double weight, bool negative, bool unseen, int64_t ttl)
{
    bool changed;
    const struct store_kind kind = {0, text_of(name), weight, negative, unseen, ttl};
    STORE_WRITE(f.conn, store_put_kind(f.conn, &kind, &changed, &e));
    return changed;
}

/* ---- rows ---- */

START_TEST(test_a_view_takes_no_purchase_away)
{
    store_fixture_user(f.conn, "ann", NULL);
    ck_assert_int_eq(put("ann", "i", (struct store_event){.kind = PURCHASE, .timestamp = 10}), STORE_PUT_NEW);
    ck_assert_int_eq(put("ann", "i", (struct store_event){.kind = VIEW, .timestamp = 20}), STORE_PUT_NEW);
    ck_assert_str_eq(history("ann"), "3*1(1) 1 10-10; 1*1(0.2) 1 20-20; ");
    store_fixture_assert_counts(f.conn, 1, 1, 2, 0);
}
END_TEST

START_TEST(test_events_of_one_kind_are_counted_and_the_newest_says_its_weight)
{
    store_fixture_user(f.conn, "ann", NULL);
    put("ann", "i", (struct store_event){.kind = VIEW, .weight = 2, .timestamp = 20});
    ck_assert_int_eq(put("ann", "i", (struct store_event){.kind = VIEW, .weight = 3, .timestamp = 30}),
                     STORE_PUT_REPLACED);
    ck_assert_int_eq(put("ann", "i", (struct store_event){.kind = VIEW, .weight = 9, .timestamp = 10}),
                     STORE_PUT_OLDER);
    ck_assert_str_eq(history("ann"), "1*3(0.2) 3 10-30; ");
    put("ann", "i", (struct store_event){.kind = VIEW, .timestamp = 40, .first = 5, .count = 4});
    ck_assert_str_eq(history("ann"), "1*1(0.2) 7 5-40; ");
    put("ann", "i", (struct store_event){.kind = VIEW, .timestamp = 0}); /* nobody knows when */
    ck_assert_str_eq(history("ann"), "1*1(0.2) 8 5-40; ");
    put("ann", "i", (struct store_event){.kind = VIEW, .timestamp = 40, .count = LIMIT_EVENT_COUNT});
    ck_assert_int_eq(f.user.interactions[0].count, 8);
    history("ann");
    ck_assert_int_eq(f.user.interactions[0].count, LIMIT_EVENT_COUNT);
}
END_TEST

START_TEST(test_an_event_without_a_kind_is_as_it_always_was)
{
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_event(f.conn, "ann", "i", 2, 5);
    store_fixture_event(f.conn, "ann", "i", 4, 7);
    ck_assert_str_eq(history("ann"), "0*4(1) 2 5-7; ");
    ck_assert_int_eq(put("ann", "j", (struct store_event){.timestamp = 6}), STORE_PUT_NEW);
    ck_assert_str_eq(history("ann"), "0*1(1) 1 6-6; 0*4(1) 2 5-7; ");
}
END_TEST

START_TEST(test_events_that_cannot_be_are_refused)
{
    const struct store_event bad[] = {
        {.kind = -1, .weight = 1},  {.kind = LIMIT_KINDS, .weight = 1},        {.kind = 40, .weight = 1},
        {.weight = 1, .count = -1}, {.weight = 1, .timestamp = 5, .first = 6}, {.weight = 1, .id = {"", 0}},
        {.weight = (double)NAN}};
    store_fixture_user(f.conn, "ann", NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err none = {0};
        ck_assert_int_eq(store_begin(f.conn, &none), ERR_OK);
        STORE_FAILS(store_put_event(f.conn, text_of("ann"), text_of("i"), &bad[i], NULL, &e), ERR_INVALID);
        store_rollback(f.conn);
    }
    store_fixture_assert_counts(f.conn, 1, 0, 0, 0);
}
END_TEST

/* ---- ids ---- */

START_TEST(test_an_event_with_an_id_is_counted_once_for_a_user)
{
    const struct store_event x = {.kind = PURCHASE, .timestamp = 10, .id = {"order-1", 7}};
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_user(f.conn, "bob", NULL);
    ck_assert_int_eq(put("ann", "i", x), STORE_PUT_NEW);
    ck_assert_int_eq(put("ann", "i", x), STORE_PUT_REPEATED);
    ck_assert_int_eq(put("ann", "j", x), STORE_PUT_REPEATED); /* whatever else it says */
    ck_assert_int_eq(put("bob", "i", x), STORE_PUT_NEW);
    ck_assert_str_eq(history("ann"), "3*1(1) 1 10-10; ");
    store_fixture_reopen(&f);
    ck_assert_int_eq(put("ann", "i", x), STORE_PUT_REPEATED);
    STORE_WRITE(f.conn, store_clear_user(f.conn, text_of("ann"), STORE_CLEAR_INTERACTIONS, &e));
    ck_assert_int_eq(put("ann", "i", x), STORE_PUT_NEW);
    store_fixture_delete(f.conn, "bob");
    store_fixture_user(f.conn, "bob", NULL);
    ck_assert_int_eq(put("bob", "i", x), STORE_PUT_NEW);
}
END_TEST

/* ---- kinds ---- */

static bool name_kind(void *arg, const struct store_kind *kind)
{
    struct buf *out = arg;
    buf_addf(out, "%lld %.*s %g%s%s %lld; ", (long long)kind->number, (int)kind->name.len, kind->name.data,
             kind->weight, kind->negative ? " negative" : "", kind->unseen ? " unseen" : "",
             (long long)kind->ttl);
    return true;
}

static void assert_kinds(const char *wanted)
{
    struct buf out;
    buf_init(&out, 4096);
    STORE_OK(store_each_kind(f.conn, name_kind, &out, &e));
    ck_assert_str_eq(buf_text(&out), wanted);
    buf_fini(&out);
}

START_TEST(test_a_new_store_has_kinds_and_gets_more)
{
    int32_t number = -1;
    assert_kinds("0 interaction 1 0; 1 view 0.2 0; 2 like 1 0; 3 purchase 1 0; 4 dislike 1 negative 0; "
                 "5 shown 0 unseen 0; ");
    ck_assert(change_kind("cart", 0.5, false, true, 3600));
    ck_assert(!change_kind("cart", 0.5, false, true, 3600));
    ck_assert(change_kind("view", 0.1, false, false, 0));
    assert_kinds("0 interaction 1 0; 1 view 0.1 0; 2 like 1 0; 3 purchase 1 0; 4 dislike 1 negative 0; "
                 "5 shown 0 unseen 0; 6 cart 0.5 unseen 3600; ");
    STORE_OK(store_find_kind(f.conn, text_of("cart"), &number, &e));
    ck_assert_int_eq(number, 6);
    STORE_FAILS(store_find_kind(f.conn, text_of("carts"), &number, &e), ERR_NOTFOUND);
    struct err e = {0};
    (void)!store_find_kind(f.conn, text_of("carts"), &number, &e);
    ck_assert_ptr_nonnull(strstr(e.text, "known: interaction, view, like, purchase, dislike, shown, cart"));
}
END_TEST

START_TEST(test_kinds_that_cannot_be_are_refused)
{
    const struct store_kind bad[] = {
        {.name = {"", 0}, .weight = 1},       {.name = {"Two Words", 9}, .weight = 1},
        {.name = {"cart", 4}, .weight = -1},  {.name = {"cart", 4}, .weight = (double)INFINITY},
        {.name = {"cart", 4}, .weight = 1e9}, {.name = {"cart", 4}, .weight = 1, .ttl = -1}};
    bool changed;
    STORE_OK(store_begin(f.conn, &e));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        STORE_FAILS(store_put_kind(f.conn, &bad[i], &changed, &e), ERR_INVALID);
    const struct store_kind none = {.name = {"interaction", 11}, .weight = 2};
    STORE_FAILS(store_put_kind(f.conn, &none, &changed, &e), ERR_CONFLICT);
    for (int i = 6; i < LIMIT_KINDS; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "kind-%d", i);
        const struct store_kind more = {.name = text_of(name), .weight = 1};
        STORE_OK(store_put_kind(f.conn, &more, &changed, &e));
    }
    const struct store_kind last = {.name = {"last", 4}, .weight = 1};
    STORE_FAILS(store_put_kind(f.conn, &last, &changed, &e), ERR_LIMIT);
    store_rollback(f.conn);
}
END_TEST

START_TEST(test_who_has_a_kind_that_changes_is_another_one_and_nobody_else_is)
{
    int64_t bob = store_fixture_user(f.conn, "bob", NULL), before, after;
    store_fixture_user(f.conn, "ann", NULL);
    put("ann", "i", (struct store_event){.kind = VIEW, .timestamp = 1});
    bob = store_fixture_event(f.conn, "bob", "i", 1, 1);
    store_fixture_encoded(&f, "ann", "abcd");
    ck_assert(store_fixture_finds_context(&f, "ann"));
    STORE_OK(store_last_change(f.conn, &before, &e));
    change_kind("view", 0.7, true, false, 0);
    STORE_OK(store_last_change(f.conn, &after, &e));
    ck_assert_int_eq(after, before + 1);
    ck_assert(!store_fixture_finds_context(&f, "ann"));
    ck_assert_str_eq(history("ann"), "1*1(-0.7) 1 1-1; ");
    ck_assert_int_eq(f.user.revision, after);
    store_fixture_read(&f, "bob");
    ck_assert_int_eq(f.user.revision, bob);
    change_kind("view", 0.7, true, false, 5); /* how long it is kept says nothing of anybody */
    STORE_OK(store_last_change(f.conn, &before, &e));
    ck_assert_int_eq(after, before);
}
END_TEST

START_TEST(test_what_only_was_shown_is_not_among_the_items_that_a_user_has)
{
    int64_t i, j;
    store_fixture_user(f.conn, "ann", NULL);
    put("ann", "i", (struct store_event){.kind = VIEW, .timestamp = 1});
    put("ann", "i", (struct store_event){.kind = PURCHASE, .timestamp = 2});
    put("ann", "i", (struct store_event){.kind = SHOWN, .timestamp = 3});
    put("ann", "s", (struct store_event){.kind = SHOWN, .timestamp = 4});
    put("ann", "j", (struct store_event){.kind = LIKE, .timestamp = 5});
    store_fixture_encoded(&f, "ann", "abcd");
    ck_assert(store_fixture_finds_context(&f, "ann"));
    STORE_OK(store_item_key_of(f.conn, text_of("i"), &i, &e));
    STORE_OK(store_item_key_of(f.conn, text_of("j"), &j, &e));
    ck_assert_uint_eq(f.context.n_items, 2);
    ck_assert_int_eq(f.context.items[0], i);
    ck_assert_int_eq(f.context.items[1], j);
}
END_TEST

/* What was seen and what was taken are two lists then; there is one. */
START_TEST(test_who_dislikes_has_a_context_and_no_list)
{
    store_fixture_user(f.conn, "ann", NULL);
    put("ann", "i", (struct store_event){.kind = PURCHASE, .timestamp = 1});
    put("ann", "j", (struct store_event){.kind = DISLIKE, .timestamp = 2});
    store_fixture_encoded(&f, "ann", "abcd");
    ck_assert(!store_fixture_finds_context(&f, "ann"));
    store_fixture_read(&f, "ann");
    ck_assert_str_eq(buf_text(&f.user.embedding), "abcd");
    ck_assert_int_eq(f.user.embedding_revision, f.user.revision);
}
END_TEST

static bool add_taker(void *arg, const void *embedding, size_t n_bytes, double weight)
{
    buf_addf(arg, "%.*s*%g,", (int)n_bytes, (const char *)embedding, weight);
    return true;
}

START_TEST(test_takers_are_weighed_over_their_kinds_and_who_dislikes_is_none)
{
    struct buf out;
    int64_t key;
    const char *const users[] = {"ann", "bob", "cid", "dan"};
    buf_init(&out, 1024);
    for (size_t i = 0; i < 4; i++)
        store_fixture_user(f.conn, users[i], NULL);
    put("ann", "i", (struct store_event){.kind = PURCHASE, .timestamp = 1});
    put("ann", "i", (struct store_event){.kind = VIEW, .weight = 2, .timestamp = 9});
    put("bob", "i", (struct store_event){.kind = PURCHASE, .timestamp = 2});
    put("bob", "i", (struct store_event){.kind = DISLIKE, .timestamp = 3});
    put("cid", "i", (struct store_event){.kind = SHOWN, .timestamp = 4});
    put("dan", "i", (struct store_event){.timestamp = 5});
    for (size_t i = 0; i < 4; i++) {
        char letter[2] = {(char)('A' + i), 0};
        store_fixture_context(f.conn, &store_fixture_key, users[i], 1, false, letter);
    }
    STORE_OK(store_item_key_of(f.conn, text_of("i"), &key, &e));
    STORE_OK(store_each_taker(f.conn, key, &store_fixture_key, 9, add_taker, &out, &e));
    ck_assert_str_eq(buf_text(&out), "A*1.4,D*1,");
    buf_fini(&out);
}
END_TEST

/* ---- taking away, and users who become one ---- */

START_TEST(test_interactions_are_taken_away_by_item_and_kind)
{
    int64_t n;
    store_fixture_user(f.conn, "ann", NULL);
    put("ann", "i", (struct store_event){.kind = VIEW, .timestamp = 1});
    put("ann", "i", (struct store_event){.kind = PURCHASE, .timestamp = 2});
    put("ann", "j", (struct store_event){.timestamp = 3});
    STORE_WRITE(f.conn, store_remove_interactions(f.conn, text_of("ann"), text_of("i"), VIEW, &n, &e));
    ck_assert_int_eq(n, 1);
    ck_assert_str_eq(history("ann"), "3*1(1) 1 2-2; 0*1(1) 1 3-3; ");
    STORE_WRITE(f.conn, store_remove_interactions(f.conn, text_of("ann"), text_of("i"), -1, &n, &e));
    ck_assert_int_eq(n, 1);
    STORE_WRITE(f.conn, store_remove_interactions(f.conn, text_of("ann"), text_of("none"), -1, &n, &e));
    ck_assert_int_eq(n, 0);
    ck_assert_str_eq(history("ann"), "0*1(1) 1 3-3; ");
    STORE_OK(store_begin(f.conn, &e));
    STORE_FAILS(store_remove_interactions(f.conn, text_of("bob"), text_of("i"), -1, &n, &e), ERR_NOTFOUND);
    store_rollback(f.conn);
}
END_TEST

START_TEST(test_who_gets_the_interactions_of_another_has_what_one_would_have_who_did_all)
{
    const char *const users[] = {"anon", "ann", "both"};
    for (size_t i = 0; i < 3; i++)
        store_fixture_user(f.conn, users[i], NULL);
    for (size_t i = 1; i < 3; i++) { /* she first, then as nobody */
        put(users[i], "i", (struct store_event){.kind = VIEW, .weight = 2, .timestamp = 10, .id = {"1", 1}});
        put(users[i], "j", (struct store_event){.kind = VIEW, .weight = 3, .timestamp = 90});
        put(users[i], "k", (struct store_event){.kind = PURCHASE, .timestamp = 30});
    }
    for (size_t i = 0; i < 3; i += 2) {
        put(users[i], "i", (struct store_event){.kind = VIEW, .weight = 4, .timestamp = 20, .id = {"2", 1}});
        put(users[i], "j", (struct store_event){.kind = VIEW, .weight = 5, .timestamp = 40});
        put(users[i], "k", (struct store_event){.kind = VIEW, .timestamp = 30});
    }
    STORE_WRITE(f.conn, store_add_interactions_of(f.conn, text_of("anon"), text_of("ann"), &e));
    char wanted[1024];
    (void)snprintf(wanted, sizeof wanted, "%s", history("both"));
    ck_assert_str_eq(history("ann"), wanted);
    ck_assert_str_eq(wanted, "1*4(0.2) 2 10-20; 3*1(1) 1 30-30; 1*1(0.2) 1 30-30; 1*3(0.2) 2 40-90; ");
    ck_assert_int_eq(put("ann", "i", (struct store_event){.kind = VIEW, .timestamp = 99, .id = {"2", 1}}),
                     STORE_PUT_REPEATED);
    STORE_OK(store_begin(f.conn, &e));
    STORE_FAILS(store_add_interactions_of(f.conn, text_of("ann"), text_of("ann"), &e), ERR_INVALID);
    STORE_FAILS(store_add_interactions_of(f.conn, text_of("ann"), text_of("none"), &e), ERR_NOTFOUND);
    store_rollback(f.conn);
}
END_TEST

/* ---- old interactions ---- */

START_TEST(test_interactions_go_when_they_are_older_than_their_kind_or_all_are_kept)
{
    struct store_expiry x = {.now = 1000000, .keep = 0};
    int64_t at = 0, n = 0, ann, last;
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_user(f.conn, "bob", NULL);
    put("ann", "i", (struct store_event){.kind = VIEW, .timestamp = 999000});
    put("ann", "j", (struct store_event){.kind = VIEW, .timestamp = 999990});
    put("ann", "k", (struct store_event){.kind = VIEW, .timestamp = 0});
    put("ann", "i", (struct store_event){.kind = PURCHASE, .timestamp = 500});
    ann = store_fixture_event(f.conn, "ann", "l", 1, 2000000); /* of a clock that is ahead */
    int64_t bob = store_fixture_event(f.conn, "bob", "i", 1, 999999);
    STORE_OK(store_expire(f.conn, &x, &at, &n, &e));
    ck_assert_int_eq(n, 0); /* no kind has an end */
    change_kind("view", 0.2, false, false, 100);
    STORE_OK(store_expire(f.conn, &x, &at, &n, &e));
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(at, 0);
    ck_assert_str_eq(
        history("ann"),
        "1*1(0.2) 1 0-0; 3*1(1) 1 500-500; 1*1(0.2) 1 999990-999990; 0*1(1) 1 2000000-2000000; ");
    ck_assert_int_gt(f.user.revision, ann);
    store_fixture_read(&f, "bob");
    ck_assert_int_eq(f.user.revision, bob);
    STORE_OK(store_last_change(f.conn, &last, &e));
    STORE_OK(store_expire(f.conn, &x, &at, &n, &e));
    ck_assert_int_eq(n, 0);
    x.keep = 5;
    STORE_OK(store_expire(f.conn, &x, &at, &n, &e));
    ck_assert_int_eq(n, 2);
    ck_assert_str_eq(history("ann"), "1*1(0.2) 1 0-0; 0*1(1) 1 2000000-2000000; ");
    ck_assert_int_eq(f.user.revision, last + 1);
}
END_TEST

static bool is_key(void *arg, int64_t item_key)
{
    return item_key == *(const int64_t *)arg;
}

START_TEST(test_an_item_that_is_made_of_its_interactions_changes_once_when_old_ones_go)
{
    int64_t at = 0, n = 0, last, moving, now;
    struct store_expiry x = {.now = 1000, .keep = 100, .moves = is_key, .arg = &moving};
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_user(f.conn, "bob", NULL);
    store_fixture_item(f.conn, "gone", "Gone");
    put("ann", "i", (struct store_event){.kind = VIEW, .timestamp = 5});
    put("ann", "i", (struct store_event){.kind = LIKE, .timestamp = 6});
    put("bob", "i", (struct store_event){.kind = VIEW, .timestamp = 7});
    put("bob", "j", (struct store_event){.kind = VIEW, .timestamp = 8});
    put("bob", "gone", (struct store_event){.kind = VIEW, .timestamp = 950});
    moving = item_fixture_read(f.conn, "i").item.key;
    STORE_OK(store_last_change(f.conn, &last, &e));
    STORE_OK(store_expire(f.conn, &x, &at, &n, &e));
    ck_assert_int_eq(n, 4);
    ck_assert_int_eq(item_fixture_read(f.conn, "i").item.revision, last + 3); /* after two users */
    ck_assert_int_le(item_fixture_read(f.conn, "j").item.revision, last);
    moving = item_fixture_read(f.conn, "gone").item.key;
    STORE_WRITE(f.conn, store_delete_item(f.conn, text_of("gone"), &e));
    STORE_OK(store_last_change(f.conn, &last, &e));
    x.now = 2000;
    STORE_OK(store_expire(f.conn, &x, &at, &n, &e));
    ck_assert_int_eq(n, 1);
    STORE_OK(store_last_change(f.conn, &now, &e));
    ck_assert_int_eq(now, last + 1); /* of the user: who is deleted stays as it is */
}
END_TEST

START_TEST(test_old_interactions_of_many_users_go_a_stretch_at_a_time)
{
    enum { USERS = 500, ROWS = 11 };
    const struct store_expiry x = {.now = 1000, .keep = 100};
    int64_t at = 0, n, all = 0, revision;
    bool created;
    int calls = 0;
    STORE_OK(store_begin(f.conn, &e));
    for (int i = 0; i < USERS; i++) {
        char id[16], item[16];
        (void)snprintf(id, sizeof id, "u%d", i);
        STORE_OK(store_put_user(f.conn, text_of(id), text_of(NULL), &revision, &created, &e));
        for (int k = 0; k < ROWS; k++) {
            (void)snprintf(item, sizeof item, "i%d", k);
            STORE_OK(store_put_interaction(f.conn, text_of(id), text_of(item), 1, (double)NAN,
                                           k == 0 ? 5 : 950, NULL, &e));
        }
    }
    STORE_OK(store_commit(f.conn, &e));
    do {
        STORE_OK(store_expire(f.conn, &x, &at, &n, &e));
        all += n;
        calls++;
    } while (at);
    ck_assert_int_eq(all, USERS);
    ck_assert_int_le(calls, 4);
    store_fixture_assert_counts(f.conn, USERS, ROWS, (int64_t)USERS * (ROWS - 1), 0);
}
END_TEST

/* ---- imports ---- */

/* What `ann` has after a load of three rows beside one that is there, staged or not. */
START_TEST(test_a_load_merges_by_kind)
{
    struct store_load *l;
    struct store_bulk *b;
    int64_t n_older = 0, n_all = 0;
    const struct store_event rows[] = {
        {.kind = VIEW, .weight = 1, .rating = (double)NAN, .timestamp = 5},
        {.kind = PURCHASE, .weight = 1, .rating = (double)NAN, .timestamp = 6},
        {.kind = VIEW, .weight = 7, .rating = (double)NAN, .timestamp = 60, .first = 50, .count = 10}};
    store_fixture_user(f.conn, "ann", NULL);
    put("ann", "i", (struct store_event){.kind = VIEW, .weight = 3, .timestamp = 20});
    STORE_OK(store_load_new(f.conn, _i ? 1 : 100, &l, &e));
    for (size_t i = 0; i < 3; i++)
        STORE_OK(store_load_event(l, text_of("ann"), text_of("i"), &rows[i], &e));
    const struct store_event bad = {.kind = 40, .weight = 1};
    STORE_FAILS(store_load_event(l, text_of("ann"), text_of("i"), &bad, &e), ERR_INVALID);
    STORE_OK(store_load_stage(l, &e));
    ck_assert_int_eq(store_load_is_staged(l), _i != 0);
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &b, &e));
    STORE_OK(store_load_apply(l, b, &n_older, &e));
    ck_assert_int_eq(store_load_repeated(l), 1);
    STORE_OK(store_bulk_end(b, &n_all, &e));
    STORE_OK(store_commit(f.conn, &e));
    store_load_free(l);
    ck_assert_int_eq(n_older + n_all, 1);
    ck_assert_str_eq(history("ann"), "3*1(1) 1 6-6; 1*7(0.2) 12 5-60; ");
}
END_TEST

STORE_SUITE("kinds", start, stop, {test_a_view_takes_no_purchase_away},
            {test_events_of_one_kind_are_counted_and_the_newest_says_its_weight},
            {test_an_event_without_a_kind_is_as_it_always_was}, {test_events_that_cannot_be_are_refused},
            {test_an_event_with_an_id_is_counted_once_for_a_user}, {test_a_new_store_has_kinds_and_gets_more},
            {test_kinds_that_cannot_be_are_refused},
            {test_who_has_a_kind_that_changes_is_another_one_and_nobody_else_is},
            {test_what_only_was_shown_is_not_among_the_items_that_a_user_has},
            {test_who_dislikes_has_a_context_and_no_list},
            {test_takers_are_weighed_over_their_kinds_and_who_dislikes_is_none},
            {test_interactions_go_when_they_are_older_than_their_kind_or_all_are_kept},
            {test_an_item_that_is_made_of_its_interactions_changes_once_when_old_ones_go},
            {test_old_interactions_of_many_users_go_a_stretch_at_a_time},
            {test_interactions_are_taken_away_by_item_and_kind},
            {test_who_gets_the_interactions_of_another_has_what_one_would_have_who_did_all},
            {.test = test_a_load_merges_by_kind, .to = 2})
