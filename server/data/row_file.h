/* row_file - rows of tables, read and checked, in a file that nobody else sees, until it is time to store
 * them.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: the row at hand; the file has no name, so that it is gone with the process. */
#ifndef SERVER_DATA_ROW_FILE_H
#define SERVER_DATA_ROW_FILE_H

#include "base/buf.h"
#include "server/tables/table.h"

#include <stdio.h>

struct row_file {
    const char *store; /* the path that it lies beside, borrowed */
    FILE *file;        /* NULL: no row yet */
    struct buf row;    /* the texts of the row that was read last */
};

/* What a row is kept with: the file that it is of, by its number, and how many lines of it. */
struct row_place {
    size_t file;
    uint64_t n_lines;
};

enum { ROW_FILE_PLACE_BYTES = 4096 };

/* What such files of a store lie beside: its file, past links, for there is room to write; of a store that is
 * no file, the working folder. */
void row_file_place(const char *store, char place[ROW_FILE_PLACE_BYTES]);

void row_file_init(struct row_file *f, const char *store);
void row_file_fini(struct row_file *f);

/* Keeps a row of users, items or contexts. ERR_IO, ERR_FULL, ERR_NOMEM. */
enum err_code row_file_add(struct row_file *f, const struct table_row *row, struct row_place place,
                           struct err *e) ERR_MUST_CHECK;

/* Ends the adding; rows come from the first one on. */
enum err_code row_file_rewind(struct row_file *f, struct err *e) ERR_MUST_CHECK;

/* Where the next row is, and to go there again. */
int64_t row_file_tell(const struct row_file *f);
enum err_code row_file_seek(struct row_file *f, int64_t at, struct err *e) ERR_MUST_CHECK;

/* The next row, whose texts hold until the one after it; *got is false at the end. */
enum err_code row_file_next(struct row_file *f, struct table_row *row, struct row_place *place, bool *got,
                            struct err *e) ERR_MUST_CHECK;

#endif
