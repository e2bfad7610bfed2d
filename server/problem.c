/* A problem document is small and written whole; where even that fails (out of memory) the status goes out
 * with an empty body. */
#include "server/problem.h"

#include "base/log.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *type;
    int status;
    const char *title;
} problems[] = {
#define X(code, type, status, title) {type, status, title},
    PROBLEMS(X)
#undef X
};

/* A detail may repeat what the caller sent, or end within a character: what is not UTF-8 becomes '?'. */
static void mend(char *text)
{
    size_t n = strlen(text);
    if (utf8_valid(text, n))
        return;
    for (size_t i = 0; i < n;) {
        size_t k = 1;
        while (k <= 4 && i + k <= n && !utf8_valid(text + i, k))
            k++;
        if (k > 4 || i + k > n) {
            text[i] = '?';
            k = 1;
        }
        i += k;
    }
}

static struct buf *begin(struct request *r, enum problem p, const char *detail)
{
    struct buf *b = request_answer(r, problems[p].status, "application/problem+json");
    buf_addf(b, "{\"type\":\"urn:hypernet:problem:%s\",\"title\":\"%s\",\"status\":%d,\"detail\":",
             problems[p].type, problems[p].title, problems[p].status);
    buf_add_json_string(b, detail, strlen(detail));
    buf_adds(b, ",\"request_id\":");
    buf_add_json_string(b, r->id, strlen(r->id));
    r->challenge = problems[p].status == 401;
    r->retry_after_s = problems[p].status == 503 ? 1 : 0;
    return b;
}

void problem_answer(struct request *r, enum problem p, const char *pointer, const char *format, ...)
{
    char detail[ERR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    mend(detail);
    struct buf *b = begin(r, p, detail);
    if (pointer) {
        buf_adds(b, ",\"pointer\":");
        buf_add_json_string(b, pointer, strlen(pointer));
    }
    buf_addc(b, '}');
}

void problem_answer_json(struct request *r, int line, int column, const char *what)
{
    char detail[ERR_TEXT_BYTES];
    (void)snprintf(detail, sizeof detail, "%s", what);
    mend(detail);
    struct buf *b = begin(r, PROBLEM_MALFORMED_JSON, detail);
    buf_addf(b, ",\"line\":%d,\"column\":%d}", line, column);
}

static enum problem problem_of(enum err_code code)
{
    switch (code) {
    case ERR_NOTFOUND:
        return PROBLEM_UNKNOWN_USER;
    case ERR_INVALID:
    case ERR_CONFLICT:
        return PROBLEM_INVALID_VALUE;
    case ERR_LIMIT:
        return PROBLEM_TOO_LARGE;
    case ERR_BUSY:
    case ERR_DEADLINE:
    case ERR_NOMEM:
        return PROBLEM_OVERLOADED;
    case ERR_FULL:
        return PROBLEM_STORE_FULL;
    case ERR_IO:
    case ERR_CORRUPT:
        return PROBLEM_STORE;
    case ERR_OK:
    case ERR_INTERNAL:
        break;
    }
    return PROBLEM_INTERNAL;
}

void problem_answer_err(struct request *r, const struct err *e)
{
    enum problem p = problem_of(e->code);
    if (problems[p].status >= 500)
        log_line(LOG_ERROR, "request %s: %s: %s", r->id, err_name(e->code), e->text);
    problem_answer(r, p, NULL, "%s", e->text);
}
