/* batch_recovery - what a process that died left of its large batches: the contexts of their users, and the
 * rows of new items that the users took.
 * Layer: server/serving
 * Threads: uses the session's connections and workspaces.
 * Memory: the ids of a batch's users and of the new items that they took, for the call. */
#ifndef SERVER_SERVING_BATCH_RECOVERY_H
#define SERVER_SERVING_BATCH_RECOVERY_H

#include "server/serving/session.h"

/* Does what was left, at a start; what fails is logged, and left again. Another process's batch that is under
 * way may be done twice, which harms nothing. Cost: a look at an empty table where nothing was left; else for
 * each batch a read of all users and what the batch would have taken. */
void batch_recovery(struct session *t);

#endif
