/* partial - updates that say only part of a user or an item: what they leave out is kept.
 * Layer: server/fields
 * Threads: confined to its thread.
 * Memory: what the store has of one user or item; partial_fini frees. */
#ifndef SERVER_FIELDS_PARTIAL_H
#define SERVER_FIELDS_PARTIAL_H

#include "base/buf.h"
#include "store/store.h"

#include <stdbool.h>

struct partial {
    bool has_title, has_categories, deleted;    /* of the item that was read last */
    struct buf title, categories;               /* its texts */
    struct buf object;                          /* what was there: a profile or metadata; len 0: none */
    struct buf profile_joined, metadata_joined; /* and what becomes of it */
};

void partial_init(struct partial *p);
void partial_fini(struct partial *p);

/* What is said of an object: a merge patch (NULL data: nothing), and whether all there was goes first. */
struct partial_object {
    struct text patch;
    bool none;
};

/* What is said of an item: texts that are absent say nothing, unless they are said to be none. */
struct partial_item {
    struct text id, title, categories;
    bool no_title, no_categories;
    struct partial_object metadata;
};

/* Reads the user and puts into *profile what the profile will be (NULL data: none), borrowed until the next
 * use of p. *known: whether there is such a user; to a new one the update says all. Errors: those of the
 * store, and ERR_INVALID when the profile would be too large. */
enum err_code partial_user(struct partial *p, struct store_conn *c, struct text id,
                           const struct partial_object *given, struct text *profile, bool *known,
                           struct err *e) ERR_MUST_CHECK;

/* The same for an item: id and texts of *out. A deleted item is not known; its row keeps what is left out all
 * the same. */
enum err_code partial_item(struct partial *p, struct store_conn *c, const struct partial_item *given,
                           struct store_item *out, bool *known, struct err *e) ERR_MUST_CHECK;

/* Whether what partial_item gave last is what the item has already. */
bool partial_item_is_same(const struct partial *p, const struct store_item *item);

#endif
