/* Refusals end in what to do, because whoever reads them has a file of a million rows and not this program's
 * mind. */
#include "server/fields/field.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "server/fields/field_value.h"
#include "server/fields/time_text.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

/* ---- ids ---- */

enum err_code field_check_id(struct text id, const char *what, struct err *e)
{
    if (!id.len)
        return err_set(e, ERR_INVALID, "the id of the %s is empty", what);
    if (id.len > LIMIT_ID_BYTES)
        return err_set(e, ERR_INVALID, "the id of the %s '%.*s...' has %zu bytes; at most %d are allowed",
                       what, text_shown(id), id.data, id.len, LIMIT_ID_BYTES);
    if (memchr(id.data, '\0', id.len))
        return err_set(e, ERR_INVALID, "the id of the %s has a zero byte", what);
    if (!utf8_valid(id.data, id.len))
        return err_set(e, ERR_INVALID, "the id of the %s is not UTF-8", what);
    return ERR_OK;
}

enum err_code field_check_plain(struct text text, const char *what, struct err *e)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < ' ' || c == 0x7f)
            return err_set(e, ERR_INVALID,
                           "the %s has a control character (0x%02x, as byte %zu of %zu); take it out", what,
                           c, i + 1, text.len);
    }
    return ERR_OK;
}

