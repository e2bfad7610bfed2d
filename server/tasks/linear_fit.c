/* With z = [1 | x] of a row and u_t the level of its task, the equations are
 *
 *   [ G  L^T ] [ w ]   [ b ]      G = c sum z z^T + penalty,  L_t = c sum over t of z,
 *   [ L   D  ] [ u ] = [ h ]      D_t = c n_t + strength
 *
 * with c = 1 of numbers and the bound 1 / 2 of classes: w from S = G - sum L_t L_t^T / D_t, then u. */
#include "server/tasks/linear_fit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/kernels/small_solve.h"
#include "server/tasks/task_answers.h"
#include "server/tasks/task_measures.h"

#include <math.h>
#include <string.h>

enum { MOST_FOLDS = 5, MOST_STEPS = 50 };
/* From strong to weak: a fit of classes begins where the one before it ended. */
static const double strengths[] = {1e4, 1e3, 300, 100, 30, 10, 3, 1, 0.1, 0.01};
enum { N_STRENGTHS = sizeof strengths / sizeof *strengths };
static const double number_intercept = 1e-6, class_intercept = 0.1, step_is_small = 1e-4;

struct work {
    const struct linear_rows *rows;
    size_t p;               /* 1 + d */
    size_t n_out;           /* numbers of y: 1, or the classes */
    uint32_t *fold;         /* (n) */
    double *z, *gram, *sum; /* (p) of a row; (packed p), (n_tasks, p): of rows that are not left out */
    double *factor;         /* (packed p) of S */
    double *b, *h;          /* (n_out, p), (n_out, n_tasks) */
    double *weights, *levels;
    double *f; /* (n_out) */
    double strength, c;
};

static size_t packed(size_t n)
{
    return n * (n + 1) / 2;
}

static void work_fini(struct work *w)
{
    mem_free(w->fold);
    mem_free(w->z);
}

/* All doubles are one block, of which z is the first. */
static enum err_code work_init(struct work *w, const struct linear_rows *rows, struct linear_fit *out,
                               struct err *e)
{
    size_t p = rows->d + 1, o = rows->n_classes ? rows->n_classes : 1, t = rows->n_tasks;
    *w = (struct work){.rows = rows, .p = p, .n_out = o, .c = rows->n_classes ? 0.5 : 1};
    w->fold = mem_alloc_array(rows->n, sizeof *w->fold);
    w->z = mem_zalloc_array(p + 2 * packed(p) + t * p + o * p + o * t + o, sizeof *w->z);
    *out = (struct linear_fit){.d = rows->d, .n_out = o, .n_tasks = t};
    out->weights = mem_zalloc_array(o * p, sizeof *out->weights);
    out->levels = mem_zalloc_array(o * t + 1, sizeof *out->levels);
    if (!w->fold || !w->z || !out->weights || !out->levels) {
        work_fini(w);
        return err_set(e, ERR_NOMEM, "no memory for a fit of %zu numbers a row", p);
    }
    w->gram = w->z + p;
    w->factor = w->gram + packed(p);
    w->sum = w->factor + packed(p);
    w->b = w->sum + t * p;
    w->h = w->b + o * p;
    w->f = w->h + o * t;
    w->weights = out->weights;
    w->levels = out->levels;
    return ERR_OK;
}

static void set_z(struct work *w, size_t i)
{
    w->z[0] = 1;
    for (size_t j = 0; j < w->rows->d; j++)
        w->z[1 + j] = (double)w->rows->x[i * w->rows->d + j];
}

/* The sums over all rows but those of a fold. */
static void gather(struct work *w, uint32_t without)
{
    memset(w->gram, 0, packed(w->p) * sizeof *w->gram);
    memset(w->sum, 0, w->rows->n_tasks * w->p * sizeof *w->sum);
    for (size_t i = 0; i < w->rows->n; i++) {
        if (w->fold[i] == without)
            continue;
        set_z(w, i);
        double *to = w->gram;
        for (size_t j = 0; j < w->p; j++)
            for (size_t k = 0; k <= j; k++)
                *to++ += w->z[j] * w->z[k];
        for (size_t j = 0; w->rows->n_tasks && j < w->p; j++)
            w->sum[w->rows->task[i] * w->p + j] += w->z[j];
    }
}

