/* Readers (engine/format/json_reader.h) keep the first error, so that a decoder reads as a list of what it
 * expects. */
#include "engine/format/model_json.h"

#include "base/mem.h"
#include "engine/format/image_json.h"
#include "engine/format/json_reader.h"
#include "engine/format/profile_value_json.h"
#include "engine/format/task_json.h"
#include "engine/format/trained_json.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1 };

/* ---- decoding ---- */

static void decode_trunk(struct json_reader *r, struct model_spec *spec)
{
    READER_ENUM(r, "norm", norm_kind_parse, &spec->norm, "none, layer, block");
    const json_t *layers = reader_layers(r, "layers", &spec->n_trunk);
    for (size_t i = 0; i < spec->n_trunk; i++) {
        struct json_reader layer = reader_element(r, "layers", layers, i);
        spec->trunk[i].d_out = reader_size(&layer, "d_out");
        READER_ENUM(&layer, "activation", activation_parse, &spec->trunk[i].activation,
                    "identity, relu, tanh, sigmoid");
        reader_leave(&layer);
    }
    reader_leave(r);
}

static void decode_layer(struct json_reader *r, struct layer_spec *layer)
{
    layer->d_in = reader_size(r, "d_in");
    layer->d_out = reader_size(r, "d_out");
    READER_ENUM(r, "generator", generator_parse, &layer->generator, "shared, full, low_rank, core, chunked");
    if (layer->generator == GENERATOR_LOW_RANK || layer->generator == GENERATOR_CORE)
        layer->rank = reader_size(r, "rank");
    READER_ENUM(r, "bias", bias_kind_parse, &layer->bias, "none, shared, full");
    READER_ENUM(r, "activation", activation_parse, &layer->activation, "identity, relu, tanh, sigmoid");
    reader_leave(r);
}

static void decode_chunks(struct json_reader *r, struct chunk_spec *k)
{
    k->size = reader_size(r, "size");
    k->d_embedding = reader_size(r, "dim");
    k->own = reader_bool(r, "own");
    if (k->size == 0)
        reader_fail(r, "size", "is 0; leave chunks out");
    reader_leave(r);
}

static void decode_target(struct json_reader *r, struct model_spec *spec)
{
    struct json_reader chunks, pairs;
    spec->has_linear = reader_bool(r, "linear");
    spec->linear_head = reader_bool(r, "linear_head");
    const json_t *layers = reader_layers(r, "layers", &spec->n_layers);
    for (size_t i = 0; i < spec->n_layers; i++) {
        struct json_reader layer = reader_element(r, "layers", layers, i);
        decode_layer(&layer, &spec->layers[i]);
    }
    if (reader_block(r, "chunks", &chunks))
        decode_chunks(&chunks, &spec->chunks);
    if (reader_block(r, "neighbours", &pairs)) {
        spec->n_pairs = reader_size(&pairs, "pairs");
        if (spec->n_pairs == 0)
            reader_fail(&pairs, "pairs", "is 0; leave neighbours out");
        reader_leave(&pairs);
    }
    reader_leave(r);
}

/* By field; values by their text, then ranges by where they begin. */
static int by_field_and_value(const void *a, const void *b)
{
    const struct profile_value *x = *(const struct profile_value *const *)a,
                               *y = *(const struct profile_value *const *)b;
    int order = strcmp(x->field, y->field);
    if (order || !x->value || !y->value)
        return order || !x->value != !y->value ? (order ? order : !x->value - !y->value)
                                               : (x->from > y->from) - (x->from < y->from);
    return strcmp(x->value, y->value);
}

/* A value that stands twice, or in two ranges, would have two rows of which one is never used. */
static void check_values_once(struct json_reader *r, const struct encoder_spec *n)
{
    size_t n_fields = 1;
    const struct profile_value **sorted = mem_alloc_array(n->n_values, sizeof *sorted);
    if (!sorted) {
        *r->code = err_set(r->e, ERR_NOMEM, "no memory for %zu profile values", n->n_values);
        return;
    }
    for (size_t i = 0; i < n->n_values; i++)
        sorted[i] = &n->values[i];
    qsort(sorted, n->n_values, sizeof *sorted, by_field_and_value);
    for (size_t i = 1; i < n->n_values; i++) {
        const struct profile_value *x = sorted[i - 1], *y = sorted[i];
        bool same_field = strcmp(x->field, y->field) == 0;
        n_fields += !same_field;
        if (same_field && x->value && by_field_and_value(&x, &y) == 0)
            reader_fail(r, "values", "has the same field and value twice");
        else if (same_field && !x->value && y->from < x->below)
            reader_fail(r, "values", "has ranges of one field that overlap");
    }
    if (n_fields > LIMIT_PROFILE_FIELDS)
        reader_fail(r, "values", "has more than 64 fields");
    mem_free(sorted);
}

