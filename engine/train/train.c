/* The first course holds an interaction of each user out: it chooses hyperparameters, factorises, trains
 * jointly, keeps the best epoch and lowers the learning rates after each that was no better. Where what was held
 * out is a good part of the data, a second course repeats the first on everything, with what the first found. */
#include "engine/train/train.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/model.h"
#include "engine/train/checkpoint.h"
#include "engine/train/course.h"
#include "engine/train/fit.h"
#include "engine/train/item_side_fit.h"
#include "engine/train/neighbours_choice.h"
#include "engine/train/parallel.h"
#include "engine/train/param_block.h"
#include "engine/train/rating_train.h"
#include "engine/train/split.h"
#include "engine/train/start_choice.h"
#include "engine/train/warm_start.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* By default training sees about this many examples: some minutes on two cores. Small data gets more epochs.
 */
enum { DEFAULT_EXAMPLES = 2600000, LEAST_EPOCHS = 4, MOST_EPOCHS = 40, EPOCHS_FOR_TRIES = 8 };

/* A held-out share from which the second course pays. */
#define LEAST_HELD_SHARE 0.02

struct training {
    const struct train_data *data;
    struct train_options options;
    train_progress_fn *progress;
    void *arg;
    int64_t start_ns;
    bool stopped; /* by the caller or the deadline */
    struct parallel *team;
    struct split split;
    struct fit fit;
    real *best; /* (fit.block.n_values) what is written in the end */
    struct training_state state;
    double epoch_start_s, epochs_s; /* all epochs of this run */
    int n_epochs_run;
    char note[256];
    double item_error, item_error_of_mean;
};

void train_options_default(struct train_options *o)
{
    *o = (struct train_options){.name = "default", .version = "1", .seed = 1, .generator = GENERATOR_CORE};
}

static double elapsed(const struct training *t)
{
    return (double)(clock_monotonic_ns() - t->start_ns) / 1e9;
}

/* Tells the caller; false when training must stop. */
static bool tell(struct training *t, struct train_progress p)
{
    p.n_epochs = t->state.refit ? t->state.best_epoch : t->options.n_epochs;
    p.elapsed_s = elapsed(t);
    if (t->progress && !t->progress(t->arg, &p))
        t->stopped = true;
    if (t->options.deadline_s > 0 && p.elapsed_s > t->options.deadline_s)
        t->stopped = true;
    return !t->stopped;
}

static bool tell_warm(void *arg, const char *stage, double fraction, double ndcg, double best)
{
    struct training *t = arg;
    return tell(t, (struct train_progress){.stage = stage,
                                           .fraction = fraction < 1 ? fraction : 1,
                                           .loss = NAN,
                                           .metric = ndcg,
                                           .best_metric = best,
                                           .left_s = NAN});
}

