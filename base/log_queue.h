/* log_queue - lines on their way to where the log goes, written by a thread of its own, so that a reader who
 * stalls holds up nobody.
 * Cost: a lock and a copy a line.
 * Layer: base
 * Threads: any.
 * Memory: LOG_QUEUE_BYTES, taken at start; what does not fit is dropped and counted. */
#ifndef BASE_LOG_QUEUE_H
#define BASE_LOG_QUEUE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { LOG_QUEUE_BYTES = 1 << 20 };

/* Writes the line that says that n lines were dropped; returns its length. */
typedef size_t log_queue_notice(unsigned long long n, char *out, size_t room);

/* Starts the thread, which writes to *fd, whatever that is by then. Once a process. */
enum err_code log_queue_start(const _Atomic int *fd, log_queue_notice *of_dropped,
                              struct err *e) ERR_MUST_CHECK;

/* Waits until what is queued is written, for max_ms at most. */
void log_queue_flush(int max_ms);

/* Writes what is queued, for max_ms at most, and ends the thread if it does not wait for a reader. */
void log_queue_stop(int max_ms);

/* Takes a whole line with its newline; false: there is no thread, write it yourself. */
bool log_queue_add(const char *line, size_t n);

/* Lines that were dropped since the start of the process. */
unsigned long long log_queue_dropped(void);

/* Whether a write of a line would not wait. */
bool log_writable(int fd, int max_ms);

#endif
