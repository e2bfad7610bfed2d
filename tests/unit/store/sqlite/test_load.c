/* store/sqlite/load.c: what is SQLite's own of large loads beside others who write: the second table, its
 * pauses and its lock. Risks: a load that two names of a store take for a dead one's, writers who wait,
 * keys that two sides give, tables that a killed process leaves. Long because what others do in a load's
 * pauses stands beside how much it does between them. */
#include "base/clock.h"
#include "base/mem.h"
#include "store/sqlite/load.h"
#include "tests/support/load_fixture.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N_SEEDS = 8 };

static struct store_fixture f, twin;
static struct store_conn *others; /* another connection to the store of f */

static void start(void)
{
    store_fixture_start(&f);
    store_fixture_start(&twin);
    STORE_OK(store_connect(f.store, &others, &e));
}

static void stop(void)
{
    store_disconnect(others);
    store_fixture_stop(&f);
    store_fixture_stop(&twin);
}

/* ---- a load, staged or as one bulk load ---- */

/* Another process opens the store by one of its names, which looks for what dead loads left, and closes
 * it. */
static void open_elsewhere(const char *path)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct store *s;
        struct store_conn *c;
        bool opened = store_open(path, 0, &s, NULL) == ERR_OK && store_connect(s, &c, NULL) == ERR_OK;
        _exit(opened ? 0 : 1);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Whoever comes by another name of the store meets the same lock: else the load's table would be taken for a
 * dead one's. */
START_TEST(test_a_load_is_at_work_by_every_name_of_its_store)
{
    char folder[] = "/tmp/test_store_load.XXXXXX", link[64];
    struct load_fixture_row rows[3] = {{"a", "x", 1, 1, 1}, {"a", "y", 1, 1, 1}, {"b", "x", 1, 1, 1}};
    struct store *linked;
    struct store_conn *c;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(link, sizeof link, "%s/link.db", folder);
    ck_assert_int_eq(symlink(f.path, link), 0);
    STORE_OK(store_open(link, 0, &linked, &e));
    STORE_OK(store_connect(linked, &c, &e));
    struct store_load *l = load_fixture_stage(_i ? c : f.conn, rows, 3);
    open_elsewhere(_i ? f.path : link);
    load_fixture_apply(_i ? c : f.conn, l);
    STORE_OK(store_commit(_i ? c : f.conn, &e));
    store_load_free(l);
    store_disconnect(c);
    store_close(linked);
    struct store_counts counts;
    STORE_OK(store_count(f.conn, &counts, &e));
    ck_assert_int_eq(counts.n_interactions, 3);
    ck_assert_int_eq(unlink(link), 0);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing else was made beside the link */
}
END_TEST

/* ---- what others write ---- */

static bool find_item(void *arg, const struct store_item *item)
{
    if (item->id.len == 2 && memcmp(item->id.data, "i1", 2) == 0)
        *(int64_t *)arg = item->key;
    return true;
}

