#include "engine/train/item_item/search.h"

#include "engine/train/data/climb.h"
#include "engine/train/data/validate.h"

#include <math.h>

static const double ridges[] = {0.01, 0.03, 0.1, 0.3, 1, 1.8, 3, 5.5, 10, 18, 30, 55, 100, 180};
enum { N_RIDGES = sizeof ridges / sizeof *ridges, FIRST_RIDGE = 7, MAX_TRIES = 8 };

/* Tried at the best ridge; the climb is with the first. */
static const double dampings[] = {0.15, 0, 0.3, 0.5};
enum { N_DAMPINGS = sizeof dampings / sizeof *dampings };

/* Of the model's scores' deviation to that of the weights'. */
static const double shares[] = {0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2, 3, 5, 8};
enum { N_SHARES = sizeof shares / sizeof *shares };

/* A gain below this part is noise, and not worth what the weights cost. */
#define LEAST_GAIN 1.005

struct choice {
    const struct split *split;
    struct parallel *team;
    struct item_item_fit *fit;
    progress_fn *progress; /* may be NULL */
    void *arg;
    double ndcg[N_RIDGES]; /* NAN: not tried */
    double best;
    int n_tries;
    double before, part; /* of the progress: what is done, and what this way takes of it */
    bool stopped;
};

/* The weights as they are for a damping, from those solved. */
static enum err_code try_weights(struct choice *c, struct item_weights *weights, double damping, double *ndcg,
                                 struct err *e)
{
    item_item_fit_damp(c->fit, damping, weights);
    struct item_pairs pairs = item_weights_view(weights);
    return validate_pairs(&pairs, c->split, c->team, ndcg, e);
}

static enum err_code try_ridge(void *arg, int i, int y, double *ndcg, struct err *e)
{
    struct choice *c = arg;
    struct item_weights weights;
    (void)y;
    *ndcg = NAN;
    if (c->stopped || c->n_tries >= MAX_TRIES)
        return ERR_OK;
    enum err_code code = item_item_fit_solve(c->fit, ridges[i], &weights, e);
    if (code)
        return code;
    code = try_weights(c, &weights, dampings[0], &c->ndcg[i], e);
    item_weights_fini(&weights);
    if (code)
        return code;
    if (parallel_stopped(c->team)) { /* half a try says nothing */
        c->ndcg[i] = NAN;
        c->stopped = true;
        return ERR_OK;
    }
    c->best = c->ndcg[i] > c->best ? c->ndcg[i] : c->best;
    c->n_tries++;
    *ndcg = c->ndcg[i];
    struct progress done =
        progress_at("neighbours", c->before + c->part * (double)c->n_tries / (MAX_TRIES + 1));
    done.metric = c->ndcg[i];
    done.best_metric = c->best;
    if (c->progress && !c->progress(c->arg, &done))
        c->stopped = true;
    return ERR_OK;
}

/* Down or up from the middle for as long as it gets better. */
static enum err_code climb(struct choice *c, int *best, struct err *e)
{
    const struct climb line = {.n_x = N_RIDGES, .n_y = 1, .try_at = try_ridge, .arg = c};
    double ndcg;
    *best = FIRST_RIDGE;
    enum err_code code = try_ridge(c, *best, 0, &ndcg, e);
    return code ? code : climb_line(&line, -1, best, &ndcg, e);
}

/* weights: solved for the best ridge and damped by the first of the dampings; left at the best of them. */
static enum err_code choose_damping(struct choice *c, struct item_weights *weights,
                                    struct item_item_choice *out, struct err *e)
{
    double here = dampings[0], there;
    enum err_code code = ERR_OK;
    out->damping = here;
    for (size_t i = 1; i < N_DAMPINGS && !code && !c->stopped; i++) {
        code = try_weights(c, weights, dampings[i] - here, &there, e);
        here = dampings[i];
        if (!code && there > out->alone) {
            out->alone = there;
            out->damping = here;
        }
    }
    item_item_fit_damp(c->fit, out->damping - here, weights);
    return code;
}

