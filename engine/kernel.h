/* kernel - the inner loops of serving, in versions for AVX-512, AVX2 and any CPU, chosen once at run time.
 * Layer: engine.       Threads: any.       Memory: none.
 *
 * A lane block holds KERNEL_LANES rows side by side, x[d][KERNEL_LANES]: each lane is one row (an item), so a
 * row's result does not depend on which other rows are in the block, to the last bit. */
#ifndef ENGINE_KERNEL_H
#define ENGINE_KERNEL_H

#include "engine/real.h"

#include <stddef.h>

enum { KERNEL_LANES = 16 };

struct kernels {
    const char *name; /* "avx512", "avx2", "portable" */

    /* y[i] = sum over j of x[i][j] w[j] for x (n, d), each row summed in the same order. */
    void (*dot_rows)(const real *x, size_t n, size_t d, const real *w, real *y);

    /* out[o][lane] = (start ? start[o][lane] : 0) + (bias ? bias[o] : 0) + sum over i of w[o][i] x[i][lane];
     * w (d_out, d_in), x (d_in, LANES), out (d_out, LANES); out may be start. */
    void (*layer)(const real *w, const real *bias, const real *start, size_t d_out, size_t d_in,
                  const real *x, real *out);
};

/* The version for this CPU; static storage. */
const struct kernels *kernel_best(void);

/* All versions this CPU can run, for tests; returns how many. */
size_t kernel_all(const struct kernels *out[3]);

#endif
