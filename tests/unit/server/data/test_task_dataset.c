/* server/data/task_dataset.c: a table as arrays for the trainer and for a model that there is. Risks: a
 * row in another task or behind a newer one, a class that is numbered otherwise than in the model, a
 * target that is no number and becomes a class. */
#include "server/data/task_dataset.h"

#include "tests/support/suite.h"
#include "tests/support/table_rows.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct task_rows rows;
static struct task_dataset data, other;
static struct task_rows_options options;

static void set_up(void)
{
    options = (struct task_rows_options){.keys = {"task"}, .n_keys = 1, .target = "y"};
}

static void fini(void)
{
    task_dataset_fini(&other);
    task_dataset_fini(&data);
    task_rows_fini(&rows);
}

static void read_text(const char *text)
{
    struct err e = {0};
    task_rows_fini(&rows);
    ck_assert_msg(task_rows_read(table_rows_write("a.csv", text, strlen(text)), &options, &rows, &e) ==
                      ERR_OK,
                  "%s", e.text);
    table_rows_remove();
}

static enum err_code make(const struct objective *objective, struct err *e)
{
    task_dataset_fini(&data);
    return task_dataset_make(&rows, &options, objective, NULL, 0, &data, NULL, NULL, e);
}

static void must_make(const char *text, const struct objective *objective)
{
    struct err e = {0};
    read_text(text);
    ck_assert_msg(make(objective, &e) == ERR_OK, "%s", e.text);
}

static void refuse(const char *text, const struct objective *objective, const char *reason)
{
    struct err e = {0};
    read_text(text);
    ck_assert_msg(make(objective, &e) == ERR_INVALID, "%s was not refused", text);
    ck_assert_msg(strstr(e.text, reason) != NULL, "'%s' does not say '%s'", e.text, reason);
}

/* Targets task by task: "1 2|3|". */
static const char *targets(const struct task_dataset *d)
{
    static char out[256];
    out[0] = '\0';
    for (size_t t = 0; t < d->table.n_tasks; t++) {
        for (size_t i = d->row_start[t]; i < d->row_start[t + 1]; i++)
            (void)sprintf(out + strlen(out), "%s%g", i == d->row_start[t] ? "" : " ", d->y[i]);
        strcat(out, "|");
    }
    return out;
}

static const char dated[] = "task,when,x,y\n"
                            "b,5,1,10\na,9,2,11\nb,3,3,12\na,1,4,13\nc,0,5,14\nb,4,6,15\na,9,7,16\n";

START_TEST(rows_come_task_by_task_in_the_order_of_the_file)
{
    must_make(dated, NULL);
    ck_assert_str_eq(targets(&data), "10 12 15|11 13 16|14|");
    ck_assert_ptr_null(data.time);
    static const uint32_t order[] = {0, 2, 5, 1, 3, 6, 4};
    ck_assert_mem_eq(data.order, order, sizeof order);
    ck_assert_uint_eq(data.row_start[3], 7);
}
END_TEST

START_TEST(with_a_time_they_come_oldest_first_and_ties_as_in_the_file)
{
    options.time = "when";
    must_make(dated, NULL);
    ck_assert_str_eq(targets(&data), "12 15 10|13 11 16|14|");
    ck_assert(data.time[0] == 3 && data.time[2] == 5 && data.time[5] == 9);
    ck_assert_uint_eq(data.about.columns.n, 1); /* the time is no input */
    const struct column *x = &data.about.columns.list[0];
    ck_assert_double_eq_tol((double)data.x[0], (3 - x->mean) / x->deviation, 1e-6);
    ck_assert(data.table.x == data.x && data.table.about == &data.about);
}
END_TEST

START_TEST(a_target_of_numbers_keeps_its_range)
{
    must_make("task,x,y\na,1,-2\na,2,7.5\nb,3,3\n", NULL);
    ck_assert_uint_eq(data.about.n_classes, 0);
    ck_assert_str_eq(data.about.target, "y");
    ck_assert(data.about.target_least == -2 && data.about.target_most == 7.5);
}
END_TEST

START_TEST(texts_are_classes_in_order_and_so_are_flags)
{
    must_make("task,x,y\na,1,walk\na,2,sit\nb,3,walk\nb,4,run\n", NULL);
    ck_assert_uint_eq(data.about.n_classes, 3);
    ck_assert_str_eq(data.about.classes[0], "run");
    ck_assert_str_eq(targets(&data), "2 1|2 0|");
    must_make("task,x,y\na,1,1\na,2,0\nb,3,1.0\nb,4,0\n", NULL);
    ck_assert_uint_eq(data.about.n_classes, 2);
    ck_assert_str_eq(data.about.classes[0], "0");
    ck_assert_str_eq(targets(&data), "1 0|1 0|");
    must_make("task,x,y\na,1,true\na,2,False\nb,3,TRUE\nb,4,false\n", NULL);
    ck_assert_uint_eq(data.about.n_classes, 2);
    ck_assert_str_eq(data.about.classes[1], "true");
    ck_assert_str_eq(targets(&data), "1 0|1 0|");
}
END_TEST

START_TEST(the_objective_decides_where_it_is_given)
{
    must_make("task,x,y\na,1,1\na,2,0\nb,3,1\nb,4,0\n", &objective_regression);
    ck_assert_uint_eq(data.about.n_classes, 0);
    must_make("task,x,y\na,1,3\na,2,10\nb,3,3\nb,4,7\n", &objective_classification);
    ck_assert_uint_eq(data.about.n_classes, 3);
    ck_assert_str_eq(data.about.classes[0], "10"); /* in the order of bytes */
    ck_assert_str_eq(targets(&data), "1 0|1 2|");
    refuse("task,x,y\na,1,3\na,2,many\nb,3,3\n", &objective_regression,
           "line 3: the target 'y' has 'many', which is no number");
}
END_TEST

