/* engine/train/data/validate.c, the gain of one user: over the catalogue, and among drawn rivals. Risks:
 * rivals that the user has, a draw that never ends where nothing is left to draw, other rivals for another
 * model. */
#include "engine/train/data/validate.h"

#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

enum { N_ITEMS = 400, N_KNOWN = 100, N_HELD = 3, N_USERS = 300, N_OF = N_KNOWN + N_HELD };

/* User u has the items u, u + 1, ... (modulo N_ITEMS), of which the last N_HELD are held out. */
struct world {
    struct encoder_interaction interactions[N_USERS * N_OF];
    size_t data_start[N_USERS + 1], start[N_USERS], end[N_USERS];
    struct train_data data;
    struct split split;
    real scores[N_ITEMS];
};

static struct world world;

static void make_world(void)
{
    struct world *w = &world;
    memset(w, 0, sizeof *w);
    for (size_t u = 0; u < N_USERS; u++) {
        for (size_t i = 0; i < N_OF; i++)
            w->interactions[u * N_OF + i] =
                (struct encoder_interaction){.item = (uint32_t)((u + i) % N_ITEMS)};
        w->data_start[u] = w->start[u] = u * N_OF;
        w->end[u] = w->start[u] + N_KNOWN;
    }
    w->data_start[N_USERS] = (size_t)N_USERS * N_OF;
    w->data = (struct train_data){
        .n_users = N_USERS, .n_items = N_ITEMS, .user_start = w->data_start, .interactions = w->interactions};
    w->split =
        (struct split){.data = &w->data, .interactions = w->interactions, .start = w->start, .end = w->end};
}

static uint32_t held_item(size_t u, size_t h)
{
    return world.interactions[u * N_OF + N_KNOWN + h].item;
}

/* All items of the catalogue have the score 0, the user's training ones 2, his held-out ones those given. */
static double gain(size_t u, size_t n_rivals, const double held[N_HELD])
{
    for (size_t i = 0; i < N_ITEMS; i++)
        world.scores[i] = 0;
    for (size_t i = 0; i < N_KNOWN; i++)
        world.scores[world.interactions[u * N_OF + i].item] = 2;
    for (size_t h = 0; h < N_HELD; h++)
        world.scores[held_item(u, h)] = (real)held[h];
    world.split.n_rivals = n_rivals;
    return validate_gain(&world.split, u, world.scores);
}

START_TEST(what_is_above_all_has_the_whole_gain_and_what_is_below_has_none)
{
    static const double above[] = {3, 3.5, 4}, below[] = {-1, -1, -1}, tied[] = {0, 0, 0};
    for (size_t u = 0; u < N_USERS; u += 37)
        for (size_t n_rivals = 0; n_rivals <= 99; n_rivals += 99) {
            ck_assert_double_eq_tol(gain(u, n_rivals, above), 1, 1e-12);
            ck_assert_double_eq(gain(u, n_rivals, below), 0);
            ck_assert_double_eq(gain(u, n_rivals, tied), 0); /* a tie counts against */
        }
}
END_TEST

START_TEST(among_rivals_each_held_out_item_stands_alone)
{
    static const double one_above[] = {1, -1, -1};
    for (size_t u = 0; u < N_USERS; u += 37) /* over the catalogue it is the first of three that could be */
        ck_assert_double_eq_tol(gain(u, 99, one_above), 1.0 / 3, 1e-12);
}
END_TEST

/* Scores fall with the item's number. The place among 99 drawn follows from the share of the catalogue that
 * is above. */
START_TEST(rivals_are_drawn_alike_from_what_the_user_does_not_have)
{
    double got = 0, want = 0;
    world.split.n_rivals = 99;
    for (size_t u = 0; u < N_USERS; u++) {
        bool has[N_ITEMS] = {false};
        for (size_t i = 0; i < N_OF; i++)
            has[(u + i) % N_ITEMS] = true;
        for (size_t i = 0; i < N_ITEMS; i++)
            world.scores[i] = -(real)i;
        got += validate_gain(&world.split, u, world.scores);
        for (size_t h = 0; h < N_HELD; h++) {
            size_t n_above = 0;
            for (size_t i = 0; i < held_item(u, h); i++)
                n_above += !has[i];
            double p = (double)n_above / (N_ITEMS - N_OF),
                   at = pow(1 - p, 99); /* binomial: none above, one, ... */
            for (size_t k = 0; k < 10 && p < 1; k++) {
                want += at / log2((double)k + 2) / N_HELD;
                at *= (double)(99 - k) / (double)(k + 1) * p / (1 - p);
            }
        }
    }
    ck_assert_double_gt(want, 10);
    ck_assert_double_eq_tol(got, want, 0.05 * want);
}
END_TEST

START_TEST(the_rivals_are_the_same_whatever_is_measured)
{
    static const double held[] = {0.5, 0.5, 0.5};
    double first = gain(7, 99, held);
    (void)gain(8, 99, held);
    ck_assert_double_eq(gain(7, 99, held), first);
}
END_TEST

START_TEST(a_user_who_has_everything_is_measured_too)
{
    static const double held[] = {0, 0, 0};
    size_t kept = world.data.n_items;
    world.data.n_items = N_OF; /* user 0 has all of them */
    ck_assert_double_eq_tol(gain(0, 99, held), 1, 1e-12);
    world.data.n_items = kept;
}
END_TEST

SUITE("engine/train/validate_gain", make_world, NULL,
      {what_is_above_all_has_the_whole_gain_and_what_is_below_has_none},
      {among_rivals_each_held_out_item_stands_alone},
      {rivals_are_drawn_alike_from_what_the_user_does_not_have},
      {the_rivals_are_the_same_whatever_is_measured}, {a_user_who_has_everything_is_measured_too})
