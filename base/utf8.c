/* By the table of RFC 3629, section 4: the lead byte tells how many bytes follow and the range of the first
 * of them, which is where overlong forms, surrogates and what is past the end of Unicode are kept out. */
#include "base/utf8.h"

static bool in_range(unsigned char c, unsigned char low, unsigned char high)
{
    return c >= low && c <= high;
}

/* Bytes of the character at p, of n that are left; 0 when it is malformed. */
static size_t character_len(const unsigned char *p, size_t n)
{
    unsigned char low = 0x80, high = 0xBF;
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
    if (len == 0 || len > n)
        return 0;
    if (p[0] == 0xE0)
        low = 0xA0;
    else if (p[0] == 0xED)
        high = 0x9F;
    else if (p[0] == 0xF0)
        low = 0x90;
    else if (p[0] == 0xF4)
        high = 0x8F;
    if (len > 1 && !in_range(p[1], low, high))
        return 0;
    for (size_t i = 2; i < len; i++)
        if (!in_range(p[i], 0x80, 0xBF))
            return 0;
    return len;
}

bool utf8_valid(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    while (n > 0) {
        size_t len = character_len(p, n);
        if (len == 0)
            return false;
        p += len;
        n -= len;
    }
    return true;
}
