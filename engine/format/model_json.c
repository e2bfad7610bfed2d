/* A key that is not known is refused and not skipped: a misspelt "linear_head" would otherwise load and
 * answer wrongly. A reader carries the path of the object it is in, so that every refusal says where
 * ("target.layers[1].rank"), and the first error: its getters do nothing after one, so that a decoder reads
 * as a list of what it expects. */
#include "engine/format/model_json.h"

#include "base/mem.h"
#include "engine/format/profile_value_json.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1, PATH_BYTES = 96, MAX_KEYS = 16 };

struct reader {
    const json_t *object;
    char path[PATH_BYTES];      /* "" at the top, else it ends with a dot */
    const char *read[MAX_KEYS]; /* keys that were asked for; the object may have no others */
    size_t n_read;
    enum err_code *code; /* shared by all readers of one document */
    struct err *e;
};

static void fail(struct reader *r, const char *key, const char *problem)
{
    if (*r->code == ERR_OK)
        *r->code = err_set(r->e, ERR_INVALID, "%s%s: %s", r->path, key, problem);
}

/* The value of a key, NULL when it is not there or an error came before. */
static const json_t *get(struct reader *r, const char *key)
{
    if (*r->code != ERR_OK)
        return NULL;
    r->read[r->n_read++] = key;
    return json_object_get(r->object, key);
}

static const json_t *get_required(struct reader *r, const char *key)
{
    const json_t *value = get(r, key);
    if (!value)
        fail(r, key, "is missing");
    return value;
}

static size_t get_size(struct reader *r, const char *key)
{
    const json_t *value = get_required(r, key);
    if (value && (!json_is_integer(value) || json_integer_value(value) < 0))
        fail(r, key, "is no non-negative integer");
    return value ? (size_t)json_integer_value(value) : 0;
}

static double get_number(struct reader *r, const char *key)
{
    const json_t *value = get_required(r, key);
    if (value && !json_is_number(value))
        fail(r, key, "is no number");
    return json_number_value(value);
}

static bool get_bool(struct reader *r, const char *key)
{
    const json_t *value = get_required(r, key);
    if (value && !json_is_boolean(value))
        fail(r, key, "is neither true nor false");
    return json_is_true(value);
}

/* Never NULL. */
static const char *get_string(struct reader *r, const char *key)
{
    const json_t *value = get_required(r, key);
    if (value && !json_is_string(value))
        fail(r, key, "is no string");
    return json_is_string(value) ? json_string_value(value) : "";
}

static void get_name(struct reader *r, const char *key, char out[LIMIT_NAME_BYTES + 1])
{
    const char *text = get_string(r, key);
    size_t n = strlen(text);
    if (n == 0 || n > LIMIT_NAME_BYTES)
        fail(r, key, "must have 1 to 128 bytes");
    else
        memcpy(out, text, n + 1);
}

_Static_assert(LIMIT_NAME_BYTES == 128, "the text above names it");

/* Reads a name that one of the parsers of model_spec.h knows. */
#define GET_ENUM(r, key, parse, out, choices)                                                                \
    do {                                                                                                     \
        const char *name = get_string(r, key);                                                               \
        if (!parse(name, out))                                                                               \
            fail(r, key, "is none of " choices);                                                             \
    } while (0)

/* A reader of an object inside r; of an empty one after an error. */
static struct reader enter(struct reader *r, const char *key, const json_t *object)
{
    struct reader inner = {.object = object, .code = r->code, .e = r->e};
    if (snprintf(inner.path, sizeof inner.path, "%s%s.", r->path, key) >= (int)sizeof inner.path)
        fail(r, key, "is nested too deep");
    if (object && !json_is_object(object))
        fail(r, key, "is no object");
    return inner;
}

static struct reader get_object(struct reader *r, const char *key)
{
    return enter(r, key, get_required(r, key));
}

