/* Every epoch draws its randomness from its own number, so a resumed run repeats what an uninterrupted one
 * does. */
#include "engine/train/ranking/trainer.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/train/data/validate.h"
#include "engine/train/ranking/examples.h"
#include "engine/train/ranking/model_init.h"
#include "engine/train/ranking/train_step.h"

#include <math.h>
#include <string.h>

enum { NEGATIVES = 1024, SCALE_TRIES = 8, RAMP_STEPS = 200 };
#define START_SHARE 0.25

/* Examples in a batch: small data gets smaller ones, so that an epoch still has steps. */
enum { MAX_BATCH = 256, LEAST_BATCH = 32, LEAST_STEPS = 64 };
enum { MAX_TIMED = 32, MAX_GROUPS = 16 }; /* examples of a user in an epoch */

/* The learning rate of Adam. */
#define RATE        1e-3
#define EPOCH_DECAY 0.1

/* The average keeps this share a step, 200 steps' worth; it is brought up to date every few steps. */
#define AVERAGE_KEEP 0.995
enum { AVERAGE_EVERY = 8, AVERAGE_CHUNK = 65536 };

size_t trainer_n_examples(const struct split *s)
{
    size_t n = 0;
    for (size_t u = 0; u < s->data->n_users; u++) {
        size_t timed = 0, all = s->end[u] - s->start[u];
        for (size_t i = s->start[u]; i < s->end[u]; i++)
            timed += s->interactions[i].timestamp != 0;
        size_t groups = (all - timed) / examples_group_size(all - timed);
        n += (timed < MAX_TIMED ? timed : MAX_TIMED) + (groups < MAX_GROUPS ? groups : MAX_GROUPS);
    }
    return n;
}

/* ---- life ---- */

static size_t choose_batch(const struct split *s)
{
    size_t n = trainer_n_examples(s) / LEAST_STEPS;
    return n < LEAST_BATCH ? LEAST_BATCH : n > MAX_BATCH ? MAX_BATCH : n;
}

/* Heads learn at the full rate from so many examples and more, and from fewer at their share of it, a tenth
 * at least. What is generated for each user can tell users apart in many more ways than what they share: of
 * little data it learns the users by heart before the rest has learnt what holds for all of them. */
#define HEAD_EXAMPLES 150000
#define LEAST_SHARE   0.1

static double head_share(const struct split *s)
{
    double share = (double)trainer_n_examples(s) / HEAD_EXAMPLES;
    return share > 1 ? 1 : share < LEAST_SHARE ? LEAST_SHARE : share;
}

/* The decay that draws what is not needed towards zero by EPOCH_DECAY an epoch at RATE, however many steps
 * that has: data that is seen often in small portions is what is learned by heart. */
static double decay_of(const struct trainer *f)
{
    double n_steps = (double)trainer_n_examples(f->split) / (double)f->batch;
    return EPOCH_DECAY / (RATE * (n_steps > 1 ? n_steps : 1));
}

static enum err_code make_step(struct trainer *f, struct err *e)
{
    struct examples_options samples = {.max_timed = MAX_TIMED,
                                       .max_groups = MAX_GROUPS,
                                       .forget = 0.1,
                                       .forget_profile = 0.1,
                                       .drop = 0.3,
                                       .seed = f->options->seed};
    struct step_options step = {
        .batch = f->batch,
        .n_negatives = NEGATIVES,
        .clip = 5,
        .adam = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = decay_of(f)}};
    step.rates[GROUP_ITEM] = RATE;
    step.rates[GROUP_ENCODER] = RATE;
    step.rates[GROUP_TRUNK] = RATE;
    step.rates[GROUP_HEAD] = RATE * head_share(f->split);
    step.rates[GROUP_LINEAR] = RATE;
    step.rates[GROUP_SHARED] = RATE;
    enum err_code code =
        examples_new(&f->spec, &f->block.params, f->split, &samples, f->team, &f->samples, e);
    if (!code)
        code = train_step_new(&f->spec, &f->block, f->split, &step, f->team, &f->step, e);
    if (!code && !(f->order = mem_alloc_array(f->split->data->n_users, sizeof *f->order)))
        code = err_set(e, ERR_NOMEM, "no memory to train");
    return code;
}

enum err_code trainer_init(struct trainer *f, const struct split *split, const struct train_options *options,
                           const struct ials_options *ials, struct parallel *team, struct err *e)
{
    *f = (struct trainer){.split = split, .options = options, .team = team, .batch = choose_batch(split)};
    enum err_code code = model_init_spec(split, options, ials, &f->spec, e);
    if (code)
        return code;
    if ((code = param_block_init(&f->block, &f->spec, e)))
        return code;
    f->average = mem_alloc_array(f->block.n_values, sizeof *f->average);
    f->values = mem_alloc_array(f->block.n_values, sizeof *f->values);
    if (!f->average || !f->values)
        return err_set(e, ERR_NOMEM, "no memory for %zu parameters", f->block.n_values);
    return make_step(f, e);
}

void trainer_fini(struct trainer *f)
{
    train_step_free(f->step);
    examples_free(f->samples);
    param_block_fini(&f->block);
    model_spec_fini(&f->spec);
    mem_free(f->average);
    mem_free(f->values);
    mem_free(f->order);
    memset(f, 0, sizeof *f);
}

