/* passing_user - somebody who is nobody's user: a visitor or a session, of whom a call says all that is to be
 * known. Nothing of it is stored or cached.
 * Layer: server/serving
 * Threads: uses the session's connection and workspaces.
 * Memory: none of its own. */
#ifndef SERVER_SERVING_PASSING_USER_H
#define SERVER_SERVING_PASSING_USER_H

#include "base/err.h"
#include "base/text.h"
#include "server/serving/session.h"
#include "server/serving/user_updates.h"

struct passing_user {
    struct text profile; /* a JSON object; NULL data: none */
    const struct update_interaction
        *interactions; /* (n_interactions) in any order; the newest of an item counts */
    size_t n_interactions;
};

/* The weights that a user has who is registered so; the record stays in recommender_user_record. Interactions
 * with items that the store does not have are passed over. ERR_CONFLICT: the model has no encoder. Cost: a
 * look-up in the store an interaction, an encoding and a generation. */
enum err_code passing_user_weights(struct session *s, struct model_handle *handle,
                                   const struct passing_user *u, struct weights **out,
                                   struct err *e) ERR_MUST_CHECK;

#endif