/* Refuses keys that were not asked for. */
static void leave(struct reader *r)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)r->object, key, value)
    {
        bool known = *r->code != ERR_OK;
        for (size_t i = 0; i < r->n_read && !known; i++)
            known = strcmp(r->read[i], key) == 0;
        if (!known)
            fail(r, key, "is not a key of this format");
    }
}

/* ---- decoding ---- */

/* The array of layers at a key; *n is at most LIMIT_LAYERS. */
static const json_t *get_layers(struct reader *r, size_t *n)
{
    const json_t *layers = get_required(r, "layers");
    *n = 0;
    if (layers && !json_is_array(layers))
        fail(r, "layers", "is no array");
    else if (json_array_size(layers) > LIMIT_LAYERS)
        fail(r, "layers", "has more than 16 layers");
    else
        *n = json_array_size(layers);
    return layers;
}

_Static_assert(LIMIT_LAYERS == 16, "the text above names it");

static struct reader enter_layer(struct reader *r, const json_t *layers, size_t i)
{
    char key[32];
    (void)snprintf(key, sizeof key, "layers[%zu]", i);
    return enter(r, key, json_array_get(layers, i));
}

static void decode_trunk(struct reader *r, struct model_spec *spec)
{
    GET_ENUM(r, "norm", norm_kind_parse, &spec->norm, "none, layer, block");
    const json_t *layers = get_layers(r, &spec->n_trunk);
    for (size_t i = 0; i < spec->n_trunk; i++) {
        struct reader layer = enter_layer(r, layers, i);
        spec->trunk[i].d_out = get_size(&layer, "d_out");
        GET_ENUM(&layer, "activation", activation_parse, &spec->trunk[i].activation, "identity, relu, tanh");
        leave(&layer);
    }
    leave(r);
}

static void decode_layer(struct reader *r, struct layer_spec *layer)
{
    layer->d_in = get_size(r, "d_in");
    layer->d_out = get_size(r, "d_out");
    GET_ENUM(r, "generator", generator_parse, &layer->generator, "shared, full, low_rank, core");
    if (layer->generator == GENERATOR_LOW_RANK || layer->generator == GENERATOR_CORE)
        layer->rank = get_size(r, "rank");
    GET_ENUM(r, "bias", bias_kind_parse, &layer->bias, "none, shared, full");
    GET_ENUM(r, "activation", activation_parse, &layer->activation, "identity, relu, tanh");
    leave(r);
}

/* Whether an optional object is there; `in` is its reader then. */
static bool get_block(struct reader *r, const char *key, struct reader *in)
{
    const json_t *value = get(r, key);
    if (!value || json_is_null(value))
        return false;
    *in = enter(r, key, value);
    return true;
}

static void decode_target(struct reader *r, struct model_spec *spec)
{
    struct reader pairs;
    spec->has_linear = get_bool(r, "linear");
    spec->linear_head = get_bool(r, "linear_head");
    const json_t *layers = get_layers(r, &spec->n_layers);
    for (size_t i = 0; i < spec->n_layers; i++) {
        struct reader layer = enter_layer(r, layers, i);
        decode_layer(&layer, &spec->layers[i]);
    }
    if (get_block(r, "neighbours", &pairs)) {
        spec->n_pairs = get_size(&pairs, "pairs");
        if (spec->n_pairs == 0)
            fail(&pairs, "pairs", "is 0; leave neighbours out");
        leave(&pairs);
    }
    leave(r);
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
static void check_values_once(struct reader *r, const struct encoder_spec *n)
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
            fail(r, "values", "has the same field and value twice");
        else if (same_field && !x->value && y->from < x->below)
            fail(r, "values", "has ranges of one field that overlap");
    }
    if (n_fields > LIMIT_PROFILE_FIELDS)
        fail(r, "values", "has more than 64 fields");
    mem_free(sorted);
}

_Static_assert(LIMIT_PROFILE_FIELDS == 64, "the text above names it");

