/* Reads that do not wait. SQLite reads a page that it does not hold by the pread of its file system for
 * Unix, which lets it be replaced; ours asks the kernel, while a nonblocking read is under way in its
 * thread, for what lies in the page cache only (preadv2 with RWF_NOWAIT, Linux 4.14). Else EAGAIN comes,
 * which is an I/O error to SQLite: it ends the statement and forgets the page. So does a read that gives
 * less than was asked for: at the end of a file that is the truth, but Linux 5.9 and 5.10 say so in its
 * middle too (preadv(2), BUGS), and SQLite would take the rest for zeros. Locks are not waited for either,
 * nor the pauses SQLite makes between its looks at an index of the log that another process is changing. */
#include "store/sqlite/private.h"

#include <errno.h>
#include <sys/uio.h>

typedef ssize_t pread64_fn(int fd, void *to, size_t n, off64_t from);

static pread64_fn *usual_read; /* NULL: this SQLite reads in another way */
static int (*usual_sleep)(sqlite3_vfs *files, int us);

/* The nonblocking read of this thread. */
static _Thread_local struct {
    bool under_way;
    bool unknown; /* the file system does not know such reads */
} nonblocking;

static ssize_t read_file(int fd, void *to, size_t n, off64_t from)
{
    if (!nonblocking.under_way)
        return usual_read(fd, to, n, from);
    struct iovec part = {to, n};
    ssize_t got = preadv64v2(fd, &part, 1, from, RWF_NOWAIT);
    if (got >= 0 && (size_t)got < n) {
        errno = EAGAIN;
        return -1;
    }
    if (got < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL || errno == EPERM))
        nonblocking.unknown = true;
    return got;
}

static int pause_us(sqlite3_vfs *files, int us)
{
    return nonblocking.under_way ? 0 : usual_sleep(files, us);
}

void sqlite_nonblocking_install(void)
{
    static const char *const names[] = {"pread64", "pread"}; /* one of them is what this SQLite uses */
    sqlite3_vfs *files = sqlite3_vfs_find("unix");
    for (size_t i = 0; i < 2 && files && files->iVersion >= 3 && !usual_read; i++) {
        usual_read = (pread64_fn *)files->xGetSystemCall(files, names[i]);
        if (usual_read && files->xSetSystemCall(files, names[i], (sqlite3_syscall_ptr)read_file) != SQLITE_OK)
            usual_read = NULL;
    }
    if (usual_read) {
        usual_sleep = files->xSleep;
        files->xSleep = pause_us;
    }
}

bool sqlite_reads_nonblocking(const struct store_conn *conn)
{
    return usual_read && !((const struct sqlite_conn *)conn)->always_blocks;
}

bool sqlite_nonblocking_begin(struct sqlite_conn *c)
{
    if (!sqlite_reads_nonblocking(&c->base))
        return false;
    nonblocking.under_way = true;
    nonblocking.unknown = false;
    sqlite_wait(c, 0);
    return true;
}

void sqlite_nonblocking_end(struct sqlite_conn *c)
{
    nonblocking.under_way = false;
    sqlite_wait(c, SQLITE_BUSY_MS);
    c->always_blocks = nonblocking.unknown;
}
