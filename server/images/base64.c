#include "server/images/base64.h"

#include <stdint.h>
#include <string.h>

size_t base64_most(size_t n)
{
    return n / 4 * 3 + 3;
}

static int value_of(char c)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

bool base64_decode(const char *text, size_t n, unsigned char *out, size_t *n_out)
{
    uint32_t bits = 0;
    size_t n_values = 0, n_padding = 0;
    *n_out = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n' || text[i] == '\r')
            continue;
        if (text[i] == '=') {
            n_padding++;
            continue;
        }
        int value = value_of(text[i]);
        if (value < 0 || n_padding)
            return false;
        bits = bits << 6 | (uint32_t)value;
        n_values++;
        if (n_values % 4 != 1) /* the second, third and fourth of four each end a byte */
            out[(*n_out)++] = (unsigned char)(bits >> ((4 - n_values % 4) % 4 * 2));
    }
    return n_values % 4 != 1 && n_padding <= 2;
}
