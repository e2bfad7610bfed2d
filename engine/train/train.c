/* The course of training: choose hyperparameters, factorise, then train jointly; after each epoch measure,
 * keep the best, and when an epoch was no better go back to the best with a smaller rate. Every epoch draws
 * its randomness from its own number, so a resumed run repeats what an uninterrupted one does. */
#include "engine/train/train.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/model.h"
#include "engine/train/checkpoint.h"
#include "engine/train/parallel.h"
#include "engine/train/param_block.h"
#include "engine/train/recipe.h"
#include "engine/train/samples.h"
#include "engine/train/split.h"
#include "engine/train/step.h"
#include "engine/train/validate.h"
#include "engine/train/warm_start.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = 256, NEGATIVES = 1024, MOST_WORSE = 3, SCALE_TRIES = 8 };
enum { MOST_TIMED = 32, MOST_GROUPS = 16 }; /* examples of a user in an epoch */

/* By default training sees about this many examples: some minutes on two cores. Small data gets more epochs.
 */
enum { DEFAULT_EXAMPLES = 2200000, LEAST_EPOCHS = 4, MOST_EPOCHS = 40 };

struct training {
    const struct train_data *data;
    struct train_options options;
    train_progress_fn *progress;
    void *arg;
    int64_t start_ns;
    bool stopped; /* by the caller or the deadline */
    struct parallel *team;
    struct split split;
    struct warm_start warm;
    struct model_spec spec;
    bool has_spec;
    struct param_block block;
    real *best; /* (block.n_values) */
    struct samples *samples;
    struct train_step *step;
    uint32_t *order; /* (n_users) */
    struct training_state state;
    char note[256];
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
    p.n_epochs = t->options.n_epochs;
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
    uint64_t words[] = {data->n_users,    data->n_items,         n, data->n_vocabulary, o->seed,
                        (uint64_t)o->dim, (uint64_t)o->generator};
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
    size_t n = 1;
    for (size_t u = 0; u < s->data->n_users; u++) {
        size_t timed = 0, all = s->end[u] - s->start[u];
        for (size_t i = s->start[u]; i < s->end[u]; i++)
            timed += s->interactions[i].timestamp != 0;
        size_t groups = (all - timed) / SAMPLE_MAX_TARGETS;
        n += (timed < MOST_TIMED ? timed : MOST_TIMED) + (groups < MOST_GROUPS ? groups : MOST_GROUPS);
    }
    size_t epochs = DEFAULT_EXAMPLES / n;
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

/* ---- stages ---- */

static void set_warm_state(struct training *t)
{
    t->state.dim = t->warm.options.dim;
    t->state.alpha = t->warm.options.alpha;
    t->state.reg = t->warm.options.reg;
    t->state.reg_exponent = t->warm.options.reg_exponent;
    t->state.rate = 1;
}

static enum err_code make_spec(struct training *t, struct err *e)
{
    struct ials_options ials = {.dim = t->state.dim,
                                .alpha = t->state.alpha,
                                .reg = t->state.reg,
                                .reg_exponent = t->state.reg_exponent};
    enum err_code code = recipe_spec(&t->split, &t->options, &ials, &t->spec, e);
    if (code)
        return code;
    t->has_spec = true;
    code = param_block_init(&t->block, &t->spec, e);
    if (!code && !(t->best = mem_alloc_array(t->block.n_values, sizeof *t->best)))
        code = err_set(e, ERR_NOMEM, "no memory for %zu parameters", t->block.n_values);
    return code;
}

static enum err_code make_step(struct training *t, struct err *e)
{
    struct samples_options samples = {.most_timed = MOST_TIMED,
                                      .most_groups = MOST_GROUPS,
                                      .forget = 0.1,
                                      .forget_profile = 0.1,
                                      .seed = t->options.seed};
    struct step_options step = {
        .batch = BATCH,
        .n_negatives = NEGATIVES,
        .clip = 5,
        .adam = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01}};
    step.rates[GROUP_ITEM] = 1e-4;
    step.rates[GROUP_ENCODER] = 1e-3;
    step.rates[GROUP_TRUNK] = 1e-3;
    step.rates[GROUP_HEAD] = 1e-3;
    step.rates[GROUP_LINEAR] = 1e-3;
    step.rates[GROUP_SHARED] = 1e-3;
    enum err_code code =
        samples_new(&t->spec, &t->block.params, &t->split, &samples, t->team, &t->samples, e);
    if (!code)
        code = train_step_new(&t->spec, &t->block, &t->split, &step, t->team, &t->step, e);
    if (!code && !(t->order = mem_alloc_array(t->data->n_users, sizeof *t->order)))
        code = err_set(e, ERR_NOMEM, "no memory to train");
    return code;
}

