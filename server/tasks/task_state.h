/* task_state - what answers for a task: its layer, solved, with the weights that are generated from it, and
 * the columns of its profile; one run of bytes,
 * so that a cache of weights can keep it.
 * Layer: server/tasks
 * Threads: any.
 * Memory: the caller's, aligned as by mem_alloc. */
#ifndef SERVER_TASKS_TASK_STATE_H
#define SERVER_TASKS_TASK_STATE_H

#include "engine/network/task_head.h"
#include "server/tasks/task_row.h"

#include <stdbool.h>
#include <stddef.h>

/* What a layer is made of. */
enum task_source {
    TASK_FROM_PRIOR,
    TASK_FROM_PROFILE,
    TASK_FROM_ROWS,
    TASK_FROM_SUPPORT,
    TASK_FROM_CONTEXTS
};

/* Its name in answers. */
const char *task_source_name(enum task_source source);

struct task_state {
    struct task_layer layer;     /* views, as are those of the profile */
    struct task_profile profile; /* without one no column has it */
    size_t n_known;              /* rows that the layer is solved from */
    enum task_source source;
    bool waits; /* for rows: those that were are forgotten, and their sums are not this model's */
};

/* Bytes of a state; writes one there, copying what it views; and the views of one that was written. */
size_t task_state_bytes(const struct model_spec *spec);
void task_state_write(const struct model_spec *spec, const struct task_state *state, void *bytes);
void task_state_read(const struct model_spec *spec, const void *bytes, struct task_state *out);

#endif
