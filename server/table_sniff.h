/* table_sniff - names by its first bytes a file that is no table of UTF-8 text.
 * Layer: server; depends on libc only.      Threads: any.      Memory: none; texts are static. */
#ifndef SERVER_TABLE_SNIFF_H
#define SERVER_TABLE_SNIFF_H

#include <stddef.h>

/* What a file is that begins with these bytes, and what to do: "an xz file; unpack it first: xz -d FILE". NULL: nothing speaks against
 * a table of text. */
const char *table_sniff(const char *bytes, size_t n);

/* The same of the line that should be a header: "separated by ';', ...". NULL: nothing to say. */
const char *table_sniff_header(const char *line, size_t n);

#endif
