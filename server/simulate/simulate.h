/* simulate - a made-up world as files that the other commands read.
 *
 * interactions.tsv  user item rating timestamp, ordered by time
 *                   or, with kinds, user item kind timestamp; test.tsv is what was bought then
 * users.tsv         user age region work
 * items.tsv         item title categories
 * test.tsv          user item rating timestamp: the newest of every user, not in interactions.tsv
 * candidates.tsv    no header: a user and 99 items that this user never met
 * truth.ndjson      the planted tastes: {"user","favourites","shares_first","shares_last"}
 * Layer: server/simulate
 * Threads: confined to its thread.
 * Memory: the whole world while it is written. */
#ifndef SERVER_SIMULATE_SIMULATE_H
#define SERVER_SIMULATE_SIMULATE_H

#include "base/err.h"
#include "server/simulate/world.h"

/* Makes the world and writes its files into dir, which is made when it does not exist; files of these names
 * are replaced, each only when it is whole. The same options give the same bytes on every machine.
 * ERR_INVALID (the options), ERR_IO, ERR_FULL, ERR_NOMEM; the text names the file. */
enum err_code simulate_run(const struct world_options *options, const char *dir,
                           struct err *e) ERR_MUST_CHECK;

#endif
