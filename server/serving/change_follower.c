/* The store is asked to wait for changes, a period at a time. This process's own writes are seen too; weights
 * made since carry a revision at least as high as the change's number and stay. */
#include "server/serving/change_follower.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/serving/event_expiry.h"
#include "server/serving/item_clock.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    PING_PERIODS = 10,   /* the store is read once in so many periods, whether it changed or not */
    SETTLE_PERIODS = 10, /* the log is emptied at most once in so many periods */
    ANSWERS_S = 15 /* a store that was read within this time answers; reading many items anew takes a while */
};

struct change_follower {
    struct serving *serving;
    struct serving_counters *counters;
    struct store_conn *conn;
    int64_t seen;     /* the last change followed */
    bool reload;      /* items changed; stays until they were read */
    unsigned look;    /* number of the period */
    bool let_go;      /* a lost store's log was brought into its file */
    unsigned settled; /* number of the period in which the log was last emptied of what was deleted */
    bool told;        /* that new items cannot be followed */
    struct event_expiry expiry;
    atomic_bool ending;
    pthread_t thread;
};

static bool follow(void *arg, const struct store_change *change)
{
    struct change_follower *w = arg;
    if (change->kind == STORE_CHANGE_USER)
        serving_drop_user(w->serving, change->id, change->number);
    else if (change->kind == STORE_CHANGE_GONE) {
        weights_cache_drop_owner(w->serving->cache, change->row_key, change->number);
        weights_cache_drop_owner(w->serving->pages, change->row_key, change->number);
    } else if (change->kind == STORE_CHANGE_TASK)
        serving_drop_task(w->serving, change->id, change->number);
    else if (change->kind == STORE_CHANGE_TASK_GONE)
        weights_cache_drop_owner(w->serving->cache, serving_task_owner(change->row_key), change->number);
    else if (change->kind == STORE_CHANGE_ITEM || change->kind == STORE_CHANGE_ALL)
        w->reload = true;
    if (change->kind == STORE_CHANGE_ALL) {
        weights_cache_clear(w->serving->cache);
        weights_cache_clear(w->serving->pages);
    }
    if (change->kind == STORE_CHANGE_GONE || change->kind == STORE_CHANGE_TASK_GONE ||
        change->kind == STORE_CHANGE_ALL)
        atomic_fetch_add(&w->serving->n_forgotten, 1); /* after they left the cache */
    w->seen = change->number;
    COUNTER_ADD(w->counters, changes_followed, 1);
    return true;
}

static enum err_code catch_up(struct change_follower *w, bool changed, struct err *e)
{
    enum err_code code = changed ? store_changes(w->conn, w->seen, follow, w, e) : ERR_OK;
    if (!code && w->reload) {
        code = serving_follow_items(w->serving, w->conn, e);
        w->reload = code != ERR_OK;
    }
    return code;
}

/* Whether the store's file is still where it was. One that came back is taken again; what was lost of its log
 * did not. */
static bool in_place(struct change_follower *w)
{
    struct err e = {0};
    bool lost = store_check_place(w->serving->store, &e) != ERR_OK,
         was = atomic_exchange(&w->serving->store_lost, lost);
    if (lost && !was)
        log_line(
            LOG_ERROR,
            "%s. Writes are refused and this server is not ready; it still answers from what it has open. "
            "Put the right file "
            "there (hypernet restore does, and a renamed one can be renamed back) and restart this server",
            e.text);
    else if (was && !lost)
        log_line(LOG_WARN, "the store's file is back in its place; writes are taken again");
    w->let_go = lost && (w->let_go || store_let_go(w->conn)); /* each time that it is lost anew */
    return !lost;
}

/* Lets go what is too old. This connection's own writes are not told to it as changes: they are followed
 * here. */
