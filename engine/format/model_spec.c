/* One table of tensors serves reader, writer and trainer: a tensor that is added here exists everywhere, with
 * the same name and shape. */
#include "engine/format/model_spec.h"

#include "base/mem.h"
#include "engine/format/image_tensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- dimensions ---- */

bool model_spec_for_users(const struct model_spec *spec)
{
    return spec->objective->for_users;
}

size_t model_spec_n_ids(const struct model_spec *spec)
{
    return spec->n_items ? spec->n_items : spec->encoder.n_tasks;
}

size_t model_spec_packed(size_t d)
{
    return d * (d + 1) / 2;
}

size_t model_spec_item_row(const struct model_spec *spec)
{
    const struct encoder_spec *n = &spec->encoder;
    return n->d_fold_in + spec->d_item + 1 + n->d_history + n->d_recent;
}

size_t model_spec_n_chunked(const struct model_spec *spec)
{
    size_t n = 0;
    for (size_t i = 0; i < spec->n_layers; i++) {
        const struct layer_spec *l = &spec->layers[i];
        if (l->generator == GENERATOR_CHUNKED)
            n += l->d_out * (l->d_in + (l->bias == BIAS_FULL));
    }
    return n;
}

size_t model_spec_n_chunks(const struct model_spec *spec)
{
    const size_t size = spec->chunks.size;
    return size ? (model_spec_n_chunked(spec) + size - 1) / size : 0;
}

size_t model_spec_d_code(const struct model_spec *spec)
{
    return spec->task.present ? spec->d_output * spec->task.d_basis : spec->d_context;
}

size_t model_spec_d_target_in(const struct model_spec *spec)
{
    return spec->task.present ? spec->task.d_basis : spec->d_item;
}

size_t model_spec_d_trunk_in(const struct model_spec *spec)
{
    const struct chunk_spec *k = &spec->chunks;
    return model_spec_d_code(spec) - (k->own ? model_spec_n_chunks(spec) * k->d_embedding : 0) +
           k->d_embedding;
}

size_t model_spec_d_trunk(const struct model_spec *spec)
{
    return spec->n_trunk ? spec->trunk[spec->n_trunk - 1].d_out : model_spec_d_trunk_in(spec);
}

size_t task_spec_d_features(const struct model_spec *spec)
{
    const struct task_spec *t = &spec->task;
    return (t->features_alone ? 0 : spec->d_item) +
           (t->n_features ? t->features[t->n_features - 1].d_out : 0);
}

size_t task_spec_d_sums(const struct model_spec *spec)
{
    return 2 + spec->d_output * spec->task.d_basis + model_spec_packed(spec->task.d_basis);
}

size_t layer_spec_n_generated(const struct layer_spec *layer)
{
    switch (layer->generator) {
    case GENERATOR_SHARED:
        return 0;
    case GENERATOR_FULL:
    case GENERATOR_CHUNKED:
        return layer->d_out * layer->d_in;
    case GENERATOR_LOW_RANK:
        return layer->rank * (layer->d_out + layer->d_in);
    case GENERATOR_CORE:
        return layer->rank * layer->rank;
    }
    return 0;
}

static enum err_code check_width(const char *what, size_t value, struct err *e)
{
    if (value < 1 || value > LIMIT_DIM)
        return err_set(e, ERR_INVALID, "%s is %zu; it must be 1 to %d", what, value, LIMIT_DIM);
    return ERR_OK;
}

static enum err_code check_ratings(const struct encoder_spec *n, struct err *e)
{
    if (n->d_ratings > LIMIT_RATINGS_DIM)
        return err_set(e, ERR_INVALID, "ratings is %zu wide; at most %d", n->d_ratings, LIMIT_RATINGS_DIM);
    if ((n->d_history && n->d_history != n->d_ratings) || (n->d_profile && n->d_profile != n->d_ratings))
        return err_set(e, ERR_INVALID,
                       "history and profile must be as wide as ratings (%zu), whose mean they are",
                       n->d_ratings);
    if (!(isfinite(n->rating_least) && isfinite(n->rating_most) && n->rating_least < n->rating_most))
        return err_set(e, ERR_INVALID, "ratings needs a finite least below a finite most");
    return ERR_OK;
}

