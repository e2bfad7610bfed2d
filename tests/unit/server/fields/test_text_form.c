/* server/fields/text_form.c: texts that were meant as numbers or dates. Risks: a name or a code that is taken
 * for one, and advice that changes the number. */
#include "server/fields/text_form.h"

#include "tests/support/suite.h"

#include <string.h>

static const struct {
    const char *text;
    enum text_form form;
    const char *plain; /* NULL: it is no number */
} cases[] = {
    {"1.99", TEXT_FORM_NUMBER, "1.99"},
    {"12", TEXT_FORM_NUMBER, "12"},
    {"1,99", TEXT_FORM_COMMA, "1.99"},
    {" -0,5 ", TEXT_FORM_COMMA, "-0.5"},
    {"1,299", TEXT_FORM_COMMA, "1.299"},
    {"1.299,00", TEXT_FORM_COMMA, "1299.00"},
    {"12.345.678,9", TEXT_FORM_COMMA, "12345678.9"},
    {"1 299,50", TEXT_FORM_COMMA, "1299.50"},
    {"1'299,50", TEXT_FORM_COMMA, "1299.50"},
    {"1,299.00", TEXT_FORM_GROUPS, "1299.00"},
    {"1,299,000", TEXT_FORM_GROUPS, "1299000"},
    {"1.299.000", TEXT_FORM_GROUPS, "1299000"},
    {"1 299", TEXT_FORM_GROUPS, "1299"},
    {"$1,299.00", TEXT_FORM_CURRENCY, "1299.00"},
    {"1,99 \xe2\x82\xac", TEXT_FORM_CURRENCY, "1.99"},
    {"EUR 5", TEXT_FORM_CURRENCY, "5"},
    {"1985-07-31", TEXT_FORM_DATE, NULL},
    {"31.07.1985", TEXT_FORM_DATE, NULL},
    {"7/31/1985", TEXT_FORM_DATE, NULL},
    {"1985-07-31T10:00:00Z", TEXT_FORM_DATE, NULL},
    {"", TEXT_FORM_OTHER, NULL},
    {"1,2,3", TEXT_FORM_OTHER, NULL},
    {"1,", TEXT_FORM_OTHER, NULL},
    {",5", TEXT_FORM_OTHER, NULL},
    {"1..5", TEXT_FORM_OTHER, NULL},
    {"a,5", TEXT_FORM_OTHER, NULL},
    {"25-34", TEXT_FORM_OTHER, NULL},
    {"1.2.3", TEXT_FORM_OTHER, NULL},
    {"192.168.10.1", TEXT_FORM_OTHER, NULL},
    {"12 34", TEXT_FORM_OTHER, NULL},
    {"$", TEXT_FORM_OTHER, NULL},
    {"EUR", TEXT_FORM_OTHER, NULL},
    {"2024-01", TEXT_FORM_OTHER, NULL},
    {"020-1234-567", TEXT_FORM_OTHER, NULL},
};

START_TEST(a_text_is_told_by_its_form_and_a_number_as_it_is_to_be_written)
{
    char plain[32];
    struct text text = {cases[_i].text, strlen(cases[_i].text)};
    ck_assert_msg(text_form_of(text) == cases[_i].form, "'%s': %d", cases[_i].text, text_form_of(text));
    if (!cases[_i].plain)
        return;
    text_form_plain(text, plain, sizeof plain);
    ck_assert_str_eq(plain, cases[_i].plain);
}
END_TEST

START_TEST(a_number_that_is_too_long_to_be_shown_is_cut)
{
    char plain[4];
    text_form_plain((struct text){"123.456,7", 9}, plain, sizeof plain);
    ck_assert_str_eq(plain, "123");
}
END_TEST

START_TEST(a_text_in_the_place_of_a_number_is_told_how_to_be_one)
{
    static const struct {
        const char *text, *bare, *quoted;
    } said[] = {
        {"3,5", ": a decimal comma; write 3.5", ": a decimal comma; write 3.5, without the quotes"},
        {"1,299.00", ": separators between thousands; write 1299.00",
         ": separators between thousands; write 1299.00, without the quotes"},
        {"EUR 5", ": a currency; write 5", ": a currency; write 5, without the quotes"},
        {"3.5", "", "; write 3.5, without the quotes"},
        {"four", "", ""},
        {"11111111111111111111111111111111111111,5", "", ""},
    };
    char out[TEXT_FORM_ADVICE_BYTES];
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        ck_assert_str_eq(text_form_advice(text_of(said[i].text), false, out), said[i].bare);
        ck_assert_str_eq(text_form_advice(text_of(said[i].text), true, out), said[i].quoted);
    }
}
END_TEST

SUITE("server/fields/text_form", NULL, NULL,
      {a_text_is_told_by_its_form_and_a_number_as_it_is_to_be_written, sizeof cases / sizeof *cases},
      {a_number_that_is_too_long_to_be_shown_is_cut}, {a_text_in_the_place_of_a_number_is_told_how_to_be_one})
