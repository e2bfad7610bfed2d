/* engine/format/columns.c: a row of a table as the numbers of x, and the refusals of rows and of columns
 * that a file may have. Risks: a place that is one off behind an optional column, a value with two forms,
 * a number that is not finite and goes on. */
#include "engine/format/columns.h"

#include "base/limits.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char price_name[] = "price", colour_name[] = "colour", age_name[] = "age", two_name[] = "two";
static char blue[] = "blue", green[] = "green", red[] = "red", number_two[] = "2", truth[] = "true";
static char *colours[] = {blue, green, red}, *twos[] = {number_two, truth};

/* x = [price | age, age is missing | blue, green, red | 2, true, two is missing] */
enum { PRICE, AGE, COLOUR, TWO, N_COLUMNS, WIDTH = 1 + 2 + 3 + 3 };

static struct column list[N_COLUMNS];
static struct columns columns;

static void set_up(void)
{
    list[PRICE] = (struct column){.name = price_name, .mean = 10, .deviation = 2, .least = 4, .most = 15};
    list[AGE] = (struct column){
        .name = age_name, .optional = true, .mean = 40, .deviation = 10, .least = 20, .most = 60};
    list[COLOUR] =
        (struct column){.name = colour_name, .kind = COLUMN_CATEGORY, .n_values = 3, .values = colours};
    list[TWO] = (struct column){
        .name = two_name, .kind = COLUMN_CATEGORY, .optional = true, .n_values = 2, .values = twos};
    columns = (struct columns){N_COLUMNS, list};
}

static struct cell number(double x)
{
    return (struct cell){.kind = CELL_NUMBER, .number = x};
}

static struct cell text(const char *s)
{
    return (struct cell){.kind = CELL_TEXT, .number = NAN, .text = {s, strlen(s)}};
}

/* A number as a text file has it. */
static struct cell written(const char *s)
{
    return (struct cell){.kind = CELL_NUMBER, .number = strtod(s, NULL), .text = {s, strlen(s)}};
}

static void check_x(const struct cell cells[N_COLUMNS], bool unknown_is_absent, const double expected[WIDTH])
{
    real x[WIDTH + 1];
    struct err e = {0};
    for (size_t i = 0; i <= WIDTH; i++)
        x[i] = (real)77;
    ck_assert_msg(columns_encode(&columns, cells, unknown_is_absent, x, NULL, &e) == ERR_OK, "%s", e.text);
    for (size_t i = 0; i < WIDTH; i++)
        ck_assert_msg(fabs((double)x[i] - expected[i]) < 1e-6, "x[%zu] is %g, not %g", i, (double)x[i],
                      expected[i]);
    ck_assert(x[WIDTH] == (real)77);
}

static void check_refused(const struct cell cells[N_COLUMNS], const char *reason)
{
    real x[WIDTH];
    struct err e = {0};
    ck_assert_int_eq(columns_encode(&columns, cells, false, x, NULL, &e), ERR_INVALID);
    ck_assert_msg(strstr(e.text, reason) != NULL, "'%s' does not say '%s'", e.text, reason);
}

START_TEST(a_column_takes_a_place_a_value_and_one_for_what_is_missing)
{
    ck_assert_uint_eq(columns_width(&columns), WIDTH);
    ck_assert_uint_eq(column_width(&list[PRICE]), 1);
    ck_assert_uint_eq(column_width(&list[AGE]), 2);
    ck_assert_uint_eq(column_width(&list[COLOUR]), 3);
    ck_assert_uint_eq(column_width(&list[TWO]), 3);
    ck_assert_uint_eq(columns_width(&(struct columns){0}), 0);
}
END_TEST

START_TEST(numbers_are_scaled_and_categories_are_a_one_in_their_place)
{
    check_x((struct cell[]){number(14), number(35), text("green"), text("true")}, false,
            (double[]){2, -0.5, 0, 0, 1, 0, 0, 1, 0});
}
END_TEST

START_TEST(numbers_are_cut_to_the_range_of_training_and_three_deviations)
{
    const double low = (4 - 3 * 2 - 10) / 2.0, high = (15 + 3 * 2 - 10) / 2.0;
    check_x((struct cell[]){number(1e300), number(40), text("red"), text("true")}, false,
            (double[]){high, 0, 0, 0, 0, 1, 0, 1, 0});
    check_x((struct cell[]){number(-1e300), number(40), text("red"), text("true")}, false,
            (double[]){low, 0, 0, 0, 0, 1, 0, 1, 0});
    check_x((struct cell[]){number(20), number(40), text("red"), text("true")}, false,
            (double[]){5, 0, 0, 0, 0, 1, 0, 1, 0}); /* within the slack: as it is */
}
END_TEST

static double beyond(const struct cell cells[N_COLUMNS])
{
    real x[WIDTH];
    double found = 77;
    ck_assert_int_eq(columns_encode(&columns, cells, true, x, &found, NULL), ERR_OK);
    return found;
}

