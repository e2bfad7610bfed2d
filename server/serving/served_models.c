/* Item tables are swapped as a whole: readers keep the one they hold, and no reader waits for a reload. */
#include "server/serving/served_models.h"

#include "base/log.h"
#include "base/mem.h"
#include "engine/network/hypernet.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { WRITE_WAIT_S = 10 }; /* how long a write waits for the process's other ones */

int serving_find(const struct serving *s, const char *name)
{
    if (!name)
        return 0;
    for (size_t i = 0; i < s->n_models; i++)
        if (strcmp(s->models[i].model->spec.name, name) == 0)
            return (int)i;
    return -1;
}

static enum err_code open_model(struct serving *s, const char *path, bool share, struct err *e)
{
    struct model *m;
    char names[OBJECTIVE_LIST_BYTES];
    enum err_code code = share ? model_open_shared(path, &m, e) : model_open(path, &m, e);
    if (code)
        return code;
    if (!model_spec_for_users(&m->spec))
        code = err_set(e, ERR_INVALID, "%s: its objective is %s; only %s models answer for users", path,
                       m->spec.objective->name, objective_list(objective_is_for_users, " and ", names));
    else if (s->n_models && serving_find(s, m->spec.name) >= 0)
        code = err_set(e, ERR_CONFLICT, "%s: a model named '%s' is served already; names must differ", path,
                       m->spec.name);
    if (code) {
        model_unref(m);
        return code;
    }
    if (share && !model_is_shared(m))
        log_line(LOG_INFO,
                 "model '%s': a copy of %s, %zu MB that no other process shares: it is not this user's, or "
                 "it may be "
                 "written to unseen",
                 m->spec.name, path, m->file_bytes >> 20);
    struct served_model *slot = &s->models[s->n_models++];
    slot->model = m;
    atomic_init(&slot->generation, 0);
    pthread_mutex_init(&slot->lock, NULL);
    return ERR_OK;
}

/* The changes of items that tables are yet to reflect. */
struct following {
    struct item_changes changes;
    int64_t last;
};

static bool gather(void *arg, const struct store_change *change)
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

static void publish(struct served_model *m, struct item_snapshot *table_take)
{
    pthread_mutex_lock(&m->lock);
    struct item_snapshot *old = m->items;
    m->items = table_take;
    atomic_store_explicit(&m->n_unranked, item_snapshot_n_left_out(table_take), memory_order_relaxed);
    atomic_fetch_add_explicit(&m->generation, 1, memory_order_release);
    pthread_mutex_unlock(&m->lock);
    item_snapshot_unref(old);
}

/* Makes and publishes the next tables. *unseen: somebody took an item that an old table did not know. */
static enum err_code next_tables(struct serving *s, struct store_conn *c, const struct item_changes *changes,
                                 bool *unseen, struct err *e)
{
    enum err_code code = ERR_OK;
    *unseen = changes->all;
    for (size_t i = 0; i < s->n_models && !code; i++) {
        struct served_model *m = &s->models[i];
        struct item_snapshot *table;
        if (m->items && !*unseen)
            code = store_taken_above(c, item_snapshot_last_key(m->items), unseen, e);
        if (!code)
            code = item_snapshot_next(c, m->model, s->foreign_items, m->items, changes, &table, e);
        if (code)
            return code;
        if (item_snapshot_n_left_out(table) && (!m->items || !item_snapshot_n_left_out(m->items)))
            log_line(LOG_WARN,
                     "model '%s': items that came after its training: %zu are not ranked, having no room "
                     "beside %d others; train it anew",
                     m->model->spec.name, item_snapshot_n_left_out(table), LIMIT_EXTRA_ITEMS);
        *unseen = *unseen || item_snapshot_promoted(table);
        if (item_snapshot_aside(table, m->items))
            atomic_store(&s->unfollowed, true);
        publish(m, table);
    }
    return code;
}

/* A model of another catalogue is refused, and a few items that only the model has are told of. */
static enum err_code check_items(const struct serving *s, struct err *e)
{
    for (size_t i = 0; i < s->n_models && !s->foreign_items; i++) {
        const struct item_snapshot *items = s->models[i].items;
        enum err_code code = item_snapshot_check_known(items, e);
        if (code)
            return code;
        if (item_snapshot_n_foreign(items))
            log_line(LOG_WARN,
                     "model '%s': the store does not have %zu of its %zu items; they are not served",
                     s->models[i].model->spec.name, item_snapshot_n_foreign(items),
                     s->models[i].model->spec.n_items);
    }
    return ERR_OK;
}

enum err_code serving_follow_items(struct serving *s, struct store_conn *c, struct err *e)
{
    bool unseen = false;
    pthread_mutex_lock(&s->following);
    struct following f = {.last = s->items_at};
    buf_init(&f.changes.ids, SIZE_MAX / 4);
    enum err_code code = store_changes(c, s->items_at, gather, &f, e);
    if (!code)
        code = buf_check(&f.changes.ids, "the items that changed", e);
    if (!code && (f.changes.all || f.changes.ids.len))
        code = next_tables(s, c, &f.changes, &unseen, e);
    if (!code)
        s->items_at = f.last;
    pthread_mutex_unlock(&s->following);
    buf_fini(&f.changes.ids);
    if (!code && unseen) /* they were made without items that are known now */
        weights_cache_clear(s->cache);
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
    for (size_t i = 0; i < s->n_models && !code; i++) {
        unsigned generation;
        struct item_snapshot *items = serving_items(&s->models[i], &generation);
        code = follow_extra(c, items, e);
        item_snapshot_unref(items);
    }
    if (code == ERR_BUSY)
        atomic_store(&s->unfollowed, true);
    return code;
}