/* The array at `name`: of [field, value], a row of a table each. */
static void decode_values(struct reader *r, const char *name, const json_t *values, bool ranges,
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
        fail(r, key,
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
static const json_t *get_values(struct reader *r, const char *name)
{
    const json_t *values = get_required(r, name);
    if (values && !json_is_array(values))
        fail(r, name, "is no array");
    else if (json_array_size(values) > LIMIT_DIM)
        fail(r, name, "has more than 1048576 rows");
    return values;
}

_Static_assert(LIMIT_DIM == 1048576, "the text above names it");

static void decode_profile(struct reader *r, struct encoder_spec *n)
{
    n->d_profile = get_size(r, "dim");
    const json_t *values = get_values(r, "values");
    leave(r);
    if (*r->code == ERR_OK)
        decode_values(r, "values", values, true, &n->values, &n->n_values);
    if (*r->code == ERR_OK)
        check_values_once(r, n);
}

static void decode_item_side(struct reader *r, struct cold_items_spec *s)
{
    s->present = true;
    s->n_users = get_size(r, "n_users");
    const json_t *features = get_values(r, "features");
    leave(r);
    if (*r->code == ERR_OK)
        decode_values(r, "features", features, false, &s->features, &s->n_features);
}

static void decode_encoder(struct reader *r, struct encoder_spec *n)
{
    struct reader block;
    n->present = true;
    if (get_block(r, "fold_in", &block)) {
        n->d_fold_in = get_size(&block, "dim");
        n->alpha = get_number(&block, "alpha");
        n->reg = get_number(&block, "reg");
        n->reg_exponent = get_number(&block, "reg_exponent");
        leave(&block);
    }
    if (get_block(r, "history", &block)) {
        n->d_history = get_size(&block, "dim");
        leave(&block);
    }
    if (get_block(r, "recent", &block)) {
        n->d_recent = get_size(&block, "dim");
        n->n_decays = get_size(&block, "n_decays");
        n->n_recent = get_size(&block, "n_recent");
        leave(&block);
    }
    if (get_block(r, "profile", &block))
        decode_profile(&block, n);
    if (get_block(r, "when", &block)) {
        n->d_when = get_size(&block, "dim");
        n->n_moments = get_size(&block, "n_moments");
        n->when_start = get_number(&block, "start");
        n->when_step = get_number(&block, "step");
        leave(&block);
    }
    if (get_block(r, "disliked", &block)) {
        n->d_disliked = get_size(&block, "dim");
        leave(&block);
    }
    if (get_block(r, "ratings", &block)) {
        n->d_ratings = get_size(&block, "dim");
        n->rating_least = get_number(&block, "least");
        n->rating_most = get_number(&block, "most");
        leave(&block);
    }
    leave(r);
}

static const struct objective *get_objective(struct reader *r)
{
    char names[OBJECTIVE_LIST_BYTES], problem[OBJECTIVE_LIST_BYTES + 16];
    const struct objective *found = objective_find(get_string(r, "objective"));
    (void)snprintf(problem, sizeof problem, "is none of %s", objective_list(NULL, ", ", names));
    if (!found)
        fail(r, "objective", problem);
    return found;
}

static void decode_model(struct reader *r, struct model_spec *spec)
{
    struct reader inner;
    if (get_size(r, "format") != FORMAT)
        fail(r, "format", "is not 1, the only one this version reads");
    get_name(r, "name", spec->name);
    get_name(r, "version", spec->version);
    spec->objective = get_objective(r);
    spec->n_items = get_size(r, "n_items");
    spec->d_item = get_size(r, "d_item");
    spec->d_context = get_size(r, "d_context");
    spec->d_output = get_size(r, "d_output");
    inner = get_object(r, "trunk");
    decode_trunk(&inner, spec);
    inner = get_object(r, "target");
    decode_target(&inner, spec);
    if (get_block(r, "encoder", &inner))
        decode_encoder(&inner, &spec->encoder);
    if (get_block(r, "items", &inner))
        decode_item_side(&inner, &spec->cold_items);
    leave(r);
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
    struct reader top = {.object = root, .code = &code, .e = e};
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
    json_t *layers = json_array();
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
