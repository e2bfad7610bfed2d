/* image_drafts - what a change to tasks of images takes of convolutions, before it holds up others who write:
 * the features that each model finds in the images that come, and of each model that has no context of use
 * for a task one made of the task's rows.
 *
 * Within the write nothing of that is computed. Contexts that are stored are taken as they are then; one that
 * was made of rows is of use as long as the task is as it was, which its revision tells. If it is not, the
 * write is given up, and there is another draft.
 * Layer: server/serving
 * Threads: uses the session's connection and workspaces.
 * Memory: the features of images of all models but one, and the contexts made of rows, at most
 *   LIMIT_TASK_CONTEXT_BYTES all together; image_drafts_fini frees. */
#ifndef SERVER_SERVING_IMAGE_DRAFTS_H
#define SERVER_SERVING_IMAGE_DRAFTS_H

#include "base/buf.h"
#include "base/err.h"
#include "server/serving/image_tasks.h"
#include "server/serving/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one model makes of one task. */
struct image_draft_model {
    real *features; /* (n, F) of the images that come; NULL: they have them already (of the model asked) */
    bool *read;     /* (n) whether the model can read them */
    bool of_rows;   /* there is a context made of rows, or `failed` says why there is none */
    struct err failed;
    struct buf context; /* as it is stored */
};

struct image_draft {
    int64_t revision;                 /* of the task whose rows contexts are made of */
    struct image_draft_model *models; /* (n_images of the session's handles) */
};

struct image_drafts {
    struct image_draft *at; /* (n) */
    size_t n, n_models;
    struct image_draft_model *models; /* (n * n_models) */
    size_t n_bytes;                   /* of features and contexts */
};

/* The handles of a thread that are of models of images. */
struct model_handle *image_drafts_handle(const struct session *t, size_t model);

/* Room for n drafts, of nothing. On failure image_drafts_fini all the same. */
enum err_code image_drafts_init(struct image_drafts *d, const struct session *t, size_t n,
                                struct err *e) ERR_MUST_CHECK;
void image_drafts_fini(struct image_drafts *d); /* all zeros are allowed */

/* Makes the i-th of the task as it is, outside of a write. ERR_NOTFOUND: there is no such task, and g makes
 * none; ERR_LIMIT: drafts are too large all together. What else is wrong with a model's context is said when
 * it is begun. */
enum err_code image_drafts_make(struct image_drafts *d, struct session *t, size_t i,
                                const struct image_registration *g, struct err *e) ERR_MUST_CHECK;

/* Within a write: leaves in the handle's room the context of the task as it is there, by the i-th draft.
 * ERR_BUSY: the draft is of no use any more. Other errors as of image_contexts_load. */
enum err_code image_drafts_begin(const struct image_drafts *d, struct session *t, size_t i, size_t model,
                                 struct text id, struct image_room **room, struct err *e) ERR_MUST_CHECK;

/* And adds the images that come. ERR_LIMIT: of too many classes. */
enum err_code image_drafts_add(const struct image_drafts *d, size_t i, size_t model,
                               const struct image_registration *g, struct image_room *room,
                               struct err *e) ERR_MUST_CHECK;

#endif
