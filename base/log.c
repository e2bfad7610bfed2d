/* Without a queue, one write(2) a line: the kernel keeps lines of different threads and processes apart,
 * without a lock of ours. */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static atomic_int max_level = LOG_INFO;
static atomic_int as_json;
static atomic_int log_fd = STDERR_FILENO; /* stays the same number when the file is opened anew */
static const char *file_path;             /* NULL: standard error */
static atomic_bool has_ended;             /* the queue */
static const char *const level_names[] = {"error", "warning", "info", "debug"};

void log_setup(enum log_level level, int json)
{
    atomic_store(&max_level, (int)level);
    atomic_store(&as_json, json);
}

static enum err_code open_file(const char *path, int *fd, struct err *e)
{
    /* Without waiting, for the case that it is a pipe that nobody reads from. */
    *fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    return *fd < 0 ? err_set(e, ERR_IO, "log file %s: %s", path, strerror(errno)) : ERR_OK;
}

enum err_code log_to_file(const char *path, struct err *e)
{
    int fd;
    enum err_code code = open_file(path, &fd, e);
    if (code)
        return code;
    file_path = path;
    atomic_store(&log_fd, fd);
    return ERR_OK;
}

enum err_code log_reopen(struct err *e)
{
    int fd;
    if (!file_path)
        return ERR_OK;
    enum err_code code = open_file(file_path, &fd, e);
    if (code)
        return code;
    if (dup3(fd, atomic_load(&log_fd), O_CLOEXEC) <
        0) /* who writes meanwhile writes to the one or the other */
        code = err_set(e, ERR_IO, "log file %s: %s", file_path, strerror(errno));
    (void)close(fd);
    return code;
}

static void write_all(const char *bytes, size_t n)
{
    if (log_queue_add(bytes, n) || (atomic_load(&has_ended) && !log_writable(atomic_load(&log_fd), 0)))
        return;
    while (n > 0) {
        ssize_t wrote = write(atomic_load_explicit(&log_fd, memory_order_relaxed), bytes, n);
        if (wrote <= 0)
            return; /* nobody listens; there is nowhere to report that */
        bytes += wrote;
        n -= (size_t)wrote;
    }
}

static void flatten(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20)
            *text = ' ';
}

/* A whole line of a text without control characters; returns its length. */
static size_t lay_out(enum log_level level, const char *text, char *out, size_t room)
{
    int n;
    if (atomic_load_explicit(&as_json, memory_order_relaxed)) {
        struct buf b;
        buf_init(&b, room);
        buf_add_json_string(&b, text, strlen(text));
        const char *quoted = buf_text(&b);
        n = snprintf(out, room, "{\"time\":%.3f,\"level\":\"%s\",\"message\":%s}\n",
                     (double)clock_unix_ms() / 1e3, level_names[level], quoted ? quoted : "\"\"");
        buf_fini(&b);
    } else {
        n = snprintf(out, room, "hypernet: %s%s%s\n", level <= LOG_WARN ? level_names[level] : "",
                     level <= LOG_WARN ? ": " : "", text);
    }
    return n <= 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

void log_line(enum log_level level, const char *format, ...)
{
    if ((int)level > atomic_load_explicit(&max_level, memory_order_relaxed))
        return;
    char text[LOG_LINE_BYTES], line[2 * LOG_LINE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    flatten(text);
    size_t n = lay_out(level, text, line, sizeof line);
    if (n > 0) {
        line[n - 1] = '\n'; /* also of a line that was cut */
        write_all(line, n);
    }
}

static size_t tell_dropped(unsigned long long n, char *out, size_t room)
{
    char text[128];
    (void)snprintf(text, sizeof text, "%llu lines of the log were dropped: who reads it was too slow", n);
    return lay_out(LOG_WARN, text, out, room);
}

enum err_code log_start(struct err *e)
{
    return log_queue_start(&log_fd, tell_dropped, e);
}

void log_flush(int max_ms)
{
    log_queue_flush(max_ms);
}

void log_end(int max_ms)
{
    log_queue_stop(max_ms);
    atomic_store(&has_ended, true);
}

unsigned long long log_dropped(void)
{
    return log_queue_dropped();
}

void log_raw(const char *text, unsigned long n)
{
    char line[LOG_LINE_BYTES];
    if (n > sizeof line - 1)
        n = sizeof line - 1;
    memcpy(line, text, n);
    line[n] = '\n';
    write_all(line, n + 1);
}
