/* split_files - the CSV files of a split: written beside their places and renamed into them together.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: stdio's buffers. */
#ifndef SERVER_DATA_SPLIT_FILES_H
#define SERVER_DATA_SPLIT_FILES_H

#include "base/err.h"
#include "server/tables/table.h"

#include <stdbool.h>

enum { SPLIT_COLUMNS = 4 }; /* beyond user and item: rating, weight, timestamp, kind */
enum split_file { SPLIT_TRAIN, SPLIT_TEST, SPLIT_KNOWN, SPLIT_NOWHERE };

struct split_files;

/* ERR_CONFLICT when a file that would be written, or one beside its place, is one of the n_paths tables that
 * are read. */
enum err_code split_files_check(const char *folder, bool known, const char *const *paths, size_t n_paths,
                                struct err *e) ERR_MUST_CHECK;

/* Begins train.csv, test.csv and, with known, known.csv in a folder, which is made when it does not exist.
 * has: which of the further columns there are. */
enum err_code split_files_open(const char *folder, bool known, const bool has[SPLIT_COLUMNS],
                               struct split_files **out, struct err *e) ERR_MUST_CHECK;

/* A row; what fails is told by split_files_finish. */
void split_files_write(struct split_files *f, enum split_file to, const struct table_row *row);

/* Brings the files to disk and to their places. */
enum err_code split_files_finish(struct split_files *f, struct err *e) ERR_MUST_CHECK;
void split_files_free(struct split_files *f); /* unfinished files go; NULL is allowed */

#endif
