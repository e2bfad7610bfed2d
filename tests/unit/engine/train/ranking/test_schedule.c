/* engine/train/ranking/schedule.c. Risks: a course that ends while it still gains, or never; rates that a
 * resumed run has not. */
#include "engine/train/ranking/schedule.h"

#include "tests/support/suite.h"

#include <string.h>

enum { N_EPOCHS = 10 };

/* Judges one epoch after the other, of so many steps each; returns how many there were when the course
 * ended. */
static int run(struct training_state *s, const double *metrics, int n, long steps, bool timed)
{
    while (s->epoch < n && !schedule_ended(s, N_EPOCHS)) {
        (void)schedule_judge(s, metrics[s->epoch], N_EPOCHS, timed);
        s->epoch++;
        s->n_steps += steps;
    }
    return s->epoch;
}

static struct training_state start(double factors)
{
    struct training_state s;
    memset(&s, 0, sizeof s);
    s.start_metric = s.best_metric = factors;
    return s;
}

START_TEST(the_best_epoch_is_kept_and_the_fourth_that_is_no_better_is_the_last)
{
    static const double metrics[] = {0.2, 0.3, 0.25, 0.29, 0.4, 0.1, 0.4, 0.9};
    struct training_state s = start(0.1);
    ck_assert_int_eq(run(&s, metrics, 8, 5000, _i), 7);
    ck_assert_int_eq(s.best_epoch, 5);
    ck_assert_double_eq(s.best_metric, 0.4);
    ck_assert_double_eq_tol(schedule_rate(&s, 3), 1, 1e-12);
    ck_assert_double_eq_tol(schedule_rate(&s, 4), 0.4, 1e-12);
    ck_assert_double_eq_tol(schedule_rate(&s, 5), 0.16, 1e-12);
    ck_assert_double_eq_tol(schedule_rate(&s, 8), 0.0256, 1e-12);
}
END_TEST

START_TEST(a_first_epoch_below_the_factorisation_costs_nothing)
{
    static const double metrics[] = {0.05, 0.09, 0.12};
    struct training_state s = start(0.1);
    ck_assert_int_eq(run(&s, metrics, 3, 5000, _i), 3);
    ck_assert_int_eq(s.n_cuts, 0);
    ck_assert_int_eq(s.best_epoch, 3);
}
END_TEST

/* 0.05 and 0.051 of 0.1: ten epochs of twice the gain are too few. */
static const double slow[] = {0.05, 0.051, 0.07, 0.2};

START_TEST(without_times_what_cannot_reach_its_start_ends)
{
    struct training_state s = start(0.1);
    ck_assert_int_eq(run(&s, slow, 4, 1000, false), 2);
    ck_assert_int_eq(s.best_epoch, 0);
    ck_assert_double_eq(s.best_metric, 0.1);
}
END_TEST

START_TEST(with_times_or_few_steps_it_goes_on)
{
    struct training_state timed = start(0.1), small = start(0.1);
    ck_assert_int_eq(run(&timed, slow, 4, 1000, true), 4);
    ck_assert_int_eq(timed.best_epoch, 4);
    ck_assert_int_eq(run(&small, slow, 4, 300, false), 4);
    ck_assert_int_eq(small.best_epoch, 4);
}
END_TEST

START_TEST(what_can_still_reach_its_start_goes_on)
{
    static const double metrics[] = {0.05, 0.054, 0.058, 0.0625, 0.11};
    struct training_state s = start(0.1);
    ck_assert_int_eq(run(&s, metrics, 5, 1000, false), 5);
    ck_assert_int_eq(s.best_epoch, 5);
}
END_TEST

SUITE("engine/train/course", NULL, NULL,
      {the_best_epoch_is_kept_and_the_fourth_that_is_no_better_is_the_last, 2},
      {a_first_epoch_below_the_factorisation_costs_nothing, 2},
      {without_times_what_cannot_reach_its_start_ends}, {with_times_or_few_steps_it_goes_on},
      {what_can_still_reach_its_start_goes_on})
