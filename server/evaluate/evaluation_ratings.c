/* Predicted ratings of one user. A held-out item that a model does not have is predicted by the mean of the
 * store's ratings, which is what is left to say of it. */
#include "server/evaluate/evaluation_run.h"

#include <math.h>

static void add_error(const struct evaluation *v, size_t system, size_t user, double error)
{
    for (size_t m = 0; m < v->options->n_metrics; m++)
        *evaluation_value(v, system, m, user) += metric_error(&v->options->metrics[m], error);
}

void evaluation_rate_model(struct evaluation *v, struct evaluation_thread *t, size_t number, size_t user,
                           const struct weights *w)
{
    const struct evaluation_test_user *u = &v->test.users[user];
    for (size_t i = 0; i < u->n; i++) {
        const struct evaluation_test_row *row = &v->test.rows[u->first + i];
        real score = (real)NAN;
        if (row->item != UINT32_MAX)
            evaluation_scores(v, t, number, w, &row->item, 1, &score);
        double predicted = isnan(score) ? evaluation_baselines_mean(v->baselines)
                                        : model_prediction(v->models[number], score);
        add_error(v, number, user, predicted - row->rating);
    }
}

void evaluation_rate_baseline(struct evaluation *v, struct evaluation_thread *t, size_t i, size_t user)
{
    const struct evaluation_test_user *u = &v->test.users[user];
    evaluation_baselines_scores(v->baselines, evaluation_baselines_at(v->baselines, i), NULL, t->interactions,
                                t->n_interactions, t->workspace, t->all);
    for (size_t k = 0; k < u->n; k++) {
        const struct evaluation_test_row *row = &v->test.rows[u->first + k];
        double predicted = row->item == UINT32_MAX ? evaluation_baselines_mean(v->baselines)
                                                   : model_prediction(v->models[0], t->all[row->item]);
        add_error(v, v->n_models + i, user, predicted - row->rating);
    }
}
