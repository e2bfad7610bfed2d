/* A file is opened without waiting, so that a pipe that nobody writes to is an error and not a start that
 * hangs. A pipe somebody does write to is read to its end: the shell's <(command) is one. */
#include "server/http/tokens.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LEAST_TOKEN_BYTES = 16, TOKEN_BYTES = 256, MAX_FILE_BYTES = 512, PIPE_WAIT_S = 5 };

struct token {
    struct token *older;
    char text[TOKEN_BYTES];
};

static const char *const kinds[] = {[TOKEN_ADMIN] = "admin token", [TOKEN_API] = "API token"};

/* ---- files ---- */

static void warn_of_others(const char *path, const struct stat *st)
{
    bool read = st->st_mode & (S_IRGRP | S_IROTH), write = st->st_mode & (S_IWGRP | S_IWOTH);
    if (S_ISREG(st->st_mode) && (read || write))
        log_line(LOG_WARN,
                 "token file %s: its mode %03o lets others %s it; `chmod 600` keeps it to its owner", path,
                 (unsigned)(st->st_mode & 0777),
                 read && write ? "read and write"
                 : read        ? "read"
                               : "write");
}

/* Reads to the end of the file, of a pipe to the end of the first line, and no more than MAX_FILE_BYTES; *n:
 * how many bytes. */
