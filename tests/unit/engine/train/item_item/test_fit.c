/* engine/train/item_item/fit.c, global.c and local.c: the weights solve the ridge regressions of fit.h,
 * worked out naively in double, and where not all are kept those are that move most; any number of threads
 * gives the same bits. Risks: a matrix transposed on the way to what an item says of others, neighbours that
 * are not the nearest, places of one item's that another one's gathering meets, a block that a failing
 * allocation leaves behind. */
#include "engine/train/item_item/fit.h"

#include "base/mem.h"
#include "tests/support/item_item_world.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ITEMS = 260, MAX_NEAR = 200 };

static void *must_have(void *p)
{
    ck_assert_ptr_nonnull(p);
    return p;
}

static struct item_weights fit(const struct split *s, size_t max_whole, double ridge, int n_threads)
{
    struct parallel *team = item_item_world_team(n_threads);
    struct item_item_fit *f;
    struct item_weights out;
    struct err e = {0};
    ck_assert_msg(item_item_fit_new(s, max_whole, team, &f, &e) == ERR_OK, "%s", e.text);
    ck_assert_msg(item_item_fit_solve(f, ridge, &out, &e) == ERR_OK, "%s", e.text);
    item_item_fit_free(f);
    parallel_free(team);
    return out;
}

/* ---- the equations ---- */

/* g (I, I) = X' W X, and the mean of its diagonal returned. */
static double naive_gram(const struct split *s, double *g)
{
    size_t n = s->data->n_items;
    double mean = 0;
    for (size_t u = 0; u < s->data->n_users; u++)
        for (size_t a = s->start[u]; a < s->end[u]; a++)
            for (size_t b = s->start[u]; b < s->end[u]; b++)
                g[s->interactions[a].item * n + s->interactions[b].item] +=
                    1 / sqrt((double)(s->end[u] - s->start[u]));
    for (size_t i = 0; i < n; i++)
        mean += g[i * n + i] / (double)n;
    return mean;
}

/* s (I, I): row i is the regression of item i on the others; there (I, I): which are its neighbours. */
static void unpack(const struct item_weights *w, size_t n, double *s, bool *there)
{
    for (size_t j = 0; j < n; j++)
        for (int64_t k = w->start[j]; k < w->start[j + 1]; k++) {
            ck_assert(!there[w->item[k] * n + j]);
            there[w->item[k] * n + j] = true;
            s[w->item[k] * n + j] = (double)w->weight[k];
        }
}

/* What is added to the diagonal for item j. */
static double ridge_of(const double *g, size_t n, size_t j, double mean, double ridge)
{
    return ridge * sqrt(mean * (g[j * n + j] + mean / 20));
}

/* What is left of an item's normal equations. */
static void check_item(const double *g, const double *s, const bool *there, size_t n, size_t i, double mean,
                       double ridge)
{
    for (size_t j = 0; j < n; j++) {
        if (!there[i * n + j])
            continue;
        double left = ridge_of(g, n, j, mean, ridge) * s[i * n + j] - g[j * n + i], scale = g[j * n + j];
        for (size_t k = 0; k < n; k++)
            left += there[i * n + k] ? g[j * n + k] * s[i * n + k] : 0;
        ck_assert_double_le(fabs(left), 2e-5 * scale); /* some 60 terms in float32 */
    }
}

/* The neighbours are the items of largest cosine, of those with any; at most `most`. Returns whether there
 * were more. */
static bool check_nearest(const double *g, const bool *there, size_t n, size_t i, size_t most)
{
    size_t count = 0, possible = 0;
    double least = INFINITY, next = 0;
    for (size_t j = 0; j < n; j++) {
        double cosine = j != i && g[i * n + j] > 0 ? g[i * n + j] / sqrt(g[i * n + i] * g[j * n + j]) : 0;
        possible += cosine > 0;
        count += there[i * n + j];
        if (there[i * n + j])
            least = fmin(least, cosine);
        else
            next = fmax(next, cosine);
    }
    ck_assert_uint_eq(count, possible < most ? possible : most);
    ck_assert(count == 0 || least > 0);
    ck_assert(count == 0 || least > next - 1e-6);
    return possible > most;
}

