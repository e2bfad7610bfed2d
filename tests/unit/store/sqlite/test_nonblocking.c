/* Reads that do not wait (store/sqlite/nonblocking.c): the same record as with time, or ERR_BUSY. Risks: a
 * thread that others wait for sleeps on the disk or a lock; a read that was given up leaves the connection,
 * or the record, in a state that is wrong later. */
#include "tests/support/page_cache.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 100 };

static struct store_fixture f;
static struct store_user_context context;
static bool found; /* the last read gave the context, not the user */
static int n_sleeps;

static int count_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    n_sleeps++;
    return us;
}

/* ann with two items and a list of them, bob with three and a context without, cyn with nothing. */
static void start(void)
{
    store_fixture_start(&f);
    page_cache_fail(0, 0);
    store_fixture_user(f.conn, "ann", "{\"a\":1}");
    store_fixture_event(f.conn, "ann", "x", 1, 1);
    int64_t revision = store_fixture_event(f.conn, "ann", "y", 1, 2);
    STORE_OK(store_read_user(f.conn, text_of("ann"), NULL, &f.user, &e));
    STORE_WRITE(f.conn,
                store_put_encoded(f.conn, &store_fixture_key, text_of("ann"), &f.user, "four", 4, &e));
    store_fixture_user(f.conn, "bob", NULL);
    for (int i = 0; i < 3; i++)
        revision = store_fixture_event(f.conn, "bob", (const char *[]){"x", "y", "z"}[i], 1, 10 - i);
    store_fixture_context(f.conn, &store_fixture_key, "bob", revision, true, "given");
    store_fixture_user(f.conn, "cyn", NULL);
    store_fixture_reopen(&f); /* nothing of it is in the connection */
}

static void stop(void)
{
    page_cache_fail(0, 0);
    store_user_context_fini(&context);
    store_fixture_stop(&f);
}

/* As a miss reads: the context, or the whole user; which of them is in `found`. */
static enum err_code read_nonblocking(struct store_conn *c, const char *user, struct err *e)
{
    enum err_code code =
        store_read_context_nonblocking(c, text_of(user), &store_fixture_key, &context, &found, e);
    return code || found
               ? code
               : store_read_user_nonblocking(c, text_of(user), &store_fixture_key, MOST, &f.user, e);
}

static enum err_code nonblocking(const char *user, struct err *e)
{
    return read_nonblocking(f.conn, user, e);
}

/* The same with time. */
static enum err_code blocking(const char *user, struct err *e)
{
    enum err_code code = store_read_context(f.conn, text_of(user), &store_fixture_key, &context, &found, e);
    return code || found ? code : store_read_user(f.conn, text_of(user), &store_fixture_key, &f.user, e);
}

static void expect_ann(void)
{
    ck_assert(found);
    ck_assert_uint_eq(context.n_items, 2);
    ck_assert_str_eq(buf_text(&context.embedding), "four");
}

static void expect_bob(void)
{
    ck_assert(!found && f.user.embedding_given);
    ck_assert_uint_eq(f.user.n_interactions, 3);
    ck_assert_int_eq(f.user.interactions[0].timestamp, 8);
    ck_assert_int_eq(f.user.interactions[2].timestamp, 10);
    ck_assert_str_eq(buf_text(&f.user.embedding), "given");
}

START_TEST(what_is_in_memory_is_read_as_with_time)
{
    long before = page_cache_asked();
    STORE_OK(nonblocking("ann", &e));
    expect_ann();
    STORE_OK(nonblocking("bob", &e));
    expect_bob();
    STORE_OK(nonblocking("cyn", &e));
    ck_assert(!found);
    ck_assert_uint_eq(f.user.n_interactions + f.user.embedding.len + f.user.profile.len, 0);
    ck_assert_int_gt(page_cache_asked(), before); /* the kernel was asked, and only by such reads: */
    store_fixture_reopen(&f);
    before = page_cache_asked();
    STORE_OK(blocking("ann", &e));
    ck_assert_int_eq(page_cache_asked(), before);
}
END_TEST

START_TEST(what_is_not_is_left_to_who_has_time)
{
    page_cache_fail(EAGAIN, 0);
    for (int i = 0; i < 3; i++) {
        STORE_FAILS(nonblocking("ann", &e), ERR_BUSY);
        STORE_FAILS(nonblocking("bob", &e), ERR_BUSY);
    }
    STORE_OK(blocking("bob", &e));
    expect_bob();
    STORE_OK(nonblocking("bob", &e)); /* the connection holds the pages now */
    expect_bob();
    page_cache_fail(0, 0);
    STORE_OK(nonblocking("ann", &e));
    expect_ann();
}
END_TEST

START_TEST(whichever_page_is_missing_nothing_of_it_stays)
{
    static const int kinds[] = {EAGAIN, PAGE_CACHE_NOTHING, PAGE_CACHE_HALF};
    int n = 0;
    for (bool whole = false; !whole; n++) {
        store_fixture_reopen(&f);
        page_cache_fail(kinds[_i], n);
        whole = nonblocking("bob", &(struct err){0}) == ERR_OK;
        if (whole)
            expect_bob();
        page_cache_fail(0, 0);
        STORE_OK(store_begin(f.conn, &e)); /* it would not begin inside another transaction */
        store_rollback(f.conn);
        STORE_OK(blocking("bob", &e));
        expect_bob();
        STORE_OK(nonblocking("ann", &e));
        expect_ann();
        STORE_OK(nonblocking("bob", &e));
        expect_bob();
    }
    ck_assert_int_gt(n, 3);
}
END_TEST

