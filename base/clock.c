/* Wall time is what users see (timestamps, logs); durations use the monotonic clock only. */
#include "base/clock.h"

#include <stdio.h>

int64_t clock_monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_coarse_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_unix_s(void)
{
    return clock_unix_ms() / 1000;
}

int64_t clock_unix_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void clock_stamp(char out[CLOCK_STAMP_BYTES])
{
    int64_t now_ms = clock_unix_ms();
    time_t now = (time_t)(now_ms / 1000);
    struct tm parts;
    size_t n = gmtime_r(&now, &parts) ? strftime(out, CLOCK_STAMP_BYTES, "%Y%m%dT%H%M%S", &parts) : 0;
    if (n)
        (void)snprintf(out + n, CLOCK_STAMP_BYTES - n, ".%03dZ", (int)(now_ms % 1000));
    else
        (void)snprintf(out, CLOCK_STAMP_BYTES, "%lld", (long long)now_ms);
}

void clock_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(c, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

struct timespec clock_monotonic_in(int64_t ns)
{
    int64_t at = clock_monotonic_ns() + ns;
    return (struct timespec){.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000};
}

int64_t clock_thread_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
