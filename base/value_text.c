/* Numbers are recognised by their shape before strtod sees them: it would also take `inf`, `0x10` and ` 5
 * ants`. */
#include "base/value_text.h"

#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    MAX_DIGITS = 15,
    MAX_BYTES = 64
}; /* a double keeps any 15 digits; no program writes a number of 64 bytes */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The text without spaces around it. */
static const char *trimmed(const char *text, size_t *len)
{
    size_t n = strlen(text);
    while (n && is_space(text[n - 1]))
        n--;
    while (n && is_space(*text)) {
        text++;
        n--;
    }
    *len = n;
    return text;
}

/* Whether n bytes have the shape of a number that stands for itself. */
static bool is_number(const char *p, size_t n)
{
    if (n && *p == '-') {
        p++;
        n--;
    }
    size_t whole = text_digits(p, p + n), part = 0, at = whole;
    if (whole > MAX_DIGITS || (whole > 1 && *p == '0'))
        return false;
    if (at < n && p[at] == '.') {
        part = text_digits(p + at + 1, p + n);
        at += 1 + part;
    }
    if (whole + part == 0)
        return false;
    if (at < n && (p[at] == 'e' || p[at] == 'E')) {
        at++;
        at += at < n && (p[at] == '-' || p[at] == '+');
        size_t exponent = text_digits(p + at, p + n);
        if (!exponent)
            return false;
        at += exponent;
    }
    return at == n;
}

bool value_text_number(const char *text, double *x)
{
    char copy[MAX_BYTES];
    size_t n;
    text = trimmed(text, &n);
    if (n >= sizeof copy || !is_number(text, n))
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    errno = 0;
    *x = strtod(copy, NULL);
    if (errno == ERANGE || !isfinite(*x))
        return false;
    if (*x == 0)
        *x = 0; /* not -0 */
    return true;
}

bool value_text_is_long(int64_t x)
{
    const int64_t longest = 999999999999999; /* of MAX_DIGITS */
    return x > longest || x < -longest;
}

bool value_text_is_code(const char *text)
{
    size_t n;
    text = trimmed(text, &n);
    return n > 1 && *text == '0' && text_digits(text, text + n) == n;
}

/* The shortest decimal that reads back to the same double; whole numbers have no exponent while they keep all
 * digits. */
void value_text_of_number(double x, char room[VALUE_TEXT_ROOM])
{
    if (x == floor(x) && fabs(x) < 1e15) {
        (void)snprintf(room, VALUE_TEXT_ROOM, "%.0f", x == 0 ? 0.0 : x);
        return;
    }
    for (int n = 1; n <= 17; n++) {
        (void)snprintf(room, VALUE_TEXT_ROOM, "%.*g", n, x);
        if (strtod(room, NULL) == x)
            return;
    }
}

const char *value_text(const char *text, char room[VALUE_TEXT_ROOM])
{
    size_t n;
    const char *word = trimmed(text, &n);
    double x;
    if (n == 4 && strncasecmp(word, "true", n) == 0)
        return "true";
    if (n == 5 && strncasecmp(word, "false", n) == 0)
        return "false";
    if (!value_text_number(text, &x))
        return text;
    value_text_of_number(x, room);
    return room;
}
