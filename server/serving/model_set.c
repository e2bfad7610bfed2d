/* Counts of references are touched where a set or a table changes hands, which is once a thread and change,
 * never once a
 * request. */
#include "server/serving/model_set.h"

#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

/* ---- models ---- */

static void enlist(struct loaded_models *all, struct served_model *s)
{
    pthread_mutex_lock(&all->lock);
    s->among = all;
    s->after = all->first;
    if (all->first)
        all->first->before = s;
    all->first = s;
    pthread_mutex_unlock(&all->lock);
}

static void strike(struct served_model *s)
{
    pthread_mutex_lock(&s->among->lock);
    if (s->before)
        s->before->after = s->after;
    else
        s->among->first = s->after;
    if (s->after)
        s->after->before = s->before;
    pthread_mutex_unlock(&s->among->lock);
}

/* With the lock. */
static enum err_code settle(struct served_model *s, struct err *e)
{
    ASSERT_HELD(&s->among->lock);
    struct model *m = s->model;
    struct err why = {0};
    bool settled;
    if (model_settle(m, &settled, &why))
        return err_set(e, why.code, "model '%s': somebody writes to its file: %s", m->spec.name, why.text);
    if (settled)
        log_line(LOG_WARN,
                 "model '%s': somebody writes to its file; the server goes on with a copy of what it "
                 "opened, and the next start or SIGHUP takes what is there then",
                 m->spec.name);
    return ERR_OK;
}

enum err_code served_model_settle(struct served_model *m, struct err *e)
{
    pthread_mutex_lock(&m->among->lock);
    enum err_code code = settle(m, e);
    pthread_mutex_unlock(&m->among->lock);
    return code;
}

enum err_code loaded_models_settle(struct loaded_models *all, struct err *e)
{
    enum err_code code = ERR_OK;
    pthread_mutex_lock(&all->lock);
    for (struct served_model *m = all->first; m; m = m->after) {
        enum err_code failed = settle(m, e);
        code = code ? code : failed;
    }
    pthread_mutex_unlock(&all->lock);
    return code;
}

enum err_code served_model_new(struct loaded_models *all, struct model *m, uint64_t uid, const char *path,
                               const struct stat *file, struct served_model **out, struct err *e)
{
    size_t n_path = strlen(path) + 1;
    struct served_model *s = mem_zalloc_array(1, sizeof *s);
    if (!s || !(s->path = mem_alloc(n_path))) {
        mem_free(s);
        return err_set(e, ERR_NOMEM, "no memory to serve model '%s'", m->spec.name);
    }
    memcpy(s->path, path, n_path);
    s->file = *file;
    atomic_init(&s->n_refs, 1);
    s->uid = uid;
    s->model = model_ref(m);
    pthread_mutex_init(&s->lock, NULL);
    enlist(all, s);
    *out = s;
    return ERR_OK;
}

void served_model_unref(struct served_model *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->n_refs, 1, memory_order_acq_rel) != 1)
        return;
    strike(m); /* first: whoever goes over the list finds whole models */
    batcher_free(m->batcher);
    item_snapshot_unref(m->items);
    pthread_mutex_destroy(&m->lock);
    model_unref(m->model);
    mem_free(m->path);
    mem_free(m);
}

bool served_model_is_outdated(const struct served_model *m, const struct stat *now)
{
    const struct stat *was = &m->file;
    return was->st_dev != now->st_dev || was->st_ino != now->st_ino || was->st_size != now->st_size ||
           was->st_mtim.tv_sec != now->st_mtim.tv_sec || was->st_mtim.tv_nsec != now->st_mtim.tv_nsec;
}

void served_model_publish_items(struct served_model *m, struct item_snapshot *items)
{
    pthread_mutex_lock(&m->lock);
    struct item_snapshot *old = m->items;
    m->items = items;
    atomic_store_explicit(&m->n_unranked, item_index_n_left_out(item_snapshot_items(items)),
                          memory_order_relaxed);
    atomic_fetch_add_explicit(&m->items_version, 1, memory_order_release);
    pthread_mutex_unlock(&m->lock);
    item_snapshot_unref(old);
}

