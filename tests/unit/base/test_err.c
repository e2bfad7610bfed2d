/* Error texts: the first error wins, prefixes say where, and a long text is cut between characters. Risk: a
 * report that is overwritten on the way up, or that ends in half a character and breaks a JSON answer. */
#include "base/err.h"
#include "base/utf8.h"
#include "tests/support/suite.h"

#include <stdlib.h>
#include <string.h>

START_TEST(test_set_returns_the_code_and_keeps_the_text)
{
    struct err e = {0};
    ck_assert_int_eq(err_set(&e, ERR_FULL, "disk %s at %d", "sda", 7), ERR_FULL);
    ck_assert_int_eq(e.code, ERR_FULL);
    ck_assert_str_eq(e.text, "disk sda at 7");
}
END_TEST

START_TEST(test_the_first_error_wins)
{
    struct err e = {0};
    (void)err_set(&e, ERR_IO, "first");
    ck_assert_int_eq(err_set(&e, ERR_NOMEM, "second"), ERR_NOMEM);
    ck_assert_int_eq(e.code, ERR_IO);
    ck_assert_str_eq(e.text, "first");
    err_clear(&e);
    ck_assert_int_eq(e.code, ERR_OK);
    ck_assert_str_eq(e.text, "");
    (void)err_set(&e, ERR_NOMEM, "second");
    ck_assert_str_eq(e.text, "second");
}
END_TEST

START_TEST(test_no_struct_is_allowed)
{
    err_clear(NULL);
    ck_assert_int_eq(err_set(NULL, ERR_BUSY, "nobody reads %d", 1), ERR_BUSY);
    ck_assert_int_ne(err_prefix(NULL, "p"), ERR_OK);
}
END_TEST

START_TEST(test_prefixes_stand_in_front_outermost_first)
{
    struct err e = {0};
    (void)err_set(&e, ERR_CORRUPT, "row 3");
    ck_assert_int_eq(err_prefix(&e, "file %s", "a.csv"), ERR_CORRUPT);
    ck_assert_int_eq(err_prefix(&e, "import"), ERR_CORRUPT);
    ck_assert_str_eq(e.text, "import: file a.csv: row 3");
}
END_TEST

START_TEST(test_a_prefix_on_an_empty_error_does_nothing)
{
    struct err e = {0};
    ck_assert_int_eq(err_prefix(&e, "p"), ERR_OK);
    ck_assert_str_eq(e.text, "");
}
END_TEST

/* A text of n characters of width bytes each, after `shift` letters. */
static char *wide_text(size_t shift, size_t n, const char *character)
{
    size_t width = strlen(character);
    char *text = malloc(shift + n * width + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, 'a', shift);
    for (size_t i = 0; i < n; i++)
        memcpy(text + shift + i * width, character, width);
    text[shift + n * width] = '\0';
    return text;
}

static const char *const characters[] = {"x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};

START_TEST(test_a_long_text_is_cut_between_characters)
{
    for (size_t shift = 0; shift < 8; shift++) {
        char *text = wide_text(shift, 600, characters[_i]);
        struct err e = {0};
        (void)err_set(&e, ERR_INVALID, "%s", text);
        size_t n = strlen(e.text);
        ck_assert(utf8_valid(e.text, n));
        ck_assert_uint_lt(n, ERR_TEXT_BYTES);
        ck_assert_uint_ge(n, ERR_TEXT_BYTES - 4);
        ck_assert_int_eq(strncmp(e.text, text, n), 0);
        free(text);
    }
}
END_TEST

START_TEST(test_a_text_that_fits_exactly_is_whole)
{
    size_t width = strlen(characters[_i]), n = (ERR_TEXT_BYTES - 1) / width,
           shift = ERR_TEXT_BYTES - 1 - n * width;
    char *text = wide_text(shift, n, characters[_i]);
    struct err e = {0};
    (void)err_set(&e, ERR_INVALID, "%s", text);
    ck_assert_str_eq(e.text, text);
    free(text);
}
END_TEST

START_TEST(test_a_prefix_cuts_the_tail_between_characters)
{
    for (size_t shift = 0; shift < 8; shift++) {
        char *text = wide_text(shift, 600, characters[_i]);
        struct err e = {0};
        (void)err_set(&e, ERR_INVALID, "%s", text);
        (void)err_prefix(&e, "where");
        ck_assert(utf8_valid(e.text, strlen(e.text)));
        ck_assert_int_eq(strncmp(e.text, "where: ", 7), 0);
        free(text);
    }
}
END_TEST

START_TEST(test_a_prefix_longer_than_the_room_is_cut_between_characters)
{
    for (size_t shift = 0; shift < 8; shift++) {
        char *text = wide_text(shift, 600, characters[_i]);
        struct err e = {0};
        (void)err_set(&e, ERR_INVALID, "tail");
        ck_assert_int_eq(err_prefix(&e, "%s", text), ERR_INVALID);
        ck_assert(utf8_valid(e.text, strlen(e.text)));
        ck_assert_uint_lt(strlen(e.text), ERR_TEXT_BYTES);
        free(text);
    }
}
END_TEST

START_TEST(test_a_copy_has_code_and_text_unless_there_was_an_error_before)
{
    struct err from = {ERR_BUSY, "100% busy"}, to = {0}, filled = {ERR_IO, "first"};
    ck_assert_int_eq(err_copy(&to, &from), ERR_BUSY);
    ck_assert_int_eq(to.code, ERR_BUSY);
    ck_assert_str_eq(to.text, "100% busy");
    ck_assert_int_eq(err_copy(&filled, &from), ERR_BUSY);
    ck_assert_str_eq(filled.text, "first");
    ck_assert_int_eq(err_copy(NULL, &from), ERR_BUSY);
}
END_TEST

START_TEST(test_every_code_has_its_own_name)
{
    ck_assert_str_eq(err_name(ERR_OK), "ok");
    ck_assert_str_eq(err_name(ERR_NOTFOUND), "not-found");
    for (int a = ERR_OK; a <= ERR_INTERNAL; a++)
        for (int b = a + 1; b <= ERR_INTERNAL; b++)
            ck_assert_str_ne(err_name((enum err_code)a), err_name((enum err_code)b));
    ck_assert_str_eq(err_name((enum err_code)999), "unknown");
}
END_TEST

SUITE("base err", NULL, NULL, {test_set_returns_the_code_and_keeps_the_text}, {test_the_first_error_wins},
      {test_no_struct_is_allowed}, {test_prefixes_stand_in_front_outermost_first},
      {test_a_prefix_on_an_empty_error_does_nothing}, {test_a_long_text_is_cut_between_characters, 4},
      {test_a_text_that_fits_exactly_is_whole, 4}, {test_a_prefix_cuts_the_tail_between_characters, 4},
      {test_a_prefix_longer_than_the_room_is_cut_between_characters, 4},
      {test_a_copy_has_code_and_text_unless_there_was_an_error_before}, {test_every_code_has_its_own_name})
