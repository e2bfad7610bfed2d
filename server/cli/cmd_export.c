/* hypernet export: tasks out of a store as tables, which import takes back. The work is
 * server/data/task_export. */
#include "base/file.h"
#include "base/talk.h"
#include "server/cli/commands.h"
#include "server/cli/task_options.h"
#include "server/data/output_file.h"
#include "server/data/task_export.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct arguments {
    const char *store, *rows, *profiles;
    struct task_options task;
};

static int cmd_export(int argc, char **argv);

const struct command cmd_export_command = {
    "export",
    "tasks and their rows out of a store, as tables that import takes",
    NULL,
    "Writes NDJSON, as the store is at one moment; others may read and write it meanwhile. - is standard "
    "output.\n"
    "--task names the column that is to say the task, or the columns by whose values its id is joined.\n"
    "What a model made of rows that are not kept is in no table: hypernet backup has it.",
    cmd_export,
    NULL};

/* A table on its way to its place; on standard output there is no place. */
struct table_out {
    struct file_out file;
    FILE *stream; /* NULL: the table is not wanted */
};

static enum err_code open_table(struct table_out *t, const char *path, struct err *e)
{
    if (!path)
        return ERR_OK;
    if (strcmp(path, "-") == 0) {
        t->stream = stdout;
        return ERR_OK;
    }
    enum err_code code = file_out_open(&t->file, path, ".new", FILE_PRIVATE, e);
    return code ? code : file_out_stream(&t->file, &t->stream, e);
}

static bool is_file(const struct table_out *t)
{
    return t->stream && t->stream != stdout;
}

/* Neither takes its place before both are written. */
static enum err_code close_tables(struct table_out *rows, struct table_out *profiles, struct err *e)
{
    enum err_code code = is_file(rows) ? file_out_sync(&rows->file, e) : ERR_OK;
    if (!code && is_file(profiles))
        code = file_out_sync(&profiles->file, e);
    if (!code && is_file(rows))
        code = file_out_replace(&rows->file, e);
    if (!code && is_file(profiles))
        code = file_out_replace(&profiles->file, e);
    return code;
}

static enum err_code write_tables(const struct arguments *a, const struct task_export_options *options,
                                  struct task_export_report *report, struct err *e)
{
    struct store *store = NULL;
    struct store_conn *c = NULL;
    enum err_code code = store_open(a->store, STORE_READ_ONLY, &store, e);
    if (!code)
        code = store_connect(store, &c, e);
    if (!code)
        code = task_export_run(c, options, report, e);
    store_disconnect(c);
    store_close(store);
    return code;
}

static enum err_code export_tables(const struct arguments *a, const struct task_rows_options *columns,
                                   struct task_export_report *report, struct err *e)
{
    struct table_out rows = {.file.fd = -1}, profiles = {.file.fd = -1};
    enum err_code code = open_table(&rows, a->rows, e);
    if (!code)
        code = open_table(&profiles, a->profiles, e);
    const struct task_export_options options = {
        .keys = columns->keys, .n_keys = columns->n_keys, .rows = rows.stream, .profiles = profiles.stream};
    if (!code)
        code = write_tables(a, &options, report, e);
    if (!code)
        code = close_tables(&rows, &profiles, e);
    file_out_fini(&rows.file);
    file_out_fini(&profiles.file);
    return code;
}

static void say(const struct task_export_report *r, bool rows)
{
    (void)fprintf(stderr, "%" PRId64 " task%s", r->n_tasks, talk_s(r->n_tasks));
    if (rows)
        (void)fprintf(stderr, ", %" PRId64 " row%s", r->n_rows, talk_s(r->n_rows));
    if (rows && r->n_without_rows)
        (void)fprintf(stderr, "; %" PRId64 " task%s without a row", r->n_without_rows,
                      talk_s(r->n_without_rows));
    (void)fputc('\n', stderr);
}

static enum err_code check(const struct arguments *a, struct err *e)
{
    if (!a->rows && !a->profiles)
        return err_set(e, ERR_INVALID, "nothing to export: give --task-rows, --tasks or both");
    if (a->rows && a->profiles && strcmp(a->rows, a->profiles) == 0)
        return err_set(e, ERR_INVALID, "--task-rows and --tasks are two tables: name two files");
    return ERR_OK;
}

/* Neither table takes the place of the store, or of what is no table. */
static enum err_code check_outputs(const struct arguments *a, struct err *e)
{
    const struct output_input store = {"--store", a->store};
    const char *const names[] = {"--task-rows", "--tasks"}, *const paths[] = {a->rows, a->profiles};
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < 2 && !code; i++)
        if (paths[i] && strcmp(paths[i], "-") != 0)
            code = output_file_check(names[i], paths[i], OUTPUT_OVER_TEXT, &store, 1, e);
    return code;
}

static int cmd_export(int argc, char **argv)
{
    struct arguments a = {.task.task = "task"};
    const struct option options[] = {
        {"store", OPTION_STRING, &a.store, "STORE", "where from: sqlite:PATH or a path", 0, 0, true},
        {"task-rows", OPTION_STRING, &a.rows, "FILE", "labelled rows of tasks, in their order", 0, 0, false},
        {"tasks", OPTION_STRING, &a.profiles, "FILE", "all tasks, with their profiles", 0, 0, false},
        {"task", OPTION_STRING, &a.task.task, "COLUMNS",
         "the column that says the task: shop, or store,brand", 0, 0, false},
    };
    int status;
    struct err e = {0};
    struct task_rows_options columns;
    struct task_export_report report;
    if (!command_begin(&cmd_export_command, options, sizeof options / sizeof *options, argc, argv, NULL,
                       &status))
        return status;
    if (check(&a, &e) || task_options_read(&a.task, &columns, &e))
        return command_fail(&cmd_export_command, &e, true);
    enum err_code code = check_outputs(&a, &e);
    if (!code)
        code = export_tables(&a, &columns, &report, &e);
    if (!code)
        code = command_end("the tasks were read, but not all could be written", &e);
    if (code)
        return command_fail(&cmd_export_command, &e, false);
    say(&report, a.rows != NULL);
    return EXIT_DONE;
}
