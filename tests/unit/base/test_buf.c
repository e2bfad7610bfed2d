/* Growable bytes: the cap holds, a failed append is remembered and leaves the rest alone, and JSON strings
 * and floats read back as they were. Risk: an answer that is silently shorter than what was appended. */
#include "base/buf.h"
#include "base/mem.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_appends_stand_one_after_another)
{
    struct buf b;
    buf_init(&b, 1000);
    buf_add(&b, "a\0b", 3);
    buf_adds(&b, "cd");
    buf_addc(&b, 'e');
    buf_addf(&b, "%d-%s", 42, "x");
    buf_add(&b, NULL, 0);
    ck_assert_uint_eq(b.len, 10);
    ck_assert_mem_eq(b.data, "a\0bcde42-x", 10);
    ck_assert_int_eq(buf_text(&b)[10], '\0');
    ck_assert_int_eq(buf_check(&b, "it", NULL), ERR_OK);
    buf_fini(&b);
    ck_assert_ptr_null(b.data);
    ck_assert_uint_eq(b.max_bytes, 1000);
}
END_TEST

START_TEST(test_it_holds_its_cap_exactly_and_no_byte_more)
{
    for (size_t cap = 0; cap < 600; cap += 7) {
        struct buf b;
        buf_init(&b, cap);
        for (size_t i = 0; i < cap; i++)
            buf_addc(&b, (char)('a' + i % 26));
        ck_assert_int_eq(b.failed, ERR_OK);
        ck_assert_uint_eq(strlen(buf_text(&b)), cap);
        ck_assert_uint_le(b.capacity, cap + 1);
        buf_addc(&b, 'x');
        ck_assert_int_eq(b.failed, ERR_LIMIT);
        ck_assert_uint_eq(b.len, cap);
        buf_fini(&b);
    }
}
END_TEST

START_TEST(test_a_failed_append_makes_all_later_ones_nothing)
{
    struct buf b;
    struct err e = {0};
    buf_init(&b, 4);
    buf_adds(&b, "abc");
    buf_adds(&b, "de");
    buf_addc(&b, 'd');
    buf_addf(&b, "%d", 1);
    ck_assert_uint_eq(b.len, 3);
    ck_assert_ptr_null(buf_text(&b));
    ck_assert_ptr_null(buf_steal(&b, NULL));
    ck_assert_ptr_null(buf_reserve(&b, 0));
    ck_assert_int_eq(buf_check(&b, "the answer", &e), ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(e.text, "the answer"));
    ck_assert_ptr_nonnull(strstr(e.text, "4 bytes"));
    buf_reset(&b);
    buf_adds(&b, "wxyz");
    ck_assert_str_eq(buf_text(&b), "wxyz");
    buf_fini(&b);
}
END_TEST

START_TEST(test_sizes_near_the_end_of_size_t_are_refused)
{
    struct buf b;
    buf_init(&b, SIZE_MAX);
    ck_assert_ptr_null(buf_reserve(&b, SIZE_MAX));
    ck_assert_int_ne(b.failed, ERR_OK);
    buf_reset(&b);
    buf_addc(&b, 'x');
    ck_assert_ptr_null(buf_reserve(&b, SIZE_MAX - 1));
    ck_assert_int_ne(b.failed, ERR_OK);
    buf_fini(&b);
}
END_TEST

START_TEST(test_no_memory_is_sticky_and_keeps_what_was_there)
{
    struct buf b;
    struct err e = {0};
    buf_init(&b, 100000);
    buf_adds(&b, "kept");
    mem_fail_at(1, 0);
    for (int i = 0; i < 300; i++)
        buf_addc(&b, 'x');
    mem_fail_at(0, 0);
    ck_assert_int_eq(buf_check(&b, "text", &e), ERR_NOMEM);
    ck_assert_mem_eq(b.data, "kept", 4);
    ck_assert_ptr_null(buf_text(&b));
    buf_reset(&b);
    buf_adds(&b, "again");
    ck_assert_str_eq(buf_text(&b), "again");
    buf_fini(&b);
}
END_TEST

START_TEST(test_reset_keeps_the_memory)
{
    struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 1000; i++)
        buf_adds(&b, "0123456789");
    char *before = b.data;
    buf_reset(&b);
    mem_fail_at(1, 1);
    for (int i = 0; i < 1000; i++)
        buf_adds(&b, "0123456789");
    mem_fail_at(0, 0);
    ck_assert_int_eq(b.failed, ERR_OK);
    ck_assert_ptr_eq(b.data, before);
    buf_fini(&b);
}
END_TEST

START_TEST(test_reserved_room_is_the_callers_to_fill)
{
    struct buf b;
    buf_init(&b, 1000);
    buf_adds(&b, "ab");
    char *to = buf_reserve(&b, 500);
    ck_assert_ptr_nonnull(to);
    memset(to, 'z', 500);
    b.len += 500;
    ck_assert_uint_eq(strlen(buf_text(&b)), 502);
    buf_fini(&b);
}
END_TEST

START_TEST(test_a_stolen_block_is_terminated_and_leaves_an_empty_buffer)
{
    struct buf b;
    size_t n = 99;
    buf_init(&b, 10);
    char *empty = buf_steal(&b, &n);
    ck_assert_str_eq(empty, "");
    ck_assert_uint_eq(n, 0);
    mem_free(empty);
    buf_adds(&b, "0123456789");
    char *text = buf_steal(&b, &n);
    ck_assert_str_eq(text, "0123456789");
    ck_assert_uint_eq(n, 10);
    ck_assert_uint_eq(b.len, 0);
    buf_adds(&b, "next");
    ck_assert_str_eq(buf_text(&b), "next");
    ck_assert_str_eq(text, "0123456789");
    mem_free(text);
    buf_fini(&b);
}
END_TEST

