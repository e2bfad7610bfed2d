/* A thread of its own, since a load takes seconds in which signals are waited for. */
#include "server/serving/model_renewal.h"

#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

struct model_renewal {
    struct serving *serving;
    struct serving_counters *counters;
    pthread_t thread;
    pthread_mutex_t lock; /* guards asked and ending */
    pthread_cond_t change;
    bool asked, ending;
};

/* Tasks that the model before had learned and this one has not, whom nobody answers any more. */
static size_t count_lost(const struct model *before, const struct model *now)
{
    size_t n = 0;
    for (size_t i = 0; before->spec.trained.present && i < model_spec_n_ids(&before->spec); i++) {
        size_t len;
        const char *id = model_item_id(before, i, &len);
        n += model_item_index(now, id, len) < 0;
    }
    return n;
}

static void tell(struct serving *serving, const struct served_model *old)
{
    struct model_set *set = serving_models(serving);
    const char *name = old->model->spec.name;
    const struct served_model *next = model_set_find_any(set, name);
    size_t n_lost = next ? count_lost(old->model, next->model) : 0;
    if (next)
        log_line(LOG_INFO, "model '%s': version '%s' is served in place of '%s', from %s", name,
                 next->model->spec.version, old->model->spec.version, old->path);
    if (n_lost)
        log_line(LOG_WARN, "model '%s': the version before had learned %zu tasks that this one has not", name,
                 n_lost);
    model_set_unref(set);
}

static void renew(struct serving *serving, struct serving_counters *counters, const struct served_model *old)
{
    struct stat now;
    struct err e = {0};
    const char *name = old->model->spec.name;
    if (stat(old->path, &now)) {
        log_line(LOG_WARN, "model '%s': there is no file %s any more; it goes on as it was opened", name,
                 old->path);
        return;
    }
    if (!served_model_is_outdated(old, &now))
        return;
    if (serving_replace_model(serving, old, &e)) {
        COUNTER_ADD(counters, model_renewals_failed, 1);
        log_line(LOG_ERROR, "%s; model '%s' goes on as version '%s'", e.text, name, old->model->spec.version);
        return;
    }
    COUNTER_ADD(counters, model_renewals, 1);
    tell(serving, old);
}

void model_renewal_look(struct serving *serving, struct serving_counters *counters)
{
    struct model_set *set = serving_models(serving);
    for (size_t i = 0; i < model_set_size(set); i++)
        renew(serving, counters, set->models[i]);
    model_set_unref(set);
}

static void *model_renewal_main(void *arg)
{
    struct model_renewal *r = arg;
    pthread_mutex_lock(&r->lock);
    while (!r->ending) {
        if (r->asked) {
            r->asked = false;
            pthread_mutex_unlock(&r->lock);
            model_renewal_look(r->serving, r->counters);
            pthread_mutex_lock(&r->lock);
        } else {
            (void)pthread_cond_wait(&r->change, &r->lock);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

enum err_code model_renewal_start(struct serving *serving, struct serving_counters *counters,
                                  struct model_renewal **out, struct err *e)
{
    struct model_renewal *r = mem_zalloc_array(1, sizeof *r);
    if (!r)
        return err_set(e, ERR_NOMEM, "no memory to renew models");
    r->serving = serving;
    r->counters = counters;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->change, NULL);
    if (pthread_create(&r->thread, NULL, model_renewal_main, r)) {
        pthread_cond_destroy(&r->change);
        pthread_mutex_destroy(&r->lock);
        mem_free(r);
        return err_set(e, ERR_NOMEM, "the system refused a thread to renew models");
    }
    *out = r;
    return ERR_OK;
}

static void change(struct model_renewal *r, bool *to)
{
    pthread_mutex_lock(&r->lock);
    *to = true;
    pthread_cond_signal(&r->change);
    pthread_mutex_unlock(&r->lock);
}

void model_renewal_ask(struct model_renewal *r)
{
    change(r, &r->asked);
}

void model_renewal_stop(struct model_renewal *r)
{
    if (!r)
        return;
    change(r, &r->ending);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->change);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}
