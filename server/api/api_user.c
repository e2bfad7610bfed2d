/* GET /v1/users/{user}: what is known of a user. */
#include "server/api/api.h"

#include "server/api/kind_names.h"
#include "server/fields/profile_known.h"
#include "server/http/problem.h"

#include <math.h>
#include <string.h>

/* Interactions shown, newest first; the count tells how many there are. */
enum { MAX_SHOWN = 100 };

static void add_interaction(struct buf *out, const struct item_snapshot *items, size_t index,
                            const struct store_interaction *x, const char *kind)
{
    size_t len;
    const char *id = item_index_id(item_snapshot_items(items), index, &len);
    buf_adds(out, "{\"item\":");
    buf_add_json_string(out, id, len);
    buf_addf(out, ",\"kind\":\"%s\",\"count\":%d", kind, x->count ? (int)x->count : 1);
    buf_addf(out, ",\"weight\":%.9g", x->weight);
    if (!isnan(x->rating))
        buf_addf(out, ",\"rating\":%.9g", x->rating);
    buf_addf(out, ",\"timestamp\":%lld,\"first\":%lld,\"last\":%lld}", (long long)x->timestamp,
             (long long)(x->first ? x->first : x->timestamp), (long long)x->timestamp);
}

static enum err_code add_interactions(struct model_handle *handle, const struct store_user *u,
                                      struct kind_names *kinds, struct buf *out, struct err *e)
{
    const struct item_snapshot *items = model_handle_items(handle);
    size_t shown = 0;
    enum err_code code = ERR_OK;
    const char *kind = NULL;
    buf_addf(out, ",\"n_interactions\":%zu,\"interactions\":[", u->n_interactions);
    for (size_t i = u->n_interactions; i-- > 0 && shown < MAX_SHOWN && !code;) {
        long index = item_index_index(item_snapshot_items(items), u->interactions[i].item_key);
        code = kind_names_of(kinds, u->interactions[i].kind, &kind, e);
        if (code || index < 0)
            continue; /* an item that this model does not have */
        if (shown++)
            buf_addc(out, ',');
        add_interaction(out, items, (size_t)index, &u->interactions[i], kind);
    }
    buf_addc(out, ']');
    return code;
}

static const char *source_of(const struct model_spec *spec, const struct store_user *u)
{
    if (u->embedding_given)
        return "embedding";
    if (u->n_interactions)
        return "interactions";
    return profile_known(spec, (struct text){u->profile.data, u->profile.len}) ? "profile" : "prior";
}

void api_user_get(struct api_thread *t, struct request *r)
{
    struct text id;
    struct model_handle *handle;
    struct err e = {0};
    if (!api_user_id(r, 2, &id) || !api_model(t, r, &handle))
        return;
    const struct model_spec *spec = &handle->model->spec;
    struct store_context_key key = {spec->name, spec->version, "user"};
    struct store_user *u = recommender_user_record(t->session.recommender);
    if (store_read_user(t->session.conn, id, &key, u, &e)) {
        if (e.code == ERR_NOTFOUND)
            problem_answer(r, PROBLEM_UNKNOWN_USER, NULL, "%s", e.text);
        else
            api_fail(t, r, &e);
        return;
    }
    struct buf *out = request_answer(r, 200, request_json);
    buf_adds(out, "{\"user\":");
    buf_add_json_string(out, id.data, id.len);
    buf_addf(out, ",\"revision\":%lld,\"source\":\"%s\",\"profile\":", (long long)u->revision,
             source_of(spec, u));
    if (u->profile.len)
        buf_add(out, u->profile.data, u->profile.len);
    else
        buf_adds(out, "null");
    struct kind_names kinds;
    kind_names_init(&kinds, t->session.conn);
    if (add_interactions(handle, u, &kinds, out, &e)) {
        buf_fini(&r->answer);
        api_fail(t, r, &e);
        return;
    }
    buf_addc(out, '}');
}
