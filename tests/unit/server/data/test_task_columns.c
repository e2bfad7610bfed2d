/* server/data/task_columns.c: what the columns of a table are. Risks: a fault in a column of numbers that
 * makes it one of categories, a value that says who somebody is, a column whose scale is not that of its
 * numbers, a column that is left out and nobody is told. */
#include "server/data/task_columns.h"

#include "base/mem.h"
#include "tests/support/suite.h"
#include "tests/support/table_rows.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_ROWS = 40 }; /* of tasks t0 to t3 in turn */

static struct task_rows rows;
static struct columns columns;
static char left_out[1024];

static void fini(void)
{
    columns_fini(&columns);
    task_rows_fini(&rows);
}

static void tell(void *arg, const char *name, const char *reason)
{
    (void)arg;
    (void)sprintf(left_out + strlen(left_out), "%s: %s;", name, reason);
}

/* A table with one column of these cells beside x, which always has numbers. */
static void make_table(const char *name, const char *(*cell)(size_t row))
{
    static const struct task_rows_options o = {.keys = {"task"}, .n_keys = 1, .target = "y"};
    static char text[200000];
    struct err e = {0};
    fini();
    (void)sprintf(text, "task,x,%s,y\n", name);
    char *at = text + strlen(text);
    for (size_t i = 0; i < N_ROWS; i++)
        at += sprintf(at, "t%zu,%zu,%s,1\n", i % 4, i * i, cell(i));
    ck_assert_msg(task_rows_read(table_rows_write("a.csv", text, strlen(text)), &o, &rows, &e) == ERR_OK,
                  "%s", e.text);
    table_rows_remove();
}

static enum err_code find(bool categorical, const char *name, struct err *e)
{
    const char *list[] = {name};
    left_out[0] = '\0';
    columns_fini(&columns);
    return task_columns_find(&rows, list, categorical, &columns, tell, NULL, e);
}

static const struct column *must_find(bool categorical, const char *name)
{
    struct err e = {0};
    ck_assert_msg(find(categorical, name, &e) == ERR_OK, "%s", e.text);
    ck_assert_int_eq(columns_check(&columns, NULL), ERR_OK);
    size_t i = columns_find(&columns, text_of(name));
    return i < columns.n ? &columns.list[i] : NULL;
}

static char scratch[64];

static const char *rising(size_t row)
{
    (void)sprintf(scratch, "%g", 10 + 0.5 * (double)row);
    return scratch;
}

static const char *one_far(size_t row)
{
    return row == 30 ? "-1e300" : rising(row);
}

static const char *one_text(size_t row)
{
    return row == 30 ? "oops" : rising(row);
}

static const char *tenth_texts(size_t row)
{
    return row % 10 == 4 ? "many" : rising(row);
}

static const char *with_gaps(size_t row)
{
    return row % 8 == 1 ? "" : rising(row);
}

static const char *constant(size_t row)
{
    return row < N_ROWS ? "7" : "";
}

static const char *constant_with_gaps(size_t row)
{
    return row % 2 ? "7" : "";
}

static const char *colours(size_t row)
{
    return row % 3 == 0 ? "red" : row % 3 == 1 ? "blue" : "Red";
}

static const char *rare(size_t row)
{
    return row < 4 ? "four" : row % 4 == 2 ? "own" : row % 2 ? "odd" : "even";
}

static const char *unique(size_t row)
{
    (void)sprintf(scratch, "v%zu", row);
    return scratch;
}

static const char *forms_of_two(size_t row)
{
    return row % 4 == 0 ? "2" : row % 4 == 1 ? "2.0" : row % 4 == 2 ? "2e0" : row % 8 == 3 ? "3" : "x";
}

START_TEST(a_column_of_numbers_has_their_scale)
{
    make_table("c", rising);
    const struct column *c = must_find(false, "c");
    ck_assert(c && c->kind == COLUMN_NUMBER && !c->optional);
    ck_assert_double_eq_tol(c->mean, 10 + 0.5 * (N_ROWS - 1) / 2, 1e-12);
    ck_assert_double_eq_tol(c->deviation, 0.5 * sqrt((N_ROWS * N_ROWS - 1) / 12.0), 1e-12);
    ck_assert(c->least == 10 && c->most == 10 + 0.5 * (N_ROWS - 1));
    ck_assert_str_eq(left_out, "");
}
END_TEST

/* Its mean or its deviation would be no number. */
START_TEST(a_number_that_is_too_large_is_named_with_its_line)
{
    struct err e = {0};
    make_table("c", one_far);
    ck_assert_int_eq(find(false, "c", &e), ERR_INVALID);
    ck_assert_ptr_nonnull(
        strstr(e.text, "line 32: column 'c' has -1e+300, which is too large to learn from"));
    (void)must_find(true, "c");
}
END_TEST

START_TEST(one_bad_cell_in_a_column_of_numbers_is_named_and_not_a_category)
{
    struct err e = {0};
    make_table("c", one_text);
    ck_assert_int_eq(find(false, "c", &e), ERR_INVALID);
    ck_assert_ptr_nonnull(
        strstr(e.text, "line 32: column 'c' has 'oops', which is no number as the other 39"));
    ck_assert_ptr_nonnull(strstr(e.text, "--categorical"));
    make_table("c", tenth_texts); /* of these the column is one of categories */
    const struct column *c = must_find(false, "c");
    ck_assert_ptr_null(c); /* and only `many` is in five rows: it is not, with four */
    ck_assert_ptr_nonnull(strstr(left_out, "c: no value of it is in five rows and in two tasks"));
}
END_TEST