static enum err_code check_encoder(const struct model_spec *spec, struct err *e)
{
    const struct encoder_spec *n = &spec->encoder;
    if (!n->present)
        return ERR_OK;
    size_t widths[] = {n->d_id,     n->n_tasks,   n->d_fold_in, n->d_history, n->d_recent,  n->n_decays,
                       n->n_recent, n->d_profile, n->n_values,  n->d_when,    n->n_moments, n->d_disliked};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        if (widths[i] > LIMIT_DIM)
            return err_set(e, ERR_INVALID, "a dimension of the encoder is %zu; at most %d", widths[i],
                           LIMIT_DIM);
    if ((n->d_fold_in || n->d_history || n->d_recent || n->d_disliked || n->d_ratings) && spec->n_items == 0)
        return err_set(e, ERR_INVALID, "the encoder reads interactions, but the model has no items");
    if ((n->d_id > 0) != (n->n_tasks > 0) || (n->d_id && spec->n_items))
        return err_set(e, ERR_INVALID, "the encoder's block id needs tasks, and a model without items");
    if (n->n_recent > LIMIT_RECENT)
        return err_set(e, ERR_INVALID, "n_recent is %zu; at most %d", n->n_recent, LIMIT_RECENT);
    if ((n->d_recent > 0) != (n->n_decays > 0) || (n->d_recent > 0) != (n->n_recent > 0))
        return err_set(e, ERR_INVALID, "d_recent, n_decays and n_recent must be all zero or all above zero");
    if ((n->d_profile > 0) != (n->n_values > 0))
        return err_set(e, ERR_INVALID,
                       "d_profile and the profile's values must be both there or both absent");
    if ((n->d_when > 0) != (n->n_moments > 0) || n->n_moments == 1)
        return err_set(e, ERR_INVALID, "d_when must be 0 with no moments, or above 0 with at least two");
    if (n->d_when && !(isfinite(n->when_start) && isfinite(n->when_step) && n->when_step > 0))
        return err_set(e, ERR_INVALID, "when needs a finite start and a finite step above 0");
    if (n->d_ratings && check_ratings(n, e))
        return ERR_INVALID;
    if (n->d_fold_in && !(isfinite(n->alpha) && n->alpha >= 0 && isfinite(n->reg) && n->reg > 0 &&
                          isfinite(n->reg_exponent) && n->reg_exponent >= 0))
        return err_set(e, ERR_INVALID, "fold_in needs alpha >= 0, reg > 0 and reg_exponent >= 0, all finite");
    size_t d = n->d_id + n->d_fold_in + n->d_history + n->d_recent * n->n_decays + n->d_profile + n->d_when +
               n->d_disliked + n->d_ratings;
    if (d != spec->d_context)
        return err_set(e, ERR_INVALID, "the encoder's blocks are %zu wide together, but d_context is %zu", d,
                       spec->d_context);
    return ERR_OK;
}

/* A feature's row is found by bisection, so they rise; which also says that each stands once. */
static enum err_code check_item_features(const struct cold_items_spec *s, struct err *e)
{
    if (s->n_features > LIMIT_DIM)
        return err_set(e, ERR_INVALID, "items.features has %zu rows; at most %d", s->n_features, LIMIT_DIM);
    for (size_t i = 0; i < s->n_features; i++) {
        const struct profile_value *f = &s->features[i];
        if (strcmp(f->field, "category") != 0 && strcmp(f->field, "word") != 0)
            return err_set(e, ERR_INVALID, "items.features[%zu] is neither a category nor a word", i);
        int order = i ? strcmp(f[-1].field, f->field) : -1;
        if (order == 0)
            order = strcmp(f[-1].value, f->value);
        if (order >= 0)
            return err_set(e, ERR_INVALID, "items.features[%zu] does not come after the one before it", i);
    }
    return ERR_OK;
}

static enum err_code check_item_side(const struct model_spec *spec, struct err *e)
{
    const struct cold_items_spec *s = &spec->cold_items;
    if (!s->present)
        return ERR_OK;
    if (!spec->encoder.present || spec->encoder.d_fold_in == 0 || spec->encoder.d_ratings)
        return err_set(e, ERR_INVALID, "items needs an encoder with the block fold_in and without ratings");
    if (s->n_users < 1 || s->n_users > UINT32_MAX)
        return err_set(e, ERR_INVALID, "items.n_users is %zu; it must be 1 to %u", s->n_users, UINT32_MAX);
    return check_item_features(s, e);
}

