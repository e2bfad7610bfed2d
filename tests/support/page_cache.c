#include "tests/support/page_cache.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/uio.h>

static atomic_int failure;
static atomic_long n_asked, fails_after;

void page_cache_fail(int error, long after)
{
    atomic_store(&fails_after, atomic_load(&n_asked) + after);
    atomic_store(&failure, error);
}

long page_cache_asked(void)
{
    return atomic_load(&n_asked);
}

ssize_t preadv64v2(int fd, const struct iovec *parts, int n, off64_t from, int flags)
{
    (void)flags;
    if (atomic_fetch_add(&n_asked, 1) < atomic_load(&fails_after) || !atomic_load(&failure))
        return preadv64(fd, parts, n, from);
    errno = atomic_load(&failure);
    return -1;
}