START_TEST(one_bad_target_among_numbers_is_named_and_makes_no_classes)
{
    static char text[4096];
    strcpy(text, "task,x,y\n");
    for (size_t i = 0; i < 60; i++)
        (void)sprintf(text + strlen(text), "t%zu,%zu,%s%zu\n", i % 3, i, i == 41 ? "about " : "", 100 + i);
    refuse(text, NULL, "line 43: the target 'y' has 'about 141', which is no number");
    refuse(text, NULL, "--objective classification");
}
END_TEST

START_TEST(a_target_that_says_nothing_is_refused)
{
    refuse("task,x,y\na,1,up\na,2,up\nb,3,up\n", NULL,
           "the target 'y' has 1 classes; it must have 2 to 1000");
    refuse("task,x,y\na,1,1\na,2,1\nb,3,1\n", NULL, "has 1 classes");
    refuse("task,x,y\na,1,5\na,2,5\nb,3,5\n", NULL, "the target 'y' is 5 in all rows");
    refuse("task,x,y\na,1,up\na,2,\"do\nwn\"\n", NULL, "control character");
    static char text[32000];
    strcpy(text, "task,x,y\n");
    for (size_t i = 0; i < 1001; i++)
        (void)sprintf(text + strlen(text), "a,%zu,c%zu\n", i, i);
    refuse(text, NULL, "has 1001 classes");
}
END_TEST

/* The model that `data` would be. */
static struct model_spec model(void)
{
    return (struct model_spec){.task = data.about};
}

START_TEST(another_table_is_read_as_the_model_learned)
{
    struct err e = {0};
    must_make("task,x,y\na,1,walk\na,3,sit\nb,1,walk\nb,3,run\n", NULL);
    struct model_spec spec = model();
    read_text("y,task,more,x\nsit,z,1,2\nrun,z,1,5\nwalk,b,1,1\n");
    ck_assert_msg(task_dataset_for(&rows, &spec, false, &other, &e) == ERR_OK, "%s", e.text);
    ck_assert_str_eq(targets(&other), "1 0|2|");
    ck_assert(other.x[0] == 0 && other.x[1] == 3 && other.x[2] == -1); /* mean 2, deviation 1 */
}
END_TEST

static const struct {
    const char *text, *reason;
} bad_rows[] = {
    {"task,x,c,y\na,2,red,10\na,2,red,swim\n", "line 3: the target 'y' has 'swim', which is no number"},
    {"task,x,c,y\na,2,red,10\na,two,red,10\n", "line 3: column \"x\": \"two\" is no number"},
    {"task,x,c,y\na,2,pink,10\n", "line 2: column \"c\": the model does not know the value \"pink\""},
    {"task,x,c,y\na,,red,10\n", "line 2: column \"x\" is missing, and the model never learned without it"},
    {"task,x,c,y\na,NaN,red,10\n", "line 2: column \"x\" is missing"},
    {"task,c,y\na,red,10\n", "line 2: column \"x\" is missing"},
    {"task,price,y\na,3,10\n", "line 2: column \""},
};

START_TEST(a_row_the_model_cannot_read_is_refused_with_line_and_column)
{
    static char text[4096];
    struct err e = {0};
    strcpy(text, "task,x,c,y\n");
    for (size_t i = 0; i < 30; i++)
        (void)sprintf(text + strlen(text), "t%zu,%zu,%s,%zu\n", i % 3, i, i % 2 ? "red" : "blue", i);
    must_make(text, NULL);
    struct model_spec spec = model();
    read_text(bad_rows[_i].text);
    ck_assert_int_eq(task_dataset_for(&rows, &spec, false, &other, &e), ERR_INVALID);
    ck_assert_msg(strstr(e.text, bad_rows[_i].reason) != NULL, "'%s' does not say '%s'", e.text,
                  bad_rows[_i].reason);
}
END_TEST

START_TEST(a_logarithm_needs_targets_above_zero)
{
    struct err e = {0};
    must_make("task,x,y\na,1,1\na,2,2\nb,3,3\n", NULL);
    struct model_spec spec = model();
    spec.task.scale = SCALE_LOG;
    read_text("task,x,y\na,1,1\na,2,0\n");
    ck_assert_int_eq(task_dataset_for(&rows, &spec, false, &other, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "line 3: the target 'y' has '0', which is not above 0"));
}
END_TEST

START_TEST(counts_are_not_below_zero)
{
    struct err e = {0};
    must_make("task,x,y\na,1,1\na,2,0\nb,3,-3\n", NULL);
    struct task_spec about = model().task;
    about.loss = LOSS_POISSON;
    ck_assert_int_eq(task_dataset_check_targets(&data, &rows, &about, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "line 4: the target 'y' has '-3', which is below 0"));
    about.loss = LOSS_SQUARED;
    ck_assert_int_eq(task_dataset_check_targets(&data, &rows, &about, &e), ERR_OK);
}
END_TEST

SUITE("server/data: task_dataset", set_up, fini, {rows_come_task_by_task_in_the_order_of_the_file},
      {with_a_time_they_come_oldest_first_and_ties_as_in_the_file}, {a_target_of_numbers_keeps_its_range},
      {texts_are_classes_in_order_and_so_are_flags}, {the_objective_decides_where_it_is_given},
      {one_bad_target_among_numbers_is_named_and_makes_no_classes}, {a_target_that_says_nothing_is_refused},
      {another_table_is_read_as_the_model_learned},
      {a_row_the_model_cannot_read_is_refused_with_line_and_column, sizeof bad_rows / sizeof *bad_rows},
      {a_logarithm_needs_targets_above_zero}, {counts_are_not_below_zero})
