/* change_follower - follows what other processes write to the store: cached weights of changed users are
 * dropped, item tables are read anew.
 * A change of another process is followed within CHANGE_FOLLOWER_PERIOD_MS plus the time of a read; a cached
 * user costs no read. What could not be followed is tried again in the next period.
 * Layer: server/serving
 * Threads: one of its own, with its own connection to the store.
 * Memory: a few buffers for its life. */
#ifndef SERVER_SERVING_CHANGE_FOLLOWER_H
#define SERVER_SERVING_CHANGE_FOLLOWER_H

#include "base/err.h"
#include "server/serving/counters.h"
#include "server/serving/served_models.h"

#include <stdbool.h>

enum { CHANGE_FOLLOWER_PERIOD_MS = 100 };

struct change_follower;

enum err_code change_follower_start(struct serving *serving, struct serving_counters *counters,
                                    struct change_follower **out, struct err *e) ERR_MUST_CHECK;
void change_follower_stop(struct change_follower *w); /* NULL is allowed */

/* Whether the store was read lately, by the follower; asking costs nothing, so that readiness can be asked
 * for while all workers are busy. */
bool change_follower_store_answers(const struct serving *serving);

#endif
