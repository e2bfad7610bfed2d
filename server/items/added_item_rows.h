/* added_item_rows - rows of the items beyond a model's own: from their features, then from who took them.
 * Cost: an item with takers is one read of their contexts and one fold-in; others are sums of a few rows.
 * Layer: server/items
 * Threads: immutable once made; references are atomic.
 * Memory: one block of rows, freed with its last reference. */
#ifndef SERVER_ITEMS_ADDED_ITEM_ROWS_H
#define SERVER_ITEMS_ADDED_ITEM_ROWS_H

#include "base/err.h"
#include "engine/added_items.h"
#include "server/items/item_index.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct added_item_rows;

/* New: rows for the extra items of texts, at most LIMIT_ITEM_TAKERS takers each. Those of old (NULL: none)
 * whose bit in `stale` (by number; NULL: all are stale) is not set are copied. */
enum err_code added_item_rows_make(struct store_conn *c, const struct model *m,
                                   const struct item_index *texts, const struct added_item_rows *old,
                                   const uint64_t *stale, struct added_item_rows **out,
                                   struct err *e) ERR_MUST_CHECK;
struct added_item_rows *added_item_rows_ref(struct added_item_rows *r);
void added_item_rows_unref(struct added_item_rows *r);

const struct added_items *added_item_rows_items(const struct added_item_rows *r);

/* What the row of extra item k was made of. */
struct item_row_source {
    uint32_t n_features, n_takers;
};
struct item_row_source added_item_rows_source(const struct added_item_rows *r, size_t k);

/* Whether some of the rows that were not copied are of items that the store does not follow. */
bool added_item_rows_aside(const struct added_item_rows *r);

#endif
