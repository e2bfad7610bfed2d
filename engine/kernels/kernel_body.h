/* The loops of engine/kernels/kernel.h, included once by each kernel_*.c under that file's target options.
 * Not a header for anybody else: it defines static functions. KERNEL_ROWS rows of w share each load of x, so
 * that a block of inputs is read once for several outputs.
 *
 * A block of lanes is KERNEL_PARTS registers, and every sum stands in one: of a vector that is wider than a
 * register the compiler makes memory, and its loops become ten times as slow. Each lane is summed in the same
 * order whatever the width.
 * Layer: engine/kernels
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_KERNELS_KERNEL_BODY_H
#define ENGINE_KERNELS_KERNEL_BODY_H

#include "engine/kernels/kernel.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifndef KERNEL_REGISTER_BYTES
#define KERNEL_REGISTER_BYTES 16
#endif

/* Of a register, but at least four: half a register of doubles is no case of its own. */
#define KERNEL_PART                                                                                          \
    (KERNEL_REGISTER_BYTES / (int)sizeof(real) < 4 ? 4 : KERNEL_REGISTER_BYTES / (int)sizeof(real))
enum { KERNEL_PARTS = KERNEL_LANES / KERNEL_PART };

typedef real part __attribute__((vector_size(KERNEL_PART * sizeof(real)), aligned(sizeof(real)), may_alias));

enum { KERNEL_ROWS = 8 };

enum { KERNEL_GROUP = KERNEL_REGISTER_BYTES == 16 ? 4 : 8 }; /* rows that become columns together */

/* Into each caller, where counts are known: loops over registers are worth nothing unless they are
 * unrolled. */
#define KERNEL_INLINE static inline __attribute__((always_inline))

typedef real group
    __attribute__((vector_size(KERNEL_GROUP * sizeof(real)), aligned(sizeof(real)), may_alias));
typedef real four __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));

/* Four lanes from 4 i on; i is a constant. */
#define KERNEL_QUARTER(v, i)                                                                                 \
    __builtin_shufflevector((v)[(i)*4 / KERNEL_PART], (v)[(i)*4 / KERNEL_PART], (i)*4 % KERNEL_PART,         \
                            (i)*4 % KERNEL_PART + 1, (i)*4 % KERNEL_PART + 2, (i)*4 % KERNEL_PART + 3)

/* Halves are added to halves: a tree, always the same one, of vector additions. */
KERNEL_INLINE real sum_lanes(const part v[KERNEL_PARTS])
{
    four quarter =
        (KERNEL_QUARTER(v, 0) + KERNEL_QUARTER(v, 2)) + (KERNEL_QUARTER(v, 1) + KERNEL_QUARTER(v, 3));
    return (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]);
}

enum {
    KERNEL_DOTS = KERNEL_PARTS > 2 ? 2 : 4
}; /* rows side by side: the sum of one does not wait for that of another */

KERNEL_INLINE void dots(const real *const *rows, int n, size_t d, const real *w, real *y)
{
    size_t whole = d - d % KERNEL_LANES;
    part a[KERNEL_DOTS][KERNEL_PARTS] = {{{0}}};
    for (size_t j = 0; j < whole; j += KERNEL_LANES)
#pragma GCC unroll 4
        for (int q = 0; q < KERNEL_PARTS; q++)
#pragma GCC unroll 4
            for (int r = 0; r < n; r++)
                a[r][q] +=
                    *(const part *)(rows[r] + j + q * KERNEL_PART) * *(const part *)(w + j + q * KERNEL_PART);
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

/* One part of n outputs, at most KERNEL_ROWS; n is a constant. */
KERNEL_INLINE void layer_part(const real *w, const real *bias, const real *start, int n, size_t d_in,
                              const real *x, real *out)
{
    part a[KERNEL_ROWS];
#pragma GCC unroll 8
    for (int r = 0; r < n; r++) {
        a[r] = start ? *(const part *)(start + r * KERNEL_LANES) : (part){0};
        if (bias)
            a[r] += bias[r];
    }
    for (size_t i = 0; i < d_in; i++) {
        part v = *(const part *)(x + i * KERNEL_LANES);
#pragma GCC unroll 8
        for (int r = 0; r < n; r++)
            a[r] += w[(size_t)r * d_in + i] * v;
    }
#pragma GCC unroll 8
    for (int r = 0; r < n; r++)
        *(part *)(out + r * KERNEL_LANES) = a[r];
}

static void layer(const real *w, const real *bias, const real *start, size_t d_out, size_t d_in,
                  const real *x, real *out)
{
    for (size_t o = 0, n; o < d_out; o += n) {
        const real *own_bias = bias ? bias + o : NULL;
        n = o + KERNEL_ROWS <= d_out ? KERNEL_ROWS : 1;
        for (size_t p = 0; p < KERNEL_LANES; p += KERNEL_PART) {
            const real *from = start ? start + o * KERNEL_LANES + p : NULL;
            if (n == KERNEL_ROWS)
                layer_part(w + o * d_in, own_bias, from, KERNEL_ROWS, d_in, x + p,
                           out + o * KERNEL_LANES + p);
            else
                layer_part(w + o * d_in, own_bias, from, 1, d_in, x + p, out + o * KERNEL_LANES + p);
        }
    }
}

/* ---- rows to columns and back, in registers ---- */

/* out[j] = column j of the square matrix whose row i stands at rows[i]. */
#if KERNEL_REGISTER_BYTES == 16
KERNEL_INLINE void load_columns(const real *const rows[KERNEL_GROUP], group out[KERNEL_GROUP])
{
    group r[4], t[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        r[i] = *(const group *)rows[i];
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        t[2 * i] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 0, 4, 1, 5);
        t[2 * i + 1] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 2, 6, 3, 7);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        out[2 * i] = __builtin_shufflevector(t[i], t[i + 2], 0, 1, 4, 5);
        out[2 * i + 1] = __builtin_shufflevector(t[i], t[i + 2], 2, 3, 6, 7);
    }
}
#else
/* Halves of rows are put together as they are loaded, which costs no shuffle; then pairs and fours change
 * places. */