static void expire(struct change_follower *w)
{
    struct err e = {0};
    int64_t n = 0;
    enum err_code code = event_expiry_work(&w->expiry, w->conn, &n, &e);
    COUNTER_ADD(w->counters, interactions_expired, n);
    if (code && code != ERR_BUSY)
        log_line(LOG_ERROR, "interactions that are too old stay, and it is tried again: %s", e.text);
    err_clear(&e);
    if (n && catch_up(w, true, &e))
        log_line(LOG_ERROR, "following changes: %s", e.text);
}

/* Empties the log of what was deleted of people, and has new items followed, once a second at most: each time
 * costs writes a few syncs. */
static void settle(struct change_follower *w)
{
    struct err e = {0};
    if (w->look - w->settled < SETTLE_PERIODS)
        return;
    w->settled = w->look;
    enum err_code code = store_settle(w->conn, &e);
    if (code && code != ERR_BUSY)
        log_line(LOG_ERROR, "%s", e.text);
    err_clear(&e);
    code = serving_follow_takers(w->serving, w->conn, &e);
    bool failed = code && code != ERR_BUSY;
    if (failed && !w->told)
        log_line(LOG_WARN, "finding who took new items stays slow, and is tried again: %s", e.text);
    w->told = failed || (w->told && code); /* once, until it went well */
    expire(w);
}

/* Waits for changes for a period at most, and follows them. */
static void follow_for_a_period(struct change_follower *w)
{
    struct err e = {0};
    bool changed = false;
    enum err_code code = store_wait_changes(w->conn, w->seen, CHANGE_FOLLOWER_PERIOD_MS, &changed, &e);
    if (atomic_load(&w->ending))
        return;
    if (!in_place(w)) {
        atomic_store(&w->serving->store_read_ns, 0);
        return;
    }
    bool ping = w->look++ % PING_PERIODS == 0;
    if (!code)
        code = catch_up(w, changed, &e);
    if (!code)
        code = item_clock_tick(w->serving, &e);
    if (!code && ping)
        code = store_ping(w->conn, &e);
    if (code) {
        COUNTER_ADD(w->counters, store_errors, 1);
        log_line(LOG_ERROR, "following changes: %s", e.text);
    }
    if (code && code != ERR_BUSY) /* a store that others write to is there */
        atomic_store(&w->serving->store_read_ns, 0);
    else if (!code && ping)
        atomic_store(&w->serving->store_read_ns, clock_monotonic_ns());
    settle(w);
}

bool change_follower_store_answers(const struct serving *serving)
{
    int64_t read_ns = atomic_load(&serving->store_read_ns);
    return read_ns != 0 && clock_monotonic_ns() - read_ns < (int64_t)ANSWERS_S * 1000000000;
}

static void *change_follower_main(void *arg)
{
    struct change_follower *w = arg;
    while (!atomic_load(&w->ending))
        follow_for_a_period(w);
    return NULL;
}

enum err_code change_follower_start(struct serving *serving, struct serving_counters *counters,
                                    struct change_follower **out, struct err *e)
{
    struct change_follower *w = mem_zalloc_array(1, sizeof *w);
    if (!w)
        return err_set(e, ERR_NOMEM, "no memory for the change follower");
    w->serving = serving;
    w->counters = counters;
    w->seen = serving->opened_at;
    w->expiry.serving = serving;
    enum err_code code = store_connect(serving->store, &w->conn, e);
    if (!code)
        code = store_guard(w->conn, e);
    if (!code)
        atomic_store(&serving->store_read_ns, clock_monotonic_ns());
    if (!code && pthread_create(&w->thread, NULL, change_follower_main, w))
        code = err_set(e, ERR_NOMEM, "the system refused the change follower's thread");
    if (code) {
        store_disconnect(w->conn);
        mem_free(w);
        return code;
    }
    *out = w;
    return ERR_OK;
}

void change_follower_stop(struct change_follower *w)
{
    if (!w)
        return;
    atomic_store(&w->ending, true);
    store_wake(w->conn);
    pthread_join(w->thread, NULL);
    store_disconnect(w->conn);
    mem_free(w);
}
