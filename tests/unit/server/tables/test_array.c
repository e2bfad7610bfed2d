/* Arrays of every type and both forms as numbers, and what is refused. Risks: the order of bytes; a header
 * that lies about size or type and is believed; memory that a lie takes. */
#include "server/tables/array.h"

#include "base/mem.h"
#include "tests/support/suite.h"
#include "tests/support/table_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MOST = 64 * 1024 };

static unsigned char file[MOST];
static size_t n_file;

static void put(const void *bytes, size_t n)
{
    ck_assert(n_file + n <= MOST);
    memcpy(file + n_file, bytes, n);
    n_file += n;
}

/* A .npy file of this header's text and values. */
static void put_npy(int version, const char *header, const void *values, size_t n)
{
    size_t len = strlen(header);
    unsigned char prefix[12] = {0x93,
                                'N',
                                'U',
                                'M',
                                'P',
                                'Y',
                                (unsigned char)version,
                                0,
                                (unsigned char)len,
                                (unsigned char)(len >> 8)};
    n_file = 0;
    put(prefix, version == 1 ? 10 : 12);
    put(header, len);
    put(values, n);
}

#define NPY(descr, shape) "{'descr': '" descr "', 'fortran_order': False, 'shape': " shape ", }   \n"

/* Shape, type and values of the file as text, or "! reason" without the folder. */
static const char *read_text(void)
{
    static char text[2048];
    struct err e = {0};
    struct array *a = NULL;
    char dims[128];
    double values[7];
    size_t n = 1, at;
    const char *path = table_rows_write("a.npy", file, n_file), *name;
    enum err_code code = array_open(path, &a, &e);
    at = code ? 0
              : (size_t)snprintf(text, sizeof text,
                                 "%s %s:", array_dims_text(array_about(a), dims, sizeof dims),
                                 array_type_name(array_about(a)->type));
    while (!code && n) {
        code = array_read(a, values, 7, &n, &e);
        for (size_t i = 0; !code && i < n; i++)
            at += (size_t)snprintf(text + at, sizeof text - at, " %.17g", values[i]);
    }
    array_close(a);
    if (code) {
        ck_assert_int_eq(e.code, code);
        name = strstr(e.text, "a.npy");
        ck_assert_msg(name != NULL, "%s", e.text);
        (void)snprintf(text, sizeof text, "! %s", name);
    }
    table_rows_remove();
    return text;
}

START_TEST(values_of_every_type_and_order_of_bytes_are_read)
{
    put_npy(1, NPY("|u1", "(2, 3)"), "\x00\x01\x02\x7f\x80\xff", 6);
    ck_assert_str_eq(read_text(), "2 x 3 uint8: 0 1 2 127 128 255");
    put_npy(1, NPY("|b1", "(3,)"), "\x00\x01\x02", 3);
    ck_assert_str_eq(read_text(), "3 bool: 0 1 1");
    put_npy(1, NPY("i1", "(2,)"), "\x80\x7f", 2);
    ck_assert_str_eq(read_text(), "2 int8: -128 127");
    put_npy(2, NPY("<u2", "(2,)"), "\x01\x02\xff\xff", 4);
    ck_assert_str_eq(read_text(), "2 uint16: 513 65535");
    put_npy(3, NPY(">i2", "(2,)"), "\x01\x02\xff\xfe", 4);
    ck_assert_str_eq(read_text(), "2 int16: 258 -2");
    put_npy(1, NPY("<u4", "(1,)"), "\xff\xff\xff\xff", 4);
    ck_assert_str_eq(read_text(), "1 uint32: 4294967295");
    put_npy(1, NPY("<i4", "(1,)"), "\xfe\xff\xff\xff", 4);
    ck_assert_str_eq(read_text(), "1 int32: -2");
    put_npy(1, NPY(">u8", "(1,)"), "\x00\x00\x00\x01\x00\x00\x00\x00", 8);
    ck_assert_str_eq(read_text(), "1 uint64: 4294967296");
    put_npy(1, NPY("=i8", "()"), "\xfd\xff\xff\xff\xff\xff\xff\xff", 8);
    ck_assert_str_eq(read_text(), "one number int64: -3");
    put_npy(1, NPY("<f4", "(2,)"), (float[]){1.5f, -0.25f}, 8);
    ck_assert_str_eq(read_text(), "2 float32: 1.5 -0.25");
    put_npy(1, NPY(">f8", "(1, 1)"), "\x3f\xf8\0\0\0\0\0\0", 8);
    ck_assert_str_eq(read_text(), "1 x 1 float64: 1.5");
    put_npy(1, "{\"shape\":(2L,),\"fortran_order\":True,\"descr\":\"<f4\"}", (float[]){1, 2}, 8);
    ck_assert_str_eq(read_text(), "2 float32: 1 2"); /* one dimension has one order */
    put_npy(1, NPY("|u1", "(0, 28)"), "", 0);
    ck_assert_str_eq(read_text(), "0 x 28 uint8:");
}
END_TEST

