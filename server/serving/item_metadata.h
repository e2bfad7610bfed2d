/* item_metadata - chosen members of the metadata of listed items, read from the store: the item snapshot has
 * titles and categories alone.
 * Cost: one read of the store an item; so for threads that may wait.
 * Layer: server/serving
 * Threads: confined to its thread.
 * Memory: the texts of one list; item_metadata_fini frees. */
#ifndef SERVER_SERVING_ITEM_METADATA_H
#define SERVER_SERVING_ITEM_METADATA_H

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "engine/rank/topk.h"
#include "server/items/item_snapshot.h"
#include "store/store.h"

#include <stddef.h>

/* All zeros: of no items. */
struct item_metadata {
    struct buf texts;
    size_t *ends; /* (n) where each item's text ends in texts */
};

/* Reads the members `fields` (n_fields) of each of n items, in that order, without those that it lacks: an
 * object each, {} for an item that the store does not have. ERR_LIMIT: they take more than LIMIT_LISTS_BYTES.
 * item_metadata_fini is to be called in any case. */
enum err_code item_metadata_read(struct store_conn *conn, const struct item_snapshot *items,
                                 const struct topk_entry *entries, size_t n, const struct text *fields,
                                 size_t n_fields, struct item_metadata *out, struct err *e) ERR_MUST_CHECK;
void item_metadata_fini(struct item_metadata *m);

/* The object of the i-th item. */
struct text item_metadata_of(const struct item_metadata *m, size_t i);

#endif