static enum err_code read_bytes(int fd, bool pipe, char bytes[MAX_FILE_BYTES], size_t *n, struct err *e)
{
    int64_t end_ns = clock_monotonic_ns() + (int64_t)PIPE_WAIT_S * 1000000000;
    for (*n = 0; *n < MAX_FILE_BYTES;) {
        ssize_t got = read(fd, bytes + *n, MAX_FILE_BYTES - *n);
        if (got == 0)
            return ERR_OK;
        if (got > 0) {
            *n += (size_t)got;
            if (pipe && memchr(bytes, '\n', *n)) /* a token is one line; who writes may stay */
                return ERR_OK;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return err_set(e, ERR_IO, "%s", strerror(errno));
        int64_t left_ms = (end_ns - clock_monotonic_ns()) / 1000000;
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (left_ms <= 0 || (poll(&wait, 1, (int)left_ms) == 0))
            return err_set(e, ERR_IO, "it is a pipe, and what writes into it took more than %d s",
                           PIPE_WAIT_S);
    }
    return ERR_OK;
}

/* Takes the token out of what a file holds: one line, blanks around it are left out. */
static enum err_code parse(const char *bytes, size_t n, char out[TOKEN_BYTES], struct err *e)
{
    size_t start = 0;
    while (n > 0 && memchr(" \t\r\n", bytes[n - 1], 4))
        n--;
    while (start < n && memchr(" \t", bytes[start], 2))
        start++;
    n -= start;
    bool printable = true;
    for (size_t i = start; i < start + n; i++)
        printable = printable && bytes[i] > ' ' && bytes[i] < 127;
    if (n < LEAST_TOKEN_BYTES || n >= TOKEN_BYTES || !printable)
        return err_set(e, ERR_INVALID, "a token is one line of %d to %d characters, none of them a space",
                       LEAST_TOKEN_BYTES, TOKEN_BYTES - 1);
    memcpy(out, bytes + start, n);
    out[n] = '\0';
    return ERR_OK;
}

static enum err_code read_open(int fd, const char *path, char out[TOKEN_BYTES], struct err *e)
{
    struct stat st;
    char bytes[MAX_FILE_BYTES];
    size_t n;
    if (fstat(fd, &st))
        return err_set(e, ERR_IO, "%s", strerror(errno));
    if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
        return err_set(e, ERR_IO, "it is %s, not a file with a token",
                       S_ISDIR(st.st_mode) ? "a folder" : "a device or a socket");
    enum err_code code = read_bytes(fd, S_ISFIFO(st.st_mode), bytes, &n, e);
    if (!code && n == 0 && S_ISFIFO(st.st_mode))
        return err_set(e, ERR_IO, "it is a pipe, and nobody writes into it");
    if (!code)
        code = parse(bytes, n, out, e);
    if (!code)
        warn_of_others(path, &st);
    return code;
}

static enum err_code read_file(const char *path, char out[TOKEN_BYTES], struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_set(e, ERR_IO, "token file %s: %s", path, strerror(errno));
    enum err_code code = read_open(fd, path, out, e);
    (void)close(fd);
    return code ? err_prefix(e, "token file %s", path) : ERR_OK;
}

/* ---- tokens ---- */

enum err_code tokens_set(struct tokens *t, enum token_kind kind, const char *text, struct err *e)
{
    struct token *next = mem_zalloc_array(1, sizeof *next);
    if (!next)
        return err_set(e, ERR_NOMEM, "no memory for a token");
    next->older = atomic_load(&t->newest[kind]);
    memcpy(next->text, text, strnlen(text, TOKEN_BYTES - 1));
    atomic_store_explicit(&t->newest[kind], next, memory_order_release);
    return ERR_OK;
}

static void warn_of_one_for_all(struct tokens *t)
{
    struct token *admin = atomic_load(&t->newest[TOKEN_ADMIN]), *api = atomic_load(&t->newest[TOKEN_API]);
    if (admin && api && strcmp(admin->text, api->text) == 0)
        log_line(LOG_WARN,
                 "token files %s and %s have the same token: who may ask may also replace and forget users",
                 t->files[TOKEN_ADMIN], t->files[TOKEN_API]);
}

enum err_code tokens_read(struct tokens *t, const char *admin_file, const char *api_file, struct err *e)
{
    char text[TOKEN_BYTES];
    enum err_code code = ERR_OK;
    t->files[TOKEN_ADMIN] = admin_file;
    t->files[TOKEN_API] = api_file;
    for (size_t kind = 0; kind < N_TOKENS && !code; kind++) {
        if (!t->files[kind])
            continue;
        code = read_file(t->files[kind], text, e);
        if (!code)
            code = tokens_set(t, (enum token_kind)kind, text, e);
    }
    if (!code)
        warn_of_one_for_all(t);
    return code;
}

void tokens_reread(struct tokens *t)
{
    char text[TOKEN_BYTES];
    for (size_t kind = 0; kind < N_TOKENS; kind++) {
        struct err e = {0};
        if (!t->files[kind])
            continue;
        enum err_code code = read_file(t->files[kind], text, &e);
        if (!code && strcmp(text, atomic_load(&t->newest[kind])->text) == 0) {
            log_line(LOG_INFO, "%s: %s has the same one", kinds[kind], t->files[kind]);
            continue;
        }
        if (!code)
            code = tokens_set(t, (enum token_kind)kind, text, &e);
        if (code)
            log_line(LOG_ERROR, "%s; the old %s stays", e.text, kinds[kind]);
        else
            log_line(LOG_INFO, "%s: the new one of %s counts from now on", kinds[kind], t->files[kind]);
    }
    warn_of_one_for_all(t);
}

bool tokens_any(const struct tokens *t, enum token_kind kind)
{
    return atomic_load_explicit(&t->newest[kind], memory_order_acquire) != NULL;
}

bool tokens_are(const struct tokens *t, enum token_kind kind, struct text given)
{
    const struct token *token = atomic_load_explicit(&t->newest[kind], memory_order_acquire);
    size_t n = token ? strlen(token->text) : 0;
    unsigned char differ = given.len != n || n == 0;
    for (size_t i = 0; i < given.len; i++)
        differ |= (unsigned char)(given.data[i] ^ (n ? token->text[i % n] : 0));
    return differ == 0;
}

void tokens_fini(struct tokens *t)
{
    for (size_t kind = 0; kind < N_TOKENS; kind++) {
        struct token *at = atomic_exchange(&t->newest[kind], NULL);
        while (at) {
            struct token *older = at->older;
            mem_free(at);
            at = older;
        }
    }
}
