/* periodic - a thread that does one thing again and again, until it is stopped.
 * Layer: base
 * Threads: start and stop are the owner's; the function is called on the thread that is started.
 * Memory: one block. */
#ifndef BASE_PERIODIC_H
#define BASE_PERIODIC_H

#include "base/err.h"

#include <stdint.h>

struct periodic;

/* Calls fn(arg) period_ns from now, and again period_ns after each call has ended; a wall clock that is set
 * back stops nothing. what: what the thread does, for the message ("saves users"). ERR_NOMEM: no memory, or
 * the system refused the thread. */
enum err_code periodic_start(int64_t period_ns, void (*fn)(void *arg), void *arg, const char *what,
                             struct periodic **out, struct err *e) ERR_MUST_CHECK;

/* No call begins any more, and a call that runs is waited for. NULL is allowed. */
void periodic_stop(struct periodic *p);

#endif
