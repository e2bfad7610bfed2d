/* Sets of models and item tables are replaced as a whole: readers keep what they hold, and no reader waits
 * for a load. Whoever replaces one holds `following`. More than 600 lines, since loading, following and
 * replacing share what that guards. */
#include "server/serving/served_models.h"
#include "server/serving/item_clock.h"
#include "server/serving/page_weights.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/network/hypernet.h"
#include "server/serving/item_trends.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { WRITE_WAIT_S = 10 }; /* how long a write waits for the process's other ones */

/* ---- models ---- */

struct model_set *serving_models(struct serving *s)
{
    pthread_mutex_lock(&s->set_lock);
    struct model_set *set = model_set_ref(atomic_load_explicit(&s->models, memory_order_relaxed));
    pthread_mutex_unlock(&s->set_lock);
    return set;
}

/* The newest set for who holds `following`: nobody replaces it meanwhile. */
static struct model_set *own_models(const struct serving *s)
{
    ASSERT_HELD(&s->following);
    return atomic_load_explicit(&s->models, memory_order_relaxed);
}

/* Replaces the set; it gets the caller's reference. */
static void publish_models(struct serving *s, struct model_set *next)
{
    pthread_mutex_lock(&s->set_lock);
    struct model_set *old = own_models(s);
    atomic_store_explicit(&s->models, next, memory_order_relaxed);
    pthread_mutex_unlock(&s->set_lock);
    model_set_unref(old);
}

/* Whether a set has room for a model, in the place of `old` where that is not NULL. */
static enum err_code check_room(const struct model_set *set, const char *path, const struct model *m,
                                const struct served_model *old, struct err *e)
{
    const struct served_model *same = model_set_find_any(set, m->spec.name);
    if (old && strcmp(old->model->spec.name, m->spec.name) != 0)
        return err_set(e, ERR_INVALID, "%s: the model there is named '%s', and '%s' is served from it", path,
                       m->spec.name, old->model->spec.name);
    if (old && same == old)
        return ERR_OK;
    if (old)
        return err_set(e, ERR_NOTFOUND, "model '%s' is not served any more", m->spec.name);
    if (same)
        return err_set(e, ERR_CONFLICT, "%s: a model named '%s' is served already; names must differ", path,
                       m->spec.name);
    if (model_set_size(set) == LIMIT_MODELS)
        return err_set(e, ERR_LIMIT, "%s: at most %d models are served by one process", path, LIMIT_MODELS);
    return ERR_OK;
}

/* What the store keeps of users is known by a model's name and version: of another network that has both,
 * the contexts of the one before would be taken for its own. */
static enum err_code check_version(const char *path, const struct model *m, const struct served_model *old,
                                   struct err *e)
{
    if (!old || strcmp(old->model->spec.version, m->spec.version) != 0 || model_is_same(old->model, m))
        return ERR_OK;
    return err_set(e, ERR_INVALID,
                   "%s: the model there is another one than '%s', which is served, and has its version '%s' "
                   "too; train it with another --model-version",
                   path, m->spec.name, m->spec.version);
}

static enum err_code check_model(struct serving *s, const char *path, const struct model *m,
                                 const struct served_model *old, struct err *e)
{
    char names[OBJECTIVE_LIST_BYTES];
    if (!model_spec_for_users(&m->spec) && !m->spec.task.present && !m->spec.images.present &&
        !m->spec.trained.present)
        return err_set(
            e, ERR_INVALID,
            "%s: its objective is %s, and it reads no rows of a table; %s models answer for users, "
            "and those of `hypernet train --rows`, `--images` and `--inputs` for tasks",
            path, m->spec.objective->name, objective_list(objective_is_for_users, " and ", names));
    struct model_set *set = serving_models(s);
    enum err_code code = check_room(set, path, m, old, e);
    model_set_unref(set);
    if (!code && old && model_kind_of(&m->spec) != served_model_kind(old))
        code = err_set(e, ERR_INVALID, "%s: the model there is of another kind than '%s', which is served",
                       path, m->spec.name);
    return code ? code : check_version(path, m, old, e);
}

