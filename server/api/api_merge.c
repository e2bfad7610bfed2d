/* POST /v1/users/{user}/merge: what somebody did as another user becomes his, and the other is forgotten. */
#include "server/api/api.h"

#include "server/api/json_body.h"
#include "server/http/problem.h"
#include "server/serving/user_merge.h"

#include <string.h>

/* False: answered. The id is the document's. */
static bool read_from(struct request *r, const json_t *root, struct text to, struct text *from)
{
    static const char *const keys[] = {"from", NULL};
    struct json_place at = json_place_root();
    if (!json_body_object(r, root, &at, keys) || !json_body_id(r, root, "from", "user", &at, from))
        return false;
    if (from->len != to.len || memcmp(from->data, to.data, to.len) != 0)
        return true;
    problem_answer(r, PROBLEM_INVALID_VALUE, "/from", "it is the user himself");
    return false;
}

static void refuse(struct api_thread *t, struct request *r, const struct user_merge *m, const struct err *e)
{
    if (e->code == ERR_NOTFOUND)
        problem_answer(r, PROBLEM_UNKNOWN_USER, m->from_is_unknown ? "/from" : NULL, "%s", e->text);
    else if (e->code == ERR_INVALID || e->code == ERR_LIMIT)
        problem_answer(r, PROBLEM_INVALID_VALUE, "/from", "%s", e->text);
    else
        api_fail(t, r, e);
}

static void answer(struct request *r, const struct user_merge *m)
{
    struct buf *out = request_answer(r, 200, request_json);
    buf_adds(out, "{\"id\":");
    buf_add_json_string(out, m->to.data, m->to.len);
    buf_adds(out, ",\"from\":");
    buf_add_json_string(out, m->from.data, m->from.len);
    buf_addf(out, ",\"revision\":%lld,\"source\":\"%s\"}", (long long)m->revision, m->source);
}

void api_merge_post(struct api_thread *t, struct request *r)
{
    struct user_merge m = {.revision = 0};
    struct model_handle *handle;
    struct err e = {0};
    if (!api_user_id(r, 2, &m.to) || !api_model(t, r, &handle))
        return;
    m.of = handle;
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (root && read_from(r, root, m.to, &m.from)) {
        if (update_merge(&t->session, &m, &e))
            refuse(t, r, &m, &e);
        else
            answer(r, &m);
    }
    json_decref(root);
}
