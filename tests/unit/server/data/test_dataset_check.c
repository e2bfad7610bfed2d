/* server/data/dataset_check.c: what a store holds from before its values had limits. Risks: a value on a
 * limit that is said to be beyond it; another row than the first that is named; a time within the day by
 * which clocks may differ. */
#include "server/data/dataset_check.h"

#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

STORE_FIXTURE(f)

static char said[2][1024];
static int n_said;

static void listen(const char *text)
{
    ck_assert_int_lt(n_said, 2);
    (void)snprintf(said[n_said++], sizeof said[0], "%s", text);
}

static bool check_row(void *arg, int64_t user_key, const struct store_interaction *x)
{
    dataset_check_row(arg, user_key, x);
    return true;
}

static void put(const char *user, const char *item, double weight, double rating, int64_t timestamp)
{
    int64_t revision;
    bool created;
    STORE_WRITE(f.conn, store_put_user(f.conn, text_of(user), text_of("{}"), &revision, &created, &e));
    STORE_WRITE(f.conn, store_put_interaction(f.conn, text_of(user), text_of(item), weight, rating, timestamp,
                                              NULL, &e));
}

/* Reads all rows, and notes what is said of them. */
static struct dataset_check check_all(void)
{
    struct dataset_check k;
    dataset_check_init(&k);
    n_said = 0;
    STORE_OK(store_each_interaction(f.conn, check_row, &k, &e));
    STORE_OK(dataset_check_say(&k, f.conn, listen, &e));
    return k;
}

START_TEST(nothing_is_said_of_what_is_on_a_limit)
{
    struct dataset_check k;
    dataset_check_init(&k);
    put("ann", "a", 1e6, 1e6, k.now);
    put("ann", "b", 1e-6, -1e6, k.now + 86400); /* a day: clocks differ by less */
    put("bob", "a", 1, NAN, 0);
    k = check_all();
    ck_assert_int_eq(k.outside.n + k.ahead.n, 0);
    ck_assert_int_eq(n_said, 0);
}
END_TEST

START_TEST(the_first_row_of_each_kind_is_named_and_the_others_are_counted)
{
    put("ann", "a", 1, 5, 1);
    put("ann", "b", 1e300, 5, 2);
    put("bob", "a", 1, -1e300, 1700000000000);
    put("bob", "b", 1, NAN, INT64_MAX);
    struct dataset_check k = check_all();
    ck_assert_int_eq(k.outside.n, 2);
    ck_assert_int_eq(k.ahead.n, 2);
    ck_assert_int_eq(n_said, 2);
    ck_assert_msg(strstr(said[0], "2 interactions have a weight or rating beyond the limits") &&
                      strstr(said[0], "the first is of user 'ann' and item 'b': weight 1e+300"),
                  "%s", said[0]);
    ck_assert_msg(strstr(said[1], "2 interactions have a time more than a day ahead of now") &&
                      strstr(said[1], "user 'bob' and item 'a': 1700000000000."),
                  "%s", said[1]);
}
END_TEST

START_TEST(a_rating_alone_is_named_as_one)
{
    put("ann", "a", 1, 2e6, 1);
    (void)check_all();
    ck_assert_int_eq(n_said, 1);
    ck_assert_msg(strstr(said[0], "1 interaction has a ") &&
                      strstr(said[0], "user 'ann' and item 'a': rating 2e+06"),
                  "%s", said[0]);
}
END_TEST

SUITE("server/data/dataset_check", start, stop, {nothing_is_said_of_what_is_on_a_limit},
      {the_first_row_of_each_kind_is_named_and_the_others_are_counted}, {a_rating_alone_is_named_as_one})
