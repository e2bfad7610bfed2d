/* layers - the small layers between the products, each with its backward: normalisation and activation; and
 * the dense layer on rows.
 * Layer: engine/network
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_NETWORK_LAYERS_H
#define ENGINE_NETWORK_LAYERS_H

#include "engine/format/model_spec.h"
#include "engine/kernels/kernel.h"
#include "engine/kernels/real.h"

#include <stddef.h>

#define NORM_EPSILON ((real)1e-5)

/* Blocks a normalisation works on: the whole of c (NORM_LAYER), or each block of the encoder (NORM_BLOCK). */
enum { NORM_MAX_BLOCKS = 8 };
size_t norm_blocks(const struct model_spec *spec, size_t widths[NORM_MAX_BLOCKS]);

/* y = weight * (x - mean) / sqrt(var + epsilon) + bias for each block (Ba, Kiros, Hinton 2016, eq. 4); a copy
 * for NORM_NONE. x, y (C); x may be y. saved: NULL, or (2 * NORM_MAX_BLOCKS) mean and 1/sqrt(..) of each
 * block for the backward. */
void norm_forward(const struct model_spec *spec, const real *weight, const real *bias, const real *x, real *y,
                  real *saved);

/* The same on a lane block of contexts, x and y (C, KERNEL_LANES): each lane gets the bits it would get
 * alone. */
void norm_lanes(const struct model_spec *spec, const real *weight, const real *bias, const real *x, real *y);

/* dx (C) is set, dweight and dbias (C) are added to, from dy (C). */
void norm_backward(const struct model_spec *spec, const real *weight, const real *x, const real *saved,
                   const real *dy, real *dx, real *dweight, real *dbias);

/* y (n, d_out) = x (n, d_in) w^T + bias for w (d_out, d_in). */
void dense_forward(const real *x, size_t n, size_t d_in, const real *w, const real *bias, size_t d_out,
                   real *y);

/* From dy (n, d_out): dx (n, d_in) = dy w + beta dx, NULL where it is not wanted; dw += dy^T x, dbias += the
 * columns' sums. */
void dense_backward(const real *x, size_t n, size_t d_in, const real *w, size_t d_out, const real *dy,
                    real beta, real *dx, real *dw, real *dbias);

/* In place. What is no number stays none. */
void activation_forward(enum activation a, real *x, size_t n);

/* dx = dy * f'(x) in place in dy, from y = f(x). */
void activation_backward(enum activation a, const real *y, real *dy, size_t n);

#endif
