/* engine/train/task/task_draw.c: which rows of a task are known and which are asked for. Risks: a row that
 * is known and asked for at once, a number of known rows that is never met, a row of another task, a draw
 * that is not the seed's. */
#include "engine/train/task/task_draw.h"

#include "base/mem.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Task t has sizes[t] rows; x and y of a row are its number in the table. */
static const size_t sizes[] = {2, 3, 9, 1000};
enum { N_TASKS = 4, N_ROWS = 2 + 3 + 9 + 1000 };

static struct model_spec spec;
static struct task_table table;
static struct task_spec about;
static size_t row_start[N_TASKS + 1];
static real x[N_ROWS];
static double y[N_ROWS];
static struct task_drawing drawing;

static void set_up(void)
{
    struct err e = {0};
    for (size_t t = 0; t < N_TASKS; t++)
        row_start[t + 1] = row_start[t] + sizes[t];
    for (size_t i = 0; i < N_ROWS; i++)
        y[i] = (double)(x[i] = (real)i);
    spec = (struct model_spec){.d_item = 1, .d_output = 1, .task = {.present = true, .target_deviation = 1}};
    table = (struct task_table){.n_tasks = N_TASKS, .row_start = row_start, .x = x, .y = y, .about = &about};
    ck_assert_msg(task_drawing_init(&drawing, &spec, &table, &e) == ERR_OK, "%s", e.text);
}

static void tear_down(void)
{
    task_drawing_fini(&drawing);
}

static size_t count(const double *marks, size_t n)
{
    size_t marked = 0;
    for (size_t i = 0; i < n; i++) {
        ck_assert(marks[i] == 0 || marks[i] == 1);
        marked += marks[i] == 1;
    }
    return marked;
}

START_TEST(no_row_is_known_and_asked_for_at_once)
{
    struct rng r;
    rng_init(&r, 1, 1);
    for (size_t turn = 0; turn < 200; turn++)
        for (size_t t = 0; t < N_TASKS; t++) {
            task_drawing_next(&drawing, t, TASK_KNOWN_ANY, &r);
            const struct task_draw *d = &drawing.draw;
            size_t asked = 0;
            ck_assert_uint_eq(d->n, sizes[t] < TASK_MOST_ROWS ? sizes[t] : TASK_MOST_ROWS);
            ck_assert_uint_eq(d->n_splits, TASK_SPLITS);
            for (size_t j = 0; j < d->n_splits; j++) {
                size_t n_asked = count(d->query + j * d->n, d->n);
                asked += n_asked;
                ck_assert_uint_ge(n_asked, 1);
                ck_assert_uint_eq(n_asked, fmin(ceil((double)d->n / 4), TASK_MOST_QUERIES));
                for (size_t i = 0; i < d->n; i++)
                    ck_assert(d->query[j * d->n + i] + d->support[j * d->n + i] <= 1);
            }
            ck_assert_uint_eq(drawing.n_queries, asked);
        }
}
END_TEST

START_TEST(rows_are_the_task_s_in_their_order_and_each_at_most_once)
{
    struct rng r;
    rng_init(&r, 2, 1);
    bool seen[N_ROWS] = {false};
    for (size_t turn = 0; turn < 60; turn++)
        for (size_t t = 0; t < N_TASKS; t++) {
            task_drawing_next(&drawing, t, TASK_KNOWN_ALL, &r);
            const struct task_draw *d = &drawing.draw;
            for (size_t i = 0; i < d->n; i++) {
                ck_assert(d->y[i] >= (double)row_start[t] && d->y[i] < (double)row_start[t + 1]);
                ck_assert((double)d->x[i] == d->y[i]);
                ck_assert(i == 0 || d->y[i] > d->y[i - 1]);
                seen[(size_t)d->y[i]] = true;
            }
        }
    for (size_t i = 0; i < N_ROWS; i++) /* a large task is sampled anew each time */
        ck_assert_msg(seen[i], "row %zu was never drawn", i);
}
END_TEST

