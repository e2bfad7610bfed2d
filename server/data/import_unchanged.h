/* import_unchanged - which rows of a large table of users change nothing: found before the lock is taken, so
 * that a table which is imported every night does not hold it for users who are as they were.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: some 32 bytes a user of the table. */
#ifndef SERVER_DATA_IMPORT_UNCHANGED_H
#define SERVER_DATA_IMPORT_UNCHANGED_H

#include "server/data/row_file.h"
#include "server/fields/partial.h"
#include "store/store.h"

/* Zero-initialise: nothing was compared. */
struct import_unchanged {
    struct row_file *rows, all; /* the caller's, which has the rows that are to be stored, and all of them */
    struct import_user *users;  /* (capacity) by the hash of their ids */
    size_t n_users, capacity;
    int64_t n_left; /* users who are left out, with a row each */
    int64_t change; /* the store's last one when the comparing began */
    bool compared;
};

void import_unchanged_fini(struct import_unchanged *u);

/* Compares the kept rows (n) with the store, outside of a transaction; what is left in `rows`, borrowed until
 * the end, are those of users whose rows may change something. ERR_NOMEM, and errors of both. */
enum err_code import_unchanged_look(struct import_unchanged *u, struct store_conn *c, struct row_file *rows,
                                    size_t n, struct partial *partial, struct err *e) ERR_MUST_CHECK;

/* Within the transaction, before the first row: rows of users who were changed since come back. */
enum err_code import_unchanged_settle(struct import_unchanged *u, struct store_conn *c,
                                      struct err *e) ERR_MUST_CHECK;

#endif
