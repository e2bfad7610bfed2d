/* How many users events may make: a minute's worth at once, as many again with time and never more than a
 * minute's, what is given back, and how long to wait. Clocks are made up. */
#include "server/serving/user_allowance.h"

#include "tests/support/suite.h"

static const int64_t second_ns = 1000000000;
static struct user_allowance a;

static void set_up(void)
{
    user_allowance_init(&a, 6, 100 * second_ns);
}

static void tear_down(void)
{
    user_allowance_fini(&a);
}

START_TEST(a_minutes_users_are_there_at_first_and_no_more)
{
    ck_assert_uint_eq(user_allowance_take(&a, 4, 100 * second_ns), 4);
    ck_assert_uint_eq(user_allowance_take(&a, 4, 100 * second_ns), 2);
    ck_assert_uint_eq(user_allowance_take(&a, 4, 100 * second_ns), 0);
}
END_TEST

START_TEST(time_brings_them_back_up_to_a_minutes)
{
    ck_assert_uint_eq(user_allowance_take(&a, 6, 100 * second_ns), 6);
    ck_assert_uint_eq(user_allowance_take(&a, 1, 110 * second_ns - 1), 0);
    ck_assert_uint_eq(user_allowance_take(&a, 1, 110 * second_ns), 1);
    ck_assert_uint_eq(user_allowance_take(&a, 9, 130 * second_ns), 2);
    ck_assert_uint_eq(user_allowance_take(&a, 99, 100000 * second_ns), 6);
    ck_assert_uint_eq(user_allowance_take(&a, 1, 50 * second_ns), 0); /* a clock that goes back brings none */
}
END_TEST

START_TEST(what_is_not_used_comes_back_and_no_more_than_a_minutes_is_kept)
{
    ck_assert_uint_eq(user_allowance_take(&a, 6, 100 * second_ns), 6);
    user_allowance_return(&a, 2);
    ck_assert_uint_eq(user_allowance_take(&a, 6, 100 * second_ns), 2);
    user_allowance_return(&a, 60);
    ck_assert_uint_eq(user_allowance_take(&a, 60, 100 * second_ns), 6);
}
END_TEST

START_TEST(the_wait_is_until_as_many_can_be_made_or_a_minute)
{
    ck_assert_int_eq(user_allowance_wait_s(&a, 1, 100 * second_ns), 1); /* they can be now */
    ck_assert_uint_eq(user_allowance_take(&a, 6, 100 * second_ns), 6);
    ck_assert_int_eq(user_allowance_wait_s(&a, 1, 100 * second_ns), 10);
    ck_assert_int_eq(user_allowance_wait_s(&a, 3, 100 * second_ns), 30);
    ck_assert_int_eq(user_allowance_wait_s(&a, 3, 105 * second_ns), 25);
    ck_assert_int_eq(user_allowance_wait_s(&a, 100, 105 * second_ns), 55);
}
END_TEST

START_TEST(an_allowance_of_none_gives_none)
{
    struct user_allowance none;
    user_allowance_init(&none, 0, 0);
    ck_assert_uint_eq(user_allowance_take(&none, 1, 0), 0);
    ck_assert_uint_eq(user_allowance_take(&none, 1, 1000 * second_ns), 0);
    user_allowance_fini(&none);
}
END_TEST

SUITE("server/serving: user allowance", set_up, tear_down, {a_minutes_users_are_there_at_first_and_no_more},
      {time_brings_them_back_up_to_a_minutes},
      {what_is_not_used_comes_back_and_no_more_than_a_minutes_is_kept},
      {the_wait_is_until_as_many_can_be_made_or_a_minute}, {an_allowance_of_none_gives_none})
