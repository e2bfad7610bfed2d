/* Any bytes as a command line and an environment, through the real table of options of each command; no
 * command runs. The first byte picks the command; the rest are words, a line each, of which `$NAME=value`
 * is a variable HYPERNET_NAME. Whatever comes, either it is refused with a text, or every option holds what
 * its table says.
 *
 * The program is linked so that a command's call of options_parse comes here (--wrap): what the parser said
 * is checked, and then the command is told that it was used wrongly. */
#include "server/cli/commands.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORDS = 64, MAX_BYTES = 8192 };

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);
enum err_code __real_options_parse(const struct command *command, const struct option *options,
                                   size_t n_options, int argc, char **argv, const char **positional,
                                   bool *help, struct err *e);
enum err_code __wrap_options_parse(const struct command *command, const struct option *options,
                                   size_t n_options, int argc, char **argv, const char **positional,
                                   bool *help, struct err *e);

static const struct command *const commands[] = {
    &cmd_simulate_command,  &cmd_import_command,  &cmd_train_command,   &cmd_evaluate_command,
    &cmd_recommend_command, &cmd_serve_command,   &cmd_inspect_command, &cmd_split_command,
    &cmd_backup_command,    &cmd_restore_command,
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static int n_parsed, n_failed; /* of one input */

/* ---- what an option holds ---- */

static void check_range(const struct option *o, double x)
{
    if (!isfinite(x) || x < o->min || x > o->max)
        abort();
}

/* A text is never empty; one that has to be there is. */
static void check_text(const struct option *o, const char *text)
{
    if (text ? !*text : o->required)
        abort();
}

static void check_list(const struct option *o, const struct option_list *list)
{
    if (list->n > OPTION_LIST_MAX || (o->required && list->n == 0))
        abort();
    for (size_t i = 0; i < list->n; i++)
        if (!list->values[i] || !*list->values[i])
            abort();
}

static void check_option(const struct option *o)
{
    switch (o->kind) {
    case OPTION_FLAG:
        if (*(const unsigned char *)o->target > 1)
            abort();
        break;
    case OPTION_STRING:
        check_text(o, *(const char *const *)o->target);
        break;
    case OPTION_LIST:
        check_list(o, o->target);
        break;
    case OPTION_INT:
        check_range(o, (double)*(int64_t *)o->target);
        break;
    case OPTION_REAL:
        check_range(o, *(double *)o->target);
        break;
    case OPTION_BYTES:
        check_range(o, (double)*(size_t *)o->target);
        break;
    }
}

enum err_code __wrap_options_parse(const struct command *command, const struct option *options,
                                   size_t n_options, int argc, char **argv, const char **positional,
                                   bool *help, struct err *e)
{
    enum err_code code = __real_options_parse(command, options, n_options, argc, argv, positional, help, e);
    n_parsed++;
    if (code && (code != e->code || !e->text[0] || *help))
        abort();
    if (code || *help)
        return code;
    for (size_t i = 0; i < n_options; i++)
        check_option(&options[i]);
    if (command->positional && command->positional[0] != '[' && !*positional)
        abort();
    return err_set(e, ERR_INVALID, "it is not to run");
}

/* main.c's, which is not linked. */
int command_fail(const struct command *command, const struct err *e, bool wrong_use)
{
    (void)command;
    n_failed++;
    if (!e->code || !e->text[0] || !wrong_use)
        abort();
    return EXIT_WRONG_USE;
}

/* ---- words ---- */

/* A variable of libc's own memory, which the parser may split. */
static void set_variable(const char *word, const char **names, size_t *n)
{
    static char texts[MAX_WORDS][96];
    const char *equals = strchr(word, '=');
    if (!equals || *n == MAX_WORDS || equals - word > 64)
        return;
    (void)snprintf(texts[*n], sizeof texts[*n], "HYPERNET_%.*s", (int)(equals - word), word);
    if (setenv(texts[*n], equals + 1, 1) == 0) {
        names[*n] = texts[*n];
        ++*n;
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n)
{
    static char copy[MAX_BYTES + 1];
    char *argv[MAX_WORDS + 2];
    const char *variables[MAX_WORDS];
    size_t n_variables = 0;
    int argc = 1;
    if (n < 1 || n > MAX_BYTES || memchr(bytes, 0, n))
        return 0;
    if (!freopen("/dev/null", "w", stdout)) /* where a help goes */
        abort();
    const struct command *command = commands[bytes[0] % N_COMMANDS];
    memcpy(copy, bytes + 1, n - 1);
    copy[n - 1] = '\0';
    argv[0] = (char *)(uintptr_t)command->name;
    for (char *word = copy, *end; word && argc <= MAX_WORDS; word = end) {
        end = strchr(word, '\n');
        if (end)
            *end++ = '\0';
        if (*word == '$')
            set_variable(word + 1, variables, &n_variables);
        else
            argv[argc++] = word;
    }
    argv[argc] = NULL;
    n_parsed = n_failed = 0;
    int status = command->run(argc, argv);
    if (n_parsed != 1 || status != (n_failed ? EXIT_WRONG_USE : EXIT_DONE))
        abort();
    for (size_t i = 0; i < n_variables; i++)
        (void)unsetenv(variables[i]);
    return 0;
}
