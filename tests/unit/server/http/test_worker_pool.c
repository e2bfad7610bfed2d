/* server/http/worker_pool.c: the bounded queue; risks: a job lost or run twice, a full queue that waits,
 * threads left behind when one cannot start. Run under ThreadSanitizer too. */
#include "server/http/worker_pool.h"

#include "tests/support/suite.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { MAX_JOBS = 4000 };

static atomic_int started, stopped, ran[MAX_JOBS];
static int fail_start_at; /* 0: none */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static size_t order[MAX_JOBS];
static atomic_size_t n_begun, n_done;

static enum err_code start(void *arg, void **thread, struct err *e)
{
    int n = atomic_fetch_add(&started, 1) + 1;
    (void)arg;
    *thread = &started;
    return n == fail_start_at ? err_set(e, ERR_IO, "no connection") : ERR_OK;
}

static void run(void *arg, void *thread, void *job)
{
    (void)arg;
    ck_assert_ptr_eq(thread, &started);
    atomic_fetch_add(&n_begun, 1);
    pthread_mutex_lock(&gate); /* tests hold it to keep a worker busy */
    pthread_mutex_unlock(&gate);
    size_t number = (size_t)((atomic_int *)job - ran);
    order[atomic_fetch_add(&n_done, 1) % MAX_JOBS] = number;
    atomic_fetch_add((atomic_int *)job, 1);
}

static void stop(void *arg, void *thread)
{
    (void)arg;
    (void)thread;
    atomic_fetch_add(&stopped, 1);
}

static const struct worker_calls calls = {NULL, start, run, stop};

static void setup(void)
{
    atomic_store(&started, 0);
    atomic_store(&stopped, 0);
    atomic_store(&n_begun, 0);
    atomic_store(&n_done, 0);
    fail_start_at = 0;
    for (size_t i = 0; i < MAX_JOBS; i++)
        atomic_store(&ran[i], 0);
}

START_TEST(test_worker_one_thread_keeps_the_order)
{
    struct workers *w;
    ck_assert_int_eq(workers_start(1, 100, &calls, &w, NULL), ERR_OK);
    for (size_t i = 0; i < 100; i++) {
        while (!worker_reserve(w))
            (void)sched_yield();
        worker_submit(w, &ran[i]);
    }
    workers_stop(w);
    workers_free(w);
    ck_assert_uint_eq(atomic_load(&n_done), 100);
    for (size_t i = 0; i < 100; i++)
        ck_assert_uint_eq(order[i], i);
}
END_TEST

START_TEST(test_worker_a_full_queue_says_no)
{
    struct workers *w;
    ck_assert_int_eq(workers_start(1, 3, &calls, &w, NULL), ERR_OK);
    pthread_mutex_lock(&gate);
    ck_assert(worker_reserve(w));
    worker_submit(w, &ran[0]);
    while (atomic_load(&n_begun) == 0) /* until the worker has it, and waits for the gate */
        (void)sched_yield();
    for (size_t i = 1; i <= 3; i++) {
        ck_assert(worker_reserve(w));
        if (i != 2)
            worker_submit(w, &ran[i]); /* a place that is only reserved is taken as well */
    }
    ck_assert(!worker_reserve(w));
    worker_submit(w, &ran[2]);
    pthread_mutex_unlock(&gate);
    workers_stop(w); /* finishes what is queued */
    ck_assert_uint_eq(atomic_load(&n_done), 4);
    ck_assert(!worker_reserve(w));
    workers_free(w);
}
END_TEST

static void *produce(void *arg)
{
    struct workers *w = ((void **)arg)[0];
    atomic_int *first = ((void **)arg)[1];
    for (size_t i = 0; i < MAX_JOBS / 4; i++) {
        while (!worker_reserve(w))
            (void)sched_yield();
        worker_submit(w, first + i);
    }
    return NULL;
}