/* FNV-1a over what the result depends on. */
static uint64_t fingerprint(const struct train_data *data, const struct train_options *o)
{
    uint64_t hash = 14695981039346656037u;
    size_t n = data->user_start[data->n_users];
    uint64_t words[] = {data->n_users,          data->n_items,  n,
                        data->n_vocabulary,     o->seed,        (uint64_t)o->dim,
                        (uint64_t)o->generator, o->ignore_order};
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
    size_t epochs = DEFAULT_EXAMPLES / (fit_n_examples(s) + 1);
    return (int)(epochs < LEAST_EPOCHS ? LEAST_EPOCHS : epochs > MOST_EPOCHS ? MOST_EPOCHS : epochs);
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

/* ---- the start ---- */

static struct ials_options chosen(const struct training *t)
{
    return (struct ials_options){.dim = t->state.dim,
                                 .alpha = t->state.alpha,
                                 .reg = t->state.reg,
                                 .reg_exponent = t->state.reg_exponent,
                                 .seed = t->options.seed};
}

static enum err_code make_fit(struct training *t, struct err *e)
{
    struct ials_options ials = chosen(t);
    enum err_code code = fit_init(&t->fit, &t->split, &t->options, &ials, t->team, e);
    if (!code && !(t->best = mem_alloc_array(t->fit.block.n_values, sizeof *t->best)))
        code = err_set(e, ERR_NOMEM, "no memory for %zu parameters", t->fit.block.n_values);
    return code;
}

static void keep_average(struct training *t)
{
    memcpy(t->best, t->fit.average, t->fit.block.n_values * sizeof *t->best);
}

/* Where times are known much follows the start, and a few epochs more than planned cost little of many. */
static bool tries_starts(const struct training *t)
{
    return t->split.timed > 0 && t->split.n_validated > 0 && t->options.n_epochs >= EPOCHS_FOR_TRIES &&
           !t->stopped;
}

static enum err_code start_anew(struct training *t, struct err *e)
{
    struct warm_start warm;
    enum err_code code =
        warm_start_run(&t->split, (size_t)t->options.dim, t->options.seed, t->team, tell_warm, t, &warm, e);
    if (!code && tries_starts(t) &&
        (code = start_choose(&t->split, &t->options, t->team, tell_warm, t, &warm, e)))
        warm_start_fini(&warm);
    if (code)
        return code;
    t->state.dim = warm.options.dim;
    t->state.alpha = warm.options.alpha;
    t->state.reg = warm.options.reg;
    t->state.reg_exponent = warm.options.reg_exponent;
    code = make_fit(t, e);
    if (!code)
        code = fit_start(&t->fit, &warm, e);
    warm_start_fini(&warm);
    if (!code)
        code = fit_measure(&t->fit, &t->state.warm_metric, e);
    if (code)
        return code;
    t->state.best_metric = t->state.warm_metric;
    keep_average(t);
    return ERR_OK;
}

/* The split of the second course. */
static enum err_code split_all(struct training *t, struct err *e)
{
    split_fini(&t->split);
    return split_init(&t->split, t->data, false, t->options.seed, e);
}

static enum err_code resume(struct training *t, struct err *e)
{
    enum err_code code = t->state.refit ? split_all(t, e) : ERR_OK;
    if (!code)
        code = make_fit(t, e);
    if (!code)
        code = checkpoint_read_block(t->options.checkpoint, &t->fit.block, t->best, t->fit.average, e);
    t->fit.n_steps = t->state.n_steps;
    return code;
}

static void note_choice(struct training *t)
{
    (void)snprintf(t->note, sizeof t->note,
                   "%zu users, %zu items, %zu interactions, %.0f%% with a time; factors %zu wide, alpha %g, "
                   "reg %g chosen by "
                   "validation",
                   t->data->n_users, t->data->n_items, t->split.n_training, 100 * t->split.timed,
                   t->state.dim, t->state.alpha, t->state.reg);
    (void)tell(t, (struct train_progress){.stage = "train",
                                          .loss = NAN,
                                          .metric = t->state.warm_metric,
                                          .best_metric = t->state.best_metric,
                                          .left_s = NAN,
                                          .note = t->note});
}

/* ---- the courses ---- */

static const char *stage_of(const struct training *t)
{
    return t->state.refit ? "refit" : "train";
}

static bool tell_epoch(void *arg, double fraction, double loss)
{
    struct training *t = arg;
    return tell(t, (struct train_progress){.stage = stage_of(t),
                                           .epoch = t->state.epoch + 1,
                                           .fraction = fraction,
                                           .loss = loss,
                                           .metric = NAN,
                                           .best_metric = t->state.best_metric,
                                           .left_s = (elapsed(t) - t->epoch_start_s) * (1 / fraction - 1)});
}

static enum err_code run_epoch(struct training *t, double *loss, struct err *e)
{
    int epoch = t->state.epoch + 1;
    t->epoch_start_s = elapsed(t);
    enum err_code code = fit_epoch(&t->fit, epoch, course_rate(&t->state, epoch), tell_epoch, t, loss, e);
    t->epochs_s += elapsed(t) - t->epoch_start_s;
    t->n_epochs_run++;
    return code;
}

static enum err_code end_epoch(struct training *t, double loss, double metric, struct err *e)
{
    t->state.epoch++;
    t->state.n_first += !t->state.refit;
    t->state.n_steps = t->fit.n_steps;
    (void)tell(t, (struct train_progress){.stage = stage_of(t),
                                          .epoch = t->state.epoch,
                                          .fraction = 1,
                                          .loss = loss,
                                          .metric = metric,
                                          .best_metric = t->state.best_metric,
                                          .left_s = NAN});
    return t->options.checkpoint
               ? checkpoint_write(t->options.checkpoint, &t->state, &t->fit.block, t->best, t->fit.average, e)
               : ERR_OK;
}

static enum err_code first_course(struct training *t, struct err *e)
{
    while (!course_ended(&t->state, t->options.n_epochs) && !t->stopped) {
        double loss, metric;
        enum err_code code = run_epoch(t, &loss, e);
        if (!code)
            code = fit_measure(&t->fit, &metric, e);
        if (code)
            return code;
        if (course_judge(&t->state, metric, t->options.n_epochs, t->split.timed > 0))
            keep_average(t);
        if (t->stopped)
            break; /* a part of an epoch is judged, but never resumed from */
        if ((code = end_epoch(t, loss, metric, e)))
            return code;
    }
    return ERR_OK;
}

/* Everything of the first course but its hyperparameters, its best epoch and its rates goes. */
static enum err_code start_refit(struct training *t, struct err *e)
{
    struct warm_start warm;
    fit_fini(&t->fit);
    mem_free(t->best);
    t->best = NULL;
    t->state.refit = 1;
    t->state.epoch = 0;
    enum err_code code = split_all(t, e);
    struct ials_options ials = chosen(t);
    if (!code)
        code = warm_start_factorise(&t->split, &ials, t->team, tell_warm, t, &warm, e);
    if (code)
        return code;
    code = make_fit(t, e);
    if (!code)
        code = fit_start(&t->fit, &warm, e);
    warm_start_fini(&warm);
    return code;
}

static enum err_code second_course(struct training *t, struct err *e)
{
    enum err_code code = ERR_OK;
    if (!t->state.refit)
        code = start_refit(t, e);
    while (!code && t->state.epoch < t->state.best_epoch && !t->stopped) {
        double loss;
        code = run_epoch(t, &loss, e);
        if (!code && !t->stopped)
            code = end_epoch(t, loss, NAN, e);
    }
    if (!code)
        keep_average(t);
    return code;
}

static bool pays_refit(const struct split *s)
{
    return (double)s->n_held > LEAST_HELD_SHARE * (double)(s->n_held + s->n_training);
}

/* ---- neighbours ---- */

static bool tell_neighbours(void *arg, double fraction, double ndcg, double best)
{
    return tell_warm(arg, "neighbours", fraction, ndcg, best);
}

/* The values that are written take the place of those in training, and back. */
static void swap_best(struct training *t)
{
    size_t n_bytes = t->fit.block.n_values * sizeof *t->best;
    memcpy(t->fit.values, t->fit.block.values, n_bytes);
    memcpy(t->fit.block.values, t->best, n_bytes);
    memcpy(t->best, t->fit.values, n_bytes);
}

static void note_neighbours(struct training *t, const struct neighbours_choice *n)
{
    (void)snprintf(
        t->note, sizeof t->note,
        n->scale > 0
            ? "neighbours of items: %s, ridge %g, damping %g, ndcg@10 %.4f alone, %.4f with the model; kept"
            : "neighbours of items: %s, ridge %g, damping %g, ndcg@10 %.4f alone; no gain beside the model "
              "(%.4f)",
        n->local ? "the nearest of each" : "of all", n->ridge, n->damping, n->alone, n->metric);
    (void)tell(t, (struct train_progress){.stage = "train",
                                          .loss = NAN,
                                          .metric = n->metric,
                                          .best_metric = n->metric,
                                          .left_s = NAN,
                                          .note = t->note});
}

/* Whether item-item weights help the best model of the first course. Where nothing is to be generated, they are not. */
static enum err_code choose_neighbours(struct training *t, struct err *e)
{
    struct neighbours_choice choice = {.metric = t->state.best_metric};
    enum err_code code = ERR_OK;
    if (t->options.generator == GENERATOR_SHARED || t->stopped)
        return ERR_OK;
    swap_best(t);
    code = neighbours_choose(&t->split, &t->fit.spec, &t->fit.block.params, t->state.best_metric, t->team,
                             tell_neighbours, t, &choice, e);
    swap_best(t);
    if (code)
        return code;
    t->state.ridge = choice.ridge;
    t->state.damping = choice.damping;
    t->state.scale = choice.scale;
    t->state.local = choice.local;
    t->state.best_metric = choice.metric;
    if (!t->stopped && choice.ridge > 0) /* else nothing was found out */
        note_neighbours(t, &choice);
    return ERR_OK;
}

static void report_of(const struct training *t, struct train_report *report)
{
    *report =
        (struct train_report){.epochs_run = t->state.n_first,
                              .best_epoch = t->state.best_epoch,
                              .warm_start_metric = t->state.warm_metric,
                              .best_metric = t->state.best_metric,
                              .alpha = t->state.alpha,
                              .reg = t->state.reg,
                              .dim = (int)t->state.dim,
                              .item_error = t->item_error,
                              .item_error_of_mean = t->item_error_of_mean,
                              .n_parameters = t->fit.block.n_values,
                              .seconds = elapsed(t),
                              .epoch_seconds = t->n_epochs_run ? t->epochs_s / t->n_epochs_run : (double)NAN};
}

static void fini(struct training *t)
{
    fit_fini(&t->fit);
    split_fini(&t->split);
    parallel_free(t->team);
    mem_free(t->best);
}

/* Writes a model of the block's values, with what they say of new items. */
static enum err_code write_values(struct training *t, const struct model_spec *spec,
                                  const struct model_params *params, const char *path, struct err *e)
{
    struct model_ids ids = {t->data->item_ids};
    struct item_side_fit side;
    if (!item_side_fits(spec))
        return model_write(path, spec, params, &ids, e);
    enum err_code code = item_side_fit_run(t->data, spec, params, t->options.seed, t->team, &side, e);
    if (code)
        return code;
    t->item_error = side.error;
    t->item_error_of_mean = side.error_of_mean;
    code = item_side_fill(&side, t->data, e);
    if (!code)
        code = model_write(path, &side.spec, &side.params, &ids, e);
    item_side_fit_fini(&side);
    return code;
}

static enum err_code write_best(struct training *t, const char *path, struct err *e)
{
    struct model_spec spec = t->fit.spec; /* the vocabulary is the fit's */
    struct item_weights weights = {0};
    struct neighbours_choice choice = {.ridge = t->state.ridge,
                                       .damping = t->state.damping,
                                       .local = t->state.local != 0,
                                       .scale = t->state.scale};
    enum err_code code = ERR_OK;
    if (choice.scale > 0)
        code = neighbours_make(&t->split, &choice, t->team, &weights, e);
    if (code)
        return code;
    swap_best(t);
    struct model_params params = t->fit.block.params;
    spec.n_pairs = weights.n_pairs;
    params.pairs = item_weights_view(&weights);
    code = write_values(t, &spec, &params, path, e);
    swap_best(t);
    item_weights_fini(&weights);
    return code;
}

/* From a checkpoint where there is one. */
static enum err_code start(struct training *t, struct err *e)
{
    uint64_t print = fingerprint(t->data, &t->options);
    enum err_code code = t->options.checkpoint
                             ? checkpoint_read_state(t->options.checkpoint, print, &t->state, NULL)
                             : ERR_NOTFOUND;
    if (code == ERR_NOTFOUND)
        code = start_anew(t, e);
    else if (code == ERR_OK)
        code = resume(t, e);
    else
        code = checkpoint_read_state(t->options.checkpoint, print, &t->state, e);
    t->state.fingerprint = print;
    return code;
}

/* The first course's model is written before the second begins: whoever stops that one has it. */
static enum err_code run_courses(struct training *t, const char *path, struct err *e)
{
    bool refit = t->state.refit || pays_refit(&t->split);
    enum err_code code = ERR_OK;
    if (!t->state.refit) {
        code = first_course(t, e);
        if (!code)
            code = choose_neighbours(t, e);
        if (!code)
            code = write_best(t, path, e);
    }
    if (code || !refit || t->stopped)
        return code;
    code = second_course(t, e);
    return code || t->stopped ? code : write_best(t, path, e);
}

enum err_code train_run(const struct train_data *data, const struct train_options *options, const char *path,
                        train_progress_fn *progress, void *arg, struct train_report *report, struct err *e)
{
    if (options->objective == OBJECTIVE_RATING)
        return rating_train_run(data, options, path, progress, arg, report, e);
    struct training t = {.item_error = (double)NAN,
                         .item_error_of_mean = (double)NAN,
                         .data = data,
                         .options = *options,
                         .progress = progress,
                         .arg = arg};
    t.start_ns = clock_monotonic_ns();
    enum err_code code = check(data, &t.options, e);
    if (!code)
        code = parallel_new(t.options.n_threads, &t.team, e);
    if (!code)
        code = split_init(&t.split, data, true, t.options.seed, e);
    if (code)
        goto out;
    if (t.options.n_epochs == 0)
        t.options.n_epochs = default_epochs(&t.split);
    if ((code = start(&t, e)))
        goto out;
    note_choice(&t);
    code = run_courses(&t, path, e);
    if (!code)
        report_of(&t, report);
out:
    fini(&t);
    return code;
}
