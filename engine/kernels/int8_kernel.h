/* int8_kernel - the loops of a first pass over the catalogue in 8 bits, where the CPU has instructions for
 * it.
 *
 * Bytes lie as the instruction wants them: x[group of 4 values][KERNEL_LANES][4] for a lane block. Values of
 * items are unsigned, 128 above what they mean; what that adds to a sum is taken off at its start.
 * Layer: engine/kernels
 * Threads: any.
 * Memory: the caller's. */
#ifndef ENGINE_KERNELS_INT8_KERNEL_H
#define ENGINE_KERNELS_INT8_KERNEL_H

#include "engine/kernels/kernel.h"

#include <stddef.h>
#include <stdint.h>

/* What all contexts share; every array is lane block by lane block. */
struct int8_bounds_items {
    size_t n_blocks, groups,
        v_groups;   /* groups of 4 values of an embedding and of its shared part (0: none) */
    uint8_t *x, *v; /* (n_blocks, groups, LANES, 4) */
    float *x_scale; /* (n_blocks, LANES) the meaning of one step */
    float v_step;   /* the same of all items' v: then a bias is a whole number of steps, whatever the item */
    float *x_norm, *v_norm; /* lengths, rounding included */
    float *x_lost, *v_lost; /* length of what rounding lost */
    float *base;            /* the part of the score that no context changes */
};

/* One context. A score is
 *   base + x_scale (x . p) p_scale + out_step sum over o of out[o] max(0, (v . w[o] + w_start[o]) >> shift),
 * wrong by at most  slack + by_x_lost x_lost + by_x_norm x_norm + the same of v. Of a hidden unit 15 bits are
 * kept: two of them are multiplied and added by one instruction. */
struct int8_bounds_context {
    const int32_t *p; /* (groups) four signed bytes each */
    int32_t p_start;
    float p_scale;
    size_t n_pairs;             /* of hidden units; the last may be half empty, its out is 0 */
    const int32_t *w, *w_start; /* (n_pairs, 2, v_groups), (n_pairs, 2) */
    const int32_t *out; /* (n_pairs) two signed 16-bit numbers each, the first unit's in the lower half */
    unsigned shift;     /* below 16 */
    float out_step;
    float slack, by_x_lost, by_x_norm, by_v_lost, by_v_norm;
};

struct int8_kernel {
    const char *name; /* "vnni", "avx2" */

    /* A vector of a context, x (n), to groups of four signed bytes: what one step means, the length of what
     * rounding lost, and as result 128 times the bytes' sum, negated. */
    int32_t (*pack)(const float *x, size_t n, size_t groups, int32_t *packed, float *scale, float *lost);
    /* The length of x (n), or a little more. */
    float (*length)(const float *x, size_t n);
    /* y (n) = sum over i of x[i] a[i], for a (n, n). */
    void (*product)(const float *x, const float *a, size_t n, float *y);
    /* The least and the most that the scores of blocks [first, first + n) can be; (n, LANES) each. */
    void (*bounds)(const struct int8_bounds_items *items, const struct int8_bounds_context *c, size_t first,
                   size_t n, float *least, float *most);
    /* The largest value of each lane over n blocks. */
    void (*lanes_most)(const float *x, size_t n, float most[KERNEL_LANES]);
    /* The first block of [from, n) with a value of at least `threshold`, and which lanes have one; n:
     * none. */
    size_t (*next)(const float *x, size_t from, size_t n, float threshold, uint16_t *lanes);
};

/* The quickest on this CPU; static storage, NULL when it has no such instructions. */
const struct int8_kernel *int8_kernel_best(void);

/* All that run on it, the quickest first; returns how many. */
size_t int8_kernel_all(const struct int8_kernel *out[2]);

#endif
