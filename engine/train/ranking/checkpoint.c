/* The numbers of the state are printed so that they read back to the same bits (%.17g), beside the tensors in
 * one file: a rename then replaces all of it or nothing. */
#include "engine/train/ranking/checkpoint.h"

#include "engine/format/safetensors.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char format[] =
    "fingerprint %" PRIu64
    " refit %d epoch %d first %d best_epoch %d cuts %d %d %d %d %d steps %ld warm %.17g "
    "best %.17g peak %.17g alpha %.17g reg %.17g exponent %.17g dim %zu ridge %.17g damping %.17g scale "
    "%.17g local %d generator %d chosen %d sure %d shared %.17g generated %.17g error %.17g";
static const char scan_format[] =
    "fingerprint %" SCNu64 " refit %d epoch %d first %d best_epoch %d cuts %d %d %d %d %d steps %ld warm %lg "
    "best %lg peak %lg alpha %lg reg %lg exponent %lg dim %zu ridge %lg damping %lg scale %lg local "
    "%d generator %d chosen %d sure %d shared %lg generated %lg error %lg";

_Static_assert(TRAINING_MOST_CUTS == 4, "the formats above list them");

enum { N_PARTS = 6, TEXT = 1024 };
static const char *const part_names[CHECKPOINT_MOST_MODELS][N_PARTS] = {
    {"values", "moment1", "moment2", "best", "average", "frozen"},
    {"rival_values", "rival_moment1", "rival_moment2", "rival_best", "rival_average", "rival_frozen"}};
static const char *const keys[CHECKPOINT_MOST_MODELS] = {"hypernet_checkpoint", "hypernet_checkpoint_rival"};

static void parts_of(const struct param_block *b, real *best, real *average, real *data[N_PARTS],
                     size_t n[N_PARTS])
{
    real *all[N_PARTS] = {b->values, b->moment1, b->moment2, best, average, b->frozen_values};
    for (size_t i = 0; i < N_PARTS; i++) {
        data[i] = all[i];
        n[i] = i == 5 ? b->n_frozen : b->n_values;
    }
}

static void print_state(const struct training_state *s, char *text, size_t size)
{
    (void)snprintf(text, size, format, s->fingerprint, s->refit, s->epoch, s->n_first, s->best_epoch,
                   s->n_cuts, s->cuts[0], s->cuts[1], s->cuts[2], s->cuts[3], s->n_steps, s->start_metric,
                   s->best_metric, s->peak_metric, s->alpha, s->reg, s->reg_exponent, s->dim, s->ridge,
                   s->damping, s->scale, s->local, s->generator, s->choice.made, s->choice.sure,
                   s->choice.shared, s->choice.generated, s->choice.error);
}

/* Whether a number is at least 0 and finite. */
static bool is_amount(double x)
{
    return x >= 0 && isfinite(x);
}

/* Epochs of which the learning rates were lowered after: rising, and not ahead of those judged. */
static bool cuts_are_sound(const struct training_state *s, int judged)
{
    bool sound = s->n_cuts >= 0 && s->n_cuts <= TRAINING_MOST_CUTS;
    for (int i = 0; i < s->n_cuts && sound; i++)
        sound = s->cuts[i] >= (i ? s->cuts[i - 1] : 1) && s->cuts[i] <= judged;
    return sound;
}

/* Whether a training can have been in this state: what follows allocates, counts and divides by its
 * numbers. */
static bool is_sound(const struct training_state *s)
{
    int judged = s->n_first < INT_MAX ? s->n_first + 1 : INT_MAX; /* one that the deadline cut is not done */
    bool flags = (s->refit == 0 || s->refit == 1) && (s->local == 0 || s->local == 1) &&
                 (s->choice.made == 0 || s->choice.made == 1) && (s->choice.sure == 0 || s->choice.sure == 1);
    bool epochs = s->epoch >= 0 && s->n_first >= 0 && s->best_epoch >= 0 && s->best_epoch <= judged &&
                  s->epoch <= (s->refit ? s->best_epoch : s->n_first) && s->n_steps >= 0;
    bool model = s->generator >= GENERATOR_SHARED && s->generator <= GENERATOR_CORE && s->dim > 0 &&
                 s->dim <= TRAINING_MOST_DIM && s->alpha > 0 && is_amount(s->alpha) && is_amount(s->reg) &&
                 isfinite(s->reg_exponent);
    bool neighbours = is_amount(s->ridge) && is_amount(s->damping) && s->damping <= 1 && is_amount(s->scale);
    bool figures = is_amount(s->start_metric) && is_amount(s->best_metric) && is_amount(s->peak_metric);
    return flags && epochs && cuts_are_sound(s, judged) && model && neighbours && figures;
}

