/* import_ahead - what of a large table of users or items can be done before the lock is taken: rows that
 * change nothing are found and left out, those of users or items that the store does not have are written
 * ahead (store_load_new_user), and of the others what they come to is found out, so that a table holds up
 * others who write for the writing of what changes alone.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: some 32 bytes a user or item of the table. */
#ifndef SERVER_DATA_IMPORT_AHEAD_H
#define SERVER_DATA_IMPORT_AHEAD_H

#include "server/data/row_file.h"
#include "server/fields/partial.h"
#include "store/store.h"

/* Zero-initialise: nothing was done ahead. */
struct import_ahead {
    enum table_kind kind;  /* TABLE_USERS or TABLE_ITEMS */
    struct row_file *rows; /* the caller's, of the rows that are yet to be stored */
    struct row_file all;
    struct row_file joined; /* rows joined with what the store has of their users or items */
    size_t n_joined, n_as_they_are;
    struct import_id *ids; /* (capacity) by their hash */
    size_t n_ids, capacity;
    int64_t n_same; /* ids that are left out, with a row each */
    int64_t change; /* what others changed up to here is known */
    bool begun;
    bool lost; /* it is not known what they changed since */
};

void import_ahead_fini(struct import_ahead *a);

/* Whether the table has a row of this user, who was there or was written ahead. */
bool import_ahead_saw(const struct import_ahead *a, struct text user);

/* What a row says of its item. */
struct partial_item import_ahead_item(const struct table_row *row);

/* Goes through the kept rows, outside of a transaction; what is left in `rows`, borrowed until the end, is to
 * be stored in it. ERR_NOMEM, and errors of both. */
enum err_code import_ahead_run(struct import_ahead *a, enum table_kind kind, struct store_conn *c,
                               struct store_load *load, struct row_file *rows, struct partial *partial,
                               struct err *e) ERR_MUST_CHECK;

/* Brings back the rows of users or items whom others changed since. Where the log of changes does not say who
 * it was, a->lost, and all rows are to be compared again. Before the transaction, and in it before the first
 * row. Rows that are left are to be stored by store_bulk_seen_user, since who was deleted stays deleted. */
enum err_code import_ahead_settle(struct import_ahead *a, struct store_conn *c, struct err *e) ERR_MUST_CHECK;
enum err_code import_ahead_compare_again(struct import_ahead *a, struct store_conn *c,
                                         struct partial *partial, struct err *e) ERR_MUST_CHECK;

/* In the transaction, before the rows that are left: stores what rows were joined to. */
enum err_code import_ahead_put(struct import_ahead *a, struct store_bulk *bulk, struct err *e) ERR_MUST_CHECK;

/* In the transaction: tells a load that replaces all items of those that are done. */
enum err_code import_ahead_keep_items(struct import_ahead *a, struct store_bulk *bulk,
                                      struct err *e) ERR_MUST_CHECK;

#endif
