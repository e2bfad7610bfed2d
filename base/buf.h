/* buf - growable bytes with a mandatory cap.
 * A failed append leaves a sticky error: later appends do nothing, so a writer checks once, at the end.
 * Layer: base
 * Threads: confined to its thread.
 * Memory: one block, doubled as needed, never past max_bytes; buf_fini frees it. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
    char *data;           /* (len), not terminated unless buf_text was called */
    size_t len;           /* bytes in use */
    size_t capacity;      /* bytes allocated */
    size_t max_bytes;     /* the cap */
    enum err_code failed; /* ERR_OK, ERR_NOMEM or ERR_LIMIT once an append failed */
};

/* Makes an empty buffer that will never hold more than max_bytes; allocates nothing. */
void buf_init(struct buf *b, size_t max_bytes);

/* Frees the bytes; the buffer is then as after buf_init. */
void buf_fini(struct buf *b);

/* Empties the buffer and clears a sticky error; keeps the memory for the next use. */
void buf_reset(struct buf *b);

/* Makes room for n more bytes and returns where they start, or NULL (sticky error). The caller writes up to n
 * bytes there and then adds what it wrote to b->len. */
char *buf_reserve(struct buf *b, size_t n);

/* Appends n bytes, a string, a character, a printf-style text. The first three are here, so that the length
 * of a literal is a constant and its copy a store or two. */
static inline void buf_add(struct buf *b, const void *bytes, size_t n)
{
    bool roomy = !b->failed && n < b->capacity - b->len; /* the capacity never passes the cap */
    char *to = roomy ? b->data + b->len : buf_reserve(b, n);
    if (to && n) {
        memcpy(to, bytes, n);
        b->len += n;
    }
}
static inline void buf_adds(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}
static inline void buf_addc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}
void buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The content as a terminated string, borrowed until the next change; NULL after a failed append. */
const char *buf_text(struct buf *b);

/* Hands the block (terminated) to the caller, who frees it with mem_free; NULL after a failed append. */
char *buf_steal(struct buf *b, size_t *len);

/* Appends text as a JSON string with its quotes; text must be UTF-8. */
void buf_add_json_string(struct buf *b, const char *text, size_t n);

/* Appends a whole number in decimal. */
void buf_add_int(struct buf *b, int64_t x);

/* Appends a float so that reading it back gives the same bits; the caller has refused NaN and infinity. */
void buf_add_float(struct buf *b, float x);

/* Writes what buf_add_float appends, for who reserved the room; returns its length. */
enum { BUF_FLOAT_BYTES = 32 };
size_t buf_float_text(float x, char out[BUF_FLOAT_BYTES]);

/* ERR_OK, or the sticky error with a text in e that names what. */
enum err_code buf_check(const struct buf *b, const char *what, struct err *e) ERR_MUST_CHECK;

#endif