START_TEST(what_was_cut_and_values_that_training_had_not_are_told_beside)
{
    const struct cell within = number(35), red_cell = text("red"), two = text("2");
    ck_assert_double_eq(beyond((struct cell[]){number(14), within, red_cell, two}), 0);
    ck_assert_double_eq(beyond((struct cell[]){number(21), within, red_cell, two}), 0); /* cut from here on */
    ck_assert_double_eq_tol(beyond((struct cell[]){number(27), within, red_cell, two}), 1, 1e-12);
    ck_assert_double_eq_tol(beyond((struct cell[]){number(-14), within, red_cell, two}), 4, 1e-12);
    ck_assert_double_eq_tol(beyond((struct cell[]){number(27), number(120), red_cell, two}), 2, 1e-12);
    ck_assert_double_eq(beyond((struct cell[]){number(14), within, text("pink"), text("7")}), 2);
    ck_assert_double_eq(
        beyond((struct cell[]){number(14), {CELL_ABSENT, 0, {0}}, red_cell, {CELL_ABSENT, 0, {0}}}),
        0); /* what is missing was missing in training */
    ck_assert(isfinite(beyond((struct cell[]){number(1e308), number(-1e308), red_cell, two})));
}
END_TEST

START_TEST(what_is_missing_is_a_one_in_the_last_place_alone)
{
    check_x((struct cell[]){number(10), {CELL_ABSENT, 0, {0}}, text("blue"), {CELL_ABSENT, 0, {0}}}, false,
            (double[]){0, 0, 1, 1, 0, 0, 0, 0, 1});
}
END_TEST

START_TEST(what_training_always_had_must_be_there)
{
    check_refused((struct cell[]){{CELL_ABSENT, 0, {0}}, number(40), text("blue"), text("2")},
                  "column \"price\" is missing");
    check_refused((struct cell[]){number(1), number(40), {CELL_ABSENT, 0, {0}}, text("2")},
                  "column \"colour\" is missing");
}
END_TEST

START_TEST(a_value_has_one_form_whoever_writes_it)
{
    const struct cell twos_of_all_kinds[] = {number(2),      number(2.0), written("2"), written("2.0"),
                                             written("2e0"), text("2"),   text("2.0")};
    const struct cell truths[] = {text("true"), text("True"), text("TRUE")};
    for (size_t i = 0; i < sizeof twos_of_all_kinds / sizeof *twos_of_all_kinds; i++)
        check_x((struct cell[]){number(10), number(40), text("red"), twos_of_all_kinds[i]}, false,
                (double[]){0, 0, 0, 0, 0, 1, 1, 0, 0});
    for (size_t i = 0; i < sizeof truths / sizeof *truths; i++)
        check_x((struct cell[]){number(10), number(40), text("red"), truths[i]}, false,
                (double[]){0, 0, 0, 0, 0, 1, 0, 1, 0});
}
END_TEST

START_TEST(a_value_training_had_not_is_refused_or_counts_as_absent)
{
    const struct cell colour[] = {number(10), number(40), text("pink"), text("2")};
    const struct cell optional[] = {number(10), number(40), text("red"), number(2.5)};
    check_refused(colour, "column \"colour\": the model does not know the value \"pink\"");
    check_refused(optional, "column \"two\": the model does not know the value \"2.5\"");
    check_x(colour, true, (double[]){0, 0, 0, 0, 0, 0, 1, 0, 0});
    check_x(optional, true, (double[]){0, 0, 0, 0, 0, 1, 0, 0, 1});
    check_refused((struct cell[]){number(10), number(40), text("re"), text("2")}, "\"re\"");
    check_refused((struct cell[]){number(10), number(40), text("reds"), text("2")}, "\"reds\"");
    check_refused((struct cell[]){number(10), number(40), text(""), text("2")}, "\"\"");
}
END_TEST

START_TEST(a_value_that_is_longer_than_any_is_shown_in_part)
{
    char longest[2000];
    struct err e = {0};
    real x[WIDTH];
    memset(longest, 'x', sizeof longest);
    for (size_t i = 0; i < sizeof longest - 1; i += 2)
        memcpy(longest + i, "\xc3\xa9", 2);
    longest[0] = 'x';
    longest[1] = 'y'; /* so that a cut at an even byte is one between characters, at an odd one is not */
    const struct cell cells[] = {
        number(10), number(40), {CELL_TEXT, NAN, {longest + 1, sizeof longest - 1}}, text("2")};
    ck_assert_int_eq(columns_encode(&columns, cells, false, x, NULL, &e), ERR_INVALID);
    ck_assert_uint_lt(strlen(e.text), 160);
    ck_assert_int_eq(e.text[strlen(e.text) - 1], '"');
    ck_assert_int_eq((unsigned char)e.text[strlen(e.text) - 2], 0xA9);
}
END_TEST

