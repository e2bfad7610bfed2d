/* Databases, data frames and browsers all write nearly ISO 8601, each with a habit of its own behind the
 * clock. What they write is taken; what two readers would read as two days (01/02/2025) is refused, since a
 * guess would shift a whole history without a word. */
#include "server/fields/time_text.h"

#include "server/fields/field_value.h"

#include <string.h>
#include <strings.h>

/* What is left to read. */
struct rest {
    const char *p, *end;
};

static size_t n_digits(const struct rest *r)
{
    return text_digits(r->p, r->end);
}

/* Reads exactly n digits. */
static bool take(struct rest *r, size_t n, int64_t *out)
{
    if (n_digits(r) < n)
        return false;
    *out = 0;
    for (size_t i = 0; i < n; i++)
        *out = *out * 10 + (*r->p++ - '0');
    return true;
}

static bool take_char(struct rest *r, char c)
{
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

/* A word, letter case aside. */
static bool take_word(struct rest *r, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(r->end - r->p) < n || strncasecmp(r->p, word, n) != 0)
        return false;
    r->p += n;
    return true;
}

static bool take_spaces(struct rest *r)
{
    const char *from = r->p;
    while (take_char(r, ' '))
        continue;
    return r->p > from;
}

/* The place of one of n words of three letters, from 1; 0: none of them. */
static int64_t take_name(struct rest *r, const char *const *names, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (take_word(r, names[i]))
            return i + 1;
    return 0;
}

/* ---- dates ---- */

/* Days from 1970-01-01 to a day of the Gregorian calendar; years counted from March put the leap day last. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool to_seconds(int64_t year, int64_t month, int64_t day, int64_t *seconds)
{
    static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1] ||
        (month == 2 && day == 29 && !leap))
        return false;
    *seconds = days_from_civil(year, month, day) * 86400;
    return true;
}

/* `2025-12-31` or `2025/12/31`; without signs between only where a clock follows, since digits alone are a
 * number. */
static bool take_year_first(struct rest *r, bool *basic, int64_t *seconds)
{
    int64_t year, month, day;
    if (!take(r, 4, &year))
        return false;
    char sign = r->p < r->end && *r->p == '/' ? '/' : '-';
    *basic = n_digits(r) == 4;
    if ((!*basic && !take_char(r, sign)) || !take(r, 2, &month) || (!*basic && !take_char(r, sign)) ||
        !take(r, 2, &day))
        return false;
    return (!*basic || r->p < r->end) && to_seconds(year, month, day, seconds);
}

static bool take_day_of_month(struct rest *r, int64_t *day)
{
    size_t n = n_digits(r);
    return (n == 1 || n == 2) && take(r, n, day);
}

/* `Wed, 31 Dec 2025`, `31 Dec 2025`, `Wed Dec 31 2025`: as mail, HTTP and JavaScript have it. */
static bool take_month_by_name(struct rest *r, int64_t *seconds)
{
    static const char *const weekdays[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                         "jul", "aug", "sep", "oct", "nov", "dec"};
    int64_t year, month, day = 0;
    if (take_name(r, weekdays, 7)) {
        (void)take_char(r, ',');
        if (!take_spaces(r))
            return false;
    }
    bool day_first = take_day_of_month(r, &day);
    if (day_first && !take_spaces(r) && !take_char(r, '-'))
        return false;
    month = take_name(r, months, 12);
    if (!month || (!take_spaces(r) && !take_char(r, '-')))
        return false;
    if (!day_first && (!take_day_of_month(r, &day) || (take_char(r, ','), !take_spaces(r))))
        return false;
    return take(r, 4, &year) && to_seconds(year, month, day, seconds);
}

/* ---- clocks ---- */

/* `10:00[:00[.25]]`; basic: `1000[00[.25]]` */
static bool take_clock(struct rest *r, bool basic, int64_t *seconds)
{
    int64_t hour, minute, second = 0;
    if (!take(r, 2, &hour) || (!basic && !take_char(r, ':')) || !take(r, 2, &minute))
        return false;
    if (basic ? n_digits(r) > 0 : take_char(r, ':')) {
        if (!take(r, 2, &second))
            return false;
        if (take_char(r, '.') || take_char(r, ',')) {
            size_t n = n_digits(r);
            if (!n)
                return false;
            r->p += n;
        }
    }
    if (hour > 23 || minute > 59 || second > 60) /* 60: a leap second */
        return false;
    *seconds += hour * 3600 + minute * 60 + second;
    return true;
}

