/* The command `import`: options, the talk while it runs and the summary; the work is server/import. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/talk.h"
#include "server/cli/commands.h"
#include "server/cli/import_tasks.h"
#include "server/cli/progress_bar.h"
#include "server/data/import.h"
#include "server/data/import_kinds_file.h"
#include "server/data/import_print.h"

#include <stdio.h>
#include <string.h>

static int cmd_import(int argc, char **argv);

static const struct option_apart apart[] = {
    {"interactions users items contexts", "tasks task-rows"},
    {"tasks task-rows", "interactions users items contexts"},
    {"contexts", "model model-version"}, /* a variable of these is of other commands' models */
    {NULL, NULL}};

const struct command cmd_import_command = {
    "import",
    "users, items, interactions and tasks from table files into the store",
    NULL,
    "Files are CSV or TSV with a header, NDJSON, MovieLens .dat, u.data, u.user or u.item, plain or gzip; - "
    "is\n"
    "standard input. Interactions have the columns user, item and optionally rating or weight and timestamp\n"
    "(seconds, or ISO 8601); users have user and any columns for the profile; items have item and "
    "optionally\n"
    "title and categories (a|b|c), and any columns for the metadata; contexts have user and embedding.\n"
    "A weight says how much an interaction counts for its item, a rating what the user thought of it.\n"
    "What a row of users or items leaves out, or an empty cell, is kept; null in NDJSON takes a value away.\n"
    "Tables of tasks (--tasks, --task-rows) have any columns; --task names those that say the task.\n"
    "\n"
    "All files are imported in one transaction: when a line is bad, and --skip-bad does not allow it, the "
    "store\n"
    "stays as it was. A store that does not exist is made.",
    cmd_import,
    apart};

_Static_assert(OPTION_LIST_MAX <= (int)IMPORT_MAX_IGNORED, "every --ignore-field has a place");

struct arguments {
    const char *store, *users, *items, *contexts, *event_kinds, *model, *model_version, *format;
    struct option_list interactions, ignored, columns, kinds, words;
    struct table_name names[OPTION_LIST_MAX];
    struct import_tasks_options tasks;
    int64_t skip_bad;
    bool replace, no_header, json;
};

/* ---- results ---- */

static double seconds_since(int64_t start_ns)
{
    return (double)(clock_monotonic_ns() - start_ns) / 1e9;
}

/* Whether all of it are texts of items that were there, such as prices: there is nothing to learn. */
static bool changes_no_more_than_texts(const struct import_report *r)
{
    int64_t n_items = r->n_rows[TABLE_ITEMS];
    return n_items && n_items == r->n_known[TABLE_ITEMS] + r->n_repeated[TABLE_ITEMS] &&
           !r->n_rows[TABLE_INTERACTIONS] && !r->n_rows[TABLE_USERS] && !r->n_rows[TABLE_CONTEXTS];
}

/* A store that has contexts is one that a model was trained from. */
static void show_next(const char *store, const struct import_report *r)
{
    const char *const train[] = {"train", "--store", store, "--out", "model.safetensors", NULL};
    (void)fflush(stdout); /* the result first, where both are one terminal */
    if (r->total.n_interactions && r->total.n_contexts && changes_no_more_than_texts(r))
        (void)fputs("nothing is left to do: servers that run follow by themselves\n", stderr);
    else if (r->total.n_interactions && r->total.n_contexts)
        talk_command("servers that run follow by themselves; when a model is to learn from it too: ", train);
    else if (r->total.n_interactions)
        talk_command("next: ", train);
    else
        talk_command("next, as nothing can be learned without interactions: ",
                     (const char *const[]){"import", "--store", store, "--interactions", "FILE", NULL});
}

/* ---- options ---- */

static void add_file(struct import_options *o, const char *path, enum table_kind kind)
{
    if (path)
        o->files[o->n_files++] = (struct import_file){path, kind};
}

static enum err_code check_files(const struct import_options *o, struct err *e)
{
    size_t n_stdin = 0;
    for (size_t i = 0; i < o->n_files; i++)
        n_stdin += strcmp(o->files[i].path, "-") == 0;
    if (!o->n_files)
        return err_set(e, ERR_INVALID,
                       "nothing to import: give --interactions, --users, --items, --contexts, --tasks or "
                       "--task-rows");
    if (n_stdin > 1)
        return err_set(e, ERR_INVALID, "only one file can be standard input");
    return ERR_OK;
}

