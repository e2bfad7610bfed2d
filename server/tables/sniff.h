/* sniff - names by its first bytes a file that is no table of UTF-8 text.
 * Layer: server/tables
 * Threads: any.
 * Memory: none; texts are static. */
#ifndef SERVER_TABLES_SNIFF_H
#define SERVER_TABLES_SNIFF_H

#include <stddef.h>

/* What a file is that begins with these bytes, and what to do: "an xz file; unpack it first: xz -d FILE".
 * NULL: nothing speaks against a table of text. */
const char *table_sniff(const char *bytes, size_t n);

/* The same of one of the n_fields fields that a header was split into, where a column is missing: "its fields
 * are separated by ';', ...". NULL: nothing to say. */
const char *table_sniff_header(const char *field, size_t n, size_t n_fields);

#endif
