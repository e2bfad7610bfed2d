/* hypernet export: what a store holds as tables, which import takes back. The work is
 * server/data/store_export and task_export. */
#include "base/talk.h"
#include "server/cli/commands.h"
#include "server/cli/task_options.h"
#include "server/data/output_file.h"
#include "server/data/store_export.h"
#include "server/data/table_out.h"
#include "server/data/task_export.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* All tables; the first ones as enum store_export_table has them. */
enum { TASK_ROWS = N_EXPORTS, TASKS, N_TABLES };

static const char *const table_names[N_TABLES] = {"users",       "items",     "interactions", "contexts",
                                                  "event-kinds", "task-rows", "tasks"};

struct arguments {
    const char *store, *table, *model, *model_version;
    const char *paths[N_TABLES];
    struct task_options task;
};

struct reports {
    struct store_export_report store;
    struct task_export_report tasks;
};

static int cmd_export(int argc, char **argv);

/* Variables of these are of import, which reads what they name: nothing is to be written over it. */
static const struct option_apart apart[] = {
    {"", "users items interactions contexts event-kinds task-rows tasks model model-version"}, {NULL, NULL}};

const struct command cmd_export_command = {
    "export",
    "users, items, interactions or tasks out of a store, as tables that import takes",
    "[TABLE]",
    "Writes NDJSON, as the store is at one moment; others may read and write it meanwhile. TABLE alone, one "
    "of "
    "users, items, interactions, contexts, event-kinds, task-rows and tasks, is written to standard output; "
    "options write "
    "several at once into files. A file whose name ends in .gz is compressed, and - is standard output.\n"
    "--task names the column that is to say the task, or the columns by whose values its id is joined.\n"
    "Contexts are those that callers gave for a version of a model. What a model made of rows that are not "
    "kept is in no table: hypernet backup has it.",
    cmd_export,
    apart};

static bool wants(const struct arguments *a, size_t from, size_t to)
{
    while (from < to && !a->paths[from])
        from++;
    return from < to;
}

static enum err_code write_tables(const struct arguments *a, const struct task_rows_options *columns,
                                  const struct table_out *tables, struct reports *r, struct err *e)
{
    struct store_export_options options = {.model = a->model, .model_version = a->model_version};
    for (size_t i = 0; i < N_EXPORTS; i++)
        options.tables[i] = tables[i].stream;
    const struct task_export_options tasks = {.keys = columns->keys,
                                              .n_keys = columns->n_keys,
                                              .rows = tables[TASK_ROWS].stream,
                                              .profiles = tables[TASKS].stream};
    struct store *store = NULL;
    struct store_conn *c = NULL;
    enum err_code code = store_open(a->store, STORE_READ_ONLY, &store, e);
    if (!code)
        code = store_connect(store, &c, e);
    if (!code && wants(a, 0, N_EXPORTS))
        code = store_export_run(c, &options, &r->store, e);
    if (!code && wants(a, N_EXPORTS, N_TABLES))
        code = task_export_run(c, &tasks, &r->tasks, e);
    store_disconnect(c);
    store_close(store);
    return code;
}

static enum err_code export_tables(const struct arguments *a, const struct task_rows_options *columns,
                                   struct reports *r, struct err *e)
{
    struct table_out tables[N_TABLES];
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < N_TABLES; i++)
        table_out_init(&tables[i]);
    for (size_t i = 0; i < N_TABLES && !code; i++)
        code = table_out_open(&tables[i], a->paths[i], e);
    if (!code)
        code = write_tables(a, columns, tables, r, e);
    if (!code)
        code = table_outs_end(tables, N_TABLES, e);
    for (size_t i = 0; i < N_TABLES; i++)
        table_out_fini(&tables[i]);
    return code;
}

/* ---- what was written ---- */

static void say_one(const char **between, int64_t n, const char *what)
{
    (void)fprintf(stderr, "%s%" PRId64 " %s%s", *between, n, what, talk_s(n));
    *between = ", ";
}

static void say_tasks(const struct arguments *a, const struct task_export_report *r, const char **between)
{
    say_one(between, r->n_tasks, "task");
    if (a->paths[TASK_ROWS])
        say_one(between, r->n_rows, "row");
    if (a->paths[TASK_ROWS] && r->n_without_rows)
        (void)fprintf(stderr, "; %" PRId64 " task%s without a row", r->n_without_rows,
                      talk_s(r->n_without_rows));
}

static void say(const struct arguments *a, const struct reports *r)
{
    static const char *const names[N_EXPORTS] = {"user", "item", "interaction", "context", "kind"};
    const char *between = "";
    for (size_t i = 0; i < N_EXPORTS; i++)
        if (a->paths[i])
            say_one(&between, r->store.n_rows[i], names[i]);
    if (a->paths[EXPORT_ITEMS] && r->store.n_deleted)
        (void)fprintf(stderr, " (%" PRId64 " item%s deleted)", r->store.n_deleted,
                      r->store.n_deleted == 1 ? " is" : "s are");
    if (wants(a, N_EXPORTS, N_TABLES))
        say_tasks(a, &r->tasks, &between);
    (void)fputc('\n', stderr);
}

/* ---- what is asked for ---- */

