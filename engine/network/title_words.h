/* title_words - the words of a title, as training and serving both see them.
 *
 * A word is a longest run of ASCII letters, digits and bytes above 127, the letters made small; runs of more
 * than ITEM_WORD_BYTES are no words. So "Toy Story 2 (1999)" has toy, story, 2 and 1999.
 * Layer: engine/network
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_NETWORK_TITLE_WORDS_H
#define ENGINE_NETWORK_TITLE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

enum { ITEM_WORD_BYTES = 64 };

/* Told of each word in turn (terminated, borrowed for the call); returns false to stop. */
typedef bool item_word_fn(void *arg, const char *word);
void title_words_each(const char *title, size_t n, item_word_fn *fn, void *arg);

#endif