START_TEST(a_text_for_a_number_and_what_is_not_finite_are_refused)
{
    check_refused((struct cell[]){text("cheap"), number(40), text("red"), text("2")},
                  "column \"price\": \"cheap\" is no number");
    check_refused((struct cell[]){number(NAN), number(40), text("red"), text("2")},
                  "column \"price\": the number is not finite");
    check_refused((struct cell[]){number(10), number(INFINITY), text("red"), text("2")},
                  "column \"age\": the number is not finite");
    check_refused((struct cell[]){number(10), number(-INFINITY), text("red"), text("2")}, "not finite");
}
END_TEST

START_TEST(columns_and_values_are_found_by_their_whole_name)
{
    ck_assert_uint_eq(columns_find(&columns, (struct text){"colour", 6}), COLOUR);
    ck_assert_uint_eq(columns_find(&columns, (struct text){"colour", 5}), N_COLUMNS);
    ck_assert_uint_eq(columns_find(&columns, (struct text){"Colour", 6}), N_COLUMNS);
    ck_assert_uint_eq(column_value(&list[COLOUR], (struct text){"blue", 4}), 0);
    ck_assert_uint_eq(column_value(&list[COLOUR], (struct text){"red", 3}), 2);
    ck_assert_uint_eq(column_value(&list[COLOUR], (struct text){"redder", 3}), 2); /* the text has an end */
    ck_assert_uint_eq(column_value(&list[COLOUR], (struct text){"a", 1}), 3);
    ck_assert_uint_eq(column_value(&list[COLOUR], (struct text){"z", 1}), 3);
}
END_TEST

static const struct {
    const char *reason;
    size_t column;
    struct column fault;
} faults[] = {
    {"finite mean", PRICE, {.name = price_name, .mean = NAN, .deviation = 1}},
    {"finite mean", PRICE, {.name = price_name, .mean = INFINITY, .deviation = 1}},
    {"deviation above 0", PRICE, {.name = price_name, .deviation = 0}},
    {"deviation above 0", PRICE, {.name = price_name, .deviation = -1}},
    {"deviation above 0", PRICE, {.name = price_name, .deviation = NAN}},
    {"least that is not above", PRICE, {.name = price_name, .deviation = 1, .least = 2, .most = 1}},
    {"least that is not above", PRICE, {.name = price_name, .deviation = 1, .least = -INFINITY}},
    {"least that is not above", PRICE, {.name = price_name, .deviation = 1, .most = NAN}},
    {"column \"age\" stands twice", PRICE, {.name = age_name, .deviation = 1}},
    {"has 0 values", TWO, {.name = two_name, .kind = COLUMN_CATEGORY}},
    {"value 1 of column \"two\" does not come after",
     TWO,
     {.name = two_name, .kind = COLUMN_CATEGORY, .n_values = 2, .values = (char *[]){red, blue}}},
    {"value 1 of column \"two\" does not come after",
     TWO,
     {.name = two_name, .kind = COLUMN_CATEGORY, .n_values = 2, .values = (char *[]){red, red}}},
};

START_TEST(faults_of_columns_are_found)
{
    struct err e = {0};
    ck_assert_msg(columns_check(&columns, &e) == ERR_OK, "%s", e.text);
    list[faults[_i].column] = faults[_i].fault;
    ck_assert_int_eq(columns_check(&columns, &e), ERR_INVALID);
    ck_assert_msg(strstr(e.text, faults[_i].reason) != NULL, "'%s' does not say '%s'", e.text,
                  faults[_i].reason);
}
END_TEST

START_TEST(names_of_columns_have_bounds)
{
    struct err e = {0};
    static char empty[] = "", longest[LIMIT_NAME_BYTES + 2];
    memset(longest, 'n', LIMIT_NAME_BYTES + 1);
    list[PRICE].name = empty;
    ck_assert_int_eq(columns_check(&columns, &e), ERR_INVALID);
    list[PRICE].name = longest;
    err_clear(&e);
    ck_assert_int_eq(columns_check(&columns, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "column 0 has 129 bytes"));
    longest[LIMIT_NAME_BYTES] = '\0';
    ck_assert_int_eq(columns_check(&columns, NULL), ERR_OK);
}
END_TEST

SUITE("engine/format: columns", set_up, NULL, {a_column_takes_a_place_a_value_and_one_for_what_is_missing},
      {numbers_are_scaled_and_categories_are_a_one_in_their_place},
      {numbers_are_cut_to_the_range_of_training_and_three_deviations},
      {what_was_cut_and_values_that_training_had_not_are_told_beside},
      {what_is_missing_is_a_one_in_the_last_place_alone}, {what_training_always_had_must_be_there},
      {a_value_has_one_form_whoever_writes_it}, {a_value_training_had_not_is_refused_or_counts_as_absent},
      {a_value_that_is_longer_than_any_is_shown_in_part},
      {a_text_for_a_number_and_what_is_not_finite_are_refused},
      {columns_and_values_are_found_by_their_whole_name},
      {faults_of_columns_are_found, sizeof faults / sizeof *faults}, {names_of_columns_have_bounds})
