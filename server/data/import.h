/* import - table files into the store, whole or not at all.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: one line, and the ids that the files name (store_bulk). */
#ifndef SERVER_DATA_IMPORT_H
#define SERVER_DATA_IMPORT_H

#include "base/err.h"
#include "base/progress.h"
#include "server/data/import_kinds.h"
#include "server/data/import_types.h"
#include "server/tables/format.h"
#include "server/tables/naming.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IMPORT_MAX_FILES = 32, IMPORT_LISTED = 5, IMPORT_NOTES = 16, IMPORT_MAX_IGNORED = 16 };

struct import_file {
    const char *path; /* "-" is standard input */
    enum table_kind kind;
};

struct import_options {
    const char *store; /* made when it does not exist; gone again when the import fails */
    struct import_file files[IMPORT_MAX_FILES];
    size_t n_files; /* taken in this order; contexts last */
    enum table_format format;
    const char *model, *model_version; /* whose contexts they are; needed for contexts only */
    size_t stage_from;                 /* interactions that are many (store_load_new); 0: as many as are */
    bool replace; /* the tables of items are all there are: others are deleted, deleted ones come back */
    const char *ignored[IMPORT_MAX_IGNORED]; /* (n_ignored) names of fields and columns that are left out */
    size_t n_ignored;
    struct import_kinds kinds;  /* of events: those to be made, and what words mean */
    struct table_naming naming; /* columns that are called otherwise; what was seen is noted */
    int64_t skip_bad;           /* bad lines that are left out before the import fails */
    progress_fn *progress; /* told of a file's rows now and then; may be NULL. False ends with ERR_DEADLINE */
    void *progress_arg;
};

/* What a file was taken for, and what became of its rows. */
struct import_file_report {
    const char *path;
    enum table_kind kind;
    struct table_about about;                   /* about.columns is &columns */
    struct table_columns columns;               /* owned */
    int64_t n_rows, n_bad;                      /* rows taken, lines lost */
    int64_t n_times[FIELD_N_TIME_FORMS];        /* rows by how their time was written */
    int64_t latest;                             /* of the times */
    int64_t n_user_fractions, n_item_fractions; /* ids like 1.0 */
};

struct import_report {
    struct import_file_report files[IMPORT_MAX_FILES];
    size_t n_files;
    int64_t n_rows[TABLE_CONTEXTS + 1]; /* taken, by enum table_kind */
    /* Of these, rows that name a user, an item, or both as an interaction does, which a row before names
     * too; */
    int64_t n_repeated[TABLE_CONTEXTS + 1];
    int64_t n_known[TABLE_CONTEXTS + 1]; /* and of the others those whose user, item or both the store had */
    int64_t n_older;              /* interactions that changed nothing, because what was there is newer */
    int64_t n_items_deleted;      /* by `replace`, or because their rows say so */
    int64_t n_items_kept_deleted; /* rows of items that stay deleted */
    int64_t n_left_out;           /* rows of interactions that the options leave out, by their kind */
    int64_t n_bad;                /* lines of the files that are lost */
    size_t n_listed;
    struct err listed[IMPORT_LISTED]; /* the first bad lines */
    struct store_counts total;        /* what the store holds now */
    struct import_types types;        /* of the items' metadata */
    size_t n_notes;
    struct err notes[IMPORT_NOTES]; /* what may be meant otherwise, to be said aloud */
};

/* Imports all files in one transaction. When it fails the store is as before and the report lists the bad
 * lines seen; then the files were read on for a few more of those, so that one run shows several. */
enum err_code import_run(const struct import_options *options, struct import_report *report,
                         struct err *e) ERR_MUST_CHECK;

/* Adds a note; an empty one, or one too many, is dropped. */
void import_report_add_note(struct import_report *report, const struct err *note);
void import_report_fini(struct import_report *report);

#endif