static enum err_code check_layers(const struct model_spec *spec, struct err *e)
{
    size_t d = model_spec_d_target_in(spec);
    for (size_t i = 0; i < spec->n_layers; i++) {
        const struct layer_spec *l = &spec->layers[i];
        char what[64];
        (void)snprintf(what, sizeof what, "d_out of target layer %zu", i);
        if (check_width(what, l->d_out, e))
            return ERR_INVALID;
        if (l->d_in != d)
            return err_set(e, ERR_INVALID, "target layer %zu takes %zu values, but gets %zu", i, l->d_in, d);
        bool ranked = l->generator == GENERATOR_LOW_RANK || l->generator == GENERATOR_CORE;
        if (ranked && (l->rank < 1 || l->rank > LIMIT_DIM))
            return err_set(e, ERR_INVALID, "target layer %zu: %s needs a rank of 1 to %d, not %zu", i,
                           generator_name(l->generator), LIMIT_DIM, l->rank);
        if (layer_spec_n_generated(l) > (size_t)1 << 31)
            return err_set(e, ERR_INVALID, "target layer %zu generates %zu weights; too many", i,
                           layer_spec_n_generated(l));
        d = l->d_out;
    }
    if (spec->n_layers && d != spec->d_output)
        return err_set(e, ERR_INVALID, "the last target layer gives %zu values, but d_output is %zu", d,
                       spec->d_output);
    return ERR_OK;
}

/* Chunks are all of theta, one after the other: nothing else is generated beside them. */
static enum err_code check_chunks(const struct model_spec *spec, struct err *e)
{
    const struct chunk_spec *k = &spec->chunks;
    bool chunked = false, mixed = spec->has_linear || spec->norm != NORM_NONE;
    for (size_t i = 0; i < spec->n_layers; i++) {
        const struct layer_spec *l = &spec->layers[i];
        chunked = chunked || l->generator == GENERATOR_CHUNKED;
        mixed = mixed || (l->generator != GENERATOR_CHUNKED &&
                          (l->generator != GENERATOR_SHARED || l->bias == BIAS_FULL));
    }
    if (chunked != (k->size > 0))
        return err_set(e, ERR_INVALID,
                       "target.chunks and a layer whose generator is chunked need each other");
    if (!chunked)
        return ERR_OK;
    if (mixed)
        return err_set(e, ERR_INVALID,
                       "beside chunked layers there are shared ones, without a generated bias; there is no "
                       "linear part, and the trunk's norm is none");
    if (check_width("target.chunks.size", k->size, e) || check_width("target.chunks.dim", k->d_embedding, e))
        return ERR_INVALID;
    size_t n_weights = model_spec_n_chunked(spec), n_chunks = model_spec_n_chunks(spec);
    if (n_weights > (size_t)1 << 31 || k->size > n_weights || n_chunks > LIMIT_CHUNKS)
        return err_set(e, ERR_INVALID,
                       "%zu weights in chunks of %zu: at most %d chunks, none larger than all weights",
                       n_weights, k->size, LIMIT_CHUNKS);
    if (k->own && spec->d_context <= n_chunks * k->d_embedding)
        return err_set(e, ERR_INVALID,
                       "d_context is %zu; the embeddings of %zu chunks alone are %zu numbers, and more are "
                       "needed",
                       spec->d_context, n_chunks, n_chunks * k->d_embedding);
    return ERR_OK;
}

/* What is learned by its logarithm or counts relatively is above 0, and counts are not below it. */
static bool target_range_fits(const struct task_spec *t)
{
    if (t->scale == SCALE_LOG || t->loss == LOSS_RELATIVE)
        return t->target_least > 0;
    return !(t->loss == LOSS_POISSON || t->scale == SCALE_COUNT) || t->target_least >= 0;
}

