#include "server/api/interaction_body.h"

#include "base/limits.h"
#include "server/http/problem.h"

#include <math.h>
#include <string.h>

/* A text of 1 to `most` bytes; absent: none. */
static bool read_text(struct request *r, const json_t *object, const char *key, size_t most,
                      const struct json_place *at, struct text *out)
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        return true;
    struct json_place place = json_place_key(at, key);
    size_t n = json_is_string(value) ? json_string_length(value) : 0;
    if (n == 0 || n > most || memchr(json_string_value(value), 0, n)) {
        problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "a text of 1 to %zu bytes", most);
        return false;
    }
    *out = (struct text){json_string_value(value), n};
    return true;
}

bool interaction_body_read(struct request *r, const json_t *value, const struct json_place *at, bool of_event,
                           int64_t now, struct kind_names *kinds, struct update_interaction *out)
{
    static const char *const event_keys[] = {"item", "weight", "rating", "timestamp",
                                             "user", "kind",   "id",     NULL};
    static const char *const keys[] = {"item", "weight", "rating", "timestamp", "kind", "id", NULL};
    *out = (struct update_interaction){.weight = 1, .rating = (double)NAN, .timestamp = now};
    bool ok = json_body_object(r, value, at, of_event ? event_keys : keys);
    if (!json_is_object(value))
        return false;
    ok = (!of_event || json_body_id(r, value, "user", "user", at, &out->user)) && ok;
    ok = json_body_id(r, value, "item", "item", at, &out->item) && ok;
    ok = json_body_weight(r, value, at, &out->weight) && ok;
    ok = json_body_rating(r, value, at, &out->rating) && ok;
    ok = read_text(r, value, "kind", LIMIT_KIND_BYTES, at, &out->kind_name) && ok;
    ok = read_text(r, value, "id", LIMIT_EVENT_ID_BYTES, at, &out->event_id) && ok;
    ok = (!kinds || kind_names_find(kinds, r, at, out)) && ok;
    return json_body_timestamp(r, value, at, now, &out->timestamp, &out->timed) && ok;
}
