/* engine/format/safetensors.c and safetensors_write.c: what is refused and why, what is legal, that a written
 * file reads back the same. Risks: reading past the end, overflow, an accepted lie about sizes, a
 * half-written file. */
#include "engine/format/safetensors.h"

#include "tests/support/suite.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_safetensors_XXXXXX";
static char path[128];

static void set_up(void)
{
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/m", folder);
}

/* Removes the folder; fails when anything but the file `m` is left in it. */
static void tear_down(void)
{
    DIR *d = opendir(folder);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *x; (x = readdir(d));)
        ck_assert_msg(x->d_name[0] == '.' || strcmp(x->d_name, "m") == 0, "left behind: %s", x->d_name);
    closedir(d);
    (void)unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
}

/* A file's bytes in a block of just their size, so that a sanitizer sees a read past the end. */
static unsigned char *build(const char *header, size_t n_header, size_t n_data, size_t *n)
{
    uint64_t size = n_header;
    *n = 8 + n_header + n_data;
    unsigned char *bytes = malloc(*n);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, &size, 8);
    memcpy(bytes + 8, header, n_header);
    for (size_t i = 0; i < n_data; i++)
        bytes[8 + n_header + i] = (unsigned char)(i + 1);
    return bytes;
}

static void check_refused(const unsigned char *bytes, size_t n, const char *reason)
{
    struct safetensors *s = NULL;
    struct err e = {0};
    enum err_code code = safetensors_open_bytes(bytes, n, &s, &e);
    ck_assert_msg(code == ERR_CORRUPT, "code %d (%s), expected a refusal: %s", code, e.text, reason);
    ck_assert_ptr_null(s);
    ck_assert_msg(strstr(e.text, reason), "refused because \"%s\", expected \"%s\"", e.text, reason);
}