static bool scan_state(const char *text, struct training_state *s)
{
    return sscanf(text, scan_format, &s->fingerprint, &s->refit, &s->epoch, &s->n_first, &s->best_epoch,
                  &s->n_cuts, &s->cuts[0], &s->cuts[1], &s->cuts[2], &s->cuts[3], &s->n_steps,
                  &s->start_metric, &s->best_metric, &s->peak_metric, &s->alpha, &s->reg, &s->reg_exponent,
                  &s->dim, &s->ridge, &s->damping, &s->scale, &s->local, &s->generator, &s->choice.made,
                  &s->choice.sure, &s->choice.shared, &s->choice.generated, &s->choice.error) == 28 &&
           is_sound(s);
}

enum err_code checkpoint_write(const char *path, const struct checkpoint_model *models, size_t n_models,
                               struct err *e)
{
    char texts[CHECKPOINT_MOST_MODELS][TEXT];
    const char *values[CHECKPOINT_MOST_MODELS];
    struct tensor_view tensors[CHECKPOINT_MOST_MODELS * N_PARTS];
    for (size_t m = 0; m < n_models; m++) {
        real *data[N_PARTS];
        size_t n[N_PARTS];
        print_state(models[m].state, texts[m], sizeof texts[m]);
        values[m] = texts[m];
        parts_of(models[m].block, models[m].best, models[m].average, data, n);
        for (size_t i = 0; i < N_PARTS; i++)
            tensors[m * N_PARTS + i] = (struct tensor_view){.name = part_names[m][i],
                                                            .dtype = DTYPE_F32,
                                                            .n_dims = 1,
                                                            .dims = {n[i]},
                                                            .data = data[i],
                                                            .n_bytes = n[i] * sizeof *data[i]};
    }
    return safetensors_write(path, tensors, n_models * N_PARTS, keys, values, n_models, e);
}

enum err_code checkpoint_read_states(const char *path, uint64_t fingerprint,
                                     struct training_state states[CHECKPOINT_MOST_MODELS], size_t *n,
                                     struct err *e)
{
    struct safetensors *file;
    enum err_code code = safetensors_open(path, &file, e);
    if (code)
        return code;
    *n = safetensors_metadata(file, keys[1]) ? 2 : 1;
    for (size_t m = 0; m < *n && !code; m++) {
        const char *text = safetensors_metadata(file, keys[m]);
        if (!text || !scan_state(text, &states[m]) || (*n > 1 && states[m].refit))
            code = err_set(e, ERR_CORRUPT, "%s: not a checkpoint of this program; remove it or name another",
                           path);
        else if (states[m].fingerprint != fingerprint)
            code =
                err_set(e, ERR_CONFLICT,
                        "%s: a checkpoint of other data or options (seed, epochs, dim, generator, item-item "
                        "weights, order); give those of its run, or remove it to start anew",
                        path);
    }
    safetensors_close(file);
    return code;
}

/* The numbers of a tensor to out, which has room for them: finite, and from `least` on. One that is not would
 * spread through the model without a word. */
static enum err_code take_numbers(const char *path, const struct tensor_view *t, double least, real *out,
                                  struct err *e)
{
    size_t n = t->n_bytes / sizeof *out;
    memcpy(out, t->data, t->n_bytes);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(out[i]) || (double)out[i] < least)
            return err_set(e, ERR_CORRUPT,
                           "%s: tensor %s has a number that no training wrote: the file is damaged; "
                           "remove it to start anew",
                           path, t->name);
    return ERR_OK;
}

enum err_code checkpoint_read_model(const char *path, size_t model, struct param_block *block, real *best,
                                    real *average, struct err *e)
{
    struct safetensors *file;
    enum err_code code = safetensors_open(path, &file, e);
    if (code)
        return code;
    real *data[N_PARTS];
    size_t n[N_PARTS];
    parts_of(block, best, average, data, n);
    for (size_t i = 0; i < N_PARTS && !code; i++) {
        const char *name = part_names[model][i];
        const struct tensor_view *t = safetensors_find(file, name);
        if (!t || t->dtype != DTYPE_F32 || t->n_bytes != n[i] * sizeof(float))
            code = err_set(e, ERR_CORRUPT, "%s: tensor %s is missing or has another size", path, name);
        else
            code = take_numbers(path, t, name == part_names[model][2] ? 0 : -INFINITY, data[i], e);
    }
    safetensors_close(file);
    return code;
}
