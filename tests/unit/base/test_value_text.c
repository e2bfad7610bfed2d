/* base/value_text.c: one text for each value; risks: an identifier that turns into a number, a number that
 * changes, words that strtod takes for numbers. */
#include "base/value_text.h"

#include "tests/support/suite.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text, *form;
} cases[] = {
    {"true", "true"},
    {"True", "true"},
    {"TRUE", "true"},
    {" False ", "false"},
    {"truth", "truth"},
    {"20", "20"},
    {"20.0", "20"},
    {"20.", "20"},
    {" 20.50 ", "20.5"},
    {"2e1", "20"},
    {"1E+1", "10"},
    {".5", "0.5"},
    {"-.50", "-0.5"},
    {"-0", "0"},
    {"-0.0", "0"},
    {"0", "0"},
    {"0.30000000000000004", "0.30000000000000004"},
    {"1e300", "1e+300"},
    {"123456789012345", "123456789012345"},
    {"1234567890123456", "1234567890123456"}, /* a card's number keeps its digits */
    {"12345678901234567890", "12345678901234567890"},
    {"02139", "02139"}, /* a zip code */
    {"007", "007"},
    {"00", "00"},
    {"-01", "-01"},
    {"+4915112345678", "+4915112345678"}, /* a telephone */
    {"1e400", "1e400"},
    {"1e-400", "1e-400"},
    {"inf", "inf"},
    {"nan", "nan"},
    {"0x10", "0x10"},
    {"1,5", "1,5"},
    {"1 000", "1 000"},
    {"1.2.3", "1.2.3"},
    {"1e", "1e"},
    {"-", "-"},
    {".", "."},
    {"", ""},
    {"25-34", "25-34"},
};

START_TEST(a_value_has_one_form)
{
    char room[VALUE_TEXT_ROOM], again[VALUE_TEXT_ROOM];
    const char *form = value_text(cases[_i].text, room);
    ck_assert_str_eq(form, cases[_i].form);
    ck_assert_str_eq(value_text(form, again), cases[_i].form);
}
END_TEST

START_TEST(what_is_longer_than_any_number_is_a_text)
{
    char text[200], room[VALUE_TEXT_ROOM];
    memset(text, '1', sizeof text);
    text[1] = '.';
    text[sizeof text - 1] = '\0';
    ck_assert_ptr_eq(value_text(text, room), text);
}
END_TEST

START_TEST(codes_are_digits_after_a_zero)
{
    ck_assert(value_text_is_code("02139"));
    ck_assert(value_text_is_code(" 00 "));
    ck_assert(!value_text_is_code("0"));
    ck_assert(!value_text_is_code("0.5"));
    ck_assert(!value_text_is_code("2139"));
    ck_assert(!value_text_is_code("0a"));
    ck_assert(!value_text_is_code(""));
}
END_TEST

START_TEST(a_whole_number_is_long_past_what_a_double_keeps)
{
    ck_assert(!value_text_is_long(0));
    ck_assert(!value_text_is_long(999999999999999) && !value_text_is_long(-999999999999999));
    ck_assert(value_text_is_long(1000000000000000) && value_text_is_long(INT64_MIN));
}
END_TEST

SUITE("base/value_text", NULL, NULL, {a_value_has_one_form, sizeof cases / sizeof *cases},
      {a_whole_number_is_long_past_what_a_double_keeps}, {what_is_longer_than_any_number_is_a_text},
      {codes_are_digits_after_a_zero})
