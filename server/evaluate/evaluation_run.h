/* evaluation_run - what the files of an evaluation share while it runs. For evaluation*.c alone.
 * Layer: server/evaluate
 * Threads: struct evaluation is read by all, values are written by the thread that has the user; struct
 *   evaluation_thread is confined to its thread.
 * Memory: one struct evaluation, and one struct evaluation_thread a thread. */
#ifndef SERVER_EVALUATE_EVALUATION_RUN_H
#define SERVER_EVALUATE_EVALUATION_RUN_H

#include "base/err.h"
#include "engine/cache/weights_cache.h"
#include "engine/rank/topk.h"
#include "server/evaluate/evaluation.h"
#include "server/evaluate/evaluation_baselines.h"
#include "server/evaluate/held_out.h"
#include "server/evaluate/new_users.h"
#include "server/items/item_snapshot.h"
#include "server/items/kinds.h"
#include "server/serving/user_weights.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct evaluation {
    struct store *store;
    struct model *const *models;
    size_t n_models, n_systems; /* the models, then the baselines */
    const struct evaluation_options *options;
    bool ratings;                                        /* the metrics are of ratings */
    struct item_snapshot *items[EVALUATION_MAX_SYSTEMS]; /* by model */
    uint32_t *places[EVALUATION_MAX_SYSTEMS]; /* (n_items of the first model) each item's index in this model,
                                                 UINT32_MAX: it has it not; NULL: the same */
    struct evaluation_test test;
    struct evaluation_known *known; /* NULL: the store knows */
    struct evaluation_baselines *baselines;
    size_t count;   /* of the known interactions that are given in this case */
    double *values; /* (n_systems, n_metrics, n_users) sums over the user's rows; of rankings one row */
    double *n_rows; /* (n_users) rows measured of a user; 1 in rankings */
    atomic_uchar
        *shown; /* (n_systems, n_metrics, n_items) the item was among the first k; NULL: no coverage */
    unsigned char *without; /* (n_users) 1: no context */
    uint32_t *n_known;      /* (n_users) interactions given */
    unsigned char *already; /* (n_rows of the test) 1: the user is known to have the held-out item */
    struct evaluation_thread *threads;
    struct err failure;
    pthread_mutex_t lock; /* guards failure */
};

/* One thread's tools. */
struct evaluation_thread {
    struct store_conn *conn;
    struct store_user user;
    struct encoder_interaction *interactions; /* (n_interactions) of the user, items of the first model */
    size_t n_interactions, capacity;
    struct kinds_merged merged; /* of the user's record */
    struct user_encoder *encoders[EVALUATION_MAX_SYSTEMS];
    real *workspace;
    real *all;        /* (n_items) a baseline's scores */
    real *scores;     /* (n_relevant + n_others) */
    uint32_t *ranked; /* (n_relevant + n_others) the relevant items, then the others */
    uint32_t *moved;  /* the same in another model */
    size_t n_relevant, n_others;
    size_t *positions;
    unsigned char *mark;     /* (n_items) */
    struct topk_entry *best; /* (largest k of a coverage) */
};

/* One user, whose record and interactions are in t, by the weights of a model or by a baseline. */
void evaluation_rank_prepare(const struct evaluation *v, struct evaluation_thread *t, size_t user);
void evaluation_rank_model(struct evaluation *v, struct evaluation_thread *t, size_t number, size_t user,
                           const struct weights *w);
enum err_code evaluation_rank_baseline(struct evaluation *v, struct evaluation_thread *t, size_t i,
                                       size_t user, struct err *e) ERR_MUST_CHECK;

void evaluation_rate_model(struct evaluation *v, struct evaluation_thread *t, size_t number, size_t user,
                           const struct weights *w);
void evaluation_rate_baseline(struct evaluation *v, struct evaluation_thread *t, size_t i, size_t user);

/* Scores of n items of the first model by model number; NAN where it has them not. moved (n) is
 * overwritten. */
void evaluation_scores(const struct evaluation *v, struct evaluation_thread *t, size_t number,
                       const struct weights *w, const uint32_t *items, size_t n, real *scores);

/* From the values of a case to its figures, and to the lines of the users. */
void evaluation_summarise(const struct evaluation *v, struct evaluation_result *out);
enum err_code evaluation_summarise_groups(const struct evaluation *v, struct evaluation_result *out,
                                          struct err *e) ERR_MUST_CHECK;
enum err_code evaluation_write_users(const struct evaluation *v, FILE *file, struct err *e) ERR_MUST_CHECK;

static inline double *evaluation_value(const struct evaluation *v, size_t system, size_t metric, size_t user)
{
    return &v->values[(system * v->options->n_metrics + metric) * v->test.n_users + user];
}

#endif
