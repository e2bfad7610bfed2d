/* import_print - what an import took each file for and what became of its rows, as text or JSON on standard
 * output.
 * Layer: server/data
 * Threads: confined to the main thread.
 * Memory: the JSON text. */
#ifndef SERVER_DATA_IMPORT_PRINT_H
#define SERVER_DATA_IMPORT_PRINT_H

#include "server/data/import.h"

/* format: as it was asked for; TABLE_AUTO when it was found. */
void import_print_text(const char *store, const struct import_report *r, enum table_format format,
                       double seconds);
enum err_code import_print_json(const char *store, const struct import_report *r, enum table_format format,
                                double seconds, struct err *e) ERR_MUST_CHECK;

#endif
