#include "server/cli/import_tasks.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/talk.h"
#include "server/cli/progress_bar.h"
#include "server/cli/task_options.h"
#include "server/data/task_import.h"

#include <inttypes.h>
#include <stdio.h>

bool import_tasks_wanted(const struct import_tasks_options *o)
{
    return o->profiles || o->rows;
}

static enum err_code to_import(const struct import_tasks_options *o, const struct task_rows_options *columns,
                               struct task_import_options *out, struct err *e)
{
    *out = (struct task_import_options){.store = o->store,
                                        .rows = o->rows,
                                        .profiles = o->profiles,
                                        .keys = columns->keys,
                                        .n_keys = columns->n_keys,
                                        .replace_rows = o->replace_rows,
                                        .skip_bad = o->skip_bad};
    if (o->rows && o->profiles && strcmp(o->rows, "-") == 0 && strcmp(o->profiles, "-") == 0)
        return err_set(e, ERR_INVALID, "only one file can be standard input");
    if (!table_format_parse(o->format, &out->format) || out->format > TABLE_NDJSON)
        return err_set(e, ERR_INVALID, "--format '%s' of tables of tasks is none of auto, csv, tsv, ndjson",
                       o->format);
    return ERR_OK;
}

/* ---- what it says ---- */

/* What may be meant otherwise. */
static void print_notes(const struct import_tasks_options *o, const struct task_import_report *r)
{
    if (r->n_added_to)
        (void)printf("note: %" PRId64 " task%s had %" PRId64
                     " row%s already, behind which these came; where the table has all rows of its tasks, "
                     "import it with --replace-rows\n",
                     r->n_added_to, talk_s(r->n_added_to), r->n_had, talk_s(r->n_had));
    if (r->n_profiles_unused)
        (void)printf("note: %" PRId64
                     " profile%s of %s: no task has its columns of --task; give --task-rows too, "
                     "or first\n",
                     r->n_profiles_unused, talk_s(r->n_profiles_unused), o->profiles);
}

static void print_text(const struct import_tasks_options *o, const struct task_import_report *r,
                       double seconds)
{
    if (o->rows)
        (void)printf("%-12s %10" PRId64 " row%s of %" PRId64 " task%s imported, %" PRId64 " in the store\n",
                     "task rows", r->n_rows, talk_s(r->n_rows), r->n_row_tasks, talk_s(r->n_row_tasks),
                     r->total.n_task_rows);
    if (r->n_replaced)
        (void)printf("%-12s %10" PRId64 " that were there went for those of the table\n", "", r->n_replaced);
    if (r->n_unchanged)
        (void)printf("%-12s %10" PRId64 " task%s had just these rows\n", "", r->n_unchanged,
                     talk_s(r->n_unchanged));
    if (o->profiles)
        (void)printf("%-12s %10" PRId64 " task%s with a profile of the table\n", "profiles", r->n_profiles,
                     talk_s(r->n_profiles));
    (void)printf("%-12s %10" PRId64 " new, %" PRId64 " in the store\n", "tasks", r->n_new, r->total.n_tasks);
    if (r->n_bad)
        (void)printf("%-12s %10" PRId64 " bad line%s left out\n", "", r->n_bad, talk_s(r->n_bad));
    print_notes(o, r);
    (void)printf("%s: done in %.2f s\n", o->store, seconds);
}

static enum err_code print_json(const struct import_tasks_options *o, const struct task_import_report *r,
                                double seconds, struct err *e)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    buf_adds(&out, "{\"store\":");
    buf_add_json_string(&out, o->store, strlen(o->store));
    buf_addf(&out,
             ",\"imported\":{\"task_rows\":%" PRId64 ",\"profiles\":%" PRId64 "},\"tasks_with_rows\":%" PRId64
             ",\"tasks_new\":%" PRId64 ",\"tasks_unchanged\":%" PRId64 ",\"rows_replaced\":%" PRId64,
             r->n_rows, r->n_profiles, r->n_row_tasks, r->n_new, r->n_unchanged, r->n_replaced);
    buf_addf(&out,
             ",\"tasks_added_to\":%" PRId64 ",\"rows_there\":%" PRId64 ",\"profiles_unused\":%" PRId64
             ",\"skipped\":%" PRId64 ",\"total\":{\"tasks\":%" PRId64 ",\"task_rows\":%" PRId64
             "},\"seconds\":%.3f}",
             r->n_added_to, r->n_had, r->n_profiles_unused, r->n_bad, r->total.n_tasks, r->total.n_task_rows,
             seconds);
    return talk_result(&out, "the summary", e);
}

/* ---- the command ---- */

static enum err_code import_and_report(const struct import_tasks_options *o,
                                       struct task_import_options *import, struct err *e)
{
    int64_t start_ns = clock_monotonic_ns();
    struct task_import_report report;
    struct progress_bar bar;
    progress_bar_init(&bar);
    import->progress = progress_bar_show;
    import->progress_arg = &bar;
    enum err_code code = task_import_run(import, &report, e);
    progress_bar_end(&bar);
    for (size_t i = 0; i < report.n_listed; i++)
        (void)fprintf(stderr, "%s\n", report.listed[i].text);
    double seconds = (double)(clock_monotonic_ns() - start_ns) / 1e9;
    if (!code && o->json)
        code = print_json(o, &report, seconds, e);
    else if (!code)
        print_text(o, &report, seconds);
    return code ? code : command_end("the import is done, but the summary could not be written", e);
}

int import_tasks_run(const struct command *command, const struct import_tasks_options *o)
{
    struct task_options task = {.task = o->task};
    struct task_rows_options columns;
    struct task_import_options import;
    bool seen[OPTION_LIST_MAX] = {false};
    struct err e = {0};
    enum err_code code = task_options_read(&task, &columns, &e);
    if (!code)
        code = to_import(o, &columns, &import, &e);
    if (code)
        return command_fail(command, &e, true);
    import.ignored = (struct table_ignored){o->ignored->values, seen, o->ignored->n};
    code = import_and_report(o, &import, &e);
    return code ? command_fail(command, &e, false) : EXIT_DONE;
}