static enum err_code choose_scale(struct choice *c, const struct model_spec *spec,
                                  const struct model_params *params, const struct item_weights *weights,
                                  struct item_item_choice *out, struct err *e)
{
    double unit, ndcg[N_SHARES], metric = out->metric;
    struct item_pairs pairs = item_weights_view(weights);
    enum err_code code =
        validate_blend(spec, params, &pairs, shares, N_SHARES, c->split, c->team, &unit, ndcg, e);
    for (size_t i = 0; i < N_SHARES && !code; i++)
        if (ndcg[i] > out->metric && ndcg[i] > LEAST_GAIN * metric) {
            out->metric = ndcg[i];
            out->scale = shares[i] * unit;
        }
    return code;
}

/* What the best ridge gives: the damping, then the scale. */
static enum err_code finish(struct choice *c, const struct model_spec *spec,
                            const struct model_params *params, struct item_item_choice *out, struct err *e)
{
    struct item_weights weights;
    enum err_code code = item_item_fit_solve(c->fit, out->ridge, &weights, e);
    if (code)
        return code;
    item_item_fit_damp(c->fit, dampings[0], &weights);
    code = choose_damping(c, &weights, out, e);
    if (!code)
        code = choose_scale(c, spec, params, &weights, out, e);
    item_weights_fini(&weights);
    return code;
}

static size_t max_whole(bool local)
{
    return local ? 0 : ITEM_ITEM_WHOLE_ITEMS;
}

/* One way of fitting. */
static enum err_code choose_way(struct choice *c, const struct model_spec *spec,
                                const struct model_params *params, struct item_item_choice *out,
                                struct err *e)
{
    int best;
    for (int i = 0; i < N_RIDGES; i++)
        c->ndcg[i] = NAN;
    c->n_tries = 0;
    enum err_code code = item_item_fit_new(c->split, max_whole(out->local), c->team, &c->fit, e);
    if (!code && !(code = climb(c, &best, e))) {
        out->ridge = ridges[best];
        out->alone = c->ndcg[best];
        if (!c->stopped)
            code = finish(c, spec, params, out, e);
        c->stopped = c->stopped || parallel_stopped(c->team);
    }
    item_item_fit_free(c->fit);
    c->fit = NULL;
    return code;
}

static bool is_better(const struct item_item_choice *a, const struct item_item_choice *b)
{
    return a->metric != b->metric ? a->metric > b->metric : a->alone > b->alone;
}

enum err_code item_item_choose(const struct split *s, const struct model_spec *spec,
                               const struct model_params *params, double metric, struct parallel *team,
                               progress_fn *progress, void *arg, struct item_item_choice *out, struct err *e)
{
    size_t n = s->data->n_items;
    bool both = n > ITEM_ITEM_LOCAL_ITEMS && n <= ITEM_ITEM_WHOLE_ITEMS;
    struct choice c = {.split = s, .team = team, .progress = progress, .arg = arg, .part = both ? 0.5 : 1};
    struct item_item_choice local = {.metric = metric, .local = true};
    *out = (struct item_item_choice){.metric = metric, .local = n > ITEM_ITEM_WHOLE_ITEMS};
    if (s->n_validated == 0)
        return ERR_OK;
    enum err_code code = choose_way(&c, spec, params, out, e);
    if (c.stopped) /* a ridge that was not compared is no choice */
        *out = (struct item_item_choice){.metric = metric, .local = out->local};
    c.before = c.part;
    if (!code && both && !c.stopped) {
        code = choose_way(&c, spec, params, &local, e);
        if (!code && !c.stopped && is_better(&local, out))
            *out = local;
    }
    return code;
}

enum err_code item_item_make(const struct split *s, const struct item_item_choice *choice,
                             struct parallel *team, struct item_weights *out, struct err *e)
{
    struct item_item_fit *fit;
    enum err_code code = item_item_fit_new(s, max_whole(choice->local), team, &fit, e);
    if (code)
        return code;
    code = item_item_fit_solve(fit, choice->ridge, out, e);
    if (!code) {
        item_item_fit_damp(fit, choice->damping, out);
        item_weights_scale(out, choice->scale);
    }
    item_item_fit_free(fit);
    return code;
}
