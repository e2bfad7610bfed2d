/* GET /v1/items/{item}/users. All contexts are looked at, so it has the worker of scans. */
#include "server/api/api.h"

#include "base/limits.h"
#include "server/http/problem.h"
#include "server/serving/item_updates.h"
#include "server/serving/item_users.h"

#include <string.h>

static bool is_left(void *arg)
{
    return request_is_left(arg);
}

static void answer(struct request *r, const struct model_spec *spec, struct text item,
                   const struct item_users *found)
{
    struct buf *out = request_answer(r, 200, request_json);
    buf_adds(out, "{\"item\":");
    buf_add_json_string(out, item.data, item.len);
    buf_adds(out, ",\"model\":");
    buf_add_json_string(out, spec->name, strlen(spec->name));
    buf_adds(out, ",\"model_version\":");
    buf_add_json_string(out, spec->version, strlen(spec->version));
    buf_addf(out, ",\"looked_at\":%zu,\"scored\":%zu,\"users\":[", found->n_contexts, found->n_scored);
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

void api_item_users_get(struct api_thread *t, struct request *r)
{
    struct item_users found = {.most = 10, .stop = is_left, .arg = r};
    struct model_handle *handle;
    struct text item;
    struct err e = {0};
    bool exclude_seen = true;
    if (!api_item_id(r, 2, &item) || !api_model(t, r, &handle) ||
        !api_count_param(r, "limit", 1, LIMIT_RECOMMENDATIONS, &found.most) ||
        !api_bool_param(r, "exclude_seen", &exclude_seen))
        return;
    long index = item_snapshot_find_ranked(model_handle_items(handle), item);
    if (index < 0) {
        problem_answer(r, PROBLEM_NO_ITEM, NULL, "no answer of model '%s' may have item '%.*s'%s",
                       handle->model->spec.name, (int)item.len, item.data,
                       update_missing_item(&t->session, item));
        return;
    }
    found.item = (uint32_t)index;
    found.include_seen = !exclude_seen;
    if (item_users_find(&t->session, handle, &found, &e))
        api_fail(t, r, &e);
    else
        answer(r, &handle->model->spec, item, &found);
    item_users_fini(&found);
}
