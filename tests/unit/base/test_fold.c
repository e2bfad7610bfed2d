/* base/fold.c: texts made alike for a search. Risks: a letter that is not found in the table's runs, bytes
 * written past the room, bytes that are no UTF-8. */
#include "base/fold.h"

#include "base/fold_table.h"
#include "base/rng.h"
#include "tests/support/suite.h"

/* A letter as UTF-8; how many bytes, none for 0. */
static size_t encode(uint32_t letter, char *out)
{
    size_t len = !letter ? 0 : letter < 0x80 ? 1 : letter < 0x800 ? 2 : letter < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 0; letter >>= 6)
        out[i] = (char)(i ? 0x80 | (letter & 0x3f) : len == 1 ? letter : (0xf00 >> len & 0xff) | letter);
    return len;
}

static const char *folded(const char *text)
{
    static char out[256];
    size_t n = fold_text(text_of(text), out);
    ck_assert_uint_le(n, FOLD_MOST * strlen(text));
    out[n] = 0;
    return out;
}

START_TEST(case_and_accents_make_no_difference)
{
    ck_assert_str_eq(folded("AMÉLIE, Amélie, amelie"), "amelie, amelie, amelie");
    ck_assert_str_eq(folded("Ame\xcc\x81lie"), "amelie"); /* the accent is a character of its own */
    ck_assert_str_eq(folded("ΟΔΥΣΣΕΎΣ Οδυσσεύς"), "οδυσσευσ οδυσσευσ");
    ck_assert_str_eq(folded("ПРИВЕТ Ёлка"), "привет елка");
    ck_assert_str_eq(folded("\xc8\xba"), "\xe2\xb1\xa5");             /* two bytes become three */
    ck_assert_str_eq(folded("\xf0\x90\x90\x80"), "\xf0\x90\x90\xa8"); /* Deseret */
}
END_TEST

START_TEST(other_letters_stay)
{
    static const char *const texts[] = {"",
                                        "it's 5 o'clock_",
                                        "stra\xc3\x9f"
                                        "e",
                                        "\xc3\xb8",
                                        "\xd0\xb9",
                                        "\xe3\x81\x8c",
                                        "\xe6\x97\xa5\xe6\x9c\xac",
                                        "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_str_eq(folded(texts[i]), texts[i]);
}
END_TEST

START_TEST(what_is_no_utf8_stays)
{
    static const char *const texts[] = {"\x80", "\xc3", "a\xe2\x82", "\xff\xfe", "\xc3(", "\xc1\x81"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_str_eq(folded(texts[i]), texts[i]);
}
END_TEST

START_TEST(each_letter_of_the_table_is_found_and_twice_is_once)
{
    size_t n = 0;
    for (size_t i = 0; i < sizeof fold_runs / sizeof *fold_runs; i++)
        for (uint32_t k = 0; k < fold_runs[i].n; k++, n++) {
            const struct fold_run *run = &fold_runs[i];
            uint32_t letter = run->first + k * run->step, to = run->to ? run->to + k * run->rise : 0;
            char text[4], want[4], out[8], again[16];
            size_t got = fold_text((struct text){text, encode(letter, text)}, out);
            ck_assert_uint_eq(got, encode(to, want));
            ck_assert_int_eq(memcmp(out, want, got), 0);
            ck_assert_uint_eq(fold_text((struct text){out, got}, again), got);
            ck_assert_int_eq(memcmp(out, again, got), 0);
        }
    ck_assert_uint_gt(n, 1900);
}
END_TEST

START_TEST(any_bytes_stay_within_the_room)
{
    struct rng rng;
    rng_init(&rng, 7, 0);
    for (int round = 0; round < 20000; round++) {
        unsigned char in[24];
        char out[sizeof in * FOLD_MOST + 1];
        size_t n = rng_next(&rng) % sizeof in;
        for (size_t i = 0; i < n; i++)
            in[i] = (unsigned char)(rng_next(&rng) >> 40);
        out[n * FOLD_MOST] = 'x';
        ck_assert_uint_le(fold_text((struct text){(const char *)in, n}, out), n * FOLD_MOST);
        ck_assert_int_eq(out[n * FOLD_MOST], 'x');
    }
}
END_TEST

SUITE("base/fold", NULL, NULL, {case_and_accents_make_no_difference}, {other_letters_stay},
      {what_is_no_utf8_stays}, {each_letter_of_the_table_is_found_and_twice_is_once},
      {any_bytes_stay_within_the_room})