_Static_assert(LIMIT_PROFILE_FIELDS == 64, "the text above names it");

/* The array at `name`: of [field, value], a row of a table each. */
static void decode_values(struct json_reader *r, const char *name, const json_t *values, bool ranges,
                          struct profile_value **out, size_t *n)
{
    size_t n_values = json_array_size(values);
    *out = mem_zalloc_array(n_values, sizeof **out);
    if (!*out)
        goto nomem;
    *n = n_values;
    for (size_t i = 0; i < n_values; i++) {
        bool no_memory = false;
        if (profile_value_decode(json_array_get(values, i), ranges, &(*out)[i], &no_memory))
            continue;
        if (no_memory)
            goto nomem;
        char key[40];
        (void)snprintf(key, sizeof key, "%s[%zu]", name, i);
        reader_fail(
            r, key,
            ranges
                ? "is no array of a field's name and a value, both strings, or a range: {\"from\": number, "
                  "\"below\": number}"
                : "is no array of a field's name and a value, both strings");
        return;
    }
    return;
nomem:
    *r->code = err_set(r->e, ERR_NOMEM, "no memory for %zu %s", n_values, name);
}

/* The array of a vocabulary, or NULL after an error. */
static const json_t *get_values(struct json_reader *r, const char *name)
{
    const json_t *values = reader_required(r, name);
    if (values && !json_is_array(values))
        reader_fail(r, name, "is no array");
    else if (json_array_size(values) > LIMIT_DIM)
        reader_fail(r, name, "has more than 1048576 rows");
    return values;
}

_Static_assert(LIMIT_DIM == 1048576, "the text above names it");

static void decode_profile(struct json_reader *r, struct encoder_spec *n)
{
    n->d_profile = reader_size(r, "dim");
    const json_t *values = get_values(r, "values");
    reader_leave(r);
    if (*r->code == ERR_OK)
        decode_values(r, "values", values, true, &n->values, &n->n_values);
    if (*r->code == ERR_OK)
        check_values_once(r, n);
}

static void decode_item_side(struct json_reader *r, struct cold_items_spec *s)
{
    s->present = true;
    s->n_users = reader_size(r, "n_users");
    const json_t *features = get_values(r, "features");
    reader_leave(r);
    if (*r->code == ERR_OK)
        decode_values(r, "features", features, false, &s->features, &s->n_features);
}

static void decode_encoder(struct json_reader *r, struct encoder_spec *n)
{
    struct json_reader block;
    n->present = true;
    if (reader_block(r, "id", &block)) {
        n->d_id = reader_size(&block, "dim");
        n->n_tasks = reader_size(&block, "tasks");
        reader_leave(&block);
    }
    if (reader_block(r, "fold_in", &block)) {
        n->d_fold_in = reader_size(&block, "dim");
        n->alpha = reader_number(&block, "alpha");
        n->reg = reader_number(&block, "reg");
        n->reg_exponent = reader_number(&block, "reg_exponent");
        reader_leave(&block);
    }
    if (reader_block(r, "history", &block)) {
        n->d_history = reader_size(&block, "dim");
        reader_leave(&block);
    }
    if (reader_block(r, "recent", &block)) {
        n->d_recent = reader_size(&block, "dim");
        n->n_decays = reader_size(&block, "n_decays");
        n->n_recent = reader_size(&block, "n_recent");
        reader_leave(&block);
    }
    if (reader_block(r, "profile", &block))
        decode_profile(&block, n);
    if (reader_block(r, "when", &block)) {
        n->d_when = reader_size(&block, "dim");
        n->n_moments = reader_size(&block, "n_moments");
        n->when_start = reader_number(&block, "start");
        n->when_step = reader_number(&block, "step");
        reader_leave(&block);
    }
    if (reader_block(r, "disliked", &block)) {
        n->d_disliked = reader_size(&block, "dim");
        reader_leave(&block);
    }
    if (reader_block(r, "ratings", &block)) {
        n->d_ratings = reader_size(&block, "dim");
        n->rating_least = reader_number(&block, "least");
        n->rating_most = reader_number(&block, "most");
        reader_leave(&block);
    }
    reader_leave(r);
}

static const struct objective *get_objective(struct json_reader *r)
{
    char names[OBJECTIVE_LIST_BYTES], problem[OBJECTIVE_LIST_BYTES + 16];
    const struct objective *found = objective_find(reader_string(r, "objective"));
    (void)snprintf(problem, sizeof problem, "is none of %s", objective_list(NULL, ", ", names));
    if (!found)
        reader_fail(r, "objective", problem);
    return found;
}

