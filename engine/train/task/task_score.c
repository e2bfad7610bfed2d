#include "engine/train/task/task_score.h"

#include <math.h>

static const double step = 0.1, matters = 0.02, likely = 0.5, sure = 3;
#define LEAST_LOSS 1e-300 /* of answers without an error */

struct task_shrinks task_score_shrinks(const struct task_spec *t)
{
    if (t->scale == SCALE_IDENTITY || t->loss == LOSS_ABSOLUTE)
        return (struct task_shrinks){0, 1};
    return t->loss == LOSS_RELATIVE ? (struct task_shrinks){0, TASK_SHRINKS}
                                    : (struct task_shrinks){-1.5, 21};
}

double task_score_shrink(const struct task_spec *t, size_t k)
{
    struct task_shrinks tried = task_score_shrinks(t);
    return tried.n == 1 ? 0 : tried.first + step * (double)k;
}

/* One row. A factor from one shrink to the next would make nothing of what is infinite. */
static void add_row(struct task_score *s, const struct task_spec *t, struct task_shrinks tried, double value,
                    double spread, double y)
{
    double variance = spread * t->target_deviation * t->target_deviation;
    double median = task_target(t, value), target = task_target(t, y);
    for (size_t k = 0; k < tried.n; k++) {
        double answer = tried.n > 1 ? median * exp(-(tried.first + step * (double)k) * variance) : median;
        s->loss[k] += task_target_loss(t->loss, t->unit, task_target_clamp(t, answer), target);
    }
}

void task_score_add(struct task_score *s, const struct task_solver *solver, const struct task_draw *d,
                    size_t j)
{
    const struct task_spec *t = &solver->spec->task;
    struct task_shrinks tried = task_score_shrinks(t);
    for (size_t i = 0; i < d->n; i++) {
        if (d->query[j * d->n + i] == 0)
            continue;
        add_row(s, t, tried, solver->value[i], solver->spread[i], d->y[i]);
        s->n++;
    }
}

void task_score_merge(struct task_score *s, const struct task_score *other)
{
    for (size_t k = 0; k < TASK_SHRINKS; k++)
        s->loss[k] += other->loss[k];
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

/* The difference of the logarithms of sums without one task; n_tasks: without none. */
static double difference(const double *a, const double *b, size_t n_tasks, size_t without)
{
    double sum_a = LEAST_LOSS, sum_b = LEAST_LOSS;
    for (size_t t = 0; t < n_tasks; t++) {
        sum_a += t == without ? 0 : a[t];
        sum_b += t == without ? 0 : b[t];
    }
    return log(sum_b) - log(sum_a);
}

bool task_score_better(const double *a, const double *b, size_t n_ways, size_t n_tasks)
{
    double all = 0, mean = 0, squares = 0;
    for (size_t k = 0; k < n_ways; k++)
        all += difference(a + k * n_tasks, b + k * n_tasks, n_tasks, n_tasks);
    for (size_t t = 0; t < n_tasks; t++) {
        double d = 0;
        for (size_t k = 0; k < n_ways; k++)
            d += difference(a + k * n_tasks, b + k * n_tasks, n_tasks, t);
        mean += d / (double)n_tasks;
        squares += d * d / (double)n_tasks;
    }
    double error = sqrt(fmax(squares - mean * mean, 0) * (double)(n_tasks - 1));
    return all > sure * error || (all > likely * error && all > matters * (double)n_ways);
}
