/* import_fields - what the names of fields and the ids of a file say that may be meant otherwise.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: none beyond a call. */
#ifndef SERVER_DATA_IMPORT_FIELDS_H
#define SERVER_DATA_IMPORT_FIELDS_H

#include "base/buf.h"
#include "server/data/import.h"

/* Zero-initialise. */
struct import_fields {
    unsigned n_compared[TABLE_CONTEXTS + 1]; /* rows, by kind; the first are enough */
    bool said[TABLE_CONTEXTS + 1];
};

/* Notes a field of a row whose name differs by letter case alone from one that the store has of the same user
 * or item (stored: a JSON object, or empty). Both are kept, as everywhere. */
void import_fields_compare(struct import_fields *f, const struct import_file *file, const struct buf *stored,
                           struct text given, struct import_report *report);

/* Notes columns of a file that differ by letter case alone, and ids that are all like 1.0. */
void import_fields_look(const struct import_file_report *file, struct import_report *report);

#endif
