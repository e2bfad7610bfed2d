/* list_rules - what a caller says of the items of a list beyond categories: which may be in it at all, and
 * the score that each must reach.
 * Layer: server/serving
 * Threads: any; nothing is kept.
 * Memory: the caller's. */
#ifndef SERVER_SERVING_LIST_RULES_H
#define SERVER_SERVING_LIST_RULES_H

#include "engine/added_items.h"
#include "engine/rank/topk.h"
#include "server/serving/group_limit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct list_rules {
    bool among;                 /* the candidates and no other item */
    const uint32_t *candidates; /* (n_candidates) rising indices */
    size_t n_candidates;
    const uint32_t *excluded; /* (n_excluded) indices in any order: never in the list */
    size_t n_excluded;
    bool has_min_score;
    double min_score;       /* an item in the list has it or more */
    double diversity;       /* 0: the best come first; up to 1: unlike ones do (engine/rank/diversity.h) */
    struct max_per max_per; /* of the items of one answer; what has no place may be on the next page */
};

/* Takes the bits of excluded items out of allowed. */
void list_rules_exclude(const struct list_rules *c, uint64_t *allowed);

/* Pushes every admitted candidate into top, with the score that a pass over all items finds. indices, scores:
 * rooms of n_candidates. */
void list_rules_push(const struct list_rules *c, const struct model *m, const struct added_items *extra,
                     const real *theta, const struct catalogue_filter *filter, real *workspace,
                     uint32_t *indices, real *scores, struct topk *top);

/* How many of n entries, best first, have the score that is asked for. */
size_t list_rules_reaching(const struct list_rules *c, const struct topk_entry *entries, size_t n);

#endif
