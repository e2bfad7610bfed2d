#include "server/data/import_kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- options ---- */

/* The text up to a character, and what follows it; *rest NULL: it is not there. */
static struct text before(const char *text, char stop, const char **rest)
{
    const char *end = strchr(text, stop);
    *rest = end ? end + 1 : NULL;
    return (struct text){text, end ? (size_t)(end - text) : strlen(text)};
}

static bool read_weight(struct text text, double *out)
{
    char copy[64], *end;
    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    *out = strtod(copy, &end);
    return *end == '\0';
}

/* ttl=30d, to seconds. */
static bool read_ttl(struct text word, int64_t *out)
{
    enum { MOST_DAYS = 20000, DAY_S = 86400 };
    double days;
    if (word.len < 6 || memcmp(word.data, "ttl=", 4) != 0 || word.data[word.len - 1] != 'd' ||
        !read_weight((struct text){word.data + 4, word.len - 5}, &days) || !(days > 0 && days <= MOST_DAYS))
        return false;
    *out = (int64_t)(days * DAY_S);
    return *out > 0;
}

enum err_code import_kinds_add(struct import_kinds *k, const char *text, struct err *e)
{
    const char *rest;
    struct store_kind kind = {.name = before(text, ':', &rest)};
    bool good = rest && read_weight(before(rest, ':', &rest), &kind.weight);
    while (good && rest) {
        struct text word = before(rest, ':', &rest);
        bool negative = text_is(word, "negative"), unseen = text_is(word, "unseen");
        kind.negative = kind.negative || negative;
        kind.unseen = kind.unseen || unseen;
        good = negative || unseen || read_ttl(word, &kind.ttl);
    }
    if (!good)
        return err_set(e, ERR_INVALID,
                       "--kind '%s': it is written NAME:WEIGHT[:negative][:unseen][:ttl=DAYSd], as "
                       "cart:0.5:unseen:ttl=30d",
                       text);
    if (k->n_made == IMPORT_MAX_KINDS)
        return err_set(e, ERR_INVALID, "--kind: at most %d at a time", IMPORT_MAX_KINDS);
    k->made[k->n_made++] = kind;
    return ERR_OK;
}

enum err_code import_kinds_put(struct import_kinds *k, const struct store_kind *kind, struct err *e)
{
    if (k->n_made == IMPORT_MAX_KINDS)
        return err_set(e, ERR_INVALID, "at most %d kinds of events at a time", IMPORT_MAX_KINDS);
    char *name = k->read[k->n_made];
    (void)snprintf(name, sizeof *k->read, "%.*s", (int)kind->name.len, kind->name.data);
    k->made[k->n_made] = *kind;
    k->made[k->n_made++].name = text_of(name);
    return ERR_OK;
}

static const struct import_word *word_of(const struct import_kinds *k, struct text word)
{
    for (size_t i = 0; i < k->n_words; i++)
        if (text_compare(k->words[i].word, word) == 0)
            return &k->words[i];
    return NULL;
}

enum err_code import_kinds_map(struct import_kinds *k, const char *text, struct err *e)
{
    for (const char *at = text, *rest; at; at = rest) {
        struct text pair = before(at, ',', &rest);
        const char *equals = memchr(pair.data, '=', pair.len);
        struct text word = {pair.data, equals ? (size_t)(equals - pair.data) : 0};
        struct text kind = {equals + 1, equals ? pair.len - word.len - 1 : 0};
        if (!equals || !word.len)
            return err_set(
                e, ERR_INVALID,
                "--kind-map '%s': it is written WORD=KIND,WORD=KIND; nothing behind = leaves rows out", text);
        if (word_of(k, word))
            return err_set(e, ERR_INVALID, "--kind-map: '%.*s' is to mean two things", (int)word.len,
                           word.data);
        if (k->n_words == IMPORT_MAX_WORDS)
            return err_set(e, ERR_INVALID, "--kind-map: at most %d words", IMPORT_MAX_WORDS);
        k->words[k->n_words++] = (struct import_word){word, kind};
    }
    return ERR_OK;
}

/* ---- the store's ---- */

static bool take(void *arg, const struct store_kind *kind)
{
    struct import_kinds *k = arg;
    k->numbers[k->n] = (int32_t)kind->number;
    (void)snprintf(k->names[k->n++], sizeof *k->names, "%.*s", (int)kind->name.len, kind->name.data);
    return k->n < LIMIT_KINDS;
}

