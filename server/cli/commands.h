/* commands - the subcommands of the binary; main.c's table lists them, each cmd_*.c holds one.
 * Layer: server/cli
 * Threads: confined to the main thread.
 * Memory: each command frees what it took. */
#ifndef SERVER_CLI_COMMANDS_H
#define SERVER_CLI_COMMANDS_H

#include "server/cli/options.h"

extern const struct command cmd_simulate_command, cmd_import_command, cmd_train_command, cmd_evaluate_command,
    cmd_recommend_command, cmd_serve_command, cmd_inspect_command, cmd_split_command, cmd_backup_command,
    cmd_restore_command;

/* The error of a command on standard error, as `hypernet COMMAND: text`; returns the exit status:
 * EXIT_WRONG_USE for ERR_INVALID from options_parse (wrong_use), else EXIT_FAILED. */
int command_fail(const struct command *command, const struct err *e, bool wrong_use);

#endif
