#include "server/items/item_lives.h"

#include "base/mem.h"

#include <string.h>

struct limited_life {
    int64_t key, from, until;
    int64_t hidden; /* 0 or 1; as wide as the others, so that equal lists are equal bytes */
};

void item_lives_fini(struct item_lives *l)
{
    mem_free(l->created);
    mem_free(l->limited);
    *l = (struct item_lives){.created = NULL};
}

bool item_lives_copy(const struct item_lives *from, struct item_lives *to)
{
    if (!MEM_RESERVE(to->created, to->created_capacity, from->n_created) ||
        !MEM_RESERVE(to->limited, to->limited_capacity, from->n_limited))
        return false;
    if (from->n_created)
        memcpy(to->created, from->created, from->n_created * sizeof *from->created);
    if (from->n_limited)
        memcpy(to->limited, from->limited, from->n_limited * sizeof *from->limited);
    to->n_created = from->n_created;
    to->n_limited = from->n_limited;
    return true;
}

bool item_lives_same(const struct item_lives *a, const struct item_lives *b)
{
    return a->n_created == b->n_created && a->n_limited == b->n_limited &&
           (!a->n_created || memcmp(a->created, b->created, a->n_created * sizeof *a->created) == 0) &&
           (!a->n_limited || memcmp(a->limited, b->limited, a->n_limited * sizeof *a->limited) == 0);
}

static bool set_created(struct item_lives *l, int64_t key, int64_t created)
{
    size_t had = l->n_created;
    if ((size_t)key >= had) {
        if (!MEM_RESERVE(l->created, l->created_capacity, (size_t)key + 1))
            return false;
        memset(l->created + had, 0, ((size_t)key + 1 - had) * sizeof *l->created);
        l->n_created = (size_t)key + 1;
    }
    l->created[key] = created;
    return true;
}

/* Where an item is or would be in the list. Those of a whole store come with rising keys, so the end is
 * looked at first. */
static size_t place_of(const struct item_lives *l, int64_t key)
{
    size_t low = 0, high = l->n_limited;
    if (high && l->limited[high - 1].key < key)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->limited[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool item_lives_set(struct item_lives *l, const struct store_item *item)
{
    const struct store_item_life *life = &item->life;
    struct limited_life mine = {
        .key = item->key, .from = life->from, .until = life->until, .hidden = life->hidden};
    bool limited = !item->deleted &&
                   (life->hidden || life->from != STORE_ALWAYS_FROM || life->until != STORE_ALWAYS_UNTIL);
    size_t at = place_of(l, item->key);
    bool there = at < l->n_limited && l->limited[at].key == item->key;
    if (limited && !there && !MEM_RESERVE(l->limited, l->limited_capacity, l->n_limited + 1))
        return false;
    if (limited && !there) {
        memmove(l->limited + at + 1, l->limited + at, (l->n_limited - at) * sizeof *l->limited);
        l->n_limited++;
    }
    if (limited)
        l->limited[at] = mine;
    else if (there)
        memmove(l->limited + at, l->limited + at + 1, (--l->n_limited - at) * sizeof *l->limited);
    return set_created(l, item->key, life->created);
}

int64_t item_lives_hide(const struct item_lives *l, const struct item_index *texts, int64_t now,
                        uint64_t *bits)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < l->n_limited; i++) {
        const struct limited_life *life = &l->limited[i];
        long index = item_index_index(texts, life->key);
        if (!life->hidden && life->from > now && life->from < next)
            next = life->from;
        if (!life->hidden && life->until > now && life->until < next)
            next = life->until;
        if (index >= 0 && (life->hidden || now < life->from || now >= life->until))
            bits[index / 64] &= ~((uint64_t)1 << (index % 64));
    }
    return next;
}
