/* log - one line an event on standard error, or one JSON object a line when asked for.
 * Layer: base; used by server only (lower layers return errors instead).     Threads: any; lines never mix.
 * Memory: a line is built on the stack, cut at LOG_LINE_BYTES.               Cost: one write(2) a line. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum { LOG_LINE_BYTES = 4096 };
enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Lines above this level are dropped; LOG_INFO at start. With json, each line is {"time","level","message"}.
 */
void log_setup(enum log_level level, int json);

/* Writes one line; a newline in the text is written as a space, so that input cannot forge a line. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes n bytes as they are plus a newline (a ready JSON object, such as an access line). */
void log_raw(const char *text, unsigned long n);

#endif