/* Classes are found by bisection, so they rise; which also says that each stands once. */
static enum err_code check_target(const struct model_spec *spec, struct err *e)
{
    const struct task_spec *t = &spec->task;
    if (t->target && !*t->target)
        return err_set(e, ERR_INVALID, "task.target needs the name of its column");
    if (t->n_classes > LIMIT_COLUMN_VALUES)
        return err_set(e, ERR_INVALID, "task.target has %zu classes; at most %d", t->n_classes,
                       LIMIT_COLUMN_VALUES);
    if (spec->d_output != (t->n_classes ? t->n_classes : 1) || t->n_classes == 1)
        return err_set(e, ERR_INVALID, "d_output is %zu with %zu classes", spec->d_output, t->n_classes);
    for (size_t k = 1; t->classes && k < t->n_classes; k++)
        if (strcmp(t->classes[k - 1], t->classes[k]) >= 0)
            return err_set(e, ERR_INVALID, "class %zu of task.target does not come after the one before it",
                           k);
    if (t->forgets && !(t->time && isfinite(t->period) && t->period > 0))
        return err_set(e, ERR_INVALID, "task.forgets needs a time and a period above 0");
    if (!isfinite(t->shrink) || (t->shrink != 0 && t->scale == SCALE_IDENTITY))
        return err_set(e, ERR_INVALID, "task.target.shrink must be 0 where the target is learned as it is");
    if (t->scale == SCALE_COUNT && !(t->loss == LOSS_SQUARED || t->loss == LOSS_POISSON))
        return err_set(e, ERR_INVALID,
                       "task.target.scale is count, for which the loss is squared or poisson");
    if (!(isfinite(t->clip) && t->clip >= 0) || (t->clip > 0 && (t->n_classes || t->scale == SCALE_COUNT)))
        return err_set(e, ERR_INVALID, "task.target.clip must be 0 or more, and is for numbers but counts");
    if (!(isfinite(t->unit) && t->unit >= 0) ||
        (t->unit == 0 && (t->scale == SCALE_ASINH || t->loss == LOSS_POISSON)))
        return err_set(e, ERR_INVALID, "task.target.unit must be above 0");
    if (t->calibrated && t->n_classes)
        return err_set(e, ERR_INVALID, "task.target.calibrated is for numbers, not for classes");
    if (!t->n_classes && !(isfinite(t->target_mean) && isfinite(t->target_deviation) &&
                           t->target_deviation > 0 && isfinite(t->target_least) && isfinite(t->target_most) &&
                           t->target_least <= t->target_most && target_range_fits(t)))
        return err_set(e, ERR_INVALID, "task.target needs a finite mean, a deviation above 0 and a range");
    return ERR_OK;
}

static enum err_code check_task(const struct model_spec *spec, struct err *e)
{
    const struct task_spec *t = &spec->task;
    if (!t->present)
        return ERR_OK;
    if (spec->n_items || spec->has_linear || spec->chunks.size || spec->encoder.present)
        return err_set(e, ERR_INVALID, "task goes without items, encoder, and a linear or chunked target");
    if (spec->n_layers == 0 && (spec->n_trunk || spec->norm != NORM_NONE))
        return err_set(e, ERR_INVALID, "task has a trunk, but the target network has no layer to make");
    if (columns_check(&t->columns, e) || check_width("task.basis", t->d_basis, e))
        return ERR_INVALID;
    if (t->d_basis > LIMIT_BASIS)
        return err_set(e, ERR_INVALID, "task.basis is %zu; at most %d", t->d_basis, LIMIT_BASIS);
    for (size_t i = 0; i < t->n_features; i++)
        if (check_width("d_out of a layer of task.features", t->features[i].d_out, e))
            return ERR_INVALID;
    if (t->features_alone && t->n_features == 0)
        return err_set(e, ERR_INVALID, "task.direct is false, but there are no features to read instead");
    if (spec->d_item != columns_width(&t->columns))
        return err_set(e, ERR_INVALID, "the columns are %zu wide together, but d_item is %zu",
                       columns_width(&t->columns), spec->d_item);
    if (check_target(spec, e))
        return ERR_INVALID;
    if (spec->d_context != task_spec_d_sums(spec))
        return err_set(e, ERR_INVALID, "d_context is %zu; the sums of a task are %zu numbers",
                       spec->d_context, task_spec_d_sums(spec));
    return ERR_OK;
}

