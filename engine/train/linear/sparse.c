/* A product with the matrix turned round would add to rows from several threads; turning the matrix once and
 * multiplying by rows gives the same sums in a fixed order. */
#include "engine/train/linear/sparse.h"

#include "base/mem.h"
#include "engine/kernels/blas.h"

#include <string.h>

enum { ROWS_AT_ONCE = 64 };

enum err_code sparse_init(struct sparse *m, size_t n_rows, size_t n_columns, size_t n, struct err *e)
{
    *m = (struct sparse){.n_rows = n_rows,
                         .n_columns = n_columns,
                         .start = mem_zalloc_array(n_rows + 1, sizeof *m->start),
                         .column = mem_alloc_array(n, sizeof *m->column),
                         .value = mem_alloc_array(n, sizeof *m->value)};
    if (m->start && m->column && m->value)
        return ERR_OK;
    sparse_fini(m);
    return err_set(e, ERR_NOMEM, "no memory for a matrix of %zu entries", n);
}

void sparse_fini(struct sparse *m)
{
    mem_free(m->start);
    mem_free(m->column);
    mem_free(m->value);
    memset(m, 0, sizeof *m);
}

enum err_code sparse_transpose(const struct sparse *m, struct sparse *out, struct err *e)
{
    size_t n = m->start[m->n_rows];
    enum err_code code = sparse_init(out, m->n_columns, m->n_rows, n, e);
    if (code)
        return code;
    for (size_t i = 0; i < n; i++)
        out->start[m->column[i] + 1]++;
    for (size_t c = 0; c < m->n_columns; c++)
        out->start[c + 1] += out->start[c];
    for (size_t r = 0; r < m->n_rows; r++)
        for (size_t i = m->start[r]; i < m->start[r + 1]; i++) {
            size_t at = out->start[m->column[i]]++;
            out->column[at] = (uint32_t)r;
            out->value[at] = m->value[i];
        }
    for (size_t c = m->n_columns; c > 0; c--) /* filling moved each start to its end */
        out->start[c] = out->start[c - 1];
    out->start[0] = 0;
    return ERR_OK;
}

struct product {
    const struct sparse *m;
    size_t d;
    const real *x;
    real *y;
};

static void times_rows(void *arg, size_t chunk, size_t thread)
{
    (void)thread;
    const struct product *p = arg;
    size_t from = chunk * ROWS_AT_ONCE, to = from + ROWS_AT_ONCE;
    for (size_t r = from; r < to && r < p->m->n_rows; r++) {
        real *y = p->y + r * p->d;
        memset(y, 0, p->d * sizeof *y);
        for (size_t i = p->m->start[r]; i < p->m->start[r + 1]; i++) {
            const real *x = p->x + p->m->column[i] * p->d;
            real value = (real)p->m->value[i];
            for (size_t k = 0; k < p->d; k++)
                y[k] += value * x[k];
        }
    }
}

void sparse_times(const struct sparse *m, struct parallel *team, size_t d, const real *x, real *y)
{
    struct product p = {m, d, x, y};
    parallel_for(team, (m->n_rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE, times_rows, &p);
}
