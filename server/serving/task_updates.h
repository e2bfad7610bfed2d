/* task_updates - what changes tasks: registrations, labelled rows as they come, deletions; each call is one
 * transaction of the store, with the contexts of all models of tasks.
 *
 * The first answer after the acknowledgement is the new one, also after a crash: the contexts are stored in
 * the transaction of the rows, and no context of an older revision answers. Cached layers are dropped after
 * the commit. What is refused leaves no trace.
 * Layer: server/serving
 * Threads: uses the worker's connection and workspaces.
 * Memory: the rooms of the models. */
#ifndef SERVER_SERVING_TASK_UPDATES_H
#define SERVER_SERVING_TASK_UPDATES_H

#include "base/err.h"
#include "base/text.h"
#include "server/serving/session.h"
#include "server/tasks/task_state.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Labelled rows, as objects and as they are to be stored. */
struct task_rows_known {
    json_t *const *rows;      /* (n) */
    const struct text *texts; /* (n) */
    size_t n;
};

struct task_registration {
    struct text id;
    const json_t *profile_json; /* NULL: none */
    struct text profile;        /* the same as text; NULL data: none */
    bool replaces_rows;         /* by these; else those that were stay */
    struct task_rows_known known;
    bool keeps_rows;             /* else the rows are forgotten once they are in the contexts */
    struct model_handle *handle; /* whose results are told */
    bool refused;                /* not registered, by who read it */
    /* results */
    int64_t revision;
    bool created;
    enum task_source source;
    size_t n_known;    /* rows that the layer is solved from */
    double rows_worth; /* what they count all together, where they age */
    size_t n_rows;     /* stored */
    bool lost_rows;    /* rows were to be kept, and are forgotten already: nothing is kept */
};

/* Registers those that are not refused. ERR_INVALID: one has rows that would be lost. *at: which of them
 * failed; n: none did. */
enum err_code task_updates_register(struct session *t, struct task_registration *list, size_t n, size_t *at,
                                    struct err *e) ERR_MUST_CHECK;

/* Adds rows to a task; create: makes it where it is not there. g has the id, the rows, the profile with
 * which they were checked, the handle and room for results. ERR_NOTFOUND: there is none; ERR_LIMIT: it
 * would have too many rows; ERR_CONFLICT: it has another profile by now. */
enum err_code task_updates_examples(struct session *t, struct task_registration *g, bool create,
                                    struct err *e) ERR_MUST_CHECK;

/* ERR_NOTFOUND when there is no such task. */
enum err_code task_updates_delete(struct session *t, struct text id, struct err *e) ERR_MUST_CHECK;

#endif
