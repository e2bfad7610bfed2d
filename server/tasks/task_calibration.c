#include "server/tasks/task_calibration.h"

#include <math.h>

static const double probabilities[TASK_CALIBRATION_POINTS] = {0.1, 0.2, 0.3, 0.4, 0.5,
                                                              0.6, 0.7, 0.8, 0.9, 0.95};

static void of_numbers(const struct task_answers *a, const double *y, struct task_calibration *out)
{
    out->n = TASK_CALIBRATION_POINTS;
    for (size_t k = 0; k < out->n; k++) {
        size_t covered = 0;
        for (size_t i = 0; i < a->n; i++) {
            double low, high;
            task_answers_interval(a, i, probabilities[k], false, &low, &high);
            covered += low <= y[i] && y[i] <= high;
        }
        out->expected[k] = probabilities[k];
        out->found[k] = (double)covered / (double)a->n;
        out->n_rows[k] = a->n;
        out->error += fabs(out->found[k] - out->expected[k]) / (double)out->n;
    }
}

static void of_classes(const struct task_answers *a, const double *y, struct task_calibration *out)
{
    size_t n_classes = a->spec->task.n_classes, n_rows[TASK_CALIBRATION_POINTS] = {0};
    double sure[TASK_CALIBRATION_POINTS] = {0}, right[TASK_CALIBRATION_POINTS] = {0};
    for (size_t i = 0; i < a->n; i++) {
        const double *p = a->value + i * n_classes;
        size_t best = 0;
        for (size_t k = 1; k < n_classes; k++)
            best = p[k] > p[best] ? k : best;
        size_t bin = (size_t)fmin(p[best] * TASK_CALIBRATION_POINTS, TASK_CALIBRATION_POINTS - 1);
        n_rows[bin]++;
        sure[bin] += p[best];
        right[bin] += (double)best == y[i];
    }
    for (size_t k = 0; k < TASK_CALIBRATION_POINTS; k++) {
        if (n_rows[k] == 0)
            continue;
        out->expected[out->n] = sure[k] / (double)n_rows[k];
        out->found[out->n] = right[k] / (double)n_rows[k];
        out->n_rows[out->n++] = n_rows[k];
        out->error += fabs(sure[k] - right[k]) / (double)a->n;
    }
}

void task_calibration_make(const struct task_answers *a, const double *y, struct task_calibration *out)
{
    *out = (struct task_calibration){.error = a->n ? 0 : NAN};
    if (a->n && a->spec->task.n_classes)
        of_classes(a, y, out);
    else if (a->n)
        of_numbers(a, y, out);
}
