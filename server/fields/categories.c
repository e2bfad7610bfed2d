#include "server/fields/categories.h"

#include <jansson.h>

bool categories_each(struct text json, bool (*fn)(void *arg, struct text name), void *arg)
{
    json_t *array = json.len ? json_loadb(json.data, json.len, 0, NULL) : NULL;
    bool goes_on = true;
    for (size_t i = 0; i < json_array_size(array) && goes_on; i++) {
        const json_t *name = json_array_get(array, i);
        if (json_is_string(name))
            goes_on = fn(arg, (struct text){json_string_value(name), json_string_length(name)});
    }
    json_decref(array);
    return goes_on;
}
