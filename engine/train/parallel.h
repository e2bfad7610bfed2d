/* parallel - a team of threads that runs one loop at a time.
 * Layer: engine.       Threads: the team belongs to the thread that made it; fn runs in all of them at once.
 * Memory: one small block.
 * Iterations are handed out dynamically; a loop whose iterations write to their own places only gives the
 * same result whatever the number of threads. */
#ifndef ENGINE_TRAIN_PARALLEL_H
#define ENGINE_TRAIN_PARALLEL_H

#include "base/err.h"

#include <stddef.h>

struct parallel;

/* fn(arg, i, thread) with thread below parallel_threads. */
typedef void parallel_fn(void *arg, size_t i, size_t thread);

/* n_threads 0: as many as processors. The caller's thread is one of them. */
enum err_code parallel_new(int n_threads, struct parallel **out, struct err *e) ERR_MUST_CHECK;
void parallel_free(struct parallel *p);
size_t parallel_threads(const struct parallel *p);

/* Runs fn for i in [0, n) and returns when all are done. */
void parallel_for(struct parallel *p, size_t n, parallel_fn *fn, void *arg);

#endif
