/* server/cli/options.c: every kind of value from flag and environment; risks: which of the two wins, limits,
 * a help that disagrees with the table, words that look like options. */
#include "server/cli/options.h"

#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct option_apart apart[] = {{"text", "many whole"}, {"flag", "text"}, {NULL, NULL}};
static const struct command plain = {"plain", "a command without words", NULL, NULL, NULL, NULL};
static const struct command worded = {"worded", "a command with a word", "MODEL", "Some details.", NULL,
                                      apart};

static bool flag;
static const char *text;
static struct option_list list;
static int64_t whole;
static double real_number;
static size_t bytes;

static const struct option options[] = {
    {"flag", OPTION_FLAG, &flag, NULL, "a flag", 0, 0, false},
    {"text", OPTION_STRING, &text, "PATH", "a text", 0, 0, false},
    {"many", OPTION_LIST, &list, "FILE", "a list", 0, 0, false},
    {"whole", OPTION_INT, &whole, "N", "a whole number", -5, 1000, false},
    {"real-number", OPTION_REAL, &real_number, "X", "a number", 0, 1, false},
    {"cache-bytes", OPTION_BYTES, &bytes, "BYTES", "bytes", 1024, 1e15, false},
};
enum { N_OPTIONS = sizeof options / sizeof *options, MAX_WORDS = 40 };

static const char *const variables[] = {"HYPERNET_FLAG",  "HYPERNET_TEXT",        "HYPERNET_MANY",
                                        "HYPERNET_WHOLE", "HYPERNET_REAL_NUMBER", "HYPERNET_CACHE_BYTES"};

static void reset(void)
{
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
    flag = false;
    text = NULL;
    list = (struct option_list){0};
    whole = 7;
    real_number = 0.5;
    bytes = 2 * 1048576;
}

