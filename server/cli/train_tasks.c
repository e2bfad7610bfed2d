#include "server/cli/train_tasks.h"

#include "base/talk.h"
#include "server/data/task_dataset.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

static enum err_code read_loss(const struct train_tasks *t, struct train_options *o, struct err *e)
{
    o->loss = LOSS_SQUARED;
    o->choose_scale = !t->scale || strcmp(t->scale, "auto") == 0;
    if (t->loss && !target_loss_parse(t->loss, &o->loss))
        return err_set(e, ERR_INVALID, "--loss is squared, absolute, relative or poisson, not '%s'", t->loss);
    if (!o->choose_scale && !target_scale_parse(t->scale, &o->scale))
        return err_set(e, ERR_INVALID, "--target-scale is auto, identity, log, asinh or count, not '%s'",
                       t->scale);
    return ERR_OK;
}

/* What the loss and the scale ask of targets: the first row that has another is told. */
static enum err_code check_targets(const struct task_rows *rows, struct task_dataset *data,
                                   const struct train_options *o, struct err *e)
{
    struct task_spec about = data->about;
    about.loss = o->loss;
    about.scale = o->choose_scale ? SCALE_IDENTITY : o->scale;
    if (about.n_classes)
        return ERR_OK;
    return task_dataset_check_targets(data, rows, &about, e);
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
    enum err_code code = read_loss(t, options, e);
    if (!code)
        code = task_options_read(&t->columns, &o, e);
    if (!code)
        code = task_rows_read(t->rows, &o, &rows, e);
    if (!code) {
        code = task_dataset_make(&rows, &o, objective, t->categorical.values, t->categorical.n, &data,
                                 tell_left_out, NULL, e);
        if (!code)
            code = check_targets(&rows, &data, options, e);
        if (code)
            (void)err_prefix(e, "%s", t->rows);
    }
    if (!code) {
        tell_table(&rows, &data);
        options->gap = t->gap;
        options->horizon = t->horizon;
        options->objective = data.about.n_classes ? &objective_classification : &objective_regression;
        code = train_run(&train, options, t->out, progress, arg, report, e);
    }
    task_dataset_fini(&data);
    task_rows_fini(&rows);
    task_options_fini(&t->columns);
    return code;
}
