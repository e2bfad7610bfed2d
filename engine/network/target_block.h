/* target_block - the target network on one lane block (KERNEL_LANES rows side by side); shared by target and
 * catalogue.
 * Layer: engine/network
 * Threads: any.
 * Memory: the caller's. */
#ifndef ENGINE_NETWORK_TARGET_BLOCK_H
#define ENGINE_NETWORK_TARGET_BLOCK_H

#include "engine/format/model_spec.h"
#include "engine/kernels/kernel.h"
#include "engine/network/hypernet.h"

#include <stddef.h>

/* What a block pass needs to know; filled once a request. */
struct target_pass {
    const struct model_spec *spec;
    const struct model_params *params;
    const struct kernels *kernels;
    const real *theta;
    struct theta_layout layout;
    const real *product[LIMIT_LAYERS]; /* (d_out, rank) U K of a small core layer, made once; else NULL */
};

/* workspace (target_pass_workspace_len) is the pass's for its life; NULL with theta NULL, when only shared
 * layers are run. */
void target_pass_init(struct target_pass *pass, const struct model_spec *spec,
                      const struct model_params *params, const real *theta, real *workspace);
size_t target_pass_workspace_len(const struct model_spec *spec);

/* Reals of one activation buffer: the widest layer, lane by lane. A pass needs three of them. */
size_t target_block_buffer_len(const struct model_spec *spec);

/* x (d, LANES) from n_rows <= LANES rows of d; the lanes past n_rows are zero. */
void target_block_load(const real *rows, size_t n_rows, size_t d, real *x);

/* The part of layer i that does not depend on the context, from its input x (d_in, LANES): core V x (k,
 * LANES), low_rank W0 x + b0 (d_out, LANES). Only for these two. */
size_t target_block_shared_len(const struct layer_spec *l);
void target_block_shared(const struct target_pass *pass, size_t i, const real *x, real *shared);

/* Layer i: out (d_out, LANES) from x (d_in, LANES); shared is what target_block_shared gave for x, or NULL. x
 * is not read for a core layer with shared. scratch: one buffer. */
void target_block_layer(const struct target_pass *pass, size_t i, const real *x, const real *shared,
                        real *scratch, real *out);

/* Layers first.. to the last, from x, which may be one of the three buffers; returns the output (O, LANES),
 * which is in one of them (or is x when there is no layer). shared belongs to layer `first`. */
const real *target_block_layers(const struct target_pass *pass, size_t first, const real *x,
                                const real *shared, real *buffers);

#endif
