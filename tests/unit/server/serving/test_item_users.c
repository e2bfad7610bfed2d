/* server/serving/item_users.c and best_users.c: the users who most likely want an item. Risks: an order that
 * is not that of the scores, somebody twice, a score of who was not scored by his weights, a search that goes
 * on when nobody waits. */
#include "server/serving/item_users.h"

#include "base/rng.h"
#include "tests/support/api_world.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>

static struct api_world w;
static struct err e;

static void setup(void)
{
    api_world_init(&w);
    err_clear(&e);
}

static void teardown(void)
{
    api_world_fini(&w);
}

/* ---- the best of some ---- */

START_TEST(the_best_users_are_those_of_a_sort)
{
    enum { N = 200 };
    struct best_users best;
    struct rng rng;
    double scores[N];
    char ids[N][8];
    rng_init(&rng, 3, 0);
    size_t most = 1 + 20 * (size_t)_i;
    ck_assert_int_eq(best_users_init(&best, most, &e), ERR_OK);
    for (size_t i = 0; i < N; i++) {
        scores[i] = (double)rng_below(&rng, 30); /* so that there are equal ones */
        (void)snprintf(ids[i], sizeof ids[i], "u%zu", (i * 7919) % N);
        best_users_keep(&best, scores[i], text_of(ids[i]));
        best_users_keep(&best, i % 2 ? NAN : INFINITY, text_of("never"));
    }
    ck_assert_uint_eq(best.n, most < N ? most : N);
    for (size_t k = 0; k < best.n; k++) {
        const struct best_user *u = best_users_at(&best, k);
        size_t n_before = 0;
        for (size_t i = 0; i < N; i++)
            n_before +=
                scores[i] > u->score ||
                (scores[i] == u->score && text_compare(text_of(ids[i]), (struct text){u->id, u->len}) < 0);
        ck_assert_uint_eq(n_before, k);
    }
    best_users_fini(&best);
}
END_TEST

/* ---- of a store ---- */

enum { N_USERS = 60 };

static void register_users(void)
{
    char target[64], body[160];
    static const char *const items[] = {"1", "2x", "4xxx"};
    for (int i = 0; i < N_USERS; i++) {
        (void)snprintf(target, sizeof target, "/v1/admin/users/n%02d", i);
        (void)snprintf(body, sizeof body,
                       "{\"profile\":{\"age\":\"%s\",\"gender\":\"%s\"},\"interactions\":[{\"item\":\"%s\","
                       "\"weight\":%d}]}",
                       i % 2 ? "25-34" : "35-44", i % 3 ? "M" : "F", items[i % 3], 1 + i % 5);
        ck_assert_int_eq(api_world_json(&w, "PUT", target, body, NULL), 201);
    }
}

static struct model_handle *handle_of(const char *model)
{
    struct model_handle *handle = recommender_find(w.worker->session.recommender, model);
    ck_assert_ptr_nonnull(handle);
    return handle;
}

static void find(struct item_users *u)
{
    struct model_handle *handle = handle_of("sample");
    long index = item_snapshot_find_ranked(model_handle_items(handle), text_of("2x"));
    ck_assert_int_ge(index, 0);
    u->item = (uint32_t)index;
    ck_assert_int_eq(item_users_find(&w.worker->session, handle, u, &e), ERR_OK);
}

START_TEST(who_has_the_item_is_left_out_unless_it_is_asked_for)
{
    struct item_users all = {.most = 1000, .include_seen = true}, left = {.most = 1000};
    register_users();
    find(&all);
    find(&left);
    ck_assert_uint_ge(all.best.n, N_USERS);
    ck_assert_uint_eq(all.n_contexts, all.best.n);
    ck_assert_uint_eq(all.n_scored, all.best.n);
    ck_assert_uint_lt(left.best.n, all.best.n);
    size_t k = 0; /* the others in the same order */
    for (size_t i = 0; i < all.best.n && k < left.best.n; i++)
        k += text_compare(
                 (struct text){best_users_at(&all.best, i)->id, best_users_at(&all.best, i)->len},
                 (struct text){best_users_at(&left.best, k)->id, best_users_at(&left.best, k)->len}) == 0;
    ck_assert_uint_eq(k, left.best.n);
    item_users_fini(&all);
    item_users_fini(&left);
}
END_TEST

/* Fewer are scored than there are: each is who he is, with his own score, and once. */
START_TEST(of_many_users_those_that_are_scored_have_their_own_scores)
{
    struct item_users all = {.most = 1000, .include_seen = true};
    struct item_users some = {.most = 5, .most_scored = 8, .include_seen = true}, again = some;
    register_users();
    find(&all);
    find(&some);
    find(&again);
    ck_assert_uint_eq(some.n_contexts, all.n_contexts);
    ck_assert_uint_eq(some.n_scored, 8);
    ck_assert_uint_eq(some.best.n, 5);
    for (size_t i = 0; i < some.best.n; i++) {
        const struct best_user *one = best_users_at(&some.best, i);
        size_t n_found = 0;
        for (size_t k = 0; k < all.best.n; k++) {
            const struct best_user *other = best_users_at(&all.best, k);
            if (other->len != one->len || memcmp(other->id, one->id, one->len) != 0)
                continue;
            ck_assert_double_eq(other->score, one->score);
            n_found++;
        }
        ck_assert_uint_eq(n_found, 1);
        ck_assert(!i || one->score <= best_users_at(&some.best, i - 1)->score);
        ck_assert_int_eq(memcmp(best_users_at(&again.best, i)->id, one->id, one->len), 0);
    }
    item_users_fini(&all);
    item_users_fini(&some);
    item_users_fini(&again);
}
END_TEST

static bool at_once(void *arg)
{
    ++*(size_t *)arg;
    return true;
}

START_TEST(it_ends_when_nobody_waits)
{
    size_t n_asked = 0;
    struct item_users u = {.most = 10, .stop = at_once, .arg = &n_asked};
    register_users();
    find(&u);
    ck_assert_uint_ge(n_asked, 1);
    ck_assert_uint_eq(u.n_scored, 0);
    item_users_fini(&u);
}
END_TEST

START_TEST(nobody_with_a_context_is_an_empty_list)
{
    struct item_users u = {.most = 10};
    struct model_handle *handle = handle_of("linear"); /* it has no encoder, and nobody was given one */
    ck_assert_int_eq(item_users_find(&w.worker->session, handle, &u, &e), ERR_OK);
    ck_assert_uint_eq(u.best.n, 0);
    item_users_fini(&u);
}
END_TEST

SUITE("server/serving/item_users", setup, teardown, {the_best_users_are_those_of_a_sort, 12},
      {who_has_the_item_is_left_out_unless_it_is_asked_for},
      {of_many_users_those_that_are_scored_have_their_own_scores}, {it_ends_when_nobody_waits},
      {nobody_with_a_context_is_an_empty_list})
