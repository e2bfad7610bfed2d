/* kernel - the inner loops of serving and training, in versions for AVX-512, AVX2 and any CPU, chosen once at
 * run time.
 *
 * A lane block holds KERNEL_LANES rows side by side, x[d][KERNEL_LANES]: each lane is one row (an item), so a
 * row's result does not depend on which other rows are in the block, to the last bit.
 * Layer: engine/kernels
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_KERNELS_KERNEL_H
#define ENGINE_KERNELS_KERNEL_H

#include "engine/kernels/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KERNEL_LANES = 16 };

enum { KERNEL_PANEL = 4 * KERNEL_LANES }; /* rows of a matrix that `panels` reads side by side */

enum { KERNEL_MOST_HIDDEN = 128 };

/* A hidden layer with ReLU and one output on n rows: hidden = max(0, W f + b), y = v . hidden. k and h are
 * multiples of KERNEL_LANES, h is at most KERNEL_MOST_HIDDEN. */
struct kernel_hidden {
    size_t n, k, h;
    const real *f;  /* (n, k) */
    const real *w;  /* (h, k) */
    const real *wt; /* (k, h) the same transposed */
    const real *b;  /* (h); NULL: none */
    const real *v;  /* (h) */
    real *hidden;   /* (n, h) out of the forward, into the backward */
};

/* Gradients, all added to. */
struct kernel_hidden_grads {
    real *df;  /* (n, k) */
    real *dwt; /* (k, h) of W, transposed */
    real *db;  /* (h); NULL: not wanted */
    real *dv;  /* (h) */
};

struct kernels {
    const char *name; /* "avx512", "avx2", "portable" */

    /* y[i] = sum over j of rows[i][j] w[j] for n rows of d, each summed in the same order. */
    void (*dot_rows)(const real *const *rows, size_t n, size_t d, const real *w, real *y);

    /* out[o][lane] = (start ? start[o][lane] : 0) + (bias ? bias[o] : 0) + sum over i of w[o][i] x[i][lane];
     * w (d_out, d_in), x (d_in, LANES), out (d_out, LANES); out may be start. */
    void (*layer)(const real *w, const real *bias, const real *start, size_t d_out, size_t d_in,
                  const real *x, real *out);

    /* y[o] = (start ? start[o] : 0) + sum over i of w[o][i] x[i] for w (d_out, d_in): the bits of a lane of
     * `layer` with the bias start. y may be start. */
    void (*vector)(const real *w, const real *start, size_t d_out, size_t d_in, const real *x, real *y);

    /* The same to the last bit, without a shuffle: w is cut into panels of KERNEL_PANEL rows, each (d_in,
     * rows of it) with the columns one after the other. The last has the rows that are left up to a multiple
     * of LANES, zeros beyond them. */
    void (*panels)(const real *w, const real *start, size_t d_out, size_t d_in, const real *x, real *y);

    /* y (n) = x (n) in bfloat16: the upper half of a float32. */
    void (*widen)(const uint16_t *x, size_t n, real *y);

    /* x[j][lane] = rows[lane][j] for n <= LANES rows of d; the lanes beyond n become 0. */
    void (*rows_to_lanes)(const real *const *rows, size_t n, size_t d, real *x);

    /* rows[lane][at + j] = x[j][lane] for the first n lanes and j < d. non_finite (LANES): each value
     * times 0 is added to its lane's element. An element that was 0 stays 0 as long as all values are
     * finite; an infinity or NAN turns it into NAN. far: the rows will not be read soon, so they are
     * written past the caches where they are aligned to 32 bytes. */
    void (*lanes_to_rows)(const real *x, size_t n, size_t d, real *const *rows, size_t at, bool far,
                          real *non_finite);

    /* y (n) += v . hidden */
    void (*hidden_forward)(const struct kernel_hidden *p, real *y);

    /* From dy (n) and what the forward left in hidden. */
    void (*hidden_backward)(const struct kernel_hidden *p, const real *dy,
                            const struct kernel_hidden_grads *g);
};

/* The version for this CPU; static storage. */
const struct kernels *kernel_best(void);

/* All versions this CPU can run, for tests; returns how many. */
size_t kernel_all(const struct kernels *out[3]);

#endif