/* Factors of iALS give scores near 0 and 1; as logits they are nearly flat. Takes the power of two with the
 * least loss. */
static enum err_code choose_scale(struct training *t, struct err *e)
{
    const struct sample *list;
    size_t n;
    struct rng r;
    rng_init(&r, t->options.seed, 4);
    for (size_t i = 0; i < t->data->n_users; i++)
        t->order[i] = (uint32_t)i;
    rng_shuffle(&r, t->order, t->data->n_users);
    size_t n_users = t->data->n_users < SAMPLES_CHUNK_USERS ? t->data->n_users : SAMPLES_CHUNK_USERS;
    enum err_code code = samples_fill(t->samples, t->order, n_users, 0, &list, &n, e);
    if (code)
        return code;
    n = n < BATCH ? n : BATCH;
    double best = 1, least = INFINITY;
    train_step_draw(t->step, list, n, &r);
    for (int i = 0; i < SCALE_TRIES; i++) {
        recipe_scale_linear(&t->spec, &t->block, (double)(1 << i));
        double loss = train_step_gradients(t->step, list, n);
        (void)train_step_update(t->step, 1, 0); /* a rate of zero only clears the gradients */
        if (loss < least) {
            least = loss;
            best = (double)(1 << i);
        }
    }
    recipe_scale_linear(&t->spec, &t->block, best);
    return ERR_OK;
}

static enum err_code start_anew(struct training *t, struct err *e)
{
    enum err_code code = warm_start_run(&t->split, (size_t)t->options.dim, t->options.seed, t->team,
                                        tell_warm, t, &t->warm, e);
    if (code)
        return code;
    set_warm_state(t);
    if ((code = make_spec(t, e)))
        return code;
    recipe_values(&t->spec, &t->warm, t->data->n_users, t->options.seed, &t->block);
    warm_start_fini(&t->warm);
    if ((code = make_step(t, e)) || (code = choose_scale(t, e)))
        return code;
    code = validate_model(&t->spec, &t->block.params, &t->split, t->team, &t->state.warm_metric, e);
    t->state.best_metric = t->state.warm_metric;
    memcpy(t->best, t->block.values, t->block.n_values * sizeof *t->best);
    return code;
}

