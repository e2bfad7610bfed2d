/* The first course holds an interaction of each user out: it chooses hyperparameters, factorises, trains
 * jointly, keeps the best epoch and lowers the learning rates after each that was no better. Where what was
 * held out is a good part of the data, a second course repeats the first on everything, with what the first
 * found. */
#include "engine/train/ranking/ranking_objective.h"

#include "base/mem.h"
#include "engine/train/data/train_fingerprint.h"
#include "engine/train/ranking/estimate.h"
#include "engine/train/ranking/ranking.h"

#include <math.h>
#include <stdio.h>

/* By default training sees about this many examples: some minutes on two cores. Small data gets more epochs.
 */
enum { DEFAULT_EXAMPLES = 2600000, LEAST_EPOCHS = 4, MAX_EPOCHS = 40 };

/* Of what the result depends on: the data and, of the options, all but those that say how it is come by
 * (threads, deadline) and what it is called. The number of epochs is among them: how many starts are tried,
 * after how many epochs models are compared, and when an epoch is hopeless follow from it, so a run that went
 * on with another one would end with a model of neither. */
static uint64_t fingerprint(const struct train_data *data, const struct train_options *o)
{
    const uint64_t words[] = {o->seed,
                              (uint64_t)o->dim,
                              (uint64_t)o->n_epochs,
                              o->choose_generator ? UINT64_MAX : (uint64_t)o->generator,
                              o->no_pairs,
                              o->ignore_order};
    return train_fingerprint_add(train_fingerprint(data), words, sizeof words / sizeof *words);
}

static int default_epochs(const struct split *s)
{
    size_t epochs = DEFAULT_EXAMPLES / (trainer_n_examples(s) + 1);
    return (int)(epochs < LEAST_EPOCHS ? LEAST_EPOCHS : epochs > MAX_EPOCHS ? MAX_EPOCHS : epochs);
}

static enum err_code check(const struct train_data *data, const struct train_options *o, struct err *e)
{
    if (data->user_start[data->n_users] < 10)
        return err_set(e, ERR_INVALID, "training needs at least ten interactions; the store has %zu",
                       data->user_start[data->n_users]);
    if (o->dim < 0 || o->dim > TRAINING_MOST_DIM || o->n_epochs < 0)
        return err_set(e, ERR_INVALID, "dim must be 0 to %d and epochs not below 0", TRAINING_MOST_DIM);
    return ERR_OK;
}

static void note_estimate(struct training *t)
{
    size_t n_threads = parallel_threads(t->run->team);
    struct estimate x = estimate_training(&t->split, &t->run->options, n_threads);
    char text[96];
    estimate_text(&x, n_threads, text, sizeof text);
    (void)snprintf(t->note, sizeof t->note, "training will take %s", text);
    training_note(t);
}

static void note_choice(struct training *t)
{
    (void)snprintf(t->note, sizeof t->note,
                   "%zu users, %zu items, %zu interactions, %.0f%% with a time; factors %zu wide, alpha %g, "
                   "reg %g chosen by "
                   "validation",
                   t->run->data->n_users, t->run->data->n_items, t->split.n_training, 100 * t->split.timed,
                   t->state.dim, t->state.alpha, t->state.reg);
    training_note(t);
}

static void summarise(const struct training *t, struct train_report *r)
{
    int n =
        snprintf(r->summary, sizeof r->summary,
                 "validation ndcg@10 %.4f (iALS warm start %.4f), epoch %d of %d, %zu parameters, %.1f s\n",
                 t->state.best_metric, t->state.start_metric, r->best_epoch, r->epochs_run, r->n_parameters,
                 r->seconds);
    if (!isnan(t->item_error) && n > 0 && (size_t)n < sizeof r->summary)
        (void)snprintf(
            r->summary + n, sizeof r->summary - (size_t)n,
            "new items: categories and titles explain %.0f%% of how the scores of held-out items differ\n",
            100 * (1 - t->item_error / t->item_error_of_mean));
}

/* What was chosen by validation, and by how much. */
static void report_choices(const struct training *t, struct train_report *r)
{
    bool chosen = t->state.choice.made != 0;
    report_flag(r, "generator_chosen", chosen);
    if (chosen) {
        report_measure(r, "choice_shared_ndcg@10", 6, t->state.choice.shared);
        report_measure(r, "choice_core_ndcg@10", 6, t->state.choice.generated);
        report_measure(r, "choice_standard_error", 6, t->state.choice.error);
        report_flag(r, "choice_sure", t->state.choice.sure != 0);
    }
    report_flag(r, "item_item", t->state.scale > 0);
    report_measure(r, "item_item_alone_ndcg@10", 6, t->pairs_alone);
    report_measure(r, "without_item_item_ndcg@10", 6, t->metric_alone);
}