#define T(dtype, shape, offsets) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static const struct {
    const char *header;
    size_t n_data;
    const char *reason;
} refused[] = {
    {"", 0, "does not begin with '{'"},
    {"[]", 0, "does not begin with '{'"},
    {" {}", 0, "does not begin with '{'"},
    {"null", 0, "does not begin with '{'"},
    {"{", 0, "not valid JSON"},
    {"{} x", 0, "not valid JSON"},
    {"{\"a\":1,}", 0, "not valid JSON"},
    {"{\"\xFF\":1}", 0, "not valid JSON"},
    {"{\"\xC0\x80\":1}", 0, "not valid JSON"},
    {"{\"\xED\xA0\x80\":1}", 0, "not valid JSON"},
    {"{\"a\\u0000b\":" T("U8", "[0]", "[0,0]") "}", 0, "not valid JSON"},
    {"{\"a\":" T("U8", "[1]", "[0,1]") ",\"a\":" T("U8", "[1]", "[0,1]") "}", 1, "duplicate"},
    {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "duplicate"},
    {"{\"__metadata__\":[]}", 0, "__metadata__ is no object"},
    {"{\"__metadata__\":null}", 0, "__metadata__ is no object"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "__metadata__: the value of \"k\" is no string"},
    {"{\"__metadata__\":{\"k\":\"v\",\"k\":\"v\"}}", 0, "duplicate"},
    {"{\"a\":1}", 0, "tensor \"a\": its entry is no object"},
    {"{\"a\":{\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "tensor \"a\": dtype is missing"},
    {"{\"a\":{\"dtype\":7,\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "tensor \"a\": dtype is no string"},
    {"{\"a\":" T("F33", "[0]", "[0,0]") "}", 0, "tensor \"a\": unknown dtype \"F33\""},
    {"{\"a\":" T("f32", "[0]", "[0,0]") "}", 0, "unknown dtype"},
    {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,0]}}", 0, "tensor \"a\": shape is missing"},
    {"{\"a\":" T("U8", "3", "[0,3]") "}", 3, "tensor \"a\": shape is no array"},
    {"{\"a\":" T("U8", "[-1]", "[0,0]") "}", 0, "shape[0] is no non-negative integer"},
    {"{\"a\":" T("U8", "[1,1.0]", "[0,1]") "}", 1, "shape[1] is no non-negative integer"},
    {"{\"a\":" T("U8", "[true]", "[0,1]") "}", 1, "shape[0] is no non-negative integer"},
    {"{\"a\":" T("U8", "[\"1\"]", "[0,1]") "}", 1, "shape[0] is no non-negative integer"},
    {"{\"a\":" T("U8", "[1e0]", "[0,1]") "}", 1, "shape[0] is no non-negative integer"},
    {"{\"a\":" T("U8", "[18446744073709551616]", "[0,1]") "}", 1, "not valid JSON"},
    {"{\"a\":" T("U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]") "}", 1, "9 dimensions, at most 8"},
    {"{\"a\":" T("U8", "[4294967296,4294967296]", "[0,0]") "}", 0, "product of its shape overflows"},
    {"{\"a\":" T("F64", "[9223372036854775807]", "[0,0]") "}", 0, "product of its shape overflows"},
    {"{\"a\":" T("U8", "[9223372036854775807,4,0]", "[0,0]") "}", 0, "product of its shape overflows"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[0]}}", 0, "data_offsets is missing"},
    {"{\"a\":" T("U8", "[0]", "[0]") "}", 0, "data_offsets is no pair"},
    {"{\"a\":" T("U8", "[0]", "[0,0,0]") "}", 0, "data_offsets is no pair"},
    {"{\"a\":" T("U8", "[0]", "{}") "}", 0, "data_offsets is no pair"},
    {"{\"a\":" T("U8", "[1]", "[-1,0]") "}", 0, "data_offsets is no pair"},
    {"{\"a\":" T("U8", "[1]", "[0,1.0]") "}", 1, "data_offsets is no pair"},
    {"{\"a\":" T("U8", "[1]", "[1,0]") "}", 1, "end before they begin"},
    {"{\"a\":" T("U8", "[2]", "[0,2]") "}", 1, "past the end of the data (1 bytes)"},
    {"{\"a\":" T("U8", "[1]", "[9223372036854775806,9223372036854775807]") "}", 1,
     "past the end of the data"},
    {"{\"a\":" T("F32", "[1]", "[0,3]") "}", 3, "span 3 bytes, shape and dtype ask for 4"},
    {"{\"a\":" T("F32", "[]", "[0,0]") "}", 0, "span 0 bytes, shape and dtype ask for 4"},
    {"{\"a\":" T("F32", "[2,0]", "[0,4]") "}", 4, "span 4 bytes, shape and dtype ask for 0"},
    {"{\"a\":" T("U8", "[1]", "[1,2]") "}", 2, "tensor \"a\": a hole of 1 bytes"},
    {"{\"a\":" T("U8", "[1]", "[0,1]") ",\"b\":" T("U8", "[1]", "[2,3]") "}", 3,
     "tensor \"b\": a hole of 1 bytes"},
    {"{\"a\":" T("U8", "[2]", "[0,2]") ",\"b\":" T("U8", "[2]", "[1,3]") "}", 3,
     "tensor \"b\": its data overlaps that of \"a\""},
    {"{\"a\":" T("U8", "[2]", "[0,2]") ",\"b\":" T("U8", "[2]", "[0,2]") "}", 2,
     "tensor \"b\": its data overlaps that of \"a\""},
    {"{\"a\":" T("U8", "[2]", "[0,2]") ",\"b\":" T("U8", "[0]", "[1,1]") "}", 2,
     "tensor \"b\": its data overlaps that of \"a\""},
    {"{\"a\":" T("U8", "[1]", "[0,1]") "}", 3, "2 bytes behind the last tensor's data"},
    {"{}", 1, "1 bytes behind the last tensor's data"},
};

START_TEST(a_malformed_header_is_refused_with_the_tensor_and_the_reason)
{
    size_t n;
    unsigned char *bytes = build(refused[_i].header, strlen(refused[_i].header), refused[_i].n_data, &n);
    check_refused(bytes, n, refused[_i].reason);
    free(bytes);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_refused)
{
    const char *header = "{\"a\":" T("U8", "[3]", "[0,3]") ",\"b\":" T("F32", "[1,2]", "[3,11]") "}";
    size_t n;
    unsigned char *bytes = build(header, strlen(header), 11, &n);
    struct safetensors *s = NULL;
    ck_assert_int_eq(safetensors_open_bytes(bytes, n, &s, NULL), ERR_OK);
    safetensors_close(s);
    for (size_t cut = 0; cut < n; cut++) {
        unsigned char *part = malloc(cut + !cut);
        ck_assert_ptr_nonnull(part);
        memcpy(part, bytes, cut);
        check_refused(part, cut,
                      cut == 0       ? "empty: 0 bytes"
                      : cut < 8      ? "too few"
                      : cut < n - 11 ? "past the end of the file"
                                     : "past the end");
        free(part);
    }
    free(bytes);
}
END_TEST