/* Parses a line of words separated by single spaces; the words live until the next call. */
static enum err_code parse_with(const struct command *c, const struct option *table, size_t n,
                                const char *line, const char **word, struct err *e)
{
    static char copy[1024];
    static char *argv[MAX_WORDS];
    int argc = 0;
    bool help;
    argv[argc++] = (char *)c->name;
    (void)snprintf(copy, sizeof copy, "%s", line);
    for (char *rest, *w = strtok_r(copy, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
        argv[argc++] = w;
    ck_assert_int_lt(argc, MAX_WORDS);
    argv[argc] = NULL;
    err_clear(e);
    enum err_code code = options_parse(c, table, n, argc, argv, word, &help, e);
    ck_assert(!help);
    ck_assert_int_eq(code, e->code);
    return code;
}

static enum err_code parse(const char *line, struct err *e)
{
    return parse_with(&plain, options, N_OPTIONS, line, NULL, e);
}

static void must(const char *line)
{
    struct err e = {0};
    ck_assert_msg(parse(line, &e) == ERR_OK, "%s: %s", line, e.text);
}

/* ---- values ---- */

START_TEST(test_options_every_kind_from_flags)
{
    must("--flag --text a/b --many x --many=y --whole -5 --real-number .25 --cache-bytes 64K");
    ck_assert(flag);
    ck_assert_str_eq(text, "a/b");
    ck_assert_uint_eq(list.n, 2);
    ck_assert_str_eq(list.values[0], "x");
    ck_assert_str_eq(list.values[1], "y");
    ck_assert_int_eq(whole, -5);
    ck_assert_double_eq(real_number, 0.25);
    ck_assert_uint_eq(bytes, 65536);
}
END_TEST

START_TEST(test_options_nothing_given_keeps_the_defaults)
{
    must("");
    ck_assert(!flag);
    ck_assert_ptr_null(text);
    ck_assert_uint_eq(list.n, 0);
    ck_assert_int_eq(whole, 7);
    ck_assert_double_eq(real_number, 0.5);
    ck_assert_uint_eq(bytes, 2 * 1048576);
}
END_TEST

START_TEST(test_options_equals_and_space_are_the_same)
{
    must("--text=a=b --whole=12");
    ck_assert_str_eq(text, "a=b"); /* the first = separates */
    ck_assert_int_eq(whole, 12);
}
END_TEST

START_TEST(test_options_last_of_a_repeated_option_wins)
{
    must("--whole 1 --whole 2");
    ck_assert_int_eq(whole, 2);
}
END_TEST

static const struct {
    const char *word;
    size_t value;
} sizes[] = {{"1024", 1024},    {"1K", 1024},        {"64k", 65536},        {"256M", 268435456},
             {"1.5M", 1572864}, {"2G", 2147483648u}, {"1T", 1099511627776u}};

START_TEST(test_options_read_bytes_with_units)
{
    char line[64];
    (void)snprintf(line, sizeof line, "--cache-bytes %s", sizes[_i].word);
    must(line);
    ck_assert_uint_eq(bytes, sizes[_i].value);
}
END_TEST

/* ---- refusals ---- */

static const struct {
    const char *line, *part; /* of the error */
} wrong[] = {
    {"--nothing 1", "no option --nothing"},
    {"--tex a", "no option --tex"}, /* no abbreviations: a later option would change what they mean */
    {"--nothing=1", "no option --nothing"},
    {"--text", "--text takes PATH"},
    {"--text=", "--text takes PATH, not nothing"},
    {"--many=", "--many takes FILE, not nothing"},
    {"--flag=yes", "--flag takes no value"},
    {"--whole", "--whole takes N"},
    {"--whole x", "whole number, not 'x'"},
    {"--whole 1.5", "whole number, not '1.5'"},
    {"--whole 12x", "whole number, not '12x'"},
    {"--whole nan", "whole number, not 'nan'"},
    {"--whole 1K", "whole number, not '1K'"},
    {"--whole 1001", "--whole must be -5 to 1000"},
    {"--whole -6", "--whole must be -5 to 1000"},
    {"--whole=", "whole number, not ''"},
    {"--whole 1e999", "whole number, not '1e999'"},
    {"--real-number inf", "a number, not 'inf'"},
    {"--real-number 1.01", "--real-number must be 0 to 1"},
    {"--cache-bytes 64Q", "such as 64K, 256M or 2G, not '64Q'"},
    {"--cache-bytes 64KB", "not '64KB'"},
    {"--cache-bytes 1023", "--cache-bytes must be 1024 to"},
    {"--cache-bytes -1M", "--cache-bytes must be 1024 to"},
    {"word", "'word' is one word too many"},
    {"-- --flag", "'--flag' is one word too many"},
};

START_TEST(test_options_refuses_with_the_reason)
{
    struct err e;
    ck_assert_int_eq(parse(wrong[_i].line, &e), ERR_INVALID);
    ck_assert_msg(strstr(e.text, wrong[_i].part) != NULL, "%s: %s", wrong[_i].line, e.text);
}
END_TEST

START_TEST(test_options_list_has_a_limit)
{
    char line[512] = "";
    struct err e;
    for (int i = 0; i < OPTION_LIST_MAX; i++)
        strcat(line, "--many=f ");
    must(line);
    ck_assert_uint_eq(list.n, OPTION_LIST_MAX);
    reset();
    strcat(line, "--many=f");
    ck_assert_int_eq(parse(line, &e), ERR_LIMIT);
}
END_TEST

START_TEST(test_options_required_is_asked_for)
{
    const char *needed = NULL;
    struct option_list needed_list = {0};
    const struct option table[] = {{"store", OPTION_STRING, &needed, "STORE", "needed", 0, 0, true},
                                   {"model", OPTION_LIST, &needed_list, "FILE", "needed", 0, 0, true}};
    struct err e;
    ck_assert_int_eq(parse_with(&plain, table, 2, "--model m", NULL, &e), ERR_INVALID);
    ck_assert_str_eq(e.text, "--store STORE is needed");
    needed_list.n = 0;
    ck_assert_int_eq(parse_with(&plain, table, 2, "--store s", NULL, &e), ERR_INVALID);
    ck_assert_str_eq(e.text, "--model FILE is needed");
    ck_assert_int_eq(parse_with(&plain, table, 2, "--store s --model m", NULL, &e), ERR_OK);
}
END_TEST

/* ---- the word of a command ---- */

START_TEST(test_options_word_stands_anywhere)
{
    static const char *const lines[] = {"m --flag", "--flag m", "--flag -- m"};
    for (size_t i = 0; i < 3; i++) {
        const char *word = NULL;
        struct err e;
        reset();
        ck_assert_int_eq(parse_with(&worded, options, N_OPTIONS, lines[i], &word, &e), ERR_OK);
        ck_assert_str_eq(word, "m");
        ck_assert(flag);
    }
}
END_TEST

START_TEST(test_options_word_after_dashes_may_look_like_an_option)
{
    const char *word = NULL;
    struct err e;
    ck_assert_int_eq(parse_with(&worded, options, N_OPTIONS, "-- --flag", &word, &e), ERR_OK);
    ck_assert_str_eq(word, "--flag");
    ck_assert(!flag);
}
END_TEST

START_TEST(test_options_word_is_needed_once)
{
    const char *word = NULL;
    struct err e;
    ck_assert_int_eq(parse_with(&worded, options, N_OPTIONS, "--flag", &word, &e), ERR_INVALID);
    ck_assert_str_eq(e.text, "MODEL is needed");
    ck_assert_int_eq(parse_with(&worded, options, N_OPTIONS, "a b", &word, &e), ERR_INVALID);
    ck_assert_str_eq(e.text, "'b' is one word too many");
}
END_TEST

/* ---- environment ---- */

START_TEST(test_options_every_kind_from_the_environment)
{
    setenv("HYPERNET_FLAG", "1", 1);
    setenv("HYPERNET_TEXT", "from env", 1);
    setenv("HYPERNET_MANY", "x  y z", 1);
    setenv("HYPERNET_WHOLE", "9", 1);
    setenv("HYPERNET_REAL_NUMBER", "0.75", 1);
    setenv("HYPERNET_CACHE_BYTES", "1M", 1);
    must("");
    ck_assert(flag);
    ck_assert_str_eq(text, "from env");
    ck_assert_uint_eq(list.n, 3);
    ck_assert_str_eq(list.values[2], "z");
    ck_assert_int_eq(whole, 9);
    ck_assert_double_eq(real_number, 0.75);
    ck_assert_uint_eq(bytes, 1048576);
}
END_TEST

START_TEST(test_options_flags_win_over_the_environment)
{
    setenv("HYPERNET_TEXT", "env", 1);
    setenv("HYPERNET_MANY", "x y", 1);
    setenv("HYPERNET_WHOLE", "9", 1);
    must("--whole 3 --text flag --many one --many two --many three");
    ck_assert_int_eq(whole, 3);
    ck_assert_str_eq(text, "flag");
    ck_assert_uint_eq(list.n, 3); /* replaces the environment's list, does not join it */
    ck_assert_str_eq(list.values[0], "one");
}
END_TEST

START_TEST(test_options_empty_variable_is_as_none)
{
    setenv("HYPERNET_WHOLE", "", 1);
    setenv("HYPERNET_TEXT", "", 1);
    must("");
    ck_assert_int_eq(whole, 7);
    ck_assert_ptr_null(text);
}
END_TEST

START_TEST(test_options_flag_variable_can_say_no)
{
    static const char *const no[] = {"0", "false"};
    setenv("HYPERNET_FLAG", no[_i], 1);
    must("");
    ck_assert(!flag);
}
END_TEST

START_TEST(test_options_bad_variable_is_named)
{
    struct err e;
    setenv("HYPERNET_CACHE_BYTES", "lots", 1);
    ck_assert_int_eq(parse("", &e), ERR_INVALID);
    ck_assert_msg(strncmp(e.text, "HYPERNET_CACHE_BYTES: ", 22) == 0, "%s", e.text);
}
END_TEST

/* ---- help ---- */

/* What options_parse prints for these arguments; *code is its answer. */
static char *printed(char **argv, int argc, bool *help)
{
    static char out[8192];
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    (void)fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    ck_assert_int_ge(dup2(fileno(file), STDOUT_FILENO), 0);
    struct err e = {0};
    const char *word = NULL;
    enum err_code code = options_parse(&worded, options, N_OPTIONS, argc, argv, &word, help, &e);
    (void)fflush(stdout);
    (void)dup2(saved, STDOUT_FILENO);
    (void)close(saved);
    rewind(file);
    out[fread(out, 1, sizeof out - 1, file)] = '\0';
    (void)fclose(file);
    ck_assert_int_eq(code, ERR_OK);
    return out;
}

START_TEST(test_options_help_names_every_option_and_default)
{
    static const char *const parts[] = {"Usage: hypernet worded MODEL [options]",
                                        "Some details.",
                                        "--flag ",
                                        "--text PATH",
                                        "--many FILE",
                                        "(may be repeated)",
                                        "--whole N",
                                        "(default 7)",
                                        "(default 0.5)",
                                        "(default 2M)",
                                        "HYPERNET_CACHE_BYTES"};
    char name[] = "worded", asked[] = "--help", *argv[] = {name, asked, NULL};
    bool help = false;
    const char *out = printed(argv, 2, &help);
    ck_assert(help);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        ck_assert_msg(strstr(out, parts[i]) != NULL, "no '%s' in:\n%s", parts[i], out);
}
END_TEST

START_TEST(test_options_help_wins_over_faults)
{
    char name[] = "worded", bad[] = "--nonsense", full[] = "--help", brief[] = "-h";
    char *argv[] = {name, bad, _i ? brief : full, NULL};
    bool help = false;
    setenv("HYPERNET_WHOLE", "not a number", 1);
    ck_assert_ptr_nonnull(strstr(printed(argv, 3, &help), "Usage:"));
    ck_assert(help);
}
END_TEST

START_TEST(test_options_help_after_dashes_is_a_word)
{
    char name[] = "worded", dashes[] = "--", asked[] = "--help", *argv[] = {name, dashes, asked, NULL};
    bool help = true;
    ck_assert_str_eq(printed(argv, 3, &help), "");
    ck_assert(!help);
}
END_TEST

START_TEST(test_options_single_dash_is_no_word)
{
    const char *word = NULL;
    struct err e;
    ck_assert_int_eq(parse_with(&worded, options, N_OPTIONS, "-x m", &word, &e), ERR_INVALID);
    ck_assert_str_eq(e.text, "no option -x; options begin with two dashes");
    ck_assert_int_eq(parse_with(&worded, options, N_OPTIONS, "-", &word, &e), ERR_OK); /* standard input */
    ck_assert_str_eq(word, "-");
}
END_TEST

SUITE("server/options", reset, reset, {test_options_every_kind_from_flags},
      {test_options_nothing_given_keeps_the_defaults}, {test_options_equals_and_space_are_the_same},
      {test_options_last_of_a_repeated_option_wins},
      {test_options_read_bytes_with_units, sizeof sizes / sizeof *sizes},
      {test_options_refuses_with_the_reason, sizeof wrong / sizeof *wrong}, {test_options_list_has_a_limit},
      {test_options_required_is_asked_for}, {test_options_word_stands_anywhere},
      {test_options_word_after_dashes_may_look_like_an_option}, {test_options_word_is_needed_once},
      {test_options_every_kind_from_the_environment}, {test_options_flags_win_over_the_environment},
      {test_options_empty_variable_is_as_none}, {test_options_flag_variable_can_say_no, 2},
      {test_options_bad_variable_is_named}, {test_options_help_names_every_option_and_default},
      {test_options_help_wins_over_faults, 2}, {test_options_help_after_dashes_is_a_word},
      {test_options_single_dash_is_no_word})
