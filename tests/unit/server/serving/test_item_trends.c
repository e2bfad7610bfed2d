/* server/serving/item_trends.c: how much items are taken, all in all and over windows. Risks: a window that
 * gets another one's sums, an interaction on its edge, one without a time, a lock that is kept. */
#include "server/serving/item_trends.h"

#include "base/mem.h"
#include "tests/support/store_fixture.h"

#include <math.h>

STORE_FIXTURE(f)

enum { DAY = 86400, NOW = 1000 * DAY };

static const struct {
    const char *user, *item;
    double weight;
    int64_t timestamp;
} events[] = {
    {"ann", "a", 1, NOW},
    {"ann", "b", 2, NOW - DAY / 2},
    {"bob", "b", 1, NOW - DAY},
    {"bob", "a", 4, NOW - 5 * DAY},
    {"cleo", "a", 8, NOW - 20 * DAY},
    {"cleo", "c", 3, 0},
    {"dan", "c", 1, NOW - 13 * DAY},
};
enum { N_EVENTS = sizeof events / sizeof *events };

static void put_events(void)
{
    static const char *const names[] = {"a", "b", "c"}, *const users[] = {"ann", "bob", "cleo", "dan"};
    for (int i = 0; i < 3; i++)
        store_fixture_item(f.conn, names[i], NULL);
    for (int i = 0; i < 4; i++)
        store_fixture_user(f.conn, users[i], NULL);
    for (size_t i = 0; i < N_EVENTS; i++)
        store_fixture_event(f.conn, events[i].user, events[i].item, events[i].weight, events[i].timestamp);
}

/* What the sums of an item are to be; window 0: the usual ones. */
static double expected(const char *item, size_t window, bool trending)
{
    double sum = 0;
    for (size_t i = 0; i < N_EVENTS; i++) {
        double days = (double)(NOW - events[i].timestamp) / DAY;
        bool counts = events[i].timestamp && days < (double)(window ? window : TREND_WINDOW_DAYS);
        if (strcmp(events[i].item, item) == 0 && (counts || (!window && !trending)))
            sum += events[i].weight * (trending ? pow(TREND_DECAY, days) : 1);
    }
    return sum;
}

static void check(struct item_trends *t, size_t window)
{
    static const char *const names[] = {"a", "b", "c"};
    struct item_sums sums;
    STORE_OK(item_trends_enter(t, f.conn, window, &sums, &e));
    ck_assert_int_eq(sums.as_of, NOW);
    item_trends_leave(t, window);
    for (int i = 0; i < 3; i++) {
        int64_t key = 0;
        STORE_OK(store_item_key_of(f.conn, text_of(names[i]), &key, &e));
        STORE_OK(item_trends_enter(t, f.conn, window, &sums, &e));
        ck_assert_int_lt(key, (int64_t)sums.n_keys);
        ck_assert_double_eq_tol(sums.popular[key], expected(names[i], window, false), 1e-9);
        ck_assert_double_eq_tol(sums.trending[key], expected(names[i], window, true), 1e-9);
        item_trends_leave(t, window);
    }
}

/* More windows than are kept, again and again, and the usual sums between them. */
START_TEST(each_window_has_its_own_sums_whichever_was_asked_for_before)
{
    static const size_t windows[] = {0, 1, 2, 30, 0, 6, 14, 1, 3650, 2, 0, 30};
    struct item_trends *t;
    put_events();
    STORE_OK(item_trends_new(&t, &e));
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
        check(t, windows[i]);
    item_trends_free(t);
}
END_TEST

START_TEST(who_has_a_window_holds_up_nobody_who_asks_for_the_usual_sums)
{
    struct item_trends *t;
    struct item_sums of_window, usual;
    put_events();
    STORE_OK(item_trends_new(&t, &e));
    STORE_OK(item_trends_enter(t, f.conn, 2, &of_window, &e));
    STORE_OK(item_trends_enter(t, f.conn, 0, &usual, &e));
    ck_assert_ptr_ne(of_window.popular, usual.popular);
    item_trends_leave(t, 0);
    item_trends_leave(t, 2);
    item_trends_free(t);
}
END_TEST

START_TEST(want_of_memory_leaves_nothing_locked_and_the_next_one_has_them)
{
    struct item_trends *t;
    struct item_sums sums;
    put_events();
    STORE_OK(item_trends_new(&t, &e));
    for (size_t window = 0; window < 3; window += 2)
        for (long n = 1; n <= 2; n++) {
            mem_fail_at(n, 1);
            STORE_FAILS(item_trends_enter(t, f.conn, window, &sums, &e), ERR_NOMEM);
            mem_fail_at(0, 0);
        }
    check(t, 2);
    check(t, 0);
    item_trends_free(t);
}
END_TEST

STORE_SUITE("server/serving/item_trends", start, stop,
            {each_window_has_its_own_sums_whichever_was_asked_for_before},
            {who_has_a_window_holds_up_nobody_who_asks_for_the_usual_sums},
            {want_of_memory_leaves_nothing_locked_and_the_next_one_has_them})
