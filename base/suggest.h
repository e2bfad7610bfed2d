/* suggest - the name that a mistyped word was most likely meant to be.
 * Layer: base
 * Threads: confined to its thread.
 * Memory: none. */
#ifndef BASE_SUGGEST_H
#define BASE_SUGGEST_H

#include <stddef.h>

struct suggestion {
    const char *word; /* (len) bytes, borrowed */
    size_t len;
    const char *best; /* the nearest name so far, borrowed; NULL: none is near */
    size_t distance;  /* of it */
};

struct suggestion suggest_for(const char *word, size_t len);

/* Takes the name for the best when it is nearer than those before: few letters changed, or the word is its
 * beginning. Letters of either case are the same, and so are - and _. Of names equally near the first
 * stays. */
void suggest_consider(struct suggestion *s, const char *name);

#endif
