/* The one rule of each field: what passes at and beyond the limits, which unit a time has, what stands for no
 * value. */
#include "server/fields/field.h"

#include "base/limits.h"
#include "server/fields/field_value.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NOW = 1790000000 }; /* 2026-09-21 */

START_TEST(test_field_weights_are_positive_and_within_limits)
{
    const double good[] = {1e-6, 1, 0.5, 1e6},
                 bad[] = {0,     -1,      -0.0,        5e-324,           1e-320,           9.9e-7,
                          1e300, 1000001, (double)NAN, (double)INFINITY, -(double)INFINITY};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_int_eq(field_check_weight(good[i], NULL), ERR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = {0};
        ck_assert_int_eq(field_check_weight(bad[i], &e), ERR_INVALID);
        ck_assert_msg(strstr(e.text, "leave out") || strstr(e.text, "divide"), "nothing to do: %s", e.text);
    }
}
END_TEST

START_TEST(test_field_ratings_are_within_limits_and_denormal_ones_are_zero)
{
    double good[] = {-1e6, 0, 3.5, 1e6}, bad[] = {1000001, -1e300, (double)NAN, (double)INFINITY},
           tiny = 1e-320;
    for (size_t i = 0; i < 4; i++) {
        double x = good[i];
        ck_assert_int_eq(field_check_rating(&x, NULL), ERR_OK);
        ck_assert_double_eq(x, good[i]);
        ck_assert_int_eq(field_check_rating(&bad[i], NULL), ERR_INVALID);
    }
    ck_assert_int_eq(field_check_rating(&tiny, NULL), ERR_OK);
    ck_assert_double_eq(tiny, 0);
}
END_TEST

START_TEST(test_field_components_are_within_limits)
{
    ck_assert_int_eq(field_check_component(1e6, NULL), ERR_OK);
    ck_assert_int_eq(field_check_component(-1e6, NULL), ERR_OK);
    ck_assert_int_eq(field_check_component(1e38, NULL), ERR_INVALID);
    ck_assert_int_eq(field_check_component(-1000001, NULL), ERR_INVALID);
    ck_assert_int_eq(field_check_component((double)NAN, NULL), ERR_INVALID);
}
END_TEST

/* Of each: the text, the seconds (-1: refused) and how it was read. */
static const struct {
    const char *text;
    int64_t seconds;
    enum field_time_form form;
} times[] = {
    {"0", 0, FIELD_TIME_SECONDS},
    {"7", 7, FIELD_TIME_SECONDS},
    {"20260301", 20260301, FIELD_TIME_SECONDS}, /* a small rising order */
    {"1772323200", 1772323200, FIELD_TIME_SECONDS},
    {"1772323200.75", 1772323200, FIELD_TIME_SECONDS},
    {"1.7723232e9", 1772323200, FIELD_TIME_SECONDS},
    {"1790086400", NOW + 86400, FIELD_TIME_SECONDS},
    {"1790086401", -1, 0},
    {"99999999999", -1, 0}, /* 5138 */
    {"1772323200999", 1772323200, FIELD_TIME_MILLISECONDS},
    {"1772323200999.5", 1772323200, FIELD_TIME_MILLISECONDS},
    {"1790086401000", -1, 0},
    {"100000000000", 100000000, FIELD_TIME_MILLISECONDS}, /* 1973: the first that are told from seconds */
    {"978300760999", 978300760, FIELD_TIME_MILLISECONDS}, /* before 2001 these have twelve digits */
    {"99999999999999", -1, 0},
    {"100000000000000", 100000000, FIELD_TIME_MICROSECONDS},
    {"978300760999999", 978300760, FIELD_TIME_MICROSECONDS},
    {"99999999999999999", -1, 0},
    {"100000000000000000", 100000000, FIELD_TIME_NANOSECONDS},
    {"978300760999999999", 978300760, FIELD_TIME_NANOSECONDS},
    {"1772323200999999", 1772323200, FIELD_TIME_MICROSECONDS},
    {"1772323200999999999", 1772323200, FIELD_TIME_NANOSECONDS},
    {"9223372036854775807", -1, 0},
    {"18446744073709551616", -1, 0},
    {"1e300", -1, 0},
    {"-1", -1, 0},
    {"-9223372036854775808", -1, 0},
    {"20260301123000", -1, 0}, /* digits of a date: read as milliseconds it is 2612 */
    {"2026-03-01", 1772323200, FIELD_TIME_ISO},
    {"2026-03-01T12:30:05.25+01:00", 1772364605, FIELD_TIME_ISO},
    {"2026-09-22T14:13:20Z", NOW + 86400, FIELD_TIME_ISO},
    {"2026-09-22T14:13:21Z", -1, 0},
    {"9999-12-31", -1, 0},
    {"1969-12-31", -1, 0},
    {"yesterday", -1, 0},
    {"", -1, 0},
};

