/* A task is looked at in the coordinates of the prior, w = L u with u ~ N(0, I), where its matrix I + L^T
 * X^T X L / s2 is as well conditioned as can be: floats suffice, and L need not be inverted. */
#include "engine/train/task/task_mixed.h"

#include "base/mem.h"
#include "engine/kernels/blas.h"
#include "engine/network/task_head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_ROUNDS = 25,
    PRIOR_TASKS = 2 /* that count with the first L, so that few tasks do not make it flat */
};

#define LEAST_SIZE 1e-8

/* The sums of one task. */
struct sums {
    real *xx;  /* (d, d) X^T X, whole */
    real *xy;  /* (n_outputs, d) X^T y */
    double yy; /* over outputs */
    size_t n;
};

struct search {
    size_t d, n_outputs, n_tasks, n_rows;
    struct sums *tasks;      /* (n_tasks) */
    real *room;              /* what all arrays are in */
    real *l, *shared;        /* (d, d) L; (n_outputs, d) b */
    real *xl, *m, *k, *work; /* (d, d) of the task at hand: X^T X L, the inverse of I + K, K, and one more */
    real *spread;            /* (d, d) the sum over tasks of what u is expected to be, u u^T */
    real *normal, *right;    /* (d, d), (n_outputs, d) of b */
    real *r, *u, *v;         /* (n_outputs, d) of the task at hand: X^T (y - X b), what u is, and one more */
    double noise, squares;   /* s2, and the sum of squares that is left */
    double size;             /* the variance of b's slopes */
    const struct task_mixed_wanted *wanted;
};

/* ---- the tables ---- */

static bool may_be_learned(const struct task_table *t, const struct task_holdout *h, size_t row)
{
    return !(h->held && h->held[row]) && !(t->time && t->time[row] > h->from);
}

/* What the shared model of m says of a row x (d) with its one. */
static double shared_answer(const struct task_mixed *m, const real *x)
{
    double sum = 0;
    for (size_t j = 0; j < m->d; j++)
        sum += m->shared[j] * (double)x[j];
    return sum;
}

/* What straight lines are fitted to: of counts the logarithm, of 0 too. */
static double learned(const struct task_spec *t, double y)
{
    return t->scale == SCALE_COUNT && !t->n_classes ? log(y + 0.5) : task_learned_target(t, y);
}

static double clipped(const struct search *s, const struct model_spec *spec, const real *x, double y)
{
    const struct task_mixed *about = s->wanted->about;
    double clip = spec->task.clip, middle = about && about->present ? shared_answer(about, x) : 0;
    return clip > 0 ? middle + fmax(fmin(y - middle, clip), -clip) : y;
}

static void add_row(struct search *s, struct sums *t, const struct model_spec *spec,
                    const struct task_table *table, size_t row, real *x)
{
    size_t d = s->d;
    memcpy(x, table->x + row * (d - 1), (d - 1) * sizeof *x);
    x[d - 1] = 1;
    blas_ger(d, d, 1, x, x, t->xx, d);
    if (spec->task.n_classes) {
        blas_axpy(d, 1, x, t->xy + (size_t)table->y[row] * d);
        t->yy += 1;
    } else {
        double y = clipped(s, spec, x, learned(&spec->task, table->y[row]));
        blas_axpy(d, (real)y, x, t->xy);
        t->yy += y * y;
    }
    t->n++;
    s->n_rows++;
}

static void add_tasks(struct search *s, const struct model_spec *spec, const struct task_table *table,
                      const struct task_holdout *h)
{
    for (size_t i = 0; i < s->n_tasks; i++) {
        size_t task = h->tasks[h->first_learned + i], n = 0;
        for (size_t row = table->row_start[task]; row < table->row_start[task + 1] && n < TASK_MIXED_ROWS;
             row++)
            if (may_be_learned(table, h, row)) {
                add_row(s, &s->tasks[i], spec, table, row, s->work);
                n++;
            }
    }
}

/* A round takes time with d^3 a task, and memory with d^2. */
static size_t most_tasks(size_t d, size_t n)
{
    const double rounds = (double)TASK_MIXED_TASKS * pow(TASK_MIXED_WIDTH + 1, 3);
    double most = fmin(rounds / pow((double)d, 3), TASK_MIXED_MOST_TASKS);
    return (double)n < most ? n : (size_t)most;
}

