#include "base/percent.h"

#include "base/text.h"

static int hex_of(char c)
{
    if (text_is_digit(c))
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool percent_decode(const char *bytes, size_t n, char *out, size_t *len)
{
    const char *end = bytes + n;
    char *at = out;
    for (const char *p = bytes; p < end; p++) {
        if (*p != '%') {
            *at++ = *p;
            continue;
        }
        int high = end - p > 2 ? hex_of(p[1]) : -1, low = end - p > 2 ? hex_of(p[2]) : -1;
        if (high < 0 || low < 0)
            return false;
        *at++ = (char)(high * 16 + low);
        p += 2;
    }
    *len = (size_t)(at - out);
    return true;
}

void percent_encode(struct buf *out, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c > ' ' && c < 127 && c != '%')
            buf_addc(out, (char)c);
        else
            buf_addf(out, "%%%02x", c);
    }
}
