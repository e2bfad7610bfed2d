/* signals - what SIGTERM, SIGINT, SIGHUP and SIGIO do to a server; one thread waits for them all. From
 * signals_start on SIGTERM and SIGINT end the process at once, by that signal; from signals_serve on they ask
 * for a stop, which whoever waits hears of; from signals_end on they end it at once again, and so does the
 * time. SIGHUP and SIGIO never end it.
 * Layer: server/cli
 * Threads: makes one; start and stop belong to one thread, the rest are any's.
 * Memory: fixed. */
#ifndef SERVER_CLI_SIGNALS_H
#define SERVER_CLI_SIGNALS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct signals;

/* Called in the thread of the signals, between signals_serve and signals_stop. */
struct signals_calls {
    void *arg;
    void (*hang_up)(void *arg);  /* SIGHUP: what was configured in files is read anew */
    void (*lease)(void *arg);    /* SIGIO: somebody wants to write into a file that is in use */
    void (*too_late)(void *arg); /* the time of signals_end is over; the process ends when this returns */
};

/* Blocks the signals in the calling thread, and so in all that it makes later. */
enum err_code signals_start(const struct signals_calls *calls, struct signals **out,
                            struct err *e) ERR_MUST_CHECK;

/* What came before is done now. */
void signals_serve(struct signals *s);

/* Waits for a request to stop; max_s < 0: for ever. Each ends one wait: true when one came. */
bool signals_wait(struct signals *s, int64_t max_s);

/* Whether a request to stop came that no wait has taken. */
bool signals_stop_asked(struct signals *s);

/* The end has begun, and takes max_s seconds at most. */
void signals_end(struct signals *s, int64_t max_s);

/* Ends the thread. From now on the system does what the signals mean to it; SIGHUP and SIGIO are ignored.
 * NULL is allowed. */
void signals_stop(struct signals *s);

#endif
