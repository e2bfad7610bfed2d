/* validate - NDCG@10 of the held-out items over the catalogue or drawn rivals, items of the user's training
 * left out. A tie counts against the model.
 * Layer: engine/train/data
 * Threads: uses the given team; the result does not depend on its size.
 * Memory: per thread scores of the catalogue and the workspaces of the serving path. */
#ifndef ENGINE_TRAIN_DATA_VALIDATE_H
#define ENGINE_TRAIN_DATA_VALIDATE_H

#include "base/err.h"
#include "base/parallel.h"
#include "engine/format/model_spec.h"
#include "engine/train/data/split.h"

/* NDCG@10 of user u's held-out items in the ranking of all but the training ones by scores (n_items), which
 * are destroyed; items beside each other in the held-out set count as rivals of each other, as in any
 * ranking. With s->n_rivals each is ranked alone among so many of the items that the user has in neither set:
 * the protocol of lists of candidates, in which another model can be the best than in the whole catalogue. */
double validate_gain(const struct split *s, size_t u, real *scores);

/* Of a model, through the very functions that serve it. gains (n_validated): each user's, or NULL. */
enum err_code validate_model(const struct model_spec *spec, const struct model_params *params,
                             const struct split *s, struct parallel *team, double *gains, double *ndcg,
                             struct err *e) ERR_MUST_CHECK;

/* How much better the second is, mean over n users of b - a, and the standard error of that: the users are
 * the same, so what makes one of them hard to rank for does not count. */
struct validate_gap {
    double mean, error;
};
struct validate_gap validate_gap(const double *a, const double *b, size_t n);

/* Of a factorisation: score = user . item, factors (n_items, d) and (n_users, d). */
enum err_code validate_factors(const real *items, const real *users, size_t d, const struct split *s,
                               struct parallel *team, double *ndcg, struct err *e) ERR_MUST_CHECK;

/* Of item-item weights alone: score of i = sum over the history's items j of their weight to i. */
enum err_code validate_pairs(const struct item_pairs *pairs, const struct split *s, struct parallel *team,
                             double *ndcg, struct err *e) ERR_MUST_CHECK;

/* ndcg (n): of the model's score + shares[k] * unit * the score above, for each share (n); *unit is the ratio
 * of the two scores' standard deviations over some users. All of beta counts here; an answer has its
 * ITEM_ITEM_MOST largest. */
enum err_code validate_blend(const struct model_spec *spec, const struct model_params *params,
                             const struct item_pairs *pairs, const double *shares, size_t n,
                             const struct split *s, struct parallel *team, double *unit, double *ndcg,
                             struct err *e) ERR_MUST_CHECK;

#endif
