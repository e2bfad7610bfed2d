/* Groups are numbers: of a value its code in the column, of a category a seeded hash of its name, of which
 * two do not meet among the few categories that there are. */
#include "server/serving/group_limit.h"

#include "base/hash.h"
#include "base/mem.h"
#include "server/fields/categories.h"

#include <string.h>

enum { FIRST = 64 };

struct group_count {
    uint64_t group; /* 0: free */
    size_t n;
};

struct group_limit group_limit_of(const struct item_snapshot *items, const struct max_per *asked)
{
    struct group_limit g = {.items = items, .asked = asked};
    if (!asked->categories)
        g.column = item_columns_find(item_snapshot_columns(items), asked->name);
    return g;
}

void group_limit_fini(struct group_limit *g)
{
    mem_free(g->counts);
    mem_free(g->groups);
    *g = (struct group_limit){.items = NULL};
}

void group_limit_clear(struct group_limit *g)
{
    if (g->counts)
        memset(g->counts, 0, g->capacity * sizeof *g->counts);
    g->n_groups = 0;
}

/* Where a group is or would be. */
static struct group_count *place_of(struct group_count *counts, size_t capacity, uint64_t group)
{
    size_t at = hash_words(hash_seed(), group, 0) & (capacity - 1);
    while (counts[at].group && counts[at].group != group)
        at = (at + 1) & (capacity - 1);
    return &counts[at];
}

/* Room for so many groups more. */
static bool reserve(struct group_limit *g, size_t n_more)
{
    size_t capacity = g->capacity ? g->capacity : FIRST;
    while (capacity < 2 * (g->n_groups + n_more + 1))
        capacity *= 2;
    if (capacity == g->capacity)
        return true;
    struct group_count *counts = mem_zalloc_array(capacity, sizeof *counts);
    if (!counts)
        return false;
    for (size_t i = 0; i < g->capacity; i++)
        if (g->counts[i].group)
            *place_of(counts, capacity, g->counts[i].group) = g->counts[i];
    mem_free(g->counts);
    g->counts = counts;
    g->capacity = capacity;
    return true;
}

static bool add_group(struct group_limit *g, uint64_t group)
{
    for (size_t i = 0; i < g->n_of_item; i++)
        if (g->groups[i] == group)
            return true;
    if (!MEM_RESERVE(g->groups, g->groups_capacity, g->n_of_item + 1)) {
        g->failed = true;
        return false;
    }
    g->groups[g->n_of_item++] = group;
    return true;
}

static bool add_category(void *arg, struct text name)
{
    return add_group(arg, hash_bytes(hash_seed(), name.data, name.len) | 1); /* none is 0 */
}

/* The groups of an item; false: no memory. */
static bool find_groups(struct group_limit *g, uint32_t index)
{
    const struct item_index *texts = item_snapshot_items(g->items);
    g->n_of_item = 0;
    if (g->asked->categories)
        return categories_each(item_index_info(texts, index).categories, add_category, g);
    uint32_t code = g->column ? item_column_code(g->column, item_index_key(texts, index)) : 0;
    if (!code)
        return true;
    const struct column_value *v = &g->column->values[code];
    if (v->type != METADATA_LIST)
        return add_group(g, code);
    for (size_t i = 0; i < v->len; i++)
        if (!add_group(g, g->column->members[v->at + i]))
            return false;
    return true;
}

bool group_limit_take(struct group_limit *g, uint32_t index)
{
    if (!find_groups(g, index) || !reserve(g, g->n_of_item)) {
        g->failed = true;
        return false;
    }
    for (size_t i = 0; i < g->n_of_item; i++)
        if (place_of(g->counts, g->capacity, g->groups[i])->n >= g->asked->n)
            return false;
    for (size_t i = 0; i < g->n_of_item; i++) {
        struct group_count *c = place_of(g->counts, g->capacity, g->groups[i]);
        g->n_groups += c->group == 0;
        c->group = g->groups[i];
        c->n++;
    }
    return true;
}