static enum err_code start(struct search *s, const struct model_spec *spec, const struct task_holdout *h,
                           const struct task_mixed_wanted *wanted, struct err *e)
{
    *s = (struct search){.d = spec->d_item + 1, .n_outputs = spec->d_output, .wanted = wanted};
    s->n_tasks = most_tasks(s->d, h->n_learned);
    size_t square = s->d * s->d, wide = s->n_outputs * s->d, len = 7 * square + 5 * wide;
    s->tasks = mem_zalloc_array(s->n_tasks, sizeof *s->tasks);
    s->room = mem_zalloc_array(len + s->n_tasks * (square + wide), sizeof *s->room);
    if (!s->tasks || !s->room)
        return err_set(e, ERR_NOMEM, "no memory for the sums of %zu tasks", s->n_tasks);
    real **squares[] = {&s->l, &s->xl, &s->m, &s->k, &s->work, &s->spread, &s->normal};
    real **wides[] = {&s->shared, &s->right, &s->r, &s->u, &s->v};
    real *at = s->room;
    for (size_t i = 0; i < sizeof squares / sizeof *squares; i++, at += square)
        *squares[i] = at;
    for (size_t i = 0; i < sizeof wides / sizeof *wides; i++, at += wide)
        *wides[i] = at;
    for (size_t i = 0; i < s->n_tasks; i++, at += square + wide) {
        s->tasks[i].xx = at;
        s->tasks[i].xy = at + square;
    }
    return ERR_OK;
}

/* ---- a round ---- */

static void mirror(size_t d, real *a)
{
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < i; j++)
            a[j * d + i] = a[i * d + j];
}

/* What is known of a task's u: its mean, into s->u, and its covariance, into s->m. */
static bool look_at_task(struct search *s, const struct sums *t)
{
    size_t d = s->d, o = s->n_outputs;
    real scale = (real)(1 / s->noise);
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, d, d, d, 1, t->xx, d, s->l, d, 0, s->xl, d);
    blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, d, d, d, scale, s->l, d, s->xl, d, 0, s->k, d);
    memcpy(s->m, s->k, d * d * sizeof *s->m);
    for (size_t i = 0; i < d; i++)
        s->m[i * d + i] += 1;
    if (!blas_cholesky(d, s->m, d) || !blas_cholesky_inverse(d, s->m, d))
        return false;
    mirror(d, s->m);
    memcpy(s->r, t->xy, o * d * sizeof *s->r);
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, o, d, d, -1, s->shared, d, t->xx, d, 1, s->r, d);
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, o, d, d, scale, s->r, d, s->l, d, 0, s->v, d); /* L^T r / s2, as rows */
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, o, d, d, 1, s->v, d, s->m, d, 0, s->u, d);
    return true;
}

/* spread += o m + u^T u, and the squares that are left: |y - X (b + L u)|^2 and what of L u is not known. */
static void add_spread(struct search *s, const struct sums *t)
{
    size_t d = s->d, o = s->n_outputs;
    real share = (real)(1 / (double)o);
    double trace = 0;
    blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, d, d, o, share, s->u, d, s->u, d, 1, s->spread, d);
    blas_axpy(d * d, 1, s->m, s->spread);
    for (size_t i = 0; i < d; i++)
        trace += 1 - (double)s->m[i * d + i]; /* of K (I + K)^-1 */
    s->squares += trace * s->noise * (double)o + t->yy;
    /* With v = b + L u: yy - 2 v . xy + v^T xx v, an output at a time. */
    memcpy(s->v, s->shared, o * d * sizeof *s->v);
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, o, d, d, 1, s->u, d, s->l, d, 1, s->v, d);
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, o, d, d, 1, s->v, d, t->xx, d, 0, s->r, d);
    for (size_t i = 0; i < o * d; i++)
        s->squares += (double)s->v[i] * ((double)s->r[i] - 2 * (double)t->xy[i]);
}

