/* image_tasks - tasks of images: what a model makes of one as it is stored, and what changes one. A task is
 * stored as any other (store/store.h): its rows are {"class", "image"}, its context is that of
 * server/images/image_context.h. Each change is one transaction, with the contexts of all models of images;
 * what is refused leaves no trace, and the first answer after the acknowledgement is the new one.
 * Layer: server/serving
 * Threads: uses the session's connection and workspaces.
 * Memory: the rooms of the models; one row at a time. */
#ifndef SERVER_SERVING_IMAGE_TASKS_H
#define SERVER_SERVING_IMAGE_TASKS_H

#include "base/err.h"
#include "base/text.h"
#include "server/serving/session.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An image that is known of a task. */
struct known_image {
    struct text class;
    const json_t *image;  /* checked for the model that was asked */
    const real *features; /* (F) of that model */
    struct text row;      /* as it is to be stored */
};

struct image_registration {
    struct text id;
    const struct known_image *known; /* (n) */
    size_t n;
    bool replaces;               /* what was known of the task goes; else these come to it */
    bool create;                 /* where it is not there it is made */
    bool keeps_rows;             /* of one that is made or replaced */
    struct model_handle *handle; /* whose results are told, and whose features the images have */
    /* results */
    int64_t revision;
    bool created;
    size_t n_known, n_classes, n_rows;
};

/* ERR_NOTFOUND: there is no such task, and it is not to be made. ERR_LIMIT: too many classes, or more than
 * LIMIT_TASK_ROWS images, of which those count that are not kept too. ERR_CONFLICT: see image_tasks_load. */
enum err_code image_tasks_register(struct session *t, struct image_registration *g,
                                   struct err *e) ERR_MUST_CHECK;

/* Forgets a class of a task. Where rows are kept, those of the class go, whoever can read them, and with
 * them the contexts of all models, which are made anew of the others. Where they are not, it goes from the
 * contexts of the models that are served; that of another nothing here can read, and it stays.
 * ERR_NOTFOUND: there is no such task or class. ERR_CONFLICT: see image_tasks_load. */
enum err_code image_tasks_forget_class(struct session *t, struct model_handle *handle, struct text id,
                                       struct text class, struct err *e) ERR_MUST_CHECK;

/* Leaves the context of a task in the handle's room: the one that is stored, or made anew from the rows.
 * Within a snapshot or a transaction. t->task has the record. ERR_NOTFOUND: there is no such task.
 * ERR_CONFLICT: the model cannot read what is stored for it, and without rows nothing could make it again. */
enum err_code image_tasks_load(struct session *t, struct store_conn *c, struct model_handle *handle,
                               struct text id, struct image_room **room, struct err *e) ERR_MUST_CHECK;

/* New weights that hold a task's layer (server/images/image_layer.h). ERR_NOTFOUND: there is no such task;
 * ERR_CONFLICT: see image_tasks_load;
 * ERR_INVALID: of fewer than two of its classes an image is known to this model. */
enum err_code image_tasks_weights(struct session *t, struct model_handle *handle, struct text id,
                                  struct weights **out, struct err *e) ERR_MUST_CHECK;

#endif
