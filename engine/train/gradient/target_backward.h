/* target_backward - the target network of one context on many rows of inputs, forward and backward.
 *
 * The contexts of a batch share their inputs x (n, D). What layer 0 makes of x without looking at the context
 * is computed once (target_tape_start), and its gradient is gathered over the contexts and taken back once
 * (target_tape_finish); of layer i > 0 everything depends on the context.
 * Source: core, APG (Yan et al. 2022), o = U K V x; backward: da = U^T do, dK = da t^T, dt = K^T da, dU += do
 * a^T, dV += dt x^T.
 * Layer: engine/train/gradient
 * Threads: a tape is confined to its thread.
 * Memory: a tape holds the activations of one context at a time, and what is common to the contexts of a
 *   batch. */
#ifndef ENGINE_TRAIN_GRADIENT_TARGET_BACKWARD_H
#define ENGINE_TRAIN_GRADIENT_TARGET_BACKWARD_H

#include "base/err.h"
#include "engine/format/model_spec.h"
#include "engine/kernels/kernel.h"
#include "engine/network/hypernet.h"

#include <stddef.h>

struct target_layer_tape {
    real *out;    /* (n_max, d_out) after the activation */
    real *first;  /* (n_max, rank or d_out): V x (core), W0 x (low_rank, shared); of layer 0 common to all
                     contexts */
    real *second; /* (n_max, rank): K V x (core), B x (low_rank) */
};

struct target_tape {
    size_t n_max, n;
    struct theta_layout layout;
    const real *x; /* (n, D) borrowed: the inputs */
    real *dx;      /* (n_max, D) gradient of the inputs, gathered over the contexts */
    real *dfirst;  /* (n_max, width of layers[0].first) the same for layer 0's common part */
    struct target_layer_tape layers[LIMIT_LAYERS];
    real *d[3]; /* (n_max, widest) gradients on their way back */
    real *ones; /* (n_max) */
    const struct kernels *
        fused; /* NULL, or the network is of the form that one kernel computes whole: see target_backward.c */
    real *w;   /* (h, k) of the context, when fused; h units, k = rank */
    real *wt;  /* (k, h) */
    real *dwt; /* (k, h) */
    real *block;
};

enum err_code target_tape_init(struct target_tape *t, const struct model_spec *spec, size_t n_max,
                               struct err *e) ERR_MUST_CHECK;
void target_tape_fini(struct target_tape *t);

/* Begins a batch on inputs x (n, D): computes the common part and zeroes the gathered gradients. */
void target_tape_start(const struct model_spec *spec, const struct model_params *params,
                       struct target_tape *t, const real *x, size_t n);

/* The MLP part of one context, added to y (n, O). */
void target_tape_forward(const struct model_spec *spec, const struct model_params *params,
                         struct target_tape *t, const real *theta, real *y);

/* From dy (n, O) of the last forward: dtheta's entries of the layers are added to, shared tensors' grads too.
 */
void target_tape_backward(const struct model_spec *spec, const struct model_params *params,
                          struct target_tape *t, const real *theta, const real *dy, real *dtheta,
                          const struct model_params *grads);

/* Ends the batch: takes the gathered gradient of the common part back to x and the shared tensors. t->dx is
 * complete. */
void target_tape_finish(const struct model_spec *spec, const struct model_params *params,
                        struct target_tape *t, const struct model_params *grads);

#endif