/* Those of the store, by number. */
static enum err_code read_all(struct import_kinds *k, struct store_conn *c, struct err *e)
{
    k->n = 0;
    return store_each_kind(c, take, k, e);
}

static enum err_code put(const struct import_kinds *k, size_t i, struct store_conn *c, struct err *e)
{
    bool changed;
    enum err_code code = store_put_kind(c, &k->made[i], &changed, e);
    return code ? err_prefix(e, "--kind or --event-kinds, '%.*s'", text_shown(k->made[i].name),
                             k->made[i].name.data)
                : ERR_OK;
}

/* What the options would make is made and taken back: so it is checked, and has its numbers, before any row
 * is read, and a load that fails leaves nothing of it. */
static enum err_code try_all(struct import_kinds *k, struct store_conn *c, struct err *e)
{
    enum err_code code = store_begin(c, e);
    if (code)
        return code;
    for (size_t i = 0; i < k->n_made && !code; i++)
        code = put(k, i, c, e);
    if (!code)
        code = read_all(k, c, e);
    store_rollback(c);
    return code;
}

static enum err_code find(const struct import_kinds *k, struct text name, int32_t *number, struct err *e)
{
    char known[512];
    size_t len = 0;
    for (size_t i = 0; i < k->n; i++)
        if (text_is(name, k->names[i])) {
            *number = k->numbers[i];
            return ERR_OK;
        }
    known[0] = '\0';
    for (size_t i = 0; i < k->n && len < sizeof known; i++)
        len += (size_t)snprintf(known + len, sizeof known - len, "%s%s", i ? ", " : "", k->names[i]);
    return err_set(e, ERR_INVALID,
                   "no kind of events '%.*s'; known: %s. --kind-map %.*s=KIND says which is meant, "
                   "--kind %.*s:1 makes one",
                   text_shown(name), name.data, known, text_shown(name), name.data, text_shown(name),
                   name.data);
}

enum err_code import_kinds_begin(struct import_kinds *k, struct store_conn *c, struct err *e)
{
    int32_t number;
    enum err_code code = read_all(k, c, e);
    k->n_there = k->n;
    if (!code && k->n_made)
        code = try_all(k, c, e);
    for (size_t i = 0; i < k->n_words && !code; i++)
        if (k->words[i].kind.len && (code = find(k, k->words[i].kind, &number, e)))
            code = err_prefix(e, "--kind-map");
    return code;
}

int32_t import_kinds_end(const struct import_kinds *k)
{
    return k->n ? k->numbers[k->n - 1] + 1 : 0;
}

struct comparison {
    const struct import_kinds *kinds;
    size_t n_same;
};

static bool compare(void *arg, const struct store_kind *kind)
{
    struct comparison *x = arg;
    for (size_t i = 0; i < x->kinds->n; i++)
        x->n_same += x->kinds->numbers[i] == (int32_t)kind->number && text_is(kind->name, x->kinds->names[i]);
    return true;
}

enum err_code import_kinds_make(const struct import_kinds *k, struct store_conn *c, struct err *e)
{
    struct comparison x = {.kinds = k};
    enum err_code code = ERR_OK;
    if (k->n == k->n_there)
        return ERR_OK;
    for (size_t at = k->n_there; at < k->n && !code; at++)
        for (size_t i = 0; i < k->n_made && !code; i++)
            if (text_is(k->made[i].name, k->names[at]))
                code = put(k, i, c, e);
    if (!code)
        code = store_each_kind(c, compare, &x, e);
    if (!code && x.n_same != k->n)
        code = err_set(e, ERR_CONFLICT,
                       "another program made kinds of events while the tables were read: nothing was "
                       "imported; import them again");
    return code;
}

enum err_code import_kinds_change(const struct import_kinds *k, struct store_conn *c, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < k->n_made && !code; i++)
        code = put(k, i, c, e);
    return code;
}

bool import_kinds_leaves_out(const struct import_kinds *k, struct text word)
{
    const struct import_word *mapped = word.data ? word_of(k, word) : NULL;
    return mapped && !mapped->kind.len;
}

enum err_code import_kinds_find(const struct import_kinds *k, struct text word, int32_t *number,
                                struct err *e)
{
    const struct import_word *mapped = word.data ? word_of(k, word) : NULL;
    *number = STORE_KIND_NONE;
    return word.data ? find(k, mapped ? mapped->kind : word, number, e) : ERR_OK;
}
