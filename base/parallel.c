/* Threads are made once and woken for each loop: a training step is about a millisecond, and making threads
 * for it would cost a tenth of that. */
#include "base/parallel.h"

#include "base/machine.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct parallel;

struct member {
    struct parallel *team;
    size_t number;
    pthread_t thread;
};

struct parallel {
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    unsigned long loop; /* guarded by lock: number of the loop to run */
    size_t n_busy;      /* guarded by lock */
    bool ending;        /* guarded by lock */
    parallel_fn *fn;    /* of the loop; written before it is announced */
    void *arg;
    size_t n;
    atomic_size_t next;
    parallel_stop_fn *stop; /* written between loops */
    void *stop_arg;
    atomic_bool stopped;
    bool whole; /* of the loop: nothing stops it */
    size_t n_threads;
    size_t n_started;
    struct member members[]; /* (n_threads - 1) */
};

bool parallel_stopped(struct parallel *p)
{
    if (p->stop && !atomic_load_explicit(&p->stopped, memory_order_relaxed) && p->stop(p->stop_arg))
        atomic_store_explicit(&p->stopped, true, memory_order_relaxed);
    return atomic_load_explicit(&p->stopped, memory_order_relaxed);
}

void parallel_stop_when(struct parallel *p, parallel_stop_fn *fn, void *arg)
{
    p->stop = fn;
    p->stop_arg = arg;
    atomic_store(&p->stopped, false);
}

static void work(struct parallel *p, size_t thread)
{
    size_t i;
    while ((i = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed)) < p->n &&
           (p->whole || !parallel_stopped(p)))
        p->fn(p->arg, i, thread);
}

static void *member_main(void *arg)
{
    struct member *m = arg;
    struct parallel *p = m->team;
    unsigned long seen = 0;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->loop == seen && !p->ending)
            pthread_cond_wait(&p->wake, &p->lock);
        if (p->ending)
            break;
        seen = p->loop;
        pthread_mutex_unlock(&p->lock);
        work(p, m->number);
        pthread_mutex_lock(&p->lock);
        if (--p->n_busy == 0)
            pthread_cond_signal(&p->idle);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

enum err_code parallel_new(int n_threads, struct parallel **out, struct err *e)
{
    size_t n = n_threads > 0 ? (size_t)n_threads : machine_processors();
    struct parallel *p = mem_alloc(sizeof *p + n * sizeof p->members[0]);
    if (!p)
        return err_set(e, ERR_NOMEM, "no memory for %zu threads", n);
    *p = (struct parallel){.n_threads = n};
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->idle, NULL);
    for (size_t i = 0; i + 1 < n; i++) {
        p->members[i] = (struct member){.team = p, .number = i + 1};
        if (pthread_create(&p->members[i].thread, NULL, member_main, &p->members[i])) {
            parallel_free(p);
            return err_set(e, ERR_NOMEM, "the system refused thread %zu of %zu", i + 2, n);
        }
        p->n_started++;
    }
    *out = p;
    return ERR_OK;
}

void parallel_free(struct parallel *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->ending = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->n_started; i++)
        pthread_join(p->members[i].thread, NULL);
    pthread_cond_destroy(&p->idle);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

size_t parallel_threads(const struct parallel *p)
{
    return p->n_threads;
}

static void run(struct parallel *p, size_t n, parallel_fn *fn, void *arg, bool whole)
{
    pthread_mutex_lock(&p->lock);
    p->fn = fn;
    p->arg = arg;
    p->n = n;
    p->whole = whole;
    atomic_store(&p->next, 0);
    p->n_busy = p->n_started;
    p->loop++;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    work(p, 0);
    pthread_mutex_lock(&p->lock);
    while (p->n_busy > 0)
        pthread_cond_wait(&p->idle, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

void parallel_for(struct parallel *p, size_t n, parallel_fn *fn, void *arg)
{
    run(p, n, fn, arg, true);
}

void parallel_for_unless_stopped(struct parallel *p, size_t n, parallel_fn *fn, void *arg)
{
    run(p, n, fn, arg, false);
}
