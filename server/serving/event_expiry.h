/* event_expiry - interactions that are older than their kind is kept, or than all are (--keep-events-days),
 * go while a server runs: a sweep over all users, a stretch at a time between which others write.
 * Layer: server/serving
 * Threads: confined to the change follower's.
 * Memory: none. */
#ifndef SERVER_SERVING_EVENT_EXPIRY_H
#define SERVER_SERVING_EVENT_EXPIRY_H

#include "base/err.h"
#include "server/serving/served_models.h"
#include "store/store.h"

struct event_expiry {
    struct serving *serving; /* says how long all are kept, and which items move */
    int64_t at;              /* where the sweep goes on; 0: none is under way */
    int64_t rest_until_ns;   /* by the monotonic clock; before it no sweep begins */
};

/* Goes on with the sweep for a moment, or begins one where the last is over for a while. *n: interactions
 * that went. ERR_BUSY: others write; the next call goes on. */
enum err_code event_expiry_work(struct event_expiry *x, struct store_conn *c, int64_t *n,
                                struct err *e) ERR_MUST_CHECK;

#endif
