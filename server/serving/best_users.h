/* best_users - the users with the greatest of some scores, as they are met one after the other.
 * Order: the greater score first; of equal ones the smaller id.
 * Cost: a comparison for who does not enter; else a search and a move of at most `most` numbers.
 * Layer: server/serving
 * Threads: confined to its thread.
 * Memory: an id for each of `most`. */
#ifndef SERVER_SERVING_BEST_USERS_H
#define SERVER_SERVING_BEST_USERS_H

#include "base/err.h"
#include "base/limits.h"
#include "base/text.h"

#include <stddef.h>

struct best_user {
    double score;
    size_t len;
    char id[LIMIT_ID_BYTES]; /* (len) */
};

struct best_users {
    size_t most, n;
    struct best_user *users; /* (most) room */
    size_t *order;           /* (n) of them, the best first */
};

/* To be ended in any case. ERR_NOMEM. */
enum err_code best_users_init(struct best_users *u, size_t most, struct err *e) ERR_MUST_CHECK;
void best_users_fini(struct best_users *u);

/* Keeps one if he is among the best; a score that is not finite never is. */
void best_users_keep(struct best_users *u, double score, struct text id);

/* The i-th best, below n. */
static inline const struct best_user *best_users_at(const struct best_users *u, size_t i)
{
    return &u->users[u->order[i]];
}

#endif
