/* screen - which items can be among the best of a context, by a first pass over the catalogue in 8 bits.
 * Layer: engine, for catalogue.c.          Threads: a screen is immutable; workspace and outputs are the caller's.
 * Memory: a byte a value of the embeddings and of their shared parts, and 24 bytes an item. A request needs
 * screen_workspace_len reals, however many items.
 *
 * What comes out are bounds: an item's score, as catalogue.c computes it, is never outside them. Scoring exactly what
 * reaches the k-th best lower bound therefore gives the same answer as scoring everything. */
#ifndef ENGINE_RANK_INT8_BOUNDS_H
#define ENGINE_RANK_INT8_BOUNDS_H

#include "base/err.h"
#include "engine/kernels/int8_kernel.h"
#include "engine/network/target_block.h"

#include <stdbool.h>
#include <stddef.h>

enum { SCREEN_CHUNK_BLOCKS = 256 }; /* blocks a call, so that the bounds stay in the cache */

struct screen;

/* New; *out is NULL, without an error, when the model is not of the kind that this pass knows (a linear part; no layer, or
 * a core layer with ReLU and one output after it) or kernel is NULL.
 * shared: (I, rank) the shared part V x of the core layer. kernel: screen_kernel_best(), or another that runs here. */
enum err_code screen_new(const struct model_spec *spec, const struct model_params *params, const real *shared,
                         const struct screen_kernel *kernel, struct screen **out,
                         struct err *e) ERR_MUST_CHECK;
void screen_free(struct screen *s);

size_t screen_workspace_len(const struct screen *s);

/* Makes a context ready, in the workspace, which *c then borrows. False: numbers too large for bounds; score everything. */
bool screen_prepare(const struct screen *s, const struct target_pass *pass, real *workspace,
                    struct screen_context *c);

/* Bounds of the scores of blocks [first, first + n), n at most SCREEN_CHUNK_BLOCKS. Returns how many of the blocks there
 * are; arrays need room for SCREEN_CHUNK_BLOCKS blocks. Lanes past the last item have bounds of -infinity. */
size_t screen_bounds(const struct screen *s, const struct screen_context *c, size_t first, real *least,
                     real *most);

/* The largest value of each lane over n blocks. */
void screen_lanes_most(const struct screen *s, const real *x, size_t n, real most[KERNEL_LANES]);

/* The first block of [from, n) where a value reaches the threshold, and its lanes; n: none. */
size_t screen_next(const struct screen *s, const real *x, size_t from, size_t n, real threshold,
                   uint16_t *lanes);

#endif
