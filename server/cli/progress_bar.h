/* progress_bar - shows long work on standard error: a bar on a terminal, a line now and then elsewhere.
 * Layer: server/cli
 * Threads: confined to its thread.
 * Memory: the caller's struct. */
#ifndef SERVER_CLI_PROGRESS_BAR_H
#define SERVER_CLI_PROGRESS_BAR_H

#include "base/progress.h"

#include <stdbool.h>
#include <stdint.h>

struct progress_bar {
    bool terminal;
    bool open; /* a bar stands on the terminal's line */
    bool rows; /* a count of rows was shown */
    int64_t shown_ns;
    char stage[32]; /* and the contender */
    int epoch;
};

void progress_bar_init(struct progress_bar *b);

/* A progress_fn; arg is the struct progress_bar. Returns true. */
bool progress_bar_show(void *arg, const struct progress *p);

/* Ends the bar's line, so that what is printed next has one of its own; of rows nothing is left there. */
void progress_bar_end(struct progress_bar *b);

#endif
