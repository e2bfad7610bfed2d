/* GET /v1/users/{user}/similar. All contexts are looked at, so it has the worker of scans. */
#include "server/api/api.h"

#include "base/limits.h"
#include "server/http/problem.h"
#include "server/serving/similar_users.h"

#include <string.h>

static bool is_left(void *arg)
{
    return request_is_left(arg);
}

static void refuse(struct api_thread *t, struct request *r, const struct model *m, const struct err *e)
{
    if (e->code == ERR_NOTFOUND)
        problem_answer(r, PROBLEM_UNKNOWN_USER, NULL, "%s", e->text);
    else if (e->code == ERR_CONFLICT)
        problem_answer(r, api_context_problem(m), NULL, "%s", e->text);
    else
        api_fail(t, r, e);
}

static void answer(struct request *r, const struct model_spec *spec, struct text user,
                   const struct similar_users *found)
{
    struct buf *out = request_answer(r, 200, request_json);
    buf_adds(out, "{\"user\":");
    buf_add_json_string(out, user.data, user.len);
    buf_adds(out, ",\"model\":");
    buf_add_json_string(out, spec->name, strlen(spec->name));
    buf_adds(out, ",\"model_version\":");
    buf_add_json_string(out, spec->version, strlen(spec->version));
    buf_adds(out, ",\"users\":[");
    for (size_t i = 0; i < found->best.n; i++) {
        const struct best_user *u = best_users_at(&found->best, i);
        buf_adds(out, i ? ",{\"id\":" : "{\"id\":");
        buf_add_json_string(out, u->id, u->len);
        buf_adds(out, ",\"score\":");
        buf_add_float(out, (float)u->score);
        buf_addc(out, '}');
    }
    buf_adds(out, "]}");
}

void api_similar_users_get(struct api_thread *t, struct request *r)
{
    struct similar_users found = {.most = 10, .stop = is_left, .arg = r};
    struct model_handle *handle;
    struct text user;
    struct err e = {0};
    if (!api_user_id(r, 2, &user) || !api_model(t, r, &handle) ||
        !api_count_param(r, "limit", 1, LIMIT_RECOMMENDATIONS, &found.most))
        return;
    if (similar_users_find(&t->session, handle, user, &found, &e))
        refuse(t, r, handle->model, &e);
    else
        answer(r, &handle->model->spec, user, &found);
    similar_users_fini(&found);
}
