/* The training loops of engine/kernel.h; part of kernel_body.h and for it alone. Units lie along the lanes, rows are
 * walked: tiles of HIDDEN_ROWS rows by HIDDEN_VECTORS vectors of units stay in registers. */
#ifndef ENGINE_KERNEL_TRAIN_BODY_H
#define ENGINE_KERNEL_TRAIN_BODY_H

#include "engine/kernel_body.h"

enum { HIDDEN_ROWS = 8, HIDDEN_VECTORS = 2, HIDDEN_CHUNK = 16 };

typedef __typeof__((lanes){0} > (lanes){0}) lanes_mask;

/* x where the comparison held, else 0. A macro: passing a wide vector to a function is an ABI of its own. */
#define KEPT_LANES(held, x) ((lanes)((lanes_mask)(x) & (held)))

/* hidden of `rows` rows from row i and of `vectors` vectors of units from unit o; what they give to y is added to
 * sums. */
static inline __attribute__((always_inline)) void hidden_tile(const struct kernel_hidden *p, size_t i,
                                                              size_t o, int rows, int vectors, lanes *sums)
{
    lanes a[HIDDEN_ROWS / 2][HIDDEN_VECTORS];
    const real *f = p->f + i * p->k;
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            a[r][v] = p->b ? *(const lanes *)(p->b + o + (size_t)v * KERNEL_LANES) : (lanes){0};
    for (size_t j = 0; j < p->k; j++)
        for (int v = 0; v < vectors; v++) {
            lanes w = *(const lanes *)(p->wt + j * p->h + o + (size_t)v * KERNEL_LANES);
            for (int r = 0; r < rows; r++)
                a[r][v] += f[(size_t)r * p->k + j] * w;
        }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) {
            size_t unit = o + (size_t)v * KERNEL_LANES;
            lanes x = KEPT_LANES(~(a[r][v] <= 0), a[r][v]); /* NaN stays NaN */
            *(lanes *)(p->hidden + (i + (size_t)r) * p->h + unit) = x;
            sums[r] += x * *(const lanes *)(p->v + unit);
        }
}

static inline __attribute__((always_inline)) void hidden_rows(const struct kernel_hidden *p, size_t i,
                                                              int rows, real *y)
{
    lanes sums[HIDDEN_ROWS / 2] = {{0}};
    size_t o = 0;
    for (; o + HIDDEN_VECTORS * KERNEL_LANES <= p->h; o += HIDDEN_VECTORS * KERNEL_LANES)
        hidden_tile(p, i, o, rows, HIDDEN_VECTORS, sums);
    if (o < p->h)
        hidden_tile(p, i, o, rows, 1, sums);
    for (int r = 0; r < rows; r++)
        y[i + (size_t)r] += sum_lanes(sums[r]);
}

static void hidden_forward(const struct kernel_hidden *p, real *y)
{
    size_t i = 0;
    for (; i + HIDDEN_ROWS / 2 <= p->n; i += HIDDEN_ROWS / 2)
        hidden_rows(p, i, HIDDEN_ROWS / 2, y);
    for (; i < p->n; i++)
        hidden_rows(p, i, 1, y);
}

/* gate (rows, h) = dy v where the unit was on; db and dv. */
static inline void hidden_gate(const struct kernel_hidden *p, size_t i, size_t rows, const real *dy,
                               real *gate, const struct kernel_hidden_grads *g)
{
    for (size_t o = 0; o < p->h; o += KERNEL_LANES) {
        lanes v = *(const lanes *)(p->v + o), dv = *(const lanes *)(g->dv + o),
              db = g->db ? *(const lanes *)(g->db + o) : (lanes){0};
        for (size_t r = 0; r < rows; r++) {
            lanes x = *(const lanes *)(p->hidden + (i + r) * p->h + o);
            lanes d = KEPT_LANES(x > 0, dy[i + r] * v);
            dv += dy[i + r] * x;
            db += d;
            *(lanes *)(gate + r * p->h + o) = d;
        }
        *(lanes *)(g->dv + o) = dv;
        if (g->db)
            *(lanes *)(g->db + o) = db;
    }
}

