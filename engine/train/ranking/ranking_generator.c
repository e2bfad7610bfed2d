/* What is generated can tell users apart in many more ways than what they share, and of sparse data it learns
 * them by heart: whether it is worth anything shows in the epochs of both, from the same factorisation. After
 * a few of each they are compared by the users' differences and their standard error. Where none is surely
 * better both go on, an epoch each in turn, and their best are compared after each, until the difference is
 * one or both have ended: then the better figure wins, item-item weights included. The winner goes on from
 * where it is. */
#include "engine/train/ranking/ranking.h"

#include "base/mem.h"
#include "engine/train/data/validate.h"
#include "engine/train/ranking/schedule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The simplest first. low_rank and full learned by heart sooner than core wherever they were tried. */
static const enum generator candidates[] = {GENERATOR_SHARED, GENERATOR_CORE};
enum { N_CANDIDATES = 2 };
_Static_assert((int)N_CANDIDATES == (int)CHECKPOINT_MOST_MODELS, "a checkpoint has all");

/* Epochs of each before they are compared: a part of those there may be, and a few at most. */
enum { RACE_PART = 5, MAX_RACE = 4 };

/* Standard errors from which a difference is one: of a single look, and of the looks after each further
 * epoch, one of which chance takes past the first sooner or later. */
#define SURE_AT_ONCE 1.5
#define SURE_LATER   2.0

/* A model in training, put aside while another one is. */
struct runner {
    struct trainer fit;
    real *best;
    struct training_state state;
    double *
        gains; /* (n_validated) their mean over its last epochs when it is first compared, then of its best */
    double metric; /* of these */
    bool done;     /* it had all the epochs before the first comparison */
    struct item_item_choice pairs;
};

struct race {
    struct training *t;
    struct runner runners[N_CANDIDATES];
    size_t winner;
    bool sure;
    bool pairs_found; /* of each runner */
    struct validate_gap gap;
};

static int race_epochs(int n_epochs)
{
    int n = n_epochs / RACE_PART;
    return n < 1 ? 1 : n > MAX_RACE ? MAX_RACE : n;
}

/* ---- one of them ---- */

static void put_aside(struct training *t, struct runner *r)
{
    r->fit = t->fit;
    r->best = t->best;
    r->state = t->state;
    memset(&t->fit, 0, sizeof t->fit);
    t->best = NULL;
}

static void take_back(struct training *t, struct runner *r)
{
    t->fit = r->fit;
    t->best = r->best;
    t->state = r->state;
    t->run->options.generator = (enum generator)t->state.generator;
    memset(&r->fit, 0, sizeof r->fit);
    r->best = NULL;
}

static void take_mean(const struct training *t, struct runner *r)
{
    r->metric = 0;
    for (size_t i = 0; i < t->split.n_validated; i++)
        r->metric += r->gains[i] / (double)t->split.n_validated;
}

static enum err_code make_gains(const struct training *t, struct runner *r, struct err *e)
{
    r->gains = mem_zalloc_array(t->split.n_validated, sizeof *r->gains);
    return r->gains ? ERR_OK : err_set(e, ERR_NOMEM, "no memory to compare models");
}

static enum err_code run_first_epochs(struct training *t, enum generator g, const struct ials_start *factors,
                                      struct runner *r, struct err *e)
{
    enum err_code code = make_gains(t, r, e);
    if (code)
        return code;
    t->run->options.generator = g;
    code = training_start_from(t, factors, e);
    training_enter(t, PHASE_CHOICE);
    if (!code)
        code = training_epochs(t, t->race_epochs, (struct training_gains){.mean = r->gains}, e);
    r->done = t->state.epoch == t->race_epochs;
    take_mean(t, r);
    put_aside(t, r);
    return code;
}

static bool has_ended(const struct training *t, const struct runner *r)
{
    return schedule_ended(&r->state, t->run->options.n_epochs);
}

