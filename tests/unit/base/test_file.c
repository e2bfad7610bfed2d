/* base/file.c: a path has the old file or the new one, and nothing else is left. Risks: a part that stays,
 * two writers in one part, a private file that others may read, a stream whose last bytes did not fit. What a
 * failing disk does is in tests/fault/test_engine_model_file.c. */
#include "base/file.h"

#include "base/mem.h"
#include "tests/support/suite.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_file_XXXXXX";
static char path[64], part[64];

static void write_plain(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static void set_up(void)
{
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/f", folder);
    (void)snprintf(part, sizeof part, "%s/f.part", folder);
    write_plain(path, "old");
}

/* Nothing is left but the file. */
static void tear_down(void)
{
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void check_holds(const char *want)
{
    char text[64] = "";
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    (void)fclose(f);
    ck_assert_str_eq(text, want);
}

static void must_open(struct file_out *f, enum file_access access)
{
    struct err e = {0};
    ck_assert_msg(file_out_open(f, path, ".part", access, &e) == ERR_OK, "%s", e.text);
}

static void must_write_and_replace(struct file_out *f, const char *text)
{
    struct err e = {0};
    ck_assert_msg(file_out_write(f, text, strlen(text), &e) == ERR_OK, "%s", e.text);
    check_holds("old");
    ck_assert_msg(file_out_replace(f, &e) == ERR_OK, "%s", e.text);
    file_out_fini(f);
    check_holds(text);
}

START_TEST(the_old_file_stays_until_the_new_one_is_whole)
{
    struct file_out f;
    must_open(&f, _i ? FILE_PRIVATE : FILE_SHARED);
    must_write_and_replace(&f, "new and longer");
}
END_TEST

START_TEST(what_is_not_finished_leaves_nothing)
{
    struct file_out f, zero = {0};
    FILE *stream;
    must_open(&f, FILE_SHARED);
    if (_i)
        ck_assert_int_eq(file_out_stream(&f, &stream, NULL), ERR_OK);
    file_out_fini(&f);
    file_out_fini(&f);
    file_out_fini(&zero);
    check_holds("old");
}
END_TEST

START_TEST(a_second_writer_is_refused_and_the_first_one_goes_on)
{
    struct file_out first, second;
    struct err e = {0};
    must_open(&first, _i / 2 ? FILE_PRIVATE : FILE_SHARED);
    ck_assert_int_eq(file_out_open(&second, path, ".part", _i % 2 ? FILE_PRIVATE : FILE_SHARED, &e),
                     ERR_BUSY);
    ck_assert_ptr_nonnull(strstr(e.text, part));
    file_out_fini(&second);
    must_write_and_replace(&first, "first");
}
END_TEST

START_TEST(what_a_killed_writer_left_is_written_over)
{
    struct file_out f;
    write_plain(part, "half of something that is longer than what comes");
    must_open(&f, _i ? FILE_PRIVATE : FILE_SHARED);
    must_write_and_replace(&f, "new");
}
END_TEST

static mode_t mode_of(const char *name)
{
    struct stat found;
    ck_assert_int_eq(stat(name, &found), 0);
    return found.st_mode & 0777;
}

START_TEST(a_private_file_is_its_owners_whatever_lay_there)
{
    struct file_out f;
    if (_i == 1) {
        write_plain(part, "left");
        ck_assert_int_eq(chmod(part, 0666), 0);
    } else if (_i == 2) {
        ck_assert_int_eq(symlink(path, part), 0);
    } else if (_i == 3) {
        ck_assert_int_eq(mkfifo(part, 0666), 0); /* nobody reads it: an open that waits would hold */
    }
    must_open(&f, FILE_PRIVATE);
    ck_assert_uint_eq(mode_of(part), 0600);
    must_write_and_replace(&f, "secret");
    ck_assert_uint_eq(mode_of(path), 0600);
}
END_TEST

START_TEST(a_shared_file_is_as_the_umask_has_it_and_no_link_is_followed)
{
    struct file_out f;
    struct err e = {0};
    mode_t old = umask(027);
    must_open(&f, FILE_SHARED);
    must_write_and_replace(&f, "new");
    ck_assert_uint_eq(mode_of(path), 0640);
    (void)umask(old);
    ck_assert_int_eq(symlink(path, part), 0);
    ck_assert_int_eq(file_out_open(&f, path, ".part", FILE_SHARED, &e), ERR_IO);
    file_out_fini(&f);
    check_holds("new");
    ck_assert_int_eq(unlink(part), 0);
}
END_TEST

/* Bytes that stay with the stream until the end are those that do not fit. */
START_TEST(a_stream_that_is_cut_short_replaces_nothing)
{
    struct rlimit old, small;
    struct file_out f;
    FILE *stream;
    struct err e = {0};
    must_open(&f, FILE_SHARED);
    ck_assert_int_eq(file_out_stream(&f, &stream, &e), ERR_OK);
    (void)fputs("more than two bytes", stream);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 2;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum err_code code = file_out_replace(&f, &e);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, handler);
    ck_assert_int_eq(code, ERR_FULL);
    ck_assert_ptr_nonnull(strstr(e.text, part));
    file_out_fini(&f);
    check_holds("old");
}
END_TEST

/* A rename would take a device from everybody. */
START_TEST(a_device_a_pipe_or_a_folder_is_not_replaced)
{
    struct file_out f;
    struct err e = {0};
    struct stat there;
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(_i ? mkdir(path, 0700) : mkfifo(path, 0600), 0);
    ck_assert_int_eq(file_out_open(&f, path, ".part", FILE_SHARED, &e), ERR_IO);
    ck_assert_ptr_nonnull(strstr(e.text, _i ? "is a folder" : "is a device or a pipe"));
    file_out_fini(&f);
    ck_assert(stat(path, &there) == 0 && (_i ? S_ISDIR(there.st_mode) : S_ISFIFO(there.st_mode)));
    ck_assert_int_eq(_i ? rmdir(path) : unlink(path), 0);
    write_plain(path, "old"); /* for tear_down, which also sees that no part is left */
}
END_TEST

START_TEST(a_file_without_memory_is_not_begun)
{
    for (long n = 1;; n++) {
        struct file_out f;
        struct err e = {0};
        mem_fail_at(n, _i);
        enum err_code code = file_out_open(&f, path, ".part", FILE_SHARED, &e);
        mem_fail_at(0, 0);
        file_out_fini(&f);
        if (!code)
            break;
        ck_assert_int_eq(code, ERR_NOMEM);
        ck_assert_int_eq(e.code, ERR_NOMEM);
    }
}
END_TEST

START_TEST(without_memory_a_file_is_replaced_or_stays_as_the_code_says)
{
    enum err_code code = ERR_NOMEM;
    for (long n = 1; code; n++) {
        struct err e = {0};
        struct file_out f;
        must_open(&f, FILE_SHARED);
        ck_assert_int_eq(file_out_write(&f, "new", 3, &e), ERR_OK);
        mem_fail_at(n, 1);
        code = file_out_replace(&f, &e);
        mem_fail_at(0, 0);
        file_out_fini(&f);
        ck_assert_int_eq(code, e.code);
        check_holds(code ? "old" : "new");
        ck_assert_int_lt(n, 10);
    }
}
END_TEST

START_TEST(an_errno_has_a_code_and_its_text_says_where)
{
    struct err e = {0};
    errno = ENOSPC;
    ck_assert_int_eq(file_error(&e, "a/b", "write"), ERR_FULL);
    ck_assert_str_eq(e.text, "a/b: cannot write: No space left on device");
    ck_assert_int_eq(file_code(EDQUOT), ERR_FULL);
    ck_assert_int_eq(file_code(EFBIG), ERR_FULL);
    ck_assert_int_eq(file_code(ENOMEM), ERR_NOMEM);
    ck_assert_int_eq(file_code(EACCES), ERR_IO);
    char *beside = file_beside("a/b", ".part"), *in = file_in("a", "b");
    ck_assert_str_eq(beside, "a/b.part");
    ck_assert_str_eq(in, "a/b");
    mem_free(beside);
    mem_free(in);
}
END_TEST

SUITE("base/file", set_up, tear_down, {the_old_file_stays_until_the_new_one_is_whole, 2},
      {what_is_not_finished_leaves_nothing, 2}, {a_second_writer_is_refused_and_the_first_one_goes_on, 4},
      {what_a_killed_writer_left_is_written_over, 2}, {a_private_file_is_its_owners_whatever_lay_there, 4},
      {a_shared_file_is_as_the_umask_has_it_and_no_link_is_followed},
      {a_stream_that_is_cut_short_replaces_nothing}, {a_device_a_pipe_or_a_folder_is_not_replaced, 2},
      {a_file_without_memory_is_not_begun, 2}, {without_memory_a_file_is_replaced_or_stays_as_the_code_says},
      {an_errno_has_a_code_and_its_text_says_where})
