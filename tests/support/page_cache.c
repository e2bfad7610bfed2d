#include "tests/support/page_cache.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/uio.h>

static atomic_int failure;
static atomic_long n_asked, fails_after;

void page_cache_fail(int how, long after)
{
    atomic_store(&fails_after, atomic_load(&n_asked) + after);
    atomic_store(&failure, how);
}

long page_cache_asked(void)
{
    return atomic_load(&n_asked);
}

ssize_t preadv64v2(int fd, const struct iovec *parts, int n, off64_t from, int flags)
{
    if (flags != RWF_NOWAIT || n != 1)
        abort();
    int how = atomic_fetch_add(&n_asked, 1) < atomic_load(&fails_after) ? 0 : atomic_load(&failure);
    if (how > 0) {
        errno = how;
        return -1;
    }
    struct iovec part = {parts->iov_base, how == PAGE_CACHE_HALF ? parts->iov_len / 2 : parts->iov_len};
    return how == PAGE_CACHE_NOTHING ? 0 : preadv64(fd, &part, 1, from);
}
