/* jansson parses; this file only decides what text a value has. */
#include "server/profile.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The shortest decimal that reads back to the same double. */
static void number_text(double x, char out[32])
{
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(out, 32, "%.*g", digits, x);
        if (strtod(out, NULL) == x)
            return;
    }
}

static bool give(profile_fn *fn, void *arg, const char *field, const json_t *value)
{
    char text[32];
    switch (json_typeof(value)) {
    case JSON_STRING:
        return fn(arg, field, json_string_value(value));
    case JSON_INTEGER:
        (void)snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
        return fn(arg, field, text);
    case JSON_REAL:
        number_text(json_real_value(value), text);
        return fn(arg, field, text);
    case JSON_TRUE:
        return fn(arg, field, "true");
    case JSON_FALSE:
        return fn(arg, field, "false");
    default:
        return true;
    }
}

enum err_code profile_each(const char *json, size_t len, profile_fn *fn, void *arg, struct err *e)
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
            go_on = give(fn, arg, field, value);
            continue;
        }
        for (size_t i = 0; go_on && i < json_array_size(value); i++)
            go_on = give(fn, arg, field, json_array_get(value, i));
    }
    json_decref(root);
    return ERR_OK;
}
