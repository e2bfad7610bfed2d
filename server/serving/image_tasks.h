/* image_tasks - tasks of images: what changes them, and the layer of one. A task is stored as any other
 * (store/store.h): its rows are {"class", "image"}, its context is that of image_contexts.h. Each change
 * is one transaction, with the contexts of all models of images; what there is to compute is a draft
 * before it (image_drafts.h). What is refused leaves no trace, and the first answer after the
 * acknowledgement is the new one.
 * Layer: server/serving
 * Threads: uses the session's connection and workspaces.
 * Memory: the rooms of the models, and drafts; one row at a time. */
#ifndef SERVER_SERVING_IMAGE_TASKS_H
#define SERVER_SERVING_IMAGE_TASKS_H

#include "base/err.h"
#include "base/text.h"
#include "server/serving/session.h"
#include "server/serving/task_updates.h"

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

/* What is to become of a task: images come to those that are known, or take their place. */
struct image_registration {
    struct text id;
    const struct known_image *known; /* (n) */
    size_t n;
    bool replaces;               /* what was known of the task goes */
    bool create;                 /* where it is not there it is made */
    bool profile_stays;          /* of one that is there; else it goes */
    bool keeps_rows;             /* else the images are forgotten once they are in the contexts */
    bool keeps_as_before;        /* a task that is there keeps them as it did */
    struct model_handle *handle; /* whose results are told, and whose features the images have */
    bool refused;                /* not registered, by who read it or by the rules */
    /* results */
    bool keeps;
    int64_t revision;
    bool created;
    size_t n_known, n_classes, n_rows;
    bool lost_rows; /* images were to be kept, and are forgotten already: nothing is kept */
};

/* Registers those that are not refused, all in one write. ERR_INVALID: some have rows that would be lost,
 * which was told to the rules. ERR_NOTFOUND: there is no such task, and it is not to be made. ERR_LIMIT: too
 * many classes, or more than LIMIT_TASK_ROWS images, of which those count that are not kept too.
 * ERR_CONFLICT: see image_contexts.h. ERR_BUSY: others change the task again and again. */
enum err_code image_tasks_register(struct session *t, struct image_registration *list, size_t n,
                                   const struct task_update_rules *rules, struct err *e) ERR_MUST_CHECK;

/* New weights that hold a task's layer (server/images/image_layer.h). ERR_NOTFOUND: there is no such task;
 * ERR_CONFLICT: see image_contexts.h;
 * ERR_INVALID: of fewer than two of its classes an image is known to this model. */
enum err_code image_tasks_weights(struct session *t, struct model_handle *handle, struct text id,
                                  struct weights **out, struct err *e) ERR_MUST_CHECK;

#endif
