/* parallel - a team of threads that runs one loop at a time.
 * Iterations are handed out dynamically; a loop whose iterations write to their own places only gives the
 * same result whatever the number of threads. What takes long may be stopped (parallel_stop_when): those
 * loops leave iterations undone, and whoever runs one asks parallel_stopped after it and drops what it made.
 * Layer: base
 * Threads: the team belongs to the thread that made it; fn runs in all of them at once.
 * Memory: one small block. */
#ifndef BASE_PARALLEL_H
#define BASE_PARALLEL_H

#include "base/err.h"

#include <stdbool.h>
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

/* Asked by any thread of the team before each iteration, at the same time; true: stop. */
typedef bool parallel_stop_fn(void *arg);

/* From now on loops that may be stopped end early once fn has said so, until this is called again. fn NULL:
 * nothing stops them. */
void parallel_stop_when(struct parallel *p, parallel_stop_fn *fn, void *arg);

/* Whether fn has said so since then, or says so now. */
bool parallel_stopped(struct parallel *p);

/* As parallel_for, but it may be stopped. */
void parallel_for_unless_stopped(struct parallel *p, size_t n, parallel_fn *fn, void *arg);

#endif
