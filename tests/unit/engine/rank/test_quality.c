/* engine/rank/quality.c: definitions against values worked out by hand, positions against a full sort; risks:
 * ties, NaN, k past the ranking, items that are not ranked at all. */
#include "engine/rank/quality.h"

#include "tests/support/suite.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

static const char *const good[] = {"hr@10", "ndcg@1", "recall@20", "recall_capped@20",
                                   "mrr",   "mrr@5",  "map",       "map@100000",
                                   "rmse",  "mae",    "coverage@7"};

START_TEST(test_metrics_names_read_and_write_the_same)
{
    struct metric m;
    char name[32];
    ck_assert(metric_parse(good[_i], &m));
    metric_name(&m, name);
    ck_assert_str_eq(name, good[_i]);
}
END_TEST

static const char *const bad[] = {"",
                                  "hr",
                                  "ndcg",
                                  "recall",
                                  "hr@",
                                  "hr@0",
                                  "hr@-1",
                                  "hr@+1",
                                  "hr@1x",
                                  "hr@ 1",
                                  "HR@10",
                                  "hr@10@2",
                                  "mrr@",
                                  "hr@100001",
                                  "h@1",
                                  "recall_cap@1",
                                  "hr@99999999999999999999",
                                  "@10",
                                  "coverage",
                                  "rmse@1",
                                  "mae@10"};

START_TEST(test_metrics_refuses_other_names)
{
    struct metric m;
    ck_assert_msg(!metric_parse(bad[_i], &m), "'%s' was taken", bad[_i]);
}
END_TEST

/* ---- values ---- */

#define DCG(position) (1 / log2((double)(position) + 2))

/* Relevant items at places 1 and 4 (from 0), a third one not ranked at all. */
static const size_t two_of_three[] = {1, 4};

static const struct {
    const char *name;
    double expected;
} by_hand[] = {
    {"hr@1", 0},
    {"hr@2", 1},
    {"hr@5", 1},
    {"recall@1", 0},
    {"recall@2", 1.0 / 3},
    {"recall@5", 2.0 / 3},
    {"recall@100", 2.0 / 3},
    {"recall_capped@2", 1.0 / 2},
    {"recall_capped@3", 1.0 / 3},
    {"recall_capped@5", 2.0 / 3},
    {"mrr", 1.0 / 2},
    {"mrr@1", 0},
    {"mrr@2", 1.0 / 2},
    {"map", (1.0 / 2 + 2.0 / 5) / 3},
    {"map@2", (1.0 / 2) / 2},
    {"map@4", (1.0 / 2) / 3},
    {"ndcg@1", 0},
};

START_TEST(test_metrics_values_are_those_by_hand)
{
    struct metric m;
    ck_assert(metric_parse(by_hand[_i].name, &m));
    double value = metric_value(&m, two_of_three, 2, 3);
    ck_assert_msg(fabs(value - by_hand[_i].expected) < 1e-12, "%s: %g, not %g", by_hand[_i].name, value,
                  by_hand[_i].expected);
}
END_TEST

START_TEST(test_metrics_ndcg_is_that_by_hand)
{
    const struct metric two = {METRIC_NDCG, 2}, five = {METRIC_NDCG, 5};
    ck_assert_double_eq_tol(metric_value(&two, two_of_three, 2, 3), DCG(1) / (DCG(0) + DCG(1)), 1e-12);
    ck_assert_double_eq_tol(metric_value(&five, two_of_three, 2, 3),
                            (DCG(1) + DCG(4)) / (DCG(0) + DCG(1) + DCG(2)), 1e-12);
}
END_TEST

START_TEST(test_metrics_of_one_held_out_item_are_those_of_its_place)
{
    /* leave-one-out: NDCG is the discount of the place, recall and hit rate are the same */
    for (size_t place = 0; place < 12; place++) {
        const struct metric hr = {METRIC_HR, 10}, ndcg = {METRIC_NDCG, 10}, recall = {METRIC_RECALL, 10};
        double hit = place < 10;
        ck_assert_double_eq(metric_value(&hr, &place, 1, 1), hit);
        ck_assert_double_eq(metric_value(&recall, &place, 1, 1), hit);
        ck_assert_double_eq_tol(metric_value(&ndcg, &place, 1, 1), hit * DCG(place), 1e-12);
    }
}
END_TEST

