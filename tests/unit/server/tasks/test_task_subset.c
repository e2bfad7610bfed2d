/* So many known rows of each task: which, and that fewer are part of more. */
#include "server/tasks/task_subset.h"
#include "tests/support/suite.h"

enum { WIDTH = 2 };

/* Three tasks of 4, 0 and 2 rows. */
static size_t row_start[] = {0, 4, 4, 6};
static uint32_t order[] = {5, 4, 3, 2, 1, 0};
static real x[6 * WIDTH] = {0, 0, 1, 10, 2, 20, 3, 30, 4, 40, 5, 50};
static double y[] = {0, 1, 2, 3, 4, 5}, times[] = {1, 2, 3, 4, 1, 2};

static struct task_dataset all_rows(bool timed)
{
    struct task_dataset d = {
        .row_start = row_start, .order = order, .x = x, .y = y, .time = timed ? times : NULL};
    d.table.n_tasks = 3;
    return d;
}

START_TEST(test_the_newest_rows_are_kept_where_rows_have_times)
{
    struct task_dataset all = all_rows(true), some = {0};
    ck_assert_int_eq(task_subset_make(&all, WIDTH, 2, 1, &some, NULL), ERR_OK);
    static const size_t starts[] = {0, 2, 2, 4};
    static const double want[] = {2, 3, 4, 5};
    ck_assert_mem_eq(some.row_start, starts, sizeof starts);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_double_eq(some.y[i], want[i]);
        ck_assert_double_eq(some.x[i * WIDTH + 1], (real)(10 * want[i]));
        ck_assert_double_eq(some.time[i], times[(size_t)want[i]]);
        ck_assert_uint_eq(some.order[i], order[(size_t)want[i]]);
    }
    task_dataset_fini(&some);
}
END_TEST

START_TEST(test_drawn_rows_of_fewer_are_part_of_those_of_more_and_repeat_by_the_seed)
{
    struct task_dataset all = all_rows(false), few = {0}, more = {0}, again = {0};
    for (uint64_t seed = 1; seed < 20; seed++) {
        ck_assert_int_eq(task_subset_make(&all, WIDTH, 1, seed, &few, NULL), ERR_OK);
        ck_assert_int_eq(task_subset_make(&all, WIDTH, 2, seed, &more, NULL), ERR_OK);
        ck_assert_int_eq(task_subset_make(&all, WIDTH, 2, seed, &again, NULL), ERR_OK);
        ck_assert_uint_eq(few.row_start[3], 2);
        ck_assert_uint_eq(more.row_start[3], 4);
        ck_assert(more.y[0] < more.y[1]); /* in the order of the whole */
        ck_assert(few.y[0] == more.y[0] || few.y[0] == more.y[1]);
        ck_assert_mem_eq(more.y, again.y, 4 * sizeof *more.y);
        task_dataset_fini(&few);
        task_dataset_fini(&more);
        task_dataset_fini(&again);
    }
}
END_TEST

START_TEST(test_none_and_all_are_counts_too)
{
    struct task_dataset all = all_rows(false), some = {0};
    ck_assert_int_eq(task_subset_make(&all, WIDTH, 0, 1, &some, NULL), ERR_OK);
    ck_assert_uint_eq(some.row_start[3], 0);
    task_dataset_fini(&some);
    ck_assert_int_eq(task_subset_make(&all, WIDTH, 100, 1, &some, NULL), ERR_OK);
    ck_assert_mem_eq(some.y, y, sizeof y);
    task_dataset_fini(&some);
}
END_TEST

SUITE("server task_subset", NULL, NULL, {test_the_newest_rows_are_kept_where_rows_have_times},
      {test_drawn_rows_of_fewer_are_part_of_those_of_more_and_repeat_by_the_seed},
      {test_none_and_all_are_counts_too})
