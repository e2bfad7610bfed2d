/* hypernet_panels - the matrices of a small hypernetwork once more, in the order in which one context reads
 * them. Matrices that caches hold are read faster than rows can be turned to columns in registers, which rows
 * side by side need (`vector` of engine/kernels/kernel.h); larger ones wait for memory, and there is no use
 * in having them twice.
 * Cost: new: one pass over them.
 * Layer: engine/network
 * Threads: immutable once made.
 * Memory: the matrices of trunk, linear part and heads again, in float32, rows up to a multiple of
 *   KERNEL_LANES; at most HYPERNET_PANELS_BYTES, else there are none. */
#ifndef ENGINE_NETWORK_HYPERNET_PANELS_H
#define ENGINE_NETWORK_HYPERNET_PANELS_H

#include "engine/format/model_spec.h"

enum { HYPERNET_PANELS_BYTES = 4 << 20 };

struct hypernet_panels;

/* NULL for a model that is too large to gain. ERR_NOMEM. */
enum err_code hypernet_panels_new(const struct model_spec *spec, const struct model_params *params,
                                  struct hypernet_panels **out, struct err *e) ERR_MUST_CHECK;
void hypernet_panels_free(struct hypernet_panels *p); /* NULL is allowed */

#endif
