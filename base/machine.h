/* machine - what this machine lets this process have: processors, memory, address space.
 * Cost: some files of /proc and /sys; asked at start.
 * Layer: base
 * Threads: any.
 * Memory: none. */
#ifndef BASE_MACHINE_H
#define BASE_MACHINE_H

#include <stddef.h>

/* How many threads can run at once: the processors that the process may use (affinity, cpuset), or fewer by
 * the quota of its control groups, rounded up. At least 1. */
size_t machine_processors(void);

/* The least memory limit of its control groups; SIZE_MAX: none. */
size_t machine_memory_bytes(void);

/* What may still be mapped under the limits of the process (ulimit -v, ulimit -d) or a system that gives no
 * more than it has; SIZE_MAX: any. *which: the name of the limit that is met first, static storage. *limit:
 * its value in bytes. */
size_t machine_address_space_left(const char **which, size_t *limit);

#endif
