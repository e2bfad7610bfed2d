/* Rows are of few users and items, so that they meet often. */
#include "tests/support/load_fixture.h"

#include "base/mem.h"
#include "tests/support/store_fixture.h"

#include <math.h>
#include <stdio.h>

struct load_fixture_row load_fixture_random(struct rng *r)
{
    struct load_fixture_row row = {.weight = 1 + (double)rng_below(r, 9),
                                   .rating = rng_below(r, 2) ? (double)NAN : (double)rng_below(r, 5),
                                   .timestamp = (int64_t)rng_below(r, 6)};
    (void)snprintf(row.user, sizeof row.user, "u%d", (int)rng_below(r, LOAD_FIXTURE_USERS));
    (void)snprintf(row.item, sizeof row.item, "i%d", (int)rng_below(r, LOAD_FIXTURE_ITEMS));
    return row;
}

struct store_load *load_fixture_stage(struct store_conn *c, const struct load_fixture_row *rows, size_t n)
{
    struct store_load *l;
    STORE_OK(store_load_new(c, 1, &l, &e));
    for (size_t i = 0; i < n; i++)
        STORE_OK(store_load_interaction(l, text_of(rows[i].user), text_of(rows[i].item), rows[i].weight,
                                        rows[i].rating, rows[i].timestamp, &e));
    STORE_OK(store_load_stage(l, &e));
    ck_assert(store_load_is_staged(l));
    return l;
}

void load_fixture_apply(struct store_conn *c, struct store_load *l)
{
    struct store_bulk *b;
    int64_t n_older;
    STORE_OK(store_begin(c, &e));
    STORE_OK(store_bulk_begin(c, &b, &e));
    STORE_OK(store_load_apply(l, b, &n_older, &e));
    STORE_OK(store_bulk_end(b, NULL, &e));
}

void load_fixture_load(struct store_conn *c, const struct load_fixture_row *rows, size_t n)
{
    struct store_load *l = load_fixture_stage(c, rows, n);
    load_fixture_apply(c, l);
    STORE_OK(store_commit(c, &e));
    store_load_free(l);
}

void load_fixture_bulk(struct store_conn *c, const struct load_fixture_row *rows, size_t n)
{
    struct store_bulk *b;
    STORE_OK(store_begin(c, &e));
    STORE_OK(store_bulk_begin(c, &b, &e));
    for (size_t i = 0; i < n; i++)
        STORE_OK(store_bulk_interaction(b, text_of(rows[i].user), text_of(rows[i].item), rows[i].weight,
                                        rows[i].rating, rows[i].timestamp, &e));
    STORE_OK(store_bulk_end(b, NULL, &e));
    STORE_OK(store_commit(c, &e));
}

bool load_fixture_exists(struct store_conn *c, const char *user)
{
    struct store_user u = {0};
    enum err_code code = store_read_user(c, text_of(user), NULL, &u, NULL);
    store_user_fini(&u);
    return code == ERR_OK;
}

/* One write of somebody else: an event, a registration that replaces, an item; of users and items that the
 * load has or not. */
void load_fixture_write(struct store_conn *c, struct rng *r)
{
    struct load_fixture_row row = load_fixture_random(r);
    int64_t revision;
    bool created;
    uint64_t kind = rng_below(r, 7);
    if (kind == 0)
        (void)snprintf(row.user, sizeof row.user, "v%d", (int)rng_below(r, 5));
    if (kind == 1)
        (void)snprintf(row.item, sizeof row.item, "j%d", (int)rng_below(r, 5));
    STORE_OK(store_begin(c, &e));
    if (kind == 0 && load_fixture_exists(c, row.user)) /* somebody whom no load names */
        STORE_OK(store_delete_user(c, text_of(row.user), &e));
    if (!load_fixture_exists(c, row.user) || kind == 2)
        STORE_OK(store_put_user(c, text_of(row.user), text_of("{\"a\":1}"), &revision, &created, &e));
    if (kind == 2)
        STORE_OK(store_clear_user(c, text_of(row.user), STORE_CLEAR_ALL, &e));
    STORE_OK(store_touch_user(c, text_of(row.user), &revision, &e));
    STORE_OK(store_put_interaction(c, text_of(row.user), text_of(row.item), row.weight, row.rating,
                                   row.timestamp, NULL, &e));
    if (kind == 3)
        STORE_OK(store_put_item(c, &(struct store_item){.id = text_of(row.item), .title = text_of("T")},
                                &created, &e));
    STORE_OK(store_commit(c, &e));
}

void load_fixture_assert_same(struct store_conn *a, struct store_conn *b)
{
    char *x = store_fixture_dump(a), *y = store_fixture_dump(b);
    ck_assert_str_eq(x, y);
    mem_free(x);
    mem_free(y);
}
