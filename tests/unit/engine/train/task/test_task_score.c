/* engine/train/task/task_score.c: which of two models is surely better. Risks: a model that is better by
 * chance, and one that is better by little, but surely, and is not taken. */
#include "engine/train/task/task_score.h"

#include "base/rng.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>

enum { TASKS = 40 };

static double a[2 * TASKS], b[2 * TASKS];

/* Losses of about one a task; a's are lower by `less`, which differs from task to task by `noise`. */
static bool is_better(double less, double noise)
{
    struct rng r;
    rng_init(&r, 3, 1);
    for (size_t i = 0; i < 2 * TASKS; i++) {
        b[i] = 1 + 0.3 * rng_uniform(&r);
        a[i] = b[i] - less + noise * rng_normal(&r);
    }
    return task_score_better(a, b, 2, TASKS);
}

START_TEST(what_is_better_in_every_task_is_better)
{
    ck_assert(is_better(0.2, 0.1));
    ck_assert(!is_better(-0.2, 0.1));
    ck_assert(!is_better(0, 0));
    ck_assert(is_better(0.01, 0)); /* by little, but always */
}
END_TEST

START_TEST(what_is_better_by_chance_is_not)
{
    ck_assert(!is_better(0.01, 0.3));
    ck_assert(!is_better(0, 0.3));
    ck_assert(!is_better(0.012, 0.05)); /* by a standard error, of what does not matter */
}
END_TEST

START_TEST(a_loss_that_is_no_number_is_the_worst)
{
    struct task_spec t = {.loss = LOSS_POISSON};
    struct task_score scores[2] = {{.loss = {1}, .n = 1}, {.loss = {_i ? -INFINITY : NAN}, .n = 1}};
    ck_assert_double_eq(task_score_loss(scores, 1, &t, NULL), 1);
    ck_assert(isinf(task_score_loss(scores, 2, &t, NULL)));
}
END_TEST

SUITE("engine/train/task: score", NULL, NULL, {what_is_better_in_every_task_is_better},
      {what_is_better_by_chance_is_not}, {a_loss_that_is_no_number_is_the_worst, 2})
