/* talk - how commands speak to a person: the next command to type, plurals, and a reader that went away. Talk
 * is on standard error: standard output is a command's result.
 * Layer: base
 * Threads: confined to the main thread.
 * Memory: none. */
#ifndef BASE_TALK_H
#define BASE_TALK_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* "s", or "" where n is one: printf("%zu line%s", n, talk_s(n)). */
const char *talk_s(int64_t n);

/* Appends a word as a shell of POSIX reads it: as it is where nothing in it is special, else in single
 * quotes. */
void talk_add_quoted(struct buf *b, const char *word);

/* A line on standard error: the label, the program as it was called, then the words (ended by NULL), quoted
 * where a shell needs it. Says nothing without memory. */
void talk_command(const char *label, const char *const words[]);

/* A result as a line on standard output; out is freed. what: what it is, for the message. */
enum err_code talk_result(struct buf *out_take, const char *what, struct err *e);

/* Whether standard output is a pipe or socket whose reader has gone, as in `hypernet inspect FILE | head
 * -1`. */
bool talk_reader_gone(void);

#endif
