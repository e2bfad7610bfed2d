/* The loops of engine/kernel.h, included once by each kernel_*.c under that file's target options. Not a
 * header for anybody else: it defines static functions. KERNEL_ROWS rows of w share each load of x, so that a
 * block of inputs is read once for several outputs. */
#ifndef ENGINE_KERNEL_BODY_H
#define ENGINE_KERNEL_BODY_H

#include "engine/kernel.h"

#include <string.h>

typedef real lanes
    __attribute__((vector_size(KERNEL_LANES * sizeof(real)), aligned(sizeof(real)), may_alias));

enum { KERNEL_ROWS = 8 };

/* Halves are added to halves: a tree, always the same one, of vector additions. */
static inline real sum_lanes(const lanes *v)
{
    real x[KERNEL_LANES];
    memcpy(x, v, sizeof x);
    for (int i = 0; i < 8; i++)
        x[i] += x[i + 8];
    for (int i = 0; i < 4; i++)
        x[i] += x[i + 4];
    for (int i = 0; i < 2; i++)
        x[i] += x[i + 2];
    return x[0] + x[1];
}

static void dot_rows(const real *x, size_t n, size_t d, const real *w, real *y)
{
    size_t whole = d - d % KERNEL_LANES;
    for (size_t i = 0; i < n; i++) {
        const real *row = x + i * d;
        lanes a = {0};
        real tail = 0;
        for (size_t j = 0; j < whole; j += KERNEL_LANES)
            a += *(const lanes *)(row + j) * *(const lanes *)(w + j);
        for (size_t j = whole; j < d; j++)
            tail += row[j] * w[j];
        y[i] = sum_lanes(&a) + tail;
    }
}

/* KERNEL_ROWS outputs at once. */
static inline void layer_rows(const real *w, const real *bias, const real *start, size_t d_in, const real *x,
                              real *out)
{
    lanes a[KERNEL_ROWS];
    for (int r = 0; r < KERNEL_ROWS; r++) {
        a[r] = start ? *(const lanes *)(start + r * KERNEL_LANES) : (lanes){0};
        if (bias)
            a[r] += bias[r];
    }
    for (size_t i = 0; i < d_in; i++) {
        lanes v = *(const lanes *)(x + i * KERNEL_LANES);
        for (int r = 0; r < KERNEL_ROWS; r++)
            a[r] += w[(size_t)r * d_in + i] * v;
    }
    for (int r = 0; r < KERNEL_ROWS; r++)
        *(lanes *)(out + r * KERNEL_LANES) = a[r];
}

static inline void layer_row(const real *w, const real *bias, const real *start, size_t d_in, const real *x,
                             real *out)
{
    lanes a = start ? *(const lanes *)start : (lanes){0};
    if (bias)
        a += bias[0];
    for (size_t i = 0; i < d_in; i++)
        a += w[i] * *(const lanes *)(x + i * KERNEL_LANES);
    *(lanes *)out = a;
}

static void layer(const real *w, const real *bias, const real *start, size_t d_out, size_t d_in,
                  const real *x, real *out)
{
    size_t o = 0;
    for (; o + KERNEL_ROWS <= d_out; o += KERNEL_ROWS)
        layer_rows(w + o * d_in, bias ? bias + o : NULL, start ? start + o * KERNEL_LANES : NULL, d_in, x,
                   out + o * KERNEL_LANES);
    for (; o < d_out; o++)
        layer_row(w + o * d_in, bias ? bias + o : NULL, start ? start + o * KERNEL_LANES : NULL, d_in, x,
                  out + o * KERNEL_LANES);
}

#include "engine/kernel_train_body.h"

#define KERNEL_TABLE(name)                                                                                   \
    {                                                                                                        \
        name, dot_rows, layer, hidden_forward, hidden_backward                                               \
    }

#endif
