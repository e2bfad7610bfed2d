/* item_snapshot - the items of an answer: what the store says of them and, for those beyond the model's
 * own, their rows; so that an answer reads no item.
 * Layer: server/items
 * Threads: any; readers hold a reference to an immutable snapshot, a refresh publishes the next one.
 * Memory: item_index, added_item_rows, item_columns and filter_cache, shared by snapshots in which they are
 *   the same. */
#ifndef SERVER_ITEMS_ITEM_SNAPSHOT_H
#define SERVER_ITEMS_ITEM_SNAPSHOT_H

#include "base/err.h"
#include "engine/added_items.h"
#include "engine/model.h"
#include "server/items/added_item_rows.h"
#include "server/items/filter_cache.h"
#include "server/items/item_columns.h"
#include "server/items/item_index.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct item_snapshot; /* an immutable snapshot for one model */

/* Reads the model's own items, for training and evaluation; the table has one reference. m is borrowed for
 * the table's life. */
enum err_code item_snapshot_load(struct store_conn *c, const struct model *m, struct item_snapshot **out,
                                 struct err *e) ERR_MUST_CHECK;

/* Reads all items to serve, with those that came after training where the model has an item side. foreign:
 * answers may have items of the model that the store does not have. Of what `old` (NULL: nothing) has, only
 * what changed is made anew. columns: of all items, NULL: filters find no field of metadata; the snapshot
 * takes a reference. now: seconds since 1970, for items that come and go. */
enum err_code item_snapshot_next(struct store_conn *c, const struct model *m, bool foreign,
                                 struct item_snapshot *old, const struct item_changes *changes,
                                 struct item_columns *columns, int64_t now, struct item_snapshot **out,
                                 struct err *e) ERR_MUST_CHECK;

/* Gives columns to a snapshot that no other thread has yet. */
enum err_code item_snapshot_set_columns(struct item_snapshot *t, struct item_columns *columns, int64_t now,
                                        struct err *e) ERR_MUST_CHECK;
struct item_snapshot *item_snapshot_ref(struct item_snapshot *t);
void item_snapshot_unref(struct item_snapshot *t);

/* What the store says of the items. The model's own are below its n_items, and an item's index is the same in
 * all tables of a model and a store. */
const struct item_index *item_snapshot_items(const struct item_snapshot *t);

/* The index of an item that lists may have now, or -1. */
long item_snapshot_find(const struct item_snapshot *t, struct text id);

/* The same of an item that may be hidden, or outside of its time: in no list, but the model ranks it. */
long item_snapshot_find_ranked(const struct item_snapshot *t, struct text id);

/* The items that lists may have now: neither deleted, nor foreign, nor hidden, nor outside of their time.
 * Bits by index, NULL when all are. */
const uint64_t *item_snapshot_shown_bits(const struct item_snapshot *t);

/* When the next item comes or goes by its time, INT64_MAX: none does. The table of then, as of `now`
 * (seconds since 1970), is made by item_snapshot_at of this one, of which it shares all but a bit an item. */
int64_t item_snapshot_changes_at(const struct item_snapshot *t);
enum err_code item_snapshot_at(struct item_snapshot *t, int64_t now, struct item_snapshot **out,
                               struct err *e) ERR_MUST_CHECK;

/* The fields of metadata; NULL: there are none. */
const struct item_columns *item_snapshot_columns(const struct item_snapshot *t);

/* A reference to the bits of a filter, made where nobody asked for them since items changed; and the same
 * only where they need not be made, else NULL. */
enum err_code item_snapshot_filter(const struct item_snapshot *t, const struct item_filter *f,
                                   struct filter_bits **out, struct err *e) ERR_MUST_CHECK;
struct filter_bits *item_snapshot_filter_made(const struct item_snapshot *t, const struct item_filter *f);

/* How many indices there are, and the items beyond the model's own. */
size_t item_snapshot_count(const struct item_snapshot *t);
const struct added_items *item_snapshot_extra(const struct item_snapshot *t); /* NULL: none */

/* Whether rows were made for this table, and not for the old one (NULL: none), of items that the store does
 * not follow. */
bool item_snapshot_aside(const struct item_snapshot *t, const struct item_snapshot *old);

/* The store's keys of the items beyond the model's own to keys (NULL: none), and how many they are. */
size_t item_snapshot_extra_keys(const struct item_snapshot *t, int64_t *keys);

/* ERR_CONFLICT when the store has less than half of the model's items: one of the two belongs to something
 * else. */
enum err_code item_snapshot_check_known(const struct item_snapshot *t, struct err *e) ERR_MUST_CHECK;

/* Where the model has an item's row from: "training", "interactions", "features", "prior". */
const char *item_snapshot_source(const struct item_snapshot *t, size_t index);

#endif
