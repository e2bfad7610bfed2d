#include "engine/train/task/task_score.h"

#include "engine/network/student_t.h"
#include "engine/network/task_count.h"

#include <math.h>

static const double step = 0.1;
#define LEAST_LOSS 1e-300 /* of answers without an error */

struct task_shrinks task_score_shrinks(const struct task_spec *t)
{
    if (t->scale == SCALE_IDENTITY || t->loss == LOSS_ABSOLUTE)
        return (struct task_shrinks){0, 1};
    if (t->scale == SCALE_COUNT)
        return (struct task_shrinks){-0.5, 1}; /* what is said of counts has a mean */
    return t->loss == LOSS_RELATIVE ? (struct task_shrinks){0, TASK_SHRINKS}
                                    : (struct task_shrinks){-1.5, 21};
}

double task_score_shrink(const struct task_spec *t, size_t k)
{
    struct task_shrinks tried = task_score_shrinks(t);
    return tried.first + step * (double)k;
}

/* One row. A factor from one shrink to the next would make nothing of what is infinite. */
static void add_row(struct task_score *s, const struct task_spec *t, struct task_shrinks tried, double value,
                    double spread, double y)
{
    double variance = spread * t->target_deviation * t->target_deviation;
    double median = task_target(t, value), target = task_target_known(t, y);
    if (t->scale == SCALE_COUNT) {
        double answer = task_target_answer(t, tried.first, value, spread);
        s->loss[0] += task_target_loss(t->loss, t->unit, task_target_clamp(t, answer), target);
        return;
    }
    for (size_t k = 0; k < tried.n; k++) {
        double answer = tried.n > 1 ? median * exp(-(tried.first + step * (double)k) * variance) : median;
        s->loss[k] += task_target_loss(t->loss, t->unit, task_target_clamp(t, answer), target);
    }
}

/* The negative log likelihood of a row by Student's t. Its front (lgamma) is the same for all of a split. */
static double surprise(double front, double shape, double error, double spread)
{
    return front + 0.5 * log(2 * M_PI * shape * spread) +
           (shape + 0.5) * log1p(error * error / (2 * shape * spread));
}

/* The same of a count, by a model of counts. */
static double surprise_of_count(double value, double spread, double y)
{
    struct task_count_said said = task_count_said(value, spread);
    return task_count_surprise(&said, y);
}

/* ... and by Student's t: what of it is nearer to y than to another whole number, or below 0. */
static double surprise_of_cell(const struct task_spec *t, double shape, double value, double spread, double y)
{
    const double least = 1e-300;
    double count = task_target(t, y), scale = sqrt(spread);
    double low = count < 0.5 ? -INFINITY : (task_learned_target(t, count - 0.5) - value) / scale;
    double high = (task_learned_target(t, count + 0.5) - value) / scale;
    double a = low > 0 ? -high : low, b = low > 0 ? -low : high; /* the tail that has the digits */
    double p = student_t_probability(b, 2 * shape) - (isinf(a) ? 0 : student_t_probability(a, 2 * shape));
    return -log(fmax(p, least));
}

/* The same of any row. */
static double surprise_of_row(const struct task_score *s, const struct task_solver *solver, double front,
                              size_t i, double y)
{
    const struct task_spec *t = &solver->spec->task;
    double shape = solver->layer.shape, value = solver->value[i], spread = solver->spread[i];
    if (t->scale == SCALE_COUNT)
        return surprise_of_count(value, spread, y);
    if (s->of_counts)
        return surprise_of_cell(t, shape, value, spread, y);
    return surprise(front, shape, y - value, spread) + task_target_log_slope(t, y);
}

void task_score_add(struct task_score *s, const struct task_solver *solver, const struct task_draw *d,
                    size_t j)
{
    const struct task_spec *t = &solver->spec->task;
    struct task_shrinks tried = task_score_shrinks(t);
    double shape = solver->layer.shape;
    int sign; /* lgamma would write a global one */
    double front = lgamma_r(shape, &sign) - lgamma_r(shape + 0.5, &sign);
    for (size_t i = 0; i < d->n; i++) {
        if (d->query[j * d->n + i] == 0)
            continue;
        add_row(s, t, tried, solver->value[i], solver->spread[i], d->y[i]);
        s->surprise += surprise_of_row(s, solver, front, i, d->y[i]);
        s->n++;
    }
}

void task_score_merge(struct task_score *s, const struct task_score *other)
{
    for (size_t k = 0; k < TASK_SHRINKS; k++)
        s->loss[k] += other->loss[k];
    s->surprise += other->surprise;
    s->n += other->n;
}

/* What is no number is the worst that there is. */
static double log_of(double loss)
{
    return loss >= 0 ? log(fmax(loss, LEAST_LOSS)) : INFINITY;
}

double task_score_loss(const struct task_score *scores, size_t n, const struct task_spec *t, size_t *best)
{
    double least = INFINITY;
    for (size_t k = 0; k < task_score_shrinks(t).n; k++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += log_of(scores[i].loss[k] / (double)scores[i].n);
        if (!(sum < least))
            continue;
        least = sum;
        if (best)
            *best = k;
    }
    return exp(least / (double)n / (t->loss == LOSS_SQUARED ? 2 : 1));
}
