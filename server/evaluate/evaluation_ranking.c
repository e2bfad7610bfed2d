/* Rankings of one user. The scores are those of catalogue_score, through which the server answers. */
#include "server/evaluate/evaluation_run.h"

#include "engine/rank/catalogue.h"

#include <math.h>
#include <string.h>

/* Marks what the user has, of the store or of the file: whatever is given in this case, all of it is no
 * rival, so that the task is the same in every case. */
static void mark_known(const struct evaluation *v, struct evaluation_thread *t, size_t user)
{
    size_t n = t->user.n_interactions;
    const struct store_interaction *x = t->user.interactions;
    if (v->known)
        x = evaluation_known_rows(v->known, user, &n);
    for (size_t i = 0; i < n; i++) {
        long item = item_index_index(item_snapshot_items(v->items[0]), x[i].item_key);
        if (item >= 0 && !t->mark[item] && !x[i].unseen)
            t->mark[item] = 2;
    }
}

/* The relevant items and the others of a user's ranking, as indices in the first model. */
void evaluation_rank_prepare(const struct evaluation *v, struct evaluation_thread *t, size_t user)
{
    const struct evaluation_test_user *u = &v->test.users[user];
    size_t n_items = v->models[0]->spec.n_items;
    uint32_t *out = t->ranked;
    memset(t->mark, 0, n_items);
    for (size_t i = 0; i < u->n; i++) {
        uint32_t item = v->test.rows[u->first + i].item;
        if (item != UINT32_MAX) {
            t->mark[item] = 1;
            *out++ = item;
        }
    }
    t->n_relevant = (size_t)(out - t->ranked);
    if (v->options->candidates_path) {
        for (size_t i = 0; i < u->n_candidates; i++) {
            uint32_t item = v->test.candidates[u->first_candidate + i];
            if (!t->mark[item])
                *out++ = item;
            t->mark[item] |= 2; /* a candidate named twice is one rival */
        }
    } else {
        mark_known(v, t, user);
        for (uint32_t item = 0; item < n_items; item++)
            if (!t->mark[item])
                *out++ = item;
    }
    t->n_others = (size_t)(out - t->ranked) - t->n_relevant;
}

void evaluation_scores(const struct evaluation *v, struct evaluation_thread *t, size_t number,
                       const struct weights *w, const uint32_t *items, size_t n, real *scores)
{
    const struct catalogue *c = v->models[number]->catalogue;
    const uint32_t *places = v->places[number];
    size_t n_there = 0, at = 0;
    if (!places) {
        catalogue_score(c, w->theta, items, n, t->workspace, scores);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (places[items[i]] != UINT32_MAX)
            t->moved[n_there++] = places[items[i]];
    catalogue_score(c, w->theta, t->moved, n_there, t->workspace, t->all);
    for (size_t i = 0; i < n; i++)
        scores[i] = places[items[i]] != UINT32_MAX ? t->all[at++] : (real)NAN;
}

/* The first k of the ranking, the order of equal scores that of the catalogue, as served. */
static void show(const struct evaluation *v, const struct evaluation_thread *t, size_t system, size_t metric)
{
    struct topk top;
    size_t n_items = v->models[0]->spec.n_items;
    atomic_uchar *shown = v->shown + (system * v->options->n_metrics + metric) * n_items;
    topk_init(&top, t->best, v->options->metrics[metric].k);
    for (size_t i = 0; i < t->n_relevant + t->n_others; i++)
        topk_push(&top, t->scores[i], t->ranked[i]);
    size_t n = topk_finish(&top);
    for (size_t i = 0; i < n; i++)
        atomic_store_explicit(&shown[top.entries[i].index], 1, memory_order_relaxed);
}

static void measure(const struct evaluation *v, struct evaluation_thread *t, size_t system, size_t user)
{
    metric_positions(t->scores, t->n_relevant, t->scores + t->n_relevant, t->n_others, t->positions);
    for (size_t m = 0; m < v->options->n_metrics; m++) {
        const struct metric *metric = &v->options->metrics[m];
        if (metric->kind == METRIC_COVERAGE)
            show(v, t, system, m);
        else
            *evaluation_value(v, system, m, user) =
                metric_value(metric, t->positions, t->n_relevant, v->test.users[user].n);
    }
}

void evaluation_rank_model(struct evaluation *v, struct evaluation_thread *t, size_t number, size_t user,
                           const struct weights *w)
{
    evaluation_scores(v, t, number, w, t->ranked, t->n_relevant + t->n_others, t->scores);
    measure(v, t, number, user);
}

enum err_code evaluation_rank_baseline(struct evaluation *v, struct evaluation_thread *t, size_t i,
                                       size_t user, struct err *e)
{
    enum evaluation_baseline which = evaluation_baselines_at(v->baselines, i);
    const real *c = NULL;
    if (which == BASELINE_FOLD_IN) {
        enum err_code code = context_encode(t->encoders[0], v->items[0], &t->user, &c, e);
        if (code)
            return code;
    }
    evaluation_baselines_scores(v->baselines, which, c, t->interactions, t->n_interactions, t->workspace,
                                t->all);
    for (size_t k = 0; k < t->n_relevant + t->n_others; k++)
        t->scores[k] = t->all[t->ranked[k]];
    measure(v, t, v->n_models + i, user);
    return ERR_OK;
}
