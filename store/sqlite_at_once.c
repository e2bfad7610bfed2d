/* Reads that do not wait. SQLite reads a page that it does not hold by the pread64 of its file system for Unix, which lets it be
 * replaced; ours asks the kernel, while a read at once is under way in its thread, for what lies in the page cache only (preadv2 with
 * RWF_NOWAIT, Linux 4.14). Else EAGAIN comes, which is an I/O error to SQLite: it ends the statement and forgets the page. Locks are
 * not waited for either. */
#include "store/sqlite_private.h"

#include <errno.h>
#include <sys/uio.h>

typedef ssize_t pread64_fn(int fd, void *to, size_t n, off64_t from);

static pread64_fn *usual; /* NULL: this SQLite reads in another way */

/* The read at once of this thread. */
static _Thread_local struct {
    bool under_way;
    int failure; /* errno of the last one that failed */
} at_once;

static ssize_t read_file(int fd, void *to, size_t n, off64_t from)
{
    if (!at_once.under_way)
        return usual(fd, to, n, from);
    struct iovec part = {to, n};
    ssize_t got = preadv64v2(fd, &part, 1, from, RWF_NOWAIT);
    if (got < 0)
        at_once.failure = errno;
    return got;
}

void sqlite_at_once_install(void)
{
    sqlite3_vfs *unix_files = sqlite3_vfs_find("unix");
    if (!unix_files || unix_files->iVersion < 3 || !unix_files->xGetSystemCall)
        return;
    usual = (pread64_fn *)unix_files->xGetSystemCall(unix_files, "pread64");
    if (usual &&
        unix_files->xSetSystemCall(unix_files, "pread64", (sqlite3_syscall_ptr)read_file) != SQLITE_OK)
        usual = NULL;
}

bool sqlite_at_once_begin(struct sqlite_conn *c)
{
    if (!usual || c->never_at_once)
        return false;
    at_once.under_way = true;
    at_once.failure = 0;
    sqlite3_busy_timeout(c->db, 0);
    return true;
}

void sqlite_at_once_end(struct sqlite_conn *c)
{
    at_once.under_way = false;
    sqlite3_busy_timeout(c->db, SQLITE_BUSY_MS);
    /* The file system does not know such reads, or fails in a way that others have to tell of. */
    if (at_once.failure && at_once.failure != EAGAIN && at_once.failure != EINTR)
        c->never_at_once = true;
}
