/* image_contexts - what a model makes of a task of images as it is stored: the context that is there
 * (server/images/image_context.h), or one made anew from the stored rows, {"class", "image"}.
 *
 * A context is of use when it was made of the task as it is now; that of a task which keeps no rows is the
 * only word of them, and of use whenever it was made. An image that a model cannot read is not known to it.
 * Layer: server/serving
 * Threads: uses the caller's connection and room.
 * Memory: the record's and the room's; one row at a time. */
#ifndef SERVER_SERVING_IMAGE_CONTEXTS_H
#define SERVER_SERVING_IMAGE_CONTEXTS_H

#include "base/err.h"
#include "base/text.h"
#include "server/serving/model_handle.h"
#include "store/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A stored row as class and image; false: it is none of an image. */
bool image_contexts_row(const json_t *row, struct text *class, const json_t **image);

/* Leaves the context that is stored of a task in the handle's room, and what else is stored in the record,
 * within a snapshot or a transaction. *found false: the task has none of use and its rows are to be read.
 * Nothing is computed. ERR_NOTFOUND: there is no such task. ERR_CONFLICT: the model cannot read what is
 * stored for it, and without rows nothing could make it again. */
enum err_code image_contexts_find(struct store_conn *c, struct model_handle *handle, struct text id,
                                  struct store_task *record, struct image_room **room, bool *found,
                                  struct err *e) ERR_MUST_CHECK;

/* Makes the context anew from the stored rows. Cost: the features of all images. ERR_LIMIT: of too many
 * classes. */
enum err_code image_contexts_of_rows(struct store_conn *c, struct text id, struct image_room *room,
                                     struct err *e) ERR_MUST_CHECK;

/* The one or the other. */
enum err_code image_contexts_load(struct store_conn *c, struct model_handle *handle, struct text id,
                                  struct store_task *record, struct image_room **room,
                                  struct err *e) ERR_MUST_CHECK;

/* Within a transaction: stores the room's context. */
enum err_code image_contexts_put(struct store_conn *writer, const struct image_room *room, struct text id,
                                 int64_t revision, bool given, struct err *e) ERR_MUST_CHECK;

#endif