static enum err_code open_model(struct serving *s, const char *path, const struct served_model *old,
                                struct served_model **out, struct err *e)
{
    struct model *m;
    struct stat file = {0}; /* before it is opened: one that comes meanwhile is loaded once more */
    (void)stat(path, &file);
    enum err_code code = s->share ? model_open_shared(path, &m, e) : model_open(path, &m, e);
    if (code)
        return code;
    code = check_model(s, path, m, old, e);
    if (!code && s->share && !model_is_shared(m))
        log_line(LOG_INFO,
                 "model '%s': a copy of %s, %zu MB that no other process shares: it is not this user's, or "
                 "it may be "
                 "written to unseen",
                 m->spec.name, path, m->file_bytes >> 20);
    if (!code)
        code = served_model_new(&s->loaded, m, ++s->last_uid, path, &file, out, e);
    model_unref(m);
    if (!code && (code = served_model_settle(*out, e))) /* SIGIO came while nobody knew of it */
        served_model_unref(*out);
    return code;
}

/* ---- item tables ---- */

/* The changes of items that tables are yet to reflect. */
struct following {
    struct item_changes changes;
    int64_t last;
};

static bool gather_one(void *arg, const struct store_change *change)
{
    enum { MAX_BYTES = 1 << 20 }; /* of ids; past it, all is read */
    struct following *f = arg;
    f->last = change->number;
    if (change->kind == STORE_CHANGE_ALL ||
        (change->kind == STORE_CHANGE_ITEM && f->changes.ids.len > MAX_BYTES))
        f->changes.all = true;
    else if (change->kind == STORE_CHANGE_ITEM) {
        buf_add(&f->changes.ids, change->id.data, change->id.len);
        buf_addc(&f->changes.ids, '\0');
    }
    return true;
}

/* Those after `since`; f is for buf_fini in any case. */
static enum err_code gather(struct store_conn *c, int64_t since, struct following *f, struct err *e)
{
    *f = (struct following){.last = since};
    buf_init(&f->changes.ids, SIZE_MAX / 4);
    enum err_code code = store_changes(c, since, gather_one, f, e);
    return code ? code : buf_check(&f->changes.ids, "the items that changed", e);
}

static bool has_changes(const struct following *f)
{
    return f->changes.all || f->changes.ids.len;
}

/* Whether somebody took an item that a table up to this key did not have. To be asked when the next table is
 * there: what is taken from now on is met by who has it. */
static bool is_taken_above(struct store_conn *c, int64_t last_key)
{
    bool taken;
    return store_taken_above(c, last_key, &taken, NULL) || taken; /* where it cannot be told, it may be so */
}

/* Makes and publishes the next table of a model. *unseen: somebody took an item that an old table did not
 * know. */
static enum err_code next_table(struct serving *s, struct store_conn *c, struct served_model *m,
                                const struct item_changes *changes, struct item_columns *columns,
                                bool *unseen, struct err *e)
{
    struct item_snapshot *table;
    bool first = !m->items;
    int64_t last_key = first ? 0 : item_index_last_key(item_snapshot_items(m->items));
    enum err_code code =
        item_snapshot_next(c, m->model, s->foreign_items, m->items, changes, columns, s->now(), &table, e);
    if (code)
        return code;
    if (item_index_n_left_out(item_snapshot_items(table)) &&
        (!m->items || !item_index_n_left_out(item_snapshot_items(m->items))))
        log_line(LOG_WARN,
                 "model '%s': items that came after its training: %zu are not ranked, having no room "
                 "beside %d others; train it anew",
                 m->model->spec.name, item_index_n_left_out(item_snapshot_items(table)), LIMIT_EXTRA_ITEMS);
    *unseen = *unseen || item_index_promoted(item_snapshot_items(table));
    if (item_snapshot_aside(table, m->items))
        atomic_store(&s->unfollowed, true);
    served_model_publish_items(m, table);
    *unseen = *unseen || (!first && is_taken_above(c, last_key));
    return ERR_OK;
}

