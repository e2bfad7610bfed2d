/* Several processes on one store, and what is left of one that dies: writes at the same time, a new file that
 * several open, kill -9. Risk: a change that another process misses, or a commit that a crash undoes. */
#include "base/mem.h"
#include "tests/support/change_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

STORE_FIXTURE(f)

/* Runs work(arg) in a process of its own; it ends with status 0 when work came back. */
static pid_t spawn(void (*work)(int), int arg)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        work(arg);
        _exit(0);
    }
    return pid;
}

static void join(pid_t pid)
{
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a process ended with status %d", status);
}

/* In a child: opens the store, or ends the process. Checks of the framework would not reach the parent. */
static void child_open(enum store_mode mode, struct store **s, struct store_conn **c)
{
    struct err e = {0};
    if (store_open(f.path, mode, s, &e) || store_connect(*s, c, &e)) {
        (void)fprintf(stderr, "child: %s\n", e.text);
        _exit(3);
    }
}

static void child_must(enum err_code code, const struct err *e)
{
    if (code) {
        (void)fprintf(stderr, "child: %s\n", e->text);
        _exit(4);
    }
}

static void child_event(struct store_conn *c, const char *user, const char *item, int64_t timestamp)
{
    struct err e = {0};
    int64_t revision;
    child_must(store_begin(c, &e), &e);
    child_must(store_put_interaction(c, text_of(user), text_of(item), 1, NAN, timestamp, NULL, &e), &e);
    child_must(store_touch_user(c, text_of(user), &revision, &e), &e);
    child_must(store_commit(c, &e), &e);
}

enum { N_PROCESS_WRITES = 100 };

static void write_in_process(int number)
{
    struct store *s;
    struct store_conn *c;
    child_open(STORE_READ_WRITE, &s, &c);
    for (int i = 0; i < N_PROCESS_WRITES; i++) {
        char item[32];
        (void)snprintf(item, sizeof item, "i%d-%d", number, i);
        child_event(c, "ann", item, i);
    }
    store_disconnect(c);
    store_close(s);
}

START_TEST(test_two_processes_write_at_once_and_a_third_sees_every_change)
{
    int64_t since = store_fixture_user(f.conn, "ann", NULL);
    store_fixture_close(&f); /* a connection must not be carried across a fork */
    pid_t a = spawn(write_in_process, 1), b = spawn(write_in_process, 2);
    STORE_OK(store_open(f.path, STORE_READ_WRITE, &f.store, &e));
    STORE_OK(store_connect(f.store, &f.conn, &e));
    join(a);
    join(b);
    ck_assert(change_fixture_any(f.conn, since));
    struct seen_changes seen = change_fixture_since(f.conn, since, 0);
    ck_assert_uint_eq(seen.n, 2 * 2 * N_PROCESS_WRITES); /* each event: the new item, the user */
    ck_assert_int_eq(seen.last, since + 2 * 2 * N_PROCESS_WRITES);
    struct store_user user = {0};
    STORE_OK(store_read_user(f.conn, text_of("ann"), NULL, &user, &e));
    ck_assert_uint_eq(user.n_interactions, 2 * N_PROCESS_WRITES);
    ck_assert_int_eq(user.revision, seen.last);
    store_user_fini(&user);
}
END_TEST

static int pipe_ends[2];

static void wait_for_byte(void)
{
    char byte;
    ck_assert_int_eq(read(pipe_ends[0], &byte, 1), 1);
}

static void die_in_transaction(int n_rows)
{
    struct store *s;
    struct store_conn *c;
    struct err e = {0};
    child_open(STORE_READ_WRITE, &s, &c);
    child_must(store_begin(c, &e), &e);
    for (int i = 0; i < n_rows; i++) {
        char item[32];
        (void)snprintf(item, sizeof item, "lost%d", i);
        child_must(store_put_interaction(c, text_of("ann"), text_of(item), 1, NAN, i, NULL, &e), &e);
    }
    if (write(pipe_ends[1], "x", 1) != 1)
        _exit(5);
    for (;;)
        (void)pause();
}

static void die_after_commit(int number)
{
    struct store *s;
    struct store_conn *c;
    (void)number;
    child_open(STORE_READ_WRITE, &s, &c);
    child_event(c, "ann", "kept", 7);
    if (write(pipe_ends[1], "x", 1) != 1)
        _exit(5);
    for (;;)
        (void)pause();
}

static void kill_when_ready(void (*work)(int), int arg)
{
    store_fixture_close(&f);
    ck_assert_int_eq(pipe(pipe_ends), 0);
    pid_t pid = spawn(work, arg);
    wait_for_byte();
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    (void)close(pipe_ends[0]);
    (void)close(pipe_ends[1]);
    STORE_OK(store_open(f.path, STORE_READ_WRITE, &f.store, &e));
    STORE_OK(store_connect(f.store, &f.conn, &e));
}