#define IDX(type, n_dims) "\0\0" type n_dims

START_TEST(idx_is_read_with_the_highest_byte_first)
{
    n_file = 0;
    put(IDX("\x08", "\x03") "\0\0\0\x02\0\0\0\x01\0\0\0\x02\x01\x02\x03\x04", 20);
    ck_assert_str_eq(read_text(), "2 x 1 x 2 uint8: 1 2 3 4");
    n_file = 0;
    put(IDX("\x0c", "\x01") "\0\0\0\x01\xff\xff\xff\xfe", 12);
    ck_assert_str_eq(read_text(), "1 int32: -2");
    n_file = 0;
    put(IDX("\x0d", "\x01") "\0\0\0\x01\x3f\xc0\0\0", 12);
    ck_assert_str_eq(read_text(), "1 float32: 1.5");
}
END_TEST

/* The file, compressed; its last `cut` bytes left out. */
static void compress_file(size_t cut)
{
    static unsigned char packed[MOST];
    z_stream z = {.next_in = file, .avail_in = (unsigned)n_file, .next_out = packed, .avail_out = MOST};
    ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    n_file = z.total_out - cut;
    (void)deflateEnd(&z);
    memcpy(file, packed, n_file);
}

START_TEST(gzip_is_seen_through_and_its_damage_named)
{
    put_npy(1, NPY("|u1", "(3,)"), "\x05\x06\x07", 3);
    compress_file(0);
    ck_assert_str_eq(read_text(), "3 uint8: 5 6 7");
    put_npy(1, NPY("|u1", "(3,)"), "\x05\x06\x07", 3);
    compress_file(6);
    ck_assert_str_eq(read_text(), "! a.npy: the gzip file ends in the middle; fetch it again");
    put_npy(1, NPY("|u1", "(4,)"), "\x05\x06\x07", 3);
    compress_file(0);
    ck_assert_str_eq(read_text(),
                     "! a.npy: ends after 3 of the 4 values that its header promises; fetch it again");
    put_npy(1, NPY("|u1", "(2,)"), "\x05\x06\x07", 3);
    compress_file(0);
    ck_assert_str_eq(read_text(), "! a.npy: goes on behind the 2 values that its header promises");
}
END_TEST

#define KINDS "expected bool, int8 to int64, uint8 to uint64, float32 or float64"