START_TEST(a_header_size_over_the_limit_is_refused)
{
    unsigned char bytes[16] = {0};
    const uint64_t sizes[] = {9, 100000001, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memcpy(bytes, &sizes[i], 8);
        check_refused(bytes, sizeof bytes,
                      i == 0 ? "past the end of the file" : "over the limit of 100000000");
    }
}
END_TEST

START_TEST(empty_files_empty_tensors_and_scalars_are_legal)
{
    const char *header = "{\"__metadata__\":{},\"z\":" T("F32", "[0,7]", "[4,4]") ",\"s\":" T(
        "F32", "[]", "[0,4]") ",\"y\":" T("I64", "[0]", "[0,0]") ",\"w\":" T("U8", "[0]", "[4,4]") "}      ";
    size_t n;
    unsigned char *bytes = build(header, strlen(header), 4, &n);
    struct safetensors *s = NULL;
    struct err e = {0};
    ck_assert_msg(safetensors_open_bytes(bytes, n, &s, &e) == ERR_OK, "%s", e.text);
    ck_assert_uint_eq(safetensors_count(s), 4);
    ck_assert_str_eq(safetensors_at(s, 0)->name, "y");
    ck_assert_str_eq(safetensors_at(s, 1)->name, "s");
    const struct tensor_view *t = safetensors_find(s, "s");
    ck_assert_uint_eq(t->n_dims, 0);
    ck_assert_uint_eq(t->n_bytes, 4);
    ck_assert_ptr_eq(t->data, bytes + n - 4);
    t = safetensors_find(s, "z");
    ck_assert_uint_eq(t->n_dims, 2);
    ck_assert_uint_eq(t->dims[1], 7);
    ck_assert_ptr_null(safetensors_find(s, "a"));
    ck_assert_ptr_null(safetensors_find(s, "__metadata__"));
    ck_assert_ptr_null(safetensors_metadata(s, "k"));
    safetensors_close(s);
    free(bytes);
    bytes = build("{}", 2, 0, &n);
    ck_assert_int_eq(safetensors_open_bytes(bytes, n, &s, NULL), ERR_OK);
    ck_assert_uint_eq(safetensors_count(s), 0);
    ck_assert_ptr_null(safetensors_find(s, ""));
    safetensors_close(s);
    free(bytes);
}
END_TEST

START_TEST(every_type_has_its_width)
{
    const struct {
        const char *name;
        size_t width;
    } all[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
               {"U16", 2},  {"I16", 2}, {"F16", 2}, {"BF16", 2},    {"U32", 4},
               {"I32", 4},  {"F32", 4}, {"U64", 8}, {"I64", 8},     {"F64", 8}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char header[128];
        size_t n;
        snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"%s\",\"shape\":[3],\"data_offsets\":[0,%zu]}}",
                 all[i].name, 3 * all[i].width);
        unsigned char *bytes = build(header, strlen(header), 3 * all[i].width, &n);
        struct safetensors *s = NULL;
        ck_assert_int_eq(safetensors_open_bytes(bytes, n, &s, NULL), ERR_OK);
        ck_assert_str_eq(dtype_name(safetensors_at(s, 0)->dtype), all[i].name);
        ck_assert_uint_eq(dtype_bytes(safetensors_at(s, 0)->dtype), all[i].width);
        safetensors_close(s);
        free(bytes);
    }
}
END_TEST

START_TEST(what_cannot_be_mapped_is_refused_with_its_path)
{
    struct safetensors *s = NULL;
    struct err e = {0};
    ck_assert_int_eq(safetensors_open(path, &s, &e), ERR_NOTFOUND);
    ck_assert_ptr_nonnull(strstr(e.text, path));
    err_clear(&e);
    ck_assert_int_eq(safetensors_open(folder, &s, &e), ERR_IO);
    ck_assert_ptr_nonnull(strstr(e.text, "not a regular file"));
    err_clear(&e);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(safetensors_open(path, &s, &e), ERR_IO);
    ck_assert_ptr_nonnull(strstr(e.text, "not a regular file"));
    err_clear(&e);
    ck_assert_int_eq(unlink(path), 0);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    ck_assert_int_eq(safetensors_open(path, &s, &e), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(e.text, path));
    ck_assert_ptr_nonnull(strstr(e.text, "empty: 0 bytes"));
    ck_assert_ptr_null(s);
}
END_TEST