static void decode_model(struct json_reader *r, struct model_spec *spec)
{
    struct json_reader inner;
    if (reader_size(r, "format") != FORMAT)
        reader_fail(r, "format", "is not 1, the only one this version reads");
    reader_name(r, "name", spec->name);
    reader_name(r, "version", spec->version);
    spec->objective = get_objective(r);
    spec->n_items = reader_size(r, "n_items");
    spec->d_item = reader_size(r, "d_item");
    spec->d_context = reader_size(r, "d_context");
    spec->d_output = reader_size(r, "d_output");
    inner = reader_object(r, "trunk");
    decode_trunk(&inner, spec);
    inner = reader_object(r, "target");
    decode_target(&inner, spec);
    if (reader_block(r, "encoder", &inner))
        decode_encoder(&inner, &spec->encoder);
    if (reader_block(r, "items", &inner))
        decode_item_side(&inner, &spec->cold_items);
    if (reader_block(r, "task", &inner))
        task_json_decode(&inner, &spec->task);
    if (reader_block(r, "images", &inner))
        image_json_decode(&inner, &spec->images);
    if (reader_block(r, "trained", &inner))
        trained_json_decode(&inner, &spec->trained);
    reader_leave(r);
}

enum err_code model_json_decode(const char *text, struct model_spec *spec, struct err *e)
{
    json_error_t at;
    enum err_code code = ERR_OK;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &at);
    if (!root && json_error_code(&at) == json_error_out_of_memory)
        return err_set(e, ERR_NOMEM, "no memory for the description of the model");
    if (!root)
        return err_set(e, ERR_INVALID, "it is not valid JSON: %s (line %d, column %d)", at.text, at.line,
                       at.column);
    struct json_reader top = {.object = root, .code = &code, .e = e};
    if (!json_is_object(root))
        code = err_set(e, ERR_INVALID, "it is no JSON object");
    else
        decode_model(&top, spec);
    if (code == ERR_OK)
        code = model_spec_check(spec, e);
    if (code != ERR_OK) {
        model_spec_fini(spec);
        memset(spec, 0, sizeof *spec);
    }
    json_decref(root);
    return code;
}

/* ---- encoding ---- */

/* Puts value under key; a value that could not be made, or is no UTF-8, counts as a failure. Takes value. */
static void put(json_t *object, const char *key, json_t *value, bool *failed)
{
    if (json_object_set_new(object, key, value) != 0)
        *failed = true;
}

static void put_size(json_t *object, const char *key, size_t value, bool *failed)
{
    put(object, key, json_integer((json_int_t)value), failed);
}

/* A new object under key; NULL is harmless to what is put into it. */
static json_t *put_object(json_t *object, const char *key, bool *failed)
{
    json_t *inner = json_object();
    put(object, key, inner, failed);
    return *failed ? NULL : inner;
}

/* A new object at the end of an array. */
static json_t *append_object(json_t *array, bool *failed)
{
    json_t *inner = json_object();
    if (json_array_append_new(array, inner) != 0)
        *failed = true;
    return *failed ? NULL : inner;
}

static void encode_trunk(json_t *trunk, const struct model_spec *spec, bool *failed)
{
    json_t *layers = json_array();
    put(trunk, "norm", json_string(norm_kind_name(spec->norm)), failed);
    put(trunk, "layers", layers, failed);
    for (size_t i = 0; i < spec->n_trunk && !*failed; i++) {
        json_t *layer = append_object(layers, failed);
        put_size(layer, "d_out", spec->trunk[i].d_out, failed);
        put(layer, "activation", json_string(activation_name(spec->trunk[i].activation)), failed);
    }
}

static void encode_target(json_t *target, const struct model_spec *spec, bool *failed)
{
    json_t *layers = json_array(), *chunks;
    put(target, "linear", json_boolean(spec->has_linear), failed);
    put(target, "linear_head", json_boolean(spec->linear_head), failed);
    put(target, "layers", layers, failed);
    for (size_t i = 0; i < spec->n_layers && !*failed; i++) {
        const struct layer_spec *l = &spec->layers[i];
        json_t *layer = append_object(layers, failed);
        put_size(layer, "d_in", l->d_in, failed);
        put_size(layer, "d_out", l->d_out, failed);
        put(layer, "generator", json_string(generator_name(l->generator)), failed);
        if (l->generator == GENERATOR_LOW_RANK || l->generator == GENERATOR_CORE)
            put_size(layer, "rank", l->rank, failed);
        put(layer, "bias", json_string(bias_kind_name(l->bias)), failed);
        put(layer, "activation", json_string(activation_name(l->activation)), failed);
    }
    if (spec->chunks.size) {
        chunks = put_object(target, "chunks", failed);
        put_size(chunks, "size", spec->chunks.size, failed);
        put_size(chunks, "dim", spec->chunks.d_embedding, failed);
        put(chunks, "own", json_boolean(spec->chunks.own), failed);
    }
    if (spec->n_pairs)
        put_size(put_object(target, "neighbours", failed), "pairs", spec->n_pairs, failed);
}

