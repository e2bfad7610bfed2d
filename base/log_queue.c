/* A ring of bytes. The thread takes whole lines, as many as a pipe takes at once (PIPE_BUF), and asks before
 * it writes, so that it waits in poll and not in write, and lines of several processes do not mix. */
#include "base/log_queue.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_BYTES_AT_ONCE = PIPE_BUF, LONGEST_LINE_BYTES = 16 << 10 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more, idle, ended;
/* guarded by lock */
static char *ring; /* (LOG_QUEUE_BYTES) */
static size_t head, n_bytes;
static bool running, stopping, finished, waiting;
static unsigned long long n_dropped, n_told;
static const _Atomic int *target;
static log_queue_notice *notice;
static pthread_t writer;

bool log_writable(int fd, int max_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, max_ms) > 0;
}

/* Copies bytes from the ring without taking them. */
static void copy(size_t from, char *out, size_t n)
{
    size_t at = (head + from) % LOG_QUEUE_BYTES, first = LOG_QUEUE_BYTES - at;
    if (first > n)
        first = n;
    memcpy(out, ring + at, first);
    memcpy(out + first, ring, n - first);
}

/* Takes whole lines into out: as many as are written at once, one at least. The lock is held. */
static size_t take_lines(char out[LONGEST_LINE_BYTES])
{
    ASSERT_HELD(&lock);
    size_t n = n_bytes < LONGEST_LINE_BYTES ? n_bytes : LONGEST_LINE_BYTES, end = 0;
    copy(0, out, n);
    for (size_t i = 0; i < n && (i < MAX_BYTES_AT_ONCE || end == 0); i++)
        if (out[i] == '\n')
            end = i + 1;
    head = (head + end) % LOG_QUEUE_BYTES;
    n_bytes -= end;
    return end;
}

/* The line that says how much was dropped, once there is somebody to tell. The lock is held. */
static size_t take_notice(char out[LONGEST_LINE_BYTES])
{
    ASSERT_HELD(&lock);
    unsigned long long n = n_dropped - n_told;
    n_told = n_dropped;
    return notice(n, out, LONGEST_LINE_BYTES);
}

static void write_out(const char *bytes, size_t n)
{
    while (n > 0) {
        int fd = atomic_load_explicit(target, memory_order_relaxed);
        if (!log_writable(fd, 1000))
            continue;
        ssize_t wrote = write(fd, bytes, n);
        if (wrote < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (wrote <= 0)
            return; /* nobody listens; there is nowhere to report that */
        bytes += wrote;
        n -= (size_t)wrote;
    }
}

static void *write_lines(void *unused)
{
    char lines[LONGEST_LINE_BYTES];
    pthread_mutex_lock(&lock);
    while (n_bytes || !stopping) {
        if (!n_bytes) {
            waiting = true;
            pthread_cond_broadcast(&idle);
            pthread_cond_wait(&more, &lock);
            waiting = false;
            continue;
        }
        size_t n = take_lines(lines);
        pthread_mutex_unlock(&lock);
        write_out(lines, n);
        pthread_mutex_lock(&lock);
        if (n_told < n_dropped) {
            n = take_notice(lines);
            pthread_mutex_unlock(&lock);
            write_out(lines, n);
            pthread_mutex_lock(&lock);
        }
    }
    finished = true;
    pthread_cond_broadcast(&ended);
    pthread_mutex_unlock(&lock);
    return unused;
}

enum err_code log_queue_start(const _Atomic int *fd, log_queue_notice *of_dropped, struct err *e)
{
    char *bytes = mem_alloc(LOG_QUEUE_BYTES);
    if (!bytes)
        return err_set(e, ERR_NOMEM, "no memory for the log");
    pthread_cond_init(&more, NULL);
    clock_cond_init(&idle);
    clock_cond_init(&ended);
    pthread_mutex_lock(&lock);
    ring = bytes;
    target = fd;
    notice = of_dropped;
    running = pthread_create(&writer, NULL, write_lines, NULL) == 0;
    if (!running)
        ring = NULL;
    pthread_mutex_unlock(&lock);
    if (running)
        return ERR_OK;
    mem_free(bytes);
    return err_set(e, ERR_NOMEM, "the system refused the thread of the log");
}

void log_queue_flush(int max_ms)
{
    struct timespec until = clock_monotonic_in((int64_t)max_ms * 1000000);
    pthread_mutex_lock(&lock);
    while (running && (n_bytes || !waiting) && pthread_cond_timedwait(&idle, &lock, &until) == 0)
        ;
    pthread_mutex_unlock(&lock);
}

void log_queue_stop(int max_ms)
{
    struct timespec until = clock_monotonic_in((int64_t)max_ms * 1000000);
    pthread_mutex_lock(&lock);
    bool was_running = running, done;
    running = false;
    stopping = true;
    if (was_running)
        pthread_cond_signal(&more);
    while (was_running && !finished && pthread_cond_timedwait(&ended, &lock, &until) == 0)
        ;
    done = finished;
    pthread_mutex_unlock(&lock);
    if (!was_running)
        return;
    if (!done) { /* it waits for its reader; it goes with the process */
        pthread_detach(writer);
        return;
    }
    pthread_join(writer, NULL);
    mem_free(ring);
    ring = NULL;
}

bool log_queue_add(const char *line, size_t n)
{
    pthread_mutex_lock(&lock);
    bool taken = running, wake = false;
    if (taken && n > LOG_QUEUE_BYTES - n_bytes) {
        n_dropped++;
    } else if (taken) {
        size_t at = (head + n_bytes) % LOG_QUEUE_BYTES, first = LOG_QUEUE_BYTES - at;
        if (first > n)
            first = n;
        memcpy(ring + at, line, first);
        memcpy(ring, line + first, n - first);
        n_bytes += n;
        wake = waiting;
    }
    pthread_mutex_unlock(&lock);
    if (wake)
        pthread_cond_signal(&more);
    return taken;
}

unsigned long long log_queue_dropped(void)
{
    pthread_mutex_lock(&lock);
    unsigned long long n = n_dropped;
    pthread_mutex_unlock(&lock);
    return n;
}