START_TEST(test_field_times_tell_their_unit_by_their_size)
{
    int64_t seconds = -1;
    enum field_time_form form = FIELD_N_TIME_FORMS;
    struct err e = {0};
    enum err_code code = field_time_of_text(text_of(times[_i].text), NOW, &seconds, &form, &e);
    ck_assert_msg((code == ERR_OK) == (times[_i].seconds >= 0), "%s: %s", times[_i].text, e.text);
    ck_assert_int_eq(seconds, times[_i].seconds);
    if (!code)
        ck_assert_int_eq(form, times[_i].form);
}
END_TEST

START_TEST(test_field_a_refused_time_names_the_unit_and_the_clock)
{
    int64_t seconds;
    enum field_time_form form;
    struct err e = {0};
    ck_assert_int_eq(field_time_of_number(2534023007990000, NOW, &seconds, &form, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "read as microseconds since 1970"));
    ck_assert_ptr_nonnull(strstr(e.text, "2026-09-21T"));
}
END_TEST

/* time NAN: refused, saying so. */
static const struct {
    const char *text;
    double time;
    const char *said;
} row_times[] = {
    {"7", 7, NULL},
    {"-3.5", -3.5, NULL},
    {"0.25", 0.25, NULL},
    {"20260131", 20260131, NULL},
    {"1700000000.5", 1700000000.5, NULL},
    {"1700000000500", 1700000000, NULL},
    {"1700000000123456789", 1700000000, NULL},
    {"2023-11-14T22:13:20Z", 1700000000, NULL},
    {"90000000000", NAN, "read as seconds since 1970, is 4821-"},
    {"10413792000000", NAN, "read as milliseconds since 1970, is 2300-01-01: more than a day ahead"},
    {"1e300", NAN, "too large"},
    {"2299-01-01", NAN, "read as ISO 8601, is 2299-01-01: more than a day ahead"},
    {"soon", NAN, "'soon' is neither a number nor a time"},
    {"01/02/2025", NAN, "is neither a number nor a time; "},
};

START_TEST(test_field_times_of_tasks_rows_are_one_order)
{
    struct err e = {0};
    double time = -1, number = NAN;
    const struct text text = text_of(row_times[_i].text);
    enum err_code code = field_time_of_row(text, NAN, NOW, &time, &e);
    ck_assert_msg((code == ERR_OK) == !isnan(row_times[_i].time), "%s: %s", text.data, e.text);
    if (code)
        ck_assert_msg(strstr(e.text, row_times[_i].said) != NULL, "%s", e.text);
    else
        ck_assert_double_eq(time, row_times[_i].time);
    if (!field_value_number(text, &number))
        return;
    struct err again = {0};
    ck_assert_int_eq(field_time_of_row((struct text){NULL, 0}, number, NOW, &time, &again), code);
    ck_assert_str_eq(again.text, e.text);
}
END_TEST

