/* commands - the subcommands of the binary; main.c's table lists them, each cmd_*.c holds one.
 * Layer: server/cli
 * Threads: confined to the main thread.
 * Memory: each command frees what it took. */
#ifndef SERVER_CLI_COMMANDS_H
#define SERVER_CLI_COMMANDS_H

#include "server/cli/options.h"

extern const struct command cmd_simulate_command, cmd_import_command, cmd_train_command, cmd_evaluate_command,
    cmd_recommend_command, cmd_serve_command, cmd_inspect_command, cmd_split_command, cmd_backup_command,
    cmd_restore_command, cmd_predict_command, cmd_plot_command, cmd_export_command, cmd_search_command;

/* The error of a command on standard error, as `hypernet COMMAND: text`; returns the exit status:
 * EXIT_WRONG_USE for ERR_INVALID from options_parse (wrong_use), else EXIT_FAILED. */
int command_fail(const struct command *command, const struct err *e, bool wrong_use);

/* The beginning of a command: options_parse, and what is to be said after it. False: the command is over,
 * with this exit status, for help was asked for or the options are wrong. */
bool command_begin(const struct command *command, const struct option *options, size_t n_options, int argc,
                   char **argv, const char **positional, int *status) ERR_MUST_CHECK;

/* The end of one whose result is on standard output: ERR_IO with this text where it did not get there, unless
 * its reader has gone. */
enum err_code command_end(const char *text, struct err *e) ERR_MUST_CHECK;

#endif
