/* file_bytes - the bytes of a model file in memory, which stay what they are whatever is done to the file.
 * Layer: engine/format
 * Threads: immutable while open; file_bytes_settle is one's at a time.
 * Memory: the file, mapped and shared with whoever maps it too, or a copy of it. */
#ifndef ENGINE_FORMAT_FILE_BYTES_H
#define ENGINE_FORMAT_FILE_BYTES_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct file_bytes {
    const void *bytes; /* (n_bytes) on pages of their own; NULL: of an empty file */
    size_t n_bytes;
    int lease; /* the file, which nobody writes to as long as it is open; -1: the bytes are a copy */
};

/* Reads a regular file. With share it is mapped where the system promises to tell before somebody writes to
 * it, by SIGIO: the process must take that signal and call file_bytes_settle in time
 * (/proc/sys/fs/lease-break-time, 45 s). Else it is copied. ERR_NOTFOUND, ERR_NOMEM, ERR_IO: among others it
 * changed while it was read. The text does not name the path. */
enum err_code file_bytes_open(const char *path, bool share, struct file_bytes *out,
                              struct err *e) ERR_MUST_CHECK;

/* When somebody waits to write to the file, the bytes become a copy, in their place, and the file is let go.
 * *settled: they did now. ERR_NOMEM: there is no memory for it, and it waits on. */
enum err_code file_bytes_settle(struct file_bytes *b, bool *settled, struct err *e) ERR_MUST_CHECK;

void file_bytes_close(struct file_bytes *b);

#endif
