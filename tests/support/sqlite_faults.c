/* A file system that stands in front of SQLite's own one and hands everything on, but for the operation that
 * must fail. A failing write leaves half of its bytes, as a full disk or a dying one does. */
#include "tests/support/sqlite_faults.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

static struct {
    enum sqlite_fault kind;
    long n, seen;
    bool persistent, fired;
} fault;

void sqlite_faults_arm(enum sqlite_fault kind, long n, bool persistent)
{
    fault.kind = kind;
    fault.n = n;
    fault.seen = 0;
    fault.persistent = persistent;
    fault.fired = false;
}

bool sqlite_faults_disarm(void)
{
    fault.kind = FAULT_NONE;
    return fault.fired;
}

static bool must_fail(enum sqlite_fault kind)
{
    if (fault.kind != kind)
        return false;
    long n = ++fault.seen;
    bool now = n == fault.n || (n > fault.n && fault.persistent);
    fault.fired |= now;
    return now;
}

/* ---- files ---- */

struct fault_file {
    sqlite3_file base;
    sqlite3_file *real; /* right behind this struct */
};

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct fault_file *)f)->real;
}

static int close_file(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int read_file(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    return must_fail(FAULT_READ) ? SQLITE_IOERR_READ : real_of(f)->pMethods->xRead(real_of(f), to, n, at);
}

static int write_file(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    bool full = must_fail(FAULT_WRITE_FULL), error = must_fail(FAULT_WRITE_ERROR);
    int rc = real_of(f)->pMethods->xWrite(real_of(f), from, full || error ? n / 2 : n, at);
    return full ? SQLITE_FULL : error ? SQLITE_IOERR_WRITE : rc;
}

static int truncate_file(sqlite3_file *f, sqlite3_int64 size)
{
    return must_fail(FAULT_TRUNCATE) ? SQLITE_IOERR_TRUNCATE
                                     : real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int sync_file(sqlite3_file *f, int flags)
{
    (void)f, (void)flags; /* no test pulls the plug: the disk may take its time */
    return must_fail(FAULT_SYNC) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int lock_file(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int unlock_file(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int check_lock(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int sector_size(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int characteristics(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return must_fail(FAULT_SHARED_MEMORY)
               ? SQLITE_IOERR_SHMMAP
               : real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}

static int shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int shm_unmap(sqlite3_file *f, int delete)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), delete);
}

/* Version 2: no memory-mapped reads, so that every read is counted. */
static const sqlite3_io_methods methods = {.iVersion = 2,
                                           .xClose = close_file,
                                           .xRead = read_file,
                                           .xWrite = write_file,
                                           .xTruncate = truncate_file,
                                           .xSync = sync_file,
                                           .xFileSize = file_size,
                                           .xLock = lock_file,
                                           .xUnlock = unlock_file,
                                           .xCheckReservedLock = check_lock,
                                           .xFileControl = file_control,
                                           .xSectorSize = sector_size,
                                           .xDeviceCharacteristics = characteristics,
                                           .xShmMap = shm_map,
                                           .xShmLock = shm_lock,
                                           .xShmBarrier = shm_barrier,
                                           .xShmUnmap = shm_unmap};

/* ---- the file system ---- */

static sqlite3_vfs *real_vfs;
static sqlite3_vfs fault_vfs;

static int open_file(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *f, int flags, int *out_flags)
{
    (void)vfs;
    struct fault_file *file = (struct fault_file *)f;
    file->base.pMethods = NULL;
    if (must_fail(FAULT_OPEN))
        return SQLITE_CANTOPEN;
    file->real = (sqlite3_file *)(file + 1);
    int rc = real_vfs->xOpen(real_vfs, name, file->real, flags, out_flags);
    if (file->real->pMethods)
        file->base.pMethods = &methods;
    return rc;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs, (void)sync_folder;
    return must_fail(FAULT_DELETE) ? SQLITE_IOERR_DELETE : real_vfs->xDelete(real_vfs, name, 0);
}

/* ---- the allocator ---- */

static sqlite3_mem_methods real_mem;

static void *allocate(int n)
{
    return must_fail(FAULT_ALLOCATION) ? NULL : real_mem.xMalloc(n);
}

static void *reallocate(void *old, int n)
{
    return must_fail(FAULT_ALLOCATION) ? NULL : real_mem.xRealloc(old, n);
}

void sqlite_faults_install(void)
{
    sqlite3_mem_methods mem;
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_mem) != SQLITE_OK)
        abort();
    mem = real_mem;
    mem.xMalloc = allocate;
    mem.xRealloc = reallocate;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &mem) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK || sqlite3_initialize() != SQLITE_OK)
        abort();
    real_vfs = sqlite3_vfs_find(NULL);
    fault_vfs = *real_vfs;
    fault_vfs.zName = "faults";
    fault_vfs.szOsFile = (int)sizeof(struct fault_file) + real_vfs->szOsFile;
    fault_vfs.xOpen = open_file;
    fault_vfs.xDelete = delete_file;
    if (sqlite3_vfs_register(&fault_vfs, 1) != SQLITE_OK)
        abort();
}