static enum err_code check_model(const struct arguments *a, struct err *e)
{
    if (a->contexts && (!a->model || !a->model_version))
        return err_set(e, ERR_INVALID,
                       "--contexts needs --model and --model-version: an embedding means "
                       "something to one version of one model only");
    const char *const names[] = {a->model, a->model_version};
    for (size_t i = 0; i < 2; i++)
        if (a->contexts && (!*names[i] || strlen(names[i]) > LIMIT_NAME_BYTES))
            return err_set(e, ERR_INVALID, "%s takes 1 to %d bytes", i ? "--model-version" : "--model",
                           LIMIT_NAME_BYTES);
    return ERR_OK;
}

/* Numbers of columns are those of one kind of table. */
static enum err_code read_names(struct arguments *a, struct import_options *o, struct err *e)
{
    enum err_code code =
        table_naming_read(a->columns.values, a->columns.n, a->no_header, a->names, &o->naming, e);
    const void *const other_kinds[] = {a->users, a->items, a->contexts};
    size_t n_kinds = a->interactions.n > 0;
    for (size_t i = 0; i < 3; i++)
        n_kinds += other_kinds[i] != NULL;
    if (code || !a->no_header || n_kinds < 2)
        return code;
    return err_set(
        e, ERR_INVALID,
        "--no-header: numbers of columns are those of one kind of table; import each kind by itself");
}

static enum err_code to_import(struct arguments *a, struct import_options *o, struct err *e)
{
    *o = (struct import_options){.store = a->store,
                                 .model = a->model,
                                 .model_version = a->model_version,
                                 .skip_bad = a->skip_bad,
                                 .replace = a->replace && a->items};
    if (!table_format_parse(a->format, &o->format))
        return err_set(e, ERR_INVALID,
                       "--format '%s' is none of auto, csv, tsv, ndjson, dat, u.data, u.user, u.item",
                       a->format);
    add_file(o, a->items, TABLE_ITEMS); /* first, so that items keep the order of their file */
    add_file(o, a->users, TABLE_USERS);
    for (size_t i = 0; i < a->interactions.n; i++)
        add_file(o, a->interactions.values[i], TABLE_INTERACTIONS);
    add_file(o, a->contexts, TABLE_CONTEXTS);
    for (size_t i = 0; i < a->ignored.n; i++)
        o->ignored[o->n_ignored++] = a->ignored.values[i];
    enum err_code code = read_names(a, o, e);
    if (!code && a->event_kinds)
        code = import_kinds_read(&o->kinds, a->event_kinds, e);
    for (size_t i = 0; i < a->kinds.n && !code; i++)
        code = import_kinds_add(&o->kinds, a->kinds.values[i], e);
    for (size_t i = 0; i < a->words.n && !code; i++)
        code = import_kinds_map(&o->kinds, a->words.values[i], e);
    if (!code)
        code = check_files(o, e);
    return code ? code : check_model(a, e);
}

/* ---- the command ---- */

static int import_and_report(const struct arguments *a, struct import_options *o)
{
    int64_t start_ns = clock_monotonic_ns();
    struct progress_bar bar;
    progress_bar_init(&bar);
    o->progress = progress_bar_show;
    o->progress_arg = &bar;
    struct import_report report;
    struct err e = {0};
    enum err_code code = import_run(o, &report, &e);
    progress_bar_end(&bar);
    for (size_t i = 0; i < report.n_listed; i++)
        (void)fprintf(stderr, "%s\n", report.listed[i].text);
    double seconds = seconds_since(start_ns);
    if (!code && a->json)
        code = import_print_json(a->store, &report, o->format, seconds, &e);
    else if (!code)
        import_print_text(a->store, &report, o->format, seconds);
    if (!code && !a->json)
        show_next(a->store, &report);
    if (!code)
        code = command_end("the import is done, but the summary could not be written", &e);
    import_report_fini(&report);
    return code ? command_fail(&cmd_import_command, &e, false) : EXIT_DONE;
}

/* What would do nothing: tables of tasks are imported by themselves. */
static enum err_code check_uses(const struct arguments *a, const struct option *options, size_t n_options,
                                int argc, char **argv, struct err *e)
{
    bool of_tasks = import_tasks_wanted(&a->tasks);
    const struct option_use uses[] = {
        {"interactions users items contexts model model-version replace column no-header kind event-kinds "
         "kind-map",
         of_tasks, "goes with tables of users and items; those of tasks are imported by themselves"},
        {"task", !of_tasks, "goes with --tasks or --task-rows"},
        {"replace-rows", !a->tasks.rows, "goes with --task-rows"},
        {"replace", !a->items, "says that --items has all items; give --items"},
        {"model model-version", !a->contexts, "goes with --contexts"},
    };
    if (of_tasks && (a->interactions.n || a->users || a->items || a->contexts))
        return options_check_uses(options, n_options, argc, argv, uses, 1, e)
                   ? ERR_INVALID
                   : err_set(e, ERR_INVALID,
                             "variables name tables of tasks and of users or items, which are imported by "
                             "themselves: type the options of those that are meant");
    return options_check_uses(options, n_options, argc, argv, uses, sizeof uses / sizeof *uses, e);
}

