/* An SQLite store around its records: opening, files, backups, whose log it is. Risk: a file that is not
 * ours, or is another's by now, is changed. */
#include "base/mem.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

STORE_FIXTURE(f)

static struct store_counts counts(struct store_conn *c)
{
    struct store_counts n;
    STORE_OK(store_count(c, &n, &e));
    return n;
}

/* ---- opening, backup ---- */

START_TEST(test_urls_of_other_kinds_and_missing_files_are_refused)
{
    struct store *s = NULL;
    char url[128];
    STORE_FAILS(store_open("postgresql://host/db", STORE_CREATE, &s, &e), ERR_INVALID);
    STORE_FAILS(store_open("", STORE_CREATE, &s, &e), ERR_INVALID);
    STORE_FAILS(store_open("sqlite:", STORE_CREATE, &s, &e), ERR_INVALID);
    (void)snprintf(url, sizeof url, "%s/none.db", f.dir);
    STORE_FAILS(store_open(url, STORE_READ_WRITE, &s, &e), ERR_NOTFOUND);
    ck_assert_int_ne(access(url, F_OK), 0);
    (void)snprintf(url, sizeof url, "%s/none/none.db", f.dir);
    STORE_FAILS(store_open(url, STORE_CREATE, &s, &e), ERR_IO);
    ck_assert_ptr_null(s);
    store_close(NULL);
    (void)snprintf(url, sizeof url, "sqlite:%s", f.path);
    STORE_OK(store_open(url, STORE_READ_WRITE, &s, &e));
    store_close(s);
    STORE_OK(store_open(url, STORE_CREATE, &s, &e)); /* it exists: opened as it is */
    store_close(s);
}
END_TEST

START_TEST(test_a_backup_is_the_store_at_one_moment_and_never_overwrites)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/backup.db", f.dir);
    store_fixture_user(f.conn, "ann", "{}");
    store_fixture_event(f.conn, "ann", "i", 1, 1);
    store_fixture_context(f.conn, &store_fixture_key, "ann", 9, true, "abcd");
    store_fixture_user(f.conn, "gone", NULL);
    store_fixture_delete(f.conn, "gone");
    int64_t last, copied;
    char *before = store_fixture_dump(f.conn);
    STORE_OK(store_last_change(f.conn, &last, &e));
    STORE_OK(store_backup(f.conn, path, NULL, &e));
    store_fixture_user(f.conn, "later", "{}");
    STORE_FAILS(store_backup(f.conn, path, NULL, &e), ERR_CONFLICT);
    struct store *s;
    struct store_conn *c;
    STORE_OK(store_open(path, STORE_READ_WRITE, &s, &e));
    STORE_OK(store_connect(s, &c, &e));
    char *after = store_fixture_dump(c);
    ck_assert_str_eq(before, after);
    STORE_OK(store_last_change(c, &copied, &e));
    ck_assert_int_eq(last, copied); /* change numbers go on from there */
    ck_assert_int_gt(store_fixture_user(c, "gone", NULL), last);
    store_disconnect(c);
    store_close(s);
    mem_free(before);
    mem_free(after);
    (void)snprintf(path, sizeof path, "%s/none/backup.db", f.dir);
    STORE_FAILS(store_backup(f.conn, path, NULL, &e), ERR_IO);
}
END_TEST

static bool end_at_once(void *arg)
{
    ++*(int *)arg;
    return true;
}

/* Whoever waits for it may go; what was written goes too. */
START_TEST(test_a_backup_that_nobody_waits_for_ends_and_leaves_no_file)
{
    int n_asked = 0;
    const struct store_patience none = {end_at_once, &n_asked};
    char path[128], part[160], id[16], *before;
    (void)snprintf(path, sizeof path, "%s/backup.db", f.dir);
    STORE_OK(store_begin(f.conn, &e));
    for (int i = 0; i < 20000; i++) {
        int64_t revision;
        bool created;
        (void)snprintf(id, sizeof id, "u%d", i);
        STORE_OK(store_put_user(f.conn, text_of(id), text_of("{}"), &revision, &created, &e));
    }
    STORE_OK(store_commit(f.conn, &e));
    before = store_fixture_dump(f.conn);
    STORE_FAILS(store_backup(f.conn, path, &none, &e), ERR_DEADLINE);
    ck_assert_int_gt(n_asked, 0);
    ck_assert_int_ne(access(path, F_OK), 0);
    (void)snprintf(part, sizeof part, "%s.new-%ld", path, (long)getpid());
    ck_assert_int_ne(access(part, F_OK), 0);
    STORE_OK(store_backup(f.conn, path, NULL, &e)); /* the connection is as good as before */
    char *after = store_fixture_dump(f.conn);
    ck_assert_str_eq(before, after);
    mem_free(before);
    mem_free(after);
}
END_TEST

