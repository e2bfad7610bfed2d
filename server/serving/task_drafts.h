/* task_drafts - what an update makes of a task for every model, before it holds up others who write: the
 * context of the rows that were known and of those that come, and whether the update can be at all.
 *
 * A draft is of use as long as the task is as it was when the draft was made, which its revision tells. For
 * one that changed meanwhile it is made again, within the write.
 * Layer: server/serving
 * Threads: uses the session's workspaces, and the connection that is given.
 * Memory: the contexts of all drafts, at most LIMIT_TASK_CONTEXT_BYTES; task_drafts_fini frees. */
#ifndef SERVER_SERVING_TASK_DRAFTS_H
#define SERVER_SERVING_TASK_DRAFTS_H

#include "base/err.h"
#include "server/serving/session.h"
#include "server/serving/task_updates.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the store has of a task before a write. */
struct task_before {
    bool there, keeps_rows;
    int64_t revision, n_rows;
};

/* The context for one model. */
struct task_draft_context {
    double *of_rows; /* (task_context_len of the model); NULL: of no row, which is not stored */
    bool given;      /* it is the only word of its rows */
};

struct task_draft {
    bool made;
    struct task_before was;
    struct task_draft_context *contexts; /* (n_tasks of the session's handles) */
};

struct task_drafts {
    struct task_draft *at; /* (n) */
    size_t n, n_models;
    struct task_draft_context *contexts; /* (n * n_models) */
    size_t n_bytes;                      /* of contexts */
};

/* Room for n drafts, none of them made. On failure task_drafts_fini all the same. */
enum err_code task_drafts_init(struct task_drafts *d, const struct session *t, size_t n,
                               struct err *e) ERR_MUST_CHECK;
void task_drafts_fini(struct task_drafts *d); /* all zeros are allowed */

/* Makes the i-th of the task as it is, in one snapshot of the session's connection; and leaves in g what an
 * answer says of it. ERR_INVALID: rows would be lost; ERR_NOTFOUND: there is no such task, and g makes none;
 * ERR_CONFLICT: it has another profile by now; ERR_LIMIT: it would have too many rows, or the contexts are
 * too large all together. */
enum err_code task_drafts_make(struct task_drafts *d, struct session *t, size_t i,
                               struct task_registration *g, struct err *e) ERR_MUST_CHECK;

/* Within a write: the same unless the draft is of the task as it is. */
enum err_code task_drafts_renew(struct task_drafts *d, struct session *t, size_t i,
                                struct task_registration *g, struct err *e) ERR_MUST_CHECK;

/* Within a write: stores the contexts of the i-th with the revision in g. */
enum err_code task_drafts_put(const struct task_drafts *d, struct session *t, size_t i,
                              const struct task_registration *g, struct err *e) ERR_MUST_CHECK;

#endif
