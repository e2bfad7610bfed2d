/* own_history - what a user has of the kinds that a filter asks for (has_kind), and such a filter applied to
 * a list of his. What is cached of the filter is what it is for somebody who has nothing: his few items are
 * then asked one by one, with the cached bits of the trees that ask nothing of him.
 * Cost: filters without has_kind: none. Else an AND, and a walk through the tree for each item that he has by
 *   a kind that is asked for, within its days.
 * Layer: server/items
 * Threads: confined to its thread.
 * Memory: 16 bytes an interaction that matters, kept for the next user; own_history_fini frees. */
#ifndef SERVER_ITEMS_OWN_HISTORY_H
#define SERVER_ITEMS_OWN_HISTORY_H

#include "base/err.h"
#include "server/items/item_snapshot.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

struct own_row {
    int64_t item_key;
    uint64_t own; /* a bit for each leaf of the filter that it answers, by its number */
};

/* Zero-initialise. */
struct own_history {
    struct own_row *rows; /* (n) */
    size_t n, capacity;
};

/* Empties it, for another user. */
void own_history_begin(struct own_history *h);
void own_history_fini(struct own_history *h);

/* Adds the n interactions of a user, of which f asks, at the time `now` (seconds since 1970); those of
 * several users are one history. An interaction whose time is not known is within no number of days. f: its
 * kinds have their numbers. ERR_NOMEM. */
enum err_code own_history_add(struct own_history *h, const struct item_filter *f,
                              const struct store_interaction *x, size_t n, int64_t now,
                              struct err *e) ERR_MUST_CHECK;

/* Takes out of allowed (bits by index, a word for 64 of the snapshot's items) what is not in f, for who has
 * this. h: NULL: nothing. ERR_NOMEM. */
enum err_code own_history_apply(const struct own_history *h, const struct item_filter *f,
                                const struct item_snapshot *items, uint64_t *allowed,
                                struct err *e) ERR_MUST_CHECK;

#endif
