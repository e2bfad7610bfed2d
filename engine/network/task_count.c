#include "engine/network/task_count.h"

#include "engine/network/incomplete_beta.h"

#include <math.h>
#include <stdbool.h>

#define MOST_SURPRISE 40.0 /* nats, of a count from which others are looked for */

static double cut(double x, double most)
{
    return fmax(fmin(x, most), -most);
}

struct task_count task_count_known(double f, double y, double noise, double prior,
                                   struct task_count_slopes *slopes)
{
    bool inside = fabs(f + noise / 2) < TASK_COUNT_MOST_LOG;
    double l = exp(cut(f + noise / 2, TASK_COUNT_MOST_LOG)), q = expm1(noise);
    double m = l * (prior + y) / (prior + l), p = 1 / (1 / m + q), ratio = y / m;
    double u = log((prior + y) / (prior + l));
    if (slopes) {
        double du = inside ? -l / (prior + l) : 0, dm = inside ? 1 + du : 0; /* of u and log m, by log l */
        double da = 1 / (prior + y) - 1 / (prior + l);                       /* of both, by a */
        struct task_count by_f = {p * p / m * dm, du - ratio * dm};
        *slopes =
            (struct task_count_slopes){.by_f = by_f,
                                       .by_noise = {by_f.precision / 2 - p * p * (1 + q), by_f.residual / 2},
                                       .by_prior = {p * p / m * da, da * (1 - ratio)}};
    }
    return (struct task_count){p, u + ratio - 1};
}

struct task_count_said task_count_said(double value, double spread)
{
    double s = fmin(spread, TASK_COUNT_MOST_SPREAD), log_mean = cut(value + s / 2, TASK_COUNT_MOST_LOG);
    return (struct task_count_said){log_mean, s, exp(log_mean), 1 / expm1(s)};
}

double task_count_surprise(const struct task_count_said *c, double y)
{
    int sign; /* lgamma would write a global one */
    double k = c->shape, ratio = c->mean / k;
    return lgamma_r(k, &sign) + lgamma_r(y + 1, &sign) - lgamma_r(y + k, &sign) + (k + y) * log1p(ratio) -
           y * log(ratio);
}

/* Of the lognormal of the rate, whose noise of counting is added. */
static double many_deviation(const struct task_count_said *c)
{
    return sqrt(c->spread + 1 / c->mean);
}

double task_count_probability(const struct task_count_said *c, double y)
{
    if (y < 0)
        return 0;
    if (c->mean > TASK_COUNT_MANY)
        return erfc(-(log(y + 0.5) - c->log_mean + c->spread / 2) / many_deviation(c) * M_SQRT1_2) / 2;
    double all = c->shape + c->mean;
    return incomplete_beta(c->shape, y + 1, c->shape / all, c->mean / all);
}

/* From y, of which the probability of at most y is `below`, to the least count with the wanted one. */
static double walk(const struct task_count_said *c, double y, double below, double wanted)
{
    enum { MOST_STEPS = 1000000 };
    double k = c->shape, odds = c->mean / (c->mean + k), p = exp(-task_count_surprise(c, y));
    int step = 0;
    if (below < wanted)
        for (; below < wanted && step < MOST_STEPS; step++) {
            p *= (y + k) / (y + 1) * odds;
            if (!(p > 0))
                break;
            y++;
            below += p;
        }
    else
        for (; y > 0 && below - p >= wanted && step < MOST_STEPS; step++) {
            below -= p;
            p *= y / ((y - 1 + k) * odds);
            y--;
        }
    return y;
}

/* The mean stays where it is as the spread grows. */
static struct task_count_said widened(double value, double spread, double times)
{
    struct task_count_said c = task_count_said(value, spread);
    c.spread = fmin(c.spread * times, TASK_COUNT_MOST_SPREAD);
    c.shape = 1 / expm1(c.spread);
    return c;
}

double task_count_quantile(double value, double spread, double times, double z)
{
    struct task_count_said c = widened(value, spread, times);
    double guess = floor(exp(c.log_mean - c.spread / 2 + z * many_deviation(&c)));
    if (c.mean > TASK_COUNT_MANY)
        return fmin(guess, TASK_COUNT_MOST);
    double wanted = erfc(-z * M_SQRT1_2) / 2, from = fmin(guess, 4 * TASK_COUNT_MANY);
    if (task_count_surprise(&c, from) > MOST_SURPRISE) /* so far out that steps would be of nothing */
        from = floor(c.mean);
    return walk(&c, from, task_count_probability(&c, from), wanted);
}

double task_count_deviation(double value, double spread, double times)
{
    struct task_count_said c = widened(value, spread, times);
    return sqrt(c.mean + c.mean * c.mean / c.shape);
}

double task_count_mean_deviation(double value, double spread, double own)
{
    struct task_count_said c = task_count_said(value, spread);
    return c.mean * sqrt(expm1(fmin(own, TASK_COUNT_MOST_SPREAD)));
}