/* False in *whole: an interrupt or the time ended it before. */
static enum err_code run_epoch(struct training *t, struct runner *r, bool *whole, struct err *e)
{
    int epoch = r->state.epoch + 1;
    if (has_ended(t, r))
        return ERR_OK;
    take_back(t, r);
    enum err_code code = training_epochs(t, epoch, (struct training_gains){.best = r->gains}, e);
    put_aside(t, r);
    r->metric = r->state.best_metric;
    *whole = *whole && r->state.epoch == epoch;
    return code;
}

static enum err_code measure_best(struct training *t, struct runner *r, bool *whole, struct err *e)
{
    double metric;
    take_back(t, r);
    enum err_code code = training_measure_best(t, r->gains, &metric, e);
    put_aside(t, r);
    *whole = *whole && !code && !isnan(metric);
    return code;
}

static enum err_code find_item_item(struct training *t, struct runner *r, struct err *e)
{
    take_back(t, r);
    enum err_code code = training_find_item_item(t, &r->pairs, e);
    put_aside(t, r);
    return code;
}

/* ---- all of them ---- */

static const char *name_of(size_t candidate)
{
    return candidate ? "generated (core)" : "nothing is generated";
}

/* By the figures compared last, or so far; the first of equals. */
static void take_better(struct race *race)
{
    race->winner = race->runners[1].metric > race->runners[0].metric;
}

/* Whether the difference is at least so many standard errors; the better one is the winner so far. */
static bool compare(struct race *race, double errors)
{
    struct runner *r = race->runners;
    take_better(race);
    race->gap = validate_gap(r[0].gains, r[1].gains, race->t->split.n_validated);
    race->sure = fabs(race->gap.mean) > errors * race->gap.error;
    return race->sure;
}

static void take_best_figures(struct race *race)
{
    for (size_t i = 0; i < N_CANDIDATES; i++)
        race->runners[i].metric = race->runners[i].state.best_metric;
}

/* Says how they stand: what, and then when. */
static void note(struct race *race, const char *what, const char *when)
{
    const struct runner *r = race->runners;
    struct training *t = race->t;
    (void)snprintf(
        t->note, sizeof t->note,
        "hidden layer: %s; %s %.4f with nothing generated, %.4f with %s: %+.4f, standard error %.4f", what,
        when, r[0].metric, r[1].metric, generator_name(candidates[1]), r[1].metric - r[0].metric,
        race->gap.error);
    training_note(t);
}

static void checkpoint_models(struct race *race, struct checkpoint_model models[N_CANDIDATES])
{
    for (size_t i = 0; i < N_CANDIDATES; i++) {
        struct runner *r = &race->runners[i];
        models[i] = (struct checkpoint_model){&r->state, &r->fit.block, r->best, r->fit.average};
    }
}

static enum err_code checkpoint_all(struct race *race, struct err *e)
{
    struct checkpoint_model models[N_CANDIDATES];
    checkpoint_models(race, models);
    return race->t->run->options.checkpoint
               ? checkpoint_write(race->t->run->options.checkpoint, models, N_CANDIDATES, e)
               : ERR_OK;
}

static bool all_have_ended(const struct race *race)
{
    bool so = true;
    for (size_t i = 0; i < N_CANDIDATES; i++)
        so = so && has_ended(race->t, &race->runners[i]);
    return so;
}

/* Who is better with item-item weights, which can give the one what it lacks and the other not. */
static enum err_code compare_with_item_item(struct race *race, struct err *e)
{
    struct runner *r = race->runners;
    struct training *t = race->t;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < N_CANDIDATES && !code; i++)
        code = find_item_item(t, &r[i], e);
    if (code || training_is_over(t))
        return code;
    race->pairs_found = true;
    for (size_t i = 0; i < N_CANDIDATES; i++)
        r[i].metric = r[i].pairs.metric;
    take_better(race);
    return ERR_OK;
}