START_TEST(test_metrics_best_is_one_and_nothing_is_zero)
{
    static const size_t best[] = {0, 1, 2};
    struct metric m;
    ck_assert(metric_parse(good[_i], &m));
    bool of_one_ranking = m.kind < METRIC_COVERAGE;
    if (!of_one_ranking)
        ck_assert_double_eq(metric_value(&m, best, 3, 3), 0);
    else if (m.kind != METRIC_RECALL || m.k >= 3)
        ck_assert_double_eq_tol(metric_value(&m, best, 3, 3), 1, 1e-12);
    ck_assert_double_eq(metric_value(&m, NULL, 0, 3), 0);
    ck_assert_double_eq(metric_value(&m, NULL, 0, 0), 0);
}
END_TEST

START_TEST(test_metrics_square_errors_for_rmse_and_not_for_mae)
{
    const struct metric rmse = {METRIC_RMSE, SIZE_MAX}, mae = {METRIC_MAE, SIZE_MAX}, hr = {METRIC_HR, 10};
    ck_assert(metric_of_ratings(&rmse) && metric_of_ratings(&mae) && !metric_of_ratings(&hr));
    ck_assert_double_eq(metric_error(&rmse, -1.5), 2.25);
    ck_assert_double_eq(metric_error(&mae, -1.5), 1.5);
}
END_TEST

/* ---- positions ---- */

START_TEST(test_metrics_ties_count_against_the_item)
{
    static const float relevant[] = {2}, others[] = {3, 2, 2, 1};
    size_t place;
    metric_positions(relevant, 1, others, 4, &place);
    ck_assert_uint_eq(place, 3);
}
END_TEST

START_TEST(test_metrics_all_scores_equal_is_last)
{
    static const float relevant[] = {0}, others[99] = {0};
    size_t place;
    metric_positions(relevant, 1, others, 99, &place);
    ck_assert_uint_eq(place, 99);
}
END_TEST

START_TEST(test_metrics_nan_is_worst)
{
    static const float relevant[] = {NAN, 1}, others[] = {NAN, 0, -INFINITY};
    size_t places[2];
    metric_positions(relevant, 2, others, 3, places);
    ck_assert_uint_eq(places[0], 0); /* nothing is above 1 */
    ck_assert_uint_eq(places[1], 4); /* everything is above NaN, another NaN too */
}
END_TEST

START_TEST(test_metrics_tied_relevant_items_take_different_places)
{
    static const float relevant[] = {1, 1, 1}, others[] = {1, 0};
    size_t places[3];
    metric_positions(relevant, 3, others, 2, places);
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(places[i], i + 1);
}
END_TEST

struct scored {
    float score;
    int relevant;
};

/* Best first; of equal scores the irrelevant ones first. */
static int by_rank(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->relevant - y->relevant;
}

START_TEST(test_metrics_positions_equal_a_full_sort)
{
    enum { N = 60 };
    struct scored all[N];
    float relevant[N], others[N];
    size_t places[N], n_relevant = (size_t)_i % 7, n_others = N - n_relevant;
    uint64_t state = (uint64_t)_i * 2654435761u + 1;
    for (size_t i = 0; i < N; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        all[i] = (struct scored){(float)(state >> 40) / (_i % 2 ? 1e6f : 1.f), i < n_relevant};
        if (_i % 3 == 0) /* few distinct scores, so many ties */
            all[i].score = (float)((state >> 40) % 5);
        if (i < n_relevant)
            relevant[i] = all[i].score;
        else
            others[i - n_relevant] = all[i].score;
    }
    metric_positions(relevant, n_relevant, others, n_others, places);
    qsort(all, N, sizeof *all, by_rank);
    for (size_t i = 0, found = 0; i < N; i++)
        if (all[i].relevant)
            ck_assert_uint_eq(places[found++], i);
}
END_TEST

SUITE("engine/metrics", NULL, NULL, {test_metrics_names_read_and_write_the_same, sizeof good / sizeof *good},
      {test_metrics_refuses_other_names, sizeof bad / sizeof *bad},
      {test_metrics_values_are_those_by_hand, sizeof by_hand / sizeof *by_hand},
      {test_metrics_ndcg_is_that_by_hand}, {test_metrics_of_one_held_out_item_are_those_of_its_place},
      {test_metrics_best_is_one_and_nothing_is_zero, sizeof good / sizeof *good},
      {test_metrics_square_errors_for_rmse_and_not_for_mae}, {test_metrics_ties_count_against_the_item},
      {test_metrics_all_scores_equal_is_last}, {test_metrics_nan_is_worst},
      {test_metrics_tied_relevant_items_take_different_places},
      {test_metrics_positions_equal_a_full_sort, 40})
