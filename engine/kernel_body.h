/* The loops of engine/kernel.h, included once by each kernel_*.c under that file's target options. Not a
 * header for anybody else: it defines static functions. KERNEL_ROWS rows of w share each load of x, so that a
 * block of inputs is read once for several outputs. */
#ifndef ENGINE_KERNEL_BODY_H
#define ENGINE_KERNEL_BODY_H

#include "engine/kernel.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef real lanes
    __attribute__((vector_size(KERNEL_LANES * sizeof(real)), aligned(sizeof(real)), may_alias));

enum { KERNEL_ROWS = 8 };

enum { KERNEL_EIGHT = 8 };

/* Into each caller, where counts are known: loops over registers are worth nothing unless they are unrolled. */
#define KERNEL_INLINE static inline __attribute__((always_inline))

typedef real eight
    __attribute__((vector_size(KERNEL_EIGHT * sizeof(real)), aligned(sizeof(real)), may_alias));
typedef real four __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));

/* Halves are added to halves: a tree, always the same one, of vector additions. */
KERNEL_INLINE real sum_lanes(lanes v)
{
    eight half = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                 __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
    four quarter =
        __builtin_shufflevector(half, half, 0, 1, 2, 3) + __builtin_shufflevector(half, half, 4, 5, 6, 7);
    return (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]);
}

enum { KERNEL_DOTS = 4 }; /* rows side by side: the sum of one does not wait for that of another */

KERNEL_INLINE void dots(const real *const *rows, int n, size_t d, const real *w, real *y)
{
    size_t whole = d - d % KERNEL_LANES;
    lanes a[KERNEL_DOTS] = {{0}};
    for (size_t j = 0; j < whole; j += KERNEL_LANES)
#pragma GCC unroll 4
        for (int r = 0; r < n; r++)
            a[r] += *(const lanes *)(rows[r] + j) * *(const lanes *)(w + j);
#pragma GCC unroll 4
    for (int r = 0; r < n; r++) {
        real tail = 0;
        for (size_t j = whole; j < d; j++)
            tail += rows[r][j] * w[j];
        y[r] = sum_lanes(a[r]) + tail;
    }
}