/* An epoch of each in turn until one is surely better, all have ended, or their time has. */
static enum err_code run_on(struct race *race, struct err *e)
{
    struct training *t = race->t;
    bool whole = true;
    enum err_code code = ERR_OK;
    training_enter(t, PHASE_CHOICE);
    take_best_figures(race);
    for (size_t i = 0; i < N_CANDIDATES && !code; i++)
        code = measure_best(t, &race->runners[i], &whole, e);
    while (!code && whole && !compare(race, SURE_LATER) && !all_have_ended(race)) {
        code = checkpoint_all(race, e);
        for (size_t i = 0; i < N_CANDIDATES && !code && whole; i++)
            code = run_epoch(t, &race->runners[i], &whole, e);
    }
    if (code)
        return code;
    if (whole && !race->sure)
        code = compare_with_item_item(race, e);
    else if (!whole)
        take_better(race);
    if (code)
        return code;
    char when[96];
    (void)snprintf(when, sizeof when, "%sbest ndcg@10 in %d and %d epochs%s",
                   race->sure ? ""
                   : whole    ? "neither surely better, "
                              : "stopped before it was sure, ",
                   race->runners[0].state.epoch, race->runners[1].state.epoch,
                   race->pairs_found ? ", item-item weights included," : "");
    note(race, name_of(race->winner), when);
    return ERR_OK;
}

/* After the first epochs of all. */
static enum err_code settle(struct race *race, struct err *e)
{
    char when[48];
    bool sure = compare(race, SURE_AT_ONCE);
    int n = race->t->race_epochs;
    (void)snprintf(when, sizeof when, "ndcg@10 after %d epoch%s", n, n == 1 ? "" : "s");
    race->t->race_epochs = 0;
    note(race, sure ? name_of(race->winner) : "not sure yet, both go on", when);
    return sure ? ERR_OK : run_on(race, e);
}

/* The winner takes its place; without a choice nothing is said of what was not compared. */
static void finish(struct race *race, bool chosen)
{
    struct training *t = race->t;
    struct runner *r = race->runners;
    if (chosen)
        r[race->winner].state.choice = (struct generator_choice){.made = 1,
                                                                 .sure = race->sure,
                                                                 .shared = r[0].metric,
                                                                 .generated = r[1].metric,
                                                                 .error = race->gap.error};
    take_back(t, &r[race->winner]);
    t->pairs = r[race->winner].pairs;
    t->pairs_found = race->pairs_found;
    t->race_epochs = 0;
    t->racing = false;
    for (size_t i = 0; i < N_CANDIDATES; i++) {
        trainer_fini(&r[i].fit);
        mem_free(r[i].best);
        mem_free(r[i].gains);
    }
}

/* An interrupt or a deadline in the first epochs leaves the better so far, and is not resumed. */
enum err_code training_choose_generator(struct training *t, const struct ials_start *factors, struct err *e)
{
    struct race race = {.t = t};
    enum err_code code = ERR_OK;
    size_t n_done = 0;
    t->racing = true;
    t->race_epochs = race_epochs(t->run->options.n_epochs);
    for (size_t i = 0; i < N_CANDIDATES && !code && n_done == i; i++) {
        code = run_first_epochs(t, candidates[i], factors, &race.runners[i], e);
        n_done += race.runners[i].done;
    }
    if (!code && n_done == N_CANDIDATES) {
        code = settle(&race, e);
    } else {
        take_best_figures(&race);
        take_better(&race);
    }
    finish(&race, n_done == N_CANDIDATES);
    return code || n_done < N_CANDIDATES || budget_interrupted(&t->run->budget) ? code
                                                                                : training_checkpoint(t, e);
}

enum err_code training_resume_choice(struct training *t, const struct training_state *states, struct err *e)
{
    struct race race = {.t = t};
    enum err_code code = ERR_OK;
    t->racing = true;
    for (size_t i = 0; i < N_CANDIDATES && !code; i++) {
        code = make_gains(t, &race.runners[i], e);
        if (!code)
            code = training_resume_model(t, &states[i], i, e);
        put_aside(t, &race.runners[i]);
    }
    if (!code)
        code = run_on(&race, e);
    finish(&race, !code);
    return code || budget_interrupted(&t->run->budget) ? code : training_checkpoint(t, e);
}
