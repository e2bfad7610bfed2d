/* One table serves the parser, the environment and the help, so that they cannot disagree. */
#include "server/cli/options.h"

#include "base/suggest.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

static const char *placeholder(const struct option *o)
{
    return o->argument ? o->argument : "VALUE";
}

static enum err_code parse_number(const struct option *o, const char *text, double *value, struct err *e)
{
    char *end;
    errno = 0;
    *value = strtod(text, &end);
    double unit = 1;
    if (o->kind == OPTION_BYTES && *end) {
        static const char units[] = "KMGT";
        const char *found = strchr(units, toupper((unsigned char)*end));
        if (found) {
            unit = pow(1024, (double)(found - units + 1));
            end++;
        }
    }
    *value *= unit;
    bool whole = o->kind == OPTION_REAL || *value == floor(*value);
    if (end == text || *end || errno || !isfinite(*value) || !whole)
        return err_set(e, ERR_INVALID, "--%s takes %s, not '%s'", o->name,
                       o->kind == OPTION_BYTES  ? "a number of bytes such as 64K, 256M or 2G"
                       : o->kind == OPTION_REAL ? "a number"
                                                : "a whole number",
                       text);
    if (*value < o->min || *value > o->max)
        return err_set(e, ERR_INVALID, "--%s must be %g to %g, not '%s'", o->name, o->min, o->max, text);
    return ERR_OK;
}

static enum err_code set_value(const struct option *o, const char *text, struct err *e)
{
    double number;
    enum err_code code = ERR_OK;
    struct option_list *list = o->target;
    if (!*text && (o->kind == OPTION_STRING || o->kind == OPTION_LIST))
        return err_set(e, ERR_INVALID, "--%s takes %s, not nothing", o->name, placeholder(o));
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)o->target = true;
        break;
    case OPTION_STRING:
        *(const char **)o->target = text;
        break;
    case OPTION_LIST:
        if (list->n == OPTION_LIST_MAX)
            return err_set(e, ERR_LIMIT, "--%s may be given %d times at most", o->name, OPTION_LIST_MAX);
        list->values[list->n++] = text;
        break;
    case OPTION_INT:
        if (!(code = parse_number(o, text, &number, e)))
            *(int64_t *)o->target = (int64_t)number;
        break;
    case OPTION_REAL:
        if (!(code = parse_number(o, text, &number, e)))
            *(double *)o->target = number;
        break;
    case OPTION_BYTES:
        if (!(code = parse_number(o, text, &number, e)))
            *(size_t *)o->target = (size_t)number;
        break;
    }
    return code;
}

/* ---- environment ---- */

static void variable_name(const char *option, char out[64])
{
    size_t n = (size_t)snprintf(out, 64, "HYPERNET_%s", option);
    for (size_t i = 9; i < n && out[i]; i++)
        out[i] = out[i] == '-' ? '_' : (char)toupper((unsigned char)out[i]);
}

/* Splits a list at spaces, in place: the environment's own memory, which lives as long as the process. */
static enum err_code set_list(const struct option *o, char *text, struct err *e)
{
    char *rest;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        enum err_code code = set_value(o, word, e);
        if (code)
            return code;
    }
    return ERR_OK;
}

static enum err_code from_environment(const struct option *o, struct err *e)
{
    char name[64];
    variable_name(o->name, name);
    char *text = getenv(name);
    if (!text || !*text)
        return ERR_OK;
    enum err_code code;
    if (o->kind == OPTION_FLAG) {
        if (strcmp(text, "0") != 0 && strcmp(text, "false") != 0)
            *(bool *)o->target = true;
        return ERR_OK;
    }
    code = o->kind == OPTION_LIST ? set_list(o, text, e) : set_value(o, text, e);
    return code ? err_prefix(e, "%s", name) : ERR_OK;
}

/* ---- help ---- */

static void print_default(const struct option *o)
{
    if (o->required) /* there is none */
        (void)printf(" (required)");
    else if (o->kind == OPTION_INT)
        (void)printf(" (default %lld)", (long long)*(int64_t *)o->target);
    else if (o->kind == OPTION_REAL)
        (void)printf(" (default %g)", *(double *)o->target);
    else if (o->kind == OPTION_BYTES && *(size_t *)o->target % 1048576 == 0)
        (void)printf(" (default %zuM)", *(size_t *)o->target / 1048576);
    else if (o->kind == OPTION_BYTES)
        (void)printf(" (default %zu)", *(size_t *)o->target);
    else if (o->kind == OPTION_STRING && *(const char **)o->target)
        (void)printf(" (default %s)", *(const char **)o->target);
    if (o->kind == OPTION_LIST)
        (void)printf(" (may be repeated)");
}

static void print_help(const struct command *command, const struct option *options, size_t n_options)
{
    (void)printf("hypernet %s - %s\n\nUsage: hypernet %s%s%s [options]\n", command->name, command->summary,
                 command->name, command->positional ? " " : "",
                 command->positional ? command->positional : "");
    if (command->details)
        (void)printf("\n%s\n", command->details);
    (void)printf("\nOptions:\n");
    for (size_t i = 0; i < n_options; i++) {
        char left[64];
        (void)snprintf(left, sizeof left, "--%s%s%s", options[i].name,
                       options[i].kind == OPTION_FLAG ? "" : " ",
                       options[i].kind == OPTION_FLAG ? "" : placeholder(&options[i]));
        (void)printf("  %-26s %s", left, options[i].help);
        print_default(&options[i]);
        (void)printf("\n");
    }
    (void)printf("  %-26s %s\n\nEach option may be given as an environment variable: --cache-bytes is "
                 "HYPERNET_CACHE_BYTES.\n"
                 "An option on the command line wins.\n",
                 "--help", "this text");
}

