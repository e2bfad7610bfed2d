/* item_clock - items that come and go by the clock: at their time the tables of items are replaced by ones
 * with other bits, and no answer looks at a clock.
 * Layer: server/serving
 * Threads: any; tables are replaced by who holds serving.following.
 * Memory: a bit an item for each table. */
#ifndef SERVER_SERVING_ITEM_CLOCK_H
#define SERVER_SERVING_ITEM_CLOCK_H

#include "server/serving/served_models.h"

/* Lets items come and go whose time it is; the change follower calls it each period. Cost: a look at the
 * clock; where one does, a bit an item. ERR_NOMEM: the next call tries again. */
enum err_code item_clock_tick(struct serving *s, struct err *e) ERR_MUST_CHECK;

/* Notes when the next item comes or goes, after tables were replaced; with `following`. */
void item_clock_note(struct serving *s);

#endif
