/* user_merge - two users become one: the visitor signs in.
 * Layer: server/serving
 * Threads: uses the session's connections and workspaces.
 * Memory: both profiles while it runs. */
#ifndef SERVER_SERVING_USER_MERGE_H
#define SERVER_SERVING_USER_MERGE_H

#include "base/err.h"
#include "base/text.h"
#include "server/serving/session.h"

#include <stdint.h>

struct user_merge {
    struct text from, to;          /* not the same */
    const struct model_handle *of; /* whose context `source` is of */
    int64_t revision;              /* found: that of `to` */
    const char *source;            /* found: what his context is made of, static */
    bool from_is_unknown;          /* of ERR_NOTFOUND: which of the two there is not */
};

/* Gives `to` what `from` did (store_add_interactions_of) and those members of his profile that `to` does not
 * have, and forgets `from`; one transaction. A context that was given for `to` stays, one for `from` goes.
 * ERR_NOTFOUND, ERR_INVALID (the profile would be too large), ERR_LIMIT (too many interactions): nothing
 * changed. */
enum err_code update_merge(struct session *t, struct user_merge *m, struct err *e) ERR_MUST_CHECK;

#endif