/* ---- arguments ---- */

static const struct option *find(const struct option *options, size_t n_options, const char *name, size_t len)
{
    for (size_t i = 0; i < n_options; i++)
        if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
            return &options[i];
    return NULL;
}

/* The text for a word that begins with `dashes` and is no option. */
static enum err_code unknown(const struct option *options, size_t n_options, const char *dashes,
                             const char *word, size_t len, struct err *e)
{
    struct suggestion s = suggest_for(word, len);
    for (size_t i = 0; i < n_options; i++)
        suggest_consider(&s, options[i].name);
    suggest_consider(&s, "help");
    if (s.best)
        return err_set(e, ERR_INVALID, "no option %s%.*s; did you mean --%s?", dashes, (int)len, word,
                       s.best);
    return err_set(e, ERR_INVALID, "no option %s%.*s%s", dashes, (int)len, word,
                   dashes[1] ? "" : "; options begin with two dashes");
}

struct arguments {
    int argc, at;
    char **argv;
};

static enum err_code parse_option(const struct option *options, size_t n_options, struct arguments *a,
                                  struct err *e)
{
    const char *word = a->argv[a->at] + 2, *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    const struct option *o = find(options, n_options, word, len);
    if (!o)
        return unknown(options, n_options, "--", word, len, e);
    if (o->kind == OPTION_FLAG)
        return equals ? err_set(e, ERR_INVALID, "--%s takes no value", o->name) : set_value(o, "", e);
    if (equals)
        return set_value(o, equals + 1, e);
    if (a->at + 1 >= a->argc)
        return err_set(e, ERR_INVALID, "--%s takes %s", o->name, placeholder(o));
    return set_value(o, a->argv[++a->at], e);
}

static enum err_code check_required(const struct option *options, size_t n_options, struct err *e)
{
    for (size_t i = 0; i < n_options; i++) {
        const struct option *o = &options[i];
        bool missing = (o->kind == OPTION_STRING && !*(const char **)o->target) ||
                       (o->kind == OPTION_LIST && ((struct option_list *)o->target)->n == 0);
        if (o->required && missing)
            return err_set(e, ERR_INVALID, "--%s %s is needed", o->name, placeholder(o));
    }
    return ERR_OK;
}

/* Whether a name is among others, with spaces between. */
static bool is_among(const char *names, const char *name)
{
    for (size_t len; *names; names += len + strspn(names + len, " ")) {
        len = strcspn(names, " ");
        if (strlen(name) == len && memcmp(names, name, len) == 0)
            return true;
    }
    return false;
}

/* Whether the variable of an option counts: neither it is typed, nor what it does not go with. */
static bool is_read(const struct command *command, const struct option *options, size_t n_options, int argc,
                    char **argv, const struct option *o)
{
    if (options_typed(options, n_options, argc, argv, o->name))
        return false;
    for (const struct option_apart *a = command->apart; a && a->typed; a++) {
        bool unread = is_among(a->unread, o->name);
        if (unread && !*a->typed)
            return false;
        for (size_t i = 0; unread && i < n_options; i++)
            if (is_among(a->typed, options[i].name) &&
                options_typed(options, n_options, argc, argv, options[i].name))
                return false;
    }
    return true;
}

enum err_code options_parse(const struct command *command, const struct option *options, size_t n_options,
                            int argc, char **argv, const char **positional, bool *help, struct err *e)
{
    struct arguments a = {argc, 1, argv};
    *help = false;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(command, options, n_options);
            *help = true;
            return ERR_OK;
        }
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < n_options && !code; i++)
        if (is_read(command, options, n_options, argc, argv, &options[i]))
            code = from_environment(&options[i], e);
    bool only_words = false, has_word = false;
    for (; a.at < argc && !code; a.at++) {
        const char *word = argv[a.at];
        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
        } else if (!only_words && strncmp(word, "--", 2) == 0) {
            code = parse_option(options, n_options, &a, e);
        } else if (!only_words && word[0] == '-' && word[1]) { /* `-` alone is standard input */
            code = unknown(options, n_options, "-", word + 1, strcspn(word + 1, "="), e);
        } else if (command->positional && !has_word) {
            *positional = word;
            has_word = true;
        } else {
            code = err_set(e, ERR_INVALID, "'%s' is one word too many", word);
        }
    }
    if (!code && command->positional && command->positional[0] != '[' && !has_word)
        code = err_set(e, ERR_INVALID, "%s is needed", command->positional);
    return code ? code : check_required(options, n_options, e);
}

/* ---- options that do nothing ---- */

bool options_typed(const struct option *options, size_t n_options, int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const char *word = strncmp(argv[i], "--", 2) == 0 ? argv[i] + 2 : "";
        size_t len = strcspn(word, "=");
        const struct option *o = find(options, n_options, word, len);
        if (o && strcmp(o->name, name) == 0)
            return true;
        if (o && o->kind != OPTION_FLAG && !word[len])
            i++; /* its value */
    }
    return false;
}

enum err_code options_check_uses(const struct option *options, size_t n_options, int argc, char **argv,
                                 const struct option_use *uses, size_t n_uses, struct err *e)
{
    for (size_t i = 0; i < n_uses; i++) {
        const char *at = uses[i].idle ? uses[i].names : "";
        for (size_t len; *at; at += len + strspn(at + len, " ")) {
            len = strcspn(at, " ");
            const struct option *o = find(options, n_options, at, len);
            if (o && options_typed(options, n_options, argc, argv, o->name))
                return err_set(e, ERR_INVALID, "--%s %s", o->name, uses[i].why);
        }
    }
    return ERR_OK;
}
