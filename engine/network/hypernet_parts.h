/* hypernet_parts - what theta is made of, one row a run of it; for engine/hypernet*.c only.
 * One context and a batch walk the same table, so that neither can forget what the other does.
 * Layer: engine/network
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_NETWORK_HYPERNET_PARTS_H
#define ENGINE_NETWORK_HYPERNET_PARTS_H

#include "engine/network/hypernet.h"

/* theta[at .. at + n) = base + from_context c + from_trunk z, or from_half z */
struct hypernet_part {
    size_t at, n;
    const real *base;          /* (n), or NULL: 0 */
    const real *from_context;  /* (n, C), or NULL */
    const real *from_trunk;    /* (n, Z), or NULL */
    const uint16_t *from_half; /* (n, Z) in bfloat16, or NULL */
};

enum { HYPERNET_MOST_PARTS = 1 + 2 * LIMIT_LAYERS };

/* What engine/network/hypernet_panels.h makes: each matrix in the layout of kernels.panels. */
struct hypernet_panels {
    const real *trunk[LIMIT_LAYERS];
    struct {
        const real *from_context; /* NULL where the part's is */
        const real *from_trunk;   /* of from_trunk or from_half */
    } parts[HYPERNET_MOST_PARTS]; /* in the order of hypernet_parts */
};

/* Returns how many. */
size_t hypernet_parts(const struct model_spec *spec, const struct model_params *params,
                      const struct theta_layout *layout, struct hypernet_part out[HYPERNET_MOST_PARTS]);

/* What the generated weights of layer i start from, those of a context without anything to say; NULL: none
 * are generated. */
const real *hypernet_layer_base(const struct model_spec *spec, const struct model_params *params, size_t i);

/* The widest of c and the trunk's layers. */
size_t hypernet_widest(const struct model_spec *spec);

bool hypernet_all_finite(const real *x, size_t n);

/* The two refusals, for one context and a batch alike. */
enum err_code hypernet_refuse_context(struct err *e);
enum err_code hypernet_refuse_theta(struct err *e);

#endif
