/* item_updates - what changes the catalogue: registrations and deletions of items; each call is one
 * transaction. After the commit and before the answer the item tables of this process follow, so that its
 * next answer has the item or lacks it; other processes follow by the log of changes. What is refused leaves
 * no trace.
 * Layer: server/serving
 * Threads: uses the worker's connection.
 * Memory: the request's. */
#ifndef SERVER_SERVING_ITEM_UPDATES_H
#define SERVER_SERVING_ITEM_UPDATES_H

#include "base/err.h"
#include "server/serving/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct item_registration {
    struct store_item item; /* id and texts; key and revision are results */
    bool patch; /* what is not given stays, metadata are a merge patch, and the item must be there; else all
                   is replaced */
    bool no_title, no_categories, no_metadata;         /* of a patch: these go */
    bool has_hidden, has_from, has_until, has_created; /* what item.life says */
    bool refused;                                      /* not registered; set by the caller */
    bool created;
    struct store_item_life stored; /* before this call */
    const char *source;   /* of the item's row in the model, see item_snapshot_source; "none": it has none */
    const char *fault;    /* the member that was refused, static; NULL: it is about the item as a whole */
    const char *unranked; /* why the model does not rank it yet; NULL: it does */
    struct model_handle *handle;
};

/* ERR_NOTFOUND: a patch of an unknown item. *fault: which of the list was refused; n: it is about none of
 * them. answerable: or NULL; of results it knows the revision and whether an item is new. Of more than
 * LIMIT_EXTRA_ITEMS new ones all are kept, and the rest ranked once there is room. */
enum err_code update_items(struct session *t, struct item_registration *list, size_t n,
                           const struct session_answerable *answerable, size_t *fault,
                           struct err *e) ERR_MUST_CHECK;

/* ERR_NOTFOUND when there is no such item. */
enum err_code update_delete_item(struct session *t, struct text id, struct err *e) ERR_MUST_CHECK;

/* Brings the tables of this process up to what was just committed. Should that fail, the follower does it
 * within a second. */
void update_follow_items(struct session *t);

/* Why a model does not rank an item of the store, static; NULL: it does. */
const char *update_item_unranked(struct model_handle *handle, struct text id);

/* The same of an item of which it is known that the model does not rank it. */
const char *update_why_unranked(const struct model_spec *spec);

/* What to say behind "no item": of one that a served model has though the store has no row of it, what to do;
 * else "". Static. */
const char *update_missing_item(struct session *t, struct text id);

/* Where a model has an item's row from, or "none". */
const char *update_item_source(struct model_handle *handle, struct text id);

#endif