static int import_of_tasks(struct arguments *a)
{
    a->tasks.store = a->store;
    a->tasks.format = a->format;
    a->tasks.ignored = &a->ignored;
    a->tasks.skip_bad = a->skip_bad;
    a->tasks.json = a->json;
    return import_tasks_run(&cmd_import_command, &a->tasks);
}

static int cmd_import(int argc, char **argv)
{
    struct arguments a = {.format = "auto"};
    const struct option options[] = {
        {"store", OPTION_STRING, &a.store, "STORE", "where to: sqlite:PATH or a path", 0, 0, true},
        {"interactions", OPTION_LIST, &a.interactions, "FILE", "user item [rating|weight] [timestamp]", 0, 0,
         false},
        {"users", OPTION_STRING, &a.users, "FILE", "user and profile columns", 0, 0, false},
        {"items", OPTION_STRING, &a.items, "FILE", "item [title] [categories] and metadata columns", 0, 0,
         false},
        {"contexts", OPTION_STRING, &a.contexts, "FILE", "user embedding, ready-made for a model", 0, 0,
         false},
        {"tasks", OPTION_STRING, &a.tasks.profiles, "FILE", "profiles of tasks: shops, meters, patients", 0,
         0, false},
        {"task-rows", OPTION_STRING, &a.tasks.rows, "FILE", "labelled rows of tasks, target and all", 0, 0,
         false},
        {"task", OPTION_STRING, &a.tasks.task, "COLUMNS",
         "which task a row is of: a column, or several joined with a slash", 0, 0, false},
        {"replace-rows", OPTION_FLAG, &a.tasks.replace_rows, NULL,
         "rows of --task-rows take the place of those that their tasks have", 0, 0, false},
        {"ignore-field", OPTION_LIST, &a.ignored, "NAME",
         "leave out a column, a field of the profile or one of the metadata", 0, 0, false},
        {"column", OPTION_LIST, &a.columns, "NAME=COLUMN",
         "what a column is: user=customer_id, price=VK, or by its number user=1", 0, 0, false},
        {"kind", OPTION_LIST, &a.kinds, "NAME:WEIGHT",
         "make a kind of events, or change it: cart:0.5:unseen, return:1:negative", 0, 0, false},
        {"kind-map", OPTION_LIST, &a.words, "WORD=KIND",
         "what words of the column kind mean: returned=return,refund=return", 0, 0, false},
        {"event-kinds", OPTION_STRING, &a.event_kinds, "FILE",
         "kinds of events as export writes them; a --kind of the same name says more", 0, 0, false},
        {"no-header", OPTION_FLAG, &a.no_header, NULL,
         "the first line is a row; --column says by number what columns are", 0, 0, false},
        {"replace", OPTION_FLAG, &a.replace, NULL,
         "the file of items has all there are: others are deleted, deleted ones come back", 0, 0, false},
        {"model", OPTION_STRING, &a.model, "NAME", "the model that the contexts are for", 0, 0, false},
        {"model-version", OPTION_STRING, &a.model_version, "VERSION", "and its version", 0, 0, false},
        {"format", OPTION_STRING, &a.format, "FORMAT",
         "auto (by name and first line), csv, tsv, ndjson, dat, u.data, u.user, u.item", 0, 0, false},
        {"skip-bad", OPTION_INT, &a.skip_bad, "N", "bad lines to leave out before giving up", 0, 1e15, false},
        {"json", OPTION_FLAG, &a.json, NULL, "the summary as JSON", 0, 0, false},
    };
    struct err e = {0};
    int status;
    struct import_options o;
    if (!command_begin(&cmd_import_command, options, sizeof options / sizeof options[0], argc, argv, NULL,
                       &status))
        return status;
    if (check_uses(&a, options, sizeof options / sizeof options[0], argc, argv, &e))
        return command_fail(&cmd_import_command, &e, true);
    if (import_tasks_wanted(&a.tasks))
        return import_of_tasks(&a);
    if (to_import(&a, &o, &e))
        return command_fail(&cmd_import_command, &e, true);
    return import_and_report(&a, &o);
}
