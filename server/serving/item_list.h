/* item_list - the items of an answer as JSON: `,"items":[{"id","score",...}]`, and what is said of categories
 * that none has.
 * Layer: server/serving
 * Threads: any; the snapshot is immutable, the buffer the caller's.
 * Memory: none of its own. */
#ifndef SERVER_SERVING_ITEM_LIST_H
#define SERVER_SERVING_ITEM_LIST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "engine/rank/topk.h"
#include "server/items/item_snapshot.h"
#include "server/serving/explain.h"
#include "server/serving/item_metadata.h"

/* Where the items of a list are from: each part goes on to its end. */
enum { ITEM_LIST_SOURCES = 4 };
struct item_sources {
    size_t n;
    struct {
        const char *name; /* static */
        size_t end;
    } at[ITEM_LIST_SOURCES];
};

/* The best items, with the reasons of each when they were asked for. */
struct item_list {
    const struct topk_entry *entries; /* (n) best first */
    size_t n;
    const struct explanation *explanation; /* NULL: not asked for */
    const float *deviations;               /* (n) of the scores, negative: not known; NULL: not asked for */
    const struct item_metadata *metadata;  /* of the n; NULL: not asked for */
    const struct item_sources *sources;    /* NULL: not asked for */
    const struct text *unknown;            /* (n_unknown) ids behind them that no answer has */
    size_t n_unknown;
};

/* Appends the member `items`. ERR_INVALID: a score is not finite. */
enum err_code item_list_add(struct buf *out, const struct item_snapshot *items, const struct item_list *list,
                            struct err *e) ERR_MUST_CHECK;

/* The beginning of what is said of an item. */
void item_list_add_scored(struct buf *out, struct text id, float score);

/* Scores come from numbers that callers gave, so it is theirs to mend. */
enum err_code item_list_refuse_score(struct err *e) ERR_MUST_CHECK;

/* Appends the member `warnings`, which names the categories (n) that no item has, since a list of them alone
 * is empty; nothing where there are none. Spelling counts, so the likely one is said. */
void item_list_warn_of_categories(struct buf *out, const struct item_snapshot *items,
                                  const struct text *categories, size_t n);

#endif
