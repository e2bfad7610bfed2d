/* Bytes, not characters: whether a letter beyond ASCII is large or small would need tables that change from
 * year to year, and a model file outlives them. */
#include "engine/network/title_words.h"

static bool of_word(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c > 127;
}

void title_words_each(const char *title, size_t n, item_word_fn *fn, void *arg)
{
    char word[ITEM_WORD_BYTES + 1];
    for (size_t i = 0; i < n;) {
        size_t len = 0;
        for (; i < n && of_word((unsigned char)title[i]); i++, len++)
            if (len < ITEM_WORD_BYTES)
                word[len] = (char)(title[i] >= 'A' && title[i] <= 'Z' ? title[i] - 'A' + 'a' : title[i]);
        if (len == 0) {
            i++;
            continue;
        }
        if (len > ITEM_WORD_BYTES)
            continue;
        word[len] = '\0';
        if (!fn(arg, word))
            return;
    }
}
