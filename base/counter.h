/* counter - counts that many threads add to and one reads now and then.
 * Layer: base
 * Threads: any; relaxed atomics, no lock.
 * Memory: none. */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stdatomic.h>

#define COUNTER_ADD(counters, name, n) atomic_fetch_add_explicit(&(counters)->name, (n), memory_order_relaxed)

#endif
