/* base/lock.h: preconditions about locks; risks: one that holds always, or only where there is one thread, or
 * not after a wait. A release, which checks nothing, says so by passing. */
#include "base/lock.h"

#include "tests/support/suite.h"

#include <signal.h>
#include <stdbool.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool locked, asked;

START_TEST(who_holds_a_mutex_may_go_on)
{
    pthread_mutex_lock(&mutex);
    ASSERT_HELD(&mutex);
    pthread_mutex_unlock(&mutex);
}
END_TEST

/* Holds the mutex until `asked`, and waits for it, which gives it up and takes it again. */
static void *wait_for_question(void *unused)
{
    pthread_mutex_lock(&mutex);
    locked = true;
    pthread_cond_broadcast(&changed);
    while (!asked)
        pthread_cond_wait(&changed, &mutex);
    ASSERT_HELD(&mutex);
    pthread_mutex_unlock(&mutex);
    return unused;
}

START_TEST(who_waited_for_a_condition_holds_the_mutex_again)
{
    pthread_t other;
    ck_assert_int_eq(pthread_create(&other, NULL, wait_for_question, NULL), 0);
    pthread_mutex_lock(&mutex);
    while (!locked)
        pthread_cond_wait(&changed, &mutex);
    ASSERT_HELD(&mutex);
    asked = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
}
END_TEST

#ifdef HYPERNET_DEBUG
START_TEST(who_does_not_hold_a_mutex_ends_the_program)
{
    ASSERT_HELD(&mutex);
}
END_TEST

static void *go_on_without_it(void *unused)
{
    ASSERT_HELD(&mutex);
    return unused;
}

START_TEST(who_goes_on_with_a_mutex_of_another_thread_ends_the_program)
{
    pthread_t other;
    pthread_mutex_lock(&mutex);
    ck_assert_int_eq(pthread_create(&other, NULL, go_on_without_it, NULL), 0);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
    pthread_mutex_unlock(&mutex);
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("base/lock");
    TCase *t = tcase_create("lock");
    tcase_add_test(t, who_holds_a_mutex_may_go_on);
    tcase_add_test(t, who_waited_for_a_condition_holds_the_mutex_again);
#ifdef HYPERNET_DEBUG
    suite_add_aborting(t, who_does_not_hold_a_mutex_ends_the_program);
    suite_add_aborting(t, who_goes_on_with_a_mutex_of_another_thread_ends_the_program);
#endif
    suite_add_tcase(s, t);
    return suite_run(s);
}
