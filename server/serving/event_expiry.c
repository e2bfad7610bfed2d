#include "server/serving/event_expiry.h"

#include "base/clock.h"
#include "server/items/item_index.h"
#include "server/items/item_snapshot.h"

enum {
    WORK_MS = 50, /* of a call: a sweep of a million interactions takes some seconds of calls */
    REST_S = 60   /* between two sweeps */
};

/* Whether the item is beyond a model's own, whose row is made of who took it. */
static bool moves(void *arg, int64_t item_key)
{
    const struct model_set *set = arg;
    bool beyond = false;
    for (size_t i = 0; i < set->n && !beyond; i++) {
        unsigned version;
        struct item_snapshot *items = served_model_items(set->models[i], &version);
        const struct item_index *index = item_snapshot_items(items);
        beyond = item_index_index(index, item_key) >= (long)set->models[i]->model->spec.n_items ||
                 !item_index_knows(index, item_key);
        item_snapshot_unref(items);
    }
    return beyond;
}

static bool has_end(void *arg, const struct store_kind *kind)
{
    bool *any = arg;
    *any = *any || kind->ttl > 0;
    return !*any;
}

enum err_code event_expiry_work(struct event_expiry *x, struct store_conn *c, int64_t *n, struct err *e)
{
    int64_t now_ns = clock_monotonic_ns(), end_ns = now_ns + (int64_t)WORK_MS * 1000000, gone;
    enum err_code code = ERR_OK;
    bool any = x->serving->keep_events_s > 0;
    *n = 0;
    if (x->at == 0 && now_ns < x->rest_until_ns)
        return ERR_OK;
    struct model_set *set = serving_models(x->serving);
    const struct store_expiry expiry = {
        .now = clock_unix_s(), .keep = x->serving->keep_events_s, .moves = moves, .arg = set};
    if (!any)
        code = store_each_kind(c, has_end, &any, e);
    do {
        gone = 0;
        if (any && !code)
            code = store_expire(c, &expiry, &x->at, &gone, e);
        *n += gone;
    } while (!code && any && x->at && clock_monotonic_ns() < end_ns);
    if (!code && (!any || !x->at)) {
        x->at = 0;
        x->rest_until_ns = now_ns + (int64_t)REST_S * 1000000000;
    }
    model_set_unref(set);
    if (*n) /* items that moved are followed from here on, as after any write */
        atomic_store(&x->serving->written_to, true);
    return code;
}
