/* engine/rank/diversity.c: the order of maximal marginal relevance, beside one that is written as its formula
 * is. Risks: an item twice or never, a window that does not move on, embeddings without a length. */
#include "engine/rank/diversity.h"

#include "base/mem.h"
#include "base/rng.h"
#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

enum { N = 60, D = 5 };

static struct topk_entry entries[N];
static real embeddings[N * D]; /* (N, D) */
static const real *rows[N];

static void draw(uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed, 0);
    for (size_t i = 0; i < N * D; i++)
        embeddings[i] = (real)rng_normal(&rng);
    for (size_t i = 0; i < N; i++) {
        entries[i] = (struct topk_entry){.score = (real)(10 - 0.1 * (double)i - 0.05 * rng_uniform(&rng)),
                                         .index = (uint32_t)(N - i)};
        rows[i] = embeddings + i * D;
    }
}

static double cosine(size_t a, size_t b)
{
    double dot = 0, x = 0, y = 0;
    for (size_t j = 0; j < D; j++) {
        dot += (double)rows[a][j] * (double)rows[b][j];
        x += (double)rows[a][j] * (double)rows[a][j];
        y += (double)rows[b][j] * (double)rows[b][j];
    }
    return x > 0 && y > 0 ? dot / sqrt(x * y) : 0;
}

/* What comes behind order (n), by the formula. */
static size_t next_by_formula(const size_t *order, size_t n, size_t window, double share)
{
    size_t best = N, left = window;
    double most = -INFINITY, worst = (double)entries[(N < window ? N : window) - 1].score;
    for (size_t i = 0; i < N && left; i++) {
        double likeness = n ? -1 : 0;
        bool is_taken = false;
        for (size_t k = 0; k < n; k++) {
            is_taken = is_taken || order[k] == i;
            likeness = fmax(likeness, cosine(i, order[k]));
        }
        if (is_taken)
            continue;
        left--;
        double span = (double)entries[0].score - worst;
        double relevance = span > 0 ? ((double)entries[i].score - worst) / span : 1;
        double value = (1 - share) * relevance - share * likeness;
        if (value > most + 1e-6) {
            most = value;
            best = i;
        }
    }
    return best;
}

static const struct {
    size_t window;
    double share;
} cases[] = {{N, 0.5}, {10, 0.5}, {7, 1}, {1, 0.9}, {N, 0}, {2 * N, 0.3}};

START_TEST(the_order_is_that_of_the_formula_and_has_each_item_once)
{
    struct diversity v;
    size_t order[N];
    draw(5 + (uint64_t)_i);
    ck_assert_int_eq(diversity_init(&v, entries, N, rows, D, cases[_i].window, cases[_i].share, NULL),
                     ERR_OK);
    for (size_t n = 0; n < N; n++) {
        size_t next = diversity_next(&v);
        ck_assert_uint_lt(next, N);
        ck_assert_uint_eq(next, next_by_formula(order, n, cases[_i].window, cases[_i].share));
        diversity_take(&v, next);
        order[n] = next;
    }
    ck_assert_uint_eq(diversity_next(&v), N);
    if (cases[_i].share == 0 || cases[_i].window == 1)
        for (size_t n = 0; n < N; n++)
            ck_assert_uint_eq(order[n], n);
    diversity_fini(&v);
}
END_TEST

/* Nothing is to be unlike what was left out, and it never comes. */
START_TEST(what_is_skipped_moves_nobody)
{
    struct diversity v;
    draw(9);
    memcpy(embeddings + D, embeddings, D * sizeof *embeddings); /* the second is like the first */
    ck_assert_int_eq(diversity_init(&v, entries, N, rows, D, N, 0.9, NULL), ERR_OK);
    diversity_skip(&v, 0);
    ck_assert_uint_eq(diversity_next(&v), 1);
    diversity_take(&v, 1);
    for (size_t n = 2; n < N; n++) {
        size_t next = diversity_next(&v);
        ck_assert_uint_gt(next, 1);
        ck_assert_uint_lt(next, N);
        diversity_take(&v, next);
    }
    ck_assert_uint_eq(diversity_next(&v), N);
    diversity_fini(&v);
}
END_TEST

START_TEST(items_without_a_length_or_with_one_score_come_in_their_order)
{
    struct diversity v;
    draw(3);
    memset(embeddings, 0, sizeof embeddings);
    for (size_t i = 0; i < N && _i; i++)
        entries[i].score = 4;
    ck_assert_int_eq(diversity_init(&v, entries, N, rows, D, N, 0.5, NULL), ERR_OK);
    for (size_t n = 0; n < N; n++) {
        ck_assert_uint_eq(diversity_next(&v), n);
        diversity_take(&v, n);
    }
    diversity_fini(&v);
}
END_TEST

START_TEST(of_nothing_nothing_is_next)
{
    struct diversity v;
    ck_assert_int_eq(diversity_init(&v, entries, 0, rows, D, 3, 0.5, NULL), ERR_OK);
    ck_assert_uint_eq(diversity_next(&v), 0);
    diversity_fini(&v);
}
END_TEST

START_TEST(want_of_memory_is_told)
{
    struct err e = {0};
    draw(1);
    long n = 0;
    enum err_code code = ERR_NOMEM;
    while (code == ERR_NOMEM && ++n < 20) {
        struct diversity v;
        mem_fail_at(n, 1);
        code = diversity_init(&v, entries, N, rows, D, N, 0.5, &e);
        mem_fail_at(0, 0);
        diversity_fini(&v);
    }
    ck_assert(code == ERR_OK && n == 4);
}
END_TEST

SUITE("engine/rank/diversity", NULL, NULL,
      {the_order_is_that_of_the_formula_and_has_each_item_once, sizeof cases / sizeof *cases},
      {what_is_skipped_moves_nobody}, {items_without_a_length_or_with_one_score_come_in_their_order, 2},
      {of_nothing_nothing_is_next}, {want_of_memory_is_told})
