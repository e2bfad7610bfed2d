/* server/tasks/task_learned.c: one table of the rows that were trained from and those that are known. Risks:
 * rows of a task twice, or rows under another task's number. */
#include "server/tasks/task_learned.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <string.h>

enum { WIDTH = 2 };

/* Trained from: a with two rows, b with one, c with one. Known: d with one, b with two others. */
static size_t trained_start[] = {0, 2, 3, 4}, known_start[] = {0, 1, 3};
static real trained_x[] = {1, 1, 2, 2, 3, 3, 4, 4}, known_x[] = {5, 5, 6, 6, 7, 7};
static double trained_y[] = {1, 2, 3, 4}, known_y[] = {5, 6, 7};
static double trained_time[] = {1, 2, 1, 1}, known_time[] = {3, 2, 3};
static struct task_dataset trained_data = {.table.n_tasks = 3,
                                           .row_start = trained_start,
                                           .x = trained_x,
                                           .y = trained_y,
                                           .time = trained_time},
                           known_data = {.table.n_tasks = 2,
                                         .row_start = known_start,
                                         .x = known_x,
                                         .y = known_y,
                                         .time = known_time};
static struct task_rows trained_rows, known_rows;
static struct task_learned learned;
static struct model_spec spec;
static const struct task_source none;
static struct err e;

static struct text id_of(const char *id)
{
    return (struct text){id, strlen(id)};
}

static void name(struct task_rows *rows, const char *ids)
{
    for (; *ids; ids++) {
        uint32_t number;
        ck_assert_int_eq(id_table_add(&rows->tasks, (struct text){ids, 1}, &number, &e), ERR_OK);
    }
}

static void set_up(void)
{
    e = (struct err){0};
    spec = (struct model_spec){.d_item = WIDTH, .task = {.target_mean = 1, .target_deviation = 2}};
    name(&trained_rows, "abc");
    name(&known_rows, "db");
}

static void tear_down(void)
{
    task_learned_fini(&learned);
    id_table_fini(&trained_rows.tasks);
    id_table_fini(&known_rows.tasks);
    trained_rows = known_rows = (struct task_rows){0};
}

static void make(bool with_known, bool with_trained)
{
    const struct task_source known = {&known_rows, with_known ? &known_data : NULL};
    const struct task_source trained = {&trained_rows, with_trained ? &trained_data : NULL};
    ck_assert_int_eq(task_learned_make(&learned, &spec, &known, &trained, &e), ERR_OK);
}

/* The rows of a task have these values, and its own number. */
static void check_task(const char *id, size_t n, double first)
{
    uint32_t t = task_learned_find(&learned, id_of(id));
    ck_assert_uint_lt(t, learned.n_tasks);
    size_t from = learned.row_start[t];
    ck_assert_uint_eq(learned.row_start[t + 1] - from, n);
    for (size_t i = 0; i < n; i++) {
        double value = first + (double)i;
        ck_assert_uint_eq(learned.task[from + i], t);
        ck_assert_double_eq(learned.y[from + i], (value - 1) / 2);
        ck_assert_double_eq((double)learned.x[(from + i) * WIDTH + 1], value);
    }
}

START_TEST(known_rows_of_a_task_stand_for_those_that_were_trained_from)
{
    make(true, true);
    ck_assert_uint_eq(learned.n_tasks, 4);
    ck_assert_uint_eq(learned.n_rows, 6);
    check_task("a", 2, 1);
    check_task("b", 2, 6);
    check_task("c", 1, 4);
    check_task("d", 1, 5);
    ck_assert_uint_eq(task_learned_find(&learned, id_of("z")), learned.n_tasks);
    ck_assert(task_learned_is_trained(&learned, id_of("b")));
    ck_assert(!task_learned_is_trained(&learned, id_of("d"))); /* it came new */
    ck_assert_ptr_null(learned.time);
}
END_TEST

START_TEST(one_table_alone_is_what_is_learned_from)
{
    make(true, false);
    ck_assert_uint_eq(learned.n_rows, 3);
    check_task("d", 1, 5);
    ck_assert(task_learned_is_trained(&learned, id_of("d")));
    task_learned_fini(&learned);
    make(false, true);
    ck_assert_uint_eq(learned.n_rows, 4);
    check_task("b", 1, 3);
    ck_assert_uint_eq(task_learned_find(&learned, id_of("d")), learned.n_tasks);
}
END_TEST

START_TEST(times_and_classes_are_as_they_were)
{
    spec.task.forgets = true;
    spec.task.n_classes = 9;
    make(true, true);
    uint32_t b = task_learned_find(&learned, id_of("b"));
    ck_assert_double_eq(learned.time[learned.row_start[b] + 1], 3);
    ck_assert_double_eq(learned.y[learned.row_start[b] + 1], 7);
}
END_TEST

START_TEST(without_a_row_there_is_nothing_to_learn_from)
{
    ck_assert_int_eq(task_learned_make(&learned, &spec, &none, &none, &e), ERR_INVALID);
    ck_assert_str_eq(e.text, "there is no row that baselines could learn from");
}
END_TEST

SUITE("server/tasks: learned", set_up, tear_down,
      {known_rows_of_a_task_stand_for_those_that_were_trained_from},
      {one_table_alone_is_what_is_learned_from}, {times_and_classes_are_as_they_were},
      {without_a_row_there_is_nothing_to_learn_from})
