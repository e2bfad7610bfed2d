/* user_contexts - the contexts of users whom an update changed: made for every model, and stored.
 *
 * Of few users they are made and stored within the write. Of many that would hold up all who write, so they
 * come after it, in short writes of their own. No user's answer depends on them: a context of an older
 * revision than its user's answers for nobody, and whoever asks for one that is missing, after a crash too,
 * has it made. Rows of items beyond a model's own do, which are made of their takers' contexts: so the write
 * leaves word of what is to come after it, and what a crash prevented is done at the next start
 * (batch_recovery.h).
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

enum { USER_CONTEXTS_MAX_WITHIN = 256 }; /* users of a write whose contexts are made within it */

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

/* Within a write whose users' contexts are made after it: the number of its first change, before that; and
 * after its last one word is left of what is yet to be made (store_note_unfinished). */
enum err_code user_contexts_first_change(struct session *t, int64_t *first, struct err *e) ERR_MUST_CHECK;
enum err_code user_contexts_leave(struct session *t, int64_t first, struct err *e) ERR_MUST_CHECK;

/* Users whose contexts are made after their write, and the items that they took in it. */
struct user_batch {
    const struct text *users; /* (n) */
    size_t n;
    struct text *items; /* (n_items) in any order, which is not kept */
    size_t n_items;
    int64_t first; /* the first change of the write, under which word was left of it */
};

/* After a write: makes the contexts; items beyond a model's own move once more, as their takers' contexts
 * changed. What fails is left to whoever asks for it and to the next start, and logged once. */
void user_contexts_follow(struct session *t, const struct user_batch *b);

/* Within a write: the same of all items that a user took, as far as this process knows their ids. */
enum err_code user_contexts_touch_items(struct session *t, const struct store_user *user,
                                        struct err *e) ERR_MUST_CHECK;

/* Within a write: records that an item beyond a model's own was taken, which moves it. */
enum err_code user_contexts_touch_item(struct session *t, struct text id, int64_t key,
                                       struct err *e) ERR_MUST_CHECK;

#endif
