/* title_search - what somebody types to find an item: each of its words stands somewhere in the title, letter
 * case and accents aside (base/fold.h). Words are what spaces part; they may be parts of the title's words.
 * Cost: a pass over the title for each word.
 * Layer: server/items
 * Threads: immutable once read.
 * Memory: none of its own. */
#ifndef SERVER_ITEMS_TITLE_SEARCH_H
#define SERVER_ITEMS_TITLE_SEARCH_H

#include "base/fold.h"
#include "base/limits.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

struct title_search {
    char folded[FOLD_MOST * LIMIT_SEARCH_BYTES];
    struct text words[LIMIT_SEARCH_WORDS]; /* (n) of folded */
    size_t n;
};

/* Reads what was typed. False: it has no word, more than LIMIT_SEARCH_WORDS of them, or more than
 * LIMIT_SEARCH_BYTES. */
bool title_search_read(struct title_search *s, struct text typed);

/* Whether a title (NULL data: there is none) has all of its words. */
bool title_search_finds(const struct title_search *s, struct text title);

#endif