/* df (rows, k) += gate W */
static inline __attribute__((always_inline)) void hidden_back_rows(const struct kernel_hidden *p,
                                                                   const real *gate, int rows, real *df)
{
    for (size_t j = 0; j < p->k; j += KERNEL_LANES) {
        lanes a[HIDDEN_ROWS];
        for (int r = 0; r < rows; r++)
            a[r] = *(const lanes *)(df + (size_t)r * p->k + j);
        for (size_t o = 0; o < p->h; o++) {
            lanes w = *(const lanes *)(p->w + o * p->k + j);
            for (int r = 0; r < rows; r++)
                a[r] += gate[(size_t)r * p->h + o] * w;
        }
        for (int r = 0; r < rows; r++)
            *(lanes *)(df + (size_t)r * p->k + j) = a[r];
    }
}

/* dwt[j .. j + HIDDEN_ROWS)[o .. ) += f^T gate over the rows from row i. */
static inline __attribute__((always_inline)) void hidden_outer_tile(const struct kernel_hidden *p, size_t i,
                                                                    size_t rows, const real *gate, size_t j,
                                                                    size_t o, int vectors, real *dwt)
{
    lanes a[HIDDEN_ROWS][HIDDEN_VECTORS];
    const real *f = p->f + i * p->k + j;
    for (int q = 0; q < HIDDEN_ROWS; q++)
        for (int v = 0; v < vectors; v++)
            a[q][v] = *(const lanes *)(dwt + (j + (size_t)q) * p->h + o + (size_t)v * KERNEL_LANES);
    for (size_t r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) {
            lanes d = *(const lanes *)(gate + r * p->h + o + (size_t)v * KERNEL_LANES);
            for (int q = 0; q < HIDDEN_ROWS; q++)
                a[q][v] += f[r * p->k + (size_t)q] * d;
        }
    for (int q = 0; q < HIDDEN_ROWS; q++)
        for (int v = 0; v < vectors; v++)
            *(lanes *)(dwt + (j + (size_t)q) * p->h + o + (size_t)v * KERNEL_LANES) = a[q][v];
}

static inline void hidden_outer(const struct kernel_hidden *p, size_t i, size_t rows, const real *gate,
                                real *dwt)
{
    for (size_t j = 0; j < p->k; j += HIDDEN_ROWS) {
        size_t o = 0;
        for (; o + HIDDEN_VECTORS * KERNEL_LANES <= p->h; o += HIDDEN_VECTORS * KERNEL_LANES)
            hidden_outer_tile(p, i, rows, gate, j, o, HIDDEN_VECTORS, dwt);
        if (o < p->h)
            hidden_outer_tile(p, i, rows, gate, j, o, 1, dwt);
    }
}

/* A chunk of rows at a time, so that its gate stays in the first-level cache between its three uses. */
static void hidden_backward(const struct kernel_hidden *p, const real *dy,
                            const struct kernel_hidden_grads *g)
{
    real gate[HIDDEN_CHUNK * KERNEL_MOST_HIDDEN];
    for (size_t i = 0; i < p->n; i += HIDDEN_CHUNK) {
        size_t rows = p->n - i < HIDDEN_CHUNK ? p->n - i : HIDDEN_CHUNK, r = 0;
        hidden_gate(p, i, rows, dy, gate, g);
        for (; r + HIDDEN_ROWS <= rows; r += HIDDEN_ROWS)
            hidden_back_rows(p, gate + r * p->h, HIDDEN_ROWS, g->df + (i + r) * p->k);
        for (; r < rows; r++)
            hidden_back_rows(p, gate + r * p->h, 1, g->df + (i + r) * p->k);
        hidden_outer(p, i, rows, gate, g->dwt);
    }
}

#endif
