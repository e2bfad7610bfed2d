/* hypernet predict: a model of tasks and rows in, a prediction for each row out, in the order of the file. */
#include "base/mem.h"
#include "engine/model.h"
#include "engine/network/task_epistemic.h"
#include "server/cli/commands.h"
#include "server/cli/task_tables.h"
#include "server/tasks/task_answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int cmd_predict(int argc, char **argv);

const struct command cmd_predict_command = {
    "predict",
    "predictions of a model of tasks for the rows of a table",
    NULL,
    "Prints the task of each row, its prediction and an interval, or its class and the probability of each\n"
    "class, as a table with tabs. --known is a table of the same tasks with the target: what is known of "
    "them.",
    cmd_predict,
    NULL};

struct arguments {
    const char *model, *rows, *known;
    struct task_options columns;
    double interval;
    bool unknown_is_absent, no_clamp, uncertainty;
    bool wrong_use; /* what was asked for does not go with the model */
};

static void print_header(const struct arguments *a, const struct model_spec *spec)
{
    const struct task_spec *t = &spec->task;
    (void)printf("task\t%s", t->target);
    if (!t->n_classes)
        (void)printf("\tlow\thigh");
    for (size_t k = 0; k < t->n_classes; k++)
        (void)printf("\t%s", t->classes[k]);
    if (a->uncertainty)
        (void)printf("\t%s", t->n_classes ? "entropy\tepistemic\tnovelty" : "deviation\tepistemic");
    (void)printf("\tknown\n");
}

static void print_uncertainty(const struct arguments *a, const struct task_answers *answers,
                              const struct task_information *information, size_t i)
{
    size_t n = answers->spec->task.n_classes;
    double all, epistemic;
    if (n) {
        all = answers->spread[i];
        epistemic = task_information(information, answers->value + i * n, answers->own[i]);
    } else {
        task_answers_deviations(answers, i, task_answers_bounds(answers, i, TASK_ONE_DEVIATION), !a->no_clamp,
                                &all, &epistemic);
    }
    (void)printf("\t%.6g\t%.6g", task_answers_shown(all), task_answers_shown(epistemic));
    if (n)
        (void)printf("\t%.6g", answers->own[i]);
}

static void print_row(const struct arguments *a, const struct task_answers *answers,
                      const struct task_information *information, struct text task, size_t i)
{
    const struct task_spec *t = &answers->spec->task;
    (void)printf("%.*s", (int)task.len, task.data);
    if (!t->n_classes) {
        double low, high;
        task_answers_interval(answers, i, a->interval, !a->no_clamp, &low, &high);
        (void)printf("\t%.9g\t%.9g\t%.9g", task_answers_shown(task_answers_value(answers, i, !a->no_clamp)),
                     task_answers_shown(low), task_answers_shown(high));
    } else {
        const double *p = answers->value + i * t->n_classes;
        size_t best = 0;
        for (size_t k = 1; k < t->n_classes; k++)
            best = p[k] > p[best] ? k : best;
        (void)printf("\t%s", t->classes[best]);
        for (size_t k = 0; k < t->n_classes; k++)
            (void)printf("\t%.6f", p[k]);
    }
    if (a->uncertainty)
        print_uncertainty(a, answers, information, i);
    (void)printf("\t%zu\n", answers->n_known[i]);
}

/* In the order of the file. */
static enum err_code print_all(const struct arguments *a, const struct task_rows *rows,
                               const struct task_dataset *data, const struct task_answers *answers,
                               struct err *e)
{
    struct task_information information = {0};
    size_t *place = mem_alloc_array(rows->n_rows, sizeof *place);
    enum err_code code = place ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for %zu rows", rows->n_rows);
    if (!code && a->uncertainty && answers->spec->task.n_classes)
        code = task_information_init(&information, answers->spec->task.n_classes, 0, e);
    if (code) {
        mem_free(place);
        task_information_fini(&information);
        return code;
    }
    for (size_t i = 0; i < rows->n_rows; i++)
        place[data->order[i]] = i;
    print_header(a, answers->spec);
    for (size_t i = 0; i < rows->n_rows; i++)
        print_row(a, answers, &information, id_table_text(&rows->tasks, rows->rows[i].task), place[i]);
    mem_free(place);
    task_information_fini(&information);
    return ERR_OK;
}

