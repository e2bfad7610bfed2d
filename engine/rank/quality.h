/* quality - quality of a ranking from the positions of the items that should be in it, and of predicted
 * ratings.
 *
 * positions (n_found), rising, from 0: places of the relevant items in the ranking; n_relevant counts those
 * that are not in it at all too.
 *
 *   hr@k             1 when a position is below k, else 0
 *   ndcg@k           sum of 1/log2(position + 2) below k, over that of the best ranking of min(k, n_relevant)
 *   recall@k         positions below k, over n_relevant
 *   recall_capped@k  positions below k, over min(k, n_relevant)
 *   mrr, mrr@k       1 / (first position + 1), 0 when it is not below k
 *   map, map@k       sum of the precision at each position below k, over min(k, n_relevant)
 *                    (Manning et al. 2008, 8.4)
 *
 * Not of one ranking:
 *   coverage@k       share of the catalogue's items that are among the first k of some user
 *   rmse, mae        root of the mean squared error, and mean absolute error, of predicted ratings
 * Layer: engine/rank
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_RANK_QUALITY_H
#define ENGINE_RANK_QUALITY_H

#include <stdbool.h>
#include <stddef.h>

enum metric_kind {
    METRIC_HR,
    METRIC_NDCG,
    METRIC_RECALL,
    METRIC_RECALL_CAPPED,
    METRIC_MRR,
    METRIC_MAP,
    METRIC_COVERAGE,
    METRIC_RMSE,
    METRIC_MAE
};

struct metric {
    enum metric_kind kind;
    size_t k; /* SIZE_MAX: no cut */
};

/* Reads "ndcg@10" or "mrr"; mrr and map may have a cut, rmse and mae have none, the others need one. */
bool metric_parse(const char *text, struct metric *out);

/* The metric's name with its cut, into out. */
void metric_name(const struct metric *m, char out[32]);

/* Whether the metric is of predicted ratings (rmse, mae). */
bool metric_of_ratings(const struct metric *m);

/* What one error (predicted less given) adds to the sum whose mean is mae, or whose mean's root is rmse. */
double metric_error(const struct metric *m, double error);

/* Of the kinds of one ranking; coverage, rmse and mae are 0. */
double metric_value(const struct metric *m, const size_t *positions, size_t n_found, size_t n_relevant);

/* Positions of the relevant items among the others: an item's place counts all others that score no less, so
 * that ties count against it. relevant (n_relevant) and others (n_others) are scores; positions (n_relevant)
 * out, rising. NaN is the worst. */
void metric_positions(const float *relevant, size_t n_relevant, const float *others, size_t n_others,
                      size_t *positions);

#endif
