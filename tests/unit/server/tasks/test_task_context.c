/* server/tasks/task_context.c: the sums of rows that come one by one are those of all at once, also where
 * they age; a row is taken out again without a trace. Risks: ages against the wrong newest row, sums that
 * drift. */
#include "server/tasks/task_context.h"

#include "base/mem.h"
#include "engine/model.h"
#include "server/tasks/task_room.h"
#include "tests/support/sample_tasks.h"
#include "tests/support/suite.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { N = 200, D_MOST = 16 };

static char path[] = "/tmp/test_task_context_XXXXXX";
static struct model *m;
static struct task_room *room;
static real x[N * D_MOST];
static double y[N], times[N];
static double *all, *other;

static void start(void)
{
    struct err e = {0};
    unsigned seed = 7;
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    sample_tasks_write(path, "shops", false);
    ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
    ck_assert_int_eq(task_room_new(m, &room, &e), ERR_OK);
    ck_assert_uint_le(m->spec.d_item, D_MOST);
    for (size_t i = 0; i < N * m->spec.d_item; i++)
        x[i] = (real)(rand_r(&seed) % 200) / 100 - 1;
    for (size_t i = 0; i < N; i++) {
        y[i] = (double)(rand_r(&seed) % 200) / 100 - 1;
        times[i] = (double)(rand_r(&seed) % 40);
    }
    all = mem_alloc_array(task_context_len(&m->spec), sizeof *all);
    other = mem_alloc_array(task_context_len(&m->spec), sizeof *other);
    task_context_start(&m->spec, room->mark, all);
    task_context_start(&m->spec, room->mark, other);
}

static void stop(void)
{
    mem_free(all);
    mem_free(other);
    task_room_free(room);
    model_unref(m);
    (void)unlink(path);
    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
}

static void add(double *context, size_t from, size_t n)
{
    task_context_add(&room->solver, TASK_ROOM_ROWS, x + from * m->spec.d_item, y + from, times + from, n,
                     context);
}

static void same(const double *a, const double *b)
{
    for (size_t i = 0; i < task_context_len(&m->spec); i++)
        ck_assert_double_eq_tol(a[i], b[i], 1e-5 * (1 + fabs(a[i])));
}

START_TEST(test_rows_one_by_one_are_those_at_once)
{
    add(all, 0, N);
    for (size_t i = 0; i < N; i++)
        add(other, i, 1);
    ck_assert_double_eq(all[TASK_CONTEXT_ROWS], N);
    same(all, other);
}
END_TEST

START_TEST(test_the_order_of_rows_makes_no_difference)
{
    add(all, 0, N);
    for (size_t i = N; i-- > 0;)
        add(other, i, 1);
    same(all, other);
}
END_TEST

START_TEST(test_a_row_that_is_taken_out_leaves_no_trace)
{
    size_t newest = 0;
    for (size_t i = 1; i < N; i++)
        newest = times[i] > times[newest] ? i : newest;
    add(all, 0, N);
    for (size_t i = 0; i < N; i++)
        if (i == newest || i % 2)
            add(other, i, 1);
    for (size_t i = 0; i < N; i += 2)
        if (i != newest)
            task_context_remove(&room->solver, x + i * m->spec.d_item, y[i], times[i], all);
    same(all, other);
}
END_TEST

START_TEST(test_times_may_be_as_far_apart_as_numbers_are)
{
    times[0] = -DBL_MAX;
    times[1] = DBL_MAX;
    add(all, 0, 2);
    add(other, 0, 1);
    add(other, 1, 1);
    same(all, other);
    ck_assert(task_context_is(&m->spec, room->mark, all, task_context_len(&m->spec) * sizeof *all));
    ck_assert(task_context_solve(&room->solver, all));
}
END_TEST

START_TEST(test_bytes_that_are_no_context_are_told)
{
    size_t n = task_context_len(&m->spec) * sizeof *all;
    add(all, 0, 5);
    ck_assert(task_context_is(&m->spec, room->mark, all, n));
    ck_assert(!task_context_is(&m->spec, room->mark, all, n - sizeof *all));
    ck_assert(!task_context_is(&m->spec, room->mark, NULL, 0));
    ck_assert(!task_context_is(&m->spec, room->mark + 1, all, n)); /* of another model */
    all[4] = (double)NAN;
    ck_assert(!task_context_is(&m->spec, room->mark, all, n));
}
END_TEST

SUITE("server task_context", start, stop, {test_rows_one_by_one_are_those_at_once},
      {test_the_order_of_rows_makes_no_difference}, {test_a_row_that_is_taken_out_leaves_no_trace},
      {test_times_may_be_as_far_apart_as_numbers_are}, {test_bytes_that_are_no_context_are_told})
