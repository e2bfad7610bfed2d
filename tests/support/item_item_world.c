#include "tests/support/item_item_world.h"

#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>

static double next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(uint32_t)(*state >> 33) / 2147483648.0;
}

bool item_item_takes_by_chance(size_t u, size_t i, size_t n_items, uint64_t *state)
{
    double x = next_random(state);
    if (i == ITEM_ITEM_LONER || i == ITEM_ITEM_NOBODY || u == 0)
        return i == ITEM_ITEM_LONER && u == 0;
    return x < 0.02 + 0.4 * exp(-3.0 * (double)i / (double)n_items);
}

bool item_item_takes_of_group(size_t u, size_t i, size_t n_items, uint64_t *state)
{
    (void)n_items;
    return next_random(state) < (u % ITEM_ITEM_GROUPS == i % ITEM_ITEM_GROUPS ? 0.6 : 0.02);
}

struct item_item_world *item_item_world_new(size_t n_items, item_item_takes_fn *takes, bool hold_out)
{
    struct item_item_world *w = calloc(1, sizeof *w);
    struct err e = {0};
    uint64_t state = 11;
    ck_assert_ptr_nonnull(w);
    size_t n = 0;
    for (size_t u = 0; u < ITEM_ITEM_WORLD_USERS; u++) {
        w->start[u] = n;
        for (size_t i = 0; i < n_items; i++) { /* in an order that does not rise */
            size_t item = (i * 7 + u) % n_items;
            if (takes(u, item, n_items, &state) && n - w->start[u] < ITEM_ITEM_WORLD_MOST)
                w->interactions[n++] =
                    (struct encoder_interaction){.item = (uint32_t)item, .weight = 1, .rating = NAN};
        }
    }
    w->start[ITEM_ITEM_WORLD_USERS] = n;
    w->data = (struct train_data){.n_users = ITEM_ITEM_WORLD_USERS,
                                  .n_items = n_items,
                                  .user_start = w->start,
                                  .interactions = w->interactions};
    ck_assert_msg(split_init(&w->split, &w->data, hold_out, 1, &e) == ERR_OK, "%s", e.text);
    return w;
}

void item_item_world_free(struct item_item_world *w)
{
    split_fini(&w->split);
    free(w);
}

struct parallel *item_item_world_team(int n)
{
    struct parallel *team;
    ck_assert_int_eq(parallel_new(n, &team, NULL), ERR_OK);
    return team;
}

void item_item_world_same(const struct item_weights *a, const struct item_weights *b, size_t n_items)
{
    ck_assert_uint_eq(a->n_pairs, b->n_pairs);
    ck_assert_mem_eq(a->start, b->start, (n_items + 1) * sizeof *a->start);
    ck_assert_mem_eq(a->item, b->item, a->n_pairs * sizeof *a->item);
    ck_assert_mem_eq(a->weight, b->weight, a->n_pairs * sizeof *a->weight);
}
