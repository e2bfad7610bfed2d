#include "server/items/title_search.h"

bool title_search_read(struct title_search *s, struct text typed)
{
    s->n = 0;
    if (typed.len > LIMIT_SEARCH_BYTES)
        return false;
    const char *p = s->folded, *end = p + fold_text(typed, s->folded);
    while (p < end) {
        const char *word = p;
        while (p < end && *p != ' ')
            p++;
        if (p > word && s->n == LIMIT_SEARCH_WORDS)
            return false;
        if (p > word)
            s->words[s->n++] = (struct text){word, (size_t)(p - word)};
        p += p < end;
    }
    return s->n > 0;
}

bool title_search_finds(const struct title_search *s, struct text title)
{
    char folded[FOLD_MOST * LIMIT_TITLE_BYTES];
    if (!title.data || title.len > LIMIT_TITLE_BYTES)
        return false;
    size_t len = fold_text(title, folded);
    for (size_t i = 0; i < s->n; i++)
        if (!memmem(folded, len, s->words[i].data, s->words[i].len))
            return false;
    return true;
}
