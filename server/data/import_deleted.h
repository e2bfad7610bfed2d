/* import_deleted - items that a table of an import says are deleted, hidden or available for a time only:
 * they are stored as others are, so that interactions and models may name them, and this is said at its end.
 * Layer: server/data
 * Threads: confined.
 * Memory: their ids, and 40 bytes each. */
#ifndef SERVER_DATA_IMPORT_DELETED_H
#define SERVER_DATA_IMPORT_DELETED_H

#include "base/err.h"
#include "server/tables/table.h"
#include "store/id_table.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>

struct import_said {
    bool deleted;
    struct table_life life;
};

struct import_deleted {
    struct id_table items;
    struct import_said *said; /* (items.n) by the last row of each that says it */
    size_t capacity;
};

void import_deleted_fini(struct import_deleted *d);

/* Notes what a row says of its item; the last one counts. ERR_NOMEM. */
enum err_code import_deleted_note(struct import_deleted *d, const struct table_row *row,
                                  struct err *e) ERR_MUST_CHECK;

/* Says so to the store, within the import's transaction and after its last row; *n grows by those that are
 * deleted and were not before. What is not said of an item's life stays. Records no change of what is not
 * deleted, for the bulk load's is one of all. ERR_INVALID: an item would be available until before it is.
 * Errors of the store. */
enum err_code import_deleted_apply(const struct import_deleted *d, struct store_conn *conn, int64_t *n,
                                   struct err *e) ERR_MUST_CHECK;

#endif
