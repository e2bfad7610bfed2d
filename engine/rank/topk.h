/* topk - keeps the k best (score, index) pairs seen so far.
 * Cost: push O(1) for what does not enter, else O(log k); finish O(k log k).
 * Order: higher score first; ties by smaller index, so results are reproducible. NaN never enters.
 * Layer: engine/rank
 * Threads: confined to its thread.
 * Memory: the caller's array of k entries; nothing is allocated. */
#ifndef ENGINE_RANK_TOPK_H
#define ENGINE_RANK_TOPK_H

#include "engine/kernels/real.h"

#include <stddef.h>
#include <stdint.h>

struct topk_entry {
    real score;
    uint32_t index;
};

struct topk {
    struct topk_entry *entries; /* (k) a heap with the worst entry on top, until topk_finish */
    size_t k;
    size_t n; /* entries in use */
};

/* Starts on the caller's array of k entries (k may be 0). */
void topk_init(struct topk *t, struct topk_entry *entries, size_t k);

/* Offers one pair. */
void topk_push(struct topk *t, real score, uint32_t index);

/* The score a pair must reach to enter, or -infinity while there is room; lets a caller skip pushes. */
real topk_threshold(const struct topk *t);

/* Sorts the entries best first; returns how many. After it only topk_init may be called. */
size_t topk_finish(struct topk *t);

#endif
