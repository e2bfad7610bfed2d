/* Beside a file that is written anyway: there is room where that has room, and often not in /tmp, which may
 * be memory. A name is made and taken away again, because not every file system has files without one from
 * the start. */
#include "base/scratch.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int scratch_beside(const char *path)
{
    static const char suffix[] = "-importXXXXXX";
    size_t n = strlen(path);
    char *name = mem_alloc(n + sizeof suffix);
    if (!name) {
        errno = ENOMEM;
        return -1;
    }
    memcpy(name, path, n);
    memcpy(name + n, suffix, sizeof suffix);
    int fd = mkstemp(name);
    if (fd >= 0) {
        (void)unlink(name);
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    mem_free(name);
    return fd;
}