/* ---- writing ---- */

static const uint64_t wide[] = {1, 2, UINT64_MAX};
static const float numbers[] = {1.5f, -0.0f, 3e38f, 1e-45f, 0, 7};
static const unsigned char small[] = "abc";

static const struct tensor_view sample[] = {
    {.name = "b.small", .dtype = DTYPE_U8, .n_dims = 1, .dims = {3}, .data = small, .n_bytes = 3},
    {.name = "z \"quoted\"\n",
     .dtype = DTYPE_F32,
     .n_dims = 2,
     .dims = {2, 3},
     .data = numbers,
     .n_bytes = 24},
    {.name = "a.none", .dtype = DTYPE_F32, .n_dims = 3, .dims = {4, 0, 2}, .data = NULL, .n_bytes = 0},
    {.name = "\xC3\xA9", .dtype = DTYPE_I64, .n_dims = 1, .dims = {3}, .data = wide, .n_bytes = 24},
    {.name = "scalar", .dtype = DTYPE_F32, .n_dims = 0, .data = numbers, .n_bytes = 4},
};
enum { N_SAMPLE = sizeof sample / sizeof *sample };

static const char *const keys[] = {"hypernet", "k \\"}, *const values[] = {"{\"a\": [1]}\t", ""};

static void write_sample(void)
{
    struct err e = {0};
    ck_assert_msg(safetensors_write(path, sample, N_SAMPLE, keys, values, 2, &e) == ERR_OK, "%s", e.text);
}

START_TEST(what_was_written_reads_back_the_same)
{
    write_sample();
    struct safetensors *s = NULL;
    struct err e = {0};
    ck_assert_msg(safetensors_open(path, &s, &e) == ERR_OK, "%s", e.text);
    ck_assert_uint_eq(safetensors_count(s), N_SAMPLE);
    for (size_t i = 0; i < N_SAMPLE; i++) {
        const struct tensor_view *t = safetensors_find(s, sample[i].name);
        ck_assert_ptr_nonnull(t);
        ck_assert_int_eq(t->dtype, sample[i].dtype);
        ck_assert_uint_eq(t->n_dims, sample[i].n_dims);
        ck_assert_mem_eq(t->dims, sample[i].dims, sizeof t->dims);
        ck_assert_uint_eq(t->n_bytes, sample[i].n_bytes);
        if (t->n_bytes)
            ck_assert_mem_eq(t->data, sample[i].data, t->n_bytes);
    }
    ck_assert_str_eq(safetensors_metadata(s, keys[0]), values[0]);
    ck_assert_str_eq(safetensors_metadata(s, keys[1]), values[1]);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(safetensors_file_bytes(s), (size_t)st.st_size);
    safetensors_close(s);
}
END_TEST

START_TEST(tensors_are_ordered_by_width_then_name_and_aligned)
{
    write_sample();
    const char *order[] = {"\xC3\xA9", "a.none", "scalar", "z \"quoted\"\n", "b.small"};
    struct safetensors *s = NULL;
    ck_assert_int_eq(safetensors_open(path, &s, NULL), ERR_OK);
    for (size_t i = 0; i < N_SAMPLE; i++) {
        const struct tensor_view *t = safetensors_at(s, i);
        ck_assert_str_eq(t->name, order[i]);
        ck_assert_uint_eq((uintptr_t)t->data % dtype_bytes(t->dtype), 0);
    }
    safetensors_close(s);
}
END_TEST

START_TEST(a_file_is_replaced_while_the_old_one_stays_mapped)
{
    write_sample();
    struct safetensors *old = NULL, *new = NULL;
    ck_assert_int_eq(safetensors_open(path, &old, NULL), ERR_OK);
    ck_assert_int_eq(safetensors_write(path, sample, 1, NULL, NULL, 0, NULL), ERR_OK);
    ck_assert_int_eq(safetensors_open(path, &new, NULL), ERR_OK);
    ck_assert_uint_eq(safetensors_count(new), 1);
    ck_assert_ptr_null(safetensors_metadata(new, "hypernet"));
    ck_assert_mem_eq(safetensors_find(old, "\xC3\xA9")->data, wide, sizeof wide);
    safetensors_close(old);
    safetensors_close(new);
}
END_TEST