static const struct {
    const char *header; /* of a .npy file of 6 bytes of values; NULL: the file is `bytes` */
    const char *bytes;
    size_t n;
    const char *expected;
} refused[] = {
    {NPY("|u1", "(7,)"), NULL, 0,
     "! a.npy: its header promises 7 values of uint8, 78 bytes with it; the file has 77: was it cut short?"},
    {NPY("|u1", "(5,)"), NULL, 0,
     "! a.npy: its header promises 5 values of uint8, 76 bytes with it; the file has 77"},
    {NPY("<f4", "(2, 3)"), NULL, 0,
     "! a.npy: its header promises 2 x 3 values of float32, 97 bytes with it; the file has 79: was it cut "
     "short?"},
    {NPY("|u1", "(4294967296, 4294967296)"), NULL, 0,
     "! a.npy: its header promises 4294967296 x 4294967296 values, more than any memory has"},
    {NPY("|u1", "(99999999999999999999,)"), NULL, 0,
     "! a.npy: shape of the .npy header is no tuple of numbers"},
    {NPY("|u1", "(-1,)"), NULL, 0, "! a.npy: shape of the .npy header is no tuple of numbers"},
    {NPY("|u1", "(1 2)"), NULL, 0, "! a.npy: shape of the .npy header is no tuple of numbers"},
    {NPY("|u1", "6"), NULL, 0, "! a.npy: shape of the .npy header is no tuple of numbers"},
    {NPY("|u1", "(1,1,1,1,1,1,1,1,6)"), NULL, 0, "! a.npy: it has more than the 8 dimensions that are read"},
    {NPY("|O", "(6,)"), NULL, 0,
     "! a.npy: its values are of NumPy's type '|O'; " KINDS
     ", as numpy.save(FILE, a.astype('float32')) writes"},
    {NPY("<U3", "(6,)"), NULL, 0,
     "! a.npy: its values are of NumPy's type '<U3'; " KINDS
     ", as numpy.save(FILE, a.astype('float32')) writes"},
    {NPY("<f2", "(3,)"), NULL, 0,
     "! a.npy: its values are of NumPy's type '<f2'; " KINDS
     ", as numpy.save(FILE, a.astype('float32')) writes"},
    {NPY("|u2", "(3,)"), NULL, 0,
     "! a.npy: its values are of NumPy's type '|u2'; " KINDS
     ", as numpy.save(FILE, a.astype('float32')) writes"},
    {"{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,)}", NULL, 0,
     "! a.npy: its values are records of several fields; expected an array of bool, int8 to int64, uint8 to "
     "uint64, float32 or float64"},
    {"{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3)}", NULL, 0,
     "! a.npy: its values lie column by column (fortran_order); expected rows, as numpy.save(FILE, "
     "numpy.ascontiguousarray(a)) writes"},
    {"{'descr': '|u1', 'fortran_order': 1, 'shape': (6,)}", NULL, 0,
     "! a.npy: fortran_order of the .npy header is neither True nor False"},
    {"{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (6,)}", NULL, 0,
     "! a.npy: the .npy header has the key 'descr'; expected descr, fortran_order and shape, each once"},
    {"{'descr': '|u1', 'fortran_order': False}", NULL, 0,
     "! a.npy: the .npy header is no dictionary of descr, fortran_order and shape, and nothing else"},
    {NPY("|u1", "(6,)") "exit()", NULL, 0,
     "! a.npy: the .npy header is no dictionary of descr, fortran_order and shape, and nothing else"},
    {"hello", NULL, 0,
     "! a.npy: the .npy header is no dictionary of descr, fortran_order and shape, and nothing else"},
    {"{5: 6}", NULL, 0, "! a.npy: the .npy header is no dictionary"},
    {NULL, "\x93NUMPY\x04\0\x01\0{}", 12, "! a.npy: it is version 4 of .npy; 1 to 3 are read"},
    {NULL, "\x93NUMPY\x01", 7, "! a.npy: a .npy file begins with 10 bytes of version and length; it has 7"},
    {NULL, "\x93NUMPY\x01\0\x40\0{}", 12,
     "! a.npy: its header of 64 bytes goes past the end of the file: was it cut short?"},
    {NULL, "\x93NUMPY\x02\0\0\0\0\x01{}", 14,
     "! a.npy: its header has 16777216 bytes; at most 65524 are read"},
    {NULL, IDX("\x0a", "\x01") "\0\0\0\x01\x05", 9,
     "! a.npy: byte 3 of an IDX file is its type, and 0x0a is none; 0x08 uint8, 0x09 int8, 0x0b int16, 0x0c "
     "int32, 0x0d float32 and 0x0e float64 are"},
    {NULL, IDX("\x08", "\x09") "\0\0\0\x01", 8, "! a.npy: it has more than the 8 dimensions that are read"},
    {NULL, IDX("\x08", "\x03") "\0\0\0\x01", 8,
     "! a.npy: an IDX file of 3 dimensions begins with 16 bytes of them; it has 8"},
    {NULL, IDX("\x08", "\x02") "\xff\xff\xff\xff\xff\xff\xff\xff", 12,
     "! a.npy: its header promises 4294967295 x 4294967295 values, more than any memory has"},
    {NULL, IDX("\x08", "\x01") "\0\0\xff\xff\x01", 9,
     "! a.npy: its header promises 65535 values of uint8, 65543 bytes with it; the file has 9: was it cut "
     "short?"},
    {NULL, IDX("\x0d", "\x02") "\0\0\0\x01\0\0\0\x02\0\0\0\0\x7f\xc0\0\0", 20,
     "! a.npy: value [0, 1] is NaN; expected finite numbers"},
    {NULL, IDX("\x0d", "\x01") "\0\0\0\x01\xff\x80\0\0", 12,
     "! a.npy: value [0] is infinite; expected finite numbers"},
    {NULL, "", 0,
     "! a.npy: it is no array of numbers, it is empty; expected a NumPy array (.npy) or an IDX file, plain "
     "or gzip"},
    {NULL, "a,b\n1,2\n", 8,
     "! a.npy: it is no array of numbers; expected a NumPy array (.npy) or an IDX file, plain or gzip"},
    {NULL, "\x89PNG\r\n\x1a\n....", 12,
     "! a.npy: it is no array of numbers, it is a PNG image; expected a NumPy array (.npy) or an IDX file, "
     "plain or "
     "gzip"},
    {NULL, "PK\x03\x04xxxxx", 9,
     "! a.npy: it is no array of numbers, it is a zip archive; of an .npz file unpack the array that is "
     "meant: "
     "unzip FILE; expected a NumPy array (.npy) or an IDX file, plain or gzip"},
};

