/* Waiting for changes is looking from time to time, with every backend: a look is cheap, and a rest
 * between two bounds what the waiting takes while others write. A notice from the database, where it gives
 * one, would come to the look. Time is that of the monotonic clock: the wall clock may be set back, and a
 * rest must not wait for it. */
#include "store/waiting.h"

#include "base/clock.h"
#include "store/backend.h"

#include <errno.h>

void store_waiting_init(struct store_waiting *w)
{
    w->woken = false;
    pthread_mutex_init(&w->lock, NULL);
    clock_cond_init(&w->wake);
}

void store_waiting_fini(struct store_waiting *w)
{
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
}

bool store_waiting_rest(struct store_waiting *w, int ms)
{
    const struct timespec until = clock_monotonic_in((int64_t)ms * 1000000);
    pthread_mutex_lock(&w->lock);
    while (!w->woken && pthread_cond_timedwait(&w->wake, &w->lock, &until) != ETIMEDOUT)
        ;
    bool woken = w->woken;
    w->woken = false;
    pthread_mutex_unlock(&w->lock);
    return woken;
}

void store_waiting_wake(struct store_waiting *w)
{
    pthread_mutex_lock(&w->lock);
    w->woken = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

enum err_code store_wait_changes(struct store_conn *c, int64_t since, int timeout_ms, bool *changed,
                                 struct err *e)
{
    enum err_code code;
    *changed = false;
    do {
        int rest_ms = timeout_ms < STORE_LOOK_MS ? timeout_ms : STORE_LOOK_MS;
        if (rest_ms > 0 && store_waiting_rest(&c->waiting, rest_ms))
            return ERR_OK;
        timeout_ms -= rest_ms;
        code = c->backend->has_changes(c, since, changed, e);
    } while (!code && !*changed && timeout_ms > 0);
    return code;
}

void store_wake(struct store_conn *c)
{
    store_waiting_wake(&c->waiting);
}
