/* user_updates - what changes users: registrations, events, deletions; each call is one transaction of the
 * store.
 *
 * The first answer after the acknowledgement is the new one, also after a crash: whoever changed has a new
 * revision in the same transaction, and no context of an older one answers. The new contexts are stored in
 * that transaction, or, of more users than USER_CONTEXTS_MAX_WITHIN, after it and before the answer
 * (user_contexts.h). Cached weights are dropped after the commit. What is refused leaves no trace.
 * Layer: server/serving
 * Threads: uses the worker's connection and workspaces.
 * Memory: of a batch, a list of its parts; of the rest the session's workspaces. */
#ifndef SERVER_SERVING_USER_UPDATES_H
#define SERVER_SERVING_USER_UPDATES_H

#include "base/err.h"
#include "server/fields/partial.h"
#include "server/serving/session.h"
#include "server/serving/user_allowance.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct update_interaction {
    struct text user; /* of events */
    struct text item;
    struct text kind_name; /* as the caller says it; NULL data: none */
    struct text event_id;  /* the event's own; NULL data: none */
    int32_t kind;          /* its number */
    double weight, rating; /* rating NAN: none */
    int64_t timestamp;
    bool timed;   /* the caller gave the timestamp; else it is the clock's, or the newest that the user has */
    bool refused; /* of events: not recorded, by who read it or by update_events */
    bool repeated;    /* of events: its id came before, and nothing became of it */
    bool of_new_user; /* of events: its user was not there when it was looked at */
};

struct registration {
    struct text id;
    /* What is not given stays, and the user must be there; else profile and contexts are replaced. */
    bool patch;
    struct partial_object profile; /* without patch: the whole profile; NULL data: none */
    bool replaces_interactions;    /* by these; else those that were stay */
    const struct update_interaction *interactions;
    size_t n_interactions;
    const float *embedding;      /* (C of the model) or NULL */
    bool no_embedding;           /* of a patch: contexts that were given go */
    struct model_handle *handle; /* the model that the embedding is for */
    bool refused;                /* not registered, by who read it or by update_register */
    /* results */
    int64_t revision;
    bool created;
    const char *source; /* "embedding", "interactions", "profile" or "prior" */
};

/* Which part of a call was refused: the number of the registration or event, and the number of the
 * interaction within a registration (SIZE_MAX: the fault is not in an interaction). */
struct update_fault {
    size_t index, interaction;
    bool unknown_item, unknown_user; /* neither: the text says what is wrong */
    bool too_many_users;             /* its user cannot be made now; later he can */
};

/* What to do with parts of a call that are refused. */
struct update_rules {
    bool skip;                        /* the rest is kept; else nothing is */
    bool create_items, create_users;  /* unknown items, and unknown users of events, are made */
    const char *no_items;             /* why no items are, behind the text of one that is unknown; or NULL */
    struct user_allowance *allowance; /* of the users who are made; NULL: all who come */
    void (*refuse)(void *arg, const struct update_fault *fault, const char *text); /* told of each */
    void *arg;
    struct session_answerable answerable;
};

/* What was made on the way; and the events that were left out, because the store has a newer interaction of
 * the same user and item. */
struct update_made {
    size_t n_users, n_items, n_older;
    size_t n_repeated; /* events with an id that came before: nothing became of them */
    size_t n_not_made; /* new users beyond the allowance, whose events were refused */
    int wait_s;        /* seconds until they can be; 0: none */
};

/* ERR_NOTFOUND: a patch of an unknown user. ERR_INVALID: parts were refused, and nothing is kept; not with
 * rules->skip. */
enum err_code update_register(struct session *t, struct registration *list, size_t n,
                              const struct update_rules *rules, struct err *e) ERR_MUST_CHECK;

/* A user whom events touched. */
struct update_touched {
    struct text user;
    int64_t revision;
};

/* Records events, by user; their order within a user stays. touched: (n) room; *n_touched users. ERR_INVALID
 * as above, and *made says what can be tried again. */
enum err_code update_events(struct session *t, struct update_interaction *events, size_t n,
                            const struct update_rules *rules, struct update_touched *touched,
                            size_t *n_touched, struct update_made *made, struct err *e) ERR_MUST_CHECK;

/* Makes kinds of events, or changes them, all or none: who has interactions of one that changed is another
 * user from here on, to this process at once. *failed: the number of the kind that was refused. Errors: as
 * store_put_kind. */
enum err_code update_kinds(struct session *t, const struct store_kind *list, size_t n, size_t *failed,
                           struct err *e) ERR_MUST_CHECK;

/* Takes away what a user has with an item, of one kind or of all (kind < 0). *n: how many interactions went;
 * when none did nothing changes. ERR_NOTFOUND when there is no such user. */
enum err_code update_remove(struct session *t, struct text user, struct text item, int32_t kind, int64_t *n,
                            int64_t *revision, struct err *e) ERR_MUST_CHECK;

/* ERR_NOTFOUND when there is no such user. */
enum err_code update_delete(struct session *t, struct text user, struct err *e) ERR_MUST_CHECK;

#endif