/* Every byte at every place of texts around the width of a word, beside bytes that are nearly like it. */
START_TEST(test_json_strings_are_escaped_wherever_it_is_needed)
{
    for (int c = 0; c < 256; c++)
        for (size_t n = 1; n <= 20; n++)
            for (size_t at = 0; at < n; at++) {
                char text[20], expected[32];
                memset(text, c % 2 ? '!' : '[', sizeof text);
                text[at] = (char)c;
                const char *escape = c == '"'    ? "\\\""
                                     : c == '\\' ? "\\\\"
                                     : c == '\n' ? "\\n"
                                     : c == '\r' ? "\\r"
                                     : c == '\t' ? "\\t"
                                                 : NULL;
                char room[8];
                size_t len = 1;
                room[0] = (char)c;
                if (escape)
                    len = (size_t)snprintf(room, sizeof room, "%s", escape);
                else if (c < 0x20)
                    len = (size_t)snprintf(room, sizeof room, "\\u%04x", c);
                expected[0] = '"';
                memcpy(expected + 1, text, at);
                memcpy(expected + 1 + at, room, len);
                memcpy(expected + 1 + at + len, text + at + 1, n - at - 1);
                expected[n + len] = '"';
                struct buf b;
                buf_init(&b, 100);
                buf_add_json_string(&b, text, n);
                ck_assert_uint_eq(b.len, n + len + 1);
                ck_assert_mem_eq(b.data, expected, b.len);
                buf_fini(&b);
            }
}
END_TEST

START_TEST(test_json_strings_are_escaped)
{
    struct buf b;
    buf_init(&b, 1000);
    const char text[] = "a\"b\\c\n\r\t\x01\x1f\x7f\xC3\xA9/\0z";
    buf_add_json_string(&b, text, sizeof text - 1);
    ck_assert_str_eq(buf_text(&b), "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001f\x7f\xC3\xA9/\\u0000z\"");
    buf_reset(&b);
    buf_add_json_string(&b, NULL, 0);
    ck_assert_str_eq(buf_text(&b), "\"\"");
    buf_fini(&b);
}
END_TEST

START_TEST(test_whole_numbers_are_written_as_printf_writes_them)
{
    struct buf b;
    char expected[32];
    buf_init(&b, 1000);
    for (int shift = 0; shift < 64; shift++)
        for (int near = -1; near <= 1; near++)
            for (int sign = 0; sign < 2; sign++) {
                uint64_t bits = ((uint64_t)1 << shift) + (uint64_t)near;
                int64_t x = (int64_t)(sign ? 0 - bits : bits);
                buf_reset(&b);
                buf_add_int(&b, x);
                (void)snprintf(expected, sizeof expected, "%lld", (long long)x);
                ck_assert_str_eq(buf_text(&b), expected);
            }
    buf_fini(&b);
}
END_TEST

START_TEST(test_floats_read_back_to_the_same_bits)
{
    struct buf b;
    buf_init(&b, 100);
    uint32_t state = 12345;
    for (int i = 0; i < 20000; i++) {
        state = state * 1664525u + 1013904223u;
        float x, back;
        memcpy(&x, &state, sizeof x);
        if (!isfinite(x))
            continue;
        buf_reset(&b);
        buf_add_float(&b, x);
        back = strtof(buf_text(&b), NULL);
        ck_assert_mem_eq(&x, &back, sizeof x);
    }
    buf_fini(&b);
}
END_TEST

START_TEST(test_floats_are_written_as_printf_writes_them)
{
    struct buf b;
    char expected[64];
    uint32_t state = 1;
    buf_init(&b, 64);
    static const float known[] = {
        0,        -0.0F,       1,      10,        100,           0.1F,       9.99999999F, 1e9F,  999999936.F,
        0.0001F,  0.00009F,    -1e-4F, 123456789, 1.5F,          0.5F,       1e-30F,      1e30F, 8388608.5F,
        16777216, 99999.9922F, 0.001F, 0.01F,     9.5367432e-5F, 2.0000002F, -3.1415927F, 1e8F,  1e-4F};
    for (size_t i = 0; i < 2000000 + sizeof known / sizeof *known; i++) {
        float x = 0;
        state = state * 1664525 + 1013904223;
        uint32_t bits =
            i % 2 ? state : (state & 0x80ffffff) | (uint32_t)(0x38 + i % 22) << 24; /* any; usual sizes */
        memcpy(&x, &bits, sizeof x);
        if (i < sizeof known / sizeof *known)
            x = known[i];
        if (!isfinite(x))
            continue;
        (void)snprintf(expected, sizeof expected, "%.9g", (double)x);
        buf_reset(&b);
        buf_add_float(&b, x);
        ck_assert_str_eq(buf_text(&b), expected);
    }
    buf_fini(&b);
}
END_TEST

SUITE("base buf", NULL, NULL, {test_appends_stand_one_after_another},
      {test_it_holds_its_cap_exactly_and_no_byte_more}, {test_a_failed_append_makes_all_later_ones_nothing},
      {test_sizes_near_the_end_of_size_t_are_refused}, {test_no_memory_is_sticky_and_keeps_what_was_there},
      {test_reset_keeps_the_memory}, {test_reserved_room_is_the_callers_to_fill},
      {test_a_stolen_block_is_terminated_and_leaves_an_empty_buffer}, {test_json_strings_are_escaped},
      {test_json_strings_are_escaped_wherever_it_is_needed},
      {test_whole_numbers_are_written_as_printf_writes_them}, {test_floats_read_back_to_the_same_bits},
      {test_floats_are_written_as_printf_writes_them})
