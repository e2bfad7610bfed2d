/* clock - time: what durations, dates and costs are read from.
 * Cost: one vDSO call.
 * Layer: base
 * Threads: any.
 * Memory: none. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* Nanoseconds since an arbitrary start; never goes back. */
int64_t clock_monotonic_ns(void);

/* The same as of the last tick of the system's timer, some milliseconds ago, at a fifth of the cost. */
int64_t clock_coarse_ns(void);

/* Seconds since 1970-01-01 UTC. */
int64_t clock_unix_s(void);

/* Milliseconds since 1970-01-01 UTC, for log lines. */
int64_t clock_unix_ms(void);

/* The moment as text that sorts as time does, 20261130T150935.325Z: for names of files, and for the versions
 * of trainings that are given none. To the millisecond: small models train in less than a second. */
enum { CLOCK_STAMP_BYTES = 32 };
void clock_stamp(char out[CLOCK_STAMP_BYTES]);

/* Processor time of the calling thread, in nanoseconds: what a computation costs, whatever else the machine
 * does. */
int64_t clock_thread_ns(void);

/* A condition whose timed waits are by the monotonic clock, and the moment so many nanoseconds from now by
 * it: a wall clock that is set must not make anybody wait. */
void clock_cond_init(pthread_cond_t *c);
struct timespec clock_monotonic_in(int64_t ns);

#endif