KERNEL_INLINE void load_columns(const real *const rows[KERNEL_GROUP], group out[KERNEL_GROUP])
{
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        group r[4], t[4];
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
#endif

/* ---- one vector, each output summed in the order of a lane of `layer` ---- */

enum {
    VECTOR_GROUPS = 4,   /* of rows, side by side: each waits for its own sum only */
    FAR_REALS = 1 << 18, /* a larger matrix is not in the caches near the core, and fetching ahead pays */
};

/* The next rows are fetched from memory in the order they lie there, which the rows side by side hide from
 * the CPU. */
static inline void fetch(const real *w)
{
    enum { LINE = 64 };
    for (size_t i = 0; i < KERNEL_GROUP * KERNEL_GROUP * sizeof(real); i += LINE)
        __builtin_prefetch((const char *)w + i);
}

KERNEL_INLINE void vector_groups(const real *w, const real *start, size_t d_in, size_t n_groups, bool far,
                                 const real *x, real *y)
{
    group a[VECTOR_GROUPS];
    size_t whole = d_in - d_in % KERNEL_GROUP;
    for (size_t g = 0; g < n_groups; g++)
        a[g] = start ? *(const group *)(start + g * KERNEL_GROUP) : (group){0};
    const real *next = w + n_groups * KERNEL_GROUP * d_in;
    for (size_t i = 0; i < whole; i += KERNEL_GROUP)
#pragma GCC unroll 4
        for (size_t g = 0; g < n_groups; g++) {
            const real *rows[KERNEL_GROUP];
            group c[KERNEL_GROUP];
#pragma GCC unroll 8
            for (size_t r = 0; r < KERNEL_GROUP; r++)
                rows[r] = w + (g * KERNEL_GROUP + r) * d_in + i;
            load_columns(rows, c);
            if (far)
                fetch(next);
            next += KERNEL_GROUP * KERNEL_GROUP;
#pragma GCC unroll 8
            for (size_t k = 0; k < KERNEL_GROUP; k++)
                a[g] += c[k] * x[i + k];
        }
    for (size_t i = whole; i < d_in; i++)
        for (size_t g = 0; g < n_groups; g++) {
            const real *at = w + g * KERNEL_GROUP * d_in + i;
            group c = {0};
#pragma GCC unroll 8
            for (size_t r = 0; r < KERNEL_GROUP; r++)
                c[r] = at[r * d_in];
            a[g] += c * x[i];
        }
    for (size_t g = 0; g < n_groups; g++)
        *(group *)(y + g * KERNEL_GROUP) = a[g];
}

/* Less than a group of rows. On vectors too: of a loop over one row the compiler makes products and then
 * sums, which round otherwise than products added in one step. */
static void vector_rest(const real *w, const real *start, size_t n, size_t d_in, const real *x, real *y)
{
    group a = {0}, c = {0};
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
    enum { ROWS = VECTOR_GROUPS * KERNEL_GROUP };
    size_t o = 0;
    bool far = d_out * d_in > FAR_REALS;
    for (; o + ROWS <= d_out; o += ROWS)
        vector_groups(w + o * d_in, start ? start + o : NULL, d_in, VECTOR_GROUPS, far, x, y + o);
    for (; o + KERNEL_GROUP <= d_out; o += KERNEL_GROUP)
        vector_groups(w + o * d_in, start ? start + o : NULL, d_in, 1, far, x, y + o);
    if (o < d_out)
        vector_rest(w + o * d_in, start ? start + o : NULL, d_out - o, d_in, x, y + o);
}

/* ---- the same from panels ---- */

/* n rows of the n_blocks lane blocks that a panel has: less in the last one. */
KERNEL_INLINE void panel(const real *w, const real *start, size_t n, size_t n_blocks, size_t d_in,
                         const real *x, real *y)
{
    part a[KERNEL_PANEL / KERNEL_PART] = {0};
    if (start)
        memcpy(a, start, n * sizeof *start);
    for (size_t i = 0; i < d_in; i++)
#pragma GCC unroll 16
        for (size_t b = 0; b < n_blocks * KERNEL_PARTS; b++)
            a[b] += *(const part *)(w + i * n_blocks * KERNEL_LANES + b * KERNEL_PART) * x[i];
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

enum { KERNEL_GROUPS = KERNEL_LANES / KERNEL_GROUP };

/* 16 lanes from groups of them. Where a register holds them it is stored whole: halves would keep the next to
 * read it waiting. */
KERNEL_INLINE void store_lanes(const group columns[KERNEL_GROUPS][KERNEL_GROUP], size_t j, real *x)
{
#if KERNEL_REGISTER_BYTES == 64 && !defined(ENGINE_DOUBLE)
    *(part *)x = __builtin_shufflevector(columns[0][j], columns[1][j], 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
                                         12, 13, 14, 15);
#else
#pragma GCC unroll 4
    for (size_t g = 0; g < KERNEL_GROUPS; g++)
        *(group *)(x + g * KERNEL_GROUP) = columns[g][j];
#endif
}

static void rows_to_lanes(const real *const *rows, size_t n, size_t d, real *x)
{
    size_t whole = n == KERNEL_LANES ? d - d % KERNEL_GROUP : 0;
    for (size_t j = 0; j < whole; j += KERNEL_GROUP) {
        group columns[KERNEL_GROUPS][KERNEL_GROUP];
#pragma GCC unroll 4
        for (size_t g = 0; g < KERNEL_GROUPS; g++) {
            const real *from[KERNEL_GROUP];
#pragma GCC unroll 8
            for (size_t r = 0; r < KERNEL_GROUP; r++)
                from[r] = rows[g * KERNEL_GROUP + r] + j;
            load_columns(from, columns[g]);
        }
#pragma GCC unroll 8
        for (size_t r = 0; r < KERNEL_GROUP; r++)
            store_lanes(columns, r, x + (j + r) * KERNEL_LANES);
    }
    for (size_t j = whole; j < d; j++)
        for (size_t lane = 0; lane < KERNEL_LANES; lane++)
            x[j * KERNEL_LANES + lane] = lane < n ? rows[lane][j] : 0;
}

#ifndef KERNEL_STREAM /* a store of a group past the caches; by default one into them */
#define KERNEL_STREAM(to, value) (*(group *)(to) = (value))
#define KERNEL_STREAM_END()      ((void)0)
#endif

KERNEL_INLINE void turn_lanes(const real *x, size_t d, real *const *rows, size_t at, bool far)
{
    for (size_t lane = 0; lane < KERNEL_LANES; lane += KERNEL_GROUP)
        for (size_t j = 0; j < d; j += KERNEL_GROUP) {
            const real *from[KERNEL_GROUP];
            group c[KERNEL_GROUP];
            for (size_t r = 0; r < KERNEL_GROUP; r++)
                from[r] = x + (j + r) * KERNEL_LANES + lane;
            load_columns(from, c);
            for (size_t r = 0; r < KERNEL_GROUP; r++)
                if (far)
                    KERNEL_STREAM(rows[lane + r] + at + j, c[r]);
                else
                    *(group *)(rows[lane + r] + at + j) = c[r];
        }
}

static bool are_aligned(real *const *rows, size_t n, size_t at)
{
    uintptr_t bits = 0;
    for (size_t i = 0; i < n; i++)
        bits |= (uintptr_t)(rows[i] + at);
    return bits % sizeof(group) == 0;
}

static void lanes_to_rows(const real *x, size_t n, size_t d, real *const *rows, size_t at, bool far,
                          real *non_finite)
{
    size_t whole = n == KERNEL_LANES ? d - d % KERNEL_GROUP : 0;
    for (size_t p = 0; p < KERNEL_LANES; p += KERNEL_PART) {
        part zero = *(const part *)(non_finite + p);
        for (size_t j = 0; j < d; j++)
            zero += 0 * *(const part *)(x + j * KERNEL_LANES + p);
        *(part *)(non_finite + p) = zero;
    }
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

#include "engine/kernels/kernel_train_body.h"

#define KERNEL_TABLE(name)                                                                                   \
    {                                                                                                        \
        name, dot_rows, layer, vector, panels, widen, rows_to_lanes, lanes_to_rows, hidden_forward,          \
            hidden_backward                                                                                  \
    }

#endif
