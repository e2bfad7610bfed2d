/* task_updates - what changes tasks: registrations, labelled rows as they come, deletions; each call is one
 * transaction of the store, with the contexts of all models of tasks.
 *
 * The first answer after the acknowledgement is the new one, also after a crash: the contexts are stored in
 * the transaction of the rows, and no context of an older revision answers. They are made before it, beside
 * others who write. Cached layers are dropped after the commit. What is refused leaves no trace.
 * Layer: server/serving
 * Threads: uses the worker's connection and workspaces.
 * Memory: the rooms of the models, and the contexts of a call (task_drafts.h). */
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

/* What is to become of a task. One is registered, with the rows that replace those it has or without any, or
 * gets rows beside those it has (adds_rows). */
struct task_registration {
    struct text id;
    const json_t *profile_json; /* NULL: none */
    struct text profile;        /* the same as text; NULL data: none */
    bool profile_stays;         /* it is the stored one, whatever these two say */
    bool must_be_there;         /* the update makes no task */
    bool expects_profile;       /* the stored one is to be profile_before: what is said is made of that */
    struct text profile_before;
    bool replaces_rows;             /* by these; else those that were stay */
    bool adds_rows, only_with_rows; /* without a row nothing is written, and a task that is not there has the
                                       revision 0 */
    struct task_rows_known known;
    bool keeps_rows;             /* else the rows are forgotten once they are in the contexts */
    bool keeps_as_before;        /* a task that is there keeps them as it did */
    struct model_handle *handle; /* whose results are told */
    bool refused;                /* not registered, by who read it or by the rules */
    /* results */
    bool keeps;
    int64_t revision;
    bool created;
    enum task_source source;
    size_t n_known;    /* rows that the layer is solved from */
    double rows_worth; /* what they count all together, where they age */
    size_t n_rows;     /* stored */
    bool lost_rows;    /* rows were to be kept, and are forgotten already: nothing is kept */
    bool waits;        /* rows were forgotten of which the model knows nothing */
    bool unreadable;   /* with ERR_CONFLICT: rows were to be added to sums that a model cannot read */
};

/* What becomes of a registration that cannot be. */
struct task_update_rules {
    bool skip; /* it is left out; else nothing is kept */
    void (*refuse)(void *arg, size_t i, const char *text);
    void *arg;
    struct session_answerable answerable;
};

/* Registers those that are not refused, all in one write. ERR_INVALID: some have rows that would be lost,
 * which was told to the rules. ERR_NOTFOUND, ERR_CONFLICT: see task_drafts.h. */
enum err_code task_updates_register(struct session *t, struct task_registration *list, size_t n,
                                    const struct task_update_rules *rules, struct err *e) ERR_MUST_CHECK;

/* Adds rows to a task. answerable: or NULL. ERR_NOTFOUND: there is none, and it must be there; ERR_LIMIT:
 * it would have too many rows; ERR_CONFLICT: it has another profile by now, or (g->unreadable) its rows are
 * forgotten, and what is stored under the name and version of a model was not made by it. */
enum err_code task_updates_examples(struct session *t, struct task_registration *g,
                                    const struct session_answerable *answerable,
                                    struct err *e) ERR_MUST_CHECK;

/* ERR_NOTFOUND when there is no such task. */
enum err_code task_updates_delete(struct session *t, struct text id, struct err *e) ERR_MUST_CHECK;

#endif
