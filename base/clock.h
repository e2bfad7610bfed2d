/* clock - time: what durations, dates and costs are read from.
 * Cost: one vDSO call.
 * Layer: base
 * Threads: any.
 * Memory: none. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds since an arbitrary start; never goes back. */
int64_t clock_monotonic_ns(void);

/* The same as of the last tick of the system's timer, some milliseconds ago, at a fifth of the cost. */
int64_t clock_coarse_ns(void);

/* Seconds since 1970-01-01 UTC. */
int64_t clock_unix_s(void);

/* Milliseconds since 1970-01-01 UTC, for log lines. */
int64_t clock_unix_ms(void);

/* Processor time of the calling thread, in nanoseconds: what a computation costs, whatever else the machine
 * does. */
int64_t clock_thread_ns(void);

#endif
