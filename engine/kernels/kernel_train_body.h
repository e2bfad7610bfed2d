/* The training loops of engine/kernels/kernel.h; part of kernel_body.h and for it alone. Units lie along the
 * lanes, rows are walked: tiles of a few rows by a few registers of units stay in registers.
 * Layer: engine/kernels
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_KERNELS_KERNEL_TRAIN_BODY_H
#define ENGINE_KERNELS_KERNEL_TRAIN_BODY_H

#include "engine/kernels/kernel_body.h"

enum {
    HIDDEN_ROWS = 8,
    HIDDEN_VECTORS = 2, /* of KERNEL_LANES units, in a tile of the forward pass */
    HIDDEN_WIDE =
        KERNEL_PARTS == 1 ? 2 : 1, /* registers of units, in a tile of W's gradient: half of 32, or of 16 */
    HIDDEN_CHUNK = 16
};

typedef __typeof__((part){0} > (part){0}) part_mask;

/* x where the comparison held, else 0. A macro: passing a wide vector to a function is an ABI of its own. */
#define KEPT_PART(held, x) ((part)((part_mask)(x) & (held)))

/* One part of hidden of `rows` rows from row i and of `vectors` vectors of units from unit o; what they give
 * to y is added to sums. */
KERNEL_INLINE void hidden_tile(const struct kernel_hidden *p, size_t i, size_t o, int rows, int vectors,
                               part sums[][KERNEL_PARTS], int q)
{
    part a[HIDDEN_ROWS / 2][HIDDEN_VECTORS];
    const real *f = p->f + i * p->k;
    o += (size_t)q * KERNEL_PART;
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            a[r][v] = p->b ? *(const part *)(p->b + o + (size_t)v * KERNEL_LANES) : (part){0};
    for (size_t j = 0; j < p->k; j++)
        for (int v = 0; v < vectors; v++) {
            part w = *(const part *)(p->wt + j * p->h + o + (size_t)v * KERNEL_LANES);
            for (int r = 0; r < rows; r++)
                a[r][v] += f[(size_t)r * p->k + j] * w;
        }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) {
            size_t unit = o + (size_t)v * KERNEL_LANES;
            part x = KEPT_PART(~(a[r][v] <= 0), a[r][v]); /* NaN stays NaN */
            *(part *)(p->hidden + (i + (size_t)r) * p->h + unit) = x;
            sums[r][q] += x * *(const part *)(p->v + unit);
        }
}

KERNEL_INLINE void hidden_rows(const struct kernel_hidden *p, size_t i, int rows, real *y)
{
    part sums[HIDDEN_ROWS / 2][KERNEL_PARTS] = {{{0}}};
    size_t o = 0;
    for (; o + HIDDEN_VECTORS * KERNEL_LANES <= p->h; o += HIDDEN_VECTORS * KERNEL_LANES)
#pragma GCC unroll 4
        for (int q = 0; q < KERNEL_PARTS; q++)
            hidden_tile(p, i, o, rows, HIDDEN_VECTORS, sums, q);
    if (o < p->h)
#pragma GCC unroll 4
        for (int q = 0; q < KERNEL_PARTS; q++)
            hidden_tile(p, i, o, rows, 1, sums, q);
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
    for (size_t o = 0; o < p->h; o += KERNEL_PART) {
        part v = *(const part *)(p->v + o), dv = *(const part *)(g->dv + o),
             db = g->db ? *(const part *)(g->db + o) : (part){0};
        for (size_t r = 0; r < rows; r++) {
            part x = *(const part *)(p->hidden + (i + r) * p->h + o);
            part d = KEPT_PART(x > 0, dy[i + r] * v);
            dv += dy[i + r] * x;
            db += d;
            *(part *)(gate + r * p->h + o) = d;
        }
        *(part *)(g->dv + o) = dv;
        if (g->db)
            *(part *)(g->db + o) = db;
    }
}

/* df (rows, k) += gate W */
KERNEL_INLINE void hidden_back_rows(const struct kernel_hidden *p, const real *gate, int rows, real *df)
{
    for (size_t j = 0; j < p->k; j += KERNEL_PART) {
        part a[HIDDEN_ROWS];
        for (int r = 0; r < rows; r++)
            a[r] = *(const part *)(df + (size_t)r * p->k + j);
        for (size_t o = 0; o < p->h; o++) {
            part w = *(const part *)(p->w + o * p->k + j);
            for (int r = 0; r < rows; r++)
                a[r] += gate[(size_t)r * p->h + o] * w;
        }
        for (int r = 0; r < rows; r++)
            *(part *)(df + (size_t)r * p->k + j) = a[r];
    }
}

/* dwt[j .. j + HIDDEN_ROWS)[o .. ) += f^T gate over the rows from row i. */
KERNEL_INLINE void hidden_outer_tile(const struct kernel_hidden *p, size_t i, size_t rows, const real *gate,
                                     size_t j, size_t o, int registers, real *dwt)
{
    part a[HIDDEN_ROWS][HIDDEN_WIDE];
    const real *f = p->f + i * p->k + j;
    for (int q = 0; q < HIDDEN_ROWS; q++)
        for (int v = 0; v < registers; v++)
            a[q][v] = *(const part *)(dwt + (j + (size_t)q) * p->h + o + (size_t)v * KERNEL_PART);
    for (size_t r = 0; r < rows; r++)
        for (int v = 0; v < registers; v++) {
            part d = *(const part *)(gate + r * p->h + o + (size_t)v * KERNEL_PART);
            for (int q = 0; q < HIDDEN_ROWS; q++)
                a[q][v] += f[r * p->k + (size_t)q] * d;
        }
    for (int q = 0; q < HIDDEN_ROWS; q++)
        for (int v = 0; v < registers; v++)
            *(part *)(dwt + (j + (size_t)q) * p->h + o + (size_t)v * KERNEL_PART) = a[q][v];
}

static inline void hidden_outer(const struct kernel_hidden *p, size_t i, size_t rows, const real *gate,
                                real *dwt)
{
    for (size_t j = 0; j < p->k; j += HIDDEN_ROWS) {
        size_t o = 0;
        for (; o + HIDDEN_WIDE * KERNEL_PART <= p->h; o += HIDDEN_WIDE * KERNEL_PART)
            hidden_outer_tile(p, i, rows, gate, j, o, HIDDEN_WIDE, dwt);
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
