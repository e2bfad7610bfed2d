/* sorted_items - items in orders that are the same for everybody: by how much they are taken (item_trends.h),
 * or by when they were created. The score of the latest is minus their age in days, so theirs of a time that
 * lies ahead is above 0; an item whose time is not known is none of them.
 * Cost: a pass over the items; sums that are to be made anew are item_trends'.
 * Layer: server/serving
 * Threads: any; reads on the caller's connection.
 * Memory: of the latest some 24 bytes for each that is listed, during the call. */
#ifndef SERVER_SERVING_SORTED_ITEMS_H
#define SERVER_SERVING_SORTED_ITEMS_H

#include "base/text.h"
#include "engine/rank/topk.h"
#include "server/items/item_snapshot.h"
#include "server/serving/item_trends.h"

enum item_sort { ITEM_SORT_POPULAR, ITEM_SORT_TRENDING, ITEM_SORT_LATEST, ITEM_SORTS };

/* Its word; and the sort of a word, false: there is none. */
const char *item_sort_name(enum item_sort sort);
bool item_sort_of(struct text word, enum item_sort *out);

struct sorted_items {
    enum item_sort sort;
    size_t window_days; /* of sums, for which it counts; 0: as item_trends.h has it */
    const struct item_snapshot *items;
    const uint64_t *allowed; /* bits by index of the items that may be listed; NULL: all */
    /* found: */
    struct topk_entry *entries; /* (k) room; the first n best first */
    size_t n;
    int64_t as_of; /* the time of the newest interaction, 0: none has one; of the latest the present one */
};

/* Finds at most k. Waits for the store where sums are to be made. */
enum err_code sorted_items_find(struct sorted_items *s, struct item_trends *trends, struct store_conn *conn,
                                size_t k, struct err *e) ERR_MUST_CHECK;

#endif