/* ---- first values ---- */

/* Factors of iALS give scores near 0 and 1; as logits they are nearly flat. Finds the power of two with the
 * least loss and starts at a quarter of it: the ranking is the factorisation's, but it is not yet so sure of
 * itself that what the other parts could learn is drowned. */
static enum err_code choose_scale(struct trainer *f, struct err *e)
{
    const struct sample *list;
    size_t n;
    struct rng r;
    rng_init(&r, f->options->seed, 4);
    for (size_t i = 0; i < f->split->data->n_users; i++)
        f->order[i] = (uint32_t)i;
    rng_shuffle(&r, f->order, f->split->data->n_users);
    size_t n_users =
        f->split->data->n_users < SAMPLES_CHUNK_USERS ? f->split->data->n_users : SAMPLES_CHUNK_USERS;
    enum err_code code = examples_fill(f->samples, f->order, n_users, 0, &list, &n, e);
    if (code)
        return code;
    n = n < f->batch ? n : f->batch;
    double best = 1, least = INFINITY;
    train_step_draw(f->step, list, n, &r);
    for (int i = 0; i < SCALE_TRIES; i++) {
        model_init_scale_linear(&f->spec, &f->block, (double)(1 << i));
        double loss = train_step_gradients(f->step, list, n);
        (void)train_step_update(f->step, 1, 0); /* a rate of zero only clears the gradients */
        if (loss < least) {
            least = loss;
            best = (double)(1 << i);
        }
    }
    model_init_scale_linear(&f->spec, &f->block, best * START_SHARE);
    return ERR_OK;
}

enum err_code trainer_start(struct trainer *f, const struct ials_start *factors, struct err *e)
{
    model_init_values(&f->spec, factors, f->split->data->n_users, f->options->seed, &f->block);
    enum err_code code = choose_scale(f, e);
    memcpy(f->average, f->block.values, f->block.n_values * sizeof *f->average);
    return code;
}

/* ---- an epoch ---- */

struct epoch {
    int number;
    double rate;
    struct rng rng;
    double loss;
    size_t n_batches;
};

static void add_to_average(void *arg, size_t chunk, size_t thread)
{
    (void)thread;
    struct trainer *f = arg;
    size_t first = chunk * AVERAGE_CHUNK, last = first + AVERAGE_CHUNK;
    real share = (real)(1 - pow(AVERAGE_KEEP, AVERAGE_EVERY));
    for (size_t i = first; i < last && i < f->block.n_values; i++)
        f->average[i] += share * (f->block.values[i] - f->average[i]);
}

static void train_batch(struct trainer *f, struct epoch *p, const struct sample *list, size_t n)
{
    double ramp = (double)(f->n_steps + 1) / RAMP_STEPS;
    train_step_draw(f->step, list, n, &p->rng);
    p->loss += train_step_gradients(f->step, list, n);
    p->n_batches++;
    (void)train_step_update(f->step, ++f->n_steps, p->rate * (ramp < 1 ? ramp : 1));
    if (f->n_steps % AVERAGE_EVERY == 0)
        parallel_for(f->team, (f->block.n_values + AVERAGE_CHUNK - 1) / AVERAGE_CHUNK, add_to_average, f);
}

static enum err_code train_chunk(struct trainer *f, struct epoch *p, const uint32_t *users, size_t n_users,
                                 struct err *e)
{
    const struct sample *list;
    size_t n;
    enum err_code code = examples_fill(f->samples, users, n_users, p->number, &list, &n, e);
    for (size_t at = 0; at < n && !code; at += f->batch)
        train_batch(f, p, list + at, n - at < f->batch ? n - at : f->batch);
    return code;
}

enum err_code trainer_epoch(struct trainer *f, int number, double rate, progress_fn *progress, void *arg,
                            double *loss, struct err *e)
{
    struct epoch p = {.number = number, .rate = rate};
    size_t n_users = f->split->data->n_users;
    rng_init(&p.rng, f->options->seed, 100 + (uint64_t)number);
    for (size_t i = 0; i < n_users; i++)
        f->order[i] = (uint32_t)i;
    rng_shuffle(&p.rng, f->order, n_users);
    *loss = NAN;
    for (size_t at = 0; at < n_users; at += SAMPLES_CHUNK_USERS) {
        size_t n = n_users - at < SAMPLES_CHUNK_USERS ? n_users - at : SAMPLES_CHUNK_USERS;
        enum err_code code = train_chunk(f, &p, f->order + at, n, e);
        if (code)
            return code;
        *loss = p.n_batches ? p.loss / (double)p.n_batches : NAN;
        struct progress done = progress_at(NULL, (double)(at + n) / (double)n_users);
        done.loss = *loss;
        if (!progress(arg, &done))
            break;
    }
    return ERR_OK;
}

enum err_code trainer_measure(struct trainer *f, double *gains, double *metric, struct err *e)
{
    size_t n_bytes = f->block.n_values * sizeof *f->values;
    memcpy(f->values, f->block.values, n_bytes);
    memcpy(f->block.values, f->average, n_bytes);
    enum err_code code = validate_model(&f->spec, &f->block.params, f->split, f->team, gains, metric, e);
    memcpy(f->block.values, f->values, n_bytes);
    return code;
}
