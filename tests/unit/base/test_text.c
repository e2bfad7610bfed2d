/* base/text.h: what is compared, shown and counted of bytes with a length. Risks: a byte read past the end, a
 * character that a message cuts in two. */
#include "base/text.h"

#include "tests/support/suite.h"

#include <stdio.h>

static struct text of(const char *word)
{
    return text_of(word);
}

START_TEST(texts_are_in_the_order_of_their_bytes_the_shorter_first)
{
    static const char *const rising[] = {"", "a", "aa", "ab", "b", "\x7f", "\xc3\xa4", "\xff"};
    enum { N = sizeof rising / sizeof *rising };
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            int order = text_compare(of(rising[i]), of(rising[k]));
            ck_assert_int_eq((order > 0) - (order < 0), (i > k) - (i < k));
        }
    ck_assert_int_eq(text_compare((struct text){NULL, 0}, of("")), 0);
}
END_TEST

START_TEST(a_word_is_compared_whole)
{
    ck_assert(text_is(of("word"), "word"));
    ck_assert(!text_is(of("words"), "word") && !text_is(of("wor"), "word"));
    ck_assert(!text_is((struct text){NULL, 0}, ""));
}
END_TEST

/* 38 bytes, then characters of two, three and four. */
START_TEST(a_message_shows_forty_bytes_of_whole_characters)
{
    static const char *const characters[] = {"x", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    static const int shown[] = {40, 40, 38, 38};
    char text[64];
    int n = snprintf(text, sizeof text, "%038d%s%s%s%s", 0, characters[_i], characters[_i], characters[_i],
                     characters[_i]);
    ck_assert_int_eq(text_shown((struct text){text, (size_t)n}), shown[_i]);
    ck_assert_int_eq(text_shown((struct text){text, 7}), 7);
}
END_TEST

START_TEST(digits_are_counted_up_to_the_end)
{
    const char *p = "123a5";
    ck_assert_uint_eq(text_digits(p, p + 5), 3);
    ck_assert_uint_eq(text_digits(p, p + 2), 2);
    ck_assert_uint_eq(text_digits(p, p), 0);
    ck_assert(text_is_digit('0') && text_is_digit('9') && !text_is_digit('/') && !text_is_digit(':'));
}
END_TEST

SUITE("base/text", NULL, NULL, {texts_are_in_the_order_of_their_bytes_the_shorter_first},
      {a_word_is_compared_whole}, {a_message_shows_forty_bytes_of_whole_characters, 4},
      {digits_are_counted_up_to_the_end})