/* `+01`, `+0100`, `+01:00`, `+00:19:32`; *shift is the seconds that the clock is ahead of UTC. */
static bool take_offset(struct rest *r, int64_t *shift)
{
    bool east = *r->p == '+';
    int64_t hour, minute = 0, second = 0;
    r->p++;
    if (!take(r, 2, &hour))
        return false;
    bool colon = take_char(r, ':');
    if ((colon || n_digits(r)) && !take(r, 2, &minute))
        return false;
    if (colon && take_char(r, ':') && !take(r, 2, &second)) /* Postgres, of times when towns had their own */
        return false;
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    *shift = (east ? 1 : -1) * (hour * 3600 + minute * 60 + second);
    return true;
}

/* The zone's name behind its offset says nothing new: ` (Central European Time)`, `[Europe/Paris]`, ` UTC`
 * behind +0000. */
static void take_remark(struct rest *r, bool is_utc)
{
    struct rest at = *r;
    bool spaces = take_spaces(&at);
    if (at.p == at.end)
        return;
    if ((*at.p == '(' && at.end[-1] == ')') || (*at.p == '[' && at.end[-1] == ']'))
        at.p = at.end;
    else if (!(spaces && is_utc && (take_word(&at, "UTC") || take_word(&at, "GMT"))))
        return;
    *r = at;
}

static bool take_zone(struct rest *r, int64_t *seconds)
{
    int64_t shift = 0;
    (void)take_spaces(r);
    if (r->p == r->end)
        return true;
    bool named = take_word(r, "UTC") || take_word(r, "GMT");
    bool offset = r->p < r->end && (*r->p == '+' || *r->p == '-');
    if (!named && !offset && !take_word(r, "Z"))
        return false;
    if (offset && !take_offset(r, &shift))
        return false;
    *seconds -= shift;
    take_remark(r, shift == 0);
    return true;
}

/* ---- both ---- */

/* A date, and a clock with a zone where there is more. */
static bool read_time(struct rest *r, int64_t *seconds)
{
    bool basic = false;
    bool year_first = n_digits(r) >= 4;
    if (!(year_first ? take_year_first(r, &basic, seconds) : take_month_by_name(r, seconds)))
        return false;
    if (r->p == r->end)
        return true;
    if (!take_char(r, 'T') && !take_char(r, 't') && !take_spaces(r))
        return false;
    return take_clock(r, basic, seconds) && take_zone(r, seconds) && r->p == r->end;
}

bool time_text_seconds(struct text text, int64_t *out)
{
    text = field_value_trim(text);
    if (!text.len)
        return false;
    struct rest r = {text.data, text.data + text.len};
    int64_t seconds = 0;
    if (!read_time(&r, &seconds) || seconds < 0)
        return false;
    *out = seconds;
    return true;
}

/* One or two digits, a sign, one or two digits, the sign again, and digits of a year. */
static bool is_day_or_month_first(struct rest r)
{
    int64_t number;
    if (!take_day_of_month(&r, &number) || r.p == r.end)
        return false;
    char sign = *r.p;
    if ((sign != '/' && sign != '.' && sign != '-') || !take_char(&r, sign))
        return false;
    return take_day_of_month(&r, &number) && take_char(&r, sign) && n_digits(&r) >= 2;
}

const char *time_text_fault(struct text text)
{
    text = field_value_trim(text);
    if (!text.len)
        return NULL;
    struct rest r = {text.data, text.data + text.len};
    int64_t seconds = 0;
    bool basic = false;
    if (is_day_or_month_first(r))
        return "whether the day or the month comes first is not told: write year, month, day, as 2025-12-31";
    if (text.len >= 10 && memcmp(text.data, "0000-00-00", 10) == 0)
        return "MySQL writes this for no time: leave it empty";
    struct rest whole = r;
    if (read_time(&whole, &seconds) && seconds < 0)
        return "it is before 1970: leave it empty where it is not known";
    if (!(n_digits(&r) >= 4 ? take_year_first(&r, &basic, &seconds) : take_month_by_name(&r, &seconds)))
        return NULL;
    if (r.p == r.end || (!take_char(&r, 'T') && !take_char(&r, 't') && !take_spaces(&r)) ||
        !take_clock(&r, basic, &seconds))
        return NULL;
    (void)take_spaces(&r);
    if (take_word(&r, "AM") || take_word(&r, "PM"))
        return "AM and PM are not taken: write hours from 00 to 23";
    return r.p < r.end && (*r.p | 0x20) >= 'a' && (*r.p | 0x20) <= 'z'
               ? "the zone's name is not known here: write UTC, or how far it is ahead, as +01:00"
               : NULL;
}
