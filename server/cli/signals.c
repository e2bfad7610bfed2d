/* The signals are blocked in every thread, and one takes them by sigwaitinfo: no handler runs in the middle
 * of anything, and a main thread that is stuck in the start or in a join cannot keep the process from ending.
 * As the first process of a container a process is not ended by a signal's default action, so it exits with
 * the status that a shell would say. */
#include "server/cli/signals.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum phase { STARTING, SERVING, ENDING };

struct signals {
    struct signals_calls calls;
    sigset_t set;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t asked;
    enum phase phase;     /* guarded by lock, like all below */
    size_t n_stops;       /* requests that no wait has taken */
    bool hung_up, leased; /* came while starting */
    int64_t end_ns;       /* monotonic; of the phase ENDING */
    bool done;
};

static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGIO};
enum {
    N_NUMBERS = sizeof numbers / sizeof *numbers,
    WAKE = SIGIO /* sent by ourselves; a needless look does no harm */
};

static pthread_t waiting; /* the thread of the signals; written before the handler is set */

/* Runs in threads that do not block the signals: those that a library made before main. */
static void pass_on(int number)
{
    (void)pthread_kill(waiting, number);
}

static _Noreturn void end_by(int number)
{
    sigset_t one;
    log_end(LOG_END_MS);
    sigemptyset(&one);
    sigaddset(&one, number);
    (void)signal(number, SIG_DFL);
    (void)kill(getpid(), number);
    (void)pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    _exit(128 + number);
}

/* SIGTERM or SIGINT. */
static void stop_asked(struct signals *s, int number)
{
    pthread_mutex_lock(&s->lock);
    enum phase phase = s->phase;
    if (phase == SERVING)
        s->n_stops++;
    pthread_cond_signal(&s->asked);
    pthread_mutex_unlock(&s->lock);
    if (phase == SERVING)
        return;
    if (phase == STARTING)
        log_line(LOG_INFO, "stopped by %s before it was ready", number == SIGINT ? "SIGINT" : "SIGTERM");
    end_by(number);
}

/* SIGHUP or SIGIO: done, or noted until it can be. */
static void note(struct signals *s, int number)
{
    pthread_mutex_lock(&s->lock);
    bool now = s->phase != STARTING;
    if (number == SIGHUP)
        s->hung_up = !now;
    else
        s->leased = !now;
    pthread_mutex_unlock(&s->lock);
    if (now && number == SIGHUP)
        s->calls.hang_up(s->calls.arg);
    else if (now)
        s->calls.lease(s->calls.arg);
}

/* The next signal; 0: the time of the end is over. */
static int next_signal(struct signals *s)
{
    pthread_mutex_lock(&s->lock);
    bool ending = s->phase == ENDING;
    int64_t left_ns = s->end_ns - clock_monotonic_ns();
    pthread_mutex_unlock(&s->lock);
    if (ending && left_ns <= 0)
        return 0;
    struct timespec most = {.tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000};
    int number = ending ? sigtimedwait(&s->set, NULL, &most) : sigwaitinfo(&s->set, NULL);
    return number > 0 ? number : WAKE; /* interrupted, or the time is over: the caller looks again */
}

static void *signals_main(void *arg)
{
    struct signals *s = arg;
    for (;;) {
        int number = next_signal(s);
        pthread_mutex_lock(&s->lock);
        bool done = s->done;
        pthread_mutex_unlock(&s->lock);
        if (done)
            return NULL;
        if (number == 0) {
            s->calls.too_late(s->calls.arg);
            log_end(LOG_END_MS);
            _exit(EXIT_FAILURE);
        }
        if (number == SIGTERM || number == SIGINT)
            stop_asked(s, number);
        else
            note(s, number);
    }
}

static void handle(void (*handler)(int), const sigset_t *set)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART, .sa_mask = *set};
    for (size_t i = 0; i < N_NUMBERS; i++)
        (void)sigaction(numbers[i], &action, NULL);
}

enum err_code signals_start(const struct signals_calls *calls, struct signals **out, struct err *e)
{
    struct signals *s = mem_zalloc_array(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "no memory to wait for signals");
    s->calls = *calls;
    sigemptyset(&s->set);
    for (size_t i = 0; i < N_NUMBERS; i++)
        sigaddset(&s->set, numbers[i]);
    pthread_mutex_init(&s->lock, NULL);
    clock_cond_init(&s->asked); /* a wall clock that is set must not move the end of a drain */
    (void)pthread_sigmask(SIG_BLOCK, &s->set, NULL);
    if (pthread_create(&s->thread, NULL, signals_main, s)) {
        (void)pthread_sigmask(SIG_UNBLOCK, &s->set, NULL);
        mem_free(s);
        return err_set(e, ERR_NOMEM, "the system refused a thread to wait for signals");
    }
    waiting = s->thread;
    handle(pass_on, &s->set);
    *out = s;
    return ERR_OK;
}

void signals_serve(struct signals *s)
{
    pthread_mutex_lock(&s->lock);
    s->phase = SERVING;
    bool hung_up = s->hung_up, leased = s->leased;
    pthread_mutex_unlock(&s->lock);
    if (hung_up)
        (void)pthread_kill(s->thread, SIGHUP);
    if (leased)
        (void)pthread_kill(s->thread, SIGIO);
}

bool signals_wait(struct signals *s, int64_t max_s)
{
    struct timespec until = clock_monotonic_in(max_s * 1000000000);
    pthread_mutex_lock(&s->lock);
    int failed = 0;
    while (s->n_stops == 0 && failed != ETIMEDOUT)
        failed = max_s < 0 ? pthread_cond_wait(&s->asked, &s->lock)
                           : pthread_cond_timedwait(&s->asked, &s->lock, &until);
    bool came = s->n_stops > 0;
    if (came)
        s->n_stops--;
    pthread_mutex_unlock(&s->lock);
    return came;
}

bool signals_stop_asked(struct signals *s)
{
    pthread_mutex_lock(&s->lock);
    bool asked = s->n_stops > 0;
    pthread_mutex_unlock(&s->lock);
    return asked;
}

void signals_end(struct signals *s, int64_t max_s)
{
    pthread_mutex_lock(&s->lock);
    s->phase = ENDING;
    s->end_ns = clock_monotonic_ns() + max_s * 1000000000;
    pthread_mutex_unlock(&s->lock);
    (void)pthread_kill(s->thread, WAKE);
}

void signals_stop(struct signals *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->done = true;
    pthread_mutex_unlock(&s->lock);
    (void)pthread_kill(s->thread, WAKE);
    (void)pthread_join(s->thread, NULL);
    handle(SIG_DFL, &s->set);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGIO, SIG_IGN);
    (void)pthread_sigmask(SIG_UNBLOCK, &s->set, NULL);
    pthread_cond_destroy(&s->asked);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}
