/* Polling SQLite's data_version costs a system call or two; a notification between processes would need a
 * channel that survives their restarts. This process's own writes are seen too and dropped a second time,
 * which costs a hit at most. */
#include "server/watcher.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

struct watcher {
    struct serving *serving;
    struct metrics *metrics;
    struct store_conn *conn;
    int64_t seen; /* the last change followed */
    bool reload;  /* items changed */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool ending; /* guarded by lock */
    pthread_t thread;
};

static bool follow(void *arg, int64_t change, enum store_change_kind kind, struct store_text id)
{
    struct watcher *w = arg;
    if (kind == STORE_CHANGE_USER)
        serving_drop_user(w->serving, id);
    else
        w->reload = true;
    if (kind == STORE_CHANGE_ALL)
        weights_cache_clear(w->serving->cache);
    w->seen = change;
    METRICS_ADD(w->metrics, changes_followed, 1);
    return true;
}

static void look(struct watcher *w)
{
    bool changed = false;
    struct err e = {0};
    if (store_poll(w->conn, &changed, &e) || !changed)
        goto out;
    if (store_changes(w->conn, w->seen, follow, w, &e))
        goto out;
    if (w->reload && serving_reload_items(w->serving, w->conn, &e) == ERR_OK) {
        w->reload = false;
        /* weights name items by what the table said when they were made */
        weights_cache_clear(w->serving->cache);
    }
out:
    if (e.code) {
        METRICS_ADD(w->metrics, store_errors, 1);
        log_line(LOG_ERROR, "following changes: %s", e.text);
    }
}

static void *watcher_main(void *arg)
{
    struct watcher *w = arg;
    struct timespec next;
    pthread_mutex_lock(&w->lock);
    while (!w->ending) {
        clock_gettime(CLOCK_REALTIME, &next);
        next.tv_nsec += (long)WATCHER_PERIOD_MS * 1000000;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        if (pthread_cond_timedwait(&w->wake, &w->lock, &next) != ETIMEDOUT)
            continue;
        pthread_mutex_unlock(&w->lock);
        look(w);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

enum err_code watcher_start(struct serving *serving, struct metrics *metrics, struct watcher **out,
                            struct err *e)
{
    struct watcher *w = mem_zalloc_array(1, sizeof *w);
    if (!w)
        return err_set(e, ERR_NOMEM, "no memory for the watcher");
    w->serving = serving;
    w->metrics = metrics;
    w->seen = serving->opened_at;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    enum err_code code = store_connect(serving->store, &w->conn, e);
    if (!code && pthread_create(&w->thread, NULL, watcher_main, w))
        code = err_set(e, ERR_NOMEM, "the system refused the watcher's thread");
    if (code) {
        store_disconnect(w->conn);
        mem_free(w);
        return code;
    }
    *out = w;
    return ERR_OK;
}

void watcher_stop(struct watcher *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    store_disconnect(w->conn);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
}