static void dot_rows(const real *const *rows, size_t n, size_t d, const real *w, real *y)
{
    size_t i = 0;
    for (; i + KERNEL_DOTS <= n; i += KERNEL_DOTS)
        dots(rows + i, KERNEL_DOTS, d, w, y + i);
    for (; i < n; i++)
        dots(rows + i, 1, d, w, y + i);
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

/* ---- eight rows to eight columns and back, in registers ---- */

/* out[j] = column j of the 8 x 8 matrix whose row i stands at rows[i]. Halves of rows are put together as they are loaded,
 * which costs no shuffle; then pairs and fours change places. */
KERNEL_INLINE void load_columns(const real *const rows[KERNEL_EIGHT], eight out[KERNEL_EIGHT])
{
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        eight r[4], t[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            r[i] = __builtin_shufflevector(*(const four *)(rows[i] + 4 * half),
                                           *(const four *)(rows[i + 4] + 4 * half), 0, 1, 2, 3, 4, 5, 6, 7);
#pragma GCC unroll 2
        for (int i = 0; i < 4; i += 2) {
            t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
            t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
        }
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            out[4 * half + 2 * j] = __builtin_shufflevector(t[j], t[j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            out[4 * half + 2 * j + 1] = __builtin_shufflevector(t[j], t[j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    }
}

/* ---- one vector, each output summed in the order of a lane of `layer` ---- */

enum {
    VECTOR_GROUPS = 4,   /* of eight rows, side by side: each waits for its own sum only */
    FAR_REALS = 1 << 18, /* a larger matrix is not in the caches near the core, and fetching ahead pays */
};

/* The next rows are fetched from memory in the order they lie there, which the rows side by side hide from the CPU. */
static inline void fetch(const real *w)
{
    enum { LINE = 64 };
    for (size_t i = 0; i < KERNEL_EIGHT * KERNEL_EIGHT * sizeof(real); i += LINE)
        __builtin_prefetch((const char *)w + i);
}

KERNEL_INLINE void vector_groups(const real *w, const real *start, size_t d_in, size_t n_groups, bool far,
                                 const real *x, real *y)
{
    eight a[VECTOR_GROUPS];
    size_t whole = d_in - d_in % KERNEL_EIGHT;
    for (size_t g = 0; g < n_groups; g++)
        a[g] = start ? *(const eight *)(start + g * KERNEL_EIGHT) : (eight){0};
    const real *next = w + n_groups * KERNEL_EIGHT * d_in;
    for (size_t i = 0; i < whole; i += KERNEL_EIGHT)
#pragma GCC unroll 4
        for (size_t g = 0; g < n_groups; g++) {
            const real *rows[KERNEL_EIGHT];
            eight c[KERNEL_EIGHT];
#pragma GCC unroll 8
            for (size_t r = 0; r < KERNEL_EIGHT; r++)
                rows[r] = w + (g * KERNEL_EIGHT + r) * d_in + i;
            load_columns(rows, c);
            if (far)
                fetch(next);
            next += KERNEL_EIGHT * KERNEL_EIGHT;
#pragma GCC unroll 8
            for (size_t k = 0; k < KERNEL_EIGHT; k++)
                a[g] += c[k] * x[i + k];
        }
    for (size_t i = whole; i < d_in; i++)
        for (size_t g = 0; g < n_groups; g++) {
            const real *at = w + g * KERNEL_EIGHT * d_in + i;
            eight c = {at[0],        at[d_in],     at[2 * d_in], at[3 * d_in],
                       at[4 * d_in], at[5 * d_in], at[6 * d_in], at[7 * d_in]};
            a[g] += c * x[i];
        }
    for (size_t g = 0; g < n_groups; g++)
        *(eight *)(y + g * KERNEL_EIGHT) = a[g];
}

/* Less than eight rows. On vectors too: of a loop over one row the compiler makes products and then sums, which round
 * otherwise than products added in one step. */
static void vector_rest(const real *w, const real *start, size_t n, size_t d_in, const real *x, real *y)
{
    eight a = {0}, c = {0};
    if (start)
        memcpy(&a, start, n * sizeof *start);
    for (size_t i = 0; i < d_in; i++) {
        for (size_t r = 0; r < n; r++)
            c[r] = w[r * d_in + i];
        a += c * x[i];
    }
    memcpy(y, &a, n * sizeof *y);
}

static void vector(const real *w, const real *start, size_t d_out, size_t d_in, const real *x, real *y)
{
    enum { ROWS = VECTOR_GROUPS * KERNEL_EIGHT };
    size_t o = 0;
    bool far = d_out * d_in > FAR_REALS;
    for (; o + ROWS <= d_out; o += ROWS)
        vector_groups(w + o * d_in, start ? start + o : NULL, d_in, VECTOR_GROUPS, far, x, y + o);
    for (; o + KERNEL_EIGHT <= d_out; o += KERNEL_EIGHT)
        vector_groups(w + o * d_in, start ? start + o : NULL, d_in, 1, far, x, y + o);
    if (o < d_out)
        vector_rest(w + o * d_in, start ? start + o : NULL, d_out - o, d_in, x, y + o);
}

/* ---- the same from panels ---- */

/* n rows of the n_blocks lane blocks that a panel has: less in the last one. */
KERNEL_INLINE void panel(const real *w, const real *start, size_t n, size_t n_blocks, size_t d_in,
                         const real *x, real *y)
{
    lanes a[KERNEL_PANEL / KERNEL_LANES] = {0};
    if (start)
        memcpy(a, start, n * sizeof *start);
    for (size_t i = 0; i < d_in; i++)
#pragma GCC unroll 4
        for (size_t b = 0; b < n_blocks; b++)
            a[b] += *(const lanes *)(w + (i * n_blocks + b) * KERNEL_LANES) * x[i];
    memcpy(y, a, n * sizeof *y);
}

static void panels(const real *w, const real *start, size_t d_out, size_t d_in, const real *x, real *y)
{
    size_t o = 0;
    for (; o + KERNEL_PANEL <= d_out; o += KERNEL_PANEL)
        panel(w + o * d_in, start ? start + o : NULL, KERNEL_PANEL, 4, d_in, x, y + o);
    w += o * d_in;
    start = start ? start + o : NULL;
    switch ((d_out - o + KERNEL_LANES - 1) / KERNEL_LANES) { /* constants, for registers */
    case 1:
        panel(w, start, d_out - o, 1, d_in, x, y + o);
        break;
    case 2:
        panel(w, start, d_out - o, 2, d_in, x, y + o);
        break;
    case 3:
        panel(w, start, d_out - o, 3, d_in, x, y + o);
        break;
    case 4:
        panel(w, start, d_out - o, 4, d_in, x, y + o);
        break;
    default:
        break;
    }
}

static void widen(const uint16_t *x, size_t n, real *y)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)x[i] << 16;
        float value;
        memcpy(&value, &bits, sizeof value);
        y[i] = (real)value;
    }
}

/* ---- rows into lanes and back ---- */

static void rows_to_lanes(const real *const *rows, size_t n, size_t d, real *x)
{
    size_t whole = n == KERNEL_LANES ? d - d % KERNEL_EIGHT : 0;
    for (size_t j = 0; j < whole; j += KERNEL_EIGHT) {
        const real *upper[KERNEL_EIGHT], *lower[KERNEL_EIGHT];
        eight first[KERNEL_EIGHT], second[KERNEL_EIGHT];
#pragma GCC unroll 8
        for (size_t r = 0; r < KERNEL_EIGHT; r++) {
            upper[r] = rows[r] + j;
            lower[r] = rows[KERNEL_EIGHT + r] + j;
        }
        load_columns(upper, first);
        load_columns(lower, second);
        /* Whole vectors: halves would keep the next to read them waiting. */
#pragma GCC unroll 8
        for (size_t r = 0; r < KERNEL_EIGHT; r++)
            *(lanes *)(x + (j + r) * KERNEL_LANES) = __builtin_shufflevector(
                first[r], second[r], 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    }
    for (size_t j = whole; j < d; j++)
        for (size_t lane = 0; lane < KERNEL_LANES; lane++)
            x[j * KERNEL_LANES + lane] = lane < n ? rows[lane][j] : 0;
}

#ifndef KERNEL_STREAM /* a store of eight reals past the caches; by default one into them */
#define KERNEL_STREAM(to, value) (*(eight *)(to) = (value))
#define KERNEL_STREAM_END()      ((void)0)
#endif

KERNEL_INLINE void turn_lanes(const real *x, size_t d, real *const *rows, size_t at, bool far)
{
    for (size_t lane = 0; lane < KERNEL_LANES; lane += KERNEL_EIGHT)
        for (size_t j = 0; j < d; j += KERNEL_EIGHT) {
            const real *from[KERNEL_EIGHT];
            eight c[KERNEL_EIGHT];
            for (size_t r = 0; r < KERNEL_EIGHT; r++)
                from[r] = x + (j + r) * KERNEL_LANES + lane;
            load_columns(from, c);
            for (size_t r = 0; r < KERNEL_EIGHT; r++)
                if (far)
                    KERNEL_STREAM(rows[lane + r] + at + j, c[r]);
                else
                    *(eight *)(rows[lane + r] + at + j) = c[r];
        }
}

static bool are_aligned(real *const *rows, size_t n, size_t at)
{
    uintptr_t bits = 0;
    for (size_t i = 0; i < n; i++)
        bits |= (uintptr_t)(rows[i] + at);
    return bits % sizeof(eight) == 0;
}

static void lanes_to_rows(const real *x, size_t n, size_t d, real *const *rows, size_t at, bool far,
                          real *spoilt)
{
    size_t whole = n == KERNEL_LANES ? d - d % KERNEL_EIGHT : 0;
    lanes zero = *(const lanes *)spoilt;
    for (size_t j = 0; j < d; j++)
        zero += 0 * *(const lanes *)(x + j * KERNEL_LANES);
    *(lanes *)spoilt = zero;
    if (far && whole && are_aligned(rows, n, at)) {
        turn_lanes(x, whole, rows, at, true);
        KERNEL_STREAM_END();
    } else {
        turn_lanes(x, whole, rows, at, false);
    }
    for (size_t lane = 0; lane < n; lane++)
        for (size_t j = whole; j < d; j++)
            rows[lane][at + j] = x[j * KERNEL_LANES + lane];
}

#include "engine/kernel_train_body.h"

#define KERNEL_TABLE(name)                                                                                   \
    {                                                                                                        \
        name, dot_rows, layer, vector, panels, widen, rows_to_lanes, lanes_to_rows, hidden_forward,          \
            hidden_backward                                                                                  \
    }

#endif
