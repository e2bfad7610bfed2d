#include "engine/train/continual/stored_rows_fit.h"

#include "base/mem.h"
#include "engine/kernels/blas.h"
#include "engine/network/stored_rows.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static const double widths[] = {1, 2, 3, 5}; /* by the mean squared distance of two rows */
static const double ridges[] = {0.01, 0.1};
enum { N_WIDTHS = sizeof widths / sizeof *widths, N_RIDGES = sizeof ridges / sizeof *ridges };

struct fit {
    const struct trained_spec *t;
    size_t n, n_classes;
    real *distances;        /* (n, n) */
    real *factor, *inverse; /* (n, n) of the kernel and ridge */
    real *columns;          /* (C, n) weights of each class */
    uint32_t *class_of;     /* (n) of all tasks' classes, by their number */
    uint32_t *task_of;      /* (C) of each of them */
    double mean;            /* squared distance of two rows */
};

static void number_rows(struct fit *f)
{
    size_t row = 0, class = 0;
    for (size_t k = 0; k < f->t->n_tasks; k++)
        for (size_t c = 0; c < f->t->tasks[k].n; c++, class ++) {
            f->task_of[class] = (uint32_t)k;
            for (size_t i = 0; f->t->tasks[k].rows && i < f->t->tasks[k].rows[c]; i++)
                f->class_of[row++] = (uint32_t) class;
        }
}

static void measure(struct fit *f, const real *rows, size_t d)
{
    stored_rows_distances(rows, f->n, rows, f->n, d, f->distances);
    for (size_t i = 0; i < f->n * f->n; i++)
        f->mean += (double)f->distances[i] / ((double)f->n * (double)f->n);
    f->mean = f->mean > 0 ? f->mean : 1; /* all rows are the same */
}

/* False: singular. */
static bool solve(struct fit *f, double width, double ridge)
{
    for (size_t i = 0; i < f->n * f->n; i++)
        f->factor[i] = (real)exp(-width * (double)f->distances[i]);
    for (size_t i = 0; i < f->n; i++)
        f->factor[i * (f->n + 1)] += (real)ridge;
    if (!blas_cholesky(f->n, f->factor, f->n))
        return false;
    memset(f->columns, 0, f->n_classes * f->n * sizeof *f->columns);
    for (size_t i = 0; i < f->n; i++)
        f->columns[f->class_of[i] * f->n + i] = 1;
    blas_cholesky_solve(f->n, f->factor, f->n, f->n_classes, f->columns, f->n);
    return true;
}

/* How many rows are of their task when left out: what the others say of row i is its target less weight over
 * the diagonal of the inverse. */
static size_t count_right(struct fit *f)
{
    size_t right = 0;
    memcpy(f->inverse, f->factor, f->n * f->n * sizeof *f->inverse);
    if (!blas_cholesky_inverse(f->n, f->inverse, f->n))
        return 0;
    for (size_t i = 0; i < f->n; i++) {
        size_t best = 0;
        double most = -INFINITY;
        for (size_t c = 0; c < f->n_classes; c++) {
            double said =
                (c == f->class_of[i]) - (double)f->columns[c * f->n + i] / (double)f->inverse[i * (f->n + 1)];
            best = said > most ? c : best;
            most = said > most ? said : most;
        }
        right += f->task_of[best] == f->task_of[f->class_of[i]];
    }
    return right;
}

static enum err_code choose(struct fit *f, double *width, size_t *most, struct err *e)
{
    double ridge = 0;
    bool any = false;
    *most = 0;
    for (size_t i = 0; i < N_WIDTHS; i++)
        for (size_t k = 0; k < N_RIDGES; k++) {
            if (!solve(f, widths[i] / f->mean, ridges[k]))
                continue;
            size_t right = count_right(f);
            if (any && right <= *most)
                continue;
            any = true;
            *most = right;
            *width = widths[i] / f->mean;
            ridge = ridges[k];
        }
    return any && solve(f, *width, ridge)
               ? ERR_OK
               : err_set(e, ERR_INVALID, "the %zu stored rows cannot be told apart", f->n);
}

static enum err_code reserve(struct fit *f, struct err *e)
{
    f->distances = mem_alloc_array(f->n * f->n, sizeof *f->distances);
    f->factor = mem_alloc_array(f->n * f->n, sizeof *f->factor);
    f->inverse = mem_alloc_array(f->n * f->n, sizeof *f->inverse);
    f->columns = mem_alloc_array(f->n_classes * f->n, sizeof *f->columns);
    f->class_of = mem_alloc_array(f->n, sizeof *f->class_of);
    f->task_of = mem_alloc_array(f->n_classes, sizeof *f->task_of);
    if (f->distances && f->factor && f->inverse && f->columns && f->class_of && f->task_of)
        return ERR_OK;
    return err_set(e, ERR_NOMEM, "no memory for %zu stored rows", f->n);
}

static void end(struct fit *f)
{
    mem_free(f->distances);
    mem_free(f->factor);
    mem_free(f->inverse);
    mem_free(f->columns);
    mem_free(f->class_of);
    mem_free(f->task_of);
}

enum err_code stored_rows_fit(struct trained_spec *t, const real *rows, size_t d, real *weights,
                              double *right, struct err *e)
{
    struct fit f = {.t = t, .n = trained_spec_n_kept(t), .n_classes = trained_spec_n_classes(t)};
    size_t n_right = 0;
    double width = 0;
    enum err_code code = reserve(&f, e);
    if (!code) {
        number_rows(&f);
        measure(&f, rows, d);
        code = choose(&f, &width, &n_right, e);
    }
    for (size_t i = 0; !code && i < f.n; i++)
        for (size_t c = 0; c < f.n_classes; c++)
            weights[i * f.n_classes + c] = f.columns[c * f.n + i];
    if (!code) {
        t->width = width;
        *right = (double)n_right / (double)f.n;
    }
    end(&f);
    return code;
}
