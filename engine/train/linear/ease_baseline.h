/* ease_baseline - EASE fitted to the interactions of a store, for evaluation.
 * Layer: engine/train/linear
 * Threads: made with the given team; scores from any.
 * Memory: a matrix of 4 n_items^2 bytes. */
#ifndef ENGINE_TRAIN_LINEAR_EASE_BASELINE_H
#define ENGINE_TRAIN_LINEAR_EASE_BASELINE_H

#include "base/err.h"
#include "base/parallel.h"
#include "engine/kernels/real.h"
#include "engine/train/data/training.h"

#include <stddef.h>
#include <stdint.h>

struct ease_baseline;

/* Chooses lambda on the newest interaction of each user (a part drawn by seed where times are not known), in
 * the whole catalogue or, above 0, among n_rivals drawn items, then fits all. */
enum err_code ease_baseline_new(const struct train_data *data, struct parallel *team, size_t n_rivals,
                                uint64_t seed, struct ease_baseline **out, struct err *e) ERR_MUST_CHECK;
void ease_baseline_free(struct ease_baseline *b); /* NULL: nothing */

/* What was chosen; NAN: there was nothing to choose by. */
double ease_baseline_lambda(const struct ease_baseline *b);

/* scores (n_items) of a user with these interactions (n). */
void ease_baseline_scores(const struct ease_baseline *b, const struct encoder_interaction *interactions,
                          size_t n, real *scores);

#endif
