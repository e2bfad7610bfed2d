/* options - one table-driven parser for every command's options and their environment variables.
 * `--cache-bytes 256M` may be given as HYPERNET_CACHE_BYTES=256M; what is typed wins, over what it does
 * not go with too. `--name=value` and `--name value` are the same; `--` ends the options. The help text of
 * a command is made from its table.
 * Layer: server/cli
 * Threads: used at start only.
 * Memory: texts are those of the command line and the environment. */
#ifndef SERVER_CLI_OPTIONS_H
#define SERVER_CLI_OPTIONS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_kind {
    OPTION_FLAG,   /* bool: no value */
    OPTION_STRING, /* const char *: borrowed from argv or the environment */
    OPTION_LIST,   /* struct option_list: may be repeated; in the environment split at spaces */
    OPTION_INT,    /* int64_t within [min, max] */
    OPTION_REAL,   /* double within [min, max] */
    OPTION_BYTES   /* size_t: 64K, 256M, 2G (powers of 1024) within [min, max] */
};

enum { OPTION_LIST_MAX = 16 };

struct option_list {
    size_t n;
    const char *values[OPTION_LIST_MAX];
};

struct option {
    const char *name; /* without the dashes */
    enum option_kind kind;
    void *target;         /* of the type that kind names; its value before parsing is the default */
    const char *argument; /* how the help calls the value: "PATH" */
    const char *help;     /* one line */
    double min, max;      /* OPTION_INT, OPTION_REAL, OPTION_BYTES */
    bool required;
};

/* Where one of these options is typed, variables of those are not read, as they do not go with it; "" is
 * typed always. Names with spaces between. */
struct option_apart {
    const char *typed, *unread;
};

struct command {
    const char *name;
    const char *summary;               /* one line */
    const char *positional;            /* "MODEL", or "[MODEL]" where it may be left out; NULL: none */
    const char *details;               /* paragraphs of the help, may be NULL */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit status */
    const struct option_apart *apart;  /* the last one has no names; NULL: none */
};

/* Exit statuses of every command. EXIT_INTERRUPTED, 128 + SIGINT as a shell has it: stopped before there was
 * a result. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_WRONG_USE = 2, EXIT_INTERRUPTED = 130 };

/* Parses argv into the targets; the environment is read for what is not typed. *positional (may be NULL
 * when the command has none) is the one word that is no option. ERR_INVALID with a text that names the
 * option and what it takes; `--help` prints the help on standard output and returns ERR_OK with *help set. */
enum err_code options_parse(const struct command *command, const struct option *options, size_t n_options,
                            int argc, char **argv, const char **positional, bool *help,
                            struct err *e) ERR_MUST_CHECK;

/* Whether the option is on the command line, which options_parse has taken; the environment, which is for all
 * commands, does not count. */
bool options_typed(const struct option *options, size_t n_options, int argc, char **argv, const char *name);

/* Options that do nothing where idle, and what is then said of one: "goes with --warm-file". */
struct option_use {
    const char *names; /* with spaces between */
    bool idle;
    const char *why;
};

/* ERR_INVALID for one that is on the command line and does nothing. */
enum err_code options_check_uses(const struct option *options, size_t n_options, int argc, char **argv,
                                 const struct option_use *uses, size_t n_uses, struct err *e) ERR_MUST_CHECK;

#endif
