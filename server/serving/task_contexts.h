/* task_contexts - what a model makes of a task as it is stored: the context that is there, or one made anew
 * from the stored rows.
 *
 * A context is of use when it was made of the task as it is now; that of a task which keeps no rows is the
 * only word of them, and of use whenever it was made. A row that a model cannot read is not known to it.
 * Sums of forgotten rows are of use to the model that made them alone: to any other the task waits for rows.
 * Layer: server/serving
 * Threads: uses the caller's connection and room.
 * Memory: the record's and the room's; one row at a time. */
#ifndef SERVER_SERVING_TASK_CONTEXTS_H
#define SERVER_SERVING_TASK_CONTEXTS_H

#include "base/err.h"
#include "base/text.h"
#include "server/serving/model_handle.h"
#include "store/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TASK_NOW = -1 };

/* Leaves the context of a task in the handle's room, with its profile. Within a snapshot or a transaction.
 * fresh: the revision at which a context is of use; TASK_NOW: the task's. profile: what it is by now; NULL:
 * what is stored. room->waits: rows were forgotten of which the context has nothing. ERR_NOTFOUND: there is
 * no such task. */
enum err_code task_contexts_load(struct store_conn *c, struct model_handle *handle, struct text id,
                                 int64_t fresh, const json_t *profile, struct store_task *record,
                                 struct task_room **room, struct err *e) ERR_MUST_CHECK;

/* Whether what is stored for the model under its name and version is of forgotten rows, and is not its own
 * all the same: it has other features, or the bytes are damaged. Of what was loaded last. */
bool task_contexts_unreadable(const struct task_room *room, const struct store_task *record);

/* A new reference to the stored profile of a task; NULL: it has none, or there is no such task. */
enum err_code task_contexts_stored_profile(struct store_conn *c, struct text id, struct store_task *record,
                                           json_t **out, struct err *e) ERR_MUST_CHECK;

/* The room's profile from a JSON object (NULL: none); what a model cannot read of it is left out. */
void task_contexts_profile(struct task_room *room, const json_t *profile);

/* Reads a stored row, a JSON object, into its values; false: the model cannot. */
bool task_contexts_read(const struct task_room *room, const json_t *row, struct task_row_values *out);

/* Takes a row into the room's context, if the model can read it. */
void task_contexts_know(struct task_room *room, const json_t *row);

/* What the room's context is made of. */
enum task_source task_contexts_source(const struct task_room *room);

/* Within a transaction: stores a context (task_context_len) of a model. */
enum err_code task_contexts_put(struct store_conn *writer, const struct model *model, struct text id,
                                int64_t revision, bool given, const double *context,
                                struct err *e) ERR_MUST_CHECK;

#endif
