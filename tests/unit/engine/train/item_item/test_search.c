/* engine/train/item_item/search.c: weights are kept where they help, with the figures that were measured,
 * and what is made is what was chosen. Risks: a choice by a figure that the model does not have, half a
 * search that counts, a fit that a failing allocation leaves behind. */
#include "engine/train/item_item/search.h"

#include "base/mem.h"
#include "engine/train/data/validate.h"
#include "engine/train/gradient/param_block.h"
#include "tests/support/item_item_world.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Users take all of their group: nothing is left to chance but what is held out. */
static bool takes_all_of_group(size_t u, size_t i, size_t n_items, uint64_t *state)
{
    (void)n_items;
    (void)state;
    return u % ITEM_ITEM_GROUPS == i % ITEM_ITEM_GROUPS;
}

/* A model that knows how popular items are and, if it is to know, of which group they and a history are. */
static void make_model(const struct item_item_world *w, bool knows, struct model_spec *spec,
                       struct param_block *block)
{
    *spec = (struct model_spec){.name = "popular",
                                .version = "1",
                                .objective = &objective_ranking,
                                .n_items = w->data.n_items,
                                .d_item = ITEM_ITEM_GROUPS,
                                .d_context = ITEM_ITEM_GROUPS,
                                .d_output = 1,
                                .has_linear = true,
                                .encoder = {.present = true, .d_history = ITEM_ITEM_GROUPS}};
    ck_assert_int_eq(model_spec_check(spec, NULL), ERR_OK);
    ck_assert_int_eq(param_block_init(block, spec, NULL), ERR_OK);
    memset(block->values, 0, block->n_values * sizeof *block->values);
    for (size_t u = 0; u < ITEM_ITEM_WORLD_USERS; u++)
        for (size_t i = w->split.start[u]; i < w->split.end[u]; i++)
            block->params.catalogue_bias[w->split.interactions[i].item] += (real)0.1;
    for (size_t i = 0; i < w->data.n_items && knows; i++) {
        block->params.catalogue_bias[i] += (real)i / 1000; /* no two the same */
        block->params.history[i * ITEM_ITEM_GROUPS + i % ITEM_ITEM_GROUPS] = 1;
        block->params.catalogue_embedding[i * ITEM_ITEM_GROUPS + i % ITEM_ITEM_GROUPS] = 10;
    }
    for (size_t d = 0; d < ITEM_ITEM_GROUPS; d++)
        block->params.linear_context[d * ITEM_ITEM_GROUPS + d] = 1;
}

struct chosen {
    struct item_item_choice choice;
    double alone;   /* the model's figure without */
    double blended; /* with the chosen weights, measured anew */
    int n_told;
};

static bool count_told(void *arg, const struct progress *p)
{
    ck_assert(p->fraction > 0 && p->fraction < 1 && p->best_metric >= p->metric);
    ((struct chosen *)arg)->n_told++;
    return true;
}

static void choose(const struct item_item_world *w, bool knows, struct parallel *team, struct chosen *out)
{
    struct model_spec spec;
    struct param_block block;
    struct err e = {0};
    struct item_weights weights;
    double unit;
    const double one = 1;
    make_model(w, knows, &spec, &block);
    out->n_told = 0;
    ck_assert_int_eq(validate_model(&spec, &block.params, &w->split, team, NULL, &out->alone, NULL), ERR_OK);
    ck_assert_msg(item_item_choose(&w->split, &spec, &block.params, out->alone, team, count_told, out,
                                   &out->choice, &e) == ERR_OK,
                  "%s", e.text);
    ck_assert_int_eq(item_item_make(&w->split, &out->choice, team, &weights, NULL), ERR_OK);
    struct item_pairs pairs = item_weights_view(&weights);
    if (out->choice.scale >
        0) { /* the weights have their scale: as far apart as the model's scores, 1 / unit */
        ck_assert_int_eq(validate_blend(&spec, &block.params, &pairs, &one, 1, &w->split, team, &unit,
                                        &out->blended, NULL),
                         ERR_OK);
        const double as_made = 1 / unit;
        ck_assert_int_eq(validate_blend(&spec, &block.params, &pairs, &as_made, 1, &w->split, team, &unit,
                                        &out->blended, NULL),
                         ERR_OK);
    }
    item_weights_fini(&weights);
    param_block_fini(&block);
}

START_TEST(weights_that_help_are_kept_with_the_figure_that_they_have)
{
    struct item_item_world *w = item_item_world_new(50, item_item_takes_of_group, true);
    struct parallel *team = item_item_world_team(2);
    struct chosen got;
    choose(w, false, team, &got);
    ck_assert_double_gt(got.choice.scale, 0);
    ck_assert_double_gt(got.choice.metric, 1.5 * got.alone);
    ck_assert_double_gt(got.choice.alone, got.alone);
    ck_assert_double_eq_tol(got.choice.metric, got.blended, 1e-3);
    ck_assert_int_ge(got.n_told, 2);
    ck_assert_int_le(got.n_told, 8);
    parallel_free(team);
    item_item_world_free(w);
}
END_TEST

START_TEST(weights_are_kept_where_the_model_does_not_know_as_much_itself)
{
    struct item_item_world *w = item_item_world_new(50, takes_all_of_group, true);
    struct parallel *team = item_item_world_team(1);
    struct chosen got;
    bool knows = _i == 1;
    choose(w, knows, team, &got);
    if (knows) {
        ck_assert_double_eq_tol(got.alone, 1, 1e-9);
        ck_assert_double_eq(got.choice.scale, 0);
        ck_assert_double_eq(got.choice.metric, got.alone);
    } else {
        ck_assert_double_gt(got.choice.scale, 0);
    }
    ck_assert_double_gt(got.choice.ridge, 0);
    parallel_free(team);
    item_item_world_free(w);
}
END_TEST