/* A number that a statement gives, on a connection of its own. */
static int64_t number_of(const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    ck_assert_int_eq(sqlite3_open(f.path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return n;
}

static void assert_followed_are_indexed(void)
{
    ck_assert_int_eq(number_of("SELECT count(*) FROM interactions JOIN items USING (item_key) "
                               "WHERE items.followed = 1 AND interactions.followed = 0"),
                     0);
    ck_assert_int_eq(number_of("SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

/* ---- tests ---- */

/* Others write in each pause of a staging: SQLite's sleep is theirs. */
static struct rng pause_rng, same_pause_rng;
static bool in_pause;
static int n_pauses;

static int write_in_pause(sqlite3_vfs *vfs, int us)
{
    int64_t key = 0;
    (void)vfs;
    if (in_pause)
        return us;
    in_pause = true;
    n_pauses++;
    for (int i = 0; i < 4; i++) {
        load_fixture_write(others, &pause_rng);
        load_fixture_write(twin.conn, &same_pause_rng);
    }
    STORE_OK(store_each_item(others, 0, find_item, &key, &e));
    if (key && n_pauses % 2)
        STORE_OK(store_follow_items(others, &key, 1, &e));
    in_pause = false;
    return us;
}

START_TEST(test_what_others_write_in_the_pauses_is_there_as_if_it_came_first)
{
    struct load_fixture_row rows[60];
    struct rng r;
    int64_t key = 0;
    sqlite3_vfs *files = sqlite3_vfs_find(NULL);
    int (*usual)(sqlite3_vfs *, int) = files->xSleep;
    rng_init(&r, 84, (uint64_t)_i);
    rng_init(&pause_rng, 85, (uint64_t)_i);
    rng_init(&same_pause_rng, 85, (uint64_t)_i);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 60; i++)
            rows[i] = load_fixture_random(&r);
        n_pauses = 0;
        files->xSleep = write_in_pause;
        struct store_load *l = load_fixture_stage(f.conn, rows, 60);
        files->xSleep = usual;
        ck_assert_int_gt(n_pauses, 0);
        for (int i = 0; i < 10; i++) {
            load_fixture_write(others, &pause_rng);
            load_fixture_write(twin.conn, &same_pause_rng);
        }
        STORE_OK(store_each_item(others, 0, find_item, &key, &e));
        if (key)
            STORE_OK(store_follow_items(others, &key, 1, &e));
        load_fixture_apply(f.conn, l);
        STORE_OK(store_commit(f.conn, &e));
        store_load_free(l);
        load_fixture_bulk(twin.conn, rows, 60);
        load_fixture_assert_same(f.conn, twin.conn);
        assert_followed_are_indexed();
    }
}
END_TEST

/* The names of tables and files that only a load has. */
static void assert_nothing_left(void)
{
    char path[128];
    size_t n;
    struct stat st;
    (void)snprintf(path, sizeof path, "%s-import", f.path);
    ck_assert_int_ne(stat(path, &st), 0);
    char *bytes = store_fixture_read_file(f.path, &n);
    ck_assert_ptr_null(memmem(bytes, n, "TABLE interactions_next", 23));
    ck_assert_ptr_null(memmem(bytes, n, "interactions_old", 16));
    free(bytes);
    ck_assert_int_eq(number_of("SELECT count(*) FROM loads"), 0);
    ck_assert_int_eq(number_of("SELECT count(*) FROM users WHERE revision <= 0"), 0);
    ck_assert_int_eq(number_of("SELECT count(*) FROM items WHERE revision <= 0"), 0);
    ck_assert_int_eq(number_of("SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

/* Many new users and items, written and not yet there. */
static struct store_load *load_many(struct store_conn *c, int n)
{
    struct store_load *l;
    STORE_OK(store_load_new(c, 1, &l, &e));
    for (int i = 0; i < n; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "m%d", i);
        STORE_OK(store_load_new_user(l, text_of(id), text_of("{\"a\":1}"), &e));
        STORE_OK(store_load_new_item(l, &(struct store_item){.id = text_of(id), .title = text_of("T")}, &e));
    }
    STORE_OK(store_load_stage(l, &e));
    return l;
}

enum { DIES_STAGED, DIES_APPLIED, DIES_COMMITTED, N_DEATHS };

static void die_in_a_load(int death, const struct load_fixture_row *rows, size_t n)
{
    struct store_load *l;
    store_fixture_reopen(&f); /* a connection is not carried over a fork */
    l = load_fixture_stage(f.conn, rows, n);
    if (death > DIES_STAGED)
        load_fixture_apply(f.conn, l);
    if (death > DIES_APPLIED)
        STORE_OK(store_commit(f.conn, &e));
    _exit(0);
}

START_TEST(test_a_killed_load_leaves_all_or_nothing_and_the_next_opening_cleans_up)
{
    enum { N = 1000 };
    static struct load_fixture_row rows[N];
    struct rng r;
    rng_init(&r, 83, 0);
    for (int i = 0; i < 30; i++)
        load_fixture_write(f.conn, &r);
    for (size_t i = 0; i < N; i++)
        rows[i] = load_fixture_random(&r);
    char *before = store_fixture_dump(f.conn);
    store_disconnect(others);
    others = NULL;
    store_fixture_close(&f);
    pid_t pid = fork();
    if (pid == 0) {
        STORE_OK(store_open(f.path, STORE_READ_WRITE, &f.store, &e));
        STORE_OK(store_connect(f.store, &f.conn, &e));
        die_in_a_load(_i, rows, N);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    STORE_OK(store_open(f.path, STORE_READ_WRITE, &f.store, &e));
    STORE_OK(store_connect(f.store, &f.conn, &e));
    char *after = store_fixture_dump(f.conn);
    if (_i == DIES_COMMITTED)
        ck_assert_str_ne(before, after);
    else
        ck_assert_str_eq(before, after);
    load_fixture_load(f.conn, rows, N);
    store_fixture_reopen(&f);
    STORE_OK(store_connect(f.store, &others, &e));
    assert_nothing_left();
    mem_free(before);
    mem_free(after);
}
END_TEST

/* What a load of users and items leaves that is killed: the whole or nothing, before anybody cleans up
 * too. */
START_TEST(test_a_killed_load_of_new_users_and_items_leaves_all_or_nothing)
{
    enum { N = 20000 };
    struct store_counts counts;
    bool all = _i == DIES_COMMITTED;
    store_fixture_user(f.conn, "ann", "{}");
    store_disconnect(others);
    others = NULL;
    store_fixture_close(&f);
    pid_t pid = fork();
    if (pid == 0) {
        STORE_OK(store_open(f.path, STORE_READ_WRITE, &f.store, &e));
        STORE_OK(store_connect(f.store, &f.conn, &e));
        struct store_load *l = load_many(f.conn, N);
        if (_i > DIES_STAGED)
            load_fixture_apply(f.conn, l);
        if (all)
            STORE_OK(store_commit(f.conn, &e));
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    STORE_OK(store_open(f.path, STORE_READ_ONLY, &f.store, &e));
    STORE_OK(store_connect(f.store, &f.conn, &e));
    store_fixture_assert_counts(f.conn, all ? N + 1 : 1, all ? N : 0, 0, 0);
    store_fixture_reopen(&f); /* for writing, which cleans up */
    STORE_OK(store_count(f.conn, &counts, &e));
    ck_assert_int_eq(counts.n_users, all ? N + 1 : 1);
    ck_assert_int_eq(number_of("SELECT count(*) FROM users"), counts.n_users);
    assert_nothing_left();
    store_fixture_user(f.conn, "m7", "{\"a\":2}");
    store_fixture_read(&f, "m7");
    ck_assert_int_eq(f.user.profile.data[5], '2');
}
END_TEST

START_TEST(test_a_load_that_is_given_up_leaves_no_table_and_no_file)
{
    struct load_fixture_row rows[2] = {{"ann", "a", 1, NAN, 1}, {"new", "b", 1, NAN, 2}};
    store_fixture_user(f.conn, "ann", "{}");
    store_load_free(load_fixture_stage(f.conn, rows, 2));
    store_load_free(load_many(f.conn, 9000));
    struct store_load *l = load_fixture_stage(f.conn, rows, 2);
    load_fixture_apply(f.conn, l);
    store_rollback(f.conn);
    store_load_free(l);
    store_disconnect(others);
    others = NULL;
    store_fixture_reopen(&f);
    assert_nothing_left();
}
END_TEST

/* ---- others are let in ---- */

static atomic_bool staging;
static atomic_int n_written;

static void *write_on(void *arg)
{
    (void)arg;
    while (atomic_load(&staging)) {
        store_fixture_event(others, "writer", "w", 1, atomic_load(&n_written));
        (void)atomic_fetch_add(&n_written, 1);
    }
    return NULL;
}

START_TEST(test_writers_are_let_in_while_a_load_is_staged)
{
    enum { N = 150000 };
    struct load_fixture_row *rows = calloc(N, sizeof *rows);
    for (size_t i = 0; i < N; i++) {
        rows[i] = (struct load_fixture_row){.weight = 1, .rating = (double)NAN, .timestamp = 1};
        (void)snprintf(rows[i].user, sizeof rows[i].user, "u%zu", i / 10);
        (void)snprintf(rows[i].item, sizeof rows[i].item, "i%zu", i % 10);
    }
    store_fixture_user(f.conn, "writer", NULL);
    pthread_t thread;
    atomic_store(&staging, true);
    ck_assert_int_eq(pthread_create(&thread, NULL, write_on, NULL), 0);
    while (atomic_load(&n_written) == 0)
        ;
    int before = atomic_load(&n_written);
    struct store_load *l = load_fixture_stage(f.conn, rows, N);
    int during = atomic_load(&n_written) - before;
    atomic_store(&staging, false);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_gt(during, 0);
    load_fixture_apply(f.conn, l);
    STORE_OK(store_commit(f.conn, &e));
    store_load_free(l);
    store_fixture_assert_counts(f.conn, N / 10 + 1, 11, N + 1, 0);
    store_fixture_read(&f, "writer");
    ck_assert_int_eq(f.user.interactions[0].timestamp, atomic_load(&n_written) - 1);
    free(rows);
}
END_TEST

/* Writes in each pause of a load; nothing of it is there then, and nothing is waited for. */
static int write_and_look(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    if (in_pause)
        return us;
    in_pause = true;
    n_pauses++;
    store_fixture_event(others, "writer", "w", 1, n_pauses);
    store_fixture_assert_counts(others, 1, 1, 1, 0);
    in_pause = false;
    return us;
}

START_TEST(test_writers_are_let_in_while_new_users_and_items_are_written)
{
    enum { N = 20000, MOST_A_PAUSE = 4096 };
    sqlite3_vfs *files = sqlite3_vfs_find(NULL);
    int (*usual)(sqlite3_vfs *, int) = files->xSleep;
    store_fixture_user(f.conn, "writer", NULL);
    store_fixture_event(f.conn, "writer", "w", 1, 0);
    n_pauses = 0;
    files->xSleep = write_and_look;
    struct store_load *l = load_many(f.conn, N);
    files->xSleep = usual;
    ck_assert_int_ge(n_pauses, 2 * N / MOST_A_PAUSE);
    load_fixture_apply(f.conn, l);
    STORE_OK(store_commit(f.conn, &e));
    store_fixture_assert_counts(others, N + 1, N + 1, 1, 0);
    store_load_free(l);
    store_fixture_assert_counts(others, N + 1, N + 1, 1, 0);
    store_fixture_read(&f, "writer");
    ck_assert_int_eq(f.user.interactions[0].timestamp, n_pauses);
}
END_TEST

/* Forgets who has the highest key, when the load has its number and no row is written. */
static int forget_the_last(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    if (n_pauses++ == 0)
        store_fixture_delete(others, "last");
    return us;
}

START_TEST(test_a_new_user_with_the_key_of_one_who_was_just_deleted_is_seen_too)
{
    enum { N = 2000 };
    sqlite3_vfs *files = sqlite3_vfs_find(NULL);
    int (*usual)(sqlite3_vfs *, int) = files->xSleep;
    store_fixture_user(f.conn, "first", NULL);
    store_fixture_user(f.conn, "last", NULL);
    n_pauses = 0;
    files->xSleep = forget_the_last;
    struct store_load *l = load_many(f.conn, N);
    files->xSleep = usual;
    ck_assert_int_gt(n_pauses, 0);
    load_fixture_apply(f.conn, l);
    STORE_OK(store_commit(f.conn, &e));
    store_load_free(l);
    store_fixture_assert_counts(others, N + 1, N, 0, 0);
    ck_assert(load_fixture_exists(others, "m0"));
}
END_TEST

START_TEST(test_a_second_load_is_told_which_process_the_first_is_of)
{
    char process[80];
    struct sqlite_load_lock first, second = sqlite_load_lock_none;
    struct err why = {0};
    STORE_OK(sqlite_load_acquire(f.path, 0, &first, &e));
    ck_assert_int_eq(sqlite_load_acquire(f.path, 0, &second, &why), ERR_BUSY);
    (void)snprintf(process, sizeof process, "another large import is at work (process %ld)", (long)getpid());
    ck_assert_msg(strstr(why.text, process), "%s", why.text);
    sqlite_load_release(&first);
    STORE_OK(sqlite_load_acquire(f.path, 0, &second, &e));
    sqlite_load_release(&second);
}
END_TEST

/* An id that is there is no fault; a row that the table refuses is. */
START_TEST(test_a_row_written_ahead_that_the_table_refuses_fails_the_load)
{
    struct store_load *l;
    STORE_OK(store_load_new(f.conn, 1, &l, &e));
    STORE_OK(
        sqlite_load_new_user(l, (struct text){"", 0}, (struct text){NULL, 0}, &e)); /* as no caller may */
    ck_assert_int_ne(store_load_stage(l, NULL), ERR_OK);
    store_load_free(l);
    store_fixture_assert_counts(others, 0, 0, 0, 0);
}
END_TEST

/* Registers somebody with one interaction again and again, and forgets every second one. */
static void *register_on(void *arg)
{
    (void)arg;
    for (int i = 0; atomic_load(&staging); i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "registered %d", i);
        store_fixture_user(others, id, NULL);
        store_fixture_event(others, id, "theirs", 1, 1);
        if (i % 2)
            store_fixture_delete(others, id);
        (void)atomic_fetch_add(&n_written, 1);
    }
    return NULL;
}

START_TEST(test_who_registers_while_new_users_are_staged_shares_nothing_with_them)
{
    enum { N_OLD = 30000, N_NEW = 20000 };
    struct load_fixture_row *rows = calloc(N_OLD + N_NEW, sizeof *rows);
    for (size_t i = 0; i < N_OLD + N_NEW; i++) {
        rows[i] = (struct load_fixture_row){.weight = 1, .rating = (double)NAN, .timestamp = 1};
        (void)snprintf(rows[i].user, sizeof rows[i].user, "u%zu", i);
        (void)snprintf(rows[i].item, sizeof rows[i].item, "i%zu", i % 10);
    }
    load_fixture_load(f.conn, rows, N_OLD);
    pthread_t thread;
    atomic_store(&n_written, 0);
    atomic_store(&staging, true);
    ck_assert_int_eq(pthread_create(&thread, NULL, register_on, NULL), 0);
    while (atomic_load(&n_written) == 0)
        ;
    struct store_load *l = load_fixture_stage(f.conn, rows + N_OLD, N_NEW);
    atomic_store(&staging, false);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    load_fixture_apply(f.conn, l);
    STORE_OK(store_commit(f.conn, &e));
    store_load_free(l);
    for (size_t i = 0; i < N_OLD + N_NEW; i++) {
        store_fixture_read(&f, rows[i].user);
        ck_assert_uint_eq(f.user.n_interactions, 1);
    }
    for (int i = 0; i < atomic_load(&n_written); i += 2) {
        char id[32];
        (void)snprintf(id, sizeof id, "registered %d", i);
        store_fixture_read(&f, id);
        ck_assert_uint_eq(f.user.n_interactions, 1);
    }
    free(rows);
}
END_TEST

/* ---- how much a transaction of a load does ---- */

/* The clock, while it is the test's: a millisecond goes by at each look. */
static bool clock_is_slow;
static int64_t slow_ns;

int64_t __real_clock_monotonic_ns(void);
int64_t __wrap_clock_monotonic_ns(void);
int64_t __wrap_clock_monotonic_ns(void)
{
    return clock_is_slow ? slow_ns += 1000000 : __real_clock_monotonic_ns();
}

/* Of the transactions between pauses: the rows that the largest one changed, in all tables. */
static int n_changed, most_changed;
static void (*at_pause)(void); /* NULL: nothing */

static int total_changed(void)
{
    return sqlite3_total_changes(((struct sqlite_conn *)f.conn)->db);
}

/* Who waits for the lock looks for it every SQLITE_RETRY_MS: a pause is longer, or he misses it. */
static int measure(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    if (in_pause)
        return us;
    in_pause = true;
    n_pauses++;
    ck_assert_int_gt(us, SQLITE_RETRY_MS * 1000);
    int now = total_changed();
    if (now - n_changed > most_changed)
        most_changed = now - n_changed;
    n_changed = now;
    if (at_pause)
        at_pause();
    in_pause = false;
    return us;
}

static sqlite3_vfs *files;
static int (*usual_sleep)(sqlite3_vfs *, int);

static void start_measuring(void (*in_each_pause)(void))
{
    files = sqlite3_vfs_find(NULL);
    usual_sleep = files->xSleep;
    at_pause = in_each_pause;
    n_pauses = most_changed = 0;
    n_changed = total_changed();
    files->xSleep = measure;
}

static void stop_measuring(void)
{
    files->xSleep = usual_sleep;
    clock_is_slow = false;
}

/* n rows of as many users; the caller frees them. */
static struct load_fixture_row *rows_of_users(size_t n, int64_t timestamp)
{
    struct load_fixture_row *rows = calloc(n, sizeof *rows);
    ck_assert_ptr_nonnull(rows);
    for (size_t i = 0; i < n; i++) {
        rows[i] = (struct load_fixture_row){.weight = 1, .rating = (double)NAN, .timestamp = timestamp};
        (void)snprintf(rows[i].user, sizeof rows[i].user, "u%zu", i);
        (void)snprintf(rows[i].item, sizeof rows[i].item, "i%zu", i % 10);
    }
    return rows;
}

/* Of the 40 ms that store/README.md promises; looks at the clock are at most 64 rows apart. */
enum { ROWS_A_TRANSACTION = 64 * (40 + 2) };

START_TEST(test_no_transaction_of_a_load_does_more_than_it_has_time_for)
{
    enum { N = 20000 };
    struct load_fixture_row *rows = rows_of_users(N, 1);
    bool of_rows = _i;
    start_measuring(NULL);
    clock_is_slow = true;
    struct store_load *l = of_rows ? load_fixture_stage(f.conn, rows, N) : load_many(f.conn, N);
    stop_measuring();
    ck_assert_int_ge(n_pauses, 2 * N / ROWS_A_TRANSACTION);
    ck_assert_int_le(most_changed, ROWS_A_TRANSACTION);
    load_fixture_apply(f.conn, l);
    STORE_OK(store_commit(f.conn, &e));
    store_load_free(l);
    store_fixture_assert_counts(others, N, of_rows ? 10 : N, of_rows ? N : 0, 0);
    free(rows);
}
END_TEST

static int n_bulks; /* that others are yet to write */

enum { N_CHANGED = 3000 }; /* users, by each of them: more than one transaction has time to do over */

static void write_many(void)
{
    if (n_bulks == 0)
        return;
    struct load_fixture_row *rows = rows_of_users(N_CHANGED, 10 - n_bulks--);
    load_fixture_bulk(others, rows, N_CHANGED);
    free(rows);
}

/* In the last one nobody else can write. What others change is done over before it, also what they change
 * while that is done. */
START_TEST(test_what_many_others_changed_meanwhile_is_not_left_to_the_last_transaction)
{
    enum { N = 400, FEW = 100 };
    struct load_fixture_row rows[N];
    for (int i = 0; i < N; i++) {
        rows[i] = (struct load_fixture_row){"ann", "", 1, (double)NAN, 1};
        (void)snprintf(rows[i].item, sizeof rows[i].item, "a%d", i);
    }
    n_bulks = 8;
    start_measuring(write_many);
    clock_is_slow = true;
    struct store_load *l = load_fixture_stage(f.conn, rows, N);
    stop_measuring();
    ck_assert_int_eq(n_bulks, 0);
    ck_assert_int_le(most_changed, ROWS_A_TRANSACTION);
    int before = total_changed();
    load_fixture_apply(f.conn, l);
    ck_assert_int_le(total_changed() - before, FEW);
    STORE_OK(store_commit(f.conn, &e));
    store_load_free(l);
    store_fixture_assert_counts(f.conn, N_CHANGED + 1, N + 10, N_CHANGED + N, 0);
    store_fixture_read(&f, "u7");
    ck_assert_int_eq(f.user.interactions[0].timestamp, 9);
}
END_TEST

/* Whether the table that was is still there at the first pause: then a piece of it is gone. */
static int64_t n_old_tables;

static void look_for_the_old_table(void)
{
    if (n_pauses == 1)
        n_old_tables = number_of("SELECT count(*) FROM sqlite_master WHERE name = 'interactions_old'");
}

START_TEST(test_what_a_load_leaves_is_cleaned_up_in_pieces)
{
    enum { N_OLD = 25000, N = 5000, MOST = 1000, PIECE = 20000 };
    struct load_fixture_row *rows = rows_of_users(N_OLD, 1);
    load_fixture_bulk(f.conn, rows, N_OLD);
    struct store_load *l = load_fixture_stage(f.conn, rows, N_OLD);
    load_fixture_apply(f.conn, l);
    STORE_OK(store_commit(f.conn, &e));
    start_measuring(look_for_the_old_table);
    store_load_free(l);
    stop_measuring();
    ck_assert_int_eq(n_old_tables, 1);
    ck_assert_int_le(most_changed, PIECE + MOST);
    l = load_many(f.conn, N);
    load_fixture_apply(f.conn, l);
    STORE_OK(store_commit(f.conn, &e));
    start_measuring(NULL);
    store_load_free(l);
    stop_measuring();
    ck_assert_int_ge(n_pauses, 2 * N / MOST);
    ck_assert_int_le(most_changed, MOST);
    store_fixture_assert_counts(others, N_OLD + N, 10 + N, N_OLD, 0);
    free(rows);
}
END_TEST

/* All rows that are there would be copied for a few. */
static const struct {
    size_t n_stored, n, stage_from;
    bool staged;
} sizes[] = {
    {0, 10, 10, true},   {0, 9, 10, false}, {80, 10, 10, true}, /* eight times as many */
    {88, 10, 10, false}, {88, 10, 3, true},                     /* three times what is many */
};

START_TEST(test_few_rows_beside_many_are_not_staged)
{
    struct load_fixture_row *rows = rows_of_users(100, 1);
    struct store_load *l;
    load_fixture_bulk(f.conn, rows, sizes[_i].n_stored);
    STORE_OK(store_load_new(f.conn, sizes[_i].stage_from, &l, &e));
    for (size_t i = 0; i < sizes[_i].n; i++)
        STORE_OK(store_load_interaction(l, text_of(rows[i].user), text_of("new"), 1, NAN, 2, &e));
    STORE_OK(store_load_stage(l, &e));
    ck_assert_int_eq(store_load_is_staged(l), sizes[_i].staged);
    load_fixture_apply(f.conn, l);
    STORE_OK(store_commit(f.conn, &e));
    store_load_free(l);
    int64_t n = (int64_t)(sizes[_i].n_stored + sizes[_i].n);
    ck_assert_int_eq(number_of("SELECT count(*) FROM interactions"), n);
    free(rows);
}
END_TEST

/* Rows of followed items: as many as may be in the index, and one more. */
START_TEST(test_past_200000_rows_of_followed_items_a_load_follows_none)
{
    enum { MOST = 200000 };
    bool too_many = _i;
    int64_t key = 0;
    struct load_fixture_row *rows = rows_of_users(MOST + 1, 1);
    for (int i = 0; i < MOST + 1; i++)
        (void)snprintf(rows[i].item, sizeof rows[i].item, "i1");
    (void)snprintf(rows[MOST].item, sizeof rows[MOST].item, too_many ? "i1" : "i2");
    store_fixture_item(f.conn, "i1", "T");
    STORE_OK(store_each_item(f.conn, 0, find_item, &key, &e));
    STORE_OK(store_follow_items(f.conn, &key, 1, &e));
    load_fixture_load(f.conn, rows, MOST + 1);
    ck_assert_int_eq(number_of("SELECT count(*) FROM items WHERE followed = 1"), too_many ? 0 : 1);
    ck_assert_int_eq(number_of("SELECT count(*) FROM interactions WHERE followed = 1"), too_many ? 0 : MOST);
    free(rows);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store load");
    TCase *tc = tcase_create("load");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_loop_test(tc, test_a_load_is_at_work_by_every_name_of_its_store, 0, 2);
    tcase_add_loop_test(tc, test_what_others_write_in_the_pauses_is_there_as_if_it_came_first, 0,
                        N_SEEDS / 2);
    tcase_add_loop_test(tc, test_a_killed_load_leaves_all_or_nothing_and_the_next_opening_cleans_up, 0,
                        N_DEATHS);
    tcase_add_test(tc, test_a_load_that_is_given_up_leaves_no_table_and_no_file);
    tcase_add_loop_test(tc, test_a_killed_load_of_new_users_and_items_leaves_all_or_nothing, 0, N_DEATHS);
    tcase_add_test(tc, test_writers_are_let_in_while_a_load_is_staged);
    tcase_add_test(tc, test_writers_are_let_in_while_new_users_and_items_are_written);
    tcase_add_test(tc, test_a_second_load_is_told_which_process_the_first_is_of);
    tcase_add_test(tc, test_a_row_written_ahead_that_the_table_refuses_fails_the_load);
    tcase_add_test(tc, test_a_new_user_with_the_key_of_one_who_was_just_deleted_is_seen_too);
    tcase_add_test(tc, test_who_registers_while_new_users_are_staged_shares_nothing_with_them);
    TCase *measured = tcase_create("measured");
    tcase_set_timeout(measured, 300);
    tcase_add_checked_fixture(measured, start, stop);
    tcase_add_loop_test(measured, test_no_transaction_of_a_load_does_more_than_it_has_time_for, 0, 2);
    tcase_add_test(measured, test_what_many_others_changed_meanwhile_is_not_left_to_the_last_transaction);
    tcase_add_test(measured, test_what_a_load_leaves_is_cleaned_up_in_pieces);
    tcase_add_loop_test(measured, test_few_rows_beside_many_are_not_staged, 0, sizeof sizes / sizeof *sizes);
    tcase_add_loop_test(measured, test_past_200000_rows_of_followed_items_a_load_follows_none, 0, 2);
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, measured);
    return suite_run(suite);
}
