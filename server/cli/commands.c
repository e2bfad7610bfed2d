#include "server/cli/commands.h"

#include "base/talk.h"

#include <stdio.h>

bool command_begin(const struct command *command, const struct option *options, size_t n_options, int argc,
                   char **argv, const char **positional, int *status)
{
    struct err e = {0};
    bool help;
    enum err_code code = options_parse(command, options, n_options, argc, argv, positional, &help, &e);
    *status = code ? command_fail(command, &e, true) : EXIT_DONE;
    return !code && !help;
}

enum err_code command_end(const char *text, struct err *e)
{
    bool lost = (fflush(stdout) || ferror(stdout)) && !talk_reader_gone();
    return lost ? err_set(e, ERR_IO, "%s", text) : ERR_OK;
}