static enum err_code next_tables(struct serving *s, struct store_conn *c, const struct item_changes *changes,
                                 bool *unseen, struct err *e)
{
    const struct model_set *set = own_models(s);
    enum err_code code = set->n ? item_columns_follow(c, &s->columns, changes, e) : ERR_OK;
    *unseen = changes->all;
    for (size_t i = 0; i < set->n && !code; i++)
        code = next_table(s, c, set->models[i], changes, s->columns, unseen, e);
    return code;
}

/* A model of another catalogue is refused, and a few items that only the model has are told of. */
static enum err_code check_items(const struct serving *s, const struct served_model *m, struct err *e)
{
    enum err_code code = s->foreign_items ? ERR_OK : item_snapshot_check_known(m->items, e);
    if (!code && !s->foreign_items && item_index_n_foreign(item_snapshot_items(m->items)))
        log_line(LOG_WARN, "model '%s': the store does not have %zu of its %zu items; they are not served",
                 m->model->spec.name, item_index_n_foreign(item_snapshot_items(m->items)),
                 m->model->spec.n_items);
    return code;
}

enum err_code serving_follow_items(struct serving *s, struct store_conn *c, struct err *e)
{
    bool unseen = false;
    struct following f;
    pthread_mutex_lock(&s->following);
    enum err_code code = gather(c, s->items_at, &f, e);
    if (!code && has_changes(&f))
        code = next_tables(s, c, &f.changes, &unseen, e);
    if (!code)
        s->items_at = f.last;
    /* Weights that were made without items that are known now. Before others find that there is nothing left
     * to follow, and also where the table of a later model failed: the next try does not know of it. */
    if (unseen)
        weights_cache_clear(s->cache);
    item_clock_note(s);
    pthread_mutex_unlock(&s->following);
    buf_fini(&f.changes.ids);
    return code;
}

static enum err_code follow_extra(struct store_conn *c, const struct item_snapshot *items, struct err *e)
{
    size_t n = item_snapshot_extra_keys(items, NULL);
    int64_t *keys = mem_alloc_array(n, sizeof *keys);
    if (!keys)
        return err_set(e, ERR_NOMEM, "no memory for new items");
    (void)item_snapshot_extra_keys(items, keys);
    enum err_code code = store_follow_items(c, keys, n, e);
    mem_free(keys);
    return code;
}

enum err_code serving_follow_takers(struct serving *s, struct store_conn *c, struct err *e)
{
    enum err_code code = ERR_OK;
    if (!atomic_load(&s->written_to) || !atomic_exchange(&s->unfollowed, false))
        return ERR_OK;
    struct model_set *set = serving_models(s);
    for (size_t i = 0; i < set->n && !code; i++) {
        unsigned version;
        struct item_snapshot *items = served_model_items(set->models[i], &version);
        code = follow_extra(c, items, e);
        item_snapshot_unref(items);
    }
    model_set_unref(set);
    if (code)
        atomic_store(&s->unfollowed, true);
    return code;
}

/* ---- models that come and go ---- */

static void log_costs(const struct served_model *m)
{
    struct batcher_cost cost = batcher_cost(m->batcher);
    log_line(LOG_INFO,
             "model '%s': a generation reads %.1f MB and takes %.3f ms, %d together take %.3f ms: %s",
             m->model->spec.name, (double)cost.bytes / 1e6, (double)cost.single_ns / 1e6, HYPERNET_BATCH,
             (double)cost.batch_ns / 1e6, batcher_pays(m->batcher) ? "in batches" : "one by one");
    if (m->inline_budget.any)
        log_line(
            LOG_INFO,
            "model '%s': weights of users with up to %zu interactions, or %zu listed items, are made at once",
            m->model->spec.name, m->inline_budget.max_read, m->inline_budget.max_items);
}

