/* strtod accepts hexadecimal, "inf" and the locale's comma, so what it may see is decided here first and the
 * conversion is left to it. */
#include "server/table_value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NUMBER_BYTES = 64 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits(const char *p, const char *end)
{
    size_t n = 0;
    while (p + n < end && is_digit(p[n]))
        n++;
    return n;
}

/* Whether text is [+-]digits[.digits][e[+-]digits] with a digit in front of the exponent. */
static bool is_number(struct store_text text)
{
    const char *p = text.data, *end = p + text.len;
    if (p < end && (*p == '+' || *p == '-'))
        p++;
    size_t n = digits(p, end);
    p += n;
    if (p < end && *p == '.') {
        size_t fraction = digits(++p, end);
        p += fraction;
        n += fraction;
    }
    if (n && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        n = digits(p, end);
        p += n;
    }
    return n > 0 && p == end;
}

/* A whole number below 10^15, so that no rounding is possible. */
static bool small_integer(struct store_text text, double *out)
{
    if (!text.len || text.len > 15 || digits(text.data, text.data + text.len) != text.len)
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < text.len; i++)
        value = value * 10 + (text.data[i] - '0');
    *out = (double)value;
    return true;
}

bool table_value_number(struct store_text text, double *out)
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

/* Days from 1970-01-01 to a day of the Gregorian calendar; years counted from March put the leap day last. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* Reads exactly n digits; moves *p behind them. */
static bool take(const char **p, const char *end, size_t n, int64_t *out)
{
    if (digits(*p, end) < n)
        return false;
    *out = 0;
    for (size_t i = 0; i < n; i++)
        *out = *out * 10 + (*(*p)++ - '0');
    return true;
}

static bool take_char(const char **p, const char *end, char c)
{
    if (*p == end || **p != c)
        return false;
    ++*p;
    return true;
}

static bool take_date(const char **p, const char *end, int64_t *seconds)
{
    static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day;
    if (!take(p, end, 4, &year) || !take_char(p, end, '-') || !take(p, end, 2, &month) ||
        !take_char(p, end, '-') || !take(p, end, 2, &day))
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1] ||
        (month == 2 && day == 29 && !leap))
        return false;
    *seconds = days_from_civil(year, month, day) * 86400;
    return true;
}

/* hh:mm[:ss[.fraction]] */
static bool take_clock(const char **p, const char *end, int64_t *seconds)
{
    int64_t hour, minute, second = 0;
    if (!take(p, end, 2, &hour) || !take_char(p, end, ':') || !take(p, end, 2, &minute))
        return false;
    if (take_char(p, end, ':')) {
        if (!take(p, end, 2, &second))
            return false;
        if (take_char(p, end, '.')) {
            size_t n = digits(*p, end);
            if (!n)
                return false;
            *p += n;
        }
    }
    if (hour > 23 || minute > 59 || second > 60) /* 60: a leap second */
        return false;
    *seconds += hour * 3600 + minute * 60 + second;
    return true;
}

/* Z, or +hh:mm, +hhmm, +hh and the same with a minus; nothing is UTC. */
static bool take_offset(const char **p, const char *end, int64_t *seconds)
{
    if (*p == end || take_char(p, end, 'Z') || take_char(p, end, 'z'))
        return true;
    bool east = take_char(p, end, '+');
    int64_t hour, minute = 0;
    if ((!east && !take_char(p, end, '-')) || !take(p, end, 2, &hour))
        return false;
    bool colon = take_char(p, end, ':');
    if ((colon || *p < end) && !take(p, end, 2, &minute))
        return false;
    if (hour > 23 || minute > 59)
        return false;
    *seconds -= (east ? 1 : -1) * (hour * 3600 + minute * 60);
    return true;
}

bool table_value_time(struct store_text text, int64_t *out)
{
    double number;
    if (table_value_number(text, &number)) {
        if (number < 0 || number > 9e15) /* whole numbers are exact up to there */
            return false;
        *out = (int64_t)number;
        return true;
    }
    const char *p = text.data, *end = p + text.len;
    int64_t seconds;
    if (!text.len || !take_date(&p, end, &seconds))
        return false;
    if (p < end) {
        if (*p != 'T' && *p != 't' && *p != ' ')
            return false;
        p++;
        if (!take_clock(&p, end, &seconds) || !take_offset(&p, end, &seconds))
            return false;
    }
    if (p != end || seconds < 0)
        return false;
    *out = seconds;
    return true;
}

void table_value_from_latin1(struct store_text text, struct buf *out)
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

struct store_text table_value_trim(struct store_text text)
{
    while (text.len && text.data[0] == ' ') {
        text.data++;
        text.len--;
    }
    while (text.len && text.data[text.len - 1] == ' ')
        text.len--;
    return text;
}

bool table_value_is(struct store_text text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.data, word, text.len) == 0;
}
