/* load_rows - the interactions of a load, in a file beside the store that nobody else sees, then in the order
 * of their users.
 * Layer: store
 * Threads: confined to its thread.
 * Memory: little; the file has no name, so that it is gone with the process however that ends. */
#ifndef STORE_LOAD_ROWS_H
#define STORE_LOAD_ROWS_H

#include "base/err.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct load_row {
    uint32_t user, item;   /* numbers of id tables */
    struct store_event is; /* without an id */
};

struct load_rows {
    const char *path; /* of the store, borrowed */
    FILE *file;
    size_t n;
    const struct load_row *at; /* (n) the file, once read; first as they came, then by user */
};

/* Makes the file. ERR_IO, ERR_FULL name the folder. */
enum err_code load_rows_init(struct load_rows *r, const char *path, struct err *e) ERR_MUST_CHECK;
void load_rows_fini(struct load_rows *r);

enum err_code load_rows_add(struct load_rows *r, const struct load_row *row, struct err *e) ERR_MUST_CHECK;

/* Ends the adding: r->at is what was added. */
enum err_code load_rows_read(struct load_rows *r, struct err *e) ERR_MUST_CHECK;

/* How many rows are of a user, an item and a kind that a row before is of too; after the reading. Memory: 16
 * bytes a row for the time. */
enum err_code load_rows_repeated(const struct load_rows *r, int64_t *out, struct err *e) ERR_MUST_CHECK;

/* Puts the rows in the order of their users, those of a user as they came: user u has [start[u], start[u +
 * 1]) of r->at afterwards. start: (n_users + 1). */
enum err_code load_rows_by_user(struct load_rows *r, size_t n_users, size_t *start,
                                struct err *e) ERR_MUST_CHECK;

#endif
