/* watcher - follows what other processes write to the store: cached weights of changed users are dropped,
 * item tables are read anew. Layer: server.       Threads: one of its own, with its own connection to the
 * store. A change of another process is followed within WATCHER_PERIOD_MS plus the time of a read; a cached
 * user costs no read. What could not be followed is tried again in the next period. */
#ifndef SERVER_SERVING_CHANGE_FOLLOWER_H
#define SERVER_SERVING_CHANGE_FOLLOWER_H

#include "base/err.h"
#include "server/serving/counters.h"
#include "server/serving/served_models.h"

#include <stdbool.h>

enum { WATCHER_PERIOD_MS = 100 };

struct watcher;

enum err_code watcher_start(struct serving *serving, struct serving_counters *counters, struct watcher **out,
                            struct err *e) ERR_MUST_CHECK;
void watcher_stop(struct watcher *w); /* NULL is allowed */

/* Whether the store was read lately, by the watcher; asking costs nothing, so that readiness can be asked for while all
 * workers are busy. */
bool watcher_store_answers(const struct serving *serving);

#endif
