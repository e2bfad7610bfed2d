#include "engine/network/task_quantiles.h"

#include "engine/network/student_t.h"

#include <math.h>

const double task_quantile_at[TASK_QUANTILES] = {0.005, 0.025, 0.05, 0.1,   0.25, 0.5,
                                                 0.75,  0.9,   0.95, 0.975, 0.995};
static const double normal[TASK_QUANTILES] = {
    -2.575829303548901, -1.959963984540054, -1.644853626951473, -1.281551565544600, -0.674489750196082, 0,
    0.674489750196082,  1.281551565544600,  1.644853626951473,  1.959963984540054,  2.575829303548901};
const size_t task_quantile_least[TASK_KNOWN_BUCKETS] = {0, 1, 2, 3, 5, 9, 17, 33};

size_t task_quantile_row(size_t n_known)
{
    size_t row = TASK_KNOWN_BUCKETS - 1;
    while (n_known < task_quantile_least[row])
        row--;
    return row;
}

/* Bisection. */
double task_normal_quantile(double probability)
{
    double low = -40, high = 40;
    while (high - low > 1e-12) {
        double middle = (low + high) / 2;
        if (erfc(-middle * M_SQRT1_2) / 2 < probability)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

double task_quantile(const real *table, size_t n_known, double freedom, double probability)
{
    const double same = 1e-9; /* (1 + 0.9) / 2 is not 0.95 to the last bit */
    size_t above = 1;
    if (!table)
        return student_t_quantile(probability, freedom);
    const real *z = table + task_quantile_row(n_known) * TASK_QUANTILES;
    for (size_t k = 0; k < TASK_QUANTILES; k++)
        if (fabs(probability - task_quantile_at[k]) < same)
            return (double)z[k];
    while (above < TASK_QUANTILES - 1 && task_quantile_at[above] < probability)
        above++;
    double at = (task_normal_quantile(probability) - normal[above - 1]) / (normal[above] - normal[above - 1]);
    return (double)z[above - 1] + at * (double)(z[above] - z[above - 1]);
}

/* Nodes in the quantiles of the normal distribution: those of the table, steps between, and some further away
 * on each side. Where Student's t is so heavy that its tail is nearly flat there, the last slope goes on. */
static double node(size_t i)
{
    enum { BEFORE = TASK_QUANTILE_BEYOND, LAST = (TASK_QUANTILES - 1) * TASK_QUANTILE_STEPS };
    static const double beyond[BEFORE] = {4.6, 4.2, 3.8, 3.5, 3.2, 2.9};
    if (i < BEFORE)
        return -beyond[i];
    if (i - BEFORE > LAST)
        return beyond[TASK_QUANTILE_NODES - 1 - i];
    size_t k = (i - BEFORE) / TASK_QUANTILE_STEPS, step = (i - BEFORE) % TASK_QUANTILE_STEPS;
    if (step == 0)
        return normal[k];
    return normal[k] + (normal[k + 1] - normal[k]) * (double)step / TASK_QUANTILE_STEPS;
}

void task_quantile_map_make(const real *table, size_t n_known, double freedom, struct task_quantile_map *out)
{
    for (size_t i = 0; i < TASK_QUANTILE_NODES; i++) {
        double probability = erfc(-node(i) * M_SQRT1_2) / 2;
        out->t[i] = student_t_quantile(probability, freedom);
        out->z[i] = task_quantile(table, n_known, freedom, probability);
    }
}

double task_quantile_mapped(const struct task_quantile_map *m, double t)
{
    size_t low = 0, high = TASK_QUANTILE_NODES - 1;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (m->t[middle] <= t)
            low = middle;
        else
            high = middle;
    }
    return m->z[low] + (t - m->t[low]) * (m->z[high] - m->z[low]) / (m->t[high] - m->t[low]);
}
