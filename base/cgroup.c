/* /proc/self/cgroup says in which group the process is, by hierarchy; /proc/self/mountinfo where hierarchies
 * are mounted, and which of their groups is at the top there: in a container that is often the process's own.
 * From its folder up to the mount point each group is asked for its limits. */
#include "base/cgroup.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096, LINE_BYTES = 3 * PATH_BYTES };

/* One mounted hierarchy. */
struct mounted {
    bool unified;         /* version 2 */
    char top[PATH_BYTES]; /* the group at the mount point */
    char point[PATH_BYTES];
    char controllers[256]; /* version 1: names with commas between */
};

static bool names(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += n)
        if ((at == list || at[-1] == ',') && (at[n] == '\0' || at[n] == ',' || at[n] == '\n'))
            return true;
    return false;
}

/* A line of mountinfo: ... TOP POINT options ... - TYPE source SUPEROPTIONS. False: it is of no control
 * groups. */
static bool read_mount(const char *line, struct mounted *m)
{
    char type[64];
    const char *rest = strstr(line, " - ");
    if (!rest || sscanf(line, "%*s %*s %*s %4095s %4095s", m->top, m->point) != 2 ||
        sscanf(rest, " - %63s %*s %255s", type, m->controllers) != 2)
        return false;
    m->unified = strcmp(type, "cgroup2") == 0;
    return m->unified || strcmp(type, "cgroup") == 0;
}

/* The process's group in the hierarchy, from a line HIERARCHY:CONTROLLERS:PATH each. */
static bool find_group(const char *root, const struct mounted *m, const char *controller,
                       char path[PATH_BYTES])
{
    char name[PATH_BYTES], line[LINE_BYTES];
    bool found = false;
    (void)snprintf(name, sizeof name, "%s/proc/self/cgroup", root);
    FILE *f = fopen(name, "re");
    while (f && !found && fgets(line, sizeof line, f)) {
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        found = m->unified ? controllers[1] == '\0' : names(controllers + 1, controller);
        if (found)
            (void)snprintf(path, PATH_BYTES, "%.*s", PATH_BYTES - 1, group);
    }
    if (f)
        (void)fclose(f);
    return found;
}

/* A file's first line; false when there is none. */
static bool read_line(const char *folder, const char *file, char line[64])
{
    char name[PATH_BYTES + 64];
    (void)snprintf(name, sizeof name, "%.*s/%s", PATH_BYTES - 1, folder, file);
    FILE *f = fopen(name, "re");
    bool done = f && fgets(line, 64, f);
    if (f)
        (void)fclose(f);
    return done;
}

static void limit_processors(const char *folder, bool unified, struct cgroup_limits *limits)
{
    char line[64], other[64];
    double quota = 0, period = 0;
    if (unified
            ? !read_line(folder, "cpu.max", line) ||
                  sscanf(line, "%lf %lf", &quota, &period) != 2 /* "max" is none */
            : !read_line(folder, "cpu.cfs_quota_us", line) || !read_line(folder, "cpu.cfs_period_us", other))
        return;
    if (!unified) {
        quota = strtod(line, NULL);
        period = strtod(other, NULL);
    }
    if (quota > 0 && period > 0 && quota / period < limits->processors)
        limits->processors = quota / period;
}

static void limit_memory(const char *folder, bool unified, struct cgroup_limits *limits)
{
    static const char *const files[] = {"memory.limit_in_bytes", "memory.max", "memory.high"};
    const uint64_t none = (uint64_t)1 << 60; /* version 1 writes its largest number, of whole pages */
    for (size_t i = unified ? 1 : 0; i < (unified ? 3 : 1); i++) {
        char line[64], *end;
        if (!read_line(folder, files[i], line))
            continue;
        unsigned long long n = strtoull(line, &end, 10);
        if (end != line && n < none && n < limits->memory_bytes)
            limits->memory_bytes = n;
    }
}

/* From the process's group up to the one at the mount point. */
static void limit_by(const char *root, const struct mounted *m, const char *controller,
                     struct cgroup_limits *limits)
{
    char group[PATH_BYTES], folder[2 * PATH_BYTES];
    if (!find_group(root, m, controller, group))
        return;
    size_t n_top = strcmp(m->top, "/") == 0 ? 0 : strlen(m->top);
    bool below = strncmp(group, m->top, n_top) == 0 && (group[n_top] == '/' || group[n_top] == '\0') &&
                 !strstr(group, "/..");
    (void)snprintf(folder, sizeof folder, "%s%s%s", root, m->point, below ? group + n_top : "");
    size_t least = strlen(root) + strlen(m->point), n = strlen(folder);
    for (;;) {
        while (n > least && folder[n - 1] == '/')
            folder[--n] = '\0';
        if (strcmp(controller, "cpu") == 0)
            limit_processors(folder, m->unified, limits);
        else
            limit_memory(folder, m->unified, limits);
        if (n <= least)
            return;
        while (n > least && folder[n - 1] != '/')
            folder[--n] = '\0';
    }
}

struct cgroup_limits cgroup_read(const char *root)
{
    struct cgroup_limits limits = {.processors = INFINITY, .memory_bytes = UINT64_MAX};
    char name[PATH_BYTES], line[LINE_BYTES];
    (void)snprintf(name, sizeof name, "%s/proc/self/mountinfo", root);
    FILE *f = fopen(name, "re");
    while (f && fgets(line, sizeof line, f)) {
        struct mounted m;
        if (!read_mount(line, &m))
            continue;
        if (m.unified || names(m.controllers, "cpu"))
            limit_by(root, &m, "cpu", &limits);
        if (m.unified || names(m.controllers, "memory"))
            limit_by(root, &m, "memory", &limits);
    }
    if (f)
        (void)fclose(f);
    return limits;
}
