/* What is generated can tell users apart in many more ways than what they share, and of sparse data it learns them by heart:
 * whether it is worth anything shows after a few epochs of both, from the same factorisation. The winner goes on from where it
 * is. The simpler one wins where the other is not surely better, by the users' differences and their standard error. */
#include "engine/train/training.h"

#include "base/mem.h"
#include "engine/train/validate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The simplest first. low_rank and full learned by heart sooner than core wherever they were tried. */
static const enum generator candidates[] = {GENERATOR_SHARED, GENERATOR_CORE};
enum { N_CANDIDATES = 2 };

/* Epochs of each: a part of those there may be, and a few at most. */
enum { RACE_PART = 5, MOST_RACE = 4 };

/* Standard errors from which a difference is one. */
#define SURE 1.5

/* A model in training, put aside while another one is. */
struct runner {
    struct fit fit;
    real *best;
    struct training_state state;
    double *gains; /* (n_validated) of its last epochs, summed */
    double metric; /* their mean */
    bool done;     /* it had all its epochs */
};

static int race_epochs(int n_epochs)
{
    int n = n_epochs / RACE_PART;
    return n < 1 ? 1 : n > MOST_RACE ? MOST_RACE : n;
}

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
    t->options.generator = t->state.generator;
    memset(&r->fit, 0, sizeof r->fit);
    r->best = NULL;
}

static enum err_code run_candidate(struct training *t, enum generator g, const struct warm_start *warm,
                                   struct runner *r, struct err *e)
{
    size_t n = t->split.n_validated;
    if (!(r->gains = mem_zalloc_array(n, sizeof *r->gains)))
        return err_set(e, ERR_NOMEM, "no memory to compare models");
    memset(&t->state, 0, sizeof t->state);
    t->options.generator = g;
    enum err_code code = training_start_from(t, warm, e);
    training_enter(t, PHASE_CHOICE);
    if (!code)
        code = training_epochs(t, t->race_epochs, r->gains, e);
    r->done = t->state.epoch == t->race_epochs;
    for (size_t i = 0; i < n; i++)
        r->metric += r->gains[i] / (double)n;
    put_aside(t, r);
    return code;
}

/* Which of two that had all their epochs; the note says by how much. */
static size_t compare(struct training *t, struct runner *r)
{
    size_t n = t->split.n_validated;
    struct validate_gap gap = validate_gap(r[0].gains, r[1].gains, n);
    size_t winner = gap.mean > SURE * gap.error;
    r[winner].state.choice = (struct generator_choice){
        .made = 1, .shared = r[0].metric, .generated = r[1].metric, .error = gap.error};
    (void)snprintf(
        t->note, sizeof t->note,
        "hidden layer: %s; ndcg@10 after %d epochs %.4f with nothing generated, %.4f with %s: %+.4f, "
        "standard error %.4f",
        winner ? "generated (core)" : "nothing is generated", t->race_epochs, r[0].metric, r[1].metric,
        generator_name(candidates[1]), gap.mean, gap.error);
    training_note(t);
    return winner;
}

/* An interrupt or a deadline leaves the first, and says nothing of what was not compared; nor is that resumed. */
enum err_code training_choose_generator(struct training *t, const struct warm_start *warm, struct err *e)
{
    struct runner runners[N_CANDIDATES] = {0};
    enum err_code code = ERR_OK;
    size_t n_done = 0, winner = 0;
    t->race_epochs = race_epochs(t->options.n_epochs);
    for (size_t i = 0; i < N_CANDIDATES && !code && n_done == i; i++) {
        code = run_candidate(t, candidates[i], warm, &runners[i], e);
        n_done += runners[i].done;
    }
    if (!code && n_done == N_CANDIDATES)
        winner = compare(t, runners);
    take_back(t, &runners[winner]);
    t->race_epochs = 0;
    for (size_t i = 0; i < N_CANDIDATES; i++) {
        fit_fini(&runners[i].fit);
        mem_free(runners[i].best);
        mem_free(runners[i].gains);
    }
    return code || n_done < N_CANDIDATES ? code : training_checkpoint(t, e);
}