START_TEST(the_number_of_known_rows_is_what_was_asked)
{
    struct rng r;
    size_t met[TASK_MOST_ROWS] = {0}, all = TASK_MOST_ROWS - TASK_MOST_QUERIES;
    rng_init(&r, 3, 1);
    task_drawing_next(&drawing, 3, TASK_KNOWN_NONE, &r);
    ck_assert_uint_eq(count(drawing.draw.support, TASK_SPLITS * TASK_MOST_ROWS), 0);
    task_drawing_next(&drawing, 3, TASK_KNOWN_ALL, &r);
    ck_assert_uint_eq(count(drawing.draw.support, TASK_SPLITS * TASK_MOST_ROWS), TASK_SPLITS * all);
    for (size_t turn = 0; turn < 500; turn++) {
        task_drawing_next(&drawing, 3, TASK_KNOWN_FEW, &r);
        for (size_t j = 0; j < TASK_SPLITS; j++)
            met[count(drawing.draw.support + j * TASK_MOST_ROWS, TASK_MOST_ROWS)]++;
    }
    /* Uniform in the logarithm: as often 0 to 12 as 13 to all. */
    size_t few = 0;
    for (size_t n = 0; n <= all; n++)
        few += n < 13 ? met[n] : 0;
    ck_assert_uint_gt(met[0], 50);
    ck_assert_uint_gt(met[1], 50);
    ck_assert_uint_gt(few, 800);
    ck_assert_uint_lt(few, 1200);
}
END_TEST

START_TEST(a_mixture_knows_all_rows_half_of_the_time)
{
    struct rng r;
    size_t all = 0;
    rng_init(&r, 4, 1);
    for (size_t turn = 0; turn < 500; turn++) {
        task_drawing_next(&drawing, 3, TASK_KNOWN_ANY, &r);
        for (size_t j = 0; j < TASK_SPLITS; j++)
            all += count(drawing.draw.support + j * TASK_MOST_ROWS, TASK_MOST_ROWS) ==
                   TASK_MOST_ROWS - TASK_MOST_QUERIES;
    }
    ck_assert_uint_gt(all, 880);
    ck_assert_uint_lt(all, 1150);
}
END_TEST

START_TEST(a_seed_draws_the_same_and_another_another)
{
    enum { LEN = TASK_SPLITS * TASK_MOST_ROWS };
    static double support[LEN], query[LEN], first_y[TASK_MOST_ROWS];
    struct rng r;
    rng_init(&r, 5, 1);
    task_drawing_next(&drawing, 3, TASK_KNOWN_FEW, &r);
    memcpy(support, drawing.draw.support, sizeof support);
    memcpy(query, drawing.draw.query, sizeof query);
    memcpy(first_y, drawing.draw.y, sizeof first_y);
    task_drawing_next(&drawing, 2, TASK_KNOWN_ALL, &r); /* nothing of it stays */
    rng_init(&r, 5, 1);
    task_drawing_next(&drawing, 3, TASK_KNOWN_FEW, &r);
    ck_assert_mem_eq(drawing.draw.support, support, sizeof support);
    ck_assert_mem_eq(drawing.draw.query, query, sizeof query);
    ck_assert_mem_eq(drawing.draw.y, first_y, sizeof first_y);
    rng_init(&r, 6, 1);
    task_drawing_next(&drawing, 3, TASK_KNOWN_FEW, &r);
    ck_assert(memcmp(drawing.draw.query, query, sizeof query) != 0);
    ck_assert(memcmp(drawing.draw.y, first_y, sizeof first_y) != 0);
}
END_TEST

