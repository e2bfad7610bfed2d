/* server/items/kinds.c: what interactions of several kinds say of an item. Risks: a user without kinds who is
 * another one than before; a dislike that counts as taken. */
#include "server/items/kinds.h"

#include "base/mem.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdio.h>

static struct kinds_merged m;
static struct err e;

static void start(void)
{
    m = (struct kinds_merged){0};
    e = (struct err){0};
}

static void stop(void)
{
    kinds_merged_fini(&m);
}

static struct store_interaction row(int64_t item, int32_t kind, double effect, double weight, int64_t time)
{
    return (struct store_interaction){.item_key = item,
                                      .weight = weight,
                                      .rating = (double)NAN,
                                      .timestamp = time,
                                      .kind = kind,
                                      .effect = effect};
}

static const char *merged(const struct store_interaction *x, size_t n)
{
    static char text[512];
    int at = 0;
    text[0] = 0;
    ck_assert_int_eq(kinds_merge(&m, x, n, &e), ERR_OK);
    for (size_t i = 0; i < m.n + m.n_negative; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%lld*%g@%lld ", i < m.n ? "" : "-",
                       (long long)m.at[i].item_key, m.at[i].weight, (long long)m.at[i].timestamp);
    return text;
}

START_TEST(test_interactions_without_kinds_are_the_callers_own)
{
    struct store_interaction x[] = {row(2, 0, 0, 0.1, 1), row(1, 0, 0, 3, 2)};
    ck_assert_str_eq(merged(x, 2), "2*0.1@1 1*3@2 ");
    ck_assert_ptr_eq(m.at, x);
    ck_assert_str_eq(merged(NULL, 0), "");
}
END_TEST

START_TEST(test_kinds_of_an_item_are_added_at_the_time_of_the_newest_that_says_something)
{
    struct store_interaction x[] = {row(1, 3, 1, 2, 10), row(2, 0, 0, 1, 20), row(1, 1, 0.25, 4, 30),
                                    row(1, 5, 0, 9, 40), row(3, 5, 0, 1, 50)};
    ck_assert_str_eq(merged(x, 5), "2*1@20 1*3@30 ");
    x[0].rating = 4;
    (void)merged(x, 5);
    ck_assert_double_eq(m.at[1].rating, 4);
}
END_TEST

START_TEST(test_what_is_negative_in_sum_comes_last_and_what_is_nothing_does_not_come)
{
    const struct store_interaction x[] = {row(1, 4, -1, 1, 10), row(2, 3, 1, 1, 20),  row(3, 3, 1, 1, 30),
                                          row(3, 4, -1, 1, 31), row(2, 4, -1, 3, 40), row(4, 3, 1, 2, 50),
                                          row(4, 4, -1, 1, 60)};
    ck_assert_str_eq(merged(x, 7), "4*1@60 -1*1@10 -2*2@40 ");
    ck_assert_uint_eq(m.n, 1);
    ck_assert_uint_eq(m.n_negative, 2);
}
END_TEST

START_TEST(test_merging_without_memory_fails)
{
    const struct store_interaction x[] = {row(1, 4, -1, 1, 10), row(2, 3, 1, 1, 20)};
    for (long n = 1; n <= 2; n++) {
        mem_fail_at(n, 0);
        ck_assert_int_eq(kinds_merge(&m, x, 2, &e), ERR_NOMEM);
        mem_fail_at(0, 0);
        kinds_merged_fini(&m);
    }
    ck_assert_str_eq(merged(x, 2), "2*1@20 -1*1@10 ");
}
END_TEST

SUITE("kinds", start, stop, {test_interactions_without_kinds_are_the_callers_own},
      {test_kinds_of_an_item_are_added_at_the_time_of_the_newest_that_says_something},
      {test_what_is_negative_in_sum_comes_last_and_what_is_nothing_does_not_come},
      {test_merging_without_memory_fails})