bool field_is_null_word(struct text text)
{
    static const char *const words[] = {"null", "\\N",  "nan", "none",     "<na>",
                                        "n/a",  "#n/a", "nat", "undefined"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (field_value_is(text, words[i]))
            return true;
    return text.len == 2 && memcmp(text.data, "NA", 2) == 0; /* in capitals only: "na" is a word */
}

/* ---- numbers ---- */

enum err_code field_check_weight(double weight, struct err *e)
{
    if (!(weight > 0))
        return err_set(
            e, ERR_INVALID,
            "the weight %g is not above 0; a weight says how much an interaction counts: leave out what does "
            "not count, and give a dislike as a low rating",
            weight);
    if (weight < LIMIT_WEIGHT_LEAST || !(weight <= LIMIT_WEIGHT_MOST))
        return err_set(e, ERR_INVALID,
                       "the weight %g is not between %g and %g; divide all weights by one number, so that a "
                       "usual one is 1",
                       weight, LIMIT_WEIGHT_LEAST, LIMIT_WEIGHT_MOST);
    return ERR_OK;
}

enum err_code field_check_rating(double *rating, struct err *e)
{
    if (!(fabs(*rating) <= LIMIT_RATING))
        return err_set(e, ERR_INVALID,
                       "the rating %g is not between %g and %g; give all ratings on a smaller scale", *rating,
                       -LIMIT_RATING, LIMIT_RATING);
    if (fabs(*rating) < (double)FLT_MIN)
        *rating = 0;
    return ERR_OK;
}

enum err_code field_check_component(double x, struct err *e)
{
    if (!(fabs(x) <= LIMIT_COMPONENT))
        return err_set(
            e, ERR_INVALID,
            "the number %g is not between %g and %g, beyond which float32 may overflow on the way to a score",
            x, -LIMIT_COMPONENT, LIMIT_COMPONENT);
    return ERR_OK;
}

/* ---- times ---- */

static const struct {
    const char *name;
    int64_t from, per_second;
} forms[FIELD_N_TIME_FORMS] = {
    [FIELD_TIME_ISO] = {"ISO 8601", 0, 1},
    [FIELD_TIME_SECONDS] = {"seconds since 1970", 0, 1},
    [FIELD_TIME_MILLISECONDS] = {"milliseconds since 1970", 100000000000, 1000},
    [FIELD_TIME_MICROSECONDS] = {"microseconds since 1970", 100000000000000, 1000000},
    [FIELD_TIME_NANOSECONDS] = {"nanoseconds since 1970", 100000000000000000, 1000000000},
};

const char *field_time_form_name(enum field_time_form form)
{
    return forms[form].name;
}

static enum err_code check_ahead(int64_t seconds, int64_t now, enum field_time_form form, struct err *e)
{
    if (seconds <= now + LIMIT_AHEAD_SECONDS)
        return ERR_OK;
    char clock[32] = "?", then[40] = "far ahead";
    struct tm parts;
    time_t at = (time_t)now, other = (time_t)seconds;
    if (gmtime_r(&at, &parts))
        (void)strftime(clock, sizeof clock, "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (gmtime_r(&other, &parts))
        (void)strftime(then, sizeof then, "%Y-%m-%d", &parts);
    return err_set(
        e, ERR_INVALID,
        "the time, read as %s, is %s: more than a day ahead of this machine's clock (%s); times are seconds, "
        "milli-, micro- or nanoseconds since 1970, or ISO 8601",
        forms[form].name, then, clock);
}

enum err_code field_time_of_integer(int64_t number, int64_t now, int64_t *seconds, enum field_time_form *form,
                                    struct err *e)
{
    if (number < 0)
        return err_set(e, ERR_INVALID,
                       "the time %" PRId64 " is before 1970; leave it empty where it is not known", number);
    enum field_time_form f = FIELD_TIME_SECONDS;
    while (f + 1 < FIELD_N_TIME_FORMS && number >= forms[f + 1].from)
        f++;
    int64_t found = number / forms[f].per_second;
    enum err_code code = check_ahead(found, now, f, e);
    if (code)
        return code;
    *seconds = found;
    *form = f;
    return ERR_OK;
}

enum err_code field_time_of_number(double number, int64_t now, int64_t *seconds, enum field_time_form *form,
                                   struct err *e)
{
    if (!(number > -1))
        return err_set(e, ERR_INVALID, "the time %.17g is before 1970; leave it empty where it is not known",
                       number);
    if (!(number < 9.2e18)) /* near what 64 bits hold */
        return err_set(e, ERR_INVALID, "the time %.17g is too large; leave it empty where it is not known",
                       number);
    return field_time_of_integer((int64_t)number, now, seconds, form, e);
}

/* Digits that fit 64 bits, exactly: a double has not enough of them for nanoseconds. */
static bool is_integer(struct text text, int64_t *out)
{
    enum { MAX_DIGITS = 18 };
    if (!text.len || text.len > MAX_DIGITS + 1)
        return false;
    uint64_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(text.data[i] - '0');
    }
    *out = (int64_t)n;
    return n <= INT64_MAX;
}

enum err_code field_time_of_text(struct text text, int64_t now, int64_t *seconds, enum field_time_form *form,
                                 struct err *e)
{
    double number;
    int64_t found;
    if (is_integer(text, &found))
        return field_time_of_integer(found, now, seconds, form, e);
    if (field_value_number(text, &number))
        return field_time_of_number(number, now, seconds, form, e);
    if (!time_text_seconds(text, &found)) {
        const char *why = time_text_fault(text);
        return err_set(e, ERR_INVALID,
                       "the time '%.*s' is neither a number of seconds since 1970 nor an ISO 8601 date or "
                       "time from 1970 on%s%s",
                       text_shown(text), text.data, why ? "; " : "", why ? why : "");
    }
    enum err_code code = check_ahead(found, now, FIELD_TIME_ISO, e);
    if (code)
        return code;
    *seconds = found;
    *form = FIELD_TIME_ISO;
    return ERR_OK;
}

int64_t field_life_of_integer(int64_t number, bool made)
{
    static const int64_t year_2100 = 4102444800;
    int64_t most = made ? year_2100 : LIMIT_LIFE_SECONDS;
    for (int i = 0; i < 3 && number > most; i++)
        number /= 1000;
    return number >= 1 && number <= most ? number : 0;
}

enum err_code field_life_of_text(struct text text, bool made, const char *what, int64_t *seconds,
                                 struct err *e)
{
    double number;
    int64_t found;
    if (is_integer(text, &found))
        found = field_life_of_integer(found, made);
    else if (field_value_number(text, &number))
        found = number >= 1 && number < 9e18 ? field_life_of_integer((int64_t)number, made) : 0;
    else if (!time_text_seconds(text, &found) || found < 1 || found > LIMIT_LIFE_SECONDS)
        found = 0;
    *seconds = found;
    return found
               ? ERR_OK
               : err_set(e, ERR_INVALID,
                         "%s is '%.*s', which is neither seconds or milliseconds since 1970 nor an ISO 8601 "
                         "date or time from 1970 on",
                         what, text_shown(text), text.data);
}

enum err_code field_time_of_row(struct text text, double number, int64_t now, double *time, struct err *e)
{
    enum field_time_form form = FIELD_TIME_SECONDS;
    int64_t seconds = 0;
    *time = number;
    if (text.data && !field_value_number(text, time)) {
        const char *why = time_text_fault(text);
        if (!time_text_seconds(text, &seconds))
            return err_set(e, ERR_INVALID, "'%.*s' is neither a number nor a time%s%s", text_shown(text),
                           text.data, why ? "; " : "", why ? why : "");
        *time = (double)seconds;
        return check_ahead(seconds, now, FIELD_TIME_ISO, e);
    }
    if (*time < 0)
        return ERR_OK;
    enum err_code code = field_time_of_number(*time, now, &seconds, &form, e);
    if (!code && form != FIELD_TIME_SECONDS)
        *time = (double)seconds;
    return code;
}

/* ---- what stores hold from before ---- */

bool field_is_usable(double weight, double rating)
{
    return weight >= LIMIT_WEIGHT_LEAST && weight <= LIMIT_WEIGHT_MOST &&
           (isnan(rating) || fabs(rating) <= LIMIT_RATING);
}

float field_usable_weight(double weight)
{
    if (isnan(weight))
        return 1;
    return (float)fmin(fmax(weight, LIMIT_WEIGHT_LEAST), LIMIT_WEIGHT_MOST);
}

float field_usable_rating(double rating)
{
    if (isnan(rating))
        return (float)rating;
    return (float)fmin(fmax(rating, -LIMIT_RATING), LIMIT_RATING);
}

void field_make_usable(float *x, size_t n)
{
    const float most = (float)LIMIT_COMPONENT;
    for (size_t i = 0; i < n; i++) {
        float inside = x[i] < -most ? -most : x[i] > most ? most : x[i];
        x[i] = x[i] == x[i] ? inside : 0; /* NaN */
    }
}