static enum err_code measure(const struct serving *s, struct served_model *m, struct err *e)
{
    enum err_code code = batcher_new(m->model, &s->batching, &m->batcher, e);
    if (!code)
        code = inline_budget_measure(m->model, m->items, m->batcher, INLINE_MAX_NS, &m->inline_budget, e);
    if (!code)
        log_costs(m);
    return code;
}

/* Loads a model whole, with its items as the store has them, before any thread can see it. *change: what its
 * items reflect. */
static enum err_code load(struct serving *s, struct store_conn *c, const char *path,
                          const struct served_model *old, struct served_model **out, int64_t *change,
                          struct err *e)
{
    const struct item_changes all = {.all = true};
    struct served_model *m = NULL;
    bool unseen = true;
    enum err_code code = open_model(s, path, old, &m, e);
    if (code)
        return code;
    code = store_last_change(c, change, e);
    if (!code && !served_model_of_tasks(m)) {
        code = next_table(s, c, m, &all, NULL, &unseen, e);
        if (!code)
            code = check_items(s, m, e);
        if (!code && s->measures)
            code = measure(s, m, e);
    }
    if (code)
        served_model_unref(m);
    else
        *out = m;
    return code;
}

/* Brings the items of a loaded model up to the store. */
static enum err_code catch_up(struct serving *s, struct store_conn *c, struct served_model *m, int64_t since,
                              struct err *e)
{
    struct following f;
    bool unseen = true; /* nobody has weights of it */
    if (served_model_of_tasks(m))
        return ERR_OK;
    enum err_code code = gather(c, since, &f, e);
    if (!code && has_changes(&f))
        code = next_table(s, c, m, &f.changes, NULL, &unseen, e);
    buf_fini(&f.changes.ids);
    if (!code && !s->columns)
        code = item_columns_follow(c, &s->columns, &(const struct item_changes){.all = true}, e);
    return code ? code
                : item_snapshot_set_columns(m->items, s->columns, s->now(), e); /* nobody sees it yet */
}

/* With `following`: changes of items that come from now on are followed for it as for the others. */
static enum err_code join(struct serving *s, struct store_conn *c, struct served_model *m,
                          const struct served_model *old, int64_t since, struct err *e)
{
    struct model_set *next;
    enum err_code code = check_room(own_models(s), m->path, m->model, old, e); /* another may have come */
    if (!code)
        code = catch_up(s, c, m, since, e);
    if (!code)
        code = model_set_new(own_models(s), old, m, &next, e);
    if (!code)
        publish_models(s, next);
    return code;
}

/* To load and to measure take seconds, in which the items of the others are followed. */
static enum err_code add_model(struct serving *s, struct store_conn *c, const char *path,
                               const struct served_model *old, struct err *e)
{
    struct served_model *m;
    int64_t change;
    enum err_code code = load(s, c, path, old, &m, &change, e);
    if (code)
        return code;
    pthread_mutex_lock(&s->following);
    code = join(s, c, m, old, change, e);
    item_clock_note(s);
    pthread_mutex_unlock(&s->following);
    served_model_unref(m);
    return code;
}

/* By a connection of its own. */
static enum err_code connect_and_add(struct serving *s, const char *path, const struct served_model *old,
                                     struct err *e)
{
    struct store_conn *c = NULL;
    enum err_code code = store_connect(s->store, &c, e);
    if (code)
        return code;
    code = add_model(s, c, path, old, e);
    store_disconnect(c);
    return code;
}

enum err_code serving_add_model(struct serving *s, const char *path, struct err *e)
{
    return connect_and_add(s, path, NULL, e);
}

enum err_code serving_replace_model(struct serving *s, const struct served_model *old, struct err *e)
{
    enum err_code code = connect_and_add(s, old->path, old, e);
    if (!code) /* as in serving_remove_model */
        weights_cache_drop_prefix(s->cache, &old->uid, sizeof old->uid);
    weights_cache_drop_prefix(s->pages, &old->uid, sizeof old->uid);
    return code;
}

