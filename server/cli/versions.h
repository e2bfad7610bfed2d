/* versions - what a store holds by version of the models, and how old ones go.
 * Layer: server/cli
 * Threads: confined to its thread.
 * Memory: a list of versions while it works. */
#ifndef SERVER_CLI_VERSIONS_H
#define SERVER_CLI_VERSIONS_H

#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

/* Drops contexts of old versions of a model, but for the newest `keep` with this one; 0: drops none. *n: how
 * many went. */
enum err_code versions_trim(struct store_conn *c, const char *model, const char *version, int64_t keep,
                            int64_t *n, struct err *e) ERR_MUST_CHECK;

/* Whether the file is a database and not a model; false when it cannot be read. */
bool versions_is_store(const char *path);

/* Appends what is in a store, as a table or as JSON. */
enum err_code versions_describe(const char *path, bool json, struct buf *out, struct err *e) ERR_MUST_CHECK;

#endif
