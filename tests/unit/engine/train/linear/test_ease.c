/* engine/train/linear/ease.c against the equation of the paper, solved naively in double. Risks: a triangle
 * read where the other was written, a column scaled by a row's diagonal, an item that recommends itself. */
#include "base/mem.h"
#include "engine/train/linear/ease.h"
#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

enum { N_USERS = 12, N_ITEMS = 7 };

struct world {
    struct encoder_interaction interactions[N_USERS * N_ITEMS];
    size_t start[N_USERS + 1];
    double x[N_USERS][N_ITEMS];
};

static void make_world(struct world *w)
{
    uint64_t state = 3;
    size_t n = 0;
    memset(w, 0, sizeof *w);
    for (size_t u = 0; u < N_USERS; u++) {
        w->start[u] = n;
        for (uint32_t i = 0; i < N_ITEMS; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            /* popular first; an order that does not rise, as in a store */
            uint32_t item = (i * 3 + (uint32_t)u) % N_ITEMS;
            if ((state >> 33) % N_ITEMS < item)
                continue;
            w->x[u][item] = 1;
            w->interactions[n++] = (struct encoder_interaction){.item = item, .weight = 2, .rating = NAN};
        }
    }
    w->start[N_USERS] = n;
}

/* b (N_ITEMS, N_ITEMS) by Gauss-Jordan elimination of [G + lambda 1 | 1]. */
static void naive_ease(const struct world *w, double lambda, double b[N_ITEMS][N_ITEMS])
{
    double a[N_ITEMS][2 * N_ITEMS] = {{0}};
    for (size_t i = 0; i < N_ITEMS; i++) {
        for (size_t j = 0; j < N_ITEMS; j++)
            for (size_t u = 0; u < N_USERS; u++)
                a[i][j] += w->x[u][i] * w->x[u][j];
        a[i][i] += lambda;
        a[i][N_ITEMS + i] = 1;
    }
    for (size_t k = 0; k < N_ITEMS; k++) {
        double pivot = a[k][k];
        for (size_t j = 0; j < 2 * N_ITEMS; j++)
            a[k][j] /= pivot;
        for (size_t i = 0; i < N_ITEMS; i++) {
            double factor = a[i][k];
            for (size_t j = 0; i != k && j < 2 * N_ITEMS; j++)
                a[i][j] -= factor * a[k][j];
        }
    }
    for (size_t i = 0; i < N_ITEMS; i++)
        for (size_t j = 0; j < N_ITEMS; j++)
            b[i][j] = i == j ? 0 : -a[i][N_ITEMS + j] / a[j][N_ITEMS + j];
}

START_TEST(the_matrix_is_that_of_the_equation)
{
    static const double lambdas[] = {0.5, 10, 300};
    struct world w;
    struct err e = {0};
    double expected[N_ITEMS][N_ITEMS];
    real b[N_ITEMS * N_ITEMS];
    make_world(&w);
    naive_ease(&w, lambdas[_i], expected);
    struct ials_data data = {N_USERS, N_ITEMS, w.start, w.start + 1, w.interactions};
    ck_assert_msg(ease_fit(&data, lambdas[_i], b, &e) == ERR_OK, "%s", e.text);
    double largest = 0;
    for (size_t i = 0; i < N_ITEMS; i++)
        for (size_t j = 0; j < N_ITEMS; j++) {
            ck_assert_double_eq_tol((double)b[i * N_ITEMS + j], expected[i][j], 2e-5);
            largest = fmax(largest, fabs(expected[i][j]));
        }
    ck_assert_double_gt(largest, 1e-3); /* else there was nothing to compare */
}
END_TEST

START_TEST(scores_are_the_sum_of_the_known_items_rows)
{
    real b[9] = {0, 1, 2, 10, 0, 20, 100, 200, 0}, scores[3];
    const struct encoder_interaction known[] = {{.item = 2}, {.item = 0}};
    ease_scores(b, 3, known, 2, scores);
    ck_assert(scores[0] == 100 && scores[1] == 201 && scores[2] == 2);
    ease_scores(b, 3, known, 0, scores);
    ck_assert(scores[0] == 0 && scores[1] == 0 && scores[2] == 0);
}
END_TEST

START_TEST(too_many_items_are_refused)
{
    struct err e = {0};
    struct ials_data data = {.n_items = EASE_MOST_ITEMS + 1};
    ck_assert_int_eq(ease_fit(&data, 1, NULL, &e), ERR_INVALID);
    ck_assert_str_eq(e.text, "EASE of 20001 items; at most 20000");
}
END_TEST

SUITE("engine/train/ease", NULL, NULL, {the_matrix_is_that_of_the_equation, 3},
      {scores_are_the_sum_of_the_known_items_rows}, {too_many_items_are_refused})
