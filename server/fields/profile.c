/* jansson parses; this file only decides what text a value has. */
#include "server/fields/profile.h"

#include "base/value_text.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* The text of a value; NULL: it has none. */
static const char *shown_text(const json_t *value, char room[VALUE_TEXT_ROOM])
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return value_text(json_string_value(value), room);
    case JSON_INTEGER: /* all its digits, of which a double would lose some */
        (void)snprintf(room, VALUE_TEXT_ROOM, "%lld", (long long)json_integer_value(value));
        return room;
    case JSON_REAL:
        value_text_of_number(json_real_value(value), room);
        return room;
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    default:
        return NULL;
    }
}

/* Whom to tell, and whether of values without a text too. */
struct listener {
    profile_fn *fn;
    void *arg;
    bool nested;
};

static bool give(const struct listener *l, const char *field, const json_t *value)
{
    char room[VALUE_TEXT_ROOM];
    const char *text = shown_text(value, room);
    return text || (l->nested && !json_is_null(value)) ? l->fn(l->arg, field, text) : true;
}

static bool is_text(const json_t *value, const char *wanted)
{
    char room[VALUE_TEXT_ROOM];
    const char *text = shown_text(value, room);
    return text && strcmp(text, wanted) == 0;
}

static enum err_code each(const char *json, size_t len, const struct listener *l, struct err *e)
{
    if (len == 0)
        return ERR_OK;
    json_error_t where;
    json_t *root = json_loadb(json, len, 0, &where);
    if (!root || !json_is_object(root)) {
        json_decref(root);
        return err_set(e, ERR_INVALID, "a profile must be a JSON object");
    }
    const char *field;
    json_t *value;
    bool go_on = true;
    json_object_foreach(root, field, value)
    {
        if (!go_on)
            break;
        if (!json_is_array(value)) {
            go_on = give(l, field, value);
            continue;
        }
        for (size_t i = 0; go_on && i < json_array_size(value); i++)
            go_on = give(l, field, json_array_get(value, i));
    }
    json_decref(root);
    return ERR_OK;
}

enum err_code profile_each(const char *json, size_t len, profile_fn *fn, void *arg, struct err *e)
{
    return each(json, len, &(struct listener){fn, arg, false}, e);
}

enum err_code profile_each_given(const char *json, size_t len, profile_fn *fn, void *arg, struct err *e)
{
    return each(json, len, &(struct listener){fn, arg, true}, e);
}

enum err_code profile_without(const char *json, size_t len, const char *field, const char *value,
                              struct buf *out, struct err *e)
{
    json_error_t where;
    json_t *root = json_loadb(json, len, 0, &where), *held = json_object_get(root, field);
    enum err_code code = ERR_OK;
    if (!root && json_error_code(&where) == json_error_out_of_memory)
        return err_set(e, ERR_NOMEM, "no memory for a profile");
    if (!json_is_object(root)) {
        json_decref(root);
        return err_set(e, ERR_INVALID, "a profile must be a JSON object");
    }
    for (size_t i = json_array_size(held); i-- > 0;)
        if (is_text(json_array_get(held, i), value))
            (void)json_array_remove(held, i);
    if (held && is_text(held, value))
        (void)json_object_del(root, field);
    size_t n = json_dumpb(root, NULL, 0, JSON_COMPACT);
    char *room = buf_reserve(out, n);
    if (room && json_dumpb(root, room, n, JSON_COMPACT) == n)
        out->len += n;
    code = buf_check(out, "a profile", e);
    json_decref(root);
    return code;
}