START_TEST(test_field_tells_words_for_nothing_from_ids)
{
    const char *const words[] = {"NULL", "null", "\\N", "nan", "NaN",      "None",
                                 "<NA>", "NA",   "N/A", "NaT", "undefined"};
    const char *const ids[] = {"", "na", "0", "nano", "None1", "N", "\\M", "nul", "-"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        ck_assert_msg(field_is_null_word(text_of(words[i])), "%s", words[i]);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        ck_assert_msg(!field_is_null_word(text_of(ids[i])), "%s", ids[i]);
}
END_TEST

START_TEST(test_field_ids_are_short_utf_8)
{
    static char longest[LIMIT_ID_BYTES + 1];
    memset(longest, 'x', sizeof longest);
    ck_assert_int_eq(field_check_id((struct text){longest, LIMIT_ID_BYTES}, "user", NULL), ERR_OK);
    const struct text bad[] = {
        {longest, LIMIT_ID_BYTES + 1}, {"", 0}, {NULL, 0}, {"a\0b", 3}, {"\xff", 1}, {"\xed\xa0\x80", 3}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(field_check_id(bad[i], "user", NULL), ERR_INVALID);
}
END_TEST

START_TEST(test_field_old_values_come_within_limits)
{
    float x[] = {1, (float)NAN, 1e38F, -1e38F, (float)INFINITY, -1e6F};
    const float want[] = {1, 0, 1e6F, -1e6F, 1e6F, -1e6F};
    field_make_usable(x, 6);
    ck_assert_mem_eq(x, want, sizeof x);
    ck_assert(field_usable_weight(1e300) == 1e6F && field_usable_weight(5e-324) == 1e-6F);
    ck_assert(field_usable_weight((double)INFINITY) == 1e6F && field_usable_weight((double)NAN) == 1);
    ck_assert(field_usable_rating(-1e300) == -1e6F && isnan(field_usable_rating((double)NAN)));
    ck_assert(field_is_usable(1, (double)NAN) && field_is_usable(1e6, -1e6));
    ck_assert(!field_is_usable(1e300, 1) && !field_is_usable(1e-320, 1) && !field_is_usable(1, 1e7));
}
END_TEST

START_TEST(test_field_times_of_an_items_life_tell_their_unit_where_it_cannot_be_another)
{
    static const struct {
        const char *text;
        bool made;
        int64_t want; /* 0: refused */
    } lives[] = {
        {"1", false, 1},
        {"253402300799", false, 253402300799},
        {"253402300800", false, 253402300},
        {"253402300799", true, 253402300},
        {"4102444800", true, 4102444800},
        {"4102444801", true, 4102444},
        {"1767225600000", false, 1767225600},
        {"1767225600000000", true, 1767225600},
        {"1767225600000000000", false, 1767225600},
        {"999999999999999999", false, 999999999},
        {"1767225600.75", false, 1767225600},
        {"2026-01-01", true, 1767225600},
        {"9999-12-31T23:59:59Z", false, 253402300799},
        {"0", false, 0},
        {"-1", false, 0},
        {"nan", false, 0},
        {"1e300", false, 0},
        {"1969-12-31", false, 0},
        {"soon", false, 0},
        {"", false, 0},
    };
    for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
        struct err e = {0};
        int64_t seconds = -1;
        enum err_code code =
            field_life_of_text(text_of(lives[i].text), lives[i].made, "created", &seconds, &e);
        ck_assert_msg(code == (lives[i].want ? ERR_OK : ERR_INVALID), "%s: %s", lives[i].text, e.text);
        ck_assert_msg(seconds == lives[i].want, "%s: %lld", lives[i].text, (long long)seconds);
    }
}
END_TEST

SUITE("server/field", NULL, NULL, {test_field_weights_are_positive_and_within_limits},
      {test_field_ratings_are_within_limits_and_denormal_ones_are_zero},
      {test_field_components_are_within_limits},
      {test_field_times_tell_their_unit_by_their_size, sizeof times / sizeof *times},
      {test_field_a_refused_time_names_the_unit_and_the_clock},
      {test_field_times_of_tasks_rows_are_one_order, sizeof row_times / sizeof *row_times},
      {test_field_tells_words_for_nothing_from_ids}, {test_field_ids_are_short_utf_8},
      {test_field_old_values_come_within_limits},
      {test_field_times_of_an_items_life_tell_their_unit_where_it_cannot_be_another})