START_TEST(targets_are_drawn_as_they_are_learned)
{
    struct rng r;
    rng_init(&r, 7, 1);
    spec.task.target_mean = 4;
    spec.task.target_deviation = 2;
    task_drawing_next(&drawing, 1, TASK_KNOWN_ALL, &r);
    for (size_t i = 0; i < 3; i++)
        ck_assert_double_eq_tol(drawing.draw.y[i], ((double)(row_start[1] + i) - 4) / 2, 1e-12);
    spec.task.n_classes = 5; /* a class is no number */
    task_drawing_next(&drawing, 1, TASK_KNOWN_ALL, &r);
    ck_assert(drawing.draw.y[0] == (double)row_start[1]);
}
END_TEST

/* Times of task t: 10 apart, the first at 100. */
static double times[N_ROWS];

static void give_times(double gap, double horizon)
{
    for (size_t t = 0; t < N_TASKS; t++)
        for (size_t i = row_start[t]; i < row_start[t + 1]; i++)
            times[i] = 100 + 10 * (double)(i - row_start[t]);
    table.time = times;
    drawing.period = 10;
    drawing.gap = gap;
    drawing.horizon = horizon;
}

static double time_of(size_t row_of_draw)
{
    return times[(size_t)drawing.draw.y[row_of_draw]];
}

/* The newest known row of a split, and the oldest and newest that is asked for. */
static void ends_of(size_t j, double *known, double *first, double *last)
{
    const struct task_draw *d = &drawing.draw;
    *known = *last = -INFINITY;
    *first = INFINITY;
    for (size_t i = 0; i < d->n; i++) {
        ck_assert(d->query[j * d->n + i] + d->support[j * d->n + i] <= 1);
        if (d->support[j * d->n + i] > 0)
            *known = fmax(*known, time_of(i));
        if (d->query[j * d->n + i] > 0) {
            *first = fmin(*first, time_of(i));
            *last = fmax(*last, time_of(i));
        }
    }
}

START_TEST(with_times_what_is_known_is_older_by_the_gap_than_what_is_asked_for)
{
    struct rng r;
    double known, first, last;
    size_t asked = 0;
    rng_init(&r, 8, 1);
    give_times(20, 30);
    for (size_t turn = 0; turn < 100; turn++)
        for (size_t t = 2; t < N_TASKS; t++) {
            task_drawing_next(&drawing, t, TASK_KNOWN_ANY, &r);
            ck_assert_uint_eq(drawing.draw.n_splits, TASK_TIMED_SPLITS);
            for (size_t j = 0; j < TASK_TIMED_SPLITS; j++) {
                ends_of(j, &known, &first, &last);
                if (first > last)
                    continue;
                asked++;
                ck_assert_double_gt(first, known + 20);
                ck_assert_double_lt(last - first, 30);
            }
        }
    ck_assert_uint_gt(asked, 1000);
}
END_TEST

START_TEST(ages_are_counted_in_periods_from_the_newest_known_row)
{
    struct rng r;
    double known, first, last;
    rng_init(&r, 9, 1);
    give_times(0, 10);
    task_drawing_next(&drawing, 3, TASK_KNOWN_ANY, &r);
    const struct task_draw *d = &drawing.draw;
    for (size_t j = 0; j < d->n_splits; j++) {
        ends_of(j, &known, &first, &last);
        for (size_t i = 0; i < d->n; i++)
            if (d->support[j * d->n + i] > 0)
                ck_assert_double_eq_tol(d->age[j * d->n + i], (known - time_of(i)) / 10, 1e-9);
    }
}
END_TEST

START_TEST(rows_after_the_end_are_never_drawn)
{
    struct rng r;
    rng_init(&r, 10, 1);
    give_times(0, 10);
    drawing.until = 150;
    for (size_t turn = 0; turn < 20; turn++) {
        task_drawing_next(&drawing, 3, TASK_KNOWN_ANY, &r);
        ck_assert_uint_eq(drawing.draw.n, 6);
        for (size_t i = 0; i < drawing.draw.n; i++)
            ck_assert_double_le(time_of(i), 150);
    }
}
END_TEST

