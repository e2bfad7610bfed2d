/* A Cholesky factor of the inputs' covariance grows by a row for each input that is chosen; beside it what
 * the chosen ones leave of each input's variance, and of its covariance with the outputs. */
#include "engine/train/search/input_order.h"

#include "base/mem.h"
#include "engine/format/columns.h"
#include "engine/kernels/blas.h"

#include <math.h>
#include <stdbool.h>

enum { PIECE = 256 };

static const double ridge = 1e-3; /* beside an input's variance: one that hardly varies tells nothing */

struct run {
    enum input_order by;
    const struct model_spec *about;
    size_t d, o, n, most; /* inputs, outputs, rows, inputs that are chosen */
    real *square;         /* (D, D) lower triangle: the covariance */
    real *factor;         /* (most, D) */
    double *left;         /* (D) variance that is left */
    double *with;         /* (D, O) covariance with the outputs that is left */
    real *mean;           /* (D + O) */
    real *x, *y;          /* (PIECE, D), (PIECE, O) of rows, less the means */
    real *cross;          /* (D, O) */
    bool *chosen;         /* (D) */
    size_t n_chosen;
};

static enum err_code reserve(struct run *u, struct err *e)
{
    u->square = mem_zalloc_array(u->d * u->d, sizeof(real));
    u->factor = mem_alloc_array(u->most * u->d, sizeof(real));
    u->left = mem_alloc_array(u->d, sizeof(double));
    u->with = mem_alloc_array(u->d * u->o, sizeof(double));
    u->mean = mem_zalloc_array(u->d + u->o, sizeof(real));
    u->x = mem_alloc_array(PIECE * u->d, sizeof(real));
    u->y = mem_alloc_array(PIECE * u->o, sizeof(real));
    u->cross = mem_zalloc_array(u->d * u->o, sizeof(real));
    u->chosen = mem_zalloc_array(u->d, sizeof(bool));
    return u->square && u->factor && u->left && u->with && u->mean && u->x && u->y && u->cross && u->chosen
               ? ERR_OK
               : err_set(e, ERR_NOMEM, "no memory to compare %zu inputs", u->d);
}

static void release(struct run *u)
{
    mem_free(u->square);
    mem_free(u->factor);
    mem_free(u->left);
    mem_free(u->with);
    mem_free(u->mean);
    mem_free(u->x);
    mem_free(u->y);
    mem_free(u->cross);
    mem_free(u->chosen);
}

/* ---- covariances ---- */

/* A class is 1 in its own place of O; a number is itself. */
static real target_of(const struct run *u, double y, size_t k)
{
    return u->about->task.n_classes ? (real)((size_t)y == k) : (real)y;
}

static void find_means(struct run *u, const struct search_rows *rows)
{
    const real share = 1 / (real)u->n;
    for (size_t i = 0; i < u->n; i++) {
        blas_axpy(u->d, share, rows->x + rows->at[i] * rows->d, u->mean);
        for (size_t k = 0; k < u->o; k++)
            u->mean[u->d + k] += share * target_of(u, rows->y[rows->at[i]], k);
    }
}

static void find_covariances(struct run *u, const struct search_rows *rows)
{
    const real share = 1 / (real)u->n;
    find_means(u, rows);
    for (size_t from = 0, n; from < u->n; from += n) {
        n = u->n - from < PIECE ? u->n - from : PIECE;
        for (size_t i = 0; i < n; i++) {
            size_t at = rows->at[from + i];
            for (size_t j = 0; j < u->d; j++)
                u->x[i * u->d + j] = rows->x[at * rows->d + j] - u->mean[j];
            for (size_t k = 0; k < u->o; k++)
                u->y[i * u->o + k] = target_of(u, rows->y[at], k) - u->mean[u->d + k];
        }
        blas_syrk(u->d, n, share, u->x, u->d, u->square, u->d);
        blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, u->d, u->o, n, share, u->x, u->d, u->y, u->o, 1, u->cross,
                  u->o);
    }
    for (size_t i = 0; i < u->d; i++)
        u->left[i] = (double)u->square[i * u->d + i] + ridge;
    for (size_t i = 0; i < u->d * u->o; i++)
        u->with[i] = (double)u->cross[i];
}

/* ---- the choice ---- */

static real covariance(const struct run *u, size_t i, size_t j)
{
    return i > j ? u->square[i * u->d + j] : u->square[j * u->d + i];
}

/* What the inputs of a column take of the outputs' variance, one by one; or their own that is left. */
static double gain_of(const struct run *u, size_t from, size_t width)
{
    double gain = 0;
    for (size_t i = from; i < from + width; i++) {
        const double *with = u->with + i * u->o;
        if (u->by == INPUT_ORDER_BY_VARIANCE)
            gain += u->left[i];
        for (size_t k = 0; k < u->o && u->by == INPUT_ORDER_BY_TARGET; k++)
            gain += with[k] * with[k] / u->left[i];
    }
    return gain;
}

static void choose(struct run *u, size_t i)
{
    real *row = u->factor + u->n_chosen * u->d;
    double pivot = sqrt(u->left[i]);
    u->chosen[i] = true;
    for (size_t j = 0; j < u->d; j++)
        row[j] = u->chosen[j] ? 0 : covariance(u, i, j);
    for (size_t s = 0; s < u->n_chosen; s++) {
        const real *before = u->factor + s * u->d;
        blas_axpy(u->d, -before[i], before, row);
    }
    u->n_chosen++;
    for (size_t j = 0; j < u->d; j++) {
        if (u->chosen[j])
            continue;
        double l = (double)row[j] / pivot;
        row[j] = (real)l;
        u->left[j] = fmax(u->left[j] - l * l, ridge);
        for (size_t k = 0; k < u->o; k++)
            u->with[j * u->o + k] -= l * u->with[i * u->o + k] / pivot;
    }
}

/* ---- columns ---- */

/* The column that tells most of what is left, of those that fit in. */
static size_t find_next(const struct run *u, size_t *at)
{
    const struct columns *c = &u->about->task.columns;
    size_t best = c->n;
    double most = -1;
    for (size_t k = 0, from = 0; k < c->n; from += column_width(&c->list[k++])) {
        size_t width = column_width(&c->list[k]);
        if (u->chosen[from] || u->n_chosen + width > u->most)
            continue;
        double gain = gain_of(u, from, width);
        if (gain > most) {
            most = gain;
            best = k;
            *at = from;
        }
    }
    return best;
}

static void order_columns(struct run *u, uint32_t *order)
{
    const struct columns *c = &u->about->task.columns;
    size_t n = 0, at = 0;
    for (size_t k; (k = find_next(u, &at)) < c->n;) {
        order[n++] = (uint32_t)k;
        for (size_t i = 0; i < column_width(&c->list[k]); i++)
            choose(u, at + i);
    }
    for (size_t k = 0, from = 0; k < c->n; from += column_width(&c->list[k++]))
        if (!u->chosen[from])
            order[n++] = (uint32_t)k;
}

enum err_code input_order_find(enum input_order by, const struct model_spec *about,
                               const struct search_rows *rows, uint32_t *order, struct err *e)
{
    struct run u = {.by = by,
                    .about = about,
                    .d = about->d_item,
                    .o = about->d_output,
                    .n = rows->n < INPUT_ORDER_ROWS ? rows->n : INPUT_ORDER_ROWS,
                    .most = (about->d_item + 1) / 2};
    enum err_code code = reserve(&u, e);
    if (!code) {
        find_covariances(&u, rows);
        order_columns(&u, order);
    }
    release(&u);
    return code;
}
