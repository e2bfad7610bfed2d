/* A bucket that fills with time, in whole numbers: a user costs the nanoseconds of a minute, and each
 * nanosecond brings per_minute. */
#include "server/serving/user_allowance.h"

static const int64_t minute_ns = 60000000000;

void user_allowance_init(struct user_allowance *a, int64_t per_minute, int64_t now_ns)
{
    *a = (struct user_allowance){.per_minute = per_minute, .credit = per_minute * minute_ns, .at_ns = now_ns};
    pthread_mutex_init(&a->lock, NULL);
}

void user_allowance_fini(struct user_allowance *a)
{
    pthread_mutex_destroy(&a->lock);
}

/* With the lock. */
static void reckon(struct user_allowance *a, int64_t now_ns)
{
    int64_t most = a->per_minute * minute_ns, passed = now_ns - a->at_ns;
    if (passed <= 0)
        return;
    a->credit += a->per_minute * (passed < minute_ns ? passed : minute_ns);
    a->credit = a->credit < most ? a->credit : most;
    a->at_ns = now_ns;
}

size_t user_allowance_take(struct user_allowance *a, size_t n, int64_t now_ns)
{
    pthread_mutex_lock(&a->lock);
    reckon(a, now_ns);
    size_t whole = (size_t)(a->credit / minute_ns), taken = n < whole ? n : whole;
    a->credit -= (int64_t)taken * minute_ns;
    pthread_mutex_unlock(&a->lock);
    return taken;
}

void user_allowance_return(struct user_allowance *a, size_t n)
{
    pthread_mutex_lock(&a->lock);
    int64_t most = a->per_minute * minute_ns, credit = a->credit + (int64_t)n * minute_ns;
    a->credit = credit < most ? credit : most;
    pthread_mutex_unlock(&a->lock);
}

int user_allowance_wait_s(struct user_allowance *a, size_t n, int64_t now_ns)
{
    pthread_mutex_lock(&a->lock);
    reckon(a, now_ns);
    size_t most = (size_t)a->per_minute, wanted = n < most ? n : most;
    int64_t lacks = (int64_t)wanted * minute_ns - a->credit;
    int64_t per_s = a->per_minute * 1000000000;
    int64_t s = lacks > 0 && per_s ? (lacks + per_s - 1) / per_s : 1;
    pthread_mutex_unlock(&a->lock);
    return s < 1 ? 1 : s > 60 ? 60 : (int)s;
}
