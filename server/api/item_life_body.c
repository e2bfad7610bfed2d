#include "server/api/item_life_body.h"

#include "base/limits.h"
#include "server/fields/field_value.h"
#include "server/http/problem.h"

#include <math.h>

/* A time that may lie ahead, in seconds since 1970 or as text; null: none. *given: there is a member. */
static bool read_time(struct request *r, const json_t *object, const char *key, const struct json_place *at,
                      int64_t none, bool *given, int64_t *out)
{
    const json_t *value = json_object_get(object, key);
    struct json_place place = json_place_key(at, key);
    struct text text = {json_string_value(value), json_string_length(value)};
    double number = json_number_value(value);
    *given = value != NULL;
    *out = none;
    if (!value || json_is_null(value))
        return true;
    if (json_is_number(value) && number >= 1 && number < LIMIT_LIFE_SECONDS + 1.0) {
        *out = (int64_t)floor(number);
        return true;
    }
    if (text.data && field_value_time(text, out) && *out >= 1 && *out <= LIMIT_LIFE_SECONDS)
        return true;
    problem_answer(
        r, PROBLEM_INVALID_VALUE, place.text,
        "expected seconds since 1970 (not milliseconds) up to the year 9999, or a time as text, as "
        "2026-11-30T10:00:00Z");
    return false;
}

bool item_life_body_read(struct request *r, const json_t *object, const struct json_place *at,
                         struct item_registration *g)
{
    struct store_item_life *life = &g->item.life;
    struct json_place until_at = json_place_key(at, "available_until");
    const json_t *hidden = json_object_get(object, "hidden");
    g->has_hidden = hidden != NULL;
    bool ok = json_is_null(hidden) || json_body_bool(r, object, "hidden", at, &life->hidden);
    ok = read_time(r, object, "available_from", at, STORE_ALWAYS_FROM, &g->has_from, &life->from) && ok;
    ok = read_time(r, object, "available_until", at, STORE_ALWAYS_UNTIL, &g->has_until, &life->until) && ok;
    ok = read_time(r, object, "created", at, 0, &g->has_created, &life->created) && ok;
    if (!ok || life->from < life->until)
        return ok;
    problem_answer(r, PROBLEM_INVALID_VALUE, until_at.text,
                   "an item is available until after it is available from");
    return false;
}

void item_life_body_add(struct buf *out, const struct store_item_life *life)
{
    if (life->hidden)
        buf_adds(out, ",\"hidden\":true");
    if (life->from != STORE_ALWAYS_FROM)
        buf_addf(out, ",\"available_from\":%lld", (long long)life->from);
    if (life->until != STORE_ALWAYS_UNTIL)
        buf_addf(out, ",\"available_until\":%lld", (long long)life->until);
    if (life->created)
        buf_addf(out, ",\"created\":%lld", (long long)life->created);
}