START_TEST(test_worker_each_job_runs_once)
{
    struct workers *w;
    pthread_t producers[4];
    void *args[4][2];
    ck_assert_int_eq(workers_start(4, 7, &calls, &w, NULL), ERR_OK);
    for (size_t i = 0; i < 4; i++) {
        args[i][0] = w;
        args[i][1] = &ran[i * MAX_JOBS / 4];
        ck_assert_int_eq(pthread_create(&producers[i], NULL, produce, args[i]), 0);
    }
    for (size_t i = 0; i < 4; i++)
        pthread_join(producers[i], NULL);
    workers_stop(w);
    workers_free(w);
    for (size_t i = 0; i < MAX_JOBS; i++)
        ck_assert_int_eq(atomic_load(&ran[i]), 1);
    ck_assert_int_eq(atomic_load(&started), 4);
    ck_assert_int_eq(atomic_load(&stopped), 4);
}
END_TEST

START_TEST(test_worker_all_or_none_start)
{
    struct workers *w = NULL;
    struct err e = {0};
    fail_start_at = _i;
    ck_assert_int_eq(workers_start(3, 10, &calls, &w, &e), ERR_IO);
    ck_assert_str_eq(e.text, "no connection");
    ck_assert_ptr_null(w);
    ck_assert_int_eq(atomic_load(&started), 3);
    ck_assert_int_eq(atomic_load(&stopped), 2); /* whoever had started */
}
END_TEST

START_TEST(test_worker_stops_without_work)
{
    struct workers *w;
    ck_assert_int_eq(workers_start(2, 1, &calls, &w, NULL), ERR_OK);
    workers_stop(w);
    workers_stop(w);
    workers_free(w);
    workers_stop(NULL);
    workers_free(NULL);
    ck_assert_int_eq(atomic_load(&stopped), 2);
}
END_TEST

static void *stop_all(void *w)
{
    workers_stop(w);
    return NULL;
}

/* As when a server stops between the two calls: the connection of that job would be resumed by nobody. */
START_TEST(test_worker_a_job_whose_place_was_taken_before_the_stop_runs)
{
    struct workers *w;
    pthread_t stopper;
    size_t n = 0;
    ck_assert_int_eq(workers_start(3, 100, &calls, &w, NULL), ERR_OK);
    ck_assert(worker_reserve(w));
    ck_assert_int_eq(pthread_create(&stopper, NULL, stop_all, w), 0);
    while (worker_reserve(w)) { /* until it stops, however late the stopper gets a processor */
        n++;
        worker_submit(w, &ran[1 + n % (MAX_JOBS - 1)]);
        while (atomic_load(&n_done) < n)
            (void)sched_yield();
    }
    for (int i = 0; i < 10000 && atomic_load(&stopped) == 0; i++)
        (void)sched_yield(); /* so that threads which would leave too early do */
    worker_submit(w, &ran[0]);
    ck_assert_int_eq(pthread_join(stopper, NULL), 0);
    ck_assert_int_eq(atomic_load(&ran[0]), 1);
    ck_assert_uint_eq(atomic_load(&n_done), n + 1);
    ck_assert_int_eq(atomic_load(&stopped), 3);
    workers_free(w);
}
END_TEST

/* It would lie on one that waits, which is then lost. */
START_TEST(test_worker_a_job_without_a_place_ends_the_program)
{
    struct workers *w;
    ck_assert_int_eq(workers_start(1, 4, &calls, &w, NULL), ERR_OK);
    worker_submit(w, &ran[0]);
}
END_TEST

SUITE("server/worker", setup, NULL, {test_worker_one_thread_keeps_the_order},
      {test_worker_a_full_queue_says_no}, {test_worker_each_job_runs_once},
      {test_worker_all_or_none_start, .from = 1, .to = 4}, {test_worker_stops_without_work},
      {test_worker_a_job_whose_place_was_taken_before_the_stop_runs},
      {test_worker_a_job_without_a_place_ends_the_program, .signal = SIGABRT})