static double figure_of(const struct item_item_world *w, const struct item_item_choice *choice,
                        struct parallel *team)
{
    struct item_item_choice unscaled = *choice;
    struct item_weights weights;
    double ndcg;
    unscaled.scale = 1;
    ck_assert_int_eq(item_item_make(&w->split, &unscaled, team, &weights, NULL), ERR_OK);
    struct item_pairs pairs = item_weights_view(&weights);
    ck_assert_int_eq(validate_pairs(&pairs, &w->split, team, &ndcg, NULL), ERR_OK);
    item_weights_fini(&weights);
    return ndcg;
}

/* Of more items than count as near, both ways are tried, and what is made is of the way, ridge and damping
 * that were measured. */
START_TEST(one_matrix_or_a_system_for_each_whichever_ranks_better)
{
    struct item_item_world *w = item_item_world_new(
        ITEM_ITEM_LOCAL_ITEMS + 12, _i ? item_item_takes_by_chance : item_item_takes_of_group, true);
    struct parallel *team = item_item_world_team(2);
    struct chosen got;
    choose(w, false, team, &got);
    ck_assert_int_gt(got.n_told, 4);
    ck_assert_double_eq_tol(got.choice.alone, figure_of(w, &got.choice, team), 1e-12);
    struct item_item_choice other = got.choice;
    other.local = !other.local;
    ck_assert_double_ne(figure_of(w, &other, team), got.choice.alone);
    parallel_free(team);
    item_item_world_free(w);
}
END_TEST

static bool stop(void *arg, const struct progress *p)
{
    (void)p;
    return ++*(int *)arg < 2;
}

START_TEST(a_stopped_choice_and_one_without_held_out_items_keep_nothing)
{
    struct item_item_world *w = item_item_world_new(50, item_item_takes_of_group, _i == 0);
    struct parallel *team = item_item_world_team(1);
    struct model_spec spec;
    struct param_block block;
    struct item_item_choice choice;
    int n_told = 0;
    make_model(w, false, &spec, &block);
    ck_assert_int_eq(
        item_item_choose(&w->split, &spec, &block.params, 0.25, team, stop, &n_told, &choice, NULL), ERR_OK);
    ck_assert_int_eq(n_told, _i == 0 ? 2 : 0);
    ck_assert_double_eq(choice.scale, 0);
    ck_assert_double_eq(choice.metric, 0.25);
    param_block_fini(&block);
    parallel_free(team);
    item_item_world_free(w);
}
END_TEST

START_TEST(what_is_made_is_the_fit_damped_and_times_the_scale)
{
    struct item_item_world *w = item_item_world_new(40, item_item_takes_by_chance, true);
    struct parallel *team = item_item_world_team(2);
    struct item_item_choice choice = {.ridge = 3, .damping = 0.5, .scale = 1.75};
    struct item_item_fit *f;
    struct item_weights made, want;
    ck_assert_int_eq(item_item_fit_new(&w->split, ITEM_ITEM_WHOLE_ITEMS, team, &f, NULL), ERR_OK);
    ck_assert_int_eq(item_item_fit_solve(f, 3, &want, NULL), ERR_OK);
    item_item_fit_damp(f, 0.5, &want);
    ck_assert_int_eq(item_item_make(&w->split, &choice, team, &made, NULL), ERR_OK);
    for (size_t k = 0; k < want.n_pairs; k++)
        want.weight[k] *= (real)1.75;
    item_item_world_same(&made, &want, 40);
    item_item_fit_free(f);
    item_weights_fini(&made);
    item_weights_fini(&want);
    parallel_free(team);
    item_item_world_free(w);
}
END_TEST

START_TEST(a_choice_without_memory_fails_and_leaves_nothing)
{
    struct item_item_world *w = item_item_world_new(50, item_item_takes_of_group, true);
    struct parallel *team = item_item_world_team(1);
    struct model_spec spec;
    struct param_block block;
    make_model(w, false, &spec, &block);
    for (long n = 1;; n++) {
        struct item_item_choice choice;
        struct item_weights out = {0};
        struct err e = {0};
        mem_fail_at(n, _i);
        enum err_code code =
            item_item_choose(&w->split, &spec, &block.params, 0.1, team, NULL, NULL, &choice, &e);
        if (!code)
            code = item_item_make(&w->split, &choice, team, &out, &e);
        mem_fail_at(0, 0);
        item_weights_fini(&out);
        if (!code) {
            ck_assert_int_gt(n, 40);
            ck_assert_double_gt(choice.scale, 0);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
        ck_assert_int_eq(e.code, ERR_NOMEM);
    }
    param_block_fini(&block);
    parallel_free(team);
    item_item_world_free(w);
}
END_TEST

SUITE("engine/train/item_item/search", NULL, NULL,
      {weights_that_help_are_kept_with_the_figure_that_they_have},
      {weights_are_kept_where_the_model_does_not_know_as_much_itself, 2},
      {one_matrix_or_a_system_for_each_whichever_ranks_better, 2},
      {a_stopped_choice_and_one_without_held_out_items_keep_nothing, 2},
      {what_is_made_is_the_fit_damped_and_times_the_scale},
      {a_choice_without_memory_fails_and_leaves_nothing, 2})
