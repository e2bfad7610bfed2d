/* A number is digits with separators between them; which of them is the point is told by their order and by
 * how many digits follow. */
#include "server/fields/text_form.h"

#include "server/fields/field_value.h"

#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- currencies ---- */

static const char *const currencies[] = {"$",   "\xe2\x82\xac", "\xc2\xa3", "\xc2\xa5", "EUR", "USD", "GBP",
                                         "CHF", "JPY",          "SEK",      "NOK",      "DKK", "PLN", "CZK"};

static bool begins_with(struct text text, const char *word)
{
    size_t n = strlen(word);
    return text.len > n && field_value_is((struct text){text.data, n}, word);
}

static bool ends_with(struct text text, const char *word)
{
    size_t n = strlen(word);
    return text.len > n && field_value_is((struct text){text.data + text.len - n, n}, word);
}

/* The text without a currency before or behind it. */
static struct text without_currency(struct text text)
{
    for (size_t i = 0; i < sizeof currencies / sizeof *currencies; i++) {
        size_t n = strlen(currencies[i]);
        if (begins_with(text, currencies[i]))
            return field_value_trim((struct text){text.data + n, text.len - n});
        if (ends_with(text, currencies[i]))
            return field_value_trim((struct text){text.data, text.len - n});
    }
    return text;
}

/* ---- numbers ---- */

/* Digits and what separates them. */
struct groups {
    bool signed_, three; /* three: each group but the first has three digits, and the first at most three */
    size_t n;            /* separators */
    char first, last;    /* of them */
    bool same;           /* all but the last are the first one */
    size_t n_last;       /* digits behind the last one */
};

/* False: there is anything else, or no digit where one is needed. */
static bool split(struct text text, struct groups *g)
{
    size_t i = 0, n_digits = 0;
    *g = (struct groups){.three = true, .same = true};
    g->signed_ = text.len && (*text.data == '-' || *text.data == '+');
    for (i = g->signed_; i < text.len; i++) {
        char c = text.data[i];
        if (is_digit(c)) {
            n_digits++;
            continue;
        }
        if ((c != ',' && c != '.' && c != ' ' && c != '\'') || n_digits == 0)
            return false;
        g->three = g->three && (g->n ? n_digits == 3 : n_digits <= 3);
        g->same = g->same && (g->n < 2 || g->last == g->first);
        g->first = g->n ? g->first : c;
        g->last = c;
        g->n++;
        n_digits = 0;
    }
    g->n_last = n_digits;
    return n_digits > 0;
}

static enum text_form form_of_number(struct text text)
{
    struct groups g;
    double x;
    if (field_value_number(text, &x))
        return TEXT_FORM_NUMBER;
    if (!split(text, &g) || g.n == 0 || !g.same)
        return TEXT_FORM_OTHER;
    bool parted = g.three && (g.first != g.last || g.n_last == 3); /* into thousands */
    if (g.last == ',' && (g.n == 1 || (parted && g.first != ',')))
        return TEXT_FORM_COMMA;
    if (parted && (g.last == g.first || g.last == '.'))
        return TEXT_FORM_GROUPS;
    return TEXT_FORM_OTHER;
}

void text_form_plain(struct text text, char *out, size_t n)
{
    text = without_currency(field_value_trim(text));
    enum text_form form = form_of_number(text);
    struct groups g = {0};
    (void)split(text, &g);
    bool whole = form == TEXT_FORM_GROUPS && g.first == g.last; /* 1,299,000 has no point */
    size_t point = text.len - g.n_last - 1, len = 0;
    for (size_t i = 0; i < text.len && len + 1 < n; i++) {
        if (form == TEXT_FORM_NUMBER || is_digit(text.data[i]) || text.data[i] == '-')
            out[len++] = text.data[i];
        else if (i == point && !whole)
            out[len++] = '.';
    }
    out[len] = '\0';
}

/* ---- dates ---- */

/* Three numbers with the same one of - / . between them, of which the first or the last is a year; what
 * follows after a space or a T may be a time. */
static bool is_date(struct text text)
{
    size_t digits[3] = {0}, k = 0, i;
    char between = '\0';
    for (i = 0; i < text.len && text.data[i] != ' ' && text.data[i] != 'T'; i++) {
        char c = text.data[i];
        if (is_digit(c)) {
            digits[k]++;
            continue;
        }
        if ((c != '-' && c != '/' && c != '.') || (between && c != between) || ++k == 3)
            return false;
        between = c;
    }
    if (k != 2 || digits[1] < 1 || digits[1] > 2)
        return false;
    bool year_first = digits[0] == 4 && digits[2] >= 1 && digits[2] <= 2,
         year_last = digits[2] == 4 && digits[0] >= 1 && digits[0] <= 2;
    return year_first || year_last;
}

enum text_form text_form_of(struct text text)
{
    text = field_value_trim(text);
    if (is_date(text))
        return TEXT_FORM_DATE;
    enum text_form form = form_of_number(text);
    if (form)
        return form;
    struct text number = without_currency(text);
    return number.len < text.len && form_of_number(number) ? TEXT_FORM_CURRENCY : TEXT_FORM_OTHER;
}

const char *text_form_advice(struct text text, bool quoted, char out[TEXT_FORM_ADVICE_BYTES])
{
    static const char *const has[TEXT_N_FORMS] = {[TEXT_FORM_COMMA] = ": a decimal comma",
                                                  [TEXT_FORM_GROUPS] = ": separators between thousands",
                                                  [TEXT_FORM_CURRENCY] = ": a currency"};
    char plain[TEXT_FORM_ADVICE_BYTES / 3];
    enum text_form form = text_form_of(text);
    out[0] = '\0';
    if (text.len >= sizeof plain || (!has[form] && !(quoted && form == TEXT_FORM_NUMBER)))
        return out;
    text_form_plain(text, plain, sizeof plain);
    (void)snprintf(out, TEXT_FORM_ADVICE_BYTES, "%s; write %s%s", has[form] ? has[form] : "", plain,
                   quoted ? ", without the quotes" : "");
    return out;
}