enum err_code model_spec_check(const struct model_spec *spec, struct err *e)
{
    if (!spec->name[0] || !spec->version[0])
        return err_set(e, ERR_INVALID, "name and version must not be empty");
    if (!spec->objective)
        return err_set(e, ERR_INVALID, "the model has no objective");
    if (spec->images.present)
        return image_tensors_check(spec, e);
    if (check_width("d_item", spec->d_item, e) || check_width("d_context", spec->d_context, e) ||
        check_width("d_output", spec->d_output, e))
        return ERR_INVALID;
    if (spec->n_items > UINT32_MAX)
        return err_set(e, ERR_INVALID, "n_items is %zu; too many", spec->n_items);
    if (spec->n_trunk > LIMIT_LAYERS || spec->n_layers > LIMIT_LAYERS)
        return err_set(e, ERR_INVALID, "at most %d layers in the trunk and in the target network",
                       LIMIT_LAYERS);
    for (size_t i = 0; i < spec->n_trunk; i++)
        if (check_width("d_out of a trunk layer", spec->trunk[i].d_out, e))
            return ERR_INVALID;
    if (!spec->has_linear && spec->n_layers == 0 && !spec->task.present)
        return err_set(e, ERR_INVALID, "the target network has neither a linear part nor a layer");
    if (spec->linear_head && !spec->has_linear)
        return err_set(e, ERR_INVALID, "a generated linear part without a linear part");
    if (spec->has_linear && spec->d_output != 1)
        return err_set(e, ERR_INVALID, "with a linear part d_output must be 1, not %zu", spec->d_output);
    if (model_spec_for_users(spec) && (spec->n_items == 0 || spec->d_output != 1))
        return err_set(e, ERR_INVALID, "%s needs items and d_output 1", spec->objective->name);
    if (spec->objective->check && spec->objective->check(spec, e))
        return ERR_INVALID;
    if (spec->n_pairs && (!model_spec_for_users(spec) || spec->n_pairs > LIMIT_PAIRS))
        return err_set(e, ERR_INVALID, "%zu neighbours: they need a catalogue and are at most %d",
                       spec->n_pairs, LIMIT_PAIRS);
    enum err_code code = check_layers(spec, e);
    if (!code)
        code = check_chunks(spec, e);
    if (!code)
        code = check_encoder(spec, e);
    if (!code)
        code = check_task(spec, e);
    if (!code)
        code = trained_spec_check(spec, e);
    return code ? code : check_item_side(spec, e);
}

/* ---- the table ---- */

struct table {
    struct tensor_spec *out;
    size_t n;
};

static void add(struct table *t, const char *name, size_t n_rows, size_t n_cols, bool vector,
                enum tensor_group group, size_t slot_offset)
{
    struct tensor_spec *s = &t->out[t->n++];
    *s = (struct tensor_spec){
        .n_rows = n_rows, .n_cols = n_cols, .vector = vector, .group = group, .slot_offset = slot_offset};
    (void)snprintf(s->name, sizeof s->name, "%s", name);
}

#define MATRIX(name, rows, cols, group, field)                                                               \
    add(t, name, rows, cols, false, group, offsetof(struct model_params, field))
#define VECTOR(name, rows, group, field)                                                                     \
    add(t, name, rows, 1, true, group, offsetof(struct model_params, field))

static void add_encoder(struct table *t, const struct model_spec *spec)
{
    const struct encoder_spec *n = &spec->encoder;
    if (!n->present)
        return;
    if (n->d_id)
        MATRIX("encoder.id", n->n_tasks, n->d_id, GROUP_ENCODER, task_id);
    if (n->d_fold_in) {
        MATRIX("encoder.fold_in.factor", spec->n_items, n->d_fold_in, GROUP_FROZEN, fold_in_factor);
        MATRIX("encoder.fold_in.gram", n->d_fold_in, n->d_fold_in, GROUP_FROZEN, fold_in_gram);
        VECTOR("encoder.fold_in.prior", n->d_fold_in, GROUP_FROZEN, prior);
    }
    if (n->d_history)
        MATRIX("encoder.history", spec->n_items, n->d_history, GROUP_ENCODER, history);
    if (n->d_recent) {
        MATRIX("encoder.recent", spec->n_items, n->d_recent, GROUP_ENCODER, recent);
        VECTOR("encoder.decay", n->n_decays, GROUP_ENCODER, decay);
    }
    if (n->d_profile)
        MATRIX("encoder.profile", n->n_values, n->d_profile, GROUP_ENCODER, profile);
    if (n->d_when)
        MATRIX("encoder.when", n->n_moments, n->d_when, GROUP_ENCODER, when);
    if (n->d_disliked)
        MATRIX("encoder.disliked", spec->n_items, n->d_disliked, GROUP_ENCODER, disliked);
    if (n->d_ratings) {
        VECTOR("encoder.ratings.offset", spec->n_items, GROUP_FROZEN, rating_offset);
        MATRIX("encoder.ratings.factor", spec->n_items, n->d_ratings, GROUP_FROZEN, rating_factor);
        MATRIX("encoder.ratings.covariance", spec->n_items, model_spec_packed(n->d_ratings), GROUP_FROZEN,
               rating_covariance);
        VECTOR("encoder.ratings.precision", n->d_ratings, GROUP_FROZEN, rating_precision);
    }
}

