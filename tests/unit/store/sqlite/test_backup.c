/* store/sqlite/backup.c: how a backup gets a name that nobody has, on file systems that have no links, no
 * rename that replaces nothing, or neither. Risks: a file that came meanwhile is replaced, a backup that
 * cannot be made though a way is there, a half of one that is left. */
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct store_fixture f;
static char out[160];
static int rename_fails, link_fails; /* with these errors; 0: they are the system's */
static bool comes_meanwhile;         /* somebody makes the file a moment before */

static void come(void)
{
    if (!comes_meanwhile)
        return;
    int fd = open(out, O_WRONLY | O_CREAT | O_EXCL, 0600);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    comes_meanwhile = false;
}

/* In the place of the library's, for all that is linked here. */
int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    come();
    if (rename_fails) {
        errno = rename_fails;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}

int link(const char *from, const char *to)
{
    if (link_fails) {
        errno = link_fails;
        return -1;
    }
    return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

static void start(void)
{
    store_fixture_start(&f);
    store_fixture_user(f.conn, "ann", "{}");
    (void)snprintf(out, sizeof out, "%s.backup", f.path);
    rename_fails = link_fails = 0;
    comes_meanwhile = false;
}

static void stop(void)
{
    (void)unlink(out);
    store_fixture_stop(&f);
}

static bool is_there(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

/* What is copied is not left beside the backup. */
static void assert_no_copy(void)
{
    char name[200];
    (void)snprintf(name, sizeof name, "%s.new-%ld", out, (long)getpid());
    ck_assert(!is_there(name));
}

static void assert_made(void)
{
    struct store *s;
    struct store_conn *c;
    STORE_OK(store_open(out, STORE_READ_ONLY, &s, &e));
    STORE_OK(store_connect(s, &c, &e));
    store_fixture_assert_counts(c, 1, 0, 0, 0);
    store_disconnect(c);
    store_close(s);
    assert_no_copy();
}

static const int errors[] = {EINVAL, ENOSYS, EPERM, EOPNOTSUPP};

START_TEST(test_a_backup_is_made_where_a_file_can_be_renamed_but_not_linked)
{
    link_fails = errors[_i];
    STORE_OK(store_backup_file(f.path, out, false, &e));
    assert_made();
}
END_TEST

START_TEST(test_a_backup_is_made_where_a_file_can_be_linked_but_not_renamed_so)
{
    rename_fails = errors[_i];
    STORE_OK(store_backup_file(f.path, out, false, &e));
    assert_made();
}
END_TEST

START_TEST(test_where_neither_can_be_done_it_says_what_to_do)
{
    struct err why = {0};
    rename_fails = link_fails = errors[_i];
    ck_assert_int_eq(store_backup_file(f.path, out, false, &why), ERR_IO);
    ck_assert_ptr_nonnull(strstr(why.text, "--force"));
    ck_assert_ptr_nonnull(strstr(why.text, out));
    ck_assert(!is_there(out));
    assert_no_copy();
    STORE_OK(store_backup_file(f.path, out, true, &e));
    assert_made();
}
END_TEST

START_TEST(test_what_came_meanwhile_is_never_replaced)
{
    struct err why = {0};
    struct stat st;
    comes_meanwhile = true;
    rename_fails = _i ? EINVAL : 0;
    ck_assert_int_eq(store_backup_file(f.path, out, false, &why), ERR_CONFLICT);
    ck_assert_int_eq(stat(out, &st), 0);
    ck_assert_int_eq(st.st_size, 0);
    assert_no_copy();
}
END_TEST

int main(void)
{
    enum { N_ERRORS = sizeof errors / sizeof *errors };
    Suite *suite = suite_create("store backup");
    TCase *tc = tcase_create("names");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_loop_test(tc, test_a_backup_is_made_where_a_file_can_be_renamed_but_not_linked, 0, N_ERRORS);
    tcase_add_loop_test(tc, test_a_backup_is_made_where_a_file_can_be_linked_but_not_renamed_so, 0, N_ERRORS);
    tcase_add_loop_test(tc, test_where_neither_can_be_done_it_says_what_to_do, 0, N_ERRORS);
    tcase_add_loop_test(tc, test_what_came_meanwhile_is_never_replaced, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
