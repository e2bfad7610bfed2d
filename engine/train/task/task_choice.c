#include "engine/train/task/task_choice.h"

#include <math.h>

static const double near = 2, alike = 1;    /* standard errors */
static const double least_distance = 0.005; /* of losses that differ: as a part of one */
#define LEAST_LOSS 1e-300                   /* of answers without an error */

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

/* The same of all ways together. */
static double differences(const double *a, const double *b, struct task_said_shape shape, size_t without)
{
    double sum = 0;
    for (size_t k = 0; k < shape.n_ways; k++)
        sum += difference(a + k * shape.n_tasks, b + k * shape.n_tasks, shape.n_tasks, without);
    return sum;
}

struct task_gap task_loss_gap(const double *a, const double *b, struct task_said_shape shape)
{
    double n = (double)shape.n_tasks, mean = 0, squares = 0;
    for (size_t t = 0; t < shape.n_tasks; t++) {
        double d = differences(a, b, shape, t);
        mean += d / n;
        squares += d * d / n;
    }
    return (struct task_gap){differences(a, b, shape, shape.n_tasks),
                             sqrt(fmax(squares - mean * mean, 0) * (n - 1))};
}

struct task_gap task_surprise_gap(const double *a, const double *b, struct task_said_shape shape)
{
    double n = (double)shape.n_tasks, sum = 0, squares = 0;
    for (size_t t = 0; t < shape.n_tasks; t++) {
        double d = 0;
        for (size_t k = 0; k < shape.n_ways; k++)
            d += b[k * shape.n_tasks + t] - a[k * shape.n_tasks + t];
        sum += d;
        squares += d * d;
    }
    double variance = fmax(squares - sum * sum / n, 0) / fmax(n - 1, 1);
    return (struct task_gap){sum, sqrt(variance * n)};
}

static bool has_numbers(const struct task_said *m, struct task_said_shape shape)
{
    double sum = 0;
    for (size_t i = 0; i < shape.n_ways * shape.n_tasks; i++)
        sum += m->losses[i] + m->surprises[i];
    return isfinite(sum);
}

static bool is_near(const struct task_said *m, const struct task_said *least, struct task_said_shape shape)
{
    struct task_gap gap = task_loss_gap(least->losses, m->losses, shape);
    double far = least_distance * (double)shape.n_ways * (shape.squared ? 2 : 1);
    return m == least || !(gap.mean > near * gap.error && gap.mean > far);
}

static const struct task_said *least_loss(const struct task_said *models, size_t n,
                                          struct task_said_shape shape)
{
    const struct task_said *least = NULL;
    for (const struct task_said *m = models; m < models + n; m++)
        if (has_numbers(m, shape) && (!least || task_loss_gap(m->losses, least->losses, shape).mean > 0))
            least = m;
    return least;
}

/* Whether a model is likelier than a simpler one, and by enough: in nats a row, of which the logarithm of the
 * loss would be as many if errors are as large as they are said to be. It is added where the rest is sure. */
static bool is_better(const struct task_said *m, const struct task_said *simple, struct task_said_shape shape,
                      double least_gain)
{
    struct task_gap surprise = task_surprise_gap(m->surprises, simple->surprises, shape);
    double logs = task_loss_gap(m->losses, simple->losses, shape).mean;
    double gain = surprise.mean / (double)shape.n_rows;
    if (surprise.mean > near * surprise.error)
        gain += fmax(logs, 0) / ((double)shape.n_ways * (shape.squared ? 2 : 1));
    return surprise.mean > alike * surprise.error && gain > least_gain;
}

size_t task_choose(const struct task_said *models, size_t n, struct task_said_shape shape, double least_gain)
{
    const struct task_said *least = least_loss(models, n, shape), *taken = NULL;
    for (const struct task_said *m = models; m < models + n; m++) {
        if (!has_numbers(m, shape) || !is_near(m, least, shape))
            continue;
        if (!taken || is_better(m, taken, shape, least_gain))
            taken = m;
    }
    return taken ? (size_t)(taken - models) : n;
}
