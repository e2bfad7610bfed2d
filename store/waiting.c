/* Time is that of the monotonic clock: the wall clock may be set back, and a rest must not wait for it. */
#include "store/waiting.h"

#include <errno.h>
#include <time.h>

void store_waiting_init(struct store_waiting *w)
{
    pthread_condattr_t monotonic;
    w->woken = false;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void store_waiting_fini(struct store_waiting *w)
{
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
}

bool store_waiting_rest(struct store_waiting *w, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
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
