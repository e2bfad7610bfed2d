#include "server/serving/item_trends.h"

#include "base/clock.h"
#include "base/mem.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>

enum { DAY_SECONDS = 86400, REST = 20 }; /* REST: a renewal is followed by so many times its own time */

/* Sums as they were last made. */
struct made_sums {
    size_t window_days;         /* 0: the usual ones */
    double *popular, *trending; /* (n_keys); NULL: not made yet */
    size_t n_keys;
    int64_t as_of, change; /* change: the store's last, of which the sums are */
    int64_t made_ns, took_ns, asked_ns;
};

struct item_trends {
    pthread_mutex_t lock; /* of the usual ones */
    struct made_sums usual;
    pthread_mutex_t windows_lock;
    struct made_sums windows[TREND_WINDOWS];
};

/* Sums that are being made. */
struct summing {
    double *popular, *trending; /* (n_keys) */
    size_t n_keys;
    int64_t as_of;
    double popular_days, trending_days; /* for which interactions count; infinite: always */
};

enum err_code item_trends_new(struct item_trends **out, struct err *e)
{
    struct item_trends *t = mem_zalloc_array(1, sizeof *t);
    bool ok = t && !pthread_mutex_init(&t->lock, NULL);
    if (ok && pthread_mutex_init(&t->windows_lock, NULL)) {
        pthread_mutex_destroy(&t->lock);
        ok = false;
    }
    if (!ok) {
        mem_free(t);
        return err_set(e, ERR_NOMEM, "no memory for the sums of items");
    }
    *out = t;
    return ERR_OK;
}

static void free_sums(struct made_sums *s)
{
    mem_free(s->popular);
    mem_free(s->trending);
    *s = (struct made_sums){.popular = NULL};
}

void item_trends_free(struct item_trends *t)
{
    if (!t)
        return;
    free_sums(&t->usual);
    for (int i = 0; i < TREND_WINDOWS; i++)
        free_sums(&t->windows[i]);
    pthread_mutex_destroy(&t->lock);
    pthread_mutex_destroy(&t->windows_lock);
    mem_free(t);
}

static bool look_for_newest(void *arg, int64_t user_key, const struct store_interaction *x)
{
    struct summing *s = arg;
    (void)user_key;
    if (x->timestamp > s->as_of)
        s->as_of = x->timestamp;
    if (x->item_key >= 0 && (size_t)x->item_key >= s->n_keys)
        s->n_keys = (size_t)x->item_key + 1;
    return true;
}

static bool add(void *arg, int64_t user_key, const struct store_interaction *x)
{
    struct summing *s = arg;
    double weight = x->weight * store_interaction_effect(x);
    double days = (double)(s->as_of - x->timestamp) / DAY_SECONDS;
    (void)user_key;
    if (x->item_key < 0 || (size_t)x->item_key >= s->n_keys)
        return true;
    if (isinf(s->popular_days) || (x->timestamp && days < s->popular_days))
        s->popular[x->item_key] += weight;
    if (x->timestamp && days < s->trending_days)
        s->trending[x->item_key] += weight * pow(TREND_DECAY, days);
    return true;
}

static enum err_code sum(struct store_conn *c, struct summing *s, int64_t *change, struct err *e)
{
    enum err_code code = store_snapshot_begin(c, e);
    if (code)
        return code;
    code = store_last_change(c, change, e);
    if (!code)
        code = store_each_interaction(c, look_for_newest, s, e);
    s->popular = mem_zalloc_array(s->n_keys, sizeof *s->popular);
    s->trending = mem_zalloc_array(s->n_keys, sizeof *s->trending);
    if (!code && (!s->popular || !s->trending))
        code = err_set(e, ERR_NOMEM, "no memory for the sums of %zu items", s->n_keys);
    if (!code)
        code = store_each_interaction(c, add, s, e);
    store_snapshot_end(c);
    return code;
}

static enum err_code renew(struct made_sums *made, size_t window_days, struct store_conn *c, struct err *e)
{
    struct summing s = {.popular_days = window_days ? (double)window_days : INFINITY,
                        .trending_days = window_days ? (double)window_days : TREND_WINDOW_DAYS};
    int64_t change = 0, began_ns = clock_monotonic_ns();
    enum err_code code = sum(c, &s, &change, e);
    if (code) {
        mem_free(s.popular);
        mem_free(s.trending);
        return code;
    }
    free_sums(made);
    int64_t now_ns = clock_monotonic_ns();
    *made = (struct made_sums){.window_days = window_days,
                               .popular = s.popular,
                               .trending = s.trending,
                               .n_keys = s.n_keys,
                               .as_of = s.as_of,
                               .change = change,
                               .made_ns = now_ns,
                               .took_ns = now_ns - began_ns};
    return ERR_OK;
}

/* The place of a window's sums: theirs, a free one, or that of those asked for longest ago. */
static struct made_sums *place_of(struct item_trends *t, size_t window_days)
{
    struct made_sums *oldest = &t->windows[0];
    if (!window_days)
        return &t->usual;
    for (int i = 0; i < TREND_WINDOWS; i++) {
        if (t->windows[i].popular && t->windows[i].window_days == window_days)
            return &t->windows[i];
        if (t->windows[i].asked_ns < oldest->asked_ns)
            oldest = &t->windows[i];
    }
    return oldest;
}

static pthread_mutex_t *lock_of(struct item_trends *t, size_t window_days)
{
    return window_days ? &t->windows_lock : &t->lock;
}

enum err_code item_trends_enter(struct item_trends *t, struct store_conn *c, size_t window_days,
                                struct item_sums *out, struct err *e)
{
    int64_t change = 0;
    enum err_code code = ERR_OK;
    pthread_mutex_lock(lock_of(t, window_days));
    struct made_sums *made = place_of(t, window_days);
    bool there = made->popular && made->window_days == window_days;
    bool rests = there && clock_monotonic_ns() - made->made_ns < REST * made->took_ns;
    if (!rests)
        code = store_last_change(c, &change, e);
    if (!code && !rests && (!there || change != made->change))
        code = renew(made, window_days, c, e);
    if (code) {
        pthread_mutex_unlock(lock_of(t, window_days));
        return code;
    }
    made->asked_ns = clock_monotonic_ns();
    *out = (struct item_sums){made->popular, made->trending, made->n_keys, made->as_of};
    return ERR_OK;
}

void item_trends_leave(struct item_trends *t, size_t window_days)
{
    pthread_mutex_unlock(lock_of(t, window_days));
}