static double penalty(const struct work *w, size_t j)
{
    return j ? w->strength : w->rows->n_classes ? class_intercept : number_intercept;
}

static double of_level(const struct work *w, size_t t) /* D_t */
{
    return w->c * w->sum[t * w->p] + w->strength;
}

static bool factor(struct work *w)
{
    for (size_t i = 0; i < packed(w->p); i++)
        w->factor[i] = w->c * w->gram[i];
    for (size_t j = 0; j < w->p; j++)
        w->factor[packed(j) + j] += penalty(w, j);
    for (size_t t = 0; t < w->rows->n_tasks; t++) {
        const double *s = w->sum + t * w->p;
        double by = w->c * w->c / of_level(w, t), *to = w->factor;
        for (size_t j = 0; s[0] > 0 && j < w->p; j++)
            for (size_t k = 0; k <= j; k++)
                *to++ -= by * s[j] * s[k];
    }
    return small_factor(w->p, w->factor);
}

/* Solves for output k from b and h, in place. */
static void solve(struct work *w, size_t k)
{
    double *b = w->b + k * w->p, *h = w->h + k * w->rows->n_tasks;
    for (size_t t = 0; t < w->rows->n_tasks; t++)
        for (size_t j = 0; j < w->p; j++)
            b[j] -= w->c * w->sum[t * w->p + j] * h[t] / of_level(w, t);
    small_forward(w->p, w->factor, b);
    small_backward(w->p, w->factor, b);
    for (size_t t = 0; t < w->rows->n_tasks; t++) {
        for (size_t j = 0; j < w->p; j++)
            h[t] -= w->c * w->sum[t * w->p + j] * b[j];
        h[t] /= of_level(w, t);
    }
}

/* f of row i, whose z is set. */
static void predict(struct work *w, size_t i)
{
    for (size_t k = 0; k < w->n_out; k++) {
        w->f[k] = w->rows->n_tasks ? w->levels[k * w->rows->n_tasks + w->rows->task[i]] : 0;
        for (size_t j = 0; j < w->p; j++)
            w->f[k] += w->weights[k * w->p + j] * w->z[j];
    }
}

/* b and h: the slope of what is fitted, at the weights; of numbers at 0, where one step is all. */
static void slopes(struct work *w, uint32_t without)
{
    const struct linear_rows *r = w->rows;
    memset(w->b, 0, w->n_out * w->p * sizeof *w->b);
    memset(w->h, 0, w->n_out * r->n_tasks * sizeof *w->h);
    for (size_t i = 0; i < r->n; i++) {
        if (w->fold[i] == without)
            continue;
        set_z(w, i);
        w->f[0] = 0;
        if (r->n_classes) {
            predict(w, i);
            (void)task_answers_probabilities(w->f, r->n_classes);
        }
        for (size_t k = 0; k < w->n_out; k++) {
            double residual = (r->n_classes ? (double)((double)k == r->y[i]) : r->y[i]) - w->f[k];
            for (size_t j = 0; j < w->p; j++)
                w->b[k * w->p + j] += residual * w->z[j];
            if (r->n_tasks)
                w->h[k * r->n_tasks + r->task[i]] += residual;
        }
    }
    for (size_t k = 0; r->n_classes && k < w->n_out; k++) {
        for (size_t j = 0; j < w->p; j++)
            w->b[k * w->p + j] -= penalty(w, j) * w->weights[k * w->p + j];
        for (size_t t = 0; t < r->n_tasks; t++)
            w->h[k * r->n_tasks + t] -= w->strength * w->levels[k * r->n_tasks + t];
    }
}

