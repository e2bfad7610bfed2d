/* log - one line an event on standard error or in a file, or one JSON object a line when asked for.
 * Cost: one write(2) a line; of a server, a copy. A server must not wait for who reads its log: between
 * log_start and log_end lines go through a bounded queue (log_queue.h). What does not fit is dropped,
 * counted, and told of when it goes on.
 * Layer: base
 * Threads: any; lines never mix.
 * Memory: a line is built on the stack, cut at LOG_LINE_BYTES. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

enum { LOG_LINE_BYTES = 4096, LOG_END_MS = 1000 };
enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Lines above this level are dropped; LOG_INFO at start. With json, each line is {"time","level","message"}.
 */
void log_setup(enum log_level level, int json);

/* From now on lines go to the end of a file, which is made when there is none. Call it before there are
 * threads. ERR_IO. */
enum err_code log_to_file(const char *path, struct err *e) ERR_MUST_CHECK;

/* Opens that file anew by its name, for who has moved the old one away; no line is lost. When it cannot be
 * opened lines go on into the old one. Without log_to_file nothing is done. ERR_IO. */
enum err_code log_reopen(struct err *e) ERR_MUST_CHECK;

/* From here on a thread writes. Once a process. */
enum err_code log_start(struct err *e) ERR_MUST_CHECK;

/* Waits until the lines so far are written, for max_ms at most. */
void log_flush(int max_ms);

/* Writes what waits, for max_ms at most. Later lines are written at once, or dropped where that would
 * wait. */
void log_end(int max_ms);

/* Lines that were dropped. */
unsigned long long log_dropped(void);

/* Writes one line; a newline in the text is written as a space, so that input cannot forge a line. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes n bytes as they are plus a newline (a ready JSON object, such as an access line). */
void log_raw(const char *text, unsigned long n);

#endif
