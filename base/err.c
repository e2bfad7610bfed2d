/* Fixed text in the caller's struct: the error path must not allocate, because out of memory takes it too. */
#include "base/err.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Cuts text so that it does not end inside a UTF-8 sequence. */
static void trim_partial_utf8(char *text)
{
    size_t n = strlen(text), back = 0;
    while (back < n && back < 3 && ((unsigned char)text[n - 1 - back] & 0xC0) == 0x80)
        back++;
    if (back >= n)
        return;
    unsigned char lead = (unsigned char)text[n - 1 - back];
    size_t need = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (need > back)
        text[n - 1 - back] = '\0';
}

void err_clear(struct err *e)
{
    if (e) {
        e->code = ERR_OK;
        e->text[0] = '\0';
    }
}

enum err_code err_set(struct err *e, enum err_code code, const char *format, ...)
{
    if (!e || e->code != ERR_OK)
        return code;
    va_list args;
    va_start(args, format);
    e->code = code;
    if (vsnprintf(e->text, sizeof e->text, format, args) >= (int)sizeof e->text)
        trim_partial_utf8(e->text);
    va_end(args);
    return code;
}

enum err_code err_prefix(struct err *e, const char *format, ...)
{
    if (!e || e->code == ERR_OK)
        return e ? e->code : ERR_INTERNAL;
    char head[ERR_TEXT_BYTES - 2],
        tail[ERR_TEXT_BYTES]; /* the head leaves room for the colon and the space */
    va_list args;
    va_start(args, format);
    if (vsnprintf(head, sizeof head, format, args) >= (int)sizeof head)
        trim_partial_utf8(head);
    va_end(args);
    memcpy(tail, e->text, sizeof tail);
    size_t n = strlen(head);
    memcpy(e->text, head, n);
    memcpy(e->text + n, ": ", 2);
    size_t room = sizeof e->text - n - 2, want = strlen(tail);
    if (want >= room)
        want = room - 1;
    memcpy(e->text + n + 2, tail, want);
    e->text[n + 2 + want] = '\0';
    trim_partial_utf8(e->text);
    return e->code;
}

enum err_code err_copy(struct err *e, const struct err *from)
{
    assert(from->code != ERR_OK);
    return err_set(e, from->code ? from->code : ERR_INTERNAL, "%s", from->text);
}

const char *err_name(enum err_code code)
{
    switch (code) {
    case ERR_OK:
        return "ok";
#define X(c, name, meaning)                                                                                  \
    case c:                                                                                                  \
        return name;
        ERR_CODES(X)
#undef X
    }
    return "unknown";
}
