/* softmax_loss - the ranking loss: softmax over a context's positives and the candidates of its batch.
 *
 * For the scores s of n candidates of which T are targets:   L = sum over targets of (log sum exp(s_j + o_j)
 * - s_t) where o_j = `offset` for a sampled negative and 0 for a target. With N negatives drawn uniformly
 * from M items, offset = log(M / N) makes the sum an estimate of the one over all items (Bengio and Senecal
 * 2008, "adaptive importance sampling").
 * Cost: O(n).
 * Layer: engine/train/ranking
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_TRAIN_RANKING_SOFTMAX_LOSS_H
#define ENGINE_TRAIN_RANKING_SOFTMAX_LOSS_H

#include "engine/kernels/real.h"

#include <stddef.h>
#include <stdint.h>

enum candidate { CANDIDATE_LEFT_OUT, CANDIDATE_NEGATIVE, CANDIDATE_TARGET };

/* Returns the loss times `scale` and replaces scores (n) by its gradient. A context without targets has loss
 * 0. */
double softmax_loss(real *scores, const unsigned char *kinds, size_t n, double offset, double scale);

#endif
