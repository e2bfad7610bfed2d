/* engine/network/item_item.c with double as the scalar, in which two indices fit: theta has room for what is
 * written, and what was written is read again, for even and odd numbers of entries. */
#include "engine/network/item_item.h"

#include "tests/support/suite.h"

#include <stdlib.h>

enum { N_ITEMS = 9, N_PAIRS = 6 };

START_TEST(entries_are_read_as_they_were_written)
{
    static const uint32_t item[N_PAIRS] = {8, 1, 0, 5, 8, 3};
    static const double weight[N_PAIRS] = {0.1, -2, 3, 1e-300, 0.2, 7};
    int64_t start[N_ITEMS + 1] = {0};
    struct model_spec spec = {.objective = &objective_ranking,
                              .n_items = N_ITEMS,
                              .d_item = 3,
                              .d_context = 1,
                              .d_output = 1,
                              .has_linear = true,
                              .n_pairs = N_PAIRS};
    for (int j = 1; j <= N_ITEMS; j++)
        start[j] = j <= N_PAIRS ? j : N_PAIRS; /* one each */
    struct model_params params = {.pairs = {start, item, weight}};
    struct encoder_interaction history[N_PAIRS] = {{.item = 0}, {.item = 1}, {.item = 2},
                                                   {.item = 3}, {.item = 4}, {.item = 5}};
    size_t len, n = (size_t)_i, most = item_item_theta_most(&spec);
    real beta[N_ITEMS], work[2 * N_ITEMS], *theta = calloc(most + 1, sizeof *theta);
    struct theta_layout layout;
    ck_assert_ptr_nonnull(theta);
    ck_assert_uint_eq(item_item_workspace_len(&spec), 2 * N_ITEMS);
    theta[most] = 12345;
    ck_assert_int_eq(item_item_generate(&spec, &params, history, n, work, theta, &len, NULL), ERR_OK);
    ck_assert_uint_le(len, most);
    ck_assert(theta[most] == 12345);
    theta_layout_of(&spec, &layout);
    struct item_item near = item_item_of(&spec, &layout, theta);
    item_item_bias(&params.pairs, N_ITEMS, history, n, beta);
    size_t at = 0;
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        ck_assert(item_item_value(&near, i) == beta[i]);
        at += beta[i] != 0;
    }
    ck_assert_uint_eq(near.n, at);
    ck_assert_uint_eq(near.n, n < 5 ? n : n - 1); /* the first and the fifth are of the same item */
    ck_assert_ptr_eq(near.values + near.n, theta + len);
    free(theta);
}
END_TEST

SUITE("engine/train/item_item in double", NULL, NULL, {entries_are_read_as_they_were_written, N_PAIRS + 1})
