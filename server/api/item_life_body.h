/* item_life_body - the members of an item that say when answers may have it: hidden, available_from,
 * available_until, created.
 * Layer: server/api
 * Threads: any.
 * Memory: none. */
#ifndef SERVER_API_ITEM_LIFE_BODY_H
#define SERVER_API_ITEM_LIFE_BODY_H

#include "server/api/json_body.h"
#include "server/serving/item_updates.h"

/* Reads them of an item's object; null takes one away. What is wrong joins the faults; false: something
 * is. */
bool item_life_body_read(struct request *r, const json_t *object, const struct json_place *at,
                         struct item_registration *g);

/* Appends them as members behind others: what there is to say. */
void item_life_body_add(struct buf *out, const struct store_item_life *life);

#endif