/* The word of the command is a table on standard output. */
static enum err_code take_word(struct arguments *a, struct err *e)
{
    size_t i = 0;
    while (a->table && i < N_TABLES && strcmp(a->table, table_names[i]) != 0)
        i++;
    if (i == N_TABLES)
        return err_set(
            e, ERR_INVALID,
            "'%s' is no table; one of users, items, interactions, contexts, event-kinds, task-rows and tasks",
            a->table);
    if (a->table && wants(a, 0, N_TABLES))
        return err_set(e, ERR_INVALID, "%s alone is written to standard output, or --%s FILE beside others",
                       a->table, a->table);
    if (a->table)
        a->paths[i] = "-";
    return ERR_OK;
}

/* Whether two tables would be written to one file, the parts that they are until they are whole included. */
static bool meet(const char *one, const char *other)
{
    size_t n = strlen(one), m = strlen(other), least = n < m ? n : m;
    const char *rest = n < m ? other + least : one + least;
    return strcmp(one, other) == 0 || output_file_same(one, other) ||
           (strncmp(one, other, least) == 0 && strcmp(rest, PART_SUFFIX) == 0);
}

/* Two tables in one file would be none; two on standard output are a mixture. */
static enum err_code check_apart(const struct arguments *a, struct err *e)
{
    for (size_t i = 0; i < N_TABLES; i++)
        for (size_t j = i + 1; j < N_TABLES; j++)
            if (a->paths[i] && a->paths[j] && meet(a->paths[i], a->paths[j]))
                return err_set(e, ERR_INVALID, "--%s and --%s are two tables: name two files", table_names[i],
                               table_names[j]);
    return ERR_OK;
}

static enum err_code check(struct arguments *a, struct err *e)
{
    enum err_code code = take_word(a, e);
    if (code)
        return code;
    if (!wants(a, 0, N_TABLES))
        return err_set(
            e, ERR_INVALID,
            "nothing to export: name a table (hypernet export users ..), or give --users, --items, "
            "--interactions, --contexts, --event-kinds, --task-rows or --tasks");
    bool named = a->model && a->model_version;
    if (a->paths[EXPORT_CONTEXTS] && !named)
        return err_set(e, ERR_INVALID,
                       "contexts are of one version of a model: give --model and --model-version");
    return check_apart(a, e);
}

/* No table takes the place of the store, or of what is no table. */
static enum err_code check_outputs(const struct arguments *a, struct err *e)
{
    const struct output_input store = {"--store", a->store};
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < N_TABLES && !code; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "--%s", table_names[i]);
        if (a->paths[i] && strcmp(a->paths[i], "-") != 0)
            code = output_file_check(name, a->paths[i], OUTPUT_OVER_TEXT, &store, 1, e);
    }
    return code;
}

static int cmd_export(int argc, char **argv)
{
    struct arguments a = {.task.task = "task"};
    const struct option options[] = {
        {"store", OPTION_STRING, &a.store, "STORE", "where from: sqlite:PATH or a path", 0, 0, true},
        {"users", OPTION_STRING, &a.paths[EXPORT_USERS], "FILE", "users, with their profiles", 0, 0, false},
        {"items", OPTION_STRING, &a.paths[EXPORT_ITEMS], "FILE",
         "items, deleted ones too, which are marked so", 0, 0, false},
        {"interactions", OPTION_STRING, &a.paths[EXPORT_INTERACTIONS], "FILE",
         "interactions, by user and then by time", 0, 0, false},
        {"contexts", OPTION_STRING, &a.paths[EXPORT_CONTEXTS], "FILE",
         "contexts that callers gave; needs --model and --model-version", 0, 0, false},
        {"event-kinds", OPTION_STRING, &a.paths[EXPORT_KINDS], "FILE",
         "kinds of events, and what they say: import takes them beside interactions", 0, 0, false},
        {"model", OPTION_STRING, &a.model, "NAME", "the model that the contexts are for", 0, 0, false},
        {"model-version", OPTION_STRING, &a.model_version, "VERSION", "and its version", 0, 0, false},
        {"task-rows", OPTION_STRING, &a.paths[TASK_ROWS], "FILE", "labelled rows of tasks, in their order", 0,
         0, false},
        {"tasks", OPTION_STRING, &a.paths[TASKS], "FILE", "all tasks, with their profiles", 0, 0, false},
        {"task", OPTION_STRING, &a.task.task, "COLUMNS",
         "the column that says the task: shop, or store,brand", 0, 0, false},
    };
    int status;
    struct err e = {0};
    struct task_rows_options columns;
    struct reports reports = {0};
    if (!command_begin(&cmd_export_command, options, sizeof options / sizeof *options, argc, argv, &a.table,
                       &status))
        return status;
    if (check(&a, &e) || task_options_read(&a.task, &columns, &e))
        return command_fail(&cmd_export_command, &e, true);
    enum err_code code = check_outputs(&a, &e);
    if (!code)
        code = export_tables(&a, &columns, &reports, &e);
    if (!code)
        code = command_end("the tables were read, but not all could be written", &e);
    if (code)
        return command_fail(&cmd_export_command, &e, false);
    say(&a, &reports);
    return EXIT_DONE;
}
