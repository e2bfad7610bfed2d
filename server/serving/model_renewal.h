/* model_renewal - a running server takes the files that took the place of its models': each of another
 * file than it was opened from is loaded, as a start would, and then served in the old one's place in one
 * step. Requests go on meanwhile and end with the model they began with. A file that cannot be served, as
 * one of another model with the same name and version, is an error in the log, and the model before goes
 * on. Cost: of a renewal, a start's time for the model, beside the requests. Of its users and tasks the first
 * answer after it generates their weights. The model before stays in memory until every thread took up the
 * next one, which it does at its next request: an idle one holds it.
 * Layer: server/serving
 * Threads: one of its own, which waits to be asked; model_renewal_ask is for any.
 * Memory: a block for its life. */
#ifndef SERVER_SERVING_MODEL_RENEWAL_H
#define SERVER_SERVING_MODEL_RENEWAL_H

#include "base/err.h"
#include "server/serving/counters.h"
#include "server/serving/served_models.h"

struct model_renewal;

/* ERR_NOMEM: no memory, or the system refused the thread. */
enum err_code model_renewal_start(struct serving *serving, struct serving_counters *counters,
                                  struct model_renewal **out, struct err *e) ERR_MUST_CHECK;

/* Has all models looked at soon, once more if that is under way. */
void model_renewal_ask(struct model_renewal *r);

/* Waits for a model that is being loaded, and ends the thread. NULL is allowed. */
void model_renewal_stop(struct model_renewal *r);

/* One look at all models, by the caller's thread. */
void model_renewal_look(struct serving *serving, struct serving_counters *counters);

#endif