/* Whether tasks of the model have a layer of their own; those that `search` writes have none. */
static bool has_own_layers(const struct model *m)
{
    const struct model_spec *spec = &m->spec;
    size_t n = spec->task.d_basis * task_spec_d_features(spec), i = 0, k = 0;
    while (i < n && m->params.basis[i] == 0)
        i++;
    while (k < spec->task.d_basis && m->params.basis_bias[k] == 0)
        k++;
    return i < n || k < spec->task.d_basis;
}

static enum err_code check_task(struct arguments *a, const struct model *m, struct err *e)
{
    a->columns.without_task = !has_own_layers(m);
    a->wrong_use = !a->columns.task && !a->columns.without_task;
    return a->wrong_use
               ? err_set(e, ERR_INVALID, "--task is needed: %s answers each task by its own layer", a->model)
               : ERR_OK;
}

static enum err_code predict(struct arguments *a, struct err *e)
{
    struct model *m;
    struct task_file asked = {0}, known = {0};
    struct task_answers answers = {0};
    enum err_code code = task_tables_open(a->model, &m, e);
    if (code)
        return code;
    code = check_task(a, m, e);
    if (!code)
        code = task_file_read(a->rows, &a->columns, m, false, a->unknown_is_absent, &asked, e);
    if (!code && a->known)
        code = task_file_read(a->known, &a->columns, m, true, a->unknown_is_absent, &known, e);
    if (!code)
        code = task_answers_make(m, &asked.rows, &asked.data, &known.rows, a->known ? &known.data : NULL,
                                 &answers, e);
    if (!code)
        code = print_all(a, &asked.rows, &asked.data, &answers, e);
    task_answers_fini(&answers);
    task_file_fini(&known);
    task_file_fini(&asked);
    task_options_fini(&a->columns);
    model_unref(m);
    return code;
}

static int cmd_predict(int argc, char **argv)
{
    struct arguments a = {.interval = 0.9};
    const struct option options[] = {
        {"model", OPTION_STRING, &a.model, "FILE", "a model of tasks, of `train --rows`", 0, 0, true},
        {"rows", OPTION_STRING, &a.rows, "FILE", "the rows to predict; a column of the target is ignored", 0,
         0, true},
        {"known", OPTION_STRING, &a.known, "FILE", "rows with the target: what is known of the tasks", 0, 0,
         false},
        {"task", OPTION_STRING, &a.columns.task, "COLUMNS",
         "which columns say the task of a row: store,brand; a model of `search` needs none", 0, 0, false},
        {"task-profiles", OPTION_STRING, &a.columns.profiles, "FILE",
         "a table of what is known of tasks: columns of each of their rows", 0, 0, false},
        {"interval", OPTION_REAL, &a.interval, "P", "the probability with which the interval has the target",
         0.01, 0.999, false},
        {"unknown-is-absent", OPTION_FLAG, &a.unknown_is_absent, NULL,
         "a value of a category that the model does not know counts as none, and is no error", 0, 0, false},
        {"no-clamp", OPTION_FLAG, &a.no_clamp, NULL, "predictions may leave the range of training", 0, 0,
         false},
        {"uncertainty", OPTION_FLAG, &a.uncertainty, NULL,
         "two columns more: how unsure it is, and what of that more rows of the task would take away", 0, 0,
         false},
    };
    int status;
    struct err e = {0};
    if (!command_begin(&cmd_predict_command, options, sizeof options / sizeof *options, argc, argv, NULL,
                       &status))
        return status;
    return predict(&a, &e) ? command_fail(&cmd_predict_command, &e, a.wrong_use) : EXIT_DONE;
}