static void add_item_side(struct table *t, const struct model_spec *spec)
{
    size_t d = spec->encoder.d_fold_in, len = model_spec_item_row(spec);
    if (!spec->cold_items.present)
        return;
    VECTOR("item.mean", len, GROUP_FROZEN, item_mean);
    if (spec->cold_items.n_features)
        MATRIX("item.weight", spec->cold_items.n_features, len, GROUP_FROZEN, item_weight);
    MATRIX("item.follow", d, len - d, GROUP_FROZEN, item_follow);
    MATRIX("item.gram", d, d, GROUP_FROZEN, item_gram);
}

static void add_trunk(struct table *t, const struct model_spec *spec)
{
    char name[TENSOR_NAME_BYTES];
    if (spec->norm != NORM_NONE) {
        VECTOR("trunk.norm.weight", model_spec_d_code(spec), GROUP_TRUNK, norm_weight);
        VECTOR("trunk.norm.bias", model_spec_d_code(spec), GROUP_TRUNK, norm_bias);
    }
    size_t d = model_spec_d_trunk_in(spec);
    for (size_t i = 0; i < spec->n_trunk; i++) {
        (void)snprintf(name, sizeof name, "trunk.%zu.weight", i);
        MATRIX(name, spec->trunk[i].d_out, d, GROUP_TRUNK, trunk[i].weight);
        (void)snprintf(name, sizeof name, "trunk.%zu.bias", i);
        VECTOR(name, spec->trunk[i].d_out, GROUP_TRUNK, trunk[i].bias);
        d = spec->trunk[i].d_out;
    }
}

static void add_layer(struct table *t, const struct model_spec *spec, size_t i)
{
    const struct layer_spec *l = &spec->layers[i];
    size_t d_trunk = model_spec_d_trunk(spec), n = layer_spec_n_generated(l);
    bool chunked = l->generator == GENERATOR_CHUNKED;
    char name[TENSOR_NAME_BYTES];
#define NAME(suffix) ((void)snprintf(name, sizeof name, "target.%zu." suffix, i), name)
    if (l->generator == GENERATOR_CORE) {
        MATRIX(NAME("u"), l->d_out, l->rank, GROUP_SHARED, layers[i].u);
        MATRIX(NAME("v"), l->rank, l->d_in, GROUP_SHARED, layers[i].v);
        MATRIX(NAME("core"), l->rank, l->rank, GROUP_SHARED, layers[i].core);
    } else {
        MATRIX(NAME("weight"), l->d_out, l->d_in, GROUP_SHARED, layers[i].weight);
    }
    if (n && !chunked) {
        MATRIX(NAME("head.weight"), n, d_trunk, GROUP_HEAD, layers[i].head);
        t->out[t->n - 1].half_offset = offsetof(struct model_params, layers[i].head_half);
    }
    if (l->generator == GENERATOR_LOW_RANK)
        VECTOR(NAME("head.bias"), n, GROUP_HEAD, layers[i].head_bias);
    if (l->bias != BIAS_NONE)
        VECTOR(NAME("bias"), l->d_out, GROUP_SHARED, layers[i].bias);
    if (l->bias == BIAS_FULL && !chunked)
        MATRIX(NAME("bias_head.weight"), l->d_out, d_trunk, GROUP_HEAD, layers[i].bias_head);
#undef NAME
}

static void add_chunks(struct table *t, const struct model_spec *spec)
{
    const struct chunk_spec *k = &spec->chunks;
    if (!k->own)
        MATRIX("chunks.embedding", model_spec_n_chunks(spec), k->d_embedding, GROUP_TRUNK, chunk_embedding);
    MATRIX("chunks.head.weight", k->size, model_spec_d_trunk(spec), GROUP_HEAD, chunk_head);
    VECTOR("chunks.head.bias", k->size, GROUP_HEAD, chunk_head_bias);
}

