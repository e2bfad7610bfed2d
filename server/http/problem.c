/* A problem document is small and written whole; where even that fails (out of memory) the status goes out
 * with an empty body. */
#include "server/http/problem.h"

#include "base/log.h"
#include "base/utf8.h"
#include "server/http/problem_list.h"

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

const char *problem_type(enum problem p)
{
    return problems[p].type;
}

/* Everything up to the detail, which is JSON text. */
static void add_head(struct buf *b, const struct request *r, enum problem p)
{
    buf_addf(b, "{\"type\":\"" PROBLEM_TYPE_PREFIX "%s\",\"title\":\"%s\",\"status\":%d,\"request_id\":",
             problems[p].type, problems[p].title, problems[p].status);
    buf_add_json_string(b, r->id, strlen(r->id));
    buf_adds(b, ",\"detail\":");
}

void problem_add(struct buf *out, const struct request *r, enum problem p, const char *detail)
{
    char text[ERR_TEXT_BYTES];
    (void)snprintf(text, sizeof text, "%s", detail);
    mend(text);
    add_head(out, r, p);
    buf_add_json_string(out, text, strlen(text));
    buf_addc(out, '}');
}

static struct buf *begin(struct request *r, enum problem p)
{
    struct buf *b = request_answer(r, problems[p].status, "application/problem+json");
    add_head(b, r, p);
    r->challenge = problems[p].status == 401;
    r->retry_after_s = problems[p].status == 503 ? 1 : 0;
    return b;
}

void problem_answer(struct request *r, enum problem p, const char *pointer, const char *format, ...)
{
    char detail[ERR_TEXT_BYTES] = "";
    bool batcher = r->faults && pointer;
    if (!batcher || problem_list_has_room(r->faults)) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(detail, sizeof detail, format, args);
        va_end(args);
        mend(detail);
    }
    if (batcher) {
        problem_list_add(r->faults, p, pointer, detail, 0, 0);
        return;
    }
    struct buf *b = begin(r, p);
    buf_add_json_string(b, detail, strlen(detail));
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
    if (r->faults) {
        problem_list_add(r->faults, PROBLEM_MALFORMED_JSON, NULL, detail, line, column);
        return;
    }
    struct buf *b = begin(r, PROBLEM_MALFORMED_JSON);
    buf_add_json_string(b, detail, strlen(detail));
    buf_addf(b, ",\"line\":%d,\"column\":%d}", line, column);
}

/* The detail of the first fault, with what is true of all of them behind it. */
static void add_first_detail(struct buf *b, const struct problem_list *l, const char *ending)
{
    buf_add(b, l->texts.data + l->faults[0].detail_at,
            l->faults[0].detail_len - 1); /* without its last quote */
    if (l->n > 1)
        buf_addf(b, "; the first of %zu faults", l->n);
    if (ending)
        buf_addf(b, "; %s", ending);
    buf_addc(b, '"');
}

void problem_answer_list(struct request *r, struct problem_list *l, const char *ending)
{
    r->faults = NULL;
    if (l->failed || !l->n_listed) {
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory to say what is wrong");
        return;
    }
    problem_list_sort(l);
    const struct problem_fault *first = &l->faults[0];
    struct buf *b = begin(r, first->problem);
    add_first_detail(b, l, ending);
    if (first->pointer_len) {
        buf_adds(b, ",\"pointer\":");
        buf_add(b, l->texts.data + first->pointer_at, first->pointer_len);
    }
    if (first->line)
        buf_addf(b, ",\"line\":%d,\"column\":%d", first->line, first->column);
    buf_adds(b, ",\"errors\":");
    problem_list_write(l, false, b);
    buf_addf(b, ",\"n_errors\":%zu}", l->n);
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
    case ERR_LOST:
        return PROBLEM_STORE_LOST;
    case ERR_OK:
    case ERR_INTERNAL:
        break;
    }
    return PROBLEM_INTERNAL;
}

/* What a caller is told where the reason is the server's own affair: it may name files, tables and other
 * users. */
static const char *told(enum problem p)
{
    switch (p) {
    case PROBLEM_OVERLOADED:
        return "the server or its store is busy; nothing was changed, try again";
    case PROBLEM_STORE_FULL:
        return "the store's disk is full; nothing was changed, and reads go on";
    case PROBLEM_STORE:
        return "the store could not be read or written; nothing was changed, and the server's log says why";
    case PROBLEM_STORE_LOST:
        return "the store's file was removed or replaced while the server runs; nothing is written until it "
               "is restarted";
    default:
        return "the server failed; its log says why";
    }
}

/* What a caller is told of an error; the log has what he is not. */
static const char *detail_of(const struct request *r, enum problem p, const struct err *e)
{
    bool ours = problems[p].status >= 500;
    if (ours)
        log_line(LOG_ERROR, "request %s: %s: %s", r->id, err_name(e->code), e->text);
    return ours ? told(p) : e->text;
}

void problem_answer_err(struct request *r, const struct err *e)
{
    enum problem p = problem_of(e->code);
    problem_answer(r, p, NULL, "%s", detail_of(r, p, e));
}

void problem_add_err(struct buf *out, const struct request *r, const struct err *e)
{
    enum problem p = problem_of(e->code);
    problem_add(out, r, p, detail_of(r, p, e));
}
