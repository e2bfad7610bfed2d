/* model_contexts - the contexts of all users for a new model: made in one pass over a snapshot of the store,
 * beside others who write, and stored in short writes.
 *
 * They are what a server that opens the model now would make. Who changes or goes meanwhile gets none, nor
 * does who comes: the store takes no context of a revision that has passed, and a server makes one that is
 * missing at first use. So it is left to do, not wrong, where this ends early, for whatever reason.
 * Cost: a read of all items, users and interactions; an encoding a user. Others wait for a write of a
 *   thousand users at most.
 * Layer: server/serving
 * Threads: confined to its thread.
 * Memory: ids and profiles of all users, and the interactions of a thousand. */
#ifndef SERVER_SERVING_MODEL_CONTEXTS_H
#define SERVER_SERVING_MODEL_CONTEXTS_H

#include "base/err.h"
#include "base/progress.h"
#include "engine/model.h"
#include "store/store.h"

/* Drops those that an encoder made for a model of this name and version before, which are another model's;
 * embeddings that were given stay. Uses the connection's transaction of its own. */
enum err_code model_contexts_drop(struct store_conn *writer, const struct model *m,
                                  struct err *e) ERR_MUST_CHECK;

/* Makes and stores them; of users with a given embedding that stays, and for a model without an encoder there
 * is nothing to do. Two connections, neither within a transaction. progress (may be NULL) is told of the
 * stage "contexts" after each write; false from it ends with what there is: ERR_OK. */
enum err_code model_contexts_put(struct store_conn *reader, struct store_conn *writer, const struct model *m,
                                 progress_fn *progress, void *arg, struct err *e) ERR_MUST_CHECK;

#endif