static enum err_code resume(struct training *t, struct err *e)
{
    enum err_code code = make_spec(t, e);
    if (!code)
        code = checkpoint_read_block(t->options.checkpoint, &t->block, t->best, e);
    return code ? code : make_step(t, e);
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

/* ---- an epoch ---- */

struct epoch_sum {
    double loss;
    size_t n_batches;
    double start_s;
};

static enum err_code train_chunk(struct training *t, const uint32_t *users, size_t n_users, int epoch,
                                 struct rng *r, struct epoch_sum *sum, struct err *e)
{
    const struct sample *list;
    size_t n;
    enum err_code code = samples_fill(t->samples, users, n_users, epoch, &list, &n, e);
    for (size_t at = 0; at < n && !code; at += BATCH) {
        size_t m = n - at < BATCH ? n - at : BATCH;
        train_step_draw(t->step, list + at, m, r);
        sum->loss += train_step_gradients(t->step, list + at, m);
        sum->n_batches++;
        double warm_up = (double)(t->state.step + 1) / 200;
        (void)train_step_update(t->step, ++t->state.step, t->state.rate * (warm_up < 1 ? warm_up : 1));
    }
    return code;
}

static enum err_code train_epoch(struct training *t, int epoch, double *loss, struct err *e)
{
    struct rng r;
    rng_init(&r, t->options.seed, 100 + (uint64_t)epoch);
    for (size_t i = 0; i < t->data->n_users; i++)
        t->order[i] = (uint32_t)i;
    rng_shuffle(&r, t->order, t->data->n_users);
    struct epoch_sum sum = {.start_s = elapsed(t)};
    for (size_t at = 0; at < t->data->n_users; at += SAMPLES_CHUNK_USERS) {
        size_t n = t->data->n_users - at < SAMPLES_CHUNK_USERS ? t->data->n_users - at : SAMPLES_CHUNK_USERS;
        enum err_code code = train_chunk(t, t->order + at, n, epoch, &r, &sum, e);
        if (code)
            return code;
        double fraction = (double)(at + n) / (double)t->data->n_users;
        *loss = sum.n_batches ? sum.loss / (double)sum.n_batches : NAN;
        if (!tell(t, (struct train_progress){.stage = "train",
                                             .epoch = epoch,
                                             .fraction = fraction,
                                             .loss = *loss,
                                             .metric = NAN,
                                             .best_metric = t->state.best_metric,
                                             .left_s = (elapsed(t) - sum.start_s) * (1 / fraction - 1)}))
            break;
    }
    return ERR_OK;
}

/* Keeps the epoch when it is the best so far; else goes back to the best and halves the rate. */
static void judge(struct training *t, int epoch, double metric)
{
    if (metric > t->state.best_metric) {
        t->state.best_metric = metric;
        t->state.best_epoch = epoch;
        t->state.n_worse = 0;
        memcpy(t->best, t->block.values, t->block.n_values * sizeof *t->best);
        return;
    }
    t->state.n_worse++;
    t->state.rate *= 0.4;
    memcpy(t->block.values, t->best, t->block.n_values * sizeof *t->best);
}

static enum err_code train_epochs(struct training *t, struct err *e)
{
    while (t->state.epoch < t->options.n_epochs && t->state.n_worse < MOST_WORSE && !t->stopped) {
        int epoch = t->state.epoch + 1;
        double loss = NAN, metric;
        enum err_code code = train_epoch(t, epoch, &loss, e);
        if (!code)
            code = validate_model(&t->spec, &t->block.params, &t->split, t->team, &metric, e);
        if (code)
            return code;
        judge(t, epoch, metric);
        if (t->stopped)
            break; /* a part of an epoch is judged, but never resumed from */
        t->state.epoch = epoch;
        (void)tell(t, (struct train_progress){.stage = "train",
                                              .epoch = epoch,
                                              .fraction = 1,
                                              .loss = loss,
                                              .metric = metric,
                                              .best_metric = t->state.best_metric,
                                              .left_s = NAN});
        if (t->options.checkpoint &&
            (code = checkpoint_write(t->options.checkpoint, &t->state, &t->block, t->best, e)))
            return code;
    }
    return ERR_OK;
}

static void report_of(const struct training *t, struct train_report *report)
{
    *report = (struct train_report){.epochs_run = t->state.epoch,
                                    .best_epoch = t->state.best_epoch,
                                    .warm_start_metric = t->state.warm_metric,
                                    .best_metric = t->state.best_metric,
                                    .alpha = t->state.alpha,
                                    .reg = t->state.reg,
                                    .dim = (int)t->state.dim,
                                    .n_parameters = t->block.n_values,
                                    .seconds = elapsed(t)};
}

static void fini(struct training *t)
{
    train_step_free(t->step);
    samples_free(t->samples);
    param_block_fini(&t->block);
    if (t->has_spec)
        model_spec_fini(&t->spec);
    warm_start_fini(&t->warm);
    split_fini(&t->split);
    parallel_free(t->team);
    mem_free(t->best);
    mem_free(t->order);
}

enum err_code train_run(const struct train_data *data, const struct train_options *options, const char *path,
                        train_progress_fn *progress, void *arg, struct train_report *report, struct err *e)
{
    struct training t = {.data = data, .options = *options, .progress = progress, .arg = arg};
    t.start_ns = clock_monotonic_ns();
    enum err_code code = check(data, &t.options, e);
    if (!code)
        code = parallel_new(t.options.n_threads, &t.team, e);
    if (!code)
        code = split_init(&t.split, data, t.options.seed, e);
    if (code)
        goto out;
    if (t.options.n_epochs == 0)
        t.options.n_epochs = default_epochs(&t.split);
    uint64_t print = fingerprint(data, &t.options);
    code = t.options.checkpoint ? checkpoint_read_state(t.options.checkpoint, print, &t.state, NULL)
                                : ERR_NOTFOUND;
    if (code == ERR_NOTFOUND)
        code = start_anew(&t, e);
    else if (code == ERR_OK)
        code = resume(&t, e);
    else
        code = checkpoint_read_state(t.options.checkpoint, print, &t.state, e);
    if (code)
        goto out;
    t.state.fingerprint = print;
    note_choice(&t);
    code = train_epochs(&t, e);
    if (code)
        goto out;
    memcpy(t.block.values, t.best, t.block.n_values * sizeof *t.best);
    struct model_ids ids = {data->item_ids};
    code = model_write(path, &t.spec, &t.block.params, &ids, e);
    if (!code)
        report_of(&t, report);
out:
    fini(&t);
    return code;
}
