#include "engine/format/trained_json.h"

#include "base/mem.h"

static void decode_shape(struct json_reader *r, struct trained_spec *out)
{
    const json_t *array = reader_required(r, "shape");
    size_t n = json_array_size(array);
    if (array && (!json_is_array(array) || n < 1 || n > LIMIT_TENSOR_DIMS)) {
        reader_fail(r, "shape", "is no array of 1 to 8 whole numbers");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(array, i);
        if (!json_is_integer(value) || json_integer_value(value) < 1 ||
            json_integer_value(value) > LIMIT_DIM) {
            reader_fail(r, "shape", "has a value that is no whole number from 1 to 1048576");
            return;
        }
        out->dims[out->n_dims++] = (size_t)json_integer_value(value);
    }
}

_Static_assert(LIMIT_TENSOR_DIMS == 8 && LIMIT_DIM == 1048576, "the texts above name them");

/* The names of one task's classes, as they are in the document. */
static void decode_task(struct json_reader *r, const json_t *array, const char **names,
                        struct trained_spec *out)
{
    size_t n = json_array_size(array);
    for (size_t i = 0; i < n && *r->code == ERR_OK; i++)
        if (!(names[i] = json_string_value(json_array_get(array, i))))
            reader_fail(r, "classes", "has a class that is no string");
    if (*r->code == ERR_OK)
        *r->code = trained_spec_add(out, names, n, r->e);
}

static void decode_classes(struct json_reader *r, struct trained_spec *out)
{
    const json_t *tasks = reader_required(r, "classes");
    if (tasks && (!json_is_array(tasks) || json_array_size(tasks) > LIMIT_DIM))
        reader_fail(r, "classes", "is no array of tasks");
    for (size_t i = 0; i < json_array_size(tasks) && *r->code == ERR_OK; i++) {
        const json_t *task = json_array_get(tasks, i);
        if (!json_is_array(task) || json_array_size(task) > LIMIT_COLUMN_VALUES) {
            reader_fail(r, "classes", "has a task that is no array of at most 1000 classes");
            return;
        }
        const char **names = mem_alloc_array(json_array_size(task) + 1, sizeof *names);
        if (names)
            decode_task(r, task, names, out);
        else
            *r->code = err_set(r->e, ERR_NOMEM, "no memory for the description of the model");
        mem_free(names);
    }
}

_Static_assert(LIMIT_COLUMN_VALUES == 1000, "the text above names it");

/* How many rows of each class of a task are stored: none of it, or a number a class. */
static void decode_counts(struct json_reader *r, const json_t *counts, size_t task, struct trained_spec *out)
{
    size_t n = json_array_size(counts), rows[LIMIT_COLUMN_VALUES];
    if (!json_is_array(counts) || (n && n != out->tasks[task].n)) {
        reader_fail(r, "rows", "has a task that is no array of a count for each of its classes");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        json_int_t count = json_integer_value(json_array_get(counts, i));
        if (!json_is_integer(json_array_get(counts, i)) || count < 0 || count > LIMIT_DIM) {
            reader_fail(r, "rows", "has a count that is no whole number from 0 to 1048576");
            return;
        }
        rows[i] = (size_t)count;
    }
    if (n)
        *r->code = trained_spec_keep(out, task, rows, r->e);
}

static void decode_stored(struct json_reader *r, struct trained_spec *out)
{
    const json_t *tasks = reader_required(r, "rows");
    out->width = reader_number(r, "width");
    if (*r->code == ERR_OK && !(out->width > 0))
        reader_fail(r, "width", "is not above 0");
    if (tasks && (!json_is_array(tasks) || json_array_size(tasks) != out->n_tasks))
        reader_fail(r, "rows", "is no array of a list for each task");
    for (size_t i = 0; i < json_array_size(tasks) && *r->code == ERR_OK; i++)
        decode_counts(r, json_array_get(tasks, i), i, out);
    reader_leave(r);
}

void trained_json_decode(struct json_reader *r, struct trained_spec *out)
{
    struct json_reader inner;
    out->present = true;
    out->unit = reader_number(r, "unit");
    decode_shape(r, out);
    decode_classes(r, out);
    if (reader_block(r, "stored", &inner))
        decode_stored(&inner, out);
    reader_leave(r);
}

/* NULL: no memory. */
static json_t *encode_stored(const struct trained_spec *t)
{
    bool failed = false;
    json_t *root = json_object(), *tasks = json_array();
    for (size_t i = 0; i < t->n_tasks; i++) {
        const struct trained_classes *c = &t->tasks[i];
        json_t *counts = json_array();
        for (size_t k = 0; c->rows && k < c->n; k++)
            failed = json_array_append_new(counts, json_integer((json_int_t)c->rows[k])) != 0 || failed;
        failed = json_array_append_new(tasks, counts) != 0 || failed;
    }
    failed = json_object_set_new(root, "width", json_real(t->width)) != 0 || failed;
    failed = json_object_set_new(root, "rows", tasks) != 0 || failed;
    if (failed) {
        json_decref(root);
        return NULL;
    }
    return root;
}

json_t *trained_json_encode(const struct trained_spec *t)
{
    bool failed = false;
    json_t *root = json_object(), *shape = json_array(), *tasks = json_array();
    for (size_t i = 0; i < t->n_dims; i++)
        failed = json_array_append_new(shape, json_integer((json_int_t)t->dims[i])) != 0 || failed;
    for (size_t i = 0; i < t->n_tasks; i++) {
        json_t *names = json_array();
        for (size_t k = 0; k < t->tasks[i].n; k++)
            failed = json_array_append_new(names, json_string(t->tasks[i].names[k])) != 0 || failed;
        failed = json_array_append_new(tasks, names) != 0 || failed;
    }
    failed = json_object_set_new(root, "unit", json_real(t->unit)) != 0 || failed;
    failed = json_object_set_new(root, "shape", shape) != 0 || failed;
    failed = json_object_set_new(root, "classes", tasks) != 0 || failed;
    if (t->width > 0)
        failed = json_object_set_new(root, "stored", encode_stored(t)) != 0 || failed;
    if (failed) {
        json_decref(root);
        return NULL;
    }
    return root;
}
