/* worker_pool - threads that do what may block, fed by a bounded queue.
 * A place is reserved before the connection is suspended, so that a full queue is answered and never waited
 * for.
 * Layer: server/http
 * Threads: worker_reserve and worker_submit from any; run in the workers' threads.
 * Memory: the queue's fixed ring. */
#ifndef SERVER_HTTP_WORKER_POOL_H
#define SERVER_HTTP_WORKER_POOL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct workers;

struct worker_calls {
    void *arg;
    enum err_code (*start)(void *arg, void **thread,
                           struct err *e); /* in each worker, before the first job */
    void (*run)(void *arg, void *thread, void *job);
    void (*stop)(void *arg, void *thread);
};

/* Returns when all threads have started; when one cannot, none is left. */
enum err_code workers_start(size_t n_threads, size_t max_queue, const struct worker_calls *calls,
                            struct workers **out, struct err *e) ERR_MUST_CHECK;

/* Takes a place in the queue; false when it is full. Each success is followed by one worker_submit. */
bool worker_reserve(struct workers *w);
void worker_submit(struct workers *w, void *job);

/* Finishes what is queued and what has a place, then ends the threads; worker_reserve then says no. NULL is
 * allowed. */
void workers_stop(struct workers *w);

/* Frees stopped workers, once nobody can ask them for a place. NULL is allowed. */
void workers_free(struct workers *w);

#endif
