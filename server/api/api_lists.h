/* api_lists - pages of all items, which share their route with lists by `sort`, and an item as calls say it.
 * Layer: server/api
 * Threads: confined to its thread.
 * Memory: none of its own. */
#ifndef SERVER_API_API_LISTS_H
#define SERVER_API_API_LISTS_H

#include "server/api/api.h"

/* GET /v1/items without `sort`. */
void api_items_page(struct api_thread *t, struct request *r);

/* Appends what the store knows of an item behind its revision, as members. */
void api_item_add_known(struct buf *out, const struct store_item *item);

#endif