START_TEST(test_a_backup_inside_a_transaction_fails_and_leaves_no_file)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/backup.db", f.dir);
    STORE_OK(store_begin(f.conn, &e));
    ck_assert_int_ne(store_backup(f.conn, path, NULL, NULL), ERR_OK);
    store_rollback(f.conn);
    ck_assert_int_ne(access(path, F_OK), 0);
    STORE_OK(store_backup(f.conn, path, NULL, &e));
}
END_TEST

/* ---- whose log it is ---- */

static bool log_is_marked(const char *path)
{
    char log[128], text[128];
    (void)snprintf(log, sizeof log, "%s-wal", path);
    return getxattr(log, "user.hypernet.log-of", text, sizeof text) > 0; /* not on every file system */
}

/* SQLite would find the log of the file that lay here, and apply it to the one that lies here now. */
START_TEST(test_no_connection_is_made_to_a_file_that_took_the_place_of_the_open_one)
{
    struct store_conn *late = NULL;
    char other[128], *before, *after;
    size_t n_before, n_after;
    store_fixture_user(f.conn, "ann", "{}");
    (void)snprintf(other, sizeof other, "%s/other.db", f.dir);
    STORE_OK(store_backup(f.conn, other, NULL, &e));
    store_fixture_user(f.conn, "bob", "{}");
    before = store_fixture_read_file(other, &n_before);
    if (_i)
        STORE_OK(store_guard(f.conn, &e));
    ck_assert_int_eq(rename(other, f.path), 0);
    if (_i || log_is_marked(f.path)) {
        STORE_FAILS(store_connect(f.store, &late, &e),
                    _i && !log_is_marked(f.path) ? ERR_LOST : ERR_CONFLICT);
        after = store_fixture_read_file(f.path, &n_after);
        ck_assert(n_before == n_after && memcmp(before, after, n_before) == 0);
        free(after);
    }
    free(before);
}
END_TEST

/* ---- a store that was made in vain ---- */

static int n_files(void)
{
    DIR *dir = opendir(f.dir);
    int n = 0;
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    (void)closedir(dir);
    return n;
}

static void open_another(const char *url, struct store **s, struct store_conn **c)
{
    STORE_OK(store_open(url, STORE_CREATE, s, &e));
    STORE_OK(store_connect(*s, c, &e));
}

START_TEST(test_a_new_store_that_is_discarded_leaves_no_file)
{
    struct store *s;
    struct store_conn *c;
    char url[128];
    int before = n_files();
    (void)snprintf(url, sizeof url, "sqlite:%s/new.db", f.dir);
    open_another(url, &s, &c);
    ck_assert_int_gt(n_files(), before);
    store_fixture_user(f.conn, "ann", NULL); /* to the other one */
    STORE_OK(store_begin(c, &e));
    store_disconnect(c);
    store_discard_new(s);
    ck_assert_int_eq(n_files(), before);
    store_discard_new(NULL);
}
END_TEST

/* Another process that opens the store, says so, and writes to it when it is told to. */
static pid_t write_elsewhere(const char *path, int ready, const int go[2])
{
    pid_t child = fork();
    if (child != 0)
        return child;
    struct store *s;
    struct store_conn *c;
    int64_t revision;
    bool created;
    char byte = 0;
    (void)close(go[1]);
    bool done = store_open(path, STORE_READ_WRITE, &s, NULL) == ERR_OK &&
                store_connect(s, &c, NULL) == ERR_OK && write(ready, &byte, 1) == 1 &&
                read(go[0], &byte, 1) == 0 && store_begin(c, NULL) == ERR_OK &&
                store_put_user(c, text_of("theirs"), text_of(NULL), &revision, &created, NULL) == ERR_OK &&
                store_commit(c, NULL) == ERR_OK;
    if (done) {
        store_disconnect(c);
        store_close(s);
    }
    _exit(done ? 0 : 1);
}

