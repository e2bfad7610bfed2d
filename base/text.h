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

/* Whether the text is there and is this word. */
static inline bool text_is(struct text text, const char *word)
{
    return text.data && text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

#endif
