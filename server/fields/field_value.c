/* strtod accepts hexadecimal, "inf" and the locale's comma, so what it may see is decided here first and the
 * conversion is left to it. */
#include "server/fields/field_value.h"

#include "server/fields/time_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NUMBER_BYTES = 64 };

/* Whether text is [+-]digits[.digits][e[+-]digits] with a digit in front of the exponent. */
static bool is_number(struct text text)
{
    const char *p = text.data, *end = p + text.len;
    if (p < end && (*p == '+' || *p == '-'))
        p++;
    size_t n = text_digits(p, end);
    p += n;
    if (p < end && *p == '.') {
        size_t fraction = text_digits(++p, end);
        p += fraction;
        n += fraction;
    }
    if (n && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        n = text_digits(p, end);
        p += n;
    }
    return n > 0 && p == end;
}

/* A whole number below 10^15, so that no rounding is possible. */
static bool small_integer(struct text text, double *out)
{
    if (!text.len || text.len > 15 || text_digits(text.data, text.data + text.len) != text.len)
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < text.len; i++)
        value = value * 10 + (text.data[i] - '0');
    *out = (double)value;
    return true;
}

bool field_value_number(struct text text, double *out)
{
    if (small_integer(text, out))
        return true;
    if (text.len >= NUMBER_BYTES || !is_number(text))
        return false;
    char copy[NUMBER_BYTES];
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    double value = strtod(copy, NULL); /* the program never calls setlocale */
    if (!isfinite(value))
        return false;
    *out = value;
    return true;
}

/* Digits of which a number would lose the first: 02139. */
static bool is_code(struct text text)
{
    return text.len > 1 && text.data[0] == '0' && text_digits(text.data, text.data + text.len) == text.len;
}

bool field_value_quantity(struct text text, double *out)
{
    return !is_code(text) && field_value_number(text, out);
}

bool field_value_time(struct text text, int64_t *out)
{
    double number;
    if (field_value_number(text, &number)) {
        if (number < 0 || number > 9e15) /* whole numbers are exact up to there */
            return false;
        *out = (int64_t)number;
        return true;
    }
    return time_text_seconds(text, out);
}

void field_value_from_latin1(struct text text, struct buf *out)
{
    buf_reset(out);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 0x80) {
            buf_addc(out, (char)c);
        } else {
            buf_addc(out, (char)(0xC0 | c >> 6));
            buf_addc(out, (char)(0x80 | (c & 0x3F)));
        }
    }
}

struct text field_value_trim(struct text text)
{
    while (text.len && text.data[0] == ' ') {
        text.data++;
        text.len--;
    }
    while (text.len && text.data[text.len - 1] == ' ')
        text.len--;
    return text;
}

bool field_value_is(struct text text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.data, word, text.len) == 0;
}
