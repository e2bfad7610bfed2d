/* hypernet backup and hypernet restore: a whole store out, and back in. The work is store_backup_file and
 * store_restore_file. */
#include "server/cli/commands.h"
#include "server/data/output_file.h"
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What was done, when it is done: a script may wait for the line. */
static enum err_code report(const char *what, const char *path, struct err *e)
{
    struct stat found;
    if (stat(path, &found) != 0)
        return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
    (void)printf("%s: %lld bytes, checked; %s\n", path, (long long)found.st_size, what);
    return ERR_OK;
}

static int cmd_backup(int argc, char **argv)
{
    const char *store = NULL, *out = NULL;
    bool force = false;
    int status;
    const struct option options[] = {
        {"store", OPTION_STRING, &store, "STORE", "what to copy; others may read and write it meanwhile", 0,
         0, true},
        {"out", OPTION_STRING, &out, "FILE", "where to, whole or not at all", 0, 0, true},
        {"force", OPTION_FLAG, &force, NULL, "over a file that is there", 0, 0, false},
    };
    struct err e = {0};
    if (!command_begin(&cmd_backup_command, options, sizeof options / sizeof *options, argc, argv, NULL,
                       &status))
        return status;
    enum err_code code = store_backup_file(store, out, force, &e);
    if (!code)
        code = report("the backup is done", out, &e);
    return code ? command_fail(&cmd_backup_command, &e, false) : EXIT_DONE;
}

const struct command cmd_backup_command = {
    "backup",
    "a copy of a store, while servers run",
    NULL,
    "Copies the store as it is at one moment, with what is in its log, into one file that only its owner may "
    "read. The copy is "
    "compact,\nholds nothing of what was deleted, and is checked before it gets its name. Never copy a "
    "store's file by other means "
    "while it is open.",
    cmd_backup,
    NULL};

static int cmd_restore(int argc, char **argv)
{
    const char *store = NULL, *from = NULL;
    int status;
    const struct option options[] = {
        {"store", OPTION_STRING, &store, "STORE", "what to replace, or make; nobody may have it open", 0, 0,
         true},
        {"from", OPTION_STRING, &from, "FILE", "a backup", 0, 0, true},
    };
    struct err e = {0};
    if (!command_begin(&cmd_restore_command, options, sizeof options / sizeof *options, argc, argv, NULL,
                       &status))
        return status;
    const char *path = store_path(store);
    enum err_code code = path ? output_file_check("--store", path, OUTPUT_OVER_STORE, NULL, 0, &e) : ERR_OK;
    if (!code)
        code = store_restore_file(store, from, &e);
    if (!code && path)
        code = report("the store is restored", path, &e);
    return code ? command_fail(&cmd_restore_command, &e, false) : EXIT_DONE;
}

const struct command cmd_restore_command = {
    "restore",
    "a backup as the store, in place of what is there",
    NULL,
    "Checks the backup, copies it beside the store and puts the copy in its place at once, with the old log "
    "removed. It is refused "
    "while\na server or another command has the store open: stop them first.",
    cmd_restore,
    NULL};
