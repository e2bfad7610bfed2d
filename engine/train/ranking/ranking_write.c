#include "engine/train/ranking/ranking.h"

#include "engine/format/model_write.h"
#include "engine/train/cold_items/fit.h"
#include "engine/train/item_item/search.h"

#include <stdio.h>
#include <string.h>

/* The values that are written take the place of those in training, and back. */
static void swap_best(struct training *t)
{
    size_t n_bytes = t->fit.block.n_values * sizeof *t->best;
    memcpy(t->fit.values, t->fit.block.values, n_bytes);
    memcpy(t->fit.block.values, t->best, n_bytes);
    memcpy(t->best, t->fit.values, n_bytes);
}

static void note_item_item(struct training *t, const struct item_item_choice *n)
{
    (void)snprintf(
        t->note, sizeof t->note,
        n->scale > 0
            ? "neighbours of items: %s, ridge %g, damping %g, ndcg@10 %.4f alone, %.4f with the model; kept"
            : "neighbours of items: %s, ridge %g, damping %g, ndcg@10 %.4f alone; no gain beside the model "
              "(%.4f)",
        n->local ? "the nearest of each" : "of all", n->ridge, n->damping, n->alone, n->metric);
    training_note(t);
}

enum err_code training_find_item_item(struct training *t, struct item_item_choice *out, struct err *e)
{
    *out = (struct item_item_choice){.metric = t->state.best_metric};
    training_enter(t, PHASE_NEIGHBOURS);
    if (t->run->options.no_pairs || training_is_over(t))
        return ERR_OK;
    swap_best(t);
    enum err_code code = item_item_choose(&t->split, &t->fit.spec, &t->fit.block.params, t->state.best_metric,
                                          t->run->team, training_pass_on, t, out, e);
    swap_best(t);
    return code;
}

/* Whether item-item weights help the best model of the first course. */
enum err_code training_choose_item_item(struct training *t, struct err *e)
{
    struct item_item_choice choice = t->pairs;
    enum err_code code = ERR_OK;
    training_enter(t, PHASE_NEIGHBOURS);
    t->metric_alone = t->state.best_metric;
    if (!t->pairs_found)
        code = training_find_item_item(t, &choice, e);
    if (code)
        return code;
    t->state.ridge = choice.ridge;
    t->state.damping = choice.damping;
    t->state.scale = choice.scale;
    t->state.local = choice.local;
    t->state.best_metric = choice.metric;
    if (choice.ridge > 0)
        t->pairs_alone = choice.alone;
    if (!training_is_over(t) && choice.ridge > 0) /* else nothing was found out */
        note_item_item(t, &choice);
    return ERR_OK;
}

/* Writes a model of the block's values, with what they say of new items. */
static enum err_code write_values(struct training *t, const struct model_spec *spec,
                                  const struct model_params *params, const char *path, struct err *e)
{
    struct model_ids ids = {t->run->data->item_ids};
    struct cold_items_fit side;
    if (!cold_items_fits(spec))
        return model_write(path, spec, params, &ids, e);
    enum err_code code =
        cold_items_fit_run(t->run->data, spec, params, t->run->options.seed, t->run->team, &side, e);
    if (code)
        return code;
    t->item_error = side.error;
    t->item_error_of_mean = side.error_of_mean;
    code = cold_items_fill(&side, t->run->data, e);
    if (!code)
        code = model_write(path, &side.spec, &side.params, &ids, e);
    cold_items_fit_fini(&side);
    return code;
}

static enum err_code write_best(struct training *t, const char *path, struct err *e)
{
    struct model_spec spec = t->fit.spec; /* the vocabulary is the fit's */
    struct item_weights weights = {0};
    struct item_item_choice choice = {.ridge = t->state.ridge,
                                      .damping = t->state.damping,
                                      .local = t->state.local != 0,
                                      .scale = t->state.scale};
    enum err_code code = ERR_OK;
    if (choice.scale > 0)
        code = item_item_make(&t->split, &choice, t->run->team, &weights, e);
    if (code)
        return code;
    if (choice.scale > 0 && training_is_over(t)) { /* half of the weights are none */
        item_weights_fini(&weights);
        t->state.best_metric = t->metric_alone;
        t->state.scale = 0;
    }
    swap_best(t);
    struct model_params params = t->fit.block.params;
    spec.n_pairs = weights.n_pairs;
    params.pairs = item_weights_view(&weights);
    code = write_values(t, &spec, &params, path, e);
    swap_best(t);
    item_weights_fini(&weights);
    return code;
}

/* With an interrupt only what was asked for before is done; the deadline holds still. */
enum err_code training_write(struct training *t, const char *path, struct err *e)
{
    double start_s = training_elapsed(t);
    training_enter(t, PHASE_WRITE);
    enum err_code code = write_best(t, path, e);
    t->write_s = training_elapsed(t) - start_s;
    t->run->written = t->run->written || !code;
    return code;
}
