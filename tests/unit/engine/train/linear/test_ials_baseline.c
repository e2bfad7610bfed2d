/* engine/train/linear/ials_baseline.c: scores against the equation solved naively in double, tastes that were
 * planted, the number of threads; risks: a triangle that was not filled, a ridge of the wrong size, a choice
 * that depends on threads. */
#include "engine/train/linear/ials_baseline.h"

#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>

enum { N_USERS = 60, N_ITEMS = 40, N_EACH = 8 };

struct world {
    struct encoder_interaction interactions[N_USERS * N_EACH];
    size_t start[N_USERS + 1];
    struct train_data data;
};

/* Even users take items of the lower half, odd ones of the upper. */
static void make_world(struct world *w)
{
    uint64_t state = 5;
    for (size_t u = 0; u <= N_USERS; u++)
        w->start[u] = u * N_EACH;
    for (size_t u = 0; u < N_USERS; u++) {
        unsigned char taken[N_ITEMS] = {0};
        for (size_t i = 0; i < N_EACH;) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            uint32_t item = (uint32_t)((state >> 33) % (N_ITEMS / 2) + u % 2 * (N_ITEMS / 2));
            if (taken[item]++)
                continue;
            w->interactions[u * N_EACH + i++] = (struct encoder_interaction){
                .item = item, .weight = 1, .rating = NAN, .timestamp = (int64_t)i};
        }
    }
    w->data = (struct train_data){
        .n_users = N_USERS, .n_items = N_ITEMS, .user_start = w->start, .interactions = w->interactions};
}

static struct ials_baseline *baseline_of(const struct train_data *data, int n_threads)
{
    struct parallel *team;
    struct ials_baseline *b;
    struct err e = {0};
    ck_assert_int_eq(parallel_new(n_threads, &team, &e), ERR_OK);
    ck_assert_msg(ials_baseline_new(data, team, 0, 1, &b, &e) == ERR_OK, "%s", e.text);
    parallel_free(team);
    return b;
}

/* x of (alpha V^T V + sum w v v^T + ridge) x = sum w v, by elimination; a (d, d + 1). */
static void naive_fold_in(const struct ials_baseline *b, const struct encoder_interaction *known, size_t n,
                          double *a, double *x)
{
    size_t d = b->options.dim, width = d + 1;
    double ridge = b->options.reg * pow((double)n + b->options.alpha * N_ITEMS, b->options.reg_exponent);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j <= d; j++)
            a[i * width + j] = j == i ? ridge : 0;
    for (size_t item = 0; item < N_ITEMS; item++)
        for (size_t i = 0; i < d; i++)
            for (size_t j = 0; j < d; j++)
                a[i * width + j] += b->options.alpha * b->items[item * d + i] * b->items[item * d + j];
    for (size_t k = 0; k < n; k++) {
        const real *v = b->items + known[k].item * d;
        for (size_t i = 0; i < d; i++) {
            for (size_t j = 0; j < d; j++)
                a[i * width + j] += (double)known[k].weight * v[i] * v[j];
            a[i * width + d] += (double)known[k].weight * v[i];
        }
    }
    for (size_t k = 0; k < d; k++)
        for (size_t i = 0; i < d; i++) {
            double factor = i == k ? 0 : a[i * width + k] / a[k * width + k];
            for (size_t j = 0; j <= d; j++)
                a[i * width + j] -= factor * a[k * width + j];
        }
    for (size_t i = 0; i < d; i++)
        x[i] = a[i * width + d] / a[i * width + i];
}

static const size_t lengths[] = {1, 3, 64, 65, 150}; /* shorter and longer than what is gathered at once */

START_TEST(test_ials_baseline_scores_solve_the_equation)
{
    struct encoder_interaction known[150];
    size_t n = lengths[_i];
    struct world w;
    make_world(&w);
    for (size_t i = 0; i < n; i++)
        known[i] = (struct encoder_interaction){.item = (uint32_t)(i * 7 % N_ITEMS),
                                                .weight = 0.5f + (float)(i % 4)};
    struct ials_baseline *b = baseline_of(&w.data, 1);
    size_t d = b->options.dim;
    double *a = calloc(d * (d + 1), sizeof *a), *x = calloc(d, sizeof *x);
    real *workspace = calloc(ials_baseline_workspace_len(b), sizeof *workspace), scores[N_ITEMS];
    naive_fold_in(b, known, n, a, x);
    ials_baseline_scores(b, known, n, workspace, scores);
    for (size_t item = 0; item < N_ITEMS; item++) {
        double expected = 0;
        for (size_t i = 0; i < d; i++)
            expected += x[i] * b->items[item * d + i];
        ck_assert_double_eq_tol(scores[item], expected, 1e-4);
    }
    free(a);
    free(x);
    free(workspace);
    ials_baseline_free(b);
}
END_TEST

START_TEST(test_ials_baseline_finds_planted_tastes)
{
    struct world w;
    make_world(&w);
    struct ials_baseline *b = baseline_of(&w.data, 2);
    real *workspace = calloc(ials_baseline_workspace_len(b), sizeof *workspace), scores[N_ITEMS];
    for (uint32_t half = 0; half < 2; half++) {
        const struct encoder_interaction known[] = {{.item = half * 20 + 1, .weight = 1},
                                                    {.item = half * 20 + 7, .weight = 1}};
        double sums[2] = {0, 0};
        ials_baseline_scores(b, known, 2, workspace, scores);
        for (size_t item = 0; item < N_ITEMS; item++)
            sums[item / 20] += scores[item];
        ck_assert_double_gt(sums[half], 2 * fabs(sums[1 - half]));
    }
    free(workspace);
    ials_baseline_free(b);
}
END_TEST

START_TEST(test_ials_baseline_threads_change_no_bit)
{
    struct world w;
    make_world(&w);
    struct ials_baseline *one = baseline_of(&w.data, 1), *three = baseline_of(&w.data, 3);
    ck_assert_uint_eq(one->options.dim, three->options.dim);
    ck_assert(one->options.alpha == three->options.alpha && one->options.reg == three->options.reg);
    for (size_t i = 0; i < N_ITEMS * one->options.dim; i++)
        ck_assert(one->items[i] == three->items[i]);
    ials_baseline_free(one);
    ials_baseline_free(three);
}
END_TEST

START_TEST(test_ials_baseline_of_nobody_scores_all_items_alike)
{
    static const size_t start[1] = {0};
    const struct train_data data = {.n_items = N_ITEMS, .user_start = start};
    struct ials_baseline *b = baseline_of(&data, 1);
    real *workspace = calloc(ials_baseline_workspace_len(b), sizeof *workspace), scores[N_ITEMS];
    ials_baseline_scores(b, NULL, 0, workspace, scores);
    for (size_t item = 0; item < N_ITEMS; item++)
        ck_assert(scores[item] == 0);
    free(workspace);
    ials_baseline_free(b);
}
END_TEST

SUITE("server/ials_baseline", NULL, NULL,
      {test_ials_baseline_scores_solve_the_equation, sizeof lengths / sizeof *lengths},
      {test_ials_baseline_finds_planted_tastes}, {test_ials_baseline_threads_change_no_bit},
      {test_ials_baseline_of_nobody_scores_all_items_alike})
