/* output_file - whether a command may write where it was told to: never over its own inputs, nor over what
 * nobody can have meant. A look opens and closes the file, and a process that closes a file loses its locks
 * on it: hence before.
 * Layer: server/data
 * Threads: any, before the process has a store open.
 * Memory: none. */
#ifndef SERVER_DATA_OUTPUT_FILE_H
#define SERVER_DATA_OUTPUT_FILE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* What may be there and be replaced, or be added to; an empty file always may. */
enum output_over {
    OUTPUT_OVER_MODEL, /* a model file */
    OUTPUT_OVER_STORE, /* a store, also one that is damaged: what looks like no other thing */
    OUTPUT_OVER_TEXT   /* anything but databases and models; pipes and devices too */
};

/* A file that the command reads, and the option that names it. path: NULL when it is not given; a store's is
 * its name. */
struct output_input {
    const char *option, *path;
};

/* ERR_CONFLICT with a text that names option, file and what it is, when the file at path is one of the n
 * inputs, or lies beside one as a store's log does, or is there and is not what may be replaced. ERR_IO
 * when that cannot be found out. */
enum err_code output_file_check(const char *option, const char *path, enum output_over over,
                                const struct output_input *inputs, size_t n, struct err *e) ERR_MUST_CHECK;

/* Finds out before hours of work, not after, that a file cannot be written there: the writer makes a new file
 * in the same folder and renames it. ERR_INVALID, ERR_IO with a text that names the option. */
enum err_code output_file_check_folder(const char *option, const char *path, struct err *e) ERR_MUST_CHECK;

/* Whether both names lead to one file, whatever links are on the way; false where one is not there. */
bool output_file_same(const char *a, const char *b);

#endif
