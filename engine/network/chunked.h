/* chunked - theta made in chunks: the trunk and one head are asked K times, each time for the next P
 * weights (von Oswald et al. 2020, "Continual learning with hypernetworks", section 2.2).
 *
 * theta = theta0 + [H(c_1) | H(c_2) | ... | H(c_K)],   H(c_k) = head trunk(c_k) + head_bias   (P) c_k =
 * [context | embedding of chunk k], which all contexts share or which is the context's own
 *
 * theta0 is the chunked layers' W0 and b0, so that a head which is small gives a network which is theta0
 * nearly: one drawn at random then starts as a network should. Weights of a layer are in the order of
 * theta (engine/network/hypernet.h); the last chunk is cut. Cost: a product a layer of the trunk on K
 * rows, and one of (K, Z) with (Z, P). The head is read once a context.
 * Layer: engine/network
 * Threads: any; activations and theta are the caller's.
 * Memory: none of its own. */
#ifndef ENGINE_NETWORK_CHUNKED_H
#define ENGINE_NETWORK_CHUNKED_H

#include "engine/format/model_spec.h"

#include <stddef.h>

/* Reals of the activations of one context: K rows of what the trunk reads and of what each layer gives. */
size_t chunked_activations_len(const struct model_spec *spec);

/* Those of one layer in them: of layer 0 what the trunk reads (K, model_spec_d_trunk_in), of layer i + 1 what
 * trunk layer i gives (K, d_out); the last is z. */
real *chunked_activations_of(const struct model_spec *spec, real *activations, size_t layer);

/* Writes theta (all of it) and activations for the context c (C). The bits are the same for whoever asks:
 * serving, a batch and training call this. */
void chunked_generate(const struct model_spec *spec, const struct model_params *params, const real *c,
                      real *activations, real *theta);

/* The numbers of c that the trunk reads for every chunk; what is behind them is embeddings of chunks. */
size_t chunked_d_task(const struct model_spec *spec);

/* Reals of all matrices that one generation reads. */
size_t chunked_reals_read(const struct model_spec *spec);

#endif