static void add_task(struct table *t, const struct model_spec *spec)
{
    const struct task_spec *task = &spec->task;
    size_t d = spec->d_item, d_features = task_spec_d_features(spec);
    char name[TENSOR_NAME_BYTES];
    for (size_t i = 0; i < task->n_features; i++) {
        (void)snprintf(name, sizeof name, "task.features.%zu.weight", i);
        MATRIX(name, task->features[i].d_out, d, GROUP_SHARED, features[i].weight);
        (void)snprintf(name, sizeof name, "task.features.%zu.bias", i);
        VECTOR(name, task->features[i].d_out, GROUP_SHARED, features[i].bias);
        d = task->features[i].d_out;
    }
    MATRIX("task.shared.weight", spec->d_output, d_features, GROUP_SHARED, shared);
    VECTOR("task.shared.bias", spec->d_output, GROUP_SHARED, shared_bias);
    MATRIX("task.basis.weight", task->d_basis, d_features, GROUP_SHARED, basis);
    VECTOR("task.basis.bias", task->d_basis, GROUP_SHARED, basis_bias);
    VECTOR("task.scales", TASK_SCALES + task->forgets, GROUP_HEAD, task_scales);
    if (task->calibrated) {
        MATRIX("task.calibration", TASK_KNOWN_BUCKETS, TASK_QUANTILES, GROUP_FROZEN, task_calibration);
        t->out[t->n - 1].rises = true;
    }
}

size_t model_spec_tensors(const struct model_spec *spec, struct tensor_spec out[MODEL_MAX_TENSORS])
{
    struct table table = {.out = out}, *t = &table;
    if (spec->n_items) {
        MATRIX("catalogue.embedding", spec->n_items, spec->d_item, GROUP_ITEM, catalogue_embedding);
        VECTOR("catalogue.bias", spec->n_items, GROUP_ITEM, catalogue_bias);
    }
    add_encoder(t, spec);
    add_item_side(t, spec);
    add_trunk(t, spec);
    if (spec->has_linear)
        MATRIX("linear.context.weight", spec->d_item, spec->d_context, GROUP_LINEAR, linear_context);
    if (spec->linear_head)
        MATRIX("linear.head.weight", spec->d_item, model_spec_d_trunk(spec), GROUP_HEAD, linear_head);
    for (size_t i = 0; i < spec->n_layers; i++)
        add_layer(t, spec, i);
    if (spec->chunks.size)
        add_chunks(t, spec);
    if (spec->task.present)
        add_task(t, spec);
    if (spec->images.present)
        t->n += image_tensors_list(spec, t->out + t->n);
    t->n += trained_spec_tensors(spec, t->out + t->n);
    return t->n;
}

real **model_params_slot(struct model_params *params, const struct tensor_spec *tensor)
{
    return (real **)(void *)((char *)params + tensor->slot_offset);
}

const uint16_t *model_params_half(const struct model_params *params, const struct tensor_spec *tensor)
{
    const char *slot = (const char *)params + tensor->half_offset;
    return tensor->half_offset ? *(const uint16_t *const *)(const void *)slot : NULL;
}

const uint16_t **model_params_half_slot(struct model_params *params, const struct tensor_spec *tensor)
{
    return (const uint16_t **)(void *)((char *)params + tensor->half_offset);
}

static void free_values(struct profile_value **values, size_t *n)
{
    for (size_t i = 0; *values && i < *n; i++) {
        mem_free((*values)[i].field);
        mem_free((*values)[i].value);
        mem_free((*values)[i].form);
    }
    mem_free(*values);
    *values = NULL;
    *n = 0;
}

void model_spec_fini(struct model_spec *spec)
{
    free_values(&spec->encoder.values, &spec->encoder.n_values);
    free_values(&spec->cold_items.features, &spec->cold_items.n_features);
    columns_fini(&spec->task.columns);
    for (size_t i = 0; i < spec->task.n_classes; i++)
        mem_free(spec->task.classes[i]);
    mem_free(spec->task.classes);
    mem_free(spec->task.target);
    mem_free(spec->task.time);
    trained_spec_fini(&spec->trained);
}
