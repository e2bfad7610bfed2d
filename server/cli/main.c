/* The table of commands and nothing else. Before a command runs the process is set up: OpenBLAS without
 * threads of its own and with the kernels that suit the CPU (it reads the variables when it is loaded, so the
 * program executes itself once more); a write to a closed socket or pipe is an error and not a signal. */
#include "base/err.h"
#include "base/suggest.h"
#include "base/talk.h"
#include "engine/kernels/blas.h"
#include "server/cli/commands.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static const struct command *const commands[] = {
    &cmd_simulate_command,  &cmd_import_command,  &cmd_train_command,   &cmd_evaluate_command,
    &cmd_recommend_command, &cmd_serve_command,   &cmd_inspect_command, &cmd_split_command,
    &cmd_backup_command,    &cmd_restore_command, &cmd_predict_command, &cmd_plot_command,
    &cmd_export_command,    &cmd_search_command,
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

static int unknown(const char *name)
{
    struct suggestion s = suggest_for(name, strlen(name));
    for (size_t i = 0; i < N_COMMANDS && name[0] != '-'; i++)
        suggest_consider(&s, commands[i]->name);
    suggest_consider(&s, name[0] == '-' ? "-h" : "help");
    suggest_consider(&s, "--help");
    suggest_consider(&s, "--version");
    (void)fprintf(stderr, "hypernet: no command '%s'", name);
    if (s.best)
        (void)fprintf(stderr, "; did you mean '%s'?", s.best);
    else if (name[0] == '-')
        (void)fprintf(stderr, "; the command comes first, its options behind it");
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

/* A result that could not be written is a failure, whatever the command found: a script must not go on. Where
 * the reader has gone there is nobody to tell: the program ends as others do, by SIGPIPE, its work done. */
static int check_output(int status)
{
    if ((fflush(stdout) == 0 && !ferror(stdout)) || status != EXIT_DONE)
        return status;
    if (talk_reader_gone()) {
        (void)signal(SIGPIPE, SIG_DFL);
        (void)raise(SIGPIPE);
    }
    (void)fprintf(stderr, "hypernet: the result could not be written to standard output\n");
    return EXIT_FAILED;
}

/* Runs before the libraries are set up. OpenBLAS makes its threads then, which nobody needs (parallelism is
 * the caller's), each with a buffer of 128 MB; where address space is limited it waits for that for ever.
 * With the variable it makes none. The environment of libc is not there yet, so a longer one is made and the
 * program executed with it; where that fails it goes on. Sanitizers do not bear code before themselves, and
 * their address space cannot be limited. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void leave_blas_without_threads(int argc, char **argv, char **envp)
{
    static char one_thread[] = "OPENBLAS_NUM_THREADS=1";
    const size_t name_len = sizeof one_thread - 2;
    size_t n = 0, kept = 0;
    (void)argc;
    for (; envp[n]; n++)
        if (strcmp(envp[n], one_thread) == 0)
            return;
    char **longer =
        mmap(NULL, (n + 2) * sizeof *longer, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (longer == MAP_FAILED)
        return;
    for (size_t i = 0; i < n; i++)
        if (strncmp(envp[i], one_thread, name_len) != 0)
            longer[kept++] = envp[i];
    longer[kept] = one_thread;
    (void)execve("/proc/self/exe", argv, longer);
    (void)munmap(longer, (n + 2) * sizeof *longer);
}

__attribute__((section(".preinit_array"),
               used)) static void (*const before_libraries)(int, char **,
                                                            char **) = leave_blas_without_threads;
#endif

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

/* Executed as /proc/self/exe the process would be called `exe` by ps, pgrep and the service manager. */
static void name_process(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *name = slash ? slash + 1 : path;
    if (name && *name)
        (void)prctl(PR_SET_NAME, name);
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
    name_process(argv[0]);
    (void)signal(SIGPIPE, SIG_IGN);
    return check_output(c->run(argc - 1, argv + 1));
}