struct item_snapshot *served_model_items(struct served_model *m, unsigned *version)
{
    pthread_mutex_lock(&m->lock);
    struct item_snapshot *items = item_snapshot_ref(m->items);
    *version = atomic_load_explicit(&m->items_version, memory_order_relaxed);
    pthread_mutex_unlock(&m->lock);
    return items;
}

/* ---- sets ---- */

static void add(struct model_set *set, struct served_model *m, enum model_kind kind)
{
    size_t *const counts[MODEL_KINDS] = {&set->n, &set->n_tasks, &set->n_images, &set->n_trained};
    if (!m || served_model_kind(m) != kind)
        return;
    atomic_fetch_add_explicit(&m->n_refs, 1, memory_order_relaxed);
    set->models[model_set_size(set)] = m;
    *counts[kind] += 1;
}

enum err_code model_set_new(const struct model_set *old, const struct served_model *gone,
                            struct served_model *added, struct model_set **out, struct err *e)
{
    size_t n = old ? model_set_size(old) : 0;
    struct model_set *set = mem_zalloc_array(1, sizeof *set + (n + 1) * sizeof set->models[0]);
    if (!set)
        return err_set(e, ERR_NOMEM, "no memory for a set of models");
    atomic_init(&set->n_refs, 1);
    for (int kind = 0; kind < MODEL_KINDS; kind++) {
        for (size_t i = 0; i < n; i++)
            add(set, old->models[i] == gone ? added : old->models[i], (enum model_kind)kind);
        add(set, gone ? NULL : added, (enum model_kind)kind);
    }
    *out = set;
    return ERR_OK;
}

struct model_set *model_set_ref(struct model_set *set)
{
    atomic_fetch_add_explicit(&set->n_refs, 1, memory_order_relaxed);
    return set;
}

void model_set_unref(struct model_set *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->n_refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < model_set_size(set); i++)
        served_model_unref(set->models[i]);
    mem_free(set);
}

static struct served_model *find(struct served_model *const *models, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!name || strcmp(models[i]->model->spec.name, name) == 0)
            return models[i];
    return NULL;
}

struct served_model *model_set_find(const struct model_set *set, const char *name)
{
    return find(set->models, set->n, name);
}

struct served_model *model_set_find_task(const struct model_set *set, const char *name)
{
    return find(set->models + set->n, set->n_tasks, name);
}

struct served_model *model_set_find_images(const struct model_set *set, const char *name)
{
    return find(set->models + set->n + set->n_tasks, set->n_images, name);
}

struct served_model *model_set_find_trained(const struct model_set *set, const char *name)
{
    return find(set->models + set->n + set->n_tasks + set->n_images, set->n_trained, name);
}

struct served_model *model_set_find_any(const struct model_set *set, const char *name)
{
    return find(set->models, model_set_size(set), name);
}

/* ---- keys ---- */

size_t model_key(uint64_t uid, enum weights_kind kind, struct text id, char key[MODEL_KEY_BYTES])
{
    assert(id.len <= LIMIT_ID_BYTES);
    memcpy(key, &uid, sizeof uid);
    key[sizeof uid] = (char)kind;
    if (id.len)
        memcpy(key + sizeof uid + 1, id.data, id.len);
    return sizeof uid + 1 + id.len;
}

bool model_key_read(const char *key, size_t len, uint64_t *uid, struct text *id)
{
    if (len <= sizeof *uid + 1 || key[sizeof *uid] == WEIGHTS_OF_PRIOR)
        return false;
    memcpy(uid, key, sizeof *uid);
    *id = (struct text){key + sizeof *uid + 1, len - sizeof *uid - 1};
    return true;
}
