/* A ring under one mutex: jobs take a millisecond, so the lock is not what limits them. */
#include "server/http/worker_pool.h"

#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t more, started;
    struct worker_calls calls;
    void **ring; /* (max_queue); guarded by lock, like all below */
    size_t max_queue, head, n, n_reserved;
    bool ending;
    size_t n_threads, n_ready, n_failed;
    struct err failure; /* of the first thread that could not start */
    size_t n_joinable;
    pthread_t threads[]; /* (n_threads) */
};

static void *worker_main(void *arg)
{
    struct workers *w = arg;
    void *thread = NULL;
    struct err e = {0};
    enum err_code code = w->calls.start(w->calls.arg, &thread, &e);
    pthread_mutex_lock(&w->lock);
    if (code) {
        w->n_failed++;
        w->failure = e;
    } else {
        w->n_ready++;
    }
    pthread_cond_signal(&w->started);
    while (!code) {
        while (w->n == 0 && !(w->ending && w->n_reserved == 0))
            pthread_cond_wait(&w->more, &w->lock);
        if (w->n == 0)
            break;
        void *job = w->ring[w->head];
        w->head = (w->head + 1) % w->max_queue;
        w->n--;
        w->n_reserved--;
        if (w->ending && w->n_reserved == 0)
            pthread_cond_broadcast(&w->more); /* the others have waited for this one's place */
        pthread_mutex_unlock(&w->lock);
        w->calls.run(w->calls.arg, thread, job);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    if (!code)
        w->calls.stop(w->calls.arg, thread);
    return NULL;
}

enum err_code workers_start(size_t n_threads, size_t max_queue, const struct worker_calls *calls,
                            struct workers **out, struct err *e)
{
    struct workers *w = mem_zalloc_array(1, sizeof *w + n_threads * sizeof w->threads[0]);
    if (!w || !(w->ring = mem_alloc_array(max_queue, sizeof *w->ring))) {
        mem_free(w);
        return err_set(e, ERR_NOMEM, "no memory for %zu workers", n_threads);
    }
    w->calls = *calls;
    w->max_queue = max_queue;
    w->n_threads = n_threads;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->more, NULL);
    pthread_cond_init(&w->started, NULL);
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < n_threads && !code; i++) {
        if (pthread_create(&w->threads[i], NULL, worker_main, w))
            code = err_set(e, ERR_NOMEM,
                           "the system refused worker thread %zu of %zu; fewer are asked for by --workers",
                           i + 1, n_threads);
        else
            w->n_joinable++;
    }
    pthread_mutex_lock(&w->lock);
    while (w->n_ready + w->n_failed < w->n_joinable)
        pthread_cond_wait(&w->started, &w->lock);
    if (!code && w->n_failed)
        code = err_set(e, w->failure.code, "%s", w->failure.text);
    pthread_mutex_unlock(&w->lock);
    if (code) {
        workers_stop(w);
        workers_free(w);
        return code;
    }
    *out = w;
    return ERR_OK;
}

bool worker_reserve(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    bool free_place = w->n_reserved < w->max_queue && !w->ending;
    if (free_place)
        w->n_reserved++;
    pthread_mutex_unlock(&w->lock);
    return free_place;
}

void worker_submit(struct workers *w, void *job)
{
    pthread_mutex_lock(&w->lock);
    assert(w->n < w->n_reserved); /* else it would lie on a job that waits */
    w->ring[(w->head + w->n++) % w->max_queue] = job;
    pthread_mutex_unlock(&w->lock);
    pthread_cond_signal(&w->more); /* after the lock, which whoever wakes takes first */
}

void workers_stop(struct workers *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_broadcast(&w->more);
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < w->n_joinable; i++)
        pthread_join(w->threads[i], NULL);
    w->n_joinable = 0;
}

void workers_free(struct workers *w)
{
    if (!w)
        return;
    pthread_cond_destroy(&w->started);
    pthread_cond_destroy(&w->more);
    pthread_mutex_destroy(&w->lock);
    mem_free(w->ring);
    mem_free(w);
}
