/* item_users - the users who most likely want an item, of those whose contexts are stored; also of an item
 * that nobody took yet.
 *
 * Scores of two users cannot be compared as they are: one finds all items good. So a user's score of an item
 * is its lift, the logarithm of how much more it weighs for him than an item of the catalogue does in the
 * mean,
 *
 *   lift of i = s_i - log(mean over j of exp(s_j))     j: ITEM_USERS_REFERENCES items, evenly spread
 *
 * and of a model of ratings the rating that it predicts, before it is cut to the range of ratings. A
 * generation of weights a user is too much for all of a large store. Where it has more contexts than
 * `most_scored`, some users are scored by their weights, and their scores fitted as a linear function of the
 * contexts (engine/rank/score_proxy.h); of all contexts those whom that function puts first are scored by
 * their weights, up to most_scored.
 * Cost: two passes over the stored contexts, and a generation for each of most_scored and ITEM_USERS_SAMPLE
 *   users. Weights come from no cache and go to none.
 * Layer: server/serving
 * Threads: uses the session's connection and workspaces.
 * Memory: the ids of users, and the contexts of the sample, SAMPLE_BYTES at most. */
#ifndef SERVER_SERVING_ITEM_USERS_H
#define SERVER_SERVING_ITEM_USERS_H

#include "base/err.h"
#include "server/serving/best_users.h"
#include "server/serving/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ITEM_USERS_REFERENCES = 256, ITEM_USERS_SAMPLE = 384, ITEM_USERS_SCORED = 2000 };

struct item_users {
    uint32_t item;           /* its index */
    size_t most;             /* that are wanted, at least one */
    bool include_seen;       /* those too who have the item */
    size_t most_scored;      /* at least `most`; 0: as many as take about a second, up to ITEM_USERS_SCORED */
    bool (*stop)(void *arg); /* asked now and then: whether nobody waits for the answer any more */
    void *arg;
    /* found: */
    struct best_users best;
    size_t n_contexts, n_scored; /* users who were looked at, and those scored by their weights */
};

/* Finds them. ERR_CONFLICT: the model makes no contexts. To be ended in any case. */
enum err_code item_users_find(struct session *s, struct model_handle *handle, struct item_users *u,
                              struct err *e) ERR_MUST_CHECK;
void item_users_fini(struct item_users *u);

#endif
