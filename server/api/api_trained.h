/* api_trained - what calls for trained tasks have in common.
 * Layer: server/api
 * Threads: a thread's own.
 * Memory: none. */
#ifndef SERVER_API_API_TRAINED_H
#define SERVER_API_API_TRAINED_H

#include "server/api/api.h"
#include "server/tasks/trained_room.h"

/* Inputs of a body into the room; false: answered with all that is wrong with them. */
bool api_trained_read(struct api_thread *t, struct request *r, struct trained_room *room,
                      const json_t *inputs);

/* Answers what was read by the weights of a task. False: an answer is not finite, and the call is refused at
 * that input. */
bool api_trained_answer(struct request *r, struct trained_room *room, size_t task, const real *theta);

/* "model":...,"model_version":... */
void api_trained_begin(struct buf *out, const struct model_spec *spec);

#endif
