/* base/cgroup.c and base/machine.c: limits of control groups, read from made-up /proc and /sys; affinity;
 * address space. */
#include "base/cgroup.h"
#include "base/machine.h"
#include "tests/support/suite.h"

#include <math.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/hypernet-cgroup-XXXXXX";

static void make_root(void)
{
    strcpy(root + sizeof root - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void remove_root(void)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -r '%s'", root);
    ck_assert_int_eq(system(command), 0);
}

/* A file of the made-up machine, with its folders. */
static void put(const char *name, const char *text)
{
    char path[512];
    int n = snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = path + strlen(root) + 1; slash < path + n && (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(nothing_to_read_limits_nothing)
{
    struct cgroup_limits limits = cgroup_read(root);
    ck_assert(isinf(limits.processors));
    ck_assert_uint_eq(limits.memory_bytes, UINT64_MAX);
}
END_TEST

START_TEST(the_least_of_a_group_and_its_parents_counts)
{
    put("proc/self/cgroup", "0::/system.slice/hypernet.service\n");
    put("proc/self/mountinfo", "25 30 0:23 / /sys rw,nosuid - sysfs sysfs rw\n"
                               "31 25 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 "
                               "rw,nsdelegate,memory_recursiveprot\n");
    put("sys/fs/cgroup/system.slice/hypernet.service/cpu.max", "350000 100000\n");
    put("sys/fs/cgroup/system.slice/cpu.max", "150000 100000\n");
    put("sys/fs/cgroup/system.slice/hypernet.service/memory.max", "max\n");
    put("sys/fs/cgroup/system.slice/hypernet.service/memory.high", "734003200\n");
    put("sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
    struct cgroup_limits limits = cgroup_read(root);
    ck_assert_double_eq(limits.processors, 1.5);
    ck_assert_uint_eq(limits.memory_bytes, 734003200);
}
END_TEST

START_TEST(a_container_sees_its_own_group_at_the_mount_point)
{
    put("proc/self/cgroup", "0::/\n");
    put("proc/self/mountinfo", "31 25 0:27 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    put("sys/fs/cgroup/cpu.max", "50000 100000\n");
    put("sys/fs/cgroup/memory.max", "268435456\n");
    struct cgroup_limits limits = cgroup_read(root);
    ck_assert_double_eq(limits.processors, 0.5);
    ck_assert_uint_eq(limits.memory_bytes, 268435456);
}
END_TEST

START_TEST(hierarchies_of_version_1_are_read)
{
    put("proc/self/cgroup", "9:name=systemd:/\n4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/\n");
    /* the memory hierarchy is mounted with the container's group at its top, the other with the machine's */
    put("proc/self/mountinfo", "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
                               "33 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
                               "35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                               "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1\n");
    put("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
    put("sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "200000\n");
    put("sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us", "100000\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
    struct cgroup_limits limits = cgroup_read(root);
    ck_assert_double_eq(limits.processors, 2);
    ck_assert_uint_eq(limits.memory_bytes, 536870912);
}
END_TEST

START_TEST(no_limit_is_written_in_many_ways)
{
    put("proc/self/cgroup", "4:memory:/\n0::/..\n");
    put("proc/self/mountinfo", "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                               "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
                               "a broken line\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/unified/cpu.max", "max 100000\n");
    put("sys/fs/cgroup/unified/memory.max", "max\n");
    struct cgroup_limits limits = cgroup_read(root);
    ck_assert(isinf(limits.processors));
    ck_assert_uint_eq(limits.memory_bytes, UINT64_MAX);
}
END_TEST

START_TEST(processors_are_those_of_the_affinity)
{
    cpu_set_t all, one;
    int first = 0;
    ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
    ck_assert_uint_ge(machine_processors(), 1);
    ck_assert_uint_le(machine_processors(), (size_t)CPU_COUNT(&all));
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_assert_uint_eq(machine_processors(), 1);
    ck_assert_int_eq(sched_setaffinity(0, sizeof all, &all), 0);
}
END_TEST

/* What the process's groups are said to allow; 0: what they do. */
static double quota;
struct cgroup_limits __real_cgroup_read(const char *at);
struct cgroup_limits __wrap_cgroup_read(const char *at);
struct cgroup_limits __wrap_cgroup_read(const char *at)
{
    return quota > 0 ? (struct cgroup_limits){quota, UINT64_MAX} : __real_cgroup_read(at);
}

START_TEST(processors_are_no_more_than_the_quota_has_begun)
{
    cpu_set_t all;
    ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
    const size_t n = (size_t)CPU_COUNT(&all);
    const struct {
        double quota;
        size_t processors;
    } cases[] = {{0.25, 1}, {1, 1}, {1.5, n < 2 ? n : 2}, {1e6, n}, {INFINITY, n}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        quota = cases[i].quota;
        ck_assert_uint_eq(machine_processors(), cases[i].processors);
    }
    quota = 0;
}
END_TEST

START_TEST(address_space_left_is_that_of_the_limit)
{
    const char *which;
    size_t limit;
    struct rlimit old, most;
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &old), 0);
    most = old;
    most.rlim_cur = (rlim_t)1 << 46; /* above what a sanitizer maps */
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &most), 0);
    size_t left = machine_address_space_left(&which, &limit);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &old), 0);
    ck_assert_uint_lt(left, (size_t)1 << 46);
    ck_assert(strcmp(which, "ulimit -v") != 0 || limit == (size_t)1 << 46);
}
END_TEST

SUITE("base/machine", make_root, remove_root, {nothing_to_read_limits_nothing},
      {the_least_of_a_group_and_its_parents_counts}, {a_container_sees_its_own_group_at_the_mount_point},
      {hierarchies_of_version_1_are_read}, {no_limit_is_written_in_many_ways},
      {processors_are_those_of_the_affinity}, {processors_are_no_more_than_the_quota_has_begun},
      {address_space_left_is_that_of_the_limit})