/* With `following`. *uid: that of the model which went. */
static enum err_code remove_model(struct serving *s, const char *name, uint64_t *uid, struct err *e)
{
    const struct model_set *set = own_models(s);
    const struct served_model *gone = model_set_find_any(set, name);
    struct model_set *next;
    if (!gone)
        return err_set(e, ERR_NOTFOUND, "no model '%s' is served", name);
    if (model_set_size(set) == 1)
        return err_set(e, ERR_CONFLICT, "'%s' is the only model that is served; add another one first", name);
    *uid = gone->uid;
    enum err_code code = model_set_new(set, gone, NULL, &next, e);
    if (!code)
        publish_models(s, next);
    return code;
}

enum err_code serving_remove_model(struct serving *s, const char *name, struct err *e)
{
    uint64_t uid = 0;
    pthread_mutex_lock(&s->following);
    enum err_code code = remove_model(s, name, &uid, e);
    pthread_mutex_unlock(&s->following);
    if (!code) /* what a request under way still caches is never asked for again, and leaves as the oldest */
        weights_cache_drop_prefix(s->cache, &uid, sizeof uid);
    weights_cache_drop_prefix(s->pages, &uid, sizeof uid);
    return code;
}

/* ---- life cycle ---- */

/* Loads the models of the start from a connection of its own. */
static enum err_code open_models(struct serving *s, const struct serving_options *options, struct err *e)
{
    struct store_conn *c = NULL;
    struct model_set *none;
    enum err_code code = model_set_new(NULL, NULL, NULL, &none, e);
    if (code)
        return code;
    atomic_store(&s->models, none);
    code = store_connect(s->store, &c, e);
    if (!code)
        code = store_last_change(c, &s->opened_at, e);
    s->items_at = s->opened_at;
    for (size_t i = 0; i < options->n_models && !code; i++)
        code = add_model(s, c, options->models[i], NULL, e);
    store_disconnect(c);
    return code;
}

/* Of the models of the start: of a network's weights, without the items that a user has seen. */
static size_t largest_weights(struct serving *s)
{
    struct model_set *set = serving_models(s);
    struct theta_layout layout;
    size_t largest = 0;
    for (size_t i = 0; i < model_set_size(set); i++) {
        theta_layout_of(&set->models[i]->model->spec, &layout);
        largest = layout.len > largest ? layout.len : largest;
    }
    model_set_unref(set);
    return largest * sizeof(real);
}

enum err_code serving_open(struct serving *s, struct store *store, const struct serving_options *options,
                           struct err *e)
{
    memset(s, 0, sizeof *s);
    s->store = store;
    s->share = options->share;
    s->foreign_items = options->foreign_items;
    s->keep_events_s = options->keep_events_s;
    s->now = clock_unix_s;
    atomic_store(&s->items_change_at, INT64_MAX);
    pthread_mutex_init(&s->following, NULL);
    pthread_mutex_init(&s->loaded.lock, NULL);
    pthread_mutex_init(&s->set_lock, NULL);
    pthread_mutex_init(&s->writing, NULL);
    clock_cond_init(&s->write_turn);
    enum err_code code = open_models(s, options, e);
    if (!code)
        code = weights_cache_new(options->cache_bytes, largest_weights(s), &s->cache, e);
    if (!code)
        code = weights_cache_new(options->cache_bytes / PAGE_WEIGHTS_SHARE, 0, &s->pages, e);
    if (!code)
        code = siphash_new_key(&s->page_key, e);
    if (!code)
        code = item_trends_new(&s->trends, e);
    if (!code)
        code = store_connect(store, &s->writer, e);
    if (!code)
        code = store_write_often(s->writer, e);
    if (code)
        serving_close(s);
    return code;
}

