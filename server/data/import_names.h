/* import_names - whether the columns that an import was told of were there.
 * Layer: server/data
 * Threads: any.
 * Memory: none. */
#ifndef SERVER_DATA_IMPORT_NAMES_H
#define SERVER_DATA_IMPORT_NAMES_H

#include "server/data/import.h"

/* ERR_INVALID for a column to be left out (`--ignore-field`), or to be called otherwise (`--column`), that no
 * table has, and for words of kinds where no table has a kind: the name is mistyped, and what it was to keep
 * out would be in. ignored_seen is (n_ignored); the
 * report has the columns of all files. */
enum err_code import_names_check(const struct import_options *o, const bool *ignored_seen,
                                 const struct import_report *report, struct err *e) ERR_MUST_CHECK;

#endif
