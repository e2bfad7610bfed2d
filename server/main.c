/* The table of commands and nothing else. Before a command runs the process is set up: OpenBLAS with the
 * kernels that suit the CPU (the library reads the variable when it is loaded, so the program executes itself
 * once more) and one thread a product; a write to a closed socket or pipe is an error and not a signal. */
#include "base/err.h"
#include "engine/blas.h"
#include "server/commands.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command *const commands[] = {
    &cmd_simulate_command,  &cmd_import_command, &cmd_train_command,   &cmd_evaluate_command,
    &cmd_recommend_command, &cmd_serve_command,  &cmd_inspect_command,
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

int command_fail(const struct command *command, const struct err *e, bool wrong_use)
{
    (void)fprintf(stderr, "hypernet %s: %s\n", command->name, e->text);
    if (wrong_use)
        (void)fprintf(stderr, "`hypernet help %s` lists the options\n", command->name);
    return wrong_use ? EXIT_WRONG_USE : EXIT_FAILED;
}

static void print_commands(FILE *out)
{
    (void)fprintf(out, "hypernet serves a model of their own to every user\n\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        (void)fprintf(out, "  hypernet %-10s %s\n", commands[i]->name, commands[i]->summary);
    (void)fprintf(out, "  hypernet %-10s %s\n\n`hypernet --version` prints the version.\n", "help",
                  "what a command does and takes: hypernet help COMMAND");
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

/* The number of single-letter changes between two words (Levenshtein), for short words. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(b), row[32];
    if (n >= sizeof row / sizeof *row)
        return n;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t above_left = row[0]++;
        for (size_t j = 1; j <= n; j++) {
            size_t change = above_left + (a[i] != b[j - 1]),
                   least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            above_left = row[j];
            row[j] = change < least ? change : least;
        }
    }
    return row[n];
}

static int unknown(const char *name)
{
    const struct command *nearest = commands[0];
    for (size_t i = 1; i < N_COMMANDS; i++)
        if (distance(name, commands[i]->name) < distance(name, nearest->name))
            nearest = commands[i];
    (void)fprintf(stderr, "hypernet: no command '%s'", name);
    if (distance(name, nearest->name) <= 3)
        (void)fprintf(stderr, "; did you mean '%s'?", nearest->name);
    (void)fprintf(stderr, "\n`hypernet help` lists the commands\n");
    return EXIT_WRONG_USE;
}

static int help(const char *name)
{
    if (!name || strcmp(name, "help") == 0) {
        print_commands(stdout);
        return EXIT_DONE;
    }
    const struct command *c = find(name);
    char asked[] = "--help", *argv[] = {(char *)name, asked, NULL};
    return c ? c->run(2, argv) : unknown(name);
}

/* A result that could not be written is a failure, whatever the command found: a script must not go on. */
static int check_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (status == EXIT_DONE)
        (void)fprintf(stderr, "hypernet: the result could not be written to standard output\n");
    return status == EXIT_DONE ? EXIT_FAILED : status;
}

/* Executes the program again with the variable that OpenBLAS reads, unless the user set it. */
static void choose_blas_kernels(char **argv)
{
    const char *better = blas_better_coretype();
    if (better && !getenv("OPENBLAS_CORETYPE")) {
        (void)setenv("OPENBLAS_CORETYPE", better, 1);
        (void)execv("/proc/self/exe", argv); /* where that fails the program goes on, only slower */
    }
    blas_use_one_thread();
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_commands(stderr);
        return EXIT_WRONG_USE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("hypernet %s\n", HYPERNET_VERSION);
        return check_output(EXIT_DONE);
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return check_output(help(argc > 2 ? argv[2] : NULL));
    const struct command *c = find(argv[1]);
    if (!c)
        return unknown(argv[1]);
    choose_blas_kernels(argv);
    (void)signal(SIGPIPE, SIG_IGN);
    return check_output(c->run(argc - 1, argv + 1));
}