static void report_training(const void *state, struct train_report *r)
{
    const struct training *t = state;
    r->epochs_run = t->state.n_first;
    r->best_epoch = t->state.best_epoch;
    r->n_parameters = t->fit.block.n_values;
    report_text(r, "generator", generator_name(t->run->options.generator));
    report_text(r, "ended", train_end_name(r->end));
    report_count(r, "epochs", (size_t)r->epochs_run);
    report_count(r, "best_epoch", (size_t)r->best_epoch);
    report_count(r, "dim", t->state.dim);
    report_setting(r, "alpha", t->state.alpha);
    report_setting(r, "reg", t->state.reg);
    report_count(r, "parameters", r->n_parameters);
    report_measure(r, "seconds", 2, r->seconds);
    report_measure(r, "warm_start_ndcg@10", 6, t->state.start_metric);
    report_measure(r, "ndcg@10", 6, t->state.best_metric);
    report_choices(t, r);
    if (t->n_epochs_run)
        report_measure(r, "epoch_seconds", 3, t->epochs_s / t->n_epochs_run);
    if (!isnan(t->item_error)) {
        report_measure(r, "new_items_error", 6, t->item_error);
        report_measure(r, "new_items_error_alike", 6, t->item_error_of_mean);
    }
    summarise(t, r);
}

/* From a checkpoint where there is one. */
static enum err_code choose(void *state, struct err *e)
{
    struct training *t = state;
    struct training_state states[CHECKPOINT_MOST_MODELS];
    size_t n;
    struct err why = {0};
    t->fingerprint = t->run->options.checkpoint ? fingerprint(t->run->data, &t->run->options) : 0;
    enum err_code code = t->run->options.checkpoint ? checkpoint_read_states(t->run->options.checkpoint,
                                                                             t->fingerprint, states, &n, &why)
                                                    : ERR_NOTFOUND;
    if (code == ERR_NOTFOUND)
        return training_start(t, e);
    if (code == ERR_OK)
        return training_resume(t, states, n, e);
    return err_copy(e, &why);
}

/* The first course's model is written before the second begins: whoever stops that one has it. */
static enum err_code run_courses(struct training *t, const char *path, struct err *e)
{
    bool refit = t->state.refit || training_pays_refit(&t->split);
    enum err_code code = ERR_OK;
    t->run->written = t->state.refit;
    if (!t->state.refit) {
        code = training_first_course(t, e);
        if (code || (budget_interrupted(&t->run->budget) && t->state.epoch == 0))
            return code;
        code = training_choose_item_item(t, e);
        if (!code)
            code = training_write(t, path, e);
    }
    training_enter(t, PHASE_REFIT);
    if (code || !refit || training_is_over(t) || !training_has_time_for_refit(t))
        return code;
    code = training_second_course(t, e);
    return code || training_is_over(t) ? code : training_write(t, path, e);
}

/* Why it ended is said last: a run with neither has nothing to add. */
static void note_end(struct training *t)
{
    bool interrupted = budget_interrupted(&t->run->budget);
    if (!interrupted && !t->run->cut)
        return;
    if (!t->run->written)
        (void)snprintf(t->note, sizeof t->note,
                       "interrupted before the first epoch had ended: nothing is written");
    else
        (void)snprintf(t->note, sizeof t->note, "%s: %s", interrupted ? "interrupted" : "the deadline came",
                       t->state.best_epoch ? "the best model so far is kept"
                                           : "what is kept is the factorisation that training starts from");
    training_note(t);
}

static enum err_code build(struct run *run, void **state, struct err *e)
{
    struct training *t = mem_zalloc_array(1, sizeof *t);
    if (!t)
        return err_set(e, ERR_NOMEM, "no memory for a training");
    *state = t;
    *t = (struct training){.run = run,
                           .metric_alone = (double)NAN,
                           .pairs_alone = (double)NAN,
                           .item_error = (double)NAN,
                           .item_error_of_mean = (double)NAN};
    enum err_code code = split_init(&t->split, run->data, true, run->options.seed, e);
    if (code)
        return code;
    if (run->options.n_epochs == 0)
        run->options.n_epochs = default_epochs(&t->split);
    note_estimate(t);
    return ERR_OK;
}

static enum err_code train(void *state, struct err *e)
{
    struct training *t = state;
    enum err_code code = ERR_OK;
    if (t->best) {
        note_choice(t);
        code = run_courses(t, t->run->path, e);
    }
    if (!code)
        note_end(t);
    return code;
}

static void free_training(void *state)
{
    training_fini(state);
    mem_free(state);
}

const struct train_objective train_ranking = {.objective = &objective_ranking,
                                              .about = "what users take next",
                                              .check = check,
                                              .build = build,
                                              .choose = choose,
                                              .train = train,
                                              .report = report_training,
                                              .fini = free_training};
