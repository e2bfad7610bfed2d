/* file - a file that is whole or as it was: written beside its place, synced, and renamed into it. Who opens
 * the path sees the old file or the new one, also after a crash or on a full disk.
 * Two writers of one path cannot mix their bytes: the second is refused (ERR_BUSY), for the part is locked
 * while it is written. What a killed writer left is written over.
 * Layer: base
 * Threads: confined.
 * Memory: the part's name; file_out_fini frees it. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/err.h"

#include <stddef.h>
#include <stdio.h>

/* ERR_FULL where errno says that there is no room left, ERR_NOMEM, else ERR_IO, with the text `PATH: cannot
 * WHAT: reason`. */
enum err_code file_error(struct err *e, const char *path, const char *what);

/* The code alone, of an errno. */
enum err_code file_code(int number);

/* New names, path and suffix, and folder/name; NULL when there is no memory. mem_free frees them. */
char *file_beside(const char *path, const char *suffix) __attribute__((warn_unused_result));
char *file_in(const char *folder, const char *name) __attribute__((warn_unused_result));

/* Who may read the file. */
enum file_access {
    FILE_SHARED, /* as the process's umask has it */
    FILE_PRIVATE /* its owner alone */
};

struct file_out {
    char *path, *part; /* its place, and where it is written: path and suffix */
    int fd;            /* -1: not open */
    FILE *stream;      /* of fd; NULL: not asked for */
};

/* Begins an empty file at path and suffix. ERR_BUSY: another process writes it; ERR_IO: also where
 * path is a folder, a device or a pipe; ERR_FULL, ERR_NOMEM. file_out_fini is called in any case. */
enum err_code file_out_open(struct file_out *f, const char *path, const char *suffix, enum file_access access,
                            struct err *e) ERR_MUST_CHECK;

/* Adds bytes; not beside a stream. */
enum err_code file_out_write(struct file_out *f, const void *bytes, size_t n, struct err *e) ERR_MUST_CHECK;

/* The file as a stream, which is closed with it; file_out_sync finds its errors. ERR_NOMEM. */
enum err_code file_out_stream(struct file_out *f, FILE **out, struct err *e) ERR_MUST_CHECK;

/* What was written is on the disk, under the part's name. */
enum err_code file_out_sync(struct file_out *f, struct err *e) ERR_MUST_CHECK;

/* Syncs the part, which then takes its place for good: the folder is synced too. */
enum err_code file_out_replace(struct file_out *f, struct err *e) ERR_MUST_CHECK;

/* Of a file that did not take its place the part goes, and nothing is changed. A zeroed struct is allowed. */
void file_out_fini(struct file_out *f);

#endif
