/* engine/train/image/augment.c. Risks: a map that is off by half a pixel, or turned the other way from row to
 * column, which training would only find harder. */
#include "engine/train/image/augment.h"

#include "tests/support/suite.h"

#include <math.h>

enum { SIDE = 7, D = 2, N = SIDE * SIDE * D };

static const struct augment nothing = {0}, all = {0.2, 0.2, 0.15, 0.1};
static real x[N], out[N], again[N];

static void start(void)
{
    struct rng rng;
    rng_init(&rng, 17, 1);
    for (size_t i = 0; i < N; i++)
        x[i] = (real)rng_uniform(&rng);
}

static real at(const real *image, size_t row, size_t column, size_t k)
{
    return image[(row * SIDE + column) * D + k];
}

START_TEST(a_quarter_of_a_turn_moves_each_pixel_to_one_place)
{
    struct rng rng;
    rng_init(&rng, 1, 1);
    augment_image(&nothing, &rng, (unsigned)_i, x, SIDE, SIDE, D, out);
    for (size_t row = 0; row < SIDE; row++)
        for (size_t column = 0; column < SIDE; column++)
            for (size_t k = 0; k < D; k++) {
                size_t last = SIDE - 1, from_row[] = {row, column, last - row, last - column},
                       from_column[] = {column, last - row, last - column, row};
                ck_assert_double_eq_tol((double)at(out, row, column, k),
                                        (double)at(x, from_row[_i], from_column[_i], k), 1e-5);
            }
}
END_TEST

START_TEST(a_small_map_moves_what_was_and_adds_nothing)
{
    struct rng rng;
    double moved = 0;
    rng_init(&rng, 1, (uint64_t)_i);
    augment_image(&all, &rng, 0, x, SIDE, SIDE, D, out);
    for (size_t i = 0; i < N; i++) {
        ck_assert(out[i] >= 0 && out[i] <= 1 + 1e-5);
        moved += fabs((double)(out[i] - x[i]));
    }
    ck_assert(moved > 0.1);
}
END_TEST

START_TEST(the_same_numbers_give_the_same_image)
{
    struct rng rng, twin;
    rng_init(&rng, 5, 1);
    twin = rng;
    augment_image(&all, &rng, 3, x, SIDE, SIDE, D, out);
    augment_image(&all, &twin, 3, x, SIDE, SIDE, D, again);
    ck_assert_mem_eq(out, again, sizeof out);
}
END_TEST

SUITE("augment", start, NULL, {a_quarter_of_a_turn_moves_each_pixel_to_one_place, 4},
      {a_small_map_moves_what_was_and_adds_nothing, 8}, {the_same_numbers_give_the_same_image})
