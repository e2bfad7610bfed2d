/* The write-ahead log on its way into the file, and what of deleted people must not stay in either.
 *
 * secure_delete makes SQLite overwrite what it deletes, but two places are left. The log holds the pages as
 * they were until it is written over: after a transaction that deleted something of a person it is emptied,
 * cut to nothing, as soon as no reader stands in the way. And when a page of a tree is filled anew, because
 * its neighbours were split or joined, the space between its table of cells and its first cell keeps copies
 * of rows that moved to other pages, where nothing overwrites them when the row is deleted (SQLite 3.40: of
 * 2,000 deleted users 11 were still to be found). That space means nothing, so it is written as zeros when a
 * page goes from the log into the file, which is the only way into the file. */
#include "store/sqlite/private.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PAGE_BYTES = 4096,    /* of every store that we make; others are written as they are */
    FILE_HEADER = 100,    /* before the header of the first page */
    CHECKPOINT_AT = 1000, /* pages in the log, SQLite's own default */
    CLOSING_BUSY_MS = 1000
};

/* Below this no page number has anything but zero in its first byte, where a page of a tree has its kind and
 * any other page the number of the next one. */
static const int64_t max_file_bytes = (int64_t)PAGE_BYTES << 24;

typedef ssize_t pwrite64_fn(int fd, const void *from, size_t n, off64_t at);

static pwrite64_fn *usual_write; /* NULL: this SQLite writes in another way */

static _Thread_local bool into_file; /* this thread brings pages from the log into the file */

static size_t number_at(const unsigned char *p)
{
    return (size_t)p[0] << 8 | p[1];
}

/* The unused space of a page of a tree, [*from, *to); false: it is no such page. File format:
 * sqlite.org/fileformat2.html, 1.6. */
static bool find_gap(const unsigned char page[PAGE_BYTES], bool first, size_t *from, size_t *to)
{
    size_t header = first ? FILE_HEADER : 0;
    bool leaf = page[header] == 10 || page[header] == 13, inner = page[header] == 2 || page[header] == 5;
    *from = header + (leaf ? 8 : 12) + 2 * number_at(page + header + 3);
    *to = number_at(page + header + 5);
    return (leaf || inner) && *from <= *to && *to <= PAGE_BYTES;
}

static ssize_t write_file(int fd, const void *bytes, size_t n, off64_t at)
{
    unsigned char page[PAGE_BYTES];
    size_t from, to, done = 0;
    if (!into_file || n != PAGE_BYTES || at % PAGE_BYTES != 0 || !find_gap(bytes, at == 0, &from, &to))
        return usual_write(fd, bytes, n, at);
    memcpy(page, bytes, sizeof page);
    memset(page + from, 0, to - from);
    while (done < n) { /* the rest of a short write would come without us */
        ssize_t wrote = usual_write(fd, page + done, n - done, at + (off64_t)done);
        if (wrote <= 0)
            return wrote;
        done += (size_t)wrote;
    }
    return (ssize_t)n;
}

void sqlite_log_install(void)
{
    static const char *const names[] = {"pwrite64", "pwrite"}; /* one of them is what this SQLite uses */
    sqlite3_vfs *files = sqlite3_vfs_find("unix");
    for (size_t i = 0; i < 2 && files && files->iVersion >= 3 && !usual_write; i++) {
        usual_write = (pwrite64_fn *)files->xGetSystemCall(files, names[i]);
        if (usual_write &&
            files->xSetSystemCall(files, names[i], (sqlite3_syscall_ptr)write_file) != SQLITE_OK)
            usual_write = NULL;
    }
}

/* From here to the end the thread's writes to the file are cleaned. */
static void begin_into_file(const struct sqlite_conn *c)
{
    struct stat found;
    into_file = usual_write && stat(c->store->file, &found) == 0 && found.st_size < max_file_bytes;
}

/* What SQLite does by itself after a commit, done by us. */
static int after_commit(void *arg, sqlite3 *db, const char *name, int n_pages)
{
    struct sqlite_conn *c = arg;
    if (n_pages >= c->checkpoint_at) {
        begin_into_file(c);
        (void)sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        into_file = false;
    }
    return SQLITE_OK;
}

void sqlite_log_follow(struct sqlite_conn *c)
{
    c->checkpoint_at = CHECKPOINT_AT;
    (void)sqlite3_wal_hook(c->db, after_commit, c);
}

int sqlite_empty_log(struct sqlite_conn *c, int wait_ms)
{
    sqlite_wait(c, wait_ms);
    begin_into_file(c);
    int rc = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    into_file = false;
    sqlite_wait(c, SQLITE_BUSY_MS);
    return rc;
}

enum err_code sqlite_settle(struct store_conn *conn, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    if (!atomic_exchange(&c->store->erased, false)) /* before, so that what is deleted meanwhile counts */
        return ERR_OK;
    int rc = sqlite_empty_log(c, 0);
    if (rc == SQLITE_OK)
        return ERR_OK;
    atomic_store(&c->store->erased, true);
    return sqlite_fail(c, rc, "empty the log of what was deleted", e);
}

void sqlite_log_close(struct sqlite_conn *c)
{
    if (!c->db)
        return;
    if (sqlite_check_place(c->store, NULL))
        (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL); /* see place.c */
    else if (atomic_exchange(&c->store->erased, false) && sqlite_empty_log(c, CLOSING_BUSY_MS) != SQLITE_OK)
        atomic_store(&c->store->erased, true);
    begin_into_file(c);
    sqlite3_close(c->db);
    into_file = false;
}
