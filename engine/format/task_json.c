#include "engine/format/task_json.h"

#include "base/mem.h"

#include <string.h>

static void no_memory(struct json_reader *r)
{
    if (*r->code == ERR_OK)
        *r->code = err_set(r->e, ERR_NOMEM, "no memory for the description of the model");
}

static char *copy_text(struct json_reader *r, const char *text)
{
    char *copy = *r->code == ERR_OK ? mem_strdup(text) : NULL;
    if (!copy)
        no_memory(r);
    return copy;
}

/* An array of at most `most` strings. */
static void decode_texts(struct json_reader *r, const char *key, size_t most, char ***out, size_t *n)
{
    const json_t *array = reader_required(r, key);
    if (array && (!json_is_array(array) || json_array_size(array) > most))
        reader_fail(r, key, "is no array, or too long");
    if (*r->code != ERR_OK)
        return;
    *out = mem_zalloc_array(json_array_size(array), sizeof **out);
    if (!*out) {
        no_memory(r);
        return;
    }
    for (size_t i = 0; i < json_array_size(array) && *r->code == ERR_OK; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (!text)
            reader_fail(r, key, "has a value that is no string");
        else if (((*out)[*n] = copy_text(r, text)))
            ++*n;
    }
}

static bool kind_parse(const char *text, enum column_kind *out)
{
    *out = strcmp(text, "category") == 0 ? COLUMN_CATEGORY : COLUMN_NUMBER;
    return *out == COLUMN_CATEGORY || strcmp(text, "number") == 0;
}

static void decode_column(struct json_reader *r, struct column *c)
{
    c->name = copy_text(r, reader_string(r, "name"));
    READER_ENUM(r, "kind", kind_parse, &c->kind, "number, category");
    c->optional = reader_bool(r, "optional");
    if (c->kind == COLUMN_CATEGORY) {
        decode_texts(r, "values", LIMIT_COLUMN_VALUES, &c->values, &c->n_values);
    } else {
        c->mean = reader_number(r, "mean");
        c->deviation = reader_number(r, "deviation");
        c->least = reader_number(r, "least");
        c->most = reader_number(r, "most");
    }
    reader_leave(r);
}

static void decode_columns(struct json_reader *r, struct columns *out)
{
    const json_t *array = reader_required(r, "columns");
    if (array && (!json_is_array(array) || json_array_size(array) > LIMIT_COLUMNS))
        reader_fail(r, "columns", "is no array of at most 1024 columns");
    if (*r->code != ERR_OK)
        return;
    out->list = mem_zalloc_array(json_array_size(array), sizeof *out->list);
    if (!out->list) {
        no_memory(r);
        return;
    }
    for (size_t i = 0; i < json_array_size(array) && *r->code == ERR_OK; i++) {
        struct json_reader column = reader_element(r, "columns", array, i);
        decode_column(&column, &out->list[out->n++]);
    }
}

_Static_assert(LIMIT_COLUMNS == 1024, "the text above names it");

/* Files of before say whether the logarithm is learned, which was for errors relative to the target. */
static void decode_scale(struct json_reader *r, struct task_spec *t)
{
    if (!reader_get(r, "scale")) {
        bool log = reader_bool(r, "log");
        t->scale = log ? SCALE_LOG : SCALE_IDENTITY;
        t->loss = log ? LOSS_RELATIVE : LOSS_SQUARED;
        return;
    }
    r->n_read--; /* it is asked for twice */
    READER_ENUM(r, "scale", target_scale_parse, &t->scale, "identity, log, asinh, count");
    READER_ENUM(r, "loss", target_loss_parse, &t->loss, "squared, absolute, relative, poisson");
    t->unit = reader_number(r, "unit");
    t->clip = reader_number(r, "clip");
}

static void decode_target(struct json_reader *r, struct task_spec *t)
{
    t->target = copy_text(r, reader_string(r, "column"));
    if (reader_get(r, "classes")) {
        decode_texts(r, "classes", LIMIT_COLUMN_VALUES, &t->classes, &t->n_classes);
        r->n_read--; /* it was asked for twice */
    } else {
        decode_scale(r, t);
        t->shrink = reader_number(r, "shrink");
        t->target_mean = reader_number(r, "mean");
        t->target_deviation = reader_number(r, "deviation");
        t->target_least = reader_number(r, "least");
        t->target_most = reader_number(r, "most");
        if (reader_get(r, "calibrated")) {
            r->n_read--; /* it is asked for twice */
            t->calibrated = reader_bool(r, "calibrated");
        }
    }
    reader_leave(r);
}

