#include "server/tasks/task_measures.h"

#include "base/mem.h"
#include "engine/rank/bootstrap.h"
#include "server/tasks/roc.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

const struct task_known_range task_known_ranges[N_TASK_KNOWN_RANGES] = {
    {0, 0, "0"}, {1, 4, "1-4"}, {5, 24, "5-24"}, {25, 99, "25-99"}, {100, SIZE_MAX, "100+"}};

const char *task_measure_name(enum task_measure m)
{
    static const char *const names[N_TASK_MEASURES] = {
        "rmse",     "mae", "mape",    "explained_variance", "coverage", "width", "accuracy",
        "log_loss", "auc", "deviance"};
    return names[m];
}

enum task_measure task_measures_compared(const struct model_spec *spec)
{
    static const enum task_measure of_loss[] = {TASK_RMSE, TASK_MAE, TASK_MAPE, TASK_DEVIANCE};
    return spec->task.n_classes ? TASK_LOG_LOSS : of_loss[spec->task.loss];
}

double task_measures_surprise(double p)
{
    const double least = 1e-300;
    return -log(p < least ? least : p);
}

double task_measures_loss(const struct task_answers *a, size_t i, double y)
{
    size_t n_classes = a->spec->task.n_classes;
    if (n_classes)
        return task_measures_surprise(a->value[i * n_classes + (size_t)y]);
    return task_target_loss(a->spec->task.loss, a->spec->task.unit, task_answers_value(a, i, true), y);
}

/* Rows of the chosen tasks. */
struct choice {
    const struct task_answers *a;
    const double *y;
    const size_t *n_known; /* (n), or NULL */
    size_t least, most;
};

static bool is_chosen(const struct choice *c, size_t i)
{
    return !c->n_known || (c->n_known[i] >= c->least && c->n_known[i] <= c->most);
}

static void measure_numbers(const struct choice *c, double interval, struct task_measures *out)
{
    double squares = 0, absolute = 0, relative = 0, sum = 0, about = 0, covered = 0, width = 0, deviance = 0;
    size_t n = 0, n_relative = 0;
    for (size_t i = 0; i < c->a->n; i++)
        if (is_chosen(c, i)) {
            sum += c->y[i];
            n++;
        }
    for (size_t i = 0; i < c->a->n; i++) {
        double low, high, y = c->y[i];
        if (!is_chosen(c, i))
            continue;
        double error = task_answers_value(c->a, i, true) - y;
        task_answers_interval(c->a, i, interval, false, &low, &high);
        squares += error * error;
        absolute += fabs(error);
        relative += y != 0 ? fabs(error / y) : 0;
        deviance += c->a->spec->task.loss == LOSS_POISSON ? task_measures_loss(c->a, i, y) : 0;
        n_relative += y != 0;
        about += (y - sum / (double)n) * (y - sum / (double)n);
        covered += low <= y && y <= high;
        width += high - low;
    }
    out->value[TASK_RMSE] = sqrt(squares / (double)n);
    out->value[TASK_MAE] = absolute / (double)n;
    out->value[TASK_MAPE] = n_relative ? relative / (double)n_relative : NAN;
    out->value[TASK_EXPLAINED] = about > 0 ? 1 - squares / about : NAN;
    out->value[TASK_COVERAGE] = covered / (double)n;
    out->value[TASK_WIDTH] = width / (double)n;
    if (c->a->spec->task.loss == LOSS_POISSON)
        out->value[TASK_DEVIANCE] = deviance / (double)n;
    out->n_rows = n;
}

static enum err_code measure_auc(const struct choice *c, struct task_measures *out, struct err *e)
{
    struct roc_row *rows = mem_alloc_array(c->a->n + 1, sizeof *rows);
    size_t n = 0;
    if (!rows)
        return err_set(e, ERR_NOMEM, "no memory for %zu scores", c->a->n);
    for (size_t i = 0; i < c->a->n; i++)
        if (is_chosen(c, i))
            rows[n++] = (struct roc_row){.score = c->a->value[2 * i + 1], .is_second = c->y[i] == 1};
    roc_sort(rows, n);
    out->value[TASK_AUC] = roc_area(rows, n, NULL);
    mem_free(rows);
    return ERR_OK;
}

static enum err_code measure_classes(const struct choice *c, struct task_measures *out, struct err *e)
{
    size_t n_classes = c->a->spec->task.n_classes, right = 0, n = 0;
    double loss = 0;
    for (size_t i = 0; i < c->a->n; i++) {
        const double *p = c->a->value + i * n_classes;
        size_t best = 0;
        if (!is_chosen(c, i))
            continue;
        for (size_t k = 1; k < n_classes; k++)
            best = p[k] > p[best] ? k : best;
        right += (double)best == c->y[i];
        loss += task_measures_loss(c->a, i, c->y[i]);
        n++;
    }
    out->n_rows = n;
    out->value[TASK_ACCURACY] = (double)right / (double)n;
    out->value[TASK_LOG_LOSS] = loss / (double)n;
    return n_classes == 2 ? measure_auc(c, out, e) : ERR_OK;
}

enum err_code task_measures_make(const struct task_answers *a, const double *y, double interval,
                                 const size_t *n_known, size_t least, size_t most, struct task_measures *out,
                                 struct err *e)
{
    struct choice c = {a, y, n_known, least, most};
    size_t n = 0;
    *out = (struct task_measures){0};
    for (size_t m = 0; m < N_TASK_MEASURES; m++)
        out->value[m] = NAN;
    for (size_t i = 0; i < a->n; i++)
        n += is_chosen(&c, i);
    if (n == 0)
        return ERR_OK;
    if (a->spec->task.n_classes)
        return measure_classes(&c, out, e);
    measure_numbers(&c, interval, out);
    return ERR_OK;
}

/* Sums of the loss over the rows of each task: (n_tasks). */
static void losses(const struct task_answers *a, const struct task_dataset *d, double *out)
{
    for (size_t t = 0; t < d->table.n_tasks; t++) {
        out[t] = 0;
        for (size_t i = d->row_start[t]; i < d->row_start[t + 1]; i++)
            out[t] += task_measures_loss(a, i, d->y[i]);
    }
}

enum err_code task_measures_compare(const struct task_answers *a, const struct task_answers *b,
                                    const struct task_dataset *d, uint64_t seed, struct task_difference *out,
                                    struct err *e)
{
    size_t n = d->table.n_tasks;
    double *room = mem_alloc_array(n, 3 * sizeof *room);
    if (!room)
        return err_set(e, ERR_NOMEM, "no memory for %zu tasks", n);
    for (size_t i = 0; i < n; i++)
        room[2 * n + i] = (double)(d->row_start[i + 1] - d->row_start[i]);
    losses(a, d, room);
    losses(b, d, room + n);
    const struct bootstrap sampled = {room + 2 * n, n, task_measures_compared(a->spec) == TASK_RMSE, seed};
    bootstrap_run(&sampled, room, room + n, &out->mean, &out->low, &out->high);
    mem_free(room);
    return ERR_OK;
}
