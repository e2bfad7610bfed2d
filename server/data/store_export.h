/* store_export - users, items, interactions and given contexts of a store as tables that import takes, so
 * that a store made of them answers as this one does.
 *
 * Tables are NDJSON, a line each:
 *   users         {"user": id, "profile": {..}}
 *   items         {"item": id, "title": text, "categories": [..], "metadata": {..}, "deleted": true,
 *                  "hidden": true, "available_from": s, "available_until": s, "created": s}
 *   interactions  {"user": id, "item": id, "weight": number, "rating": number, "timestamp": seconds}
 *   contexts      {"user": id, "embedding": [..]}
 *   event kinds   {"name": text, "weight": number, "negative": bool, "seen": bool, "ttl_seconds": s or null}
 * What is not there is left out, a weight of 1 and a time of 0 too. Users and items come in the order in
 * which the store learned of them, interactions by user and then in the order of their times and arrival.
 * Contexts are those that callers gave; others are made anew.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: a line; for interactions the ids of users and items, for contexts those of users. */
#ifndef SERVER_DATA_STORE_EXPORT_H
#define SERVER_DATA_STORE_EXPORT_H

#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

#include <stdint.h>
#include <stdio.h>

enum store_export_table {
    EXPORT_USERS,
    EXPORT_ITEMS,
    EXPORT_INTERACTIONS,
    EXPORT_CONTEXTS,
    EXPORT_KINDS,
    N_EXPORTS
};

struct store_export_options {
    FILE *tables[N_EXPORTS];           /* where to, by enum store_export_table; NULL: not wanted */
    const char *model, *model_version; /* whose contexts */
};

struct store_export_report {
    int64_t n_rows[N_EXPORTS];
    int64_t n_deleted; /* items among them that are deleted */
};

/* Writes the tables as the store is at one moment; others may write meanwhile. Errors of the store; ERR_IO,
 * ERR_FULL, ERR_NOMEM. */
enum err_code store_export_run(struct store_conn *c, const struct store_export_options *o,
                               struct store_export_report *report, struct err *e) ERR_MUST_CHECK;

/* Appends what a row says of an interaction behind its ids, as `,"weight":2`; what goes without saying is
 * left out. */
void store_export_add_interaction(struct buf *line, const struct store_interaction *i, const char *kind);

#endif
