#include "base/fold.h"

#include "base/fold_table.h"

#include <stdint.h>
#include <string.h>

/* What a letter becomes; 0: nothing. */
static uint32_t fold_letter(uint32_t letter)
{
    size_t low = 0, high = sizeof fold_runs / sizeof *fold_runs;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (fold_runs[middle].first <= letter)
            low = middle + 1;
        else
            high = middle;
    }
    if (low) {
        const struct fold_run *run = &fold_runs[low - 1];
        uint32_t from = letter - run->first;
        if (from % run->step == 0 && from / run->step < run->n)
            return run->to ? run->to + from / run->step * run->rise : 0;
    }
    return letter;
}

/* The letter at t, of n bytes; *len of them are its own. 0: it is none that is folded. */
static uint32_t letter_at(const unsigned char *t, size_t n, size_t *len)
{
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    uint32_t letter;
    *len = t[0] >= 0xf0 ? 4 : t[0] >= 0xe0 ? 3 : t[0] >= 0xc0 ? 2 : 1;
    if (*len == 1 || *len > n) {
        *len = 1;
        return 0;
    }
    letter = (uint32_t)t[0] - marks[*len];
    for (size_t i = 1; i < *len; i++) {
        if ((t[i] & 0xc0) != 0x80) {
            *len = 1;
            return 0;
        }
        letter = letter << 6 | (t[i] & 0x3f);
    }
    return letter;
}

static size_t write_letter(uint32_t letter, char *out)
{
    if (letter < 0x80) {
        out[0] = (char)letter;
        return 1;
    }
    size_t len = letter < 0x800 ? 2 : letter < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len; i-- > 1; letter >>= 6)
        out[i] = (char)(0x80 | (letter & 0x3f));
    out[0] = (char)(marks[len] | letter);
    return len;
}

size_t fold_text(struct text t, char *out)
{
    const unsigned char *p = (const unsigned char *)t.data;
    size_t n = 0;
    for (size_t i = 0, len = 1; i < t.len; i += len) {
        len = 1;
        if (p[i] < 0x80) {
            out[n++] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] + ('a' - 'A') : p[i]);
            continue;
        }
        uint32_t letter = letter_at(p + i, t.len - i, &len);
        uint32_t folded = letter ? fold_letter(letter) : 0;
        if (letter && folded != letter) {
            n += folded ? write_letter(folded, out + n) : 0;
        } else {
            memcpy(out + n, p + i, len);
            n += len;
        }
    }
    return n;
}
