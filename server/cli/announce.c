/* One line a fact, each with what to do about it. */
#include "server/cli/announce.h"

#include "base/log.h"
#include "base/talk.h"
#include "engine/network/hypernet.h"

#include <inttypes.h>

static void tell_store(const struct announcement *a, const struct serving *serving)
{
    struct store_conn *c = NULL;
    struct store_counts n;
    struct err e = {0};
    enum err_code code = store_connect(serving->store, &c, &e);
    if (!code)
        code = store_count_served(c, &n, &e);
    if (code)
        log_line(LOG_WARN, "store %s: %s", a->store, e.text);
    else
        log_line(LOG_INFO, "store %s: %" PRId64 " user%s, %" PRId64 " item%s", a->store, n.n_users,
                 talk_s(n.n_users), n.n_items, talk_s(n.n_items));
    if (!code && n.n_tasks)
        log_line(LOG_INFO, "store %s: %" PRId64 " task%s", a->store, n.n_tasks, talk_s(n.n_tasks));
    store_disconnect(c);
}

static void tell_models(struct serving *serving)
{
    struct model_set *set = serving_models(serving);
    for (size_t i = set->n; i < set->n + set->n_tasks; i++) {
        const struct model_spec *spec = &set->models[i]->model->spec;
        log_line(LOG_INFO, "model '%s' version '%s': predicts '%s' of tasks by %zu column%s%s%s", spec->name,
                 spec->version, spec->task.target, spec->task.columns.n,
                 talk_s((int64_t)spec->task.columns.n), i > set->n ? "; asked for by ?model=" : "",
                 i > set->n ? spec->name : "");
    }
    for (size_t i = 0; i < set->n; i++) {
        const struct model_spec *spec = &set->models[i]->model->spec;
        log_line(LOG_INFO, "model '%s' version '%s': %zu item%s%s%s", spec->name, spec->version,
                 spec->n_items, talk_s((int64_t)spec->n_items),
                 i ? "; asked for by ?model=" : "; answers unless another is asked for", i ? spec->name : "");
    }
    for (size_t first = set->n + set->n_tasks, i = first; i < first + set->n_images; i++) {
        const struct model_spec *spec = &set->models[i]->model->spec;
        const struct image_spec *images = &spec->images.images;
        bool named = i > first || set->n_tasks;
        log_line(
            LOG_INFO,
            "model '%s' version '%s': tells classes of tasks by images of %zu x %zu with %zu channel%s%s%s",
            spec->name, spec->version, images->height, images->width, images->n_channels,
            talk_s((int64_t)images->n_channels), named ? "; asked for by ?model=" : "",
            named ? spec->name : "");
    }
    for (size_t first = model_set_size(set) - set->n_trained, i = first; i < model_set_size(set); i++) {
        const struct model_spec *spec = &set->models[i]->model->spec;
        char dims[128];
        bool named = i > first || set->n_tasks || set->n_images;
        log_line(LOG_INFO, "model '%s' version '%s': tells classes of %zu trained task%s by inputs of %s%s%s",
                 spec->name, spec->version, spec->trained.n_tasks, talk_s((int64_t)spec->trained.n_tasks),
                 trained_spec_dims_text(&spec->trained, dims, sizeof dims),
                 named ? "; asked for by ?model=" : "", named ? spec->name : "");
    }
    model_set_unref(set);
}

/* A model whose networks the cache has no room for makes one anew for each call. */
static void tell_not_kept(struct serving *serving)
{
    struct model_set *set = serving_models(serving);
    size_t most = weights_cache_most_bytes(serving->cache);
    for (size_t i = 0; i < model_set_size(set); i++) {
        const struct model_spec *spec = &set->models[i]->model->spec;
        struct theta_layout layout;
        theta_layout_of(spec, &layout);
        if (most && layout.len * sizeof(real) > most)
            log_line(
                LOG_WARN,
                "model '%s' version '%s': a network of %zu bytes is generated anew for each call, as the "
                "cache keeps none of more than %zu; give --cache-bytes more",
                spec->name, spec->version, layout.len * sizeof(real), most);
    }
    model_set_unref(set);
}

static void tell_access(const struct announcement *a)
{
    if (a->admin_token_file)
        log_line(LOG_INFO, "admin calls (/v1/admin/...) need the token in %s", a->admin_token_file);
    else
        log_line(LOG_INFO, "admin calls (/v1/admin/...) are off: --admin-token-file FILE turns them on");
    if (a->api_token_file)
        log_line(LOG_INFO, "all other calls need the token in %s", a->api_token_file);
    else
        log_line(LOG_INFO,
                 "all other calls are open to %s without a token: --api-token-file FILE asks for one",
                 a->anonymous ? "everybody who reaches this address" : "this machine alone");
}

void announce_start(const struct announcement *a, struct serving *serving)
{
    tell_store(a, serving);
    tell_models(serving);
    tell_not_kept(serving);
    tell_access(a);
    if (!a->warm_file)
        log_line(LOG_INFO,
                 "the next start knows no user of this one: --warm-file FILE makes it a warm start");
    log_line(LOG_INFO, "the calls are described at %s/openapi.json", a->url);
}
