#include "base/periodic.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

struct periodic {
    int64_t period_ns;
    void (*fn)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool ending; /* guarded by lock */
    pthread_t thread;
};

/* False: it is to end. The lock is held. */
static bool wait_for_turn(struct periodic *p)
{
    ASSERT_HELD(&p->lock);
    struct timespec turn = clock_monotonic_in(p->period_ns);
    int failed = 0;
    while (!p->ending && failed != ETIMEDOUT)
        failed = pthread_cond_timedwait(&p->wake, &p->lock, &turn);
    return !p->ending;
}

static void *run(void *arg)
{
    struct periodic *p = arg;
    pthread_mutex_lock(&p->lock);
    while (wait_for_turn(p)) {
        pthread_mutex_unlock(&p->lock);
        p->fn(p->arg);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void destroy(struct periodic *p)
{
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

enum err_code periodic_start(int64_t period_ns, void (*fn)(void *arg), void *arg, const char *what,
                             struct periodic **out, struct err *e)
{
    struct periodic *p = mem_zalloc_array(1, sizeof *p);
    if (!p)
        return err_set(e, ERR_NOMEM, "no memory for the thread that %s", what);
    *p = (struct periodic){.period_ns = period_ns, .fn = fn, .arg = arg};
    pthread_mutex_init(&p->lock, NULL);
    clock_cond_init(&p->wake);
    if (pthread_create(&p->thread, NULL, run, p)) {
        destroy(p);
        return err_set(e, ERR_NOMEM, "the system refused the thread that %s", what);
    }
    *out = p;
    return ERR_OK;
}

void periodic_stop(struct periodic *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->ending = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    destroy(p);
}