START_TEST(what_is_refused_says_what_was_expected)
{
    if (refused[_i].header) {
        put_npy(1, refused[_i].header, "abcdef", 6);
    } else {
        n_file = 0;
        put(refused[_i].bytes, refused[_i].n);
    }
    ck_assert_str_eq(read_text(), refused[_i].expected);
}
END_TEST

START_TEST(a_gzip_file_that_cannot_hold_what_it_promises_is_refused_before_it_is_read)
{
    put_npy(1, NPY("<f8", "(100000, 28, 28)"), "abcdef", 6);
    compress_file(0);
    char expected[256];
    (void)snprintf(
        expected, sizeof expected,
        "! a.npy: its header promises 100000 x 28 x 28 values of float64, 627200083 bytes with it; the "
        "gzip file has %zu, which cannot be so many unpacked",
        n_file);
    ck_assert_str_eq(read_text(), expected);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_named)
{
    struct array *a = NULL;
    struct err e = {0};
    ck_assert_int_eq(array_open("/nowhere/a.npy", &a, &e), ERR_NOTFOUND);
    ck_assert_str_eq(e.text, "cannot open /nowhere/a.npy: No such file or directory");
}
END_TEST

/* More values than a block holds, of a width that does not divide what the header leaves of the first. */
START_TEST(values_on_the_edge_of_a_block_are_whole)
{
    enum { N = 20011 };
    static float values[N];
    static double got[N + 1];
    struct array *a = NULL;
    struct err e = {0};
    size_t n = 1, at = 0;
    for (size_t i = 0; i < N; i++)
        values[i] = (float)i;
    const char *header = "{'descr': '<f4', 'fortran_order': False, 'shape': (20011,)}";
    static unsigned char bytes[N * sizeof(float) + 256];
    put_npy(1, header, "", 0);
    memcpy(bytes, file, n_file);
    memcpy(bytes + n_file, values, sizeof values);
    const char *path = table_rows_write("b.npy", bytes, n_file + sizeof values);
    ck_assert_msg(array_open(path, &a, &e) == ERR_OK, "%s", e.text);
    for (; n; at += n)
        ck_assert_msg(array_read(a, got + at, 1234 < N + 1 - at ? 1234 : N + 1 - at, &n, &e) == ERR_OK, "%s",
                      e.text);
    ck_assert_uint_eq(at, N);
    for (size_t i = 0; i < N; i++)
        ck_assert(got[i] == (double)i);
    array_close(a);
    table_rows_remove();
}
END_TEST

START_TEST(without_memory_nothing_is_left)
{
    put_npy(1, NPY("|u1", "(3,)"), "\x05\x06\x07", 3);
    const char *path = table_rows_write("c.npy", file, n_file);
    enum err_code code = ERR_NOMEM;
    for (long n = 1; code == ERR_NOMEM && n < 20; n++) {
        struct array *a = NULL;
        struct err e = {0};
        mem_fail_at(n, 1);
        code = array_open(path, &a, &e);
        mem_fail_at(0, 0);
        ck_assert(code == ERR_OK || (code == ERR_NOMEM && !a));
        array_close(a);
    }
    ck_assert_int_eq(code, ERR_OK);
    table_rows_remove();
}
END_TEST

SUITE("array", NULL, NULL, {values_of_every_type_and_order_of_bytes_are_read},
      {idx_is_read_with_the_highest_byte_first}, {gzip_is_seen_through_and_its_damage_named},
      {what_is_refused_says_what_was_expected, sizeof refused / sizeof *refused},
      {a_gzip_file_that_cannot_hold_what_it_promises_is_refused_before_it_is_read},
      {a_file_that_is_not_there_is_named}, {values_on_the_edge_of_a_block_are_whole},
      {without_memory_nothing_is_left})