START_TEST(a_path_without_a_folder_is_in_the_working_one)
{
    char before[4096];
    ck_assert_ptr_nonnull(getcwd(before, sizeof before));
    ck_assert_int_eq(chdir(folder), 0);
    enum err_code code = safetensors_write("m", sample, N_SAMPLE, NULL, NULL, 0, NULL);
    ck_assert_int_eq(chdir(before), 0);
    ck_assert_int_eq(code, ERR_OK);
    ck_assert_int_eq(access(path, R_OK), 0);
}
END_TEST

static void check_not_written(const struct tensor_view *tensors, size_t n, const char *const *k,
                              const char *const *v, size_t n_metadata, const char *reason)
{
    struct err e = {0};
    ck_assert_int_eq(safetensors_write(path, tensors, n, k, v, n_metadata, &e), ERR_INVALID);
    ck_assert_msg(strstr(e.text, reason), "refused because \"%s\", expected \"%s\"", e.text, reason);
    ck_assert_int_ne(access(path, F_OK), 0);
}

START_TEST(what_the_reader_would_refuse_is_not_written)
{
    struct tensor_view t[2] = {sample[0], sample[0]};
    check_not_written(t, 2, NULL, NULL, 0, "\"b.small\" is given twice");
    t[0].n_bytes = 2;
    check_not_written(t, 1, NULL, NULL, 0, "2 bytes given, shape and dtype ask for 3");
    t[0] = sample[0];
    t[0].name = "__metadata__";
    check_not_written(t, 1, NULL, NULL, 0, "__metadata__");
    t[0].name = "\xFF";
    check_not_written(t, 1, NULL, NULL, 0, "not UTF-8");
    t[0] = sample[0];
    t[0].n_dims = LIMIT_TENSOR_DIMS + 1;
    check_not_written(t, 1, NULL, NULL, 0, "9 dimensions");
    t[0] = (struct tensor_view){.name = "t", .n_dims = 2, .dims = {SIZE_MAX, 2}};
    check_not_written(t, 1, NULL, NULL, 0, "overflows");
    const char *const twice[] = {"k", "k"}, *const bad[] = {"ok", "\x80"};
    check_not_written(NULL, 0, twice, twice, 2, "\"k\" is given twice");
    check_not_written(NULL, 0, keys, bad, 2, "not UTF-8");
}
END_TEST

START_TEST(a_second_writer_is_refused_and_a_left_over_is_written_over)
{
    char temporary[140];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    int fd = open(temporary, O_CREAT | O_RDWR, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "half of another's file, longer than ours will be", 48), 48);
    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    struct err e = {0};
    ck_assert_int_eq(safetensors_write(path, sample, 1, NULL, NULL, 0, &e), ERR_BUSY);
    ck_assert_ptr_nonnull(strstr(e.text, "another process is writing"));
    ck_assert_int_eq(access(temporary, F_OK), 0);
    close(fd); /* as when the other writer is killed */
    ck_assert_int_eq(safetensors_write(path, sample, 1, NULL, NULL, 0, NULL), ERR_OK);
    struct safetensors *s = NULL;
    ck_assert_int_eq(safetensors_open(path, &s, NULL), ERR_OK);
    safetensors_close(s);
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_named)
{
    struct err e = {0};
    char missing[140];
    snprintf(missing, sizeof missing, "%s/none/m", folder);
    ck_assert_int_eq(safetensors_write(missing, sample, 1, NULL, NULL, 0, &e), ERR_IO);
    ck_assert_ptr_nonnull(strstr(e.text, missing));
}
END_TEST

SUITE("engine/safetensors", set_up, tear_down,
      {a_malformed_header_is_refused_with_the_tensor_and_the_reason, sizeof refused / sizeof *refused},
      {a_file_cut_anywhere_is_refused}, {a_header_size_over_the_limit_is_refused},
      {empty_files_empty_tensors_and_scalars_are_legal}, {every_type_has_its_width},
      {what_cannot_be_mapped_is_refused_with_its_path}, {what_was_written_reads_back_the_same},
      {tensors_are_ordered_by_width_then_name_and_aligned},
      {a_file_is_replaced_while_the_old_one_stays_mapped}, {a_path_without_a_folder_is_in_the_working_one},
      {what_the_reader_would_refuse_is_not_written},
      {a_second_writer_is_refused_and_a_left_over_is_written_over}, {a_folder_that_is_not_there_is_named})