static void encode_values(json_t *values, const struct profile_value *list, size_t n, bool *failed)
{
    for (size_t i = 0; i < n && !*failed; i++)
        if (json_array_append_new(values, profile_value_encode(&list[i])) != 0)
            *failed = true;
}

static void encode_profile(json_t *profile, const struct encoder_spec *n, bool *failed)
{
    json_t *values = json_array();
    put_size(profile, "dim", n->d_profile, failed);
    put(profile, "values", values, failed);
    encode_values(values, n->values, n->n_values, failed);
}

static void encode_item_side(json_t *items, const struct cold_items_spec *s, bool *failed)
{
    json_t *features = json_array();
    put_size(items, "n_users", s->n_users, failed);
    put(items, "features", features, failed);
    encode_values(features, s->features, s->n_features, failed);
}

static void encode_encoder(json_t *encoder, const struct encoder_spec *n, bool *failed)
{
    json_t *block;
    if (n->d_id) {
        block = put_object(encoder, "id", failed);
        put_size(block, "dim", n->d_id, failed);
        put_size(block, "tasks", n->n_tasks, failed);
    }
    if (n->d_fold_in) {
        block = put_object(encoder, "fold_in", failed);
        put_size(block, "dim", n->d_fold_in, failed);
        put(block, "alpha", json_real(n->alpha), failed);
        put(block, "reg", json_real(n->reg), failed);
        put(block, "reg_exponent", json_real(n->reg_exponent), failed);
    }
    if (n->d_history)
        put_size(put_object(encoder, "history", failed), "dim", n->d_history, failed);
    if (n->d_recent) {
        block = put_object(encoder, "recent", failed);
        put_size(block, "dim", n->d_recent, failed);
        put_size(block, "n_decays", n->n_decays, failed);
        put_size(block, "n_recent", n->n_recent, failed);
    }
    if (n->d_profile)
        encode_profile(put_object(encoder, "profile", failed), n, failed);
    if (n->d_when) {
        block = put_object(encoder, "when", failed);
        put_size(block, "dim", n->d_when, failed);
        put_size(block, "n_moments", n->n_moments, failed);
        put(block, "start", json_real(n->when_start), failed);
        put(block, "step", json_real(n->when_step), failed);
    }
    if (n->d_disliked)
        put_size(put_object(encoder, "disliked", failed), "dim", n->d_disliked, failed);
    if (n->d_ratings) {
        block = put_object(encoder, "ratings", failed);
        put_size(block, "dim", n->d_ratings, failed);
        put(block, "least", json_real(n->rating_least), failed);
        put(block, "most", json_real(n->rating_most), failed);
    }
}

static void encode_model(json_t *root, const struct model_spec *spec, bool *failed)
{
    put_size(root, "format", FORMAT, failed);
    put(root, "name", json_string(spec->name), failed);
    put(root, "version", json_string(spec->version), failed);
    put(root, "objective", json_string(spec->objective->name), failed);
    put_size(root, "n_items", spec->n_items, failed);
    put_size(root, "d_item", spec->d_item, failed);
    put_size(root, "d_context", spec->d_context, failed);
    put_size(root, "d_output", spec->d_output, failed);
    encode_trunk(put_object(root, "trunk", failed), spec, failed);
    encode_target(put_object(root, "target", failed), spec, failed);
    if (spec->encoder.present)
        encode_encoder(put_object(root, "encoder", failed), &spec->encoder, failed);
    if (spec->cold_items.present)
        encode_item_side(put_object(root, "items", failed), &spec->cold_items, failed);
    if (spec->task.present)
        put(root, "task", task_json_encode(&spec->task), failed);
    if (spec->images.present)
        put(root, "images", image_json_encode(&spec->images), failed);
    if (spec->trained.present)
        put(root, "trained", trained_json_encode(&spec->trained), failed);
}

static int add_bytes(const char *bytes, size_t n, void *out)
{
    buf_add(out, bytes, n);
    return 0;
}

enum err_code model_json_encode(const struct model_spec *spec, struct buf *out, struct err *e)
{
    bool failed = false;
    json_t *root = json_object();
    encode_model(root, spec, &failed);
    /* 17 digits give a double back to the last bit. */
    if (failed || json_dump_callback(root, add_bytes, out, JSON_COMPACT | JSON_REAL_PRECISION(17)) != 0) {
        json_decref(root);
        return err_set(e, ERR_INVALID,
                       "the model's description has text that is not UTF-8 or a number that is not "
                       "finite, or there is no memory for it");
    }
    json_decref(root);
    return buf_check(out, "the description of the model", e);
}
