/* user_contexts - the contexts of users whom an update changed: made for every model, and stored.
 *
 * Of few users they are made and stored within the write. Of many that would hold up all who write, so they
 * come after it, in short writes of their own. No user's answer depends on them: a context of an older
 * revision than its user's answers for nobody, and whoever asks for one that is missing, after a crash too,
 * has it made. Rows of items beyond a model's own do: after a crash between the two they lack these users
 * until the users change again or a training stores their contexts.
 * Layer: server/serving
 * Threads: uses the session's connections and workspaces.
 * Memory: within a write the session's workspaces; after a write some users at a time, given back at the
 *   end. */
#ifndef SERVER_SERVING_USER_CONTEXTS_H
#define SERVER_SERVING_USER_CONTEXTS_H

#include "base/err.h"
#include "base/text.h"
#include "server/serving/session.h"

#include <stdbool.h>
#include <stddef.h>

enum { USER_CONTEXTS_MAX_WITHIN = 32 }; /* users of a write whose contexts are made within it */

/* Within a write: the contexts of a user as the store has it now; an embedding that was given stays.
 * *source (may be NULL): what the context for the model `of` is made of, static. ERR_LIMIT: the user has
 * too many interactions. */
enum err_code user_contexts_put(struct session *t, struct text id, const struct model_handle *of,
                                const char **source, struct err *e) ERR_MUST_CHECK;

/* Within a write: the same of a user whose record the caller has, and who has no context but an embedding
 * for the model `given` (NULL: none). Reads nothing. */
enum err_code user_contexts_put_record(struct session *t, struct text id, struct store_user *record,
                                       const struct model_handle *given, struct err *e) ERR_MUST_CHECK;

/* What the context of a record is made of for a model: "embedding", "interactions", "profile" or "prior". */
const char *user_contexts_source(const struct model_handle *handle, const struct store_user *record);

/* ERR_LIMIT when a user would have so many interactions that it cannot be; all writes refuse that by this. */
enum err_code user_contexts_check_size(struct text id, size_t n_interactions, struct err *e) ERR_MUST_CHECK;

/* After a write, for users (n) whose contexts were not made within it, and the items (n_items) that they took
 * in it: those beyond a model's own move once more, as their takers' contexts changed. What fails is left to
 * whoever asks for it, and logged once. */
void user_contexts_follow(struct session *t, const struct text *users, size_t n, struct text *items,
                          size_t n_items);

/* Within a write: records that an item beyond a model's own was taken, which moves it. */
enum err_code user_contexts_touch_item(struct session *t, struct text id, int64_t key,
                                       struct err *e) ERR_MUST_CHECK;

#endif
