/* The numbers of the state are printed so that they read back to the same bits (%.17g), beside the tensors in
 * one file: a rename then replaces all of it or nothing. */
#include "engine/train/checkpoint.h"

#include "engine/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char format[] =
    "fingerprint %" PRIu64
    " refit %d epoch %d first %d best_epoch %d cuts %d %d %d %d %d steps %ld warm %.17g "
    "best %.17g peak %.17g alpha %.17g reg %.17g exponent %.17g dim %zu ridge %.17g damping %.17g scale "
    "%.17g local %d generator %d chosen %d shared %.17g generated %.17g error %.17g";
static const char scan_format[] =
    "fingerprint %" SCNu64 " refit %d epoch %d first %d best_epoch %d cuts %d %d %d %d %d steps %ld warm %lg "
    "best %lg peak %lg alpha %lg reg %lg exponent %lg dim %zu ridge %lg damping %lg scale %lg local "
    "%d generator %d chosen %d shared %lg generated %lg error %lg";

_Static_assert(TRAINING_MOST_CUTS == 4, "the formats above list them");

enum { N_PARTS = 6 };
static const char *const part_names[N_PARTS] = {"values", "moment1", "moment2", "best", "average", "frozen"};

static void parts_of(const struct param_block *b, real *best, real *average, real *data[N_PARTS],
                     size_t n[N_PARTS])
{
    real *all[N_PARTS] = {b->values, b->moment1, b->moment2, best, average, b->frozen_values};
    for (size_t i = 0; i < N_PARTS; i++) {
        data[i] = all[i];
        n[i] = i == 5 ? b->n_frozen : b->n_values;
    }
}

enum err_code checkpoint_write(const char *path, const struct training_state *s,
                               const struct param_block *block, const real *best, const real *average,
                               struct err *e)
{
    char text[1024];
    (void)snprintf(text, sizeof text, format, s->fingerprint, s->refit, s->epoch, s->n_first, s->best_epoch,
                   s->n_cuts, s->cuts[0], s->cuts[1], s->cuts[2], s->cuts[3], s->n_steps, s->warm_metric,
                   s->best_metric, s->peak_metric, s->alpha, s->reg, s->reg_exponent, s->dim, s->ridge,
                   s->damping, s->scale, s->local, s->generator, s->choice.made, s->choice.shared,
                   s->choice.generated, s->choice.error);
    real *data[N_PARTS];
    size_t n[N_PARTS];
    parts_of(block, (real *)best, (real *)average, data, n);
    struct tensor_view tensors[N_PARTS];
    for (size_t i = 0; i < N_PARTS; i++)
        tensors[i] = (struct tensor_view){.name = part_names[i],
                                          .dtype = DTYPE_F32,
                                          .n_dims = 1,
                                          .dims = {n[i]},
                                          .data = data[i],
                                          .n_bytes = n[i] * sizeof *data[i]};
    const char *key = "hypernet_checkpoint", *value = text;
    return safetensors_write(path, tensors, N_PARTS, &key, &value, 1, e);
}

enum err_code checkpoint_read_state(const char *path, uint64_t fingerprint, struct training_state *s,
                                    struct err *e)
{
    struct safetensors *file;
    enum err_code code = safetensors_open(path, &file, e);
    if (code)
        return code;
    const char *text = safetensors_metadata(file, "hypernet_checkpoint");
    if (!text ||
        sscanf(text, scan_format, &s->fingerprint, &s->refit, &s->epoch, &s->n_first, &s->best_epoch,
               &s->n_cuts, &s->cuts[0], &s->cuts[1], &s->cuts[2], &s->cuts[3], &s->n_steps, &s->warm_metric,
               &s->best_metric, &s->peak_metric, &s->alpha, &s->reg, &s->reg_exponent, &s->dim, &s->ridge,
               &s->damping, &s->scale, &s->local, &s->generator, &s->choice.made, &s->choice.shared,
               &s->choice.generated, &s->choice.error) != 27 ||
        s->generator < GENERATOR_SHARED || s->generator > GENERATOR_CORE || s->n_cuts < 0 ||
        s->n_cuts > TRAINING_MOST_CUTS)
        code =
            err_set(e, ERR_CORRUPT, "%s: not a checkpoint of this program; remove it or name another", path);
    else if (s->fingerprint != fingerprint)
        code = err_set(e, ERR_CONFLICT, "%s: a checkpoint of other data or options; remove it to start anew",
                       path);
    safetensors_close(file);
    return code;
}

enum err_code checkpoint_read_block(const char *path, struct param_block *block, real *best, real *average,
                                    struct err *e)
{
    struct safetensors *file;
    enum err_code code = safetensors_open(path, &file, e);
    if (code)
        return code;
    real *data[N_PARTS];
    size_t n[N_PARTS];
    parts_of(block, best, average, data, n);
    for (size_t i = 0; i < N_PARTS && !code; i++) {
        const struct tensor_view *t = safetensors_find(file, part_names[i]);
        if (!t || t->dtype != DTYPE_F32 || t->n_bytes != n[i] * sizeof(float))
            code =
                err_set(e, ERR_CORRUPT, "%s: tensor %s is missing or has another size", path, part_names[i]);
        else
            memcpy(data[i], t->data, t->n_bytes);
    }
    safetensors_close(file);
    return code;
}
