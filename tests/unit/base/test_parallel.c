/* base/parallel.c: loops that may be stopped, and those that may not. Risks: a stop that is not heeded, one
 * that goes on holding when it was taken back, a loop that must be whole and is not. */
#include "base/parallel.h"

#include "tests/support/suite.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { N = 1000, FEW = 10 };

struct count {
    atomic_int done;
    int most; /* after so many it says stop */
};

static void count_one(void *arg, size_t i, size_t thread)
{
    struct count *c = arg;
    (void)i;
    (void)thread;
    atomic_fetch_add(&c->done, 1);
}

static bool has_enough(void *arg)
{
    const struct count *c = arg;
    return atomic_load(&c->done) >= c->most;
}

static struct parallel *team_of(int n)
{
    struct parallel *team;
    struct err e = {0};
    ck_assert_int_eq(parallel_new(n, &team, &e), ERR_OK);
    return team;
}

START_TEST(a_loop_that_may_be_stopped_ends_early_until_the_stop_is_taken_back)
{
    struct count c = {.most = FEW};
    struct parallel *team = team_of(_i);
    parallel_stop_when(team, has_enough, &c);
    ck_assert(!parallel_stopped(team));
    parallel_for_unless_stopped(team, N, count_one, &c);
    ck_assert(parallel_stopped(team));
    ck_assert_int_ge(atomic_load(&c.done), FEW);
    ck_assert_int_lt(atomic_load(&c.done), FEW + _i); /* what each thread had begun */
    int before = atomic_load(&c.done);
    parallel_for_unless_stopped(team, N, count_one, &c);
    ck_assert_int_eq(atomic_load(&c.done), before);
    parallel_stop_when(team, NULL, NULL);
    ck_assert(!parallel_stopped(team));
    parallel_for_unless_stopped(team, N, count_one, &c);
    ck_assert_int_eq(atomic_load(&c.done), before + N);
    parallel_free(team);
}
END_TEST

START_TEST(other_loops_are_whole_whatever_is_said)
{
    struct count c = {.most = 0};
    struct parallel *team = team_of(_i);
    parallel_stop_when(team, has_enough, &c);
    parallel_for(team, N, count_one, &c);
    ck_assert_int_eq(atomic_load(&c.done), N);
    ck_assert(parallel_stopped(team));
    parallel_free(team);
}
END_TEST

SUITE("engine/parallel", NULL, NULL,
      {a_loop_that_may_be_stopped_ends_early_until_the_stop_is_taken_back, .from = 1, .to = 4},
      {other_loops_are_whole_whatever_is_said, .from = 1, .to = 4})