struct item_snapshot *serving_items(struct served_model *m, unsigned *generation)
{
    pthread_mutex_lock(&m->lock);
    struct item_snapshot *table = item_snapshot_ref(m->items);
    *generation = atomic_load_explicit(&m->generation, memory_order_relaxed);
    pthread_mutex_unlock(&m->lock);
    return table;
}

static enum err_code first_tables(struct serving *s, struct store_conn *c, struct err *e)
{
    struct item_changes all = {.all = true};
    bool unseen;
    s->items_at = s->opened_at;
    enum err_code code = next_tables(s, c, &all, &unseen, e);
    return code ? code : check_items(s, e);
}

enum err_code serving_open(struct serving *s, struct store *store, const struct serving_options *options,
                           struct err *e)
{
    memset(s, 0, sizeof *s);
    s->store = store;
    s->foreign_items = options->foreign_items;
    pthread_mutex_init(&s->following, NULL);
    pthread_mutex_init(&s->writing, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->write_turn, &monotonic);
    pthread_condattr_destroy(&monotonic);
    struct store_conn *c = NULL;
    enum err_code code = weights_cache_new(options->cache_bytes, &s->cache, e);
    for (size_t i = 0; i < options->n_models && !code; i++)
        code = open_model(s, options->models[i], options->share, e);
    if (!code)
        code = store_connect(store, &c, e);
    if (!code)
        code = store_last_change(c, &s->opened_at, e);
    if (!code)
        code = first_tables(s, c, e);
    store_disconnect(c);
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
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < s->n_models; i++) {
        struct model *m = s->models[i].model;
        struct err why = {0};
        bool settled;
        if (model_settle(m, &settled, &why))
            code =
                err_set(e, why.code, "model '%s': somebody writes to its file: %s", m->spec.name, why.text);
        else if (settled)
            log_line(LOG_WARN,
                     "model '%s': somebody writes to its file; the server goes on with a copy of what it "
                     "opened, and the next "
                     "start takes what is there then",
                     m->spec.name);
    }
    return code;
}

void serving_close(struct serving *s)
{
    store_disconnect(s->writer);
    weights_cache_free(s->cache);
    for (size_t i = 0; i < s->n_models; i++) {
        batcher_free(s->models[i].batcher);
        item_snapshot_unref(s->models[i].items);
        pthread_mutex_destroy(&s->models[i].lock);
        model_unref(s->models[i].model);
    }
    pthread_mutex_destroy(&s->following);
    pthread_cond_destroy(&s->write_turn);
    pthread_mutex_destroy(&s->writing);
    memset(s, 0, sizeof *s);
}

/* Waits for the writer; false when the others took too long. */
static bool take_writer(struct serving *s)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WRITE_WAIT_S;
    pthread_mutex_lock(&s->writing);
    int failed = 0;
    while (s->written && failed != ETIMEDOUT)
        failed = pthread_cond_timedwait(&s->write_turn, &s->writing, &until);
    bool taken = !s->written;
    s->written = true;
    pthread_mutex_unlock(&s->writing);
    return taken;
}

static void leave_writer(struct serving *s)
{
    pthread_mutex_lock(&s->writing);
    s->written = false;
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

static void log_costs(const struct served_model *m)
{
    struct batcher_cost cost = batcher_cost(m->batcher);
    log_line(LOG_INFO,
             "model '%s': a generation reads %.1f MB and takes %.3f ms, %d together take %.3f ms: %s",
             m->model->spec.name, (double)cost.bytes / 1e6, (double)cost.single_ns / 1e6, HYPERNET_BATCH,
             (double)cost.batch_ns / 1e6, batcher_pays(m->batcher) ? "in batches" : "one by one");
    if (m->at_once.any)
        log_line(
            LOG_INFO,
            "model '%s': weights of users with up to %zu interactions, or %zu listed items, are made at once",
            m->model->spec.name, m->at_once.max_read, m->at_once.max_taken);
}

enum err_code serving_measure(struct serving *s, const struct batcher_config *config, bool *any,
                              struct err *e)
{
    *any = false;
    for (size_t i = 0; i < s->n_models; i++) {
        struct served_model *m = &s->models[i];
        enum err_code code = batcher_new(m->model, config, &m->batcher, e);
        if (!code)
            code = inline_budget_measure(m->model, m->items, m->batcher, INLINE_MAX_NS, &m->at_once, e);
        if (code)
            return code;
        log_costs(m);
        *any = *any || batcher_pays(m->batcher);
    }
    return ERR_OK;
}

size_t serving_key(size_t slot, enum serving_kind kind, struct text id, char key[SERVING_KEY_BYTES])
{
    key[0] = (char)slot;
    key[1] = (char)kind;
    if (id.len)
        memcpy(key + 2, id.data, id.len);
    return id.len + 2;
}

void serving_drop_user(struct serving *s, struct text id, int64_t change)
{
    char key[SERVING_KEY_BYTES];
    for (size_t i = 0; i < s->n_models; i++)
        weights_cache_drop_older(s->cache, key, serving_key(i, SERVING_USER, id, key), change);
}
