/* model_handle - what one thread has of a served model: its item snapshot, workspace and user encoder. A
 * request is resolved to a model once, by its name, and everything that answers it takes a handle.
 * Layer: server/serving
 * Threads: confined to one; the served model behind it is shared.
 * Memory: the model's workspace; an encoder, or a room for tasks, once it was asked for. Handles keep the
 *   set they are of alive. */
#ifndef SERVER_SERVING_MODEL_HANDLE_H
#define SERVER_SERVING_MODEL_HANDLE_H

#include "base/err.h"
#include "server/images/image_room.h"
#include "server/serving/model_set.h"
#include "server/serving/user_weights.h"
#include "server/tasks/task_room.h"
#include "server/tasks/trained_room.h"

struct model_handle {
    struct served_model *served;
    const struct model *model;   /* the served one's */
    size_t theta_len;            /* that its layers read; weights have so much or, with neighbours, more */
    real *workspace;             /* of catalogue and target */
    struct item_snapshot *items; /* the thread's reference; see model_handle_items */
    unsigned items_version;
    struct user_encoder *encoder; /* NULL: not asked for yet */
    struct task_room *room;       /* of a model of tasks, which has nothing else: as the encoder */
    struct image_room *images;    /* the same of a model of images */
    struct trained_room *trained; /* and of a model of trained tasks */
};

/* The item snapshot that is the newest at the time of the call, valid until the next call. */
const struct item_snapshot *model_handle_items(struct model_handle *h);

/* The thread's user encoder, which generates through the model's batcher. */
enum err_code model_handle_encoder(struct model_handle *h, struct user_encoder **out,
                                   struct err *e) ERR_MUST_CHECK;

/* The thread's room for tasks of such a model. */
enum err_code model_handle_room(struct model_handle *h, struct task_room **out, struct err *e) ERR_MUST_CHECK;
enum err_code model_handle_trained(struct model_handle *h, struct trained_room **out,
                                   struct err *e) ERR_MUST_CHECK;
enum err_code model_handle_images(struct model_handle *h, struct image_room **out,
                                  struct err *e) ERR_MUST_CHECK;

/* The handles of a thread: those of one set. All zeros: of none. */
struct model_handles {
    struct model_set *set;                  /* the thread's reference */
    size_t n, n_tasks, n_images, n_trained; /* as many as the set has, or fewer: `lacks` */
    struct model_handle *at[LIMIT_MODELS];  /* (model_handles_size) in the set's order */
    bool lacks;                             /* there was no memory for the others */
};

static inline size_t model_handles_size(const struct model_handles *h)
{
    return h->n + h->n_tasks + h->n_images + h->n_trained;
}

/* Goes over to the next set, of which it gets the caller's reference: handles of models that stay (their
 * uids tell) are kept, the others freed or made. ERR_NOMEM: some could not be made and are missing until it
 * is called again; those of models that went are gone all the same, since nobody keeps their weights up to
 * date. */
enum err_code model_handles_take(struct model_handles *h, struct model_set *next,
                                 struct err *e) ERR_MUST_CHECK;
void model_handles_fini(struct model_handles *h);

/* The thread's handle of a model, or NULL: it has none. */
struct model_handle *model_handles_of(const struct model_handles *h, const struct served_model *served);

#endif
