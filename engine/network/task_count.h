/* task_count - counts: what a known one says of the logarithm of its rate, and how likely one is.
 *
 *   y ~ Poisson(R),   R = g exp(eta + s2 / 2),   g ~ Gamma of mean 1 and variance q = exp(s2) - 1
 *
 * so that s2 is the variance of the noise about eta, as for numbers (task_head.h), and a count is negative
 * binomial. One step of iteratively reweighted least squares is additive over rows, which is what a task
 * keeps; it is taken where a row stands by itself, between what all tasks have of it (f) and its own count:
 *
 *   l = exp(f + s2 / 2),   u = log((a + y) / (a + l)),   m = l exp(u)
 *   precision p = 1 / (1 / m + q),   residual r = u + y / m - 1
 *
 * With a large this is Newton's step from f, which is too far where a task's rate is not the usual; with a
 * = 0 the logarithm of the count, which is wrong where counts are small. a is learned through the step.
 * Source: McCullagh and Nelder 1989, 2.5; u is the mode of eta - f with a Gamma(a, a) prior of exp(eta -
 * f).
 *
 * What is said of a row: with eta about v and a variance of w about it, the spread is s = w + s2 and y
 * negative binomial of the mean exp(v + s / 2) and the shape 1 / (exp(s) - 1), which has the first two
 * moments that a normal eta gives it. Where the mean is above TASK_COUNT_MANY, quantiles are those of the
 * rate's lognormal.
 *
 * Logarithms of rates are cut to +- TASK_COUNT_MOST_LOG, and spreads to TASK_COUNT_MOST_SPREAD.
 * Layer: engine/network
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_NETWORK_TASK_COUNT_H
#define ENGINE_NETWORK_TASK_COUNT_H

#define TASK_COUNT_MOST_LOG    30.0
#define TASK_COUNT_MOST_SPREAD 5.0
#define TASK_COUNT_MANY        1e4
#define TASK_COUNT_MOST        1e15 /* of what is answered */

/* What a known count says. */
struct task_count {
    double precision, residual;
};

/* Its derivatives by f, by s2 and by a. */
struct task_count_slopes {
    struct task_count by_f, by_noise, by_prior;
};

/* slopes NULL: not wanted. prior: a. */
struct task_count task_count_known(double f, double y, double noise, double prior,
                                   struct task_count_slopes *slopes);

/* The negative binomial that is said of a row. */
struct task_count_said {
    double log_mean; /* cut, as is ... */
    double spread;   /* ... s */
    double mean, shape;
};
struct task_count_said task_count_said(double value, double spread);

/* The negative logarithm of the probability of y. */
double task_count_surprise(const struct task_count_said *c, double y);

/* The probability of at most y, whole; 0 of y below 0. */
double task_count_probability(const struct task_count_said *c, double y);

/* The least count of which a standard normal quantile z has at most the probability; times: what the
 * spread is of that in the mean, of a row beyond its inputs. Cost: one task_count_probability, and a step
 * for each count between a guess and the answer. */
double task_count_quantile(double value, double spread, double times, double z);

/* The standard deviation of y, with the spread so many times what it is in the mean, and of its mean where
 * eta has the variance `own`. */
double task_count_deviation(double value, double spread, double times);
double task_count_mean_deviation(double value, double spread, double own);

#endif
