/* row_kinds - what the kinds of events of a table's rows say, by a store's kinds.
 * Layer: server/evaluate
 * Threads: confined to its thread.
 * Memory: none; the connection is borrowed. */
#ifndef SERVER_EVALUATE_ROW_KINDS_H
#define SERVER_EVALUATE_ROW_KINDS_H

#include "base/err.h"
#include "base/limits.h"
#include "store/store.h"

#include <stddef.h>

struct row_kind {
    char name[LIMIT_KIND_BYTES + 1];
    int32_t number;
    double effect; /* below 0: it pushes down */
    bool unseen;
};

struct row_kinds {
    struct store_conn *conn;
    size_t n;
    struct row_kind list[LIMIT_KINDS]; /* (n) */
};

/* Reads the store's kinds. */
enum err_code row_kinds_read(struct row_kinds *k, struct store_conn *c, struct err *e) ERR_MUST_CHECK;

/* Sets kind, effect and unseen of an interaction by the word of a row; NULL data: none. ERR_INVALID names the
 * line, of the file at path, and the kinds that there are. */
enum err_code row_kinds_set(const struct row_kinds *k, struct text word, const char *path, uint64_t line,
                            struct store_interaction *x, struct err *e) ERR_MUST_CHECK;

#endif
