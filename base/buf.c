/* One contiguous block, because both MHD and write(2) want one; doubling keeps appends O(1) amortised. */
#include "base/buf.h"

#include "base/mem.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max_bytes = max_bytes};
}

void buf_fini(struct buf *b)
{
    mem_free(b->data);
    buf_init(b, b->max_bytes);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = ERR_OK;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->failed)
        return NULL;
    if (n < b->capacity - b->len) /* there is room, with the terminator; the capacity never passes the cap */
        return b->data + b->len;
    /* One more than the content, for the terminator of buf_text; SIZE_MAX is not a size that exists. */
    size_t most = b->max_bytes < SIZE_MAX ? b->max_bytes + 1 : SIZE_MAX;
    if (n >= most || b->len >= most - n) {
        b->failed = ERR_LIMIT;
        return NULL;
    }
    size_t need = b->len + n + 1;
    if (need > b->capacity) {
        size_t grown = b->capacity > most / 2 ? most : b->capacity * 2;
        if (grown < 256)
            grown = most < 256 ? most : 256;
        if (grown < need)
            grown = need;
        char *data = mem_realloc_array(b->data, grown, 1);
        if (!data) {
            b->failed = ERR_NOMEM;
            return NULL;
        }
        b->data = data;
        b->capacity = grown;
    }
    return b->data + b->len;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
    char *to = buf_reserve(b, n);
    if (to && n) {
        memcpy(to, bytes, n);
        b->len += n;
    }
}

void buf_addc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 && !b->failed)
        b->failed = ERR_LIMIT; /* past INT_MAX bytes */
    char *to = n < 0 ? NULL : buf_reserve(b, (size_t)n);
    if (to) {
        (void)vsnprintf(to, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

const char *buf_text(struct buf *b)
{
    if (b->failed || !buf_reserve(b, 0))
        return NULL;
    b->data[b->len] = '\0';
    return b->data;
}

char *buf_steal(struct buf *b, size_t *len)
{
    if (!buf_text(b))
        return NULL;
    char *data = b->data;
    if (len)
        *len = b->len;
    buf_init(b, b->max_bytes);
    return data;
}

static void add_escaped(struct buf *b, unsigned char c)
{
    switch (c) {
    case '"':
        buf_add(b, "\\\"", 2);
        break;
    case '\\':
        buf_add(b, "\\\\", 2);
        break;
    case '\n':
        buf_add(b, "\\n", 2);
        break;
    case '\r':
        buf_add(b, "\\r", 2);
        break;
    case '\t':
        buf_add(b, "\\t", 2);
        break;
    default:
        buf_addf(b, "\\u%04x", c);
    }
}

/* Whether a JSON string shows text as it is: no quote, backslash or control character. Eight bytes at a time: a byte is
 * marked by its high bit when taking the limit off borrows from it. A byte beside a marked one may be marked falsely,
 * but none when none is there. */
static bool is_plain(const char *text, size_t n)
{
    const uint64_t ones = 0x0101010101010101u, high = ones * 0x80;
    uint64_t marked = 0, word;
    for (; n >= sizeof word; n -= sizeof word, text += sizeof word) {
        memcpy(&word, text, sizeof word);
        uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
        marked |=
            ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash);
    }
    bool plain = (marked & high) == 0;
    for (; n > 0; n--, text++)
        plain = plain && (unsigned char)*text >= 0x20 && *text != '"' && *text != '\\';
    return plain;
}

void buf_add_json_string(struct buf *b, const char *text, size_t n)
{
    if (is_plain(text, n)) {
        char *to = buf_reserve(b, n + 2);
        if (!to)
            return;
        to[0] = to[n + 1] = '"';
        memcpy(to + 1, text, n);
        b->len += n + 2;
        return;
    }
    buf_addc(b, '"');
    size_t start = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_add(b, text + start, i - start);
        add_escaped(b, c);
        start = i + 1;
    }
    buf_add(b, text + start, n - start);
    buf_addc(b, '"');
}

/* The 9 digits of a in [1e-4, 1e9) as a whole number, and the power of ten of the first one. False where the
 * tenth digit decides too narrowly for one rounded product. */
static bool nine_digits(double a, uint32_t *digits, int *power)
{
    static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12};
    int e = 0;
    while (e < 8 && a >= tens[e + 1])
        e++;
    while (e <= 0 && e > -4 && a * tens[-e] < 1)
        e--;
    double scaled = a * tens[8 - e];
    uint32_t whole = (uint32_t)scaled;
    double rest = scaled - whole;
    if (fabs(rest - 0.5) < 1e-6 || scaled < 1e8)
        return false;
    whole += rest > 0.5;
    *power = e + (whole == 1000000000);
    *digits = whole == 1000000000 ? 100000000 : whole;
    return true;
}

/* Two at a time: half as many divisions, which wait for each other. */
static void nine_characters(uint32_t digits, char text[9])
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
        "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
        "8081828384858687888990919293949596979899";
    for (int k = 7; k > 0; k -= 2, digits /= 100)
        memcpy(text + k, pairs + digits % 100 * 2, 2);
    text[0] = (char)('0' + digits);
}

/* The same text as %.9g, which printf takes ten times as long for. */
static size_t float_text(float x, char out[32])
{
    uint32_t digits;
    int power;
    double a = fabs((double)x);
    if (!(a >= 1e-4 && a < 999999999) || !nine_digits(a, &digits, &power))
        return (size_t)snprintf(out, 32, "%.9g", (double)x);
    char *at = out, *first; /* the digits are written where they stay, but for those before the point */
    *at = '-';
    at += x < 0;
    int n = 9, before = power + 1;
    first = before > 0 ? at + 1 : at + 2 - before;
    memcpy(at, "0.000", 5);
    nine_characters(digits, first);
    while (n > 1 && n > before && first[n - 1] == '0')
        n--;
    if (before <= 0)
        return (size_t)(first + n - out);
    for (int i = 0; i < before; i++)
        at[i] = first[i];
    at[before] = '.';
    return (size_t)(at - out) + (size_t)(n + (n > before));
}

void buf_add_float(struct buf *b, float x)
{
    char text[32];
    buf_add(b, text, float_text(x, text));
}

void buf_add_int(struct buf *b, int64_t x)
{
    char text[20], *at = text + sizeof text; /* of INT64_MIN */
    uint64_t left = x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
    do
        *--at = (char)('0' + left % 10);
    while (left /= 10);
    if (x < 0)
        *--at = '-';
    buf_add(b, at, (size_t)(text + sizeof text - at));
}

enum err_code buf_check(const struct buf *b, const char *what, struct err *e)
{
    if (b->failed == ERR_LIMIT)
        return err_set(e, ERR_LIMIT, "%s would grow past its limit of %zu bytes", what, b->max_bytes);
    if (b->failed)
        return err_set(e, b->failed, "no memory for %s", what);
    return ERR_OK;
}
