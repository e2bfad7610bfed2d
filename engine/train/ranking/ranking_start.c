#include "engine/train/ranking/ranking.h"

#include "base/mem.h"
#include "engine/train/ranking/init_search.h"

#include <math.h>
#include <string.h>

/* Starts are tried where training has room for so many epochs. */
enum { EPOCHS_FOR_TRIES = 8 };

/* A deadline that is too short for the width that is best: so many rounds are to be possible with one that is
 * not. */
enum { ROUNDS_IN_TIME = 3, LEAST_DIM = 16 };

static struct ials_options chosen(const struct training *t)
{
    return (struct ials_options){.dim = t->state.dim,
                                 .alpha = t->state.alpha,
                                 .reg = t->state.reg,
                                 .reg_exponent = t->state.reg_exponent,
                                 .seed = t->run->options.seed};
}

static enum err_code make_fit(struct training *t, struct err *e)
{
    struct ials_options ials = chosen(t);
    enum err_code code = trainer_init(&t->fit, &t->split, &t->run->options, &ials, t->run->team, e);
    if (!code && !(t->best = mem_alloc_array(t->fit.block.n_values, sizeof *t->best)))
        code = err_set(e, ERR_NOMEM, "no memory for %zu parameters", t->fit.block.n_values);
    return code;
}

void training_keep_average(struct training *t)
{
    memcpy(t->best, t->fit.average, t->fit.block.n_values * sizeof *t->best);
}

/* Where times are known much follows the start, and a few epochs more than planned cost little of many. */
static bool tries_starts(struct training *t)
{
    return t->split.timed > 0 && t->split.n_validated > 0 && t->run->options.n_epochs >= EPOCHS_FOR_TRIES &&
           !training_is_over(t);
}

/* The width that was chosen, or half of it, and again, until some rounds fit into what is left of the phase:
 * a round of n interactions takes n d^2. */
static size_t dim_in_time(const struct training *t, const struct ials_choice *c)
{
    size_t dim = c->options.dim;
    double unit_s = c->round_s / (double)(c->round_dim * c->round_dim);
    while (dim / 2 >= LEAST_DIM &&
           ROUNDS_IN_TIME * unit_s * (double)(dim * dim) > budget_left_of_phase(&t->run->budget))
        dim /= 2;
    return dim;
}

static enum err_code factorise(struct training *t, struct ials_start *factors, struct err *e)
{
    struct ials_choice choice;
    training_enter(t, PHASE_SEARCH);
    enum err_code code = ials_search(&t->split, (size_t)t->run->options.dim, t->run->options.seed,
                                     t->run->team, training_pass_on, t, &choice, e);
    if (code || budget_interrupted(&t->run->budget))
        return code;
    (void)training_is_over(t);
    training_enter(t, PHASE_FACTORISE);
    double start_s = training_elapsed(t);
    if (t->run->options.dim == 0)
        choice.options.dim = dim_in_time(t, &choice);
    code = ials_factorise(&t->split, &choice.options, t->run->team, training_pass_on, t, factors, e);
    t->factorise_s = training_elapsed(t) - start_s;
    if (!code && tries_starts(t))
        code = init_search_choose(&t->split, &t->run->options, t->run->team, training_pass_on, t, factors, e);
    if (!code)
        (void)training_is_over(t);
    return code;
}

/* NDCG@10 of the average, NAN: there was no time for it. */
enum err_code training_measure(struct training *t, double *gains, double *metric, struct err *e)
{
    double start_s = training_elapsed(t);
    enum err_code code = trainer_measure(&t->fit, gains, metric, e);
    t->measure_s = training_elapsed(t) - start_s;
    if (!code && parallel_stopped(t->run->team))
        *metric = NAN;
    return code;
}

enum err_code training_measure_best(struct training *t, double *gains, double *metric, struct err *e)
{
    real *average = t->fit.average;
    t->fit.average = t->best;
    enum err_code code = training_measure(t, gains, metric, e);
    t->fit.average = average;
    return code;
}

enum err_code training_start_from(struct training *t, const struct ials_start *factors, struct err *e)
{
    t->state =
        (struct training_state){.fingerprint = t->fingerprint, .generator = (int)t->run->options.generator};
    t->state.dim = factors->options.dim;
    t->state.alpha = factors->options.alpha;
    t->state.reg = factors->options.reg;
    t->state.reg_exponent = factors->options.reg_exponent;
    enum err_code code = make_fit(t, e);
    if (!code)
        code = trainer_start(&t->fit, factors, e);
    training_enter(t, PHASE_COURSE);
    if (!code)
        code = training_measure(t, NULL, &t->state.start_metric, e);
    if (code)
        return code;
    t->state.best_metric = t->state.start_metric;
    training_keep_average(t);
    return ERR_OK;
}

/* An interrupt leaves t->best NULL. */
enum err_code training_start(struct training *t, struct err *e)
{
    struct ials_start factors = {0};
    enum err_code code = factorise(t, &factors, e);
    if (!code && !budget_interrupted(&t->run->budget))
        code = t->run->options.choose_generator && t->split.n_validated > 0 && !training_is_over(t)
                   ? training_choose_generator(t, &factors, e)
                   : training_start_from(t, &factors, e);
    ials_start_fini(&factors);
    return code;
}

/* The split of the second course. */
static enum err_code split_all(struct training *t, struct err *e)
{
    split_fini(&t->split);
    return split_init(&t->split, t->run->data, false, t->run->options.seed, e);
}

enum err_code training_resume_model(struct training *t, const struct training_state *state, size_t model,
                                    struct err *e)
{
    t->state = *state;
    t->run->options.generator = (enum generator)state->generator;
    enum err_code code = make_fit(t, e);
    if (!code)
        code = checkpoint_read_model(t->run->options.checkpoint, model, &t->fit.block, t->best,
                                     t->fit.average, e);
    t->fit.n_steps = state->n_steps;
    return code;
}

enum err_code training_resume(struct training *t, const struct training_state *states, size_t n,
                              struct err *e)
{
    if (n > 1)
        return training_resume_choice(t, states, e);
    enum err_code code = states[0].refit ? split_all(t, e) : ERR_OK;
    return code ? code : training_resume_model(t, &states[0], 0, e);
}

/* Everything of the first course but its hyperparameters, its best epoch and its rates goes. */
enum err_code training_start_refit(struct training *t, struct err *e)
{
    struct ials_start factors;
    trainer_fini(&t->fit);
    mem_free(t->best);
    t->best = NULL;
    t->state.refit = 1;
    t->state.epoch = 0;
    enum err_code code = split_all(t, e);
    struct ials_options ials = chosen(t);
    if (!code)
        code = ials_factorise(&t->split, &ials, t->run->team, training_pass_on, t, &factors, e);
    if (code)
        return code;
    code = make_fit(t, e);
    if (!code)
        code = trainer_start(&t->fit, &factors, e);
    ials_start_fini(&factors);
    return code;
}
