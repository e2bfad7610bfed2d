/* ease_baseline - EASE fitted to the interactions of a store, for evaluation.
 * Layer: server; depends on engine, base.  Threads: filled and fitted by one; scores from any.
 * Memory: 24 bytes an interaction and a matrix of 4 n_items^2 bytes. */
#ifndef SERVER_EASE_BASELINE_H
#define SERVER_EASE_BASELINE_H

#include "base/err.h"
#include "engine/train/parallel.h"

#include <stddef.h>
#include <stdint.h>

struct ease_baseline;

enum err_code ease_baseline_new(size_t n_items, struct ease_baseline **out, struct err *e) ERR_MUST_CHECK;
void ease_baseline_free(struct ease_baseline *b); /* NULL: nothing */

/* Adds an interaction; a user's come one after the other, oldest first. */
enum err_code ease_baseline_add(struct ease_baseline *b, int64_t user_key, uint32_t item, int64_t timestamp,
                                struct err *e) ERR_MUST_CHECK;

/* Chooses lambda on the newest interaction of each user (one drawn by seed where times are not known), then
 * fits all. */
enum err_code ease_baseline_fit(struct ease_baseline *b, struct parallel *team, uint64_t seed,
                                struct err *e) ERR_MUST_CHECK;

/* scores (n_items) of a user who has these items (n). */
void ease_baseline_scores(const struct ease_baseline *b, const uint32_t *items, size_t n, float *scores);

#endif
