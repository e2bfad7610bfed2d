/* One contiguous block, because both MHD and write(2) want one; doubling keeps appends O(1) amortised. */
#include "base/buf.h"

#include "base/hash.h"
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

/* Of eight characters, those that a JSON string does not show as they are are marked by their high bits:
 * taking the limit off borrows from a control character, and quote and backslash become 0, which one is taken
 * off. A character beside a marked one may be marked falsely, but none when none is there. */
static uint64_t special(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
    return ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash);
}

/* Fewer than eight characters in a word; some of them may be there twice, and where none is stands one that
 * needs nothing. */
static uint64_t short_word(const char *text, size_t n)
{
    const uint64_t plain = '0' * 0x0101010101010101u;
    return hash_short(text, n) | (n == 0 ? plain : n < 4 ? plain << 24 : 0);
}

/* Whether a JSON string shows text as it is. */
static bool is_plain(const char *text, size_t n)
{
    const uint64_t high = 0x8080808080808080u;
    uint64_t marked = 0, word;
    if (n < sizeof word)
        return (special(short_word(text, n)) & high) == 0;
    for (size_t i = 0; i + sizeof word <= n; i += sizeof word) {
        memcpy(&word, text + i, sizeof word);
        marked |= special(word);
    }
    memcpy(&word, text + n - sizeof word, sizeof word); /* the rest, and some of what was seen */
    return ((marked | special(word)) & high) == 0;
}

void buf_add_json_string(struct buf *b, const char *text, size_t n)
{
    if (is_plain(text, n)) {
        char *to = buf_reserve(b, n + 2);
        if (!to)
            return;
        to[0] = to[n + 1] = '"';
        if (n)
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

/* The 9 digits of a in [1e-4, 999999999) as a whole number, and the power of ten of the first one. False
 * where the tenth digit decides too narrowly for two rounded products. */
static bool nine_digits(double a, uint32_t *digits, int *power)
{
    enum { BITS = 52, BIAS = 1023 };
    static const double tens[] = {1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12};
    uint64_t bits;
    memcpy(&bits, &a, sizeof bits);
    /* 2^b <= a < 2^(b + 1), so that e is the power or one more; 1233 / 4096 is log10(2), close enough for b
     * in [-14, 29]. */
    int b = (int)(bits >> BITS) - BIAS, e = (b * 1233 >> 12) + 1;
    double scaled = a * tens[9 - e];
    bool more = scaled < 1e8;
    scaled *= more ? 10 : 1;
    long whole = lrint(scaled);
    if (fabs(scaled - (double)whole) > 0.5 - 1e-6)
        return false;
    *power = e - more + (whole == 1000000000);
    *digits = whole == 1000000000 ? 100000000 : (uint32_t)whole;
    return true;
}

/* Eight digits, the first in the lowest byte: halved into numbers side by side of four, then two, then one
 * digit, each division a multiplication that is exact in its range. */
static uint64_t eight_digits(uint32_t x)
{
    uint64_t v = x / 10000 | (uint64_t)(x % 10000) << 32;
    uint64_t hundreds = (v * 10486 >> 20) & 0x0000007f0000007fu;
    v = hundreds | (v - hundreds * 100) << 16;
    uint64_t tens = (v * 103 >> 10) & 0x000f000f000f000fu;
    return tens | (v - tens * 10) << 8;
}

/* Digits with `before` of them, two or more, in front of the point; n: without the zeros at the end. */
static size_t large_text(char first, uint64_t rest, int n, int before, char *at)
{
    char all[9] = {first};
    memcpy(all + 1, &rest, sizeof rest);
    n = n < before ? before : n;
    memcpy(at, all, (size_t)before);
    at[before] = '.';
    memcpy(at + before + 1, all + before, (size_t)(n - before));
    return (size_t)(n + (n > before));
}

/* The same text as %.9g, which printf takes ten times as long for. Without a branch for numbers below ten, of
 * which nobody knows which comes next. */
size_t buf_float_text(float x, char out[BUF_FLOAT_BYTES])
{
    uint32_t digits;
    int power;
    double a = fabs((double)x);
    if (!(a >= 1e-4 && a < 999999999) || !nine_digits(a, &digits, &power))
        return (size_t)snprintf(out, BUF_FLOAT_BYTES, "%.9g", (double)x);
    char *at = out, first = (char)('0' + digits / 100000000);
    *at = '-';
    at += x < 0;
    uint64_t rest = eight_digits(digits % 100000000), shown = rest | 0x3030303030303030u;
    int n = rest ? 9 - __builtin_clzll(rest) / 8 : 1;
    if (power > 0)
        return (size_t)(at - out) + large_text(first, shown, n, power + 1, at);
    int zeros = -power; /* the one in front of the point included */
    memcpy(at, "0.0000", 6);
    at[zeros + (zeros > 0)] = first;
    memcpy(at + 2 + zeros, &shown, sizeof shown);
    return (size_t)(at - out) + (size_t)(n + 1 + zeros - (zeros == 0 && n == 1));
}

void buf_add_float(struct buf *b, float x)
{
    char text[BUF_FLOAT_BYTES];
    if (!b->failed && sizeof text < b->capacity - b->len)
        b->len += buf_float_text(x, b->data + b->len);
    else
        buf_add(b, text, buf_float_text(x, text));
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