START_TEST(a_file_system_without_such_reads_is_not_asked_again)
{
    struct store_conn *other;
    page_cache_fail(EIO, 0); /* of one read: it says nothing of others */
    STORE_FAILS(nonblocking("ann", &e), ERR_BUSY);
    ck_assert(store_reads_nonblocking(f.conn));
    page_cache_fail(EOPNOTSUPP, 0);
    STORE_FAILS(nonblocking("ann", &e), ERR_BUSY);
    ck_assert(!store_reads_nonblocking(f.conn));
    long asked = page_cache_asked();
    page_cache_fail(0, 0);
    STORE_FAILS(nonblocking("ann", &e), ERR_BUSY);
    ck_assert_int_eq(page_cache_asked(), asked);
    STORE_OK(blocking("ann", &e));
    expect_ann();
    STORE_OK(store_connect(f.store, &other, &e)); /* of another connection in this thread */
    STORE_OK(read_nonblocking(other, "ann", &e));
    ck_assert(store_reads_nonblocking(other) && !store_reads_nonblocking(f.conn));
    store_disconnect(other);
}
END_TEST

START_TEST(whoever_is_not_there_or_has_a_long_history_is_left_too)
{
    STORE_FAILS(nonblocking("nobody", &e), ERR_BUSY);
    STORE_FAILS(nonblocking("", &e), ERR_INVALID);
    STORE_OK(store_begin(f.conn, &e));
    for (int i = 0; i <= MOST; i++) {
        char item[16];
        bool inserted;
        int64_t revision;
        (void)snprintf(item, sizeof item, "i%d", i);
        if (i == 0)
            STORE_OK(
                store_put_user(f.conn, text_of("dan"), (struct text){NULL, 0}, &revision, &inserted, &e));
        if (i == MOST) {
            STORE_OK(store_commit(f.conn, &e));
            STORE_OK(nonblocking("dan", &e));
            ck_assert_uint_eq(f.user.n_interactions, MOST);
            STORE_OK(store_begin(f.conn, &e));
        }
        STORE_OK(store_put_item(f.conn, &(struct store_item){.id = text_of(item)}, &inserted, &e));
        STORE_OK(store_put_interaction(f.conn, text_of("dan"), text_of(item), 1, 1, i, NULL, &e));
    }
    STORE_OK(store_commit(f.conn, &e));
    STORE_FAILS(nonblocking("dan", &e), ERR_BUSY);
    STORE_OK(blocking("dan", &e));
    ck_assert_uint_eq(f.user.n_interactions, MOST + 1);
}
END_TEST

/* Another process that stays in the middle of a change of the log's index until `end` is closed: with the
 * locks of who mends it, or of a writer between the index's two headers. See sqlite.org/walformat.html,
 * 2.2. */
static pid_t break_index(int ready, const int end[2], bool mending)
{
    enum { LOCKS_AT = 120, MENDING = 3, WRITING = 1, HEADER_BYTES = 48 };
    char path[128], broken[2 * HEADER_BYTES], c = 0;
    (void)snprintf(path, sizeof path, "%s-shm", f.path);
    memset(broken, 0x5a, sizeof broken);
    size_t n_broken = mending ? sizeof broken : HEADER_BYTES;
    pid_t child = fork();
    if (child != 0)
        return child;
    (void)close(end[1]);
    int fd = open(path, O_RDWR);
    struct flock lock = {.l_type = F_WRLCK, .l_start = LOCKS_AT, .l_len = mending ? MENDING : WRITING};
    bool done =
        fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0 && pwrite(fd, broken, n_broken, 0) == (ssize_t)n_broken;
    _exit(done && write(ready, &c, 1) == 1 && read(end[0], &c, 1) == 0 ? 0 : 1);
}

START_TEST(a_lock_is_not_waited_for)
{
    int ready[2], end[2], status;
    char c;
    ck_assert(pipe2(ready, O_CLOEXEC) == 0 && pipe2(end, O_CLOEXEC) == 0);
    STORE_OK(nonblocking("ann", &e));
    (void)fflush(NULL);
    pid_t child = break_index(ready[1], end, _i == 0);
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    n_sleeps = 0;
    STORE_FAILS(nonblocking("ann", &e), ERR_BUSY);
    ck_assert_int_eq(n_sleeps, 0);
    STORE_FAILS(blocking("ann", &e), _i == 0 ? ERR_BUSY : ERR_IO);
    ck_assert_int_gt(n_sleeps, 0); /* it is one that reads with time do wait for */
    (void)close(end[1]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    STORE_OK(nonblocking("ann", &e));
    expect_ann();
    (void)close(ready[0]), (void)close(ready[1]), (void)close(end[0]);
}
END_TEST

int main(void)
{
    (void)sqlite3_initialize();
    sqlite3_vfs_find("unix")->xSleep = count_sleep; /* before the store puts its own before it */
    Suite *s = suite_create("store nonblocking");
    TCase *t = tcase_create("nonblocking");
    tcase_add_checked_fixture(t, start, stop);
    tcase_add_test(t, what_is_in_memory_is_read_as_with_time);
    tcase_add_test(t, what_is_not_is_left_to_who_has_time);
    tcase_add_loop_test(t, whichever_page_is_missing_nothing_of_it_stays, 0, 3);
    tcase_add_test(t, a_file_system_without_such_reads_is_not_asked_again);
    tcase_add_test(t, whoever_is_not_there_or_has_a_long_history_is_left_too);
    tcase_add_loop_test(t, a_lock_is_not_waited_for, 0, 2);
    suite_add_tcase(s, t);
    return suite_run(s);
}
