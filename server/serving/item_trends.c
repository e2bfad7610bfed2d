#include "server/serving/item_trends.h"

#include "base/clock.h"
#include "base/mem.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>

enum { DAY_SECONDS = 86400, REST = 20 }; /* REST: a renewal is followed by so many times its own time */

struct item_trends {
    pthread_mutex_t lock;
    double *popular, *trending; /* (n_keys); NULL: not made yet */
    size_t n_keys;
    int64_t as_of, change; /* change: the store's last, of which the sums are */
    int64_t made_ns, took_ns;
};

/* Sums that are being made. */
struct summing {
    double *popular, *trending; /* (n_keys) */
    size_t n_keys;
    int64_t as_of;
};

enum err_code item_trends_new(struct item_trends **out, struct err *e)
{
    struct item_trends *t = mem_zalloc_array(1, sizeof *t);
    if (!t || pthread_mutex_init(&t->lock, NULL)) {
        mem_free(t);
        return err_set(e, ERR_NOMEM, "no memory for the sums of items");
    }
    *out = t;
    return ERR_OK;
}

void item_trends_free(struct item_trends *t)
{
    if (!t)
        return;
    pthread_mutex_destroy(&t->lock);
    mem_free(t->popular);
    mem_free(t->trending);
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
    s->popular[x->item_key] += weight;
    if (x->timestamp && days < TREND_WINDOW_DAYS)
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

static enum err_code renew(struct item_trends *t, struct store_conn *c, struct err *e)
{
    struct summing s = {.n_keys = 0};
    int64_t change = 0, began_ns = clock_monotonic_ns();
    enum err_code code = sum(c, &s, &change, e);
    if (code) {
        mem_free(s.popular);
        mem_free(s.trending);
        return code;
    }
    mem_free(t->popular);
    mem_free(t->trending);
    t->popular = s.popular;
    t->trending = s.trending;
    t->n_keys = s.n_keys;
    t->as_of = s.as_of;
    t->change = change;
    t->made_ns = clock_monotonic_ns();
    t->took_ns = t->made_ns - began_ns;
    return ERR_OK;
}

enum err_code item_trends_enter(struct item_trends *t, struct store_conn *c, struct item_sums *out,
                                struct err *e)
{
    int64_t change = 0;
    enum err_code code = ERR_OK;
    pthread_mutex_lock(&t->lock);
    bool rests = t->popular && clock_monotonic_ns() - t->made_ns < REST * t->took_ns;
    if (!rests)
        code = store_last_change(c, &change, e);
    if (!code && !rests && (!t->popular || change != t->change))
        code = renew(t, c, e);
    if (code) {
        pthread_mutex_unlock(&t->lock);
        return code;
    }
    *out = (struct item_sums){t->popular, t->trending, t->n_keys, t->as_of};
    return ERR_OK;
}

void item_trends_leave(struct item_trends *t)
{
    pthread_mutex_unlock(&t->lock);
}
