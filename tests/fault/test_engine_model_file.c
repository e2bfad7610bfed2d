/* engine/model*.c and safetensors*.c when there is no memory and the disk fails: the right code, nothing left
 * behind, the old file as it was, and the next try works. write, fsync and rename of this program are
 * replaced by ones that fail when told to; leaks are the sanitizer's to find. */
#include "base/mem.h"
#include "engine/format/model_json.h"
#include "engine/format/model_write.h"
#include "engine/format/safetensors.h"
#include "engine/model.h"
#include "tests/support/sample_model.h"
#include "tests/support/suite.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- system calls that fail ---- */

enum call { WRITE, FSYNC, RENAME, N_CALLS };

static long fail_at[N_CALLS]; /* 0: never; else this call and all later ones fail with fail_errno */
static long calls[N_CALLS];
static int fail_errno;
static int short_writes; /* every write takes one to seven bytes, every third is interrupted */

static void calm(void)
{
    memset(fail_at, 0, sizeof fail_at);
    memset(calls, 0, sizeof calls);
    short_writes = 0;
}

static int must_fail(enum call which)
{
    calls[which]++;
    if (fail_at[which] == 0 || calls[which] < fail_at[which])
        return 0;
    errno = fail_errno;
    return 1;
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    if (fd <= 2)
        return syscall(SYS_write, fd, bytes, n);
    if (must_fail(WRITE))
        return -1;
    if (short_writes && calls[WRITE] % 3 == 0) {
        errno = EINTR;
        return -1;
    }
    return syscall(SYS_write, fd, bytes, short_writes && n > 7 ? (size_t)(calls[WRITE] % 7 + 1) : n);
}

int fsync(int fd)
{
    return must_fail(FSYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
    return must_fail(RENAME) ? -1 : (int)syscall(SYS_rename, from, to);
}

/* ---- a folder with one file ---- */

static char folder[] = "/tmp/test_model_file_XXXXXX";
static char path[128];
static struct sample_model before, after; /* in the file, and to be written over it */

static void set_up(void)
{
    calm();
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/m", folder);
    sample_model_init(&before, SAMPLE_NEIGHBOURS, 1);
    sample_model_init(&after, SAMPLE_NEIGHBOURS, 2);
    ck_assert_int_eq(model_write(path, &before.spec, &before.params, &before.ids, NULL), ERR_OK);
}

static void tear_down(void)
{
    calm();
    sample_model_fini(&before);
    sample_model_fini(&after);
    (void)unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
}

/* The folder holds the one file, and it is the model it should be. */
static void check_holds(const struct sample_model *s)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *x; (x = readdir(d));)
        n += x->d_name[0] != '.';
    closedir(d);
    ck_assert_uint_eq(n, 1);
    struct model *m = NULL;
    struct err e = {0};
    ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
    ck_assert_mem_eq(m->params.catalogue_embedding, s->params.catalogue_embedding,
                     s->spec.n_items * s->spec.d_item * sizeof(real));
    ck_assert_mem_eq(m->params.linear_head, s->params.linear_head, 6 * 7 * sizeof(real));
    ck_assert_mem_eq(m->params.pairs.weight, s->params.pairs.weight, s->spec.n_pairs * sizeof(real));
    model_unref(m);
}

static enum err_code write_after(struct err *e)
{
    return model_write(path, &after.spec, &after.params, &after.ids, e);
}

START_TEST(opening_without_memory_fails_and_then_works)
{
    for (long n = 1;; n++) {
        struct model *m = NULL;
        struct err e = {0};
        mem_fail_at(n, _i);
        enum err_code code = model_open(path, &m, &e);
        long asked = mem_count();
        mem_fail_at(0, 0);
        if (code == ERR_OK) {
            ck_assert_int_lt(asked, n);
            ck_assert_int_gt(n, 10);
            model_unref(m);
            break;
        }
        ck_assert_msg(code == ERR_NOMEM, "allocation %ld: %s", n, e.text);
        ck_assert_int_eq(e.code, ERR_NOMEM);
        ck_assert_ptr_null(m);
    }
    check_holds(&before);
}
END_TEST

START_TEST(writing_without_memory_fails_and_changes_nothing)
{
    for (long n = 1;; n++) {
        struct err e = {0};
        mem_fail_at(n, _i);
        enum err_code code = write_after(&e);
        mem_fail_at(0, 0);
        if (code == ERR_OK) {
            ck_assert_int_gt(n, 5);
            break;
        }
        ck_assert_msg(code == ERR_NOMEM, "allocation %ld: %s", n, e.text);
        check_holds(&before);
    }
    check_holds(&after);
}
END_TEST

