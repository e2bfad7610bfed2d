/* cgroup - what the process's control groups let it have: processors by quota, and memory.
 * Cost: a dozen small files of /proc and /sys; read once, at start. Version 1 and 2, also side by side. A
 * group's parents bind it too, so the least counts.
 * Layer: base
 * Threads: any.
 * Memory: on the stack. */
#ifndef BASE_CGROUP_H
#define BASE_CGROUP_H

#include <stdint.h>

struct cgroup_limits {
    double processors;     /* of a processor's time all the time; INFINITY: no quota */
    uint64_t memory_bytes; /* UINT64_MAX: no limit */
};

/* Reads them below root, "" for the machine's own; what cannot be read limits nothing. */
struct cgroup_limits cgroup_read(const char *root);

#endif
