/* int8_bounds - which items can be among the best of a context, by a first pass over the catalogue in 8 bits.
 *
 * What comes out are bounds: an item's score, as catalogue.c computes it, is never outside them. Scoring
 * exactly what reaches the k-th best lower bound therefore gives the same answer as scoring everything.
 * A request needs int8_bounds_workspace_len reals, however many items.
 * Layer: engine/rank
 * Threads: a screen is immutable; workspace and outputs are the caller's.
 * Memory: a byte a value of the embeddings and of their shared parts, and 24 bytes an item. */
#ifndef ENGINE_RANK_INT8_BOUNDS_H
#define ENGINE_RANK_INT8_BOUNDS_H

#include "base/err.h"
#include "engine/kernels/int8_kernel.h"
#include "engine/network/target_block.h"

#include <stdbool.h>
#include <stddef.h>

enum { INT8_CHUNK_BLOCKS = 256 }; /* blocks a call, so that the bounds stay in the cache */

struct int8_bounds;

/* New; *out is NULL, without an error, when the model is not of the kind that this pass knows (a linear
 * part; no layer, or a core layer with ReLU and one output after it) or kernel is NULL. shared: (I, rank)
 * the shared part V x of the core layer. kernel: int8_kernel_best(), or another that runs here. */
enum err_code int8_bounds_new(const struct model_spec *spec, const struct model_params *params,
                              const real *shared, const struct int8_kernel *kernel, struct int8_bounds **out,
                              struct err *e) ERR_MUST_CHECK;
void int8_bounds_free(struct int8_bounds *s);

size_t int8_bounds_workspace_len(const struct int8_bounds *s);

/* Makes a context ready, in the workspace, which *c then borrows. False: numbers too large for bounds; score
 * everything. */
bool int8_bounds_prepare(const struct int8_bounds *s, const struct target_pass *pass, real *workspace,
                         struct int8_bounds_context *c);

/* Bounds of the scores of blocks [first, first + n), n at most INT8_CHUNK_BLOCKS. Returns how many of the
 * blocks there are; arrays need room for INT8_CHUNK_BLOCKS blocks. Lanes past the last item have bounds of
 * -infinity. */
size_t int8_bounds_compute(const struct int8_bounds *s, const struct int8_bounds_context *c, size_t first,
                           real *least, real *most);

/* The largest value of each lane over n blocks. */
void int8_bounds_lanes_most(const struct int8_bounds *s, const real *x, size_t n, real most[KERNEL_LANES]);

/* The first block of [from, n) where a value reaches the threshold, and its lanes; n: none. */
size_t int8_bounds_next(const struct int8_bounds *s, const real *x, size_t from, size_t n, real threshold,
                        uint16_t *lanes);

#endif
