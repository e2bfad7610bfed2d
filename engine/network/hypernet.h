/* hypernet - the hypernetwork: a context embedding to the weights of the target network, theta = H(c). A
 * context's theta does not depend on the batch it is made in, to the last bit: every sum runs in the same
 * order.
 *
 * theta is one run of reals, in this order; offsets come from theta_layout:
 *   linear p (D)            = linear_context c + linear_head z                    when has_linear
 *   for each target layer:  weights: shared 0 | full W0 + unvec(G z) (d_out, d_in)
 *                                    low_rank A (d_out, r) then B (r, d_in), W = W0 + A B
 *                                    core K0 + unvec(G z) (k, k)
 *                                    chunked W0 + its part of the chunks (d_out, d_in), see chunked.h
 *                           bias: full b0 + bias_head z, or of chunked b0 + chunks (d_out); else none
 * A model with neighbours has their entries behind it, see engine/network/item_item.h; hypernet_generate
 * writes that there are none.
 * Cost: one matrix-vector product a head; reads every head once. A batch reads every head once for
 * HYPERNET_BATCH contexts; chunks are made context by context.
 * Layer: engine/network
 * Threads: any; workspace and outputs are the caller's.
 * Memory: none of its own. */
#ifndef ENGINE_NETWORK_HYPERNET_H
#define ENGINE_NETWORK_HYPERNET_H

#include "base/err.h"
#include "engine/format/model_spec.h"

#include <stddef.h>

struct theta_layout {
    size_t linear; /* offset of p */
    struct {
        size_t weight; /* offset of the generated weights */
        size_t bias;   /* offset of the generated bias */
    } layers[LIMIT_LAYERS];
    size_t len; /* reals in all */
};

void theta_layout_of(const struct model_spec *spec, struct theta_layout *out);

/* Reals that hypernet_generate needs as workspace. */
size_t hypernet_workspace_len(const struct model_spec *spec);

/* Writes theta (theta_layout.len, and one more of a model with neighbours) for the context c (C). ERR_INVALID
 * when c or a generated weight is not finite. */
enum err_code hypernet_generate(const struct model_spec *spec, const struct model_params *params,
                                const real *c, real *workspace, real *theta, struct err *e) ERR_MUST_CHECK;

/* One context of a batch. */
struct hypernet_job {
    const real *c;  /* (C) */
    real *theta;    /* as for hypernet_generate; left undefined on failure */
    struct err err; /* set: empty, or why this context, and no other, has no theta */
};

enum { HYPERNET_BATCH = 32 }; /* contexts that share one read of the heads */

/* Reals that hypernet_generate_batch needs as workspace. */
size_t hypernet_batch_workspace_len(const struct model_spec *spec);

/* Does n jobs, each as hypernet_generate would. */
void hypernet_generate_batch(const struct model_spec *spec, const struct model_params *params,
                             struct hypernet_job *const *jobs, size_t n, real *workspace);

/* Bytes of matrices that one generation reads. */
size_t hypernet_bytes_read(const struct model_spec *spec, const struct model_params *params);

#endif
