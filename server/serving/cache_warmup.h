/* cache_warmup - a start with the weights that the last run used: the newest users and tasks of the cache are
 * kept in a small file, and their weights are generated again before the server says ready.
 * Cost: of a start, cache_warmup_load's time limit at most; of a save, one pass over the newest entries
 * of each shard under its lock and one small file; of a look once a second, a load. Only ids are kept.
 * Weights come from the store as it is, so a user who changed is answered as he is now, and one who was
 * deleted is not there; his name is out of the file within a second or two. A file that is missing,
 * damaged or of other models is a line in the log and no error.
 * Layer: server/serving
 * Threads: cache_warmup_start makes one, which saves now and then.
 * Memory: the ids of LIMIT_WARM_USERS at most. */
#ifndef SERVER_SERVING_CACHE_WARMUP_H
#define SERVER_SERVING_CACHE_WARMUP_H

#include "base/err.h"
#include "server/serving/served_models.h"

#include <stdbool.h>
#include <stdint.h>

/* Generates weights of the users in the file until all are cached, the cache is full, max_s seconds have
 * passed or stop(arg) says so. */
void cache_warmup_load(struct serving *serving, const char *path, int64_t max_s, bool (*stop)(void *arg),
                       void *arg);

/* Replaces the file as a whole by the newest users of the cache. */
enum err_code cache_warmup_save(struct serving *serving, const char *path, struct err *e) ERR_MUST_CHECK;

struct cache_warmup;

/* Saves every period_s seconds, so that a killed process is followed by a warm start too, and soon after
 * anybody was forgotten. */
enum err_code cache_warmup_start(struct serving *serving, const char *path, int64_t period_s,
                                 struct cache_warmup **out, struct err *e) ERR_MUST_CHECK;

/* Saves once more and ends the thread. NULL is allowed. */
void cache_warmup_stop(struct cache_warmup *w);

#endif
