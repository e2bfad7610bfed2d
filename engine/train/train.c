/* The first course holds an interaction of each user out: it chooses hyperparameters, factorises, trains
 * jointly, keeps the best epoch and lowers the learning rates after each that was no better. Where what was held
 * out is a good part of the data, a second course repeats the first on everything, with what the first found. */
#include "engine/train/train.h"

#include "base/clock.h"
#include "engine/train/ranking/estimate.h"
#include "engine/train/ranking/ranking.h"
#include "engine/train/rating/rating.h"

#include <math.h>
#include <stdio.h>

/* By default training sees about this many examples: some minutes on two cores. Small data gets more epochs.
 */
enum { DEFAULT_EXAMPLES = 2600000, LEAST_EPOCHS = 4, MAX_EPOCHS = 40 };

void train_options_default(struct train_options *o)
{
    *o = (struct train_options){
        .name = "default", .version = "1", .seed = 1, .choose_generator = true, .generator = GENERATOR_CORE};
}

/* FNV-1a over what the result depends on. */
static uint64_t fingerprint(const struct train_data *data, const struct train_options *o)
{
    uint64_t hash = 14695981039346656037u;
    size_t n = data->user_start[data->n_users];
    uint64_t words[] = {data->n_users,
                        data->n_items,
                        n,
                        data->n_vocabulary,
                        o->seed,
                        (uint64_t)o->dim,
                        o->choose_generator ? UINT64_MAX : (uint64_t)o->generator,
                        o->no_pairs,
                        o->ignore_order};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        hash = (hash ^ words[i]) * 1099511628211u;
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ data->interactions[i].item) * 1099511628211u;
        hash = (hash ^ (uint64_t)data->interactions[i].timestamp) * 1099511628211u;
    }
    return hash;
}

static int default_epochs(const struct split *s)
{
    size_t epochs = DEFAULT_EXAMPLES / (trainer_n_examples(s) + 1);
    return (int)(epochs < LEAST_EPOCHS ? LEAST_EPOCHS : epochs > MAX_EPOCHS ? MAX_EPOCHS : epochs);
}

static enum err_code check(const struct train_data *data, const struct train_options *o, struct err *e)
{
    if (data->n_users < 2 || data->n_items < 2)
        return err_set(e, ERR_INVALID,
                       "training needs at least two users and two items; the store has %zu and %zu",
                       data->n_users, data->n_items);
    if (data->user_start[data->n_users] < 10)
        return err_set(e, ERR_INVALID, "training needs at least ten interactions; the store has %zu",
                       data->user_start[data->n_users]);
    if (o->dim < 0 || o->dim > 1024 || o->n_epochs < 0)
        return err_set(e, ERR_INVALID, "dim must be 0 to 1024 and epochs not below 0");
    return ERR_OK;
}

static void note_estimate(struct training *t)
{
    size_t n_threads = parallel_threads(t->team);
    struct estimate x = estimate_training(&t->split, &t->options, n_threads);
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
                   t->data->n_users, t->data->n_items, t->split.n_training, 100 * t->split.timed,
                   t->state.dim, t->state.alpha, t->state.reg);
    training_note(t);
}

static void report_of(const struct training *t, struct train_report *report)
{
    *report =
        (struct train_report){.end = budget_interrupted(&t->budget) ? TRAIN_INTERRUPTED
                                     : t->cut                       ? TRAIN_DEADLINE
                                                                    : TRAIN_COMPLETE,
                              .written = t->written,
                              .epochs_run = t->state.n_first,
                              .best_epoch = t->state.best_epoch,
                              .warm_start_metric = t->state.warm_metric,
                              .best_metric = t->state.best_metric,
                              .generator = t->options.generator,
                              .generator_chosen = t->state.choice.made != 0,
                              .shared_metric = t->state.choice.shared,
                              .generated_metric = t->state.choice.generated,
                              .choice_error = t->state.choice.error,
                              .choice_sure = t->state.choice.sure != 0,
                              .pairs_kept = t->state.scale > 0,
                              .metric_alone = t->metric_alone,
                              .pairs_alone = t->pairs_alone,
                              .alpha = t->state.alpha,
                              .reg = t->state.reg,
                              .dim = (int)t->state.dim,
                              .item_error = t->item_error,
                              .item_error_of_mean = t->item_error_of_mean,
                              .n_parameters = t->fit.block.n_values,
                              .seconds = training_elapsed(t),
                              .epoch_seconds = t->n_epochs_run ? t->epochs_s / t->n_epochs_run : (double)NAN};
}

/* From a checkpoint where there is one. */
static enum err_code start(struct training *t, struct err *e)
{
    struct training_state states[CHECKPOINT_MOST_MODELS];
    size_t n;
    struct err why = {0};
    t->fingerprint = fingerprint(t->data, &t->options);
    enum err_code code = t->options.checkpoint
                             ? checkpoint_read_states(t->options.checkpoint, t->fingerprint, states, &n, &why)
                             : ERR_NOTFOUND;
    if (code == ERR_NOTFOUND)
        return training_start(t, e);
    if (code == ERR_OK)
        return training_resume(t, states, n, e);
    return err_set(e, code, "%s", why.text);
}

/* The first course's model is written before the second begins: whoever stops that one has it. */
static enum err_code run_courses(struct training *t, const char *path, struct err *e)
{
    bool refit = t->state.refit || training_pays_refit(&t->split);
    enum err_code code = ERR_OK;
    t->written = t->state.refit;
    if (!t->state.refit) {
        code = training_first_course(t, e);
        if (code || (budget_interrupted(&t->budget) && t->state.epoch == 0))
            return code;
        code = training_choose_neighbours(t, e);
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
    bool interrupted = budget_interrupted(&t->budget);
    if (!interrupted && !t->cut)
        return;
    if (!t->written)
        (void)snprintf(t->note, sizeof t->note,
                       "interrupted before the first epoch had ended: nothing is written");
    else
        (void)snprintf(t->note, sizeof t->note, "%s: %s", interrupted ? "interrupted" : "the deadline came",
                       t->state.best_epoch ? "the best model so far is kept"
                                           : "what is kept is the factorisation that training starts from");
    training_note(t);
}

enum err_code train_run(const struct train_data *data, const struct train_options *options, const char *path,
                        train_progress_fn *progress, void *arg, struct train_report *report, struct err *e)
{
    if (options->objective == OBJECTIVE_RATING)
        return rating_train_run(data, options, path, progress, arg, report, e);
    struct training t = {.metric_alone = (double)NAN,
                         .pairs_alone = (double)NAN,
                         .item_error = (double)NAN,
                         .item_error_of_mean = (double)NAN,
                         .data = data,
                         .options = *options,
                         .progress = progress,
                         .arg = arg};
    budget_init(&t.budget, options->started_ns ? options->started_ns : clock_monotonic_ns(),
                options->deadline_s, options->interrupt);
    enum err_code code = check(data, &t.options, e);
    if (!code)
        code = parallel_new(t.options.n_threads, &t.team, e);
    if (!code)
        code = split_init(&t.split, data, true, t.options.seed, e);
    if (code)
        goto out;
    if (t.options.n_epochs == 0)
        t.options.n_epochs = default_epochs(&t.split);
    note_estimate(&t);
    code = start(&t, e);
    if (!code && t.best) {
        note_choice(&t);
        code = run_courses(&t, path, e);
    }
    if (!code) {
        note_end(&t);
        report_of(&t, report);
    }
out:
    training_fini(&t);
    return code;
}
