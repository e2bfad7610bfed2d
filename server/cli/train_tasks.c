#include "server/cli/train_tasks.h"

#include "base/talk.h"
#include "server/data/task_dataset.h"

#include <inttypes.h>
#include <stdio.h>

static void tell_left_out(void *arg, const char *name, const char *reason)
{
    (void)arg;
    (void)fprintf(stderr, "column '%s' is left out: %s\n", name, reason);
}

static void tell_table(const struct task_rows *rows, const struct task_dataset *data)
{
    (void)fprintf(stderr, "%zu rows of %zu tasks; %zu column%s; the target '%s' ", rows->n_rows,
                  rows->tasks.n, data->about.columns.n, talk_s((int64_t)data->about.columns.n),
                  data->about.target);
    if (data->about.n_classes)
        (void)fprintf(stderr, "has %zu classes\n", data->about.n_classes);
    else
        (void)fprintf(stderr, "is a number from %g to %g\n", data->about.target_least,
                      data->about.target_most);
    if (rows->has_nameless)
        (void)fprintf(stderr, "the column without a name is left out\n");
    if (rows->n_without_target)
        (void)fprintf(stderr, "%" PRIu64 " row%s without a target left out\n", rows->n_without_target,
                      talk_s((int64_t)rows->n_without_target));
}

enum err_code train_tasks_run(struct train_tasks *t, struct train_options *options, progress_fn *progress,
                              void *arg, struct train_report *report, struct err *e)
{
    struct task_rows rows = {0};
    struct task_dataset data = {0};
    struct task_rows_options o;
    struct train_data train = {.tasks = &data.table};
    const struct objective *objective = t->objective ? objective_find(t->objective) : NULL;
    if (!t->columns.target)
        return err_set(e, ERR_INVALID, "--rows needs --target, the column to predict");
    if (t->objective && (!objective || objective->for_users || !train_is_trained(objective)))
        return err_set(e, ERR_INVALID, "--objective is regression or classification for --rows, not '%s'",
                       t->objective);
    enum err_code code = task_options_read(&t->columns, &o, e);
    if (!code)
        code = task_rows_read(t->rows, &o, &rows, e);
    if (!code) {
        code = task_dataset_make(&rows, &o, objective, t->categorical.values, t->categorical.n, &data,
                                 tell_left_out, NULL, e);
        if (code)
            (void)err_prefix(e, "%s", t->rows);
    }
    if (!code) {
        tell_table(&rows, &data);
        options->gap = t->gap;
        options->horizon = t->horizon;
        options->relative = t->relative;
        options->objective = data.about.n_classes ? &objective_classification : &objective_regression;
        code = train_run(&train, options, t->out, progress, arg, report, e);
    }
    task_dataset_fini(&data);
    task_rows_fini(&rows);
    task_options_fini(&t->columns);
    return code;
}
