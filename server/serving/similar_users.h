/* similar_users - the users whose contexts are nearest to one user's, by their cosine: what a model makes of
 * a user is his context, so these are the users whom it tells least apart.
 * Cost: one pass over the stored contexts of the model. A user who has none stored is not found.
 * Layer: server/serving
 * Threads: uses the session's connection and workspaces.
 * Memory: the ids of those that are found. */
#ifndef SERVER_SERVING_SIMILAR_USERS_H
#define SERVER_SERVING_SIMILAR_USERS_H

#include "base/err.h"
#include "base/text.h"
#include "server/serving/best_users.h"
#include "server/serving/session.h"

#include <stdbool.h>
#include <stddef.h>

struct similar_users {
    size_t most;             /* that are wanted, at least one */
    bool (*stop)(void *arg); /* asked now and then: whether nobody waits for the answer any more */
    void *arg;
    /* found: */
    struct best_users best; /* by their cosines */
    int64_t n_looked_at;
};

/* Finds them; ERR_NOTFOUND when there is no such user, ERR_CONFLICT as recommender_acquire. To be freed in
 * any case. */
enum err_code similar_users_find(struct session *s, struct model_handle *handle, struct text user,
                                 struct similar_users *out, struct err *e) ERR_MUST_CHECK;
void similar_users_fini(struct similar_users *u);

#endif