void task_json_decode(struct json_reader *r, struct task_spec *out)
{
    struct json_reader target;
    out->present = true;
    decode_columns(r, &out->columns);
    const json_t *layers = reader_layers(r, "features", &out->n_features);
    for (size_t i = 0; i < out->n_features; i++) {
        struct json_reader layer = reader_element(r, "features", layers, i);
        out->features[i].d_out = reader_size(&layer, "d_out");
        READER_ENUM(&layer, "activation", activation_parse, &out->features[i].activation,
                    "identity, relu, tanh, sigmoid");
        reader_leave(&layer);
    }
    if (reader_get(r, "direct")) {
        r->n_read--; /* it is asked for twice */
        out->features_alone = !reader_bool(r, "direct");
    }
    out->d_basis = reader_size(r, "basis");
    out->forgets = reader_bool(r, "forgets");
    if (out->forgets) {
        out->time = copy_text(r, reader_string(r, "time"));
        out->period = reader_number(r, "period");
    }
    target = reader_object(r, "target");
    decode_target(&target, out);
    reader_leave(r);
}

/* ---- encoding ---- */

static json_t *encode_texts(char *const *texts, size_t n, bool *failed)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        *failed = json_array_append_new(array, json_string(texts[i])) != 0 || *failed;
    return array;
}

static void put(json_t *object, const char *key, json_t *value, bool *failed)
{
    *failed = json_object_set_new(object, key, value) != 0 || *failed;
}

static json_t *encode_column(const struct column *c, bool *failed)
{
    json_t *object = json_object();
    put(object, "name", json_string(c->name), failed);
    put(object, "kind", json_string(c->kind == COLUMN_CATEGORY ? "category" : "number"), failed);
    put(object, "optional", json_boolean(c->optional), failed);
    if (c->kind == COLUMN_CATEGORY) {
        put(object, "values", encode_texts(c->values, c->n_values, failed), failed);
        return object;
    }
    put(object, "mean", json_real(c->mean), failed);
    put(object, "deviation", json_real(c->deviation), failed);
    put(object, "least", json_real(c->least), failed);
    put(object, "most", json_real(c->most), failed);
    return object;
}

static json_t *encode_target(const struct task_spec *t, bool *failed)
{
    json_t *object = json_object();
    put(object, "column", json_string(t->target), failed);
    if (t->n_classes) {
        put(object, "classes", encode_texts(t->classes, t->n_classes, failed), failed);
        return object;
    }
    put(object, "scale", json_string(target_scale_name(t->scale)), failed);
    put(object, "loss", json_string(target_loss_name(t->loss)), failed);
    put(object, "unit", json_real(t->unit), failed);
    put(object, "clip", json_real(t->clip), failed);
    put(object, "shrink", json_real(t->shrink), failed);
    put(object, "mean", json_real(t->target_mean), failed);
    put(object, "deviation", json_real(t->target_deviation), failed);
    put(object, "least", json_real(t->target_least), failed);
    put(object, "most", json_real(t->target_most), failed);
    if (t->calibrated)
        put(object, "calibrated", json_true(), failed);
    return object;
}

json_t *task_json_encode(const struct task_spec *t)
{
    bool failed = false;
    json_t *task = json_object(), *columns = json_array(), *features = json_array();
    for (size_t i = 0; i < t->columns.n; i++)
        failed = json_array_append_new(columns, encode_column(&t->columns.list[i], &failed)) != 0 || failed;
    for (size_t i = 0; i < t->n_features; i++) {
        json_t *layer = json_object();
        put(layer, "d_out", json_integer((json_int_t)t->features[i].d_out), &failed);
        put(layer, "activation", json_string(activation_name(t->features[i].activation)), &failed);
        failed = json_array_append_new(features, layer) != 0 || failed;
    }
    put(task, "columns", columns, &failed);
    put(task, "features", features, &failed);
    if (t->features_alone)
        put(task, "direct", json_false(), &failed);
    put(task, "basis", json_integer((json_int_t)t->d_basis), &failed);
    put(task, "forgets", json_boolean(t->forgets), &failed);
    if (t->forgets) {
        put(task, "time", json_string(t->time), &failed);
        put(task, "period", json_real(t->period), &failed);
    }
    put(task, "target", encode_target(t, &failed), &failed);
    if (failed) {
        json_decref(task);
        return NULL;
    }
    return task;
}