enum err_code serving_settle(struct serving *s, struct err *e)
{
    return loaded_models_settle(&s->loaded, e);
}

void serving_close(struct serving *s)
{
    store_disconnect(s->writer);
    weights_cache_free(s->cache);
    weights_cache_free(s->pages);
    item_trends_free(s->trends);
    item_columns_unref(s->columns);
    model_set_unref(atomic_load(&s->models));
    pthread_mutex_destroy(&s->loaded.lock);
    pthread_mutex_destroy(&s->set_lock);
    pthread_mutex_destroy(&s->following);
    pthread_cond_destroy(&s->write_turn);
    pthread_mutex_destroy(&s->writing);
    memset(s, 0, sizeof *s);
}

/* Waits for the writer; false when the others took too long. */
static bool take_writer(struct serving *s)
{
    struct timespec until = clock_monotonic_in((int64_t)WRITE_WAIT_S * 1000000000);
    pthread_mutex_lock(&s->writing);
    int failed = 0;
    while (s->writer_taken && failed != ETIMEDOUT)
        failed = pthread_cond_timedwait(&s->write_turn, &s->writing, &until);
    bool taken = !s->writer_taken;
    s->writer_taken = true;
    pthread_mutex_unlock(&s->writing);
    return taken;
}

static void leave_writer(struct serving *s)
{
    pthread_mutex_lock(&s->writing);
    assert(s->writer_taken);
    s->writer_taken = false;
    pthread_mutex_unlock(&s->writing);
    pthread_cond_signal(&s->write_turn);
}

enum err_code serving_begin_write(struct serving *s, struct store_conn **writer, struct err *e)
{
    if (!take_writer(s))
        return err_set(e, ERR_BUSY, "other writes took more than %d s, try again", WRITE_WAIT_S);
    enum err_code code = store_begin(s->writer, e);
    if (code)
        leave_writer(s);
    else
        *writer = s->writer;
    return code;
}

enum err_code serving_end_write(struct serving *s, enum err_code code, struct err *e)
{
    if (code)
        store_rollback(s->writer);
    else
        code = store_commit(s->writer, e);
    if (!code)
        atomic_store_explicit(&s->written_to, true, memory_order_relaxed);
    leave_writer(s);
    return code;
}

enum err_code serving_measure(struct serving *s, const struct batcher_config *config, bool *any,
                              struct err *e)
{
    enum err_code code = ERR_OK;
    *any = false;
    s->measures = true;
    s->batching = *config;
    pthread_mutex_lock(&s->following);
    const struct model_set *set = own_models(s);
    for (size_t i = 0; i < set->n && !code; i++) {
        code = measure(s, set->models[i], e);
        *any = *any || (!code && batcher_pays(set->models[i]->batcher));
    }
    pthread_mutex_unlock(&s->following);
    return code;
}

/* ---- cached weights ---- */

void serving_drop_user(struct serving *s, struct text id, int64_t change)
{
    char key[MODEL_KEY_BYTES];
    struct model_set *set =
        serving_models(s); /* the newest: a thread may have met a model that the caller did not */
    for (size_t i = 0; i < set->n; i++)
        weights_cache_drop_older(s->cache, key, model_key(set->models[i]->uid, WEIGHTS_OF_USER, id, key),
                                 change);
    for (size_t i = 0; i < set->n && change == INT64_MAX; i++)
        weights_cache_drop_prefix(s->pages, key, model_key(set->models[i]->uid, WEIGHTS_OF_USER, id, key));
    model_set_unref(set);
}

void serving_drop_task(struct serving *s, struct text id, int64_t change)
{
    char key[MODEL_KEY_BYTES];
    struct model_set *set = serving_models(s);
    for (size_t i = set->n; i < model_set_size(set); i++)
        weights_cache_drop_older(s->cache, key, model_key(set->models[i]->uid, WEIGHTS_OF_TASK, id, key),
                                 change);
    model_set_unref(set);
}
