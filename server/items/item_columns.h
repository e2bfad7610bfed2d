/* item_columns - the metadata of all items of the store, a column a field, and what the types of the fields
 * are: what filters and groups ask of items, so that no answer reads metadata.
 *
 * Types are those of the values that items have; a field may have several. Members of metadata are fields
 * by their name; what is nested in them is none. The first LIMIT_ITEM_FIELDS fields are kept.
 * Cost: all items once at a start; then what changed, and a copy of the columns in which it did.
 * Layer: server/items
 * Threads: immutable once made; references are atomic.
 * Memory: item_column each; columns that are the same are shared with those before. */
#ifndef SERVER_ITEMS_ITEM_COLUMNS_H
#define SERVER_ITEMS_ITEM_COLUMNS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "server/items/item_column.h"
#include "server/items/item_lives.h"
#include "store/store.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* What changed of the items since something was made of them. */
struct item_changes {
    bool all;       /* anything may have */
    struct buf ids; /* terminated, of the items that did */
};

struct item_columns {
    atomic_size_t refs;
    size_t n;
    struct item_column *columns[LIMIT_ITEM_FIELDS]; /* (n) */
    bool owned[LIMIT_ITEM_FIELDS];                  /* (n) while they are made: nobody shares it */
    size_t n_left_out;                              /* values of further fields */
    struct item_lives lives;
};

/* Makes the columns of the store's items, of which those of `old` (NULL: none) are used where nothing
 * changed; it is old itself where nothing did. One reference. */
enum err_code item_columns_next(struct store_conn *c, struct item_columns *old,
                                const struct item_changes *changes, struct item_columns **out,
                                struct err *e) ERR_MUST_CHECK;

/* Puts the next columns in the place of *columns (NULL: there were none), whose reference goes. */
enum err_code item_columns_follow(struct store_conn *c, struct item_columns **columns,
                                  const struct item_changes *changes, struct err *e) ERR_MUST_CHECK;
struct item_columns *item_columns_ref(struct item_columns *t);
void item_columns_unref(struct item_columns *t); /* NULL is allowed */

/* The column of a field, or NULL: no item has it. */
const struct item_column *item_columns_find(const struct item_columns *t, struct text name);

/* About how many bytes they take. */
size_t item_columns_bytes(const struct item_columns *t);

#endif
