/* item_search - which items a page of the catalogue has: those of a filter, in one of some categories, by
 * words of their titles. It looks at what a snapshot has, so that an item that is left out is not read.
 * Items that answers may not have now (hidden, outside of their time) are items of the catalogue all the
 * same. An item for which a model has no room (LIMIT_EXTRA_ITEMS) is in no filter and no category.
 * Cost: bits of all items for categories, and for a filter as item_snapshot_filter.
 * Layer: server/items
 * Threads: confined to its thread, for the life of one call.
 * Memory: a bit an item where categories are asked for; item_search_fini frees. */
#ifndef SERVER_ITEMS_ITEM_SEARCH_H
#define SERVER_ITEMS_ITEM_SEARCH_H

#include "server/items/item_snapshot.h"
#include "server/items/title_search.h"

struct item_search {
    const struct item_snapshot *items; /* borrowed */
    const struct title_search *titles; /* borrowed; NULL: any title, or none */
    struct filter_bits *filter;        /* a reference; NULL: any */
    uint64_t *categories;              /* bits by index; NULL: any */
};

/* titles and filter: NULL for any, n_categories: 0. To be ended in any case. ERR_NOMEM. */
enum err_code item_search_init(struct item_search *s, const struct item_snapshot *items,
                               const struct title_search *titles, const struct item_filter *filter,
                               const struct text *categories, size_t n_categories,
                               struct err *e) ERR_MUST_CHECK;
void item_search_fini(struct item_search *s);

/* Whether the item with a key of the store may be one of them: by its row it is (item_search_finds), or else
 * it was changed since the snapshot, or the snapshot does not have it. */
bool item_search_may_find(const struct item_search *s, int64_t key);
bool item_search_finds(const struct item_search *s, const struct store_item *item);

#endif
