/* import_kinds_file - kinds of events out of a file, as export writes them (--event-kinds).
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: a line; what was read is in the kinds. */
#ifndef SERVER_DATA_IMPORT_KINDS_FILE_H
#define SERVER_DATA_IMPORT_KINDS_FILE_H

#include "base/err.h"
#include "server/data/import_kinds.h"

/* Adds the kinds of a file to those that an import makes; k must stay where it is. ERR_INVALID names the
 * line. Errors of the file. */
enum err_code import_kinds_read(struct import_kinds *k, const char *path, struct err *e) ERR_MUST_CHECK;

#endif
