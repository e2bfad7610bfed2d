/* The number of single-letter changes (Levenshtein), of which a word of n letters may need a third. */
#include "base/suggest.h"

#include <ctype.h>
#include <string.h>

enum { MAX_LETTERS = 63, MAX_CHANGES = 3, LEAST_BEGINNING = 2 };

struct suggestion suggest_for(const char *word, size_t len)
{
    size_t most = (len + 2) / 3;
    return (struct suggestion){word, len, NULL, (most < MAX_CHANGES ? most : MAX_CHANGES) + 1};
}

static char folded(char c)
{
    return c == '_' ? '-' : (char)tolower((unsigned char)c);
}

static size_t changes(const char *word, size_t len, const char *name, size_t n)
{
    size_t row[MAX_LETTERS + 1]; /* (n + 1) changes from the letters of word so far to the first j of name */
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; i < len; i++) {
        size_t above_left = row[0]++;
        for (size_t j = 1; j <= n; j++) {
            size_t change = above_left + (folded(word[i]) != folded(name[j - 1])),
                   least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            above_left = row[j];
            row[j] = change < least ? change : least;
        }
    }
    return row[n];
}

static int begins_with(const char *name, const char *word, size_t len)
{
    size_t i = 0;
    while (i < len && name[i] && folded(name[i]) == folded(word[i]))
        i++;
    return len >= LEAST_BEGINNING && i == len;
}

void suggest_consider(struct suggestion *s, const char *name)
{
    size_t n = strlen(name);
    if (s->len == 0 || s->len > MAX_LETTERS || n > MAX_LETTERS)
        return;
    size_t distance = begins_with(name, s->word, s->len) ? 1 : changes(s->word, s->len, name, n);
    if (distance < s->distance) {
        s->best = name;
        s->distance = distance;
    }
}
