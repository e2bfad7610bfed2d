/* A key that is not known is refused and not skipped: a misspelt "linear_head" would otherwise load and
 * answer wrongly. A reader carries the path of the object it is in, so that every refusal says where
 * ("target.layers[1].rank"), and the first error: its getters do nothing after one, so that a decoder reads
 * as a list of what it expects. */
#include "engine/format/json_reader.h"

#include <stdio.h>
#include <string.h>

void reader_fail(struct json_reader *r, const char *key, const char *problem)
{
    if (*r->code == ERR_OK)
        *r->code = err_set(r->e, ERR_INVALID, "%s%s: %s", r->path, key, problem);
}

const json_t *reader_get(struct json_reader *r, const char *key)
{
    if (*r->code != ERR_OK)
        return NULL;
    r->read[r->n_read++] = key;
    return json_object_get(r->object, key);
}

const json_t *reader_required(struct json_reader *r, const char *key)
{
    const json_t *value = reader_get(r, key);
    if (!value)
        reader_fail(r, key, "is missing");
    return value;
}

size_t reader_size(struct json_reader *r, const char *key)
{
    const json_t *value = reader_required(r, key);
    if (value && (!json_is_integer(value) || json_integer_value(value) < 0))
        reader_fail(r, key, "is no non-negative integer");
    return value ? (size_t)json_integer_value(value) : 0;
}

double reader_number(struct json_reader *r, const char *key)
{
    const json_t *value = reader_required(r, key);
    if (value && !json_is_number(value))
        reader_fail(r, key, "is no number");
    return json_number_value(value);
}

bool reader_bool(struct json_reader *r, const char *key)
{
    const json_t *value = reader_required(r, key);
    if (value && !json_is_boolean(value))
        reader_fail(r, key, "is neither true nor false");
    return json_is_true(value);
}

const char *reader_string(struct json_reader *r, const char *key)
{
    const json_t *value = reader_required(r, key);
    if (value && !json_is_string(value))
        reader_fail(r, key, "is no string");
    return json_is_string(value) ? json_string_value(value) : "";
}

void reader_name(struct json_reader *r, const char *key, char out[LIMIT_NAME_BYTES + 1])
{
    const char *text = reader_string(r, key);
    size_t n = strlen(text);
    if (n == 0 || n > LIMIT_NAME_BYTES)
        reader_fail(r, key, "must have 1 to 128 bytes");
    else
        memcpy(out, text, n + 1);
}

_Static_assert(LIMIT_NAME_BYTES == 128, "the text above names it");

struct json_reader reader_enter(struct json_reader *r, const char *key, const json_t *object)
{
    struct json_reader inner = {.object = object, .code = r->code, .e = r->e};
    if (snprintf(inner.path, sizeof inner.path, "%s%s.", r->path, key) >= (int)sizeof inner.path)
        reader_fail(r, key, "is nested too deep");
    if (object && !json_is_object(object))
        reader_fail(r, key, "is no object");
    return inner;
}

struct json_reader reader_object(struct json_reader *r, const char *key)
{
    return reader_enter(r, key, reader_required(r, key));
}

void reader_leave(struct json_reader *r)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)r->object, key, value)
    {
        bool known = *r->code != ERR_OK;
        for (size_t i = 0; i < r->n_read && !known; i++)
            known = strcmp(r->read[i], key) == 0;
        if (!known)
            reader_fail(r, key, "is not a key of this format");
    }
}

bool reader_block(struct json_reader *r, const char *key, struct json_reader *in)
{
    const json_t *value = reader_get(r, key);
    if (!value || json_is_null(value))
        return false;
    *in = reader_enter(r, key, value);
    return true;
}

const json_t *reader_layers(struct json_reader *r, const char *key, size_t *n)
{
    const json_t *layers = reader_required(r, key);
    *n = 0;
    if (layers && !json_is_array(layers))
        reader_fail(r, key, "is no array");
    else if (json_array_size(layers) > LIMIT_LAYERS)
        reader_fail(r, key, "has more than 16 layers");
    else
        *n = json_array_size(layers);
    return layers;
}

_Static_assert(LIMIT_LAYERS == 16, "the text above names it");

struct json_reader reader_element(struct json_reader *r, const char *key, const json_t *array, size_t i)
{
    char name[48];
    (void)snprintf(name, sizeof name, "%s[%zu]", key, i);
    return reader_enter(r, name, json_array_get(array, i));
}
