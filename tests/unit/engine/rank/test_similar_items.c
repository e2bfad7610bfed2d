/* engine/rank/similar_items.c; risks: another order than the equation's, an item that is left out and yet
 * found, one whose embedding is all zeros and yet near to all, a number that is not finite. */
#include "engine/rank/similar_items.h"
#include "tests/support/sample_model.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct sample_model m;
static struct similar_items *s;
static real *embeddings; /* (I, D), which tests change */

static void setup(void)
{
    struct err e = {0};
    sample_model_init(&m, SAMPLE_RANKING, 1);
    size_t n = m.spec.n_items * m.spec.d_item;
    embeddings = malloc(n * sizeof *embeddings);
    ck_assert_ptr_nonnull(embeddings);
    memcpy(embeddings, m.params.catalogue_embedding, n * sizeof *embeddings);
    m.params.catalogue_embedding = embeddings;
    s = NULL;
    ck_assert_int_eq(similar_items_new(&m.spec, &m.params, 0, &s, &e), ERR_OK);
}

static void teardown(void)
{
    similar_items_free(s);
    sample_model_fini(&m);
    free(embeddings);
}

/* The equation, in double. */
static double similarity(const real *x, const real *y)
{
    double dot = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < m.spec.d_item; i++) {
        dot += (double)x[i] * (double)y[i];
        xx += (double)x[i] * (double)x[i];
        yy += (double)y[i] * (double)y[i];
    }
    return xx > 0 && yy > 0 ? dot / sqrt(sqrt(xx) * sqrt(yy)) : 0;
}

static const real *row(size_t i)
{
    return embeddings + i * m.spec.d_item;
}

/* All items that a filter admits, best first. */
static size_t find(size_t item, const struct catalogue_filter *filter, struct topk_entry *out)
{
    struct topk top;
    topk_init(&top, out, m.spec.n_items);
    similar_items_top_k(s, row(item), filter, &top);
    return topk_finish(&top);
}

START_TEST(test_scores_are_those_of_the_equation_best_first)
{
    struct topk_entry *got = calloc(m.spec.n_items, sizeof *got);
    for (size_t item = 0; item < m.spec.n_items; item++) {
        ck_assert_uint_eq(find(item, NULL, got), m.spec.n_items);
        for (size_t i = 0; i < m.spec.n_items; i++) {
            double expected = similarity(row(item), row(got[i].index));
            ck_assert_double_eq_tol(got[i].score, expected, 1e-5 * (1 + fabs(expected)));
            ck_assert(i == 0 || got[i - 1].score >= got[i].score);
        }
    }
    free(got);
}
END_TEST

START_TEST(test_what_is_excluded_or_not_allowed_is_not_found)
{
    struct topk_entry *got = calloc(m.spec.n_items, sizeof *got);
    uint64_t *allowed = calloc((m.spec.n_items + 63) / 64, sizeof *allowed);
    const uint32_t excluded[] = {0, 2};
    size_t n_allowed = 0;
    for (size_t i = 0; i < m.spec.n_items; i += 2, n_allowed++)
        allowed[i / 64] |= (uint64_t)1 << (i % 64);
    struct catalogue_filter filter = {.excluded = excluded, .n_excluded = 2, .allowed = allowed};
    size_t n = find(0, &filter, got);
    ck_assert_uint_eq(n, n_allowed - 2);
    for (size_t i = 0; i < n; i++)
        ck_assert(got[i].index % 2 == 0 && got[i].index != 0 && got[i].index != 2);
    free(got);
    free(allowed);
}
END_TEST

START_TEST(test_an_item_without_a_length_is_like_no_other)
{
    struct topk_entry *got = calloc(m.spec.n_items, sizeof *got);
    struct err e = {0};
    for (size_t i = 0; i < m.spec.d_item; i++) {
        embeddings[i] = 0;
        embeddings[m.spec.d_item + i] = i ? 0 : (real)1e-44; /* its inverse is not finite */
    }
    similar_items_free(s);
    ck_assert_int_eq(similar_items_new(&m.spec, &m.params, 0, &s, &e), ERR_OK);
    for (size_t item = 0; item < 3; item++) {
        size_t n = find(item, NULL, got);
        ck_assert_uint_eq(n, m.spec.n_items);
        for (size_t i = 0; i < n; i++) {
            ck_assert(isfinite(got[i].score));
            ck_assert(item > 0 || got[i].score == 0);
        }
    }
    free(got);
}
END_TEST

START_TEST(test_indices_are_counted_from_where_the_caller_says)
{
    struct topk_entry *got = calloc(m.spec.n_items, sizeof *got);
    struct err e = {0};
    similar_items_free(s);
    ck_assert_int_eq(similar_items_new(&m.spec, &m.params, 1000, &s, &e), ERR_OK);
    size_t n = find(0, NULL, got);
    ck_assert_uint_eq(n, m.spec.n_items);
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_ge(got[i].index, 1000);
    free(got);
}
END_TEST

SUITE("similar items", setup, teardown, {test_scores_are_those_of_the_equation_best_first},
      {test_what_is_excluded_or_not_allowed_is_not_found}, {test_an_item_without_a_length_is_like_no_other},
      {test_indices_are_counted_from_where_the_caller_says})