START_TEST(test_a_new_store_that_another_process_has_open_stays)
{
    struct store *s;
    struct store_conn *c;
    int ready[2], go[2], status;
    char path[128], byte;
    (void)snprintf(path, sizeof path, "%s/new.db", f.dir);
    store_fixture_close(&f); /* a connection is not carried over a fork */
    ck_assert(pipe2(ready, O_CLOEXEC) == 0 && pipe2(go, O_CLOEXEC) == 0);
    STORE_OK(store_open(path, STORE_CREATE, &s, &e));
    pid_t child = write_elsewhere(path, ready[1], go);
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    store_discard_new(s);
    (void)close(go[1]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    open_another(path, &s, &c);
    ck_assert_int_eq(counts(c).n_users, 1);
    store_disconnect(c);
    store_close(s);
    (void)close(ready[0]), (void)close(ready[1]), (void)close(go[0]);
}
END_TEST

/* Those that are made while it is written, too. */
START_TEST(test_the_files_of_a_store_are_its_owners_alone_whatever_the_umask)
{
    static const mode_t masks[] = {0, 022, 0277};
    static const char *const ends[] = {"", "-wal", "-shm"};
    char path[128], name[160];
    struct stat found;
    store_fixture_close(&f);
    (void)snprintf(path, sizeof path, "%s/own.db", f.dir);
    mode_t old = umask(masks[_i]);
    STORE_OK(store_open(path, STORE_CREATE, &f.store, &e));
    STORE_OK(store_connect(f.store, &f.conn, &e));
    store_fixture_user(f.conn, "ann", "{}");
    (void)umask(old);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        (void)snprintf(name, sizeof name, "%s%s", path, ends[i]);
        ck_assert_int_eq(stat(name, &found), 0);
        ck_assert_msg((found.st_mode & 0777) == 0600, "%s: %o", name, (unsigned)found.st_mode);
    }
}
END_TEST

START_TEST(test_the_files_of_a_store_are_known_by_whatever_name)
{
    static const char *const own[] = {"", "-wal", "-shm"};
    char url[128], path[160], link[128];
    (void)snprintf(url, sizeof url, "sqlite:%s", f.path);
    (void)snprintf(link, sizeof link, "%s/link", f.dir);
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s%s", f.path, own[i]);
        ck_assert_int_eq(symlink(path, link), 0);
        ck_assert(store_owns_file(f.path, path) && store_owns_file(url, path));
        ck_assert(store_owns_file(f.path, link) && store_owns_file(url, link));
        if (i == 0) /* a link to the store is a name of it */
            ck_assert(store_owns_file(link, f.path) && store_owns_file(link, path));
        ck_assert_int_eq(unlink(link), 0);
    }
    (void)snprintf(path, sizeof path, "%s-else", f.path);
    store_fixture_write_file(path, "x", 1);
    ck_assert(!store_owns_file(f.path, path));
    ck_assert(!store_owns_file("postgresql://host/db", path) && !store_owns_file("", path));
    ck_assert(store_owns_file("sqlite:not there", "not there"));
    ck_assert_str_eq(store_path("sqlite:a/b"), "a/b");
    ck_assert_str_eq(store_path("a/b"), "a/b");
    ck_assert_ptr_null(store_path("postgresql://host/db"));
    ck_assert_ptr_null(store_path("sqlite:"));
}
END_TEST

SUITE("store sqlite", start, stop, {test_urls_of_other_kinds_and_missing_files_are_refused},
      {test_a_backup_is_the_store_at_one_moment_and_never_overwrites},
      {test_a_backup_that_nobody_waits_for_ends_and_leaves_no_file},
      {test_a_backup_inside_a_transaction_fails_and_leaves_no_file},
      {test_no_connection_is_made_to_a_file_that_took_the_place_of_the_open_one, 2},
      {test_a_new_store_that_is_discarded_leaves_no_file},
      {test_a_new_store_that_another_process_has_open_stays},
      {test_the_files_of_a_store_are_its_owners_alone_whatever_the_umask, 3},
      {test_the_files_of_a_store_are_known_by_whatever_name})