START_TEST(a_column_with_gaps_is_optional)
{
    make_table("c", with_gaps);
    const struct column *c = must_find(false, "c");
    ck_assert(c && c->kind == COLUMN_NUMBER && c->optional);
    make_table("c", constant_with_gaps); /* whether it is there is what it says */
    c = must_find(false, "c");
    ck_assert(c && c->optional && c->mean == 7 && c->deviation == 1);
    make_table("c", constant);
    ck_assert_ptr_null(must_find(false, "c"));
    ck_assert_str_eq(left_out, "c: all rows have the same;");
}
END_TEST

START_TEST(texts_are_categories_in_the_order_of_their_bytes)
{
    make_table("c", colours);
    const struct column *c = must_find(false, "c");
    ck_assert(c && c->kind == COLUMN_CATEGORY && !c->optional);
    ck_assert_uint_eq(c->n_values, 3);
    ck_assert_str_eq(c->values[0], "Red");
    ck_assert_str_eq(c->values[1], "blue");
    ck_assert_str_eq(c->values[2], "red");
}
END_TEST

START_TEST(a_value_of_few_rows_or_of_one_task_is_not_learned)
{
    make_table("c", rare);
    const struct column *c = must_find(false, "c");
    ck_assert(c && c->kind == COLUMN_CATEGORY);
    ck_assert_uint_eq(c->n_values, 1); /* `four` is in four rows, `own` and `even` each in one task */
    ck_assert_str_eq(c->values[0], "odd");
    ck_assert(c->optional);
    make_table("c", unique);
    ck_assert_ptr_null(must_find(false, "c"));
    ck_assert_ptr_nonnull(strstr(left_out, "c: no value"));
}
END_TEST

START_TEST(numbers_may_be_categories_of_one_form)
{
    struct err e = {0};
    make_table("c", forms_of_two);
    const struct column *c = must_find(true, "c");
    ck_assert(c && c->kind == COLUMN_CATEGORY);
    ck_assert_uint_eq(c->n_values, 1);
    ck_assert_str_eq(c->values[0], "2");
    ck_assert_int_eq(find(true, "d", &e), ERR_INVALID);
    ck_assert_str_eq(e.text, "--categorical: there is no column 'd'");
}
END_TEST

START_TEST(a_name_or_an_address_is_left_out)
{
    static const char *const names[] = {"name", "email", "customer_name", "phone"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        make_table(names[i], rising);
        ck_assert_ptr_null(must_find(false, names[i]));
        ck_assert_ptr_nonnull(strstr(left_out, "by its name it says who somebody is"));
        ck_assert_uint_eq(columns.n, 1);
    }
}
END_TEST

START_TEST(a_table_without_a_column_to_learn_from_is_refused)
{
    static const struct task_rows_options o = {.keys = {"task"}, .n_keys = 1, .target = "y"};
    static const char *const texts[] = {"task,y\na,1\nb,2\n", "task,x,y\na,1,1\nb,1,2\n"};
    for (size_t i = 0; i < 2; i++) {
        struct err e = {0};
        fini();
        ck_assert_int_eq(task_rows_read(table_rows_write("a.csv", texts[i], strlen(texts[i])), &o, &rows, &e),
                         ERR_OK);
        table_rows_remove();
        ck_assert_int_eq(find(false, "", &e), ERR_INVALID);
        ck_assert_str_eq(e.text, "no column is left to learn from");
        ck_assert_uint_eq(columns.n, 0);
    }
}
END_TEST

START_TEST(cells_of_a_row_come_in_the_places_of_the_model)
{
    struct cell cells[2];
    uint32_t *column_of;
    make_table("c", with_gaps);
    must_find(false, "c");
    struct column swapped[] = {columns.list[1], columns.list[0]};
    struct columns of_model = {2, swapped};
    ck_assert_int_eq(task_columns_match(&rows, &of_model, &column_of, NULL), ERR_OK);
    task_columns_cells(&rows, 3, column_of, 2, cells);
    ck_assert(cells[0].kind == CELL_NUMBER && cells[0].number == 11.5);
    ck_assert(cells[1].kind == CELL_NUMBER && cells[1].number == 9);
    task_columns_cells(&rows, 1, column_of, 2, cells);
    ck_assert(cells[0].kind == CELL_ABSENT && cells[1].number == 1);
    mem_free(column_of);
    of_model.n = 1; /* the model knows one of the table's columns */
    ck_assert_int_eq(task_columns_match(&rows, &of_model, &column_of, NULL), ERR_OK);
    task_columns_cells(&rows, 3, column_of, 1, cells);
    ck_assert(cells[0].number == 11.5);
    mem_free(column_of);
}
END_TEST

SUITE("server/data: task_columns", NULL, fini, {a_column_of_numbers_has_their_scale},
      {a_number_that_is_too_large_is_named_with_its_line},
      {one_bad_cell_in_a_column_of_numbers_is_named_and_not_a_category}, {a_column_with_gaps_is_optional},
      {texts_are_categories_in_the_order_of_their_bytes}, {a_value_of_few_rows_or_of_one_task_is_not_learned},
      {numbers_may_be_categories_of_one_form}, {a_name_or_an_address_is_left_out},
      {a_table_without_a_column_to_learn_from_is_refused}, {cells_of_a_row_come_in_the_places_of_the_model})
