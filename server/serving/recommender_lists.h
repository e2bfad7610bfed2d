/* recommender_lists - which items an answer lists, best first: what may be listed at all, and of that the
 * best, unlike ones, or so many of a group.
 * Cost: a pass over the items, or over the few that a filter leaves; with groups at most two. Whatever the
 * catalogue, a diverse list looks at LIMIT_DIVERSE_WINDOW items beyond its own and those that were shown, one
 * with groups at 16 for each of its own, or LIMIT_GROUPED_WINDOW where that is more.
 * Layer: server/serving
 * Threads: confined to the recommender's.
 * Memory: the recommender's, which keeps it for the next list. */
#ifndef SERVER_SERVING_RECOMMENDER_LISTS_H
#define SERVER_SERVING_RECOMMENDER_LISTS_H

#include "server/serving/recommender_parts.h"

/* What decides which items may be listed at all. */
struct list_allowing {
    const struct text *categories; /* (n_categories) one of them; 0: any item */
    size_t n_categories;
    const struct item_filter *filter;  /* NULL: none */
    const struct own_history *history; /* what he has of whom it asks; NULL: nothing */
    const struct list_rules *rules;    /* whose excluded items are left out; NULL: none */
    const struct list_page *page;      /* what was shown is left out; NULL: nothing was */
};

/* What is listed, as the first entries of the recommender: n of at most `most`; more: there are others,
 * behind them or left out, which are not shown yet. */
struct listing {
    size_t most, n;
    bool more;
};

/* Makes *array hold n things of a size; it only grows to the largest request seen, which has a limit.
 * ERR_NOMEM. */
enum err_code recommender_reserve(void **array, size_t *have, size_t n, size_t size,
                                  struct err *e) ERR_MUST_CHECK;

/* The items that may be listed as bits, borrowed until the next call or from the snapshot; NULL for all.
 * ERR_NOMEM. */
enum err_code recommender_allow(struct recommender *p, const struct item_snapshot *items,
                                const struct list_allowing *a, const uint64_t **allowed,
                                struct err *e) ERR_MUST_CHECK;

/* How many of the best a list of at most `most` items is first made of. */
size_t recommender_reach(const struct recommend_query *q, size_t most, size_t count);

/* What decides which items a query may list. */
struct list_allowing recommender_allowing(const struct recommend_query *q);

/* Whether a filter left so few of n items that to score each takes less than a pass over all. */
bool recommender_scores_each(const struct recommend_query *q, const uint64_t *allowed, size_t n);

/* Finds the l->most items of a list. With groups there may be fewer although there is more; never none.
 * ERR_NOMEM. */
enum err_code recommender_list(struct recommender *p, struct model_handle *handle, const struct weights *w,
                               const struct recommend_query *q, struct listing *l,
                               struct err *e) ERR_MUST_CHECK;

#endif