/* Adds what was solved for to the weights; returns the greatest change. */
static double step(struct work *w)
{
    double most = 0;
    for (size_t i = 0; i < w->n_out * w->p; i++) {
        w->weights[i] += w->b[i];
        most = fmax(most, fabs(w->b[i]));
    }
    for (size_t i = 0; i < w->n_out * w->rows->n_tasks; i++)
        w->levels[i] += w->h[i];
    return most;
}

static void start(struct work *w)
{
    memset(w->weights, 0, w->n_out * w->p * sizeof *w->weights);
    memset(w->levels, 0, w->n_out * w->rows->n_tasks * sizeof *w->levels);
}

/* Weights and levels for a strength, from the sums that were gathered. */
static void fit(struct work *w, uint32_t without, double strength)
{
    double change = 1;
    w->strength = strength;
    if (!factor(w))
        return;
    if (!w->rows->n_classes)
        start(w);
    for (int i = 0; i < (w->rows->n_classes ? MOST_STEPS : 1) && change > step_is_small; i++) {
        slopes(w, without);
        for (size_t k = 0; k < w->n_out; k++)
            solve(w, k);
        change = step(w);
    }
}

static double loss_of_fold(struct work *w, uint32_t fold)
{
    const struct linear_rows *r = w->rows;
    double loss = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (w->fold[i] != fold)
            continue;
        set_z(w, i);
        predict(w, i);
        if (r->n_classes)
            (void)task_answers_probabilities(w->f, w->n_out);
        loss += r->n_classes ? task_measures_surprise(w->f[(size_t)r->y[i]])
                             : (r->y[i] - w->f[0]) * (r->y[i] - w->f[0]);
    }
    return loss;
}

/* Which rows are left out together; returns how many times. */
static uint32_t deal(struct work *w, uint64_t seed)
{
    uint32_t n_folds = w->rows->n < MOST_FOLDS ? (uint32_t)w->rows->n : MOST_FOLDS;
    struct rng r;
    rng_init(&r, seed, 40);
    for (size_t i = 0; i < w->rows->n; i++)
        w->fold[i] = (uint32_t)(i % n_folds);
    rng_shuffle(&r, w->fold, w->rows->n);
    return n_folds;
}

enum err_code linear_fit_make(const struct linear_rows *rows, uint64_t seed, struct linear_fit *out,
                              struct err *e)
{
    struct work w;
    double loss[N_STRENGTHS] = {0};
    size_t best = 0;
    enum err_code code = work_init(&w, rows, out, e);
    if (code)
        return code;
    uint32_t n_folds = deal(&w, seed);
    for (uint32_t fold = 0; n_folds > 1 && fold < n_folds; fold++) {
        gather(&w, fold);
        start(&w);
        for (size_t i = 0; i < N_STRENGTHS; i++) {
            fit(&w, fold, strengths[i]);
            loss[i] += loss_of_fold(&w, fold);
        }
    }
    for (size_t i = 1; i < N_STRENGTHS; i++)
        best = loss[i] < loss[best] ? i : best;
    gather(&w, n_folds); /* no row is left out */
    start(&w);
    for (size_t i = rows->n_classes ? 0 : best; i <= best; i++)
        fit(&w, n_folds, strengths[i]);
    out->strength = strengths[best];
    out->n_errors = n_folds > 1 ? rows->n : 0;
    out->error = n_folds > 1 ? loss[best] / (double)rows->n : NAN;
    work_fini(&w);
    return ERR_OK;
}

void linear_fit_fini(struct linear_fit *f)
{
    mem_free(f->weights);
    mem_free(f->levels);
    *f = (struct linear_fit){0};
}

void linear_fit_predict(const struct linear_fit *f, const real *x, size_t task, double *out)
{
    for (size_t k = 0; k < f->n_out; k++) {
        const double *w = f->weights + k * (f->d + 1);
        out[k] = w[0] + (task < f->n_tasks ? f->levels[k * f->n_tasks + task] : 0);
        for (size_t j = 0; j < f->d; j++)
            out[k] += w[1 + j] * (double)x[j];
    }
}
