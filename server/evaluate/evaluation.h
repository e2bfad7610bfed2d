/* evaluation - measures models and baselines on held-out items or ratings of users.
 * What is known of a user are the interactions in the store or, of users who are new to it, those of a file.
 * The ranking is over the candidates, or over all items but the known ones. Ties count against a system.
 * Baselines are fitted to the interactions of the store. Users without a context score zero (ratings: are
 * answered by the prior) and are counted and named. Nothing is stored.
 * Layer: server/evaluate
 * Threads: evaluation_run makes its own; each has its connection to the store and its workspaces.
 * Memory: the test rows and candidates, one value a (system, metric, user). */
#ifndef SERVER_EVALUATE_EVALUATION_H
#define SERVER_EVALUATE_EVALUATION_H

#include "base/err.h"
#include "base/limits.h"
#include "engine/model.h"
#include "engine/rank/quality.h"
#include "server/evaluate/evaluation_baselines.h"
#include "server/evaluate/evaluation_groups.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EVALUATION_MAX_METRICS = 16,
    EVALUATION_MAX_SYSTEMS = 24,
    EVALUATION_MAX_COUNTS = 16,
    EVALUATION_NAMED = 5
};

struct evaluation_options {
    const char *test_path;       /* rows: user item [rating] */
    const char *candidates_path; /* a user and items a line; NULL: full ranking */
    const char *known_path;    /* interactions of test users who are not in the store; NULL: they are in it */
    const char *users_path;    /* and their profiles; NULL: none */
    const size_t *counts;      /* (n_counts) one case each: so many of their interactions are given */
    size_t n_counts;           /* 0: one case, all that is known */
    const char *per_user_path; /* a line of JSON a user and case; NULL: none */
    const struct metric *metrics; /* of rankings, or of ratings alone */
    size_t n_metrics;
    unsigned baselines; /* which, a set; 0: none */
    bool foreign_items; /* also models of whose items the store has less than half */
    bool groups;        /* also by how much is known of the users, where there is one case */
    int n_threads;
    uint64_t seed;         /* of the bootstrap and of the baselines' validation */
    progress_fn *progress; /* as of the baselines; NULL: in silence */
    void *progress_arg;
};

/* One system's figures: means over users with 95 % bootstrap intervals; the difference is to the first
 * system. Coverage has no intervals: NAN. */
struct evaluation_row {
    char name[2 * 128 + 16];
    double mean[EVALUATION_MAX_METRICS], low[EVALUATION_MAX_METRICS], high[EVALUATION_MAX_METRICS];
    double difference[EVALUATION_MAX_METRICS], difference_low[EVALUATION_MAX_METRICS],
        difference_high[EVALUATION_MAX_METRICS];
};

/* One pass over the test users. */
struct evaluation_case {
    size_t count; /* of the interactions given; SIZE_MAX: all */
    struct evaluation_row rows[EVALUATION_MAX_SYSTEMS];
};

struct evaluation_result {
    struct evaluation_case cases[EVALUATION_MAX_COUNTS];
    size_t n_cases, n_rows;      /* rows of each case */
    size_t n_users, n_test_rows; /* rows: each (user, item) once */
    size_t
        n_unknown_items; /* test rows whose item the first model does not have: missed; ratings: the mean */
    struct evaluation_choices choices;
    size_t
        n_already; /* test rows that the store, or the known interactions, have: what was held out was not */
    char already[EVALUATION_NAMED][2 * LIMIT_ID_BYTES + 32]; /* the first of them */
    struct err notes
        [2]; /* what the ids of the test's items and users say that may be meant otherwise; empty: nothing */
    size_t n_not_taken; /* rows of the test that are no targets, by their kind */
    size_t n_left_out;  /* known interactions whose item the store does not have */
    size_t
        n_without; /* users without a context: not in the store, or none given to a model without encoder */
    char without[EVALUATION_NAMED][LIMIT_ID_BYTES + 1]; /* the first of them by id */
    /* where they were asked for: */
    struct evaluation_group groups[EVALUATION_GROUPS];
    struct evaluation_group_figure *group_figures; /* (EVALUATION_GROUPS, n_rows, n_metrics) or NULL */
};

/* Evaluates n models (the first one's items are the catalogue of the baselines). */
enum err_code evaluation_run(struct store *store, struct model *const *models, size_t n_models,
                             const struct evaluation_options *options, struct evaluation_result *out,
                             struct err *e) ERR_MUST_CHECK;
void evaluation_fini(struct evaluation_result *result); /* of a zeroed one as well */

#endif
