/* search_run - a search from the first architecture that is drawn to the network that is kept.
 *
 *   1 architectures are drawn, and timed as they would be served, until enough are within the budget
 *   2 a hypernetwork learns to make weights for any architecture
 *   3 the generated weights of each are measured on the rows to choose by
 *   4 the best few are trained from scratch, and the best of these on the same rows is kept
 *   5 it is trained once more, for longer, and the better one of the two is kept
 *   6 it is measured on rows that had no part in all that (search_measure.h)
 *
 * A report asks how much the third step is worth: architectures are drawn anew and trained from scratch, each
 * twice, with another seed; do generated weights rank them as training does? The best of them by training is
 * what somebody finds who tries so many by hand: it is then trained as the kept one is, to be beside it.
 * Layer: server/search
 * Threads: confined to its thread.
 * Memory: the hypernetwork four times, three networks of the largest architecture, a line an architecture. */
#ifndef SERVER_SEARCH_SEARCH_RUN_H
#define SERVER_SEARCH_SEARCH_RUN_H

#include "base/err.h"
#include "base/progress.h"
#include "engine/rank/correlation.h"
#include "engine/train/search/weight_generator.h"
#include "server/search/search_data.h"

#include <stdint.h>

enum { SEARCH_MOST_CANDIDATES = 10000, SEARCH_MOST_REPORTED = 500, SEARCH_LEAST_REPORTED = 3 };

struct search_options {
    uint64_t seed;
    double budget_us;
    size_t n_candidates, n_finalists, n_reported; /* n_reported 0: no report */
    long n_generator_steps, n_steps;              /* of the hypernetwork, and of a network from scratch */
    long n_final_steps;                           /* of the network that is kept, once more; 0: none */
    progress_fn *progress;                        /* false ends the search (ERR_DEADLINE) */
    void *arg;
};

/* An architecture and what was found of it. Scores are on the rows to choose by: a share of classes, or less
 * than 0 the root of the mean squared error of numbers as they are learned. NAN: not measured. */
struct search_member {
    struct architecture architecture;
    size_t n_weights, drawn;                  /* drawn: how many were before it */
    double latency_us, generated, scratch[2]; /* from scratch, with two seeds */
};

/* How the generated weights' ranking of n architectures agrees with that of training. */
struct search_agreement {
    size_t n;
    struct correlation kendall, spearman;           /* with the mean of both trainings */
    struct correlation one_kendall, one_spearman;   /* with the first of them alone */
    struct correlation most_kendall, most_spearman; /* of one training with the other: the ceiling */
};

struct search_result {
    struct search_member *candidates; /* (n_candidates) within the budget, the best generated ones first */
    size_t n_candidates, n_timed;     /* n_timed: architectures that were drawn to find them */
    size_t n_finalists;               /* the first so many were trained from scratch, once */
    size_t chosen;                    /* of these */
    double kept;                      /* its score after the last training, if that is better */
    struct search_member *reported;   /* (n_reported) any budget */
    size_t n_reported;
    size_t best;                        /* of the reported ones, by the mean of both trainings */
    double tried;                       /* the score of the best, trained as the kept one */
    struct search_agreement all, plain; /* plain: without members that are bad on sight */
};

/* Runs the search; kept has the weights of the network that is kept and, after a report, tried those of the
 * best of the reported ones. ERR_CONFLICT: no architecture is within the budget; the text says what the
 * smallest latency is. ERR_DEADLINE, ERR_NOMEM. Zero-initialise kept, tried and result; search_result_fini
 * and candidate_fini free whatever is returned. */
enum err_code search_run(const struct search_data *data, const struct search_options *o,
                         struct candidate *kept, struct candidate *tried, struct search_result *result,
                         struct err *e) ERR_MUST_CHECK;
void search_result_fini(struct search_result *r);

#endif
