/* update - what changes users: registrations, events, deletions; each call is one transaction of the store.
 * Layer: server; depends on store, engine, base.       Threads: uses the worker's connection and workspaces.
 * In the same transaction the new context of each touched user is made for every model and stored, so that
 * the first answer after the acknowledgement is the new one, also after a crash. Cached weights are dropped
 * after the commit and before the answer. What is refused leaves no trace. */
#ifndef SERVER_UPDATE_H
#define SERVER_UPDATE_H

#include "base/err.h"
#include "server/api.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct update_interaction {
    struct store_text user; /* of events */
    struct store_text item;
    double weight, rating; /* rating NAN: none */
    int64_t timestamp;
    bool timed; /* the caller gave the timestamp; else it is the clock's, or the newest that the user has */
};

struct registration {
    struct store_text id;
    struct store_text profile; /* JSON object; NULL data: none */
    const struct update_interaction *interactions;
    size_t n_interactions;
    const float *embedding; /* (C of the model in slot) or NULL */
    size_t slot;            /* the model that the embedding is for */
    /* results */
    int64_t revision;
    bool created;
    const char *source; /* "embedding", "interactions", "profile" or "prior" */
};

/* Where a refusal comes from: which registration or event, and of a registration which interaction (SIZE_MAX:
 * none). */
struct update_fault {
    size_t index, interaction;
    bool unknown_item, unknown_user;
    bool hears_first;  /* such an item is refused, so that the tables can be brought up first */
    bool made_item;    /* a model's item got its row in the store, which the tables are yet to have */
    bool unheard_item; /* the store has an item that this process's tables are yet to have */
};

enum err_code update_register(struct api_thread *t, struct registration *list, size_t n,
                              struct update_fault *fault, struct err *e) ERR_MUST_CHECK;

/* A user whom events touched. */
struct update_touched {
    struct store_text user;
    int64_t revision;
};

/* Records events (sorted by the callee by user; their order within a user stays). touched: (n) room; *n_touched users; *n_older
 * events were left out, because the store has a newer interaction of the same user and item. */
enum err_code update_events(struct api_thread *t, struct update_interaction *events, size_t n,
                            struct update_touched *touched, size_t *n_touched, size_t *n_older,
                            struct update_fault *fault, struct err *e) ERR_MUST_CHECK;

/* ERR_NOTFOUND when there is no such user. */
enum err_code update_delete(struct api_thread *t, struct store_text user, struct err *e) ERR_MUST_CHECK;

#endif
