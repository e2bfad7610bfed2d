/* item_item_world - users and items of a planted kind, for the tests of item-item weights.
 * Layer: tests/support
 * Threads: confined.
 * Memory: item_item_world_free. */
#ifndef TESTS_SUPPORT_ITEM_ITEM_WORLD_H
#define TESTS_SUPPORT_ITEM_ITEM_WORLD_H

#include "base/parallel.h"
#include "engine/train/data/split.h"
#include "engine/train/item_item/fit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ITEM_ITEM_WORLD_USERS = 120,
    ITEM_ITEM_WORLD_MOST = 30, /* items of a user */
    ITEM_ITEM_LONER = 7,
    ITEM_ITEM_NOBODY = 8,
    ITEM_ITEM_GROUPS = 5
};

struct item_item_world {
    struct encoder_interaction interactions[ITEM_ITEM_WORLD_USERS * ITEM_ITEM_WORLD_MOST + 1];
    size_t start[ITEM_ITEM_WORLD_USERS + 1];
    struct train_data data;
    struct split split;
};

/* Whether user u takes item i, by a world's rule. */
typedef bool item_item_takes_fn(size_t u, size_t i, size_t n_items, uint64_t *state);

/* The loner has one user and he nothing else; nobody has the item after it. Chance alone, popular items
 * first. */
bool item_item_takes_by_chance(size_t u, size_t i, size_t n_items, uint64_t *state);

/* Users of one of five groups take of the items of their group, each as popular as any other. */
bool item_item_takes_of_group(size_t u, size_t i, size_t n_items, uint64_t *state);

/* Ends the program without memory: make it before failures are asked for. */
struct item_item_world *item_item_world_new(size_t n_items, item_item_takes_fn *takes, bool hold_out);
void item_item_world_free(struct item_item_world *w);

struct parallel *item_item_world_team(int n);

void item_item_world_same(const struct item_weights *a, const struct item_weights *b, size_t n_items);

#endif
