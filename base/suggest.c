/* The number of changes of a letter, or of two neighbours that stand turned round (optimal string alignment,
 * Damerau 1964), of which a word of n letters may need a third. */
#include "base/suggest.h"

#include <ctype.h>
#include <stdbool.h>
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

/* Row i + 1 of the distances from the two before it: above is of the letters before word[i], before of those
 * before the last of them. */
static void next_row(const char *word, size_t i, const char *name, size_t n, const size_t *before,
                     const size_t *above, size_t *row)
{
    row[0] = i + 1;
    for (size_t j = 1; j <= n; j++) {
        size_t change = above[j - 1] + (folded(word[i]) != folded(name[j - 1]));
        row[j] = above[j] < row[j - 1] ? above[j] + 1 : row[j - 1] + 1;
        row[j] = change < row[j] ? change : row[j];
        bool turned = i && j > 1 && folded(word[i]) == folded(name[j - 2]) &&
                      folded(word[i - 1]) == folded(name[j - 1]);
        if (turned && before[j - 2] + 1 < row[j])
            row[j] = before[j - 2] + 1;
    }
}

static size_t changes(const char *word, size_t len, const char *name, size_t n)
{
    size_t rows[3][MAX_LETTERS + 1]; /* (n + 1) from the letters of word so far to the first j of name */
    for (size_t j = 0; j <= n; j++)
        rows[0][j] = j;
    for (size_t i = 0; i < len; i++)
        next_row(word, i, name, n, rows[(i + 2) % 3], rows[i % 3], rows[(i + 1) % 3]);
    return rows[len % 3][n];
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
