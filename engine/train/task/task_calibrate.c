/* Tasks are validated on with all their other rows known, and four times with a drawn number of them, so
 * that every row of the table is met; with times as they come. */
#include "base/mem.h"
#include "base/rng.h"
#include "engine/network/student_t.h"
#include "engine/network/task_count.h"
#include "engine/network/task_quantiles.h"
#include "engine/network/task_solver.h"
#include "engine/train/task/task_tune.h"

#include <math.h>
#include <stdlib.h>

enum { LEAST_ERRORS = 300 /* for a quantile of 1 in 200 */, TURNS = 4 };

struct error {
    double z; /* (target - value) / sqrt(spread) */
    size_t bucket;
};

struct errors {
    struct error *list; /* (n) */
    size_t n, capacity;
    size_t n_in[TASK_KNOWN_BUCKETS];
    double freedom[TASK_KNOWN_BUCKETS]; /* sums of the degrees of freedom of Student's t */
    bool splits_are_one;                /* all splits of a draw know the same rows */
    struct rng rng;                     /* where a count lies in its own probability */
};

/* The quantile of the normal distribution at which a count lies in what was said of it. */
static double z_of_count(double value, double spread, double y, struct rng *r)
{
    const double least = 1e-9;
    struct task_count_said said = task_count_said(value, spread);
    double below = task_count_probability(&said, y - 1), up_to = task_count_probability(&said, y);
    double at = below + rng_uniform(r) * (up_to - below);
    return task_normal_quantile(fmax(fmin(at, 1 - least), least));
}

static enum err_code add_errors(void *arg, const struct task_solver *s, const struct task_draw *d, size_t j,
                                struct err *e)
{
    struct errors *r = arg;
    size_t n_known = 0;
    if (r->splits_are_one && j)
        return ERR_OK;
    for (size_t i = 0; i < d->n; i++)
        n_known += d->support[j * d->n + i] != 0;
    size_t bucket = task_quantile_row(n_known);
    if (!MEM_RESERVE(r->list, r->capacity, r->n + d->n))
        return err_set(e, ERR_NOMEM, "no memory for %zu errors in validation", r->n + d->n);
    for (size_t i = 0; i < d->n; i++) {
        if (d->query[j * d->n + i] == 0)
            continue;
        double z = task_is_of_counts(s->spec) ? z_of_count(s->value[i], s->spread[i], d->y[i], &r->rng)
                                              : (d->y[i] - s->value[i]) / sqrt(s->spread[i]);
        if (!isfinite(z))
            continue;
        r->list[r->n++] = (struct error){z, bucket};
        r->n_in[bucket]++;
        r->freedom[bucket] += 2 * s->layer.shape;
    }
    return ERR_OK;
}

static enum err_code gather(struct task_fit *f, struct errors *r, struct err *e)
{
    r->splits_are_one = f->holdout->held != NULL;
    enum err_code code = task_tune_each(f, TASK_KNOWN_ALL, 0, add_errors, r, e);
    r->splits_are_one = false;
    for (uint64_t turn = 0; turn < TURNS && !f->table->time && !code; turn++)
        code = task_tune_each(f, TASK_KNOWN_FEW, turn, add_errors, r, e);
    return code;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between the two nearest of sorted values. */
static double quantile(const double *sorted, size_t n, double probability)
{
    double at = probability * (double)(n - 1);
    size_t below = (size_t)at;
    double above = below + 1 < n ? sorted[below + 1] : sorted[below];
    return sorted[below] + (at - (double)below) * (above - sorted[below]);
}

/* Quantiles for a bucket, from as many neighbours as it takes. room (r->n). */
static void fill_row(const struct errors *r, size_t bucket, double *room, real *row)
{
    size_t first = bucket, last = bucket, n = r->n_in[bucket];
    while (n < LEAST_ERRORS && (first > 0 || last < TASK_KNOWN_BUCKETS - 1)) {
        n += first > 0 ? r->n_in[--first] : 0;
        n += last < TASK_KNOWN_BUCKETS - 1 ? r->n_in[++last] : 0;
    }
    n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (r->list[i].bucket >= first && r->list[i].bucket <= last)
            room[n++] = r->list[i].z;
    qsort(room, n, sizeof *room, by_size);
    for (size_t k = 0; k < TASK_QUANTILES; k++)
        row[k] = (real)quantile(room, n, task_quantile_at[k]);
}

/* Of few tasks the other rows were learned from, so that tasks which come new are further off than what was
 * found: then it is never nearer the middle than Student's t. */
static void widen_row(const struct errors *r, size_t bucket, real *row)
{
    while (!r->n_in[bucket] && bucket)
        bucket--;
    if (!r->n_in[bucket])
        return;
    for (size_t k = 0; k < TASK_QUANTILES; k++) {
        double t = student_t_quantile(task_quantile_at[k], r->freedom[bucket] / (double)r->n_in[bucket]);
        if (task_quantile_at[k] < 0.5 ? (double)row[k] > t : task_quantile_at[k] > 0.5 && (double)row[k] < t)
            row[k] = (real)t;
    }
}

enum err_code task_tune_calibrate(struct task_fit *f, real *table, bool *found, struct err *e)
{
    struct errors r = {0};
    double *room = NULL;
    rng_init(&r.rng, f->run->options.seed, 11);
    enum err_code code = gather(f, &r, e);
    *found = !code && r.n >= LEAST_ERRORS;
    if (*found && !(room = mem_alloc_array(r.n, sizeof *room)))
        code = err_set(e, ERR_NOMEM, "no memory for %zu errors in validation", r.n);
    for (size_t bucket = 0; room && bucket < TASK_KNOWN_BUCKETS; bucket++) {
        fill_row(&r, bucket, room, table + bucket * TASK_QUANTILES);
        if (f->holdout->held)
            widen_row(&r, bucket, table + bucket * TASK_QUANTILES);
    }
    mem_free(room);
    mem_free(r.list);
    return code;
}