/* normal += X^T V^-1 X and right += X^T V^-1 y, V being I s2 + X L L^T X^T: of y without X L's part. */
static void add_normal(struct search *s, const struct sums *t)
{
    size_t d = s->d, o = s->n_outputs;
    real scale = (real)(1 / s->noise), twice = -scale * scale;
    blas_axpy(d * d, scale, t->xx, s->normal);
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, d, d, d, 1, s->xl, d, s->m, d, 0, s->k, d);
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, d, d, d, twice, s->k, d, s->xl, d, 1, s->normal, d);
    blas_axpy(o * d, scale, t->xy, s->right);
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, o, d, d, 1, t->xy, d, s->l, d, 0, s->v, d);
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, o, d, d, twice, s->v, d, s->k, d, 1, s->right, d);
}

/* Slopes that say nothing of the target are as large as their noise alone: b ~ N(0, size) but for the
 * constant, whose size is that of the greatest likelihood. s->k has the factor of b's precision. */
static bool renew_size(struct search *s)
{
    size_t d = s->d;
    double sum = 0, n = (double)(s->n_outputs * (d - 1));
    if (d == 1)
        return true;
    if (!blas_cholesky_inverse(d, s->k, d))
        return false;
    for (size_t j = 0; j < d - 1; j++) {
        sum += (double)s->n_outputs * (double)s->k[j * d + j];
        for (size_t k = 0; k < s->n_outputs; k++)
            sum += (double)s->shared[k * d + j] * (double)s->shared[k * d + j];
    }
    s->size = fmax(sum / n, LEAST_SIZE);
    return true;
}

/* Inputs that say the same leave directions of which nothing is known; how little holds them depends on
 * the rounding of the sums, so it is tried. */
static bool solve_shared(struct search *s)
{
    size_t d = s->d;
    double trace = 0;
    bool solvable = false;
    for (size_t i = 0; i < d; i++)
        trace += (double)s->normal[i * d + i];
    for (double held = 1e-6; held < 1 && !solvable; held *= 10) {
        memcpy(s->k, s->normal, d * d * sizeof *s->k);
        for (size_t i = 0; i < d; i++)
            s->k[i * d + i] += (real)(held * trace / (double)d + (i < d - 1 ? 1 / s->size : 0));
        solvable = blas_cholesky(d, s->k, d);
    }
    if (!solvable)
        return false;
    blas_cholesky_solve(d, s->k, d, s->n_outputs, s->right, d);
    memcpy(s->shared, s->right, s->n_outputs * d * sizeof *s->shared);
    return renew_size(s);
}

/* L becomes L Q with Q Q^T the mean of u u^T, PRIOR_TASKS of the first L included. */
static bool renew_prior(struct search *s, const real *first)
{
    size_t d = s->d;
    real share = (real)(1 / (double)(s->n_tasks + PRIOR_TASKS));
    /* L (sum u u^T) L^T + PRIOR_TASKS L0 L0^T, L0 being diagonal */
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, d, d, d, share, s->l, d, s->spread, d, 0, s->work, d);
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, d, d, d, 1, s->work, d, s->l, d, 0, s->k, d);
    for (size_t i = 0; i < d; i++)
        s->k[i * d + i] += share * (real)PRIOR_TASKS * first[0] * first[0];
    if (s->wanted->levels) {
        s->l[d * d - 1] = (real)sqrt(fmax((double)s->k[d * d - 1], 0));
        return true;
    }
    if (!blas_cholesky(d, s->k, d))
        return false;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            s->l[i * d + j] = j <= i ? s->k[i * d + j] : 0;
    return true;
}

static bool run_round(struct search *s, real first)
{
    size_t d = s->d, o = s->n_outputs;
    s->squares = 0;
    memset(s->spread, 0, d * d * sizeof *s->spread);
    memset(s->normal, 0, d * d * sizeof *s->normal);
    memset(s->right, 0, o * d * sizeof *s->right);
    for (size_t i = 0; i < s->n_tasks; i++) {
        if (!look_at_task(s, &s->tasks[i]))
            return false;
        add_spread(s, &s->tasks[i]);
        add_normal(s, &s->tasks[i]);
    }
    s->noise = fmax(s->squares / ((double)s->n_rows * (double)o), 1e-4);
    return isfinite(s->noise) && solve_shared(s) && renew_prior(s, &first);
}