START_TEST(ahead_of_a_moment_every_row_is_asked_for_once)
{
    struct rng r;
    double known, first, last;
    size_t times_asked[9] = {0};
    rng_init(&r, 11, 1);
    give_times(10, 20);
    task_drawing_ahead(&drawing, 2, 130, &r);
    const struct task_draw *d = &drawing.draw;
    ck_assert_uint_eq(d->n, 9);
    for (size_t j = 0; j < d->n_splits; j++) {
        ends_of(j, &known, &first, &last);
        ck_assert_double_gt(first, known + 10 - 1e-9);
        for (size_t i = 0; i < d->n; i++)
            times_asked[i] += d->query[j * d->n + i] > 0;
    }
    for (size_t i = 0; i < 9; i++)
        ck_assert_uint_eq(times_asked[i], time_of(i) > 130);
}
END_TEST

/* Every third row of the table is held. */
static uint8_t held[N_ROWS];

static void hold(void)
{
    for (size_t i = 0; i < N_ROWS; i++)
        held[i] = i % 3 == 0;
    drawing.held = held;
}

START_TEST(rows_that_are_held_are_never_drawn)
{
    struct rng r;
    rng_init(&r, 12, 1);
    hold();
    for (size_t turn = 0; turn < 20; turn++)
        for (size_t t = 2; t < N_TASKS; t++) {
            task_drawing_next(&drawing, t, TASK_KNOWN_ANY, &r);
            ck_assert_uint_eq(drawing.draw.n, t == 2 ? 6 : TASK_MOST_ROWS);
            for (size_t i = 0; i < drawing.draw.n; i++)
                ck_assert(!held[(size_t)drawing.draw.y[i]]);
        }
}
END_TEST

START_TEST(in_validation_what_is_held_is_asked_for_and_others_known)
{
    struct rng r;
    size_t fewest = N_ROWS, most = 0;
    rng_init(&r, 13, 1);
    hold();
    for (size_t turn = 0; turn < 40; turn++)
        for (size_t t = 1; t < N_TASKS; t++) {
            bool all = turn % 2 == 0;
            task_drawing_held(&drawing, t, all ? TASK_KNOWN_ALL : TASK_KNOWN_FEW, &r);
            const struct task_draw *d = &drawing.draw;
            size_t n_queries = 0;
            for (size_t j = 0; j < d->n_splits; j++) {
                size_t n_known = count(d->support + j * d->n, d->n);
                for (size_t i = 0; i < d->n; i++) {
                    bool is_held = held[(size_t)d->y[i]];
                    ck_assert(d->query[j * d->n + i] == is_held);
                    ck_assert(!is_held || d->support[j * d->n + i] == 0);
                    ck_assert(!all || is_held || d->support[j * d->n + i] == 1);
                    n_queries += is_held;
                }
                fewest = !all && t == 3 && n_known < fewest ? n_known : fewest;
                most = !all && t == 3 && n_known > most ? n_known : most;
            }
            ck_assert_uint_eq(drawing.n_queries, n_queries);
            ck_assert_ptr_eq(drawing.held, held);
        }
    ck_assert_uint_lt(fewest, 3);
    ck_assert_uint_gt(most, 60);
}
END_TEST

SUITE("engine/train/task: draw", set_up, tear_down, {no_row_is_known_and_asked_for_at_once},
      {rows_are_the_task_s_in_their_order_and_each_at_most_once},
      {the_number_of_known_rows_is_what_was_asked}, {a_mixture_knows_all_rows_half_of_the_time},
      {a_seed_draws_the_same_and_another_another}, {targets_are_drawn_as_they_are_learned},
      {with_times_what_is_known_is_older_by_the_gap_than_what_is_asked_for},
      {ages_are_counted_in_periods_from_the_newest_known_row}, {rows_after_the_end_are_never_drawn},
      {ahead_of_a_moment_every_row_is_asked_for_once}, {rows_that_are_held_are_never_drawn},
      {in_validation_what_is_held_is_asked_for_and_others_known})
