/* text - bytes with a length, borrowed: how ids, fields and bodies are passed on without a copy.
 * Layer: base
 * Threads: plain values.
 * Memory: none; whoever has the bytes keeps them. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Never terminated for sure, never owned. NULL data means absent. */
struct text {
    const char *data;
    size_t len;
};

/* A C string as a text; NULL is absent. */
static inline struct text text_of(const char *s)
{
    return (struct text){s, s ? strlen(s) : 0};
}

/* Whether the text is there and is this word. */
static inline bool text_is(struct text text, const char *word)
{
    return text.data && text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

/* Byte by byte, the shorter of two that begin alike first: below, at or above 0. */
static inline int text_compare(struct text a, struct text b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

enum { TEXT_SHOWN_BYTES = 40 };

/* How many bytes of it a message shows (`%.*s`): whole characters of UTF-8, up to TEXT_SHOWN_BYTES. */
static inline int text_shown(struct text text)
{
    size_t n = text.len;
    if (n > TEXT_SHOWN_BYTES)
        for (n = TEXT_SHOWN_BYTES; n && ((unsigned char)text.data[n] & 0xC0) == 0x80;)
            n--;
    return (int)n;
}

/* Whether it is a decimal digit, whatever the locale; and how many are at p, before end. */
static inline bool text_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline size_t text_digits(const char *p, const char *end)
{
    size_t n = 0;
    while (p + n < end && text_is_digit(p[n]))
        n++;
    return n;
}

#endif
