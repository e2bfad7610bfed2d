/* announce - what a server says of itself when it is ready, for the person who started it.
 * Layer: server/cli
 * Threads: confined to the main thread.
 * Memory: none. */
#ifndef SERVER_CLI_ANNOUNCE_H
#define SERVER_CLI_ANNOUNCE_H

#include "server/serving/served_models.h"

struct announcement {
    const char *url, *store;
    const char *admin_token_file, *api_token_file, *warm_file; /* NULL: not given */
    bool anonymous; /* other machines are answered without a token */
};

/* Logs the store and what is in it, each model and how it is asked for, who may call what, and what is off
 * and how it is turned on. A store that cannot be counted now is a warning: the server serves. */
void announce_start(const struct announcement *a, struct serving *serving);

#endif