START_TEST(a_copy_of_an_unaligned_tensor_may_find_no_memory)
{
    char other[140];
    snprintf(other, sizeof other, "%s/n", folder);
    FILE *in = fopen(path, "rb"), *out = fopen(other, "wb");
    ck_assert(in && out);
    uint64_t header, longer;
    ck_assert_uint_eq(fread(&header, 8, 1, in), 1);
    longer = header + 1;
    ck_assert_uint_eq(fwrite(&longer, 8, 1, out), 1);
    for (uint64_t i = 0; i < header; i++)
        fputc(fgetc(in), out);
    fputc(' ', out);
    for (int byte; (byte = fgetc(in)) != EOF;)
        fputc(byte, out);
    fclose(in);
    ck_assert_int_eq(fclose(out), 0);
    for (long n = 1;; n++) {
        struct model *m = NULL;
        mem_fail_at(n, 0);
        enum err_code code = model_open(other, &m, NULL);
        mem_fail_at(0, 0);
        if (code == ERR_OK) {
            model_unref(m);
            ck_assert_int_gt(n, 30);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
    }
    ck_assert_int_eq(unlink(other), 0);
}
END_TEST

static const struct {
    enum call which;
    int error;
    enum err_code code;
} io_faults[] = {{WRITE, ENOSPC, ERR_FULL}, {WRITE, EDQUOT, ERR_FULL}, {WRITE, EIO, ERR_IO},
                 {FSYNC, EIO, ERR_IO},      {FSYNC, ENOSPC, ERR_FULL}, {RENAME, EXDEV, ERR_IO},
                 {RENAME, ENOSPC, ERR_FULL}};

START_TEST(a_failing_disk_leaves_the_old_file_and_nothing_else)
{
    for (long n = 1;; n++) {
        struct err e = {0};
        calm();
        fail_at[io_faults[_i].which] = n;
        fail_errno = io_faults[_i].error;
        enum err_code code = write_after(&e);
        long seen = calls[io_faults[_i].which];
        calm();
        if (code == ERR_OK) {
            ck_assert_int_lt(seen, n);
            ck_assert_int_gt(n, 1);
            break;
        }
        ck_assert_msg(code == io_faults[_i].code, "call %ld: %s", n, e.text);
        ck_assert_ptr_nonnull(strstr(e.text, folder));
        if (io_faults[_i].which == FSYNC &&
            n == 2) /* of the folder: the file is whole, its name may not last */
            check_holds(&after);
        else
            check_holds(&before);
        if (io_faults[_i].which == FSYNC && n == 2)
            ck_assert_int_eq(model_write(path, &before.spec, &before.params, &before.ids, NULL), ERR_OK);
    }
    check_holds(&after);
}
END_TEST

START_TEST(short_and_interrupted_writes_are_continued)
{
    struct err e = {0};
    short_writes = 1;
    ck_assert_msg(write_after(&e) == ERR_OK, "%s", e.text);
    ck_assert_int_gt(calls[WRITE], 1000);
    check_holds(&after);
}
END_TEST

START_TEST(a_file_size_limit_of_the_system_is_a_full_disk)
{
    struct rlimit old, small;
    struct err e = {0};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 10000;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum err_code code = write_after(&e);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    ck_assert_msg(code == ERR_FULL, "%s", e.text);
    check_holds(&before);
}
END_TEST

START_TEST(a_description_without_memory_leaves_nothing)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    ck_assert_int_eq(model_json_encode(&before.spec, &text, NULL), ERR_OK);
    for (long n = 1;; n++) {
        struct model_spec spec = {0}, zero = {0};
        mem_fail_at(n, _i);
        enum err_code code = model_json_decode(buf_text(&text), &spec, NULL);
        mem_fail_at(0, 0);
        if (code == ERR_OK) {
            model_spec_fini(&spec);
            ck_assert_int_gt(n, 9);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
        ck_assert_mem_eq(&spec, &zero, sizeof spec);
    }
    buf_fini(&text);
}
END_TEST

SUITE("engine/model_file faults", set_up, tear_down, {opening_without_memory_fails_and_then_works, 2},
      {writing_without_memory_fails_and_changes_nothing, 2},
      {a_copy_of_an_unaligned_tensor_may_find_no_memory},
      {a_failing_disk_leaves_the_old_file_and_nothing_else, sizeof io_faults / sizeof *io_faults},
      {short_and_interrupted_writes_are_continued}, {a_file_size_limit_of_the_system_is_a_full_disk},
      {a_description_without_memory_leaves_nothing, 2})
