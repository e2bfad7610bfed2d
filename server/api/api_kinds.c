/* GET and PUT /v1/admin/event-kinds: what kinds of events there are, and what they say. DELETE
 * /v1/users/{user}/interactions/{item}: what a user has with an item goes. */
#include "server/api/api.h"

#include "base/limits.h"
#include "server/api/json_body.h"
#include "server/api/kind_names.h"
#include "server/http/problem.h"

/* ---- kinds ---- */

struct shown {
    struct buf *out;
    bool any;
};

static bool add_kind(void *arg, const struct store_kind *kind)
{
    struct shown *s = arg;
    buf_adds(s->out, s->any ? ",{\"name\":" : "{\"name\":");
    buf_add_json_string(s->out, kind->name.data, kind->name.len);
    buf_addf(s->out, ",\"weight\":%.9g,\"negative\":%s,\"seen\":%s,\"ttl_seconds\":", kind->weight,
             kind->negative ? "true" : "false", kind->unseen ? "false" : "true");
    if (kind->ttl)
        buf_addf(s->out, "%lld}", (long long)kind->ttl);
    else
        buf_adds(s->out, "null}");
    s->any = true;
    return true;
}

void api_kinds_get(struct api_thread *t, struct request *r)
{
    struct err e = {0};
    struct shown s = {.out = request_answer(r, 200, request_json)};
    buf_adds(s.out, "{\"kinds\":[");
    if (store_each_kind(t->session.conn, add_kind, &s, &e)) {
        buf_fini(&r->answer);
        api_fail(t, r, &e);
        return;
    }
    buf_adds(s.out, "]}");
}

static bool read_name(struct request *r, const json_t *value, const struct json_place *at, struct text *out)
{
    const json_t *name = json_object_get(value, "name");
    if (json_is_string(name)) {
        *out = (struct text){json_string_value(name), json_string_length(name)};
        return true;
    }
    struct json_place place = json_place_key(at, "name");
    problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "a kind has a name");
    return false;
}

static bool read_kind(struct request *r, const json_t *value, const struct json_place *at,
                      struct store_kind *out)
{
    static const char *const keys[] = {"name", "weight", "negative", "seen", "ttl_seconds", NULL};
    enum { MOST_TTL = 2000000000 };
    bool ok = json_body_object(r, value, at, keys), given, seen = true;
    size_t ttl = 0;
    *out = (struct store_kind){.weight = 1};
    if (!json_is_object(value))
        return false;
    ok = read_name(r, value, at, &out->name) && ok;
    ok = json_body_number(r, value, "weight", at, 0, LIMIT_WEIGHT_MOST, &out->weight, &given) && ok;
    ok = json_body_bool(r, value, "negative", at, &out->negative) && ok;
    ok = json_body_bool(r, value, "seen", at, &seen) && ok;
    if (!json_is_null(json_object_get(value, "ttl_seconds")))
        ok = json_body_count(r, value, "ttl_seconds", at, 1, MOST_TTL, &ttl) && ok;
    out->unseen = !seen;
    out->ttl = (int64_t)ttl;
    return ok;
}

/* Reads the body's kinds; returns how many, SIZE_MAX where they are refused. */
static size_t read_kinds(struct request *r, const json_t *root, struct store_kind list[LIMIT_KINDS])
{
    static const char *const keys[] = {"kinds", NULL};
    struct json_place at = json_place_root(), place = json_place_key(&at, "kinds");
    const json_t *kinds;
    if (!json_body_object(r, root, &at, keys) || !json_is_object(root) ||
        !json_body_array(r, root, "kinds", &at, LIMIT_KINDS, true, &kinds))
        return SIZE_MAX;
    bool ok = true;
    for (size_t i = 0; i < json_array_size(kinds); i++) {
        struct json_place element = json_place_index(&place, i);
        ok = read_kind(r, json_array_get(kinds, i), &element, &list[i]) && ok;
    }
    return ok ? json_array_size(kinds) : SIZE_MAX;
}

void api_kinds_put(struct api_thread *t, struct request *r)
{
    struct store_kind list[LIMIT_KINDS];
    struct json_place at = json_place_root(), place = json_place_key(&at, "kinds");
    struct err e = {0};
    size_t failed = 0;
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    size_t n = root ? read_kinds(r, root, list) : SIZE_MAX;
    if (n != SIZE_MAX) {
        enum err_code code = update_kinds(&t->session, list, n, &failed, &e);
        struct json_place element = json_place_index(&place, failed);
        if (code == ERR_INVALID || code == ERR_CONFLICT || code == ERR_LIMIT)
            problem_answer(r, PROBLEM_INVALID_VALUE, element.text, "%s", e.text);
        else if (code)
            api_fail(t, r, &e);
        else
            api_kinds_get(t, r);
    }
    json_decref(root);
}

/* ---- one interaction ---- */

/* The number of the kind that the call names, -1 where it names none. False: answered with a refusal. */
static bool read_wanted(struct api_thread *t, struct request *r, int32_t *kind)
{
    struct text name = request_param_of(r, "kind");
    struct err e = {0};
    *kind = -1;
    if (!name.data)
        return true;
    enum err_code code = store_find_kind(t->session.conn, name, kind, &e);
    if (code == ERR_NOTFOUND)
        problem_answer(r, PROBLEM_INVALID_VALUE, NULL, "kind: %s", e.text);
    else if (code)
        api_fail(t, r, &e);
    return !code;
}

void api_interaction_delete(struct api_thread *t, struct request *r)
{
    struct text user, item;
    int32_t kind;
    int64_t n, revision = 0;
    struct err e = {0};
    if (!api_user_id(r, 2, &user) || !api_item_id(r, 4, &item) || !read_wanted(t, r, &kind))
        return;
    enum err_code code = update_remove(&t->session, user, item, kind, &n, &revision, &e);
    if (code == ERR_NOTFOUND)
        problem_answer(r, PROBLEM_UNKNOWN_USER, NULL, "%s", e.text);
    else if (code)
        api_fail(t, r, &e);
    else if (n == 0)
        problem_answer(r, PROBLEM_NO_ITEM, NULL, "the user has no such interaction with item '%.*s'",
                       (int)item.len, item.data);
    else
        buf_addf(request_answer(r, 200, request_json), "{\"removed\":%lld,\"revision\":%lld}", (long long)n,
                 (long long)revision);
}
