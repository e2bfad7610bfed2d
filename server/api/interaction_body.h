/* interaction_body - one interaction of a body, of an event or of a user.
 * Layer: server/api
 * Threads: any.
 * Memory: none; texts are the document's. */
#ifndef SERVER_API_INTERACTION_BODY_H
#define SERVER_API_INTERACTION_BODY_H

#include "server/api/json_body.h"
#include "server/api/kind_names.h"
#include "server/serving/user_updates.h"

/* Reads item, weight, rating, timestamp, kind and id, and of an event the user; now is the clock's. kinds
 * NULL: the name of the kind is looked up later. False: refused. */
bool interaction_body_read(struct request *r, const json_t *value, const struct json_place *at, bool of_event,
                           int64_t now, struct kind_names *kinds, struct update_interaction *out);

#endif
