/* recommender_parts - the workspaces of a thread, for the files that share them: recommender.c has models and
 * weights, recommender_lists.c which items are listed, recommender_together.c those of many users at once,
 * recommender_answers.c the answers.
 * Layer: server/serving
 * Threads: confined to its thread.
 * Memory: each array grows to the largest request seen, which has a limit. */
#ifndef SERVER_SERVING_RECOMMENDER_PARTS_H
#define SERVER_SERVING_RECOMMENDER_PARTS_H

#include "engine/rank/topk.h"
#include "server/serving/recommender.h"

/* The best items of several users, found before their answers are asked for. */
struct found_together {
    size_t k; /* of each the best k; 0: nothing was found */
    size_t n[RECOMMENDER_TOGETHER];
    struct topk_entry *entries; /* (TOGETHER, k) of n_entries */
    size_t n_entries;
    real *workspace; /* (n_workspace) */
    size_t n_workspace;
};

struct recommender {
    struct serving *serving;
    struct store_conn *conn;
    struct store_user user;
    struct store_user_context context;
    struct model_handles handles; /* of the newest set of models when the thread met its last request */
    struct topk_entry *entries;   /* (n_entries) */
    size_t n_entries;
    uint64_t *allowed; /* (n_allowed) words */
    size_t n_allowed;
    real *scores; /* (n_scores) */
    size_t n_scores;
    uint32_t *admitted; /* (n_admitted) candidates */
    size_t n_admitted;
    struct found_together together;
};

#endif
