/* split - train and test files from a table of interactions, so that nothing of what is tested is learned.
 * Rows that name the same user, item and kind are one interaction, the newest of them, as in an import; all
 * of a user and an item go to one file.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: 44 bytes a row of the tables; they are read twice, and their texts are not kept. */
#ifndef SERVER_DATA_SPLIT_H
#define SERVER_DATA_SPLIT_H

#include "base/err.h"
#include "server/tables/naming.h"
#include "server/tables/table.h"

#include <stdint.h>

enum split_by {
    SPLIT_NEWEST, /* the newest interaction of each user */
    SPLIT_RANDOM, /* a share of each user's interactions */
    SPLIT_USERS /* a share of the users whole: what is oldest of theirs is known, the newest fifth is held out
                 */
};

struct split_options {
    const char *const *paths; /* (n_paths) tables of interactions; standard input cannot be read twice */
    size_t n_paths;
    enum table_format format;
    struct table_naming naming; /* columns that are called otherwise; names are noted as seen */
    const char *out;            /* the folder: train.csv, test.csv and, of users, known.csv */
    enum split_by by;
    double share; /* above 0, below 1; of SPLIT_NEWEST unused */
    uint64_t seed;
    int64_t skip_bad; /* bad lines that are left out before it fails */
};

struct split_report {
    int64_t n_rows, n_train, n_test, n_known;
    int64_t n_bad;    /* lines of the tables that are lost */
    int64_t n_merged; /* rows left out: the same user, item and kind is in a newer one */
    int64_t n_users, n_tested;
    bool timed; /* the rows have times; else the order of the files counts */
};

/* Writes the files, each whole or not at all. A user with one interaction stays in train.csv. Errors: those
 * of server/table; ERR_IO, ERR_FULL, ERR_NOMEM; ERR_INVALID when there is nothing to hold out, or a
 * named column is in no table. */
enum err_code split_run(const struct split_options *options, struct split_report *report,
                        struct err *e) ERR_MUST_CHECK;

#endif
