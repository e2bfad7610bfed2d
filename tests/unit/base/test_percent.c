/* base/percent.c: any bytes come back from their encoding, and what is broken is refused. Risks: a digit read
 * past the end, a zero byte that ends a text, a space or a percent sign that stays as it is. */
#include "base/percent.h"

#include "tests/support/suite.h"

#include <string.h>

static const struct {
    const char *text, *want; /* want NULL: refused */
} cases[] = {
    {"", ""},       {"plain", "plain"},   {"a%20b", "a b"}, {"%2f%2F", "//"}, {"%c3%A4", "\xc3\xa4"},
    {"a+b", "a+b"}, {"%25%32%35", "%25"}, {"%", NULL},      {"a%2", NULL},    {"%2g", NULL},
    {"%g2", NULL},  {"%%20", NULL},       {"% 1", NULL},    {"%-1", NULL},    {"%:0", NULL},
    {"%@0", NULL},  {"%`0", NULL},
};
enum { N_CASES = sizeof cases / sizeof *cases };

START_TEST(what_is_encoded_is_decoded_and_what_is_broken_is_refused)
{
    char out[32];
    size_t n = strlen(cases[_i].text), len = 99;
    bool done = percent_decode(cases[_i].text, n, out, &len);
    ck_assert_int_eq(done, cases[_i].want != NULL);
    if (done) {
        ck_assert_uint_eq(len, strlen(cases[_i].want));
        ck_assert_mem_eq(out, cases[_i].want, len);
    }
}
END_TEST

START_TEST(every_byte_comes_back_also_in_place)
{
    char bytes[256];
    struct buf b;
    size_t len;
    buf_init(&b, 1024);
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    percent_encode(&b, bytes, sizeof bytes);
    ck_assert(!b.failed);
    for (size_t i = 0; i < b.len; i++)
        ck_assert(b.data[i] > ' ' && b.data[i] < 127);
    ck_assert(percent_decode(b.data, b.len, b.data, &len));
    ck_assert_uint_eq(len, sizeof bytes);
    ck_assert_mem_eq(b.data, bytes, len);
    buf_fini(&b);
}
END_TEST

SUITE("base/percent", NULL, NULL, {what_is_encoded_is_decoded_and_what_is_broken_is_refused, N_CASES},
      {every_byte_comes_back_also_in_place})
