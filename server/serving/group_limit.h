/* group_limit - at most so many items of a list from one group: a category, a brand, whatever a field of the
 * metadata says. An item is in the group of each of its categories, or of each member of a list; one without
 * the field is in none, and is not limited.
 * Cost: a look into a table for each group of an item; of categories their text is read.
 * Layer: server/serving
 * Threads: confined.
 * Memory: some 16 bytes a group that was met; group_limit_fini frees. */
#ifndef SERVER_SERVING_GROUP_LIMIT_H
#define SERVER_SERVING_GROUP_LIMIT_H

#include "base/text.h"
#include "server/items/item_snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a caller asks for. */
struct max_per {
    size_t n;        /* 0: nothing */
    bool categories; /* of each category; else of each value of: */
    struct text name;
};

struct group_limit {
    const struct item_snapshot *items;
    const struct max_per *asked;
    const struct item_column *column; /* NULL: categories, or no item has the field */
    struct group_count *counts;       /* (capacity, a power of two) by group */
    size_t capacity, n_groups;
    uint64_t *groups; /* (groups_capacity) of the item at hand */
    size_t n_of_item, groups_capacity;
    bool failed; /* for want of memory */
};

struct group_limit group_limit_of(const struct item_snapshot *items, const struct max_per *asked);
void group_limit_fini(struct group_limit *g);

/* Forgets what was taken. */
void group_limit_clear(struct group_limit *g);

/* Takes an item where none of its groups has its share; false: one has, or there is no memory, which `failed`
 * says. */
bool group_limit_take(struct group_limit *g, uint32_t index);

#endif