START_TEST(test_a_process_killed_inside_a_transaction_leaves_nothing_of_it)
{
    static const int rows[] = {1, 100, 20000};
    store_fixture_user(f.conn, "ann", "{}");
    store_fixture_event(f.conn, "ann", "before", 1, 1);
    char *before = store_fixture_dump(f.conn);
    kill_when_ready(die_in_transaction, rows[_i]);
    char *after = store_fixture_dump(f.conn);
    ck_assert_str_eq(before, after);
    store_fixture_event(f.conn, "ann", "next", 1, 2); /* its lock went with it */
    mem_free(before);
    mem_free(after);
}
END_TEST

START_TEST(test_a_process_killed_after_its_commit_has_kept_it)
{
    store_fixture_user(f.conn, "ann", "{}");
    int64_t last = change_fixture_last(f.conn);
    kill_when_ready(die_after_commit, 0);
    char *after = store_fixture_dump(f.conn);
    ck_assert_ptr_nonnull(strstr(after, "kept weight 1 "));
    ck_assert_int_eq(change_fixture_last(f.conn), last + 2);
    mem_free(after);
}
END_TEST

static void bulk_in_process(int n_rows)
{
    struct store *s;
    struct store_conn *c;
    struct store_bulk *bulk;
    struct err e = {0};
    child_open(STORE_READ_WRITE, &s, &c);
    child_must(store_begin(c, &e), &e);
    child_must(store_bulk_begin(c, &bulk, &e), &e);
    for (int i = 0; i < n_rows; i++) {
        char user[32], item[32];
        (void)snprintf(user, sizeof user, "u%d", i / 100);
        (void)snprintf(item, sizeof item, "i%d", i % 100);
        child_must(store_bulk_interaction(bulk, text_of(user), text_of(item), 1, NAN, i, &e), &e);
    }
    child_must(store_bulk_end(bulk, NULL, &e), &e);
    if (write(pipe_ends[1], "x", 1) != 1)
        _exit(5);
    child_must(store_commit(c, &e), &e);
    for (;;)
        (void)pause();
}

START_TEST(test_a_process_killed_around_the_commit_of_a_load_leaves_all_or_nothing)
{
    enum { N_ROWS = 30000 };
    kill_when_ready(bulk_in_process, N_ROWS);
    struct store_counts n;
    STORE_OK(store_count(f.conn, &n, &e));
    ck_assert(n.n_interactions == 0 || n.n_interactions == N_ROWS);
    ck_assert_int_eq(n.n_users, n.n_interactions / 100);
    ck_assert_int_eq(change_fixture_last(f.conn), n.n_interactions ? 1 : 0);
}
END_TEST

static void open_new(int number)
{
    struct store *s;
    struct store_conn *c;
    struct err e = {0};
    int64_t revision;
    bool created;
    char byte, user[16];
    if (read(pipe_ends[0], &byte, 1) != 1) /* all start when the parent says so */
        _exit(5);
    child_open(STORE_CREATE, &s, &c);
    (void)snprintf(user, sizeof user, "u%d", number);
    child_must(store_begin(c, &e), &e);
    child_must(store_put_user(c, text_of(user), text_of("{}"), &revision, &created, &e), &e);
    child_must(store_commit(c, &e), &e);
    store_disconnect(c);
    store_close(s);
}

START_TEST(test_processes_that_open_a_new_file_at_once_share_one_store)
{
    enum { N_PROCESSES = 6, N_ROUNDS = 15 };
    for (int round = 0; round < N_ROUNDS; round++) {
        pid_t pids[N_PROCESSES];
        store_fixture_close(&f);
        (void)snprintf(f.path, sizeof f.path, "%s/new%d.db", f.dir, round);
        ck_assert_int_eq(pipe(pipe_ends), 0);
        for (int i = 0; i < N_PROCESSES; i++)
            pids[i] = spawn(open_new, i);
        ck_assert_int_eq(write(pipe_ends[1], "123456", N_PROCESSES), N_PROCESSES);
        for (int i = 0; i < N_PROCESSES; i++)
            join(pids[i]);
        (void)close(pipe_ends[0]);
        (void)close(pipe_ends[1]);
        struct store_counts n;
        STORE_OK(store_open(f.path, STORE_READ_WRITE, &f.store, &e));
        STORE_OK(store_connect(f.store, &f.conn, &e));
        STORE_OK(store_count(f.conn, &n, &e));
        ck_assert_int_eq(n.n_users, N_PROCESSES);
        ck_assert_int_eq(change_fixture_last(f.conn), N_PROCESSES);
    }
}
END_TEST

SUITE("store processes", start, stop, {test_two_processes_write_at_once_and_a_third_sees_every_change},
      {test_a_process_killed_inside_a_transaction_leaves_nothing_of_it, 3},
      {test_a_process_killed_after_its_commit_has_kept_it},
      {test_a_process_killed_around_the_commit_of_a_load_leaves_all_or_nothing, 3},
      {test_processes_that_open_a_new_file_at_once_share_one_store})