static const struct shape {
    size_t n_items, max_whole, most; /* neighbours of an item, where not all are */
    double ridge;
} shapes[] = {{40, 1000, 0, 1},    {40, 0, 39, 1},          {40, 1000, 0, 0.03}, {40, 0, 39, 10},
              {100, 1000, 0, 0.3}, {260, 0, MAX_NEAR, 0.3}, {2, 2, 0, 1}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

START_TEST(the_weights_solve_the_normal_equations_of_the_nearest_items)
{
    const struct shape *x = &shapes[_i];
    size_t n = x->n_items;
    struct item_item_world *w =
        item_item_world_new(n, n > 2 ? item_item_takes_by_chance : item_item_takes_of_group, true);
    double *g = must_have(calloc(n * n, sizeof *g)), *s = must_have(calloc(n * n, sizeof *s));
    bool *there = must_have(calloc(n * n, sizeof *there));
    double mean = naive_gram(&w->split, g);
    struct item_weights got = fit(&w->split, x->max_whole, x->ridge, 2);
    ck_assert_int_eq(got.start[0], 0);
    ck_assert_int_eq(got.start[n], (int64_t)got.n_pairs);
    unpack(&got, n, s, there);
    size_t n_full = 0;
    for (size_t i = 0; i < n; i++) {
        check_item(g, s, there, n, i, mean, x->ridge);
        if (x->max_whole == 0)
            n_full += check_nearest(g, there, n, i, x->most);
    }
    ck_assert(n <= MAX_NEAR || n_full > 10); /* not all items are near */
    item_weights_fini(&got);
    free(g);
    free(s);
    free(there);
    item_item_world_free(w);
}
END_TEST

/* x (n) solves a x = x for the (n, n) matrix a, which is positive definite; both are overwritten. */
static void eliminate(double *a, double *x, size_t n)
{
    for (size_t k = 0; k < n; k++)
        for (size_t r = k + 1; r < n; r++) {
            double factor = a[r * n + k] / a[k * n + k];
            for (size_t c = k; c < n; c++)
                a[r * n + c] -= factor * a[k * n + c];
            x[r] -= factor * x[k];
        }
    for (size_t k = n; k-- > 0;) {
        for (size_t c = k + 1; c < n; c++)
            x[k] -= a[k * n + c] * x[c];
        x[k] /= a[k * n + k];
    }
}

/* The regression of item i on all others, x (n) with x[i] = 0. */
static void regress_on_all(const double *g, size_t n, size_t i, double mean, double ridge, double *a,
                           double *x)
{
    memcpy(a, g, n * n * sizeof *a);
    for (size_t j = 0; j < n; j++) {
        x[j] = j == i ? 0 : g[j * n + i];
        a[j * n + j] += ridge_of(g, n, j, mean, ridge);
        a[j * n + i] = a[i * n + j] = j == i ? 1 : 0;
    }
    eliminate(a, x, n);
}

START_TEST(of_many_items_those_are_kept_that_move_most)
{
    enum { N = 260, KEPT = 200 };
    struct item_item_world *w = item_item_world_new(N, item_item_takes_by_chance, false);
    double *g = must_have(calloc(N * N, sizeof *g)), *s = must_have(calloc(N * N, sizeof *s));
    double *a = must_have(calloc(N * N, sizeof *a)), x[N];
    bool *there = must_have(calloc(N * N, sizeof *there));
    double mean = naive_gram(&w->split, g);
    struct item_weights got = fit(&w->split, N, 2, 2);
    size_t n_full = 0;
    unpack(&got, N, s, there);
    for (size_t i = 0; i < N; i += 13) {
        double least = INFINITY, next = 0;
        size_t n_kept = 0;
        regress_on_all(g, N, i, mean, 2, a, x);
        for (size_t j = 0; j < N; j++) {
            double moved = fabs(x[j]) * sqrt(g[j * N + j]);
            n_kept += there[i * N + j];
            if (there[i * N + j]) {
                ck_assert_double_eq_tol(s[i * N + j], x[j], 1e-5);
                least = fmin(least, moved);
            } else {
                next = fmax(next, moved);
            }
        }
        ck_assert(n_kept <= KEPT && next <= least + 1e-6);
        n_full += n_kept == KEPT;
    }
    ck_assert_uint_gt(n_full, 10);
    item_weights_fini(&got);
    free(g);
    free(s);
    free(a);
    free(there);
    item_item_world_free(w);
}
END_TEST

START_TEST(damping_takes_from_what_many_have)
{
    struct item_item_world *w = item_item_world_new(40, item_item_takes_by_chance, true);
    struct parallel *team = item_item_world_team(1);
    struct item_item_fit *f;
    struct item_weights plain = fit(&w->split, 40, 1, 1), damped;
    double *g = must_have(calloc(40 * 40, sizeof *g)), mean = naive_gram(&w->split, g);
    ck_assert_int_eq(item_item_fit_new(&w->split, 40, team, &f, NULL), ERR_OK);
    ck_assert_int_eq(item_item_fit_solve(f, 1, &damped, NULL), ERR_OK);
    item_item_fit_damp(f, 0.3, &damped);
    ck_assert_uint_gt(plain.n_pairs, 100);
    for (size_t k = 0; k < plain.n_pairs; k++) {
        size_t i = plain.item[k];
        double want = (double)plain.weight[k] * pow(g[i * 40 + i] / mean + 0.05, -0.3);
        ck_assert_double_eq_tol((double)damped.weight[k], want, 1e-5 * fabs(want));
    }
    item_item_fit_free(f);
    item_weights_fini(&plain);
    item_weights_fini(&damped);
    free(g);
    parallel_free(team);
    item_item_world_free(w);
}
END_TEST

START_TEST(the_weights_do_not_depend_on_the_number_of_threads)
{
    struct item_item_world *w = item_item_world_new(MAX_ITEMS, item_item_takes_by_chance, true);
    for (size_t max_whole = 0; max_whole <= MAX_ITEMS; max_whole += MAX_ITEMS) {
        struct item_weights one = fit(&w->split, max_whole, 1, 1), four = fit(&w->split, max_whole, 1, 4);
        item_item_world_same(&one, &four, MAX_ITEMS);
        item_weights_fini(&one);
        item_weights_fini(&four);
    }
    item_item_world_free(w);
}
END_TEST

START_TEST(an_item_that_nobody_took_together_with_another_has_no_weights)
{
    struct item_item_world *w = item_item_world_new(40, item_item_takes_by_chance, false);
    struct item_weights got = fit(&w->split, _i ? 0 : 40, 1, 1);
    ck_assert_int_eq(got.start[ITEM_ITEM_LONER], got.start[ITEM_ITEM_LONER + 1]);
    ck_assert_int_eq(got.start[ITEM_ITEM_NOBODY], got.start[ITEM_ITEM_NOBODY + 1]);
    for (size_t k = 0; k < got.n_pairs; k++)
        ck_assert(got.item[k] != ITEM_ITEM_LONER && got.item[k] != ITEM_ITEM_NOBODY);
    item_weights_fini(&got);
    item_item_world_free(w);
}
END_TEST

START_TEST(one_fit_solves_for_one_ridge_after_another)
{
    struct item_item_world *w = item_item_world_new(40, item_item_takes_by_chance, true);
    struct parallel *team = item_item_world_team(1);
    struct item_item_fit *f;
    struct item_weights first, between, again, fresh = fit(&w->split, _i ? 0 : 40, 0.1, 1);
    ck_assert_int_eq(item_item_fit_new(&w->split, _i ? 0 : 40, team, &f, NULL), ERR_OK);
    ck_assert_int_eq(item_item_fit_solve(f, 0.1, &first, NULL), ERR_OK);
    ck_assert_int_eq(item_item_fit_solve(f, 30, &between, NULL), ERR_OK);
    ck_assert_int_eq(item_item_fit_solve(f, 0.1, &again, NULL), ERR_OK);
    item_item_world_same(&first, &again, 40);
    item_item_world_same(&first, &fresh, 40);
    ck_assert_int_ne(memcmp(first.weight, between.weight, first.n_pairs * sizeof(real)), 0);
    item_weights_fini(&first);
    item_weights_fini(&between);
    item_weights_fini(&again);
    item_weights_fini(&fresh);
    item_item_fit_free(f);
    parallel_free(team);
    item_item_world_free(w);
}
END_TEST

/* ---- without memory: the code is right, the next try works; a sanitizer finds what is left behind ---- */

/* One failure (0) or all from then on (1). */
START_TEST(a_fit_without_memory_fails_and_leaves_nothing)
{
    struct item_item_world *w = item_item_world_new(40, item_item_takes_by_chance, true);
    struct parallel *team = item_item_world_team(2);
    for (long n = 1;; n++) {
        struct item_item_fit *f = NULL;
        struct item_weights out = {0};
        struct err e = {0};
        mem_fail_at(n, _i % 2);
        enum err_code code = item_item_fit_new(&w->split, _i / 2 ? 0 : 40, team, &f, &e);
        if (!code)
            code = item_item_fit_solve(f, 1, &out, &e);
        mem_fail_at(0, 0);
        item_item_fit_free(f);
        if (!code) {
            ck_assert_int_gt(n, 13);
            ck_assert_uint_gt(out.n_pairs, 0);
            item_weights_fini(&out);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
        ck_assert_int_eq(e.code, ERR_NOMEM);
        ck_assert_ptr_null(out.start);
    }
    parallel_free(team);
    item_item_world_free(w);
}
END_TEST

SUITE("engine/train/item_item/fit", NULL, NULL,
      {the_weights_solve_the_normal_equations_of_the_nearest_items, N_SHAPES},
      {of_many_items_those_are_kept_that_move_most}, {damping_takes_from_what_many_have},
      {the_weights_do_not_depend_on_the_number_of_threads},
      {an_item_that_nobody_took_together_with_another_has_no_weights, 2},
      {one_fit_solves_for_one_ridge_after_another, 2}, {a_fit_without_memory_fails_and_leaves_nothing, 4})
