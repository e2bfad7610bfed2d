/* world - a made-up world of users with tastes, items with categories, and who took what when.
 *
 * A user's taste for each category comes in part from the profile (which a model can learn for new users) and
 * in part from the user alone; it drifts from a first to a last taste over the user's time, and one
 * interaction in three stays with the category of the one before, so that order matters. Items have one to
 * three categories, a skewed popularity, and a hidden tone that users share or not. Only additions, products,
 * divisions and square roots of doubles are used, so that every machine makes the same world.
 * Layer: server/simulate
 * Threads: confined to its thread.
 * Memory: everything, about 24 bytes an interaction. */
#ifndef SERVER_SIMULATE_WORLD_H
#define SERVER_SIMULATE_WORLD_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WORLD_CATEGORIES = 12,
    WORLD_ITEM_CATEGORIES = 3, /* of one item, at most */
    WORLD_FIELDS = 3,          /* of a profile */
    WORLD_VALUES = 8,          /* of a field, at most */
    WORLD_CANDIDATES = 99,     /* items that a user never met, to rank the held-out one against */
    WORLD_LEAST_USER = 2,      /* interactions of a user, the held-out one aside */
    WORLD_LEAST_ITEMS = 150,
    WORLD_MOST = 100000000 /* users, items, interactions */
};

struct world_item {
    uint8_t categories[WORLD_ITEM_CATEGORIES]; /* (n_categories), the main one first */
    uint8_t n_categories;
    double popularity, quality, tone;
};

struct world_user {
    uint8_t values[WORLD_FIELDS];
    double first[WORLD_CATEGORIES], last[WORLD_CATEGORIES]; /* shares of the categories; sum 1 */
    double tone, activity;
    size_t n_interactions; /* with the held-out one */
};

struct world_event {
    uint32_t user, item;
    uint32_t rating;   /* 1 to 5 */
    uint32_t held_out; /* 1: the user's newest */
    int64_t timestamp; /* rising for each user */
};

struct world {
    struct world_user *users;   /* (n_users) */
    struct world_item *items;   /* (n_items) */
    struct world_event *events; /* (n_events) ordered by time; every user's newest is held out */
    uint32_t *candidates;       /* (n_users, WORLD_CANDIDATES) */
    size_t n_users, n_items, n_events;
    uint64_t seed; /* as the options say */
    bool kinds;
};

struct world_options {
    size_t n_users, n_items;
    size_t n_interactions; /* without the held-out ones */
    uint64_t seed;
    bool kinds; /* events have kinds (funnel.h) */
};

/* Makes a world. ERR_INVALID when the counts do not fit each other, saying which ones would; ERR_NOMEM. */
enum err_code world_new(const struct world_options *options, struct world **out,
                        struct err *e) ERR_MUST_CHECK;
void world_free(struct world *w); /* NULL is allowed */

/* The categories of a user by share over the whole time, the largest first. */
void world_favourites(const struct world_user *u, uint8_t order[static WORLD_CATEGORIES]);

#endif
