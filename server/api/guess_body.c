#include "server/api/guess_body.h"

#include "base/clock.h"
#include "base/limits.h"
#include "server/api/json_body.h"
#include "server/http/problem.h"

#include <string.h>

enum { BUDGET_SECONDS = 2, DEFAULT_MOST = 3 };

int64_t guess_body_until(void)
{
    return clock_monotonic_ns() + (int64_t)BUDGET_SECONDS * 1000000000;
}

/* Of a struct request. */
static void tell_unknown(void *arg, size_t i, const char *text)
{
    struct json_place at = json_place_root();
    at = json_place_key(&at, i == SIZE_MAX ? "after" : "candidates");
    if (i != SIZE_MAX)
        at = json_place_index(&at, i);
    problem_answer(arg, PROBLEM_UNKNOWN_TASK, at.text, "%s", text);
}

static bool read_candidates(struct request *r, const json_t *root, const struct json_place *at,
                            const json_t **out)
{
    struct json_place list = json_place_key(at, "candidates");
    struct text id;
    *out = NULL;
    if (!json_body_array(r, root, "candidates", at, LIMIT_TASKS_PER_CALL, false, out))
        return false;
    bool ok = true;
    for (size_t i = 0; i < json_array_size(*out); i++) {
        struct json_place place = json_place_index(&list, i);
        ok = json_body_id_value(r, json_array_get(*out, i), "task", &place, &id) && ok;
    }
    return ok;
}

static bool read_after(struct request *r, const json_t *root, const struct json_place *at,
                       struct guess_candidates *c)
{
    const json_t *value = json_object_get(root, "after");
    struct json_place place = json_place_key(at, "after");
    c->after = (struct text){NULL, 0};
    if (!value)
        return true;
    if (!json_body_id_value(r, value, "task", &place, &c->after))
        return false;
    if (!c->named)
        return true;
    problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "candidates are all looked at: leave after out");
    return false;
}

bool guess_body_limit(struct request *r, const json_t *root, const struct json_place *at, size_t *out)
{
    const json_t *value = json_object_get(root, "limit");
    struct json_place place = json_place_key(at, "limit");
    json_int_t n = value ? json_integer_value(value) : DEFAULT_MOST;
    *out = (size_t)n;
    if (n >= 1 && n <= LIMIT_TASK_GUESSES)
        return true;
    problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "expected a whole number from 1 to %d",
                   LIMIT_TASK_GUESSES);
    return false;
}

bool guess_body_read(struct request *r, const json_t *root, const struct json_place *at,
                     struct guess_candidates *out)
{
    out->unknown = tell_unknown;
    out->arg = r;
    bool ok = read_candidates(r, root, at, &out->named);
    ok = read_after(r, root, at, out) && ok;
    return guess_body_limit(r, root, at, &out->most) && ok;
}

void guess_body_head(struct buf *out, const struct model_spec *spec, const char *by,
                     const struct guess_candidates *c)
{
    buf_adds(out, "{\"model\":");
    buf_add_json_string(out, spec->name, strlen(spec->name));
    buf_adds(out, ",\"model_version\":");
    buf_add_json_string(out, spec->version, strlen(spec->version));
    buf_addf(out,
             ",\"guess\":true,\"by\":\"%s\",\"compared\":%zu,\"looked_at\":%zu,\"of\":%zu,\"complete\":%s",
             by, c->n_compared, c->n_looked, c->n_all, c->complete ? "true" : "false");
    if (!c->complete) {
        buf_adds(out, ",\"next\":");
        buf_add_json_string(out, c->next, strlen(c->next));
    }
}
