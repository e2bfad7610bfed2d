/* Everything here is asked once, at start: a limit that changes under a running process is not followed. */
#include "base/machine.h"

#include "base/cgroup.h"

#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* Processors of the affinity mask; 0: not known. */
static size_t allowed_processors(void)
{
    enum {
        MAX_WORDS = 16
    }; /* cpu_set_t's, 1024 processors each; the system refuses a mask smaller than its own */
    cpu_set_t set[MAX_WORDS];
    return sched_getaffinity(0, sizeof set, set) ? 0 : (size_t)CPU_COUNT_S(sizeof set, set);
}

size_t machine_processors(void)
{
    size_t n = allowed_processors();
    if (n == 0) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        n = online > 0 ? (size_t)online : 1;
    }
    double quota = ceil(cgroup_read("").processors);
    return quota < (double)n ? (size_t)quota : n;
}

size_t machine_memory_bytes(void)
{
    uint64_t n = cgroup_read("").memory_bytes;
    return n < SIZE_MAX ? (size_t)n : SIZE_MAX;
}

/* What the process has mapped, and of that what is data, in bytes. */
static bool read_mapped(size_t *all, size_t *data)
{
    long unit = sysconf(_SC_PAGESIZE);
    FILE *f = fopen("/proc/self/statm", "re");
    bool done = f && fscanf(f, "%zu %*u %*u %*u %*u %zu", all, data) == 2;
    if (f)
        (void)fclose(f);
    *all *= (size_t)unit;
    *data *= (size_t)unit;
    return done;
}

/* Under vm.overcommit_memory = 2 what is mapped must be backed: what the system still gives. */
static bool read_commit(size_t *limit, size_t *used)
{
    char line[256], mode = '0';
    bool has_limit = false, has_used = false;
    FILE *f = fopen("/proc/sys/vm/overcommit_memory", "re");
    if (f) {
        mode = (char)fgetc(f);
        (void)fclose(f);
    }
    if (mode != '2' || !(f = fopen("/proc/meminfo", "re")))
        return false;
    while (fgets(line, sizeof line, f)) {
        has_limit |= sscanf(line, "CommitLimit: %zu", limit) == 1;
        has_used |= sscanf(line, "Committed_AS: %zu", used) == 1;
    }
    (void)fclose(f);
    *limit *= 1024;
    *used *= 1024;
    return has_limit && has_used;
}

static void take_less(size_t of, size_t used, const char *name, size_t *left, const char **which,
                      size_t *limit)
{
    size_t n = of > used ? of - used : 0;
    if (n >= *left)
        return;
    *left = n;
    *which = name;
    *limit = of;
}

size_t machine_address_space_left(const char **which, size_t *limit)
{
    size_t all = 0, data = 0, of = 0, used = 0, left = SIZE_MAX;
    struct rlimit most;
    *which = "none";
    *limit = SIZE_MAX;
    bool known = read_mapped(&all, &data);
    if (known && getrlimit(RLIMIT_AS, &most) == 0 && most.rlim_cur != RLIM_INFINITY)
        take_less((size_t)most.rlim_cur, all, "ulimit -v", &left, which, limit);
    if (known && getrlimit(RLIMIT_DATA, &most) == 0 && most.rlim_cur != RLIM_INFINITY)
        take_less((size_t)most.rlim_cur, data, "ulimit -d", &left, which, limit);
    if (read_commit(&of, &used))
        take_less(of, used, "vm.overcommit_memory = 2", &left, which, limit);
    return left;
}
