/* progress - shows long work on standard error: a bar on a terminal, a line now and then elsewhere.
 * Layer: server/cli
 * Threads: confined to its thread.
 * Memory: the caller's struct. */
#ifndef SERVER_CLI_PROGRESS_H
#define SERVER_CLI_PROGRESS_H

#include "engine/train/train.h"

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool terminal;
    bool open; /* a bar stands on the terminal's line */
    int64_t shown_ns;
    char stage[32]; /* and the contender */
    int epoch;
};

void progress_init(struct progress *p);
void progress_show(struct progress *p, const struct train_progress *t);

/* Ends the bar's line, so that what is printed next has one of its own. */
void progress_end(struct progress *p);

#endif
