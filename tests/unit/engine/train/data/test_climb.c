/* engine/train/data/climb.c: the search of hyperparameters. Risks: a step off the grid; a point that is no
 * better is taken, or a better neighbour is passed by; a search goes on when it must end; what was not tried
 * counts. */
#include "engine/train/data/climb.h"

#include "tests/support/suite.h"

#include <math.h>

enum { N_X = 7, N_Y = 5 };

/* A hill with its top at (top_x, top_y). */
struct hill {
    int top_x, top_y;
    int n_tries, last; /* tries after which all are NAN; 0: none */
    int fails_at;      /* 0: never */
    int tries_at[N_X]; /* whatever y */
};

static enum err_code try_at(void *arg, int x, int y, double *value, struct err *e)
{
    struct hill *h = arg;
    ck_assert(x >= 0 && x < N_X && y >= 0 && y < N_Y);
    *value = -(double)((x - h->top_x) * (x - h->top_x) + (y - h->top_y) * (y - h->top_y));
    h->tries_at[x]++;
    if (++h->n_tries == h->fails_at)
        return err_set(e, ERR_NOMEM, "no memory");
    if (h->last && h->n_tries > h->last)
        *value = NAN;
    return ERR_OK;
}

static bool has_ended(void *arg)
{
    const struct hill *h = arg;
    return h->n_tries >= 6;
}

static const struct climb_step steps[] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};

static struct climb grid_of(struct hill *h)
{
    return (struct climb){.n_x = N_X, .n_y = N_Y, .steps = steps, .n_steps = 4, .try_at = try_at, .arg = h};
}

START_TEST(a_grid_is_climbed_to_the_top_wherever_it_is)
{
    for (int x = 0; x < N_X; x++)
        for (int y = 0; y < N_Y; y++) {
            struct hill h = {.top_x = x, .top_y = y};
            struct climb c = grid_of(&h);
            struct err e = {0};
            int at_x = 3, at_y = 2;
            ck_assert_int_eq(climb_grid(&c, &at_x, &at_y, &e), ERR_OK);
            ck_assert(at_x == x && at_y == y);
        }
}
END_TEST

START_TEST(steps_that_are_left_out_are_not_gone)
{
    struct hill h = {.top_x = 6, .top_y = 4};
    struct climb c = grid_of(&h);
    struct err e = {0};
    int x = 3, y = 2;
    c.n_steps = 2;
    ck_assert_int_eq(climb_grid(&c, &x, &y, &e), ERR_OK);
    ck_assert(x == 6 && y == 2);
}
END_TEST

START_TEST(a_search_that_must_end_stays_at_the_best_so_far)
{
    struct hill h = {.top_x = 6, .top_y = 4};
    struct climb c = grid_of(&h);
    struct err e = {0};
    int x = 3, y = 2;
    c.ends = has_ended;
    ck_assert_int_eq(climb_grid(&c, &x, &y, &e), ERR_OK);
    ck_assert(x == 5 && y == 2 && h.n_tries == 9); /* the start and two rounds */
    h = (struct hill){.top_x = 6, .top_y = 2, .last = 1};
    x = 3, y = 2, c.ends = NULL;
    ck_assert_int_eq(climb_grid(&c, &x, &y, &e), ERR_OK);
    ck_assert(x == 3 && y == 2);
}
END_TEST

START_TEST(a_failed_try_is_the_search_s_failure)
{
    struct hill h = {.top_x = 6, .top_y = 4, .fails_at = 4};
    struct climb c = grid_of(&h);
    struct err e = {0};
    int x = 3, y = 2;
    double best = -100;
    ck_assert_int_eq(climb_grid(&c, &x, &y, &e), ERR_NOMEM);
    h = (struct hill){.top_x = 6, .top_y = 0, .fails_at = 2};
    x = 3;
    ck_assert_int_eq(climb_line(&c, 1, &x, &best, &e), ERR_NOMEM);
}
END_TEST

START_TEST(a_line_is_climbed_either_way_and_no_try_is_made_twice)
{
    for (int step = -1; step <= 1; step += 2)
        for (int top = 0; top < N_X; top++) {
            struct hill h = {.top_x = top};
            struct climb c = grid_of(&h);
            struct err e = {0};
            int x = 3;
            double best = -(double)((3 - top) * (3 - top));
            ck_assert_int_eq(climb_line(&c, step, &x, &best, &e), ERR_OK);
            ck_assert_int_eq(x, top);
            ck_assert_double_eq(best, 0);
            ck_assert_int_eq(h.tries_at[3], 0); /* where it began */
            for (int i = 0; i < N_X; i++)
                ck_assert_int_le(h.tries_at[i], 1);
        }
}
END_TEST

SUITE("engine/train/data/climb", NULL, NULL, {a_grid_is_climbed_to_the_top_wherever_it_is},
      {steps_that_are_left_out_are_not_gone}, {a_search_that_must_end_stays_at_the_best_so_far},
      {a_failed_try_is_the_search_s_failure}, {a_line_is_climbed_either_way_and_no_try_is_made_twice})
