/* err - error codes and the caller-owned error text that every layer returns.
 *
 * Convention: a fallible function returns enum err_code (0 is done), takes `struct err *e` last (may be
 * NULL), and writes its outputs only when it is done. The first error wins: err_set on a filled struct
 * changes nothing.
 * Layer: base
 * Threads: a struct err is confined to its thread.
 * Memory: fixed text inside the struct; nothing here allocates, so out of memory can be reported too. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

/* code, stable name, what it means */
#define ERR_CODES(X)                                                                                         \
    X(ERR_NOMEM, "out-of-memory", "an allocation failed")                                                    \
    X(ERR_INVALID, "invalid", "the input breaks its contract")                                               \
    X(ERR_NOTFOUND, "not-found", "no such thing")                                                            \
    X(ERR_CONFLICT, "conflict", "it exists already, or changed in the meantime")                             \
    X(ERR_BUSY, "busy", "a resource is taken; trying again later can help")                                  \
    X(ERR_LIMIT, "limit", "a named limit was reached")                                                       \
    X(ERR_DEADLINE, "deadline", "it took longer than allowed")                                               \
    X(ERR_CORRUPT, "corrupt", "a file's content contradicts its format")                                     \
    X(ERR_IO, "io", "the operating system refused to read or write")                                         \
    X(ERR_FULL, "full", "the disk is full")                                                                  \
    X(ERR_LOST, "lost", "a file was removed, renamed or replaced while it was open")                         \
    X(ERR_INTERNAL, "internal", "a defect of this program")

enum err_code {
    ERR_OK = 0,
#define X(code, name, meaning) code,
    ERR_CODES(X)
#undef X
};

enum { ERR_TEXT_BYTES = 512 };

struct err {
    enum err_code code; /* ERR_OK while empty */
    char text[ERR_TEXT_BYTES];
};

#define ERR_MUST_CHECK __attribute__((warn_unused_result))

/* Empties e. NULL is allowed. A struct err = {0} is empty too. */
void err_clear(struct err *e);

/* Records code and a printf-style text in e unless e is NULL or filled; returns code, so that a failing
 * function can end with `return err_set(e, ERR_INVALID, "...")`. Text past ERR_TEXT_BYTES is cut at a UTF-8
 * character. */
enum err_code err_set(struct err *e, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts `prefix: ` in front of the text of a filled e, so that callers add where it happened. Returns e's
 * code. */
enum err_code err_prefix(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Records in e what is in a filled `from`, and returns its code. */
enum err_code err_copy(struct err *e, const struct err *from);

/* The stable name of a code ("ok" for 0); static storage. */
const char *err_name(enum err_code code);

#endif
