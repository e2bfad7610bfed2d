/* import_deleted - items that a table of an import says are deleted: they are stored as others are, so that
 * interactions and models may name them, and are taken out of answers at its end.
 * Layer: server/data
 * Threads: confined.
 * Memory: their ids. */
#ifndef SERVER_DATA_IMPORT_DELETED_H
#define SERVER_DATA_IMPORT_DELETED_H

#include "base/err.h"
#include "server/tables/table.h"
#include "store/id_table.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>

struct import_deleted {
    struct id_table items;
    bool *deleted; /* (items.n) what the last row of each says */
    size_t capacity;
};

void import_deleted_fini(struct import_deleted *d);

/* Notes what a row says of its item; the last one counts. ERR_NOMEM. */
enum err_code import_deleted_note(struct import_deleted *d, const struct table_row *row,
                                  struct err *e) ERR_MUST_CHECK;

/* Deletes them, within the import's transaction and after its last row; *n grows by those that were not
 * deleted before. Errors of the store. */
enum err_code import_deleted_apply(const struct import_deleted *d, struct store_conn *conn, int64_t *n,
                                   struct err *e) ERR_MUST_CHECK;

#endif
