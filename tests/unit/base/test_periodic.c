/* base/periodic.c: a thing is done again and again until it is stopped. Risks: only once; a call after the
 * stop, or one that still runs then. */
#include "base/periodic.h"

#include "base/mem.h"
#include "tests/support/suite.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

struct counting {
    atomic_int begun, ended;
    atomic_bool hold; /* a call does not end meanwhile */
};

static void count(void *arg)
{
    struct counting *c = arg;
    atomic_fetch_add(&c->begun, 1);
    while (atomic_load(&c->hold))
        (void)sched_yield();
    atomic_fetch_add(&c->ended, 1);
}

static void wait_for(const atomic_int *n, int least)
{
    while (atomic_load(n) < least)
        (void)sched_yield();
}

static struct periodic *must_start(struct counting *c, int64_t period_ns)
{
    struct periodic *p;
    struct err e = {0};
    ck_assert_msg(periodic_start(period_ns, count, c, "counts", &p, &e) == ERR_OK, "%s", e.text);
    return p;
}

START_TEST(it_is_done_again_and_again_and_no_more_after_the_stop)
{
    struct counting c = {0};
    struct periodic *p = must_start(&c, 1000);
    wait_for(&c.ended, 5);
    periodic_stop(p);
    int n = atomic_load(&c.begun);
    ck_assert_int_eq(atomic_load(&c.ended), n);
    p = must_start(&(struct counting){0}, 1000); /* time passes in which another one may begin */
    periodic_stop(p);
    ck_assert_int_eq(atomic_load(&c.begun), n);
}
END_TEST

static void *let_go(void *arg)
{
    struct counting *c = arg;
    wait_for(&c->begun, 1);
    atomic_store(&c->hold, false);
    return NULL;
}

START_TEST(a_stop_waits_for_the_call_that_runs)
{
    struct counting c = {.hold = true};
    pthread_t other;
    struct periodic *p = must_start(&c, 1000);
    wait_for(&c.begun, 1);
    ck_assert_int_eq(pthread_create(&other, NULL, let_go, &c), 0);
    periodic_stop(p);
    ck_assert_int_eq(atomic_load(&c.begun), atomic_load(&c.ended));
    pthread_join(other, NULL);
}
END_TEST

/* A wait of an hour would be seen. */
START_TEST(a_stop_does_not_wait_for_the_turn)
{
    struct counting c = {0};
    periodic_stop(must_start(&c, (int64_t)3600 * 1000000000));
    periodic_stop(NULL);
    ck_assert_int_eq(atomic_load(&c.begun), 0);
}
END_TEST

START_TEST(without_memory_nothing_is_started)
{
    struct periodic *p = NULL;
    struct err e = {0};
    mem_fail_at(1, 0);
    ck_assert_int_eq(periodic_start(1000, count, NULL, "counts", &p, &e), ERR_NOMEM);
    mem_fail_at(0, 0);
    ck_assert_ptr_null(p);
    ck_assert_str_eq(e.text, "no memory for the thread that counts");
}
END_TEST

SUITE("base/periodic", NULL, NULL, {it_is_done_again_and_again_and_no_more_after_the_stop},
      {a_stop_waits_for_the_call_that_runs}, {a_stop_does_not_wait_for_the_turn},
      {without_memory_nothing_is_started})
