/* engine/train/task/task_holdout.c: what is validated on. Risks: a row or a task that is learned from and
 * validated on, a table of few tasks of which one decides, a choice that is not the seed's. */
#include "engine/train/task/task_holdout.h"

#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TASKS = 100, MOST_ROWS = MOST_TASKS * 12 };

static struct task_table table;
static size_t row_start[MOST_TASKS + 1];
static double times[MOST_ROWS];
static struct task_holdout h;
static struct err e;

/* Task 0 has one row, all others n_rows. */
static void make(size_t n_tasks, size_t n_rows, bool timed, uint64_t seed)
{
    for (size_t t = 0; t < n_tasks; t++)
        row_start[t + 1] = row_start[t] + (t ? n_rows : 1);
    for (size_t i = 0; i < row_start[n_tasks]; i++)
        times[i] = (double)(i % n_rows);
    table = (struct task_table){.n_tasks = n_tasks, .row_start = row_start, .time = timed ? times : NULL};
    task_holdout_fini(&h);
    ck_assert_msg(task_holdout_make(&h, &table, seed, &e) == ERR_OK, "%s", e.text);
}

static void set_up(void)
{
    e = (struct err){0};
}

static void tear_down(void)
{
    task_holdout_fini(&h);
}

START_TEST(tasks_are_held_out_whole)
{
    bool seen[MOST_TASKS] = {false};
    make(MOST_TASKS, 12, false, 1);
    ck_assert_uint_eq(h.n_held, 15);
    ck_assert_uint_eq(h.first_learned, 15);
    ck_assert_uint_eq(h.n_held + h.n_learned, MOST_TASKS - 1); /* the one of one row teaches nothing */
    for (size_t k = 0; k < MOST_TASKS - 1; k++) {
        ck_assert(!seen[h.tasks[k]] && h.tasks[k] > 0);
        seen[h.tasks[k]] = true;
    }
    ck_assert(!h.held && !task_holdout_of_learned(&h));
}
END_TEST

START_TEST(of_few_tasks_a_quarter_of_each_one_s_rows_is_held_out)
{
    make(7, 12, false, 1);
    ck_assert_uint_eq(h.n_held, 6);
    ck_assert_uint_eq(h.first_learned, 0);
    ck_assert_uint_eq(h.n_learned, 6);
    ck_assert(task_holdout_of_learned(&h));
    for (size_t t = 0; t < 7; t++) {
        size_t n = 0;
        for (size_t i = row_start[t]; i < row_start[t + 1]; i++)
            n += h.held[i];
        ck_assert_uint_eq(n, t ? 3 : 0);
    }
    make(TASK_FEW, 12, false, 1); /* of which 19 have two rows */
    ck_assert_ptr_nonnull(h.held);
    make(TASK_FEW + 1, 12, false, 1);
    ck_assert_ptr_null(h.held);
}
END_TEST

START_TEST(few_tasks_of_few_rows_are_held_out_whole)
{
    make(5, 3, false, 1);
    ck_assert_ptr_null(h.held);
    ck_assert_uint_eq(h.n_held, 1);
    ck_assert_uint_eq(h.n_learned, 3);
}
END_TEST

START_TEST(with_times_the_newest_are_held_out_however_few_the_tasks)
{
    make(5, 12, true, 1);
    ck_assert_ptr_null(h.held);
    ck_assert_double_eq_tol(h.from, 11 - 0.15 * 11, 1e-12);
    ck_assert_uint_eq(h.n_held, 4);
    ck_assert_uint_eq(h.n_learned, 4);
    ck_assert(task_holdout_of_learned(&h));
}
END_TEST

START_TEST(a_seed_holds_out_the_same_and_another_another)
{
    uint8_t held[12 * 6 + 1];
    make(7, 12, false, 3);
    memcpy(held, h.held, sizeof held);
    make(7, 12, false, 3);
    ck_assert_mem_eq(h.held, held, sizeof held);
    make(7, 12, false, 4);
    ck_assert(memcmp(h.held, held, sizeof held) != 0);
}
END_TEST

SUITE("engine/train/task: holdout", set_up, tear_down, {tasks_are_held_out_whole},
      {of_few_tasks_a_quarter_of_each_one_s_rows_is_held_out}, {few_tasks_of_few_rows_are_held_out_whole},
      {with_times_the_newest_are_held_out_however_few_the_tasks},
      {a_seed_holds_out_the_same_and_another_another})
