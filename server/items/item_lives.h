/* item_lives - when answers may have which items, by the store's keys: of most items there is nothing to
 * say, so those that are hidden or have a time are a short list.
 * Layer: server/items
 * Threads: immutable once made.
 * Memory: 8 bytes an item, and 32 for each that is hidden or has a time; item_lives_fini frees. */
#ifndef SERVER_ITEMS_ITEM_LIVES_H
#define SERVER_ITEMS_ITEM_LIVES_H

#include "server/items/item_index.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zeros: of no items. */
struct item_lives {
    int64_t *created; /* (n_created) by key; 0: not known */
    size_t n_created, created_capacity;
    struct limited_life *limited; /* (n_limited) with rising keys */
    size_t n_limited, limited_capacity;
};

void item_lives_fini(struct item_lives *l);

/* Makes *to, which is of no items, the same. False: no memory. */
bool item_lives_copy(const struct item_lives *from, struct item_lives *to);
bool item_lives_same(const struct item_lives *a, const struct item_lives *b);

/* Says of an item what its record says; false: no memory. */
bool item_lives_set(struct item_lives *l, const struct store_item *item);

/* When an item was created, 0: not known. */
static inline int64_t item_lives_created(const struct item_lives *l, int64_t key)
{
    return (uint64_t)key < l->n_created ? l->created[key] : 0;
}

/* Whether there are items that some list may not have. */
static inline bool item_lives_limit(const struct item_lives *l)
{
    return l->n_limited > 0;
}

/* Takes the bits (by index) of items out that no list may have at a time, in seconds since 1970. Returns
 * when the next item comes or goes, INT64_MAX: none does. */
int64_t item_lives_hide(const struct item_lives *l, const struct item_index *texts, int64_t now,
                        uint64_t *bits);

#endif
