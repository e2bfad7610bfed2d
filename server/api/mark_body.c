/* A list that cannot be marked is answered all the same: it is right, and the member `marked` says what is
 * not. */
#include "server/api/mark_body.h"

#include "base/limits.h"
#include "base/log.h"
#include "server/api/json_body.h"
#include "server/serving/shown_marks.h"

#include <string.h>

enum { MOST_DELAY_S = 86400 };

static bool refuse(struct request *r, const struct json_place *at, const char *key, const char *why)
{
    struct json_place place = json_place_key(at, key);
    problem_answer(r, PROBLEM_INVALID_VALUE, key ? place.text : at->text, "%s", why);
    return false;
}

bool mark_body_read(struct request *r, const json_t *root, bool of_users, size_t n_items,
                    struct mark_body *out)
{
    static const char *const keys[] = {"kind", "delay", NULL};
    struct json_place top = json_place_root(), at = json_place_key(&top, "mark_shown");
    const json_t *value = json_object_get(root, "mark_shown"), *kind = json_object_get(value, "kind");
    shown_list_init(&out->shown);
    if (!value)
        return true;
    bool ok = json_body_object(r, value, &at, keys);
    if (!json_is_object(value))
        return false;
    out->asked = true;
    out->kind = text_of("shown");
    ok = json_body_count(r, value, "delay", &at, 0, MOST_DELAY_S, &out->delay_s) && ok;
    if (kind && !json_is_string(kind))
        ok = refuse(r, &at, "kind", "expected the name of a kind of events");
    else if (kind)
        out->kind = (struct text){json_string_value(kind), json_string_length(kind)};
    if (!of_users) {
        problem_answer(r, PROBLEM_INVALID_VALUE, at.text, "what is shown is kept of user or users");
        return false;
    }
    if (n_items <= LIMIT_EVENTS_PER_CALL)
        return ok;
    problem_answer(r, PROBLEM_INVALID_VALUE, at.text, "a call marks at most %d items; these lists have %zu",
                   LIMIT_EVENTS_PER_CALL, n_items);
    return false;
}

void mark_body_fini(struct mark_body *m)
{
    shown_list_fini(&m->shown);
}

bool mark_body_find_kind(struct api_thread *t, struct request *r, struct mark_body *m)
{
    struct err e = {0};
    enum err_code code = store_find_kind(t->session.conn, m->kind, &m->number, &e);
    if (code == ERR_NOTFOUND)
        problem_answer(r, PROBLEM_INVALID_VALUE, "/mark_shown/kind", "%s", e.text);
    else if (code)
        api_fail(t, r, &e);
    return !code;
}

/* What failed within is for the log (problem_answer_err). */
static const char *public_text(struct api_thread *t, const struct request *r, const struct err *e)
{
    if (e->code == ERR_LIMIT || e->code == ERR_BUSY || e->code == ERR_NOMEM)
        return e->text;
    COUNTER_ADD(t->session.counters, store_errors, 1);
    log_line(LOG_ERROR, "request %s: what was shown is not marked: %s", r->id, e->text);
    return "the store could not be written to";
}

void mark_body_end(struct api_thread *t, const struct request *r, struct mark_body *m, struct buf *out)
{
    struct serving *s = t->session.serving;
    struct err why = {0}, e = {0};
    int64_t at = s->now() + (int64_t)m->delay_s;
    size_t n = m->shown.n;
    enum err_code code = ERR_OK;
    if (!buf_reserve(out, 6 * (m->kind.len + ERR_TEXT_BYTES) + 256)) /* what is marked is answered, too */
        return;
    if (m->delay_s && !s->marks)
        code = err_set(&e, ERR_INTERNAL, "nothing waits here to be marked later");
    else if (m->delay_s)
        code = shown_marks_add(s->marks, &m->shown, m->number, at, &e);
    else
        code = shown_list_record(&t->session, &m->shown, m->number, at, &n, &why, &e);
    buf_adds(out, ",\"marked\":{\"kind\":");
    buf_add_json_string(out, m->kind.data, m->kind.len);
    buf_addf(out, ",\"items\":%zu,\"at\":%lld,\"waits\":%s", code ? 0 : n, (long long)at,
             m->delay_s && !code ? "true" : "false");
    if (code || why.code) {
        const char *text = code ? public_text(t, r, &e) : why.text;
        buf_adds(out, ",\"error\":");
        buf_add_json_string(out, text, strlen(text));
    }
    buf_addc(out, '}');
}