/* ---- the result ---- */

static enum err_code take(const struct search *s, struct task_mixed *out, struct err *e)
{
    size_t d = s->d;
    double *work = mem_alloc_array(d + blas_eigen_work_len(d), sizeof *work);
    int *integers = mem_alloc_array(blas_eigen_integers_len(d), sizeof *integers);
    double *square = mem_zalloc_array(d * d, sizeof *square);
    out->d = d;
    out->n_outputs = s->n_outputs;
    out->noise = s->noise;
    out->shared = mem_alloc_array(s->n_outputs * d, sizeof *out->shared);
    out->directions = mem_alloc_array(d * d, sizeof *out->directions);
    enum err_code code = work && integers && square && out->shared && out->directions
                             ? ERR_OK
                             : err_set(e, ERR_NOMEM, "no memory for the directions of %zu inputs", d);
    for (size_t i = 0; i < d * d && !code; i++)
        for (size_t k = 0; k <= i % d && i / d >= i % d; k++)
            square[i] += (double)s->l[i / d * d + k] * (double)s->l[i % d * d + k];
    out->present = !code && blas_eigen(d, square, work, work + d, integers);
    for (size_t i = 0; i < d && out->present; i++) /* the values rise */
        for (size_t j = 0; j < d; j++)
            out->directions[i * d + j] = sqrt(fmax(work[d - 1 - i], 0)) * square[(d - 1 - i) * d + j];
    for (size_t i = 0; i < s->n_outputs * d && !code; i++)
        out->shared[i] = (double)s->shared[i];
    mem_free(square);
    mem_free(integers);
    mem_free(work);
    return code;
}

enum err_code task_mixed_find(const struct model_spec *spec, const struct task_table *table,
                              const struct task_holdout *holdout, const struct task_mixed_wanted *wanted,
                              const struct budget *budget, struct task_mixed *out, struct err *e)
{
    struct search s;
    *out = (struct task_mixed){0};
    if (spec->d_item > TASK_MIXED_WIDTH)
        return ERR_OK;
    enum err_code code = start(&s, spec, holdout, wanted, e);
    if (!code) {
        real first = (real)sqrt(0.3 / (double)s.d);
        bool found = true;
        add_tasks(&s, spec, table, holdout);
        for (size_t i = wanted->levels ? s.d - 1 : 0; i < s.d; i++)
            s.l[i * s.d + i] = first;
        s.noise = spec->task.n_classes ? 0.2 : 0.5;
        s.size = 1;
        for (int i = 0; i < N_ROUNDS && found && !(budget && budget_over(budget)); i++)
            found = run_round(&s, first);
        if (found)
            code = take(&s, out, e);
    }
    mem_free(s.room);
    mem_free(s.tasks);
    return code;
}

/* ---- outliers ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum err_code task_mixed_clip(const struct model_spec *spec, const struct task_table *table,
                              const struct task_holdout *holdout, const struct task_mixed *about, double *out,
                              struct err *e)
{
    const double deviations = 5, of_median = 1.4826; /* of normal errors: their deviation by their median */
    size_t n = 0, d = spec->d_item;
    double *sizes = mem_alloc_array(table->row_start[table->n_tasks] + 1, sizeof *sizes);
    real *x = mem_alloc_array(d + 1, sizeof *x);
    enum err_code code = sizes && x ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for errors of all rows");
    *out = 0;
    for (size_t row = 0; row < table->row_start[table->n_tasks] && !code; row++) {
        if (!may_be_learned(table, holdout, row))
            continue;
        memcpy(x, table->x + row * d, d * sizeof *x);
        x[d] = 1;
        sizes[n++] = fabs(task_learned_target(&spec->task, table->y[row]) -
                          (about && about->present ? shared_answer(about, x) : 0));
    }
    if (!code && n) {
        qsort(sizes, n, sizeof *sizes, by_size);
        double clip = deviations * of_median * sizes[n / 2];
        *out = sizes[n - 1] > clip ? clip : 0;
    }
    mem_free(sizes);
    mem_free(x);
    return code;
}

void task_mixed_fini(struct task_mixed *m)
{
    mem_free(m->shared);
    mem_free(m->directions);
    *m = (struct task_mixed){0};
}
