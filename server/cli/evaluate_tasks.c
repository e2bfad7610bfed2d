#include "server/cli/evaluate_tasks.h"

#include "base/buf.h"
#include "server/cli/task_tables.h"
#include "server/evaluate/evaluation.h"
#include "server/tasks/task_calibration.h"
#include "server/tasks/task_measures.h"
#include "server/tasks/task_subset.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N_SYSTEMS = 2 };
static const char *const systems[N_SYSTEMS] = {"model", "nothing known"};

/* What is printed. */
struct result {
    struct task_measures all[N_SYSTEMS];
    struct task_measures by_known[N_TASK_KNOWN_RANGES][N_SYSTEMS];
    struct task_measures by_count[EVALUATION_MAX_COUNTS][N_SYSTEMS]; /* (n_counts) */
    struct task_calibration calibration[N_SYSTEMS];
    size_t n_tasks, n_unseen;          /* unseen: of which no row is known */
    struct task_difference difference; /* of the model less that with nothing known */
};

/* ---- measuring ---- */

/* What was known of the tasks counts for both systems, so that their groups are the same rows. */
static enum err_code measure(const struct evaluate_tasks *t, struct task_answers answers[N_SYSTEMS],
                             const struct task_dataset *d, struct result *r, struct err *e)
{
    enum err_code code = task_measures_compare(&answers[0], &answers[1], d, t->seed, &r->difference, e);
    memcpy(answers[1].n_known, answers[0].n_known, answers[0].n * sizeof *answers[0].n_known);
    r->n_tasks = d->table.n_tasks;
    for (size_t i = 0; i < d->table.n_tasks; i++)
        r->n_unseen += answers[0].n_known[d->row_start[i]] == 0;
    for (size_t s = 0; s < N_SYSTEMS && !code; s++) {
        task_calibration_make(&answers[s], d->y, &r->calibration[s]);
        code = task_measures_make(&answers[s], d->y, t->interval, 0, SIZE_MAX, &r->all[s], e);
        for (size_t k = 0; k < N_TASK_KNOWN_RANGES && !code; k++)
            code = task_measures_make(&answers[s], d->y, t->interval, task_known_ranges[k].least,
                                      task_known_ranges[k].most, &r->by_known[k][s], e);
    }
    return code;
}

/* The same rows asked with at most so many of their task's rows known. */
static enum err_code measure_count(const struct evaluate_tasks *t, const struct model *m,
                                   const struct task_file *asked, const struct task_file *known, size_t count,
                                   struct task_measures *out, struct err *e)
{
    struct task_dataset some = {0};
    struct task_answers answers = {0};
    enum err_code code = task_subset_make(&known->data, m->spec.d_item, count, t->seed, &some, e);
    if (!code)
        code = task_answers_make(m, &asked->rows, &asked->data, &known->rows, &some, &answers, e);
    if (!code)
        code = task_measures_make(&answers, asked->data.y, t->interval, 0, SIZE_MAX, out, e);
    task_answers_fini(&answers);
    task_dataset_fini(&some);
    return code;
}

static enum err_code measure_counts(const struct evaluate_tasks *t, const struct model *m,
                                    const struct task_file *asked, const struct task_file *known,
                                    struct result *r, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < t->n_counts && !code; i++) {
        code = measure_count(t, m, asked, known, t->counts[i], &r->by_count[i][0], e);
        r->by_count[i][1] = r->all[1];
    }
    return code;
}

/* ---- printing ---- */

static void add_measures(struct buf *b, const struct task_measures *m)
{
    buf_addf(b, "{\"rows\":%zu", m->n_rows);
    for (size_t i = 0; i < N_TASK_MEASURES; i++)
        if (isfinite(m->value[i]))
            buf_addf(b, ",\"%s\":%.6g", task_measure_name((enum task_measure)i), m->value[i]);
    buf_addc(b, '}');
}

static void add_systems(struct buf *b, const struct task_measures m[N_SYSTEMS])
{
    buf_addc(b, '{');
    for (size_t s = 0; s < N_SYSTEMS; s++) {
        buf_addf(b, "%s\"%s\":", s ? "," : "", s ? "nothing_known" : "model");
        add_measures(b, &m[s]);
    }
    buf_addc(b, '}');
}

static void add_by_count(struct buf *b, const struct evaluate_tasks *t, const struct result *r)
{
    for (size_t i = 0; i < t->n_counts; i++) {
        buf_addf(b, "%s\"%zu\":", i ? "," : ",\"by_count\":{", t->counts[i]);
        add_systems(b, r->by_count[i]);
    }
    buf_adds(b, t->n_counts ? "}" : "");
}

static void add_calibration(struct buf *b, const struct result *r)
{
    buf_adds(b, ",\"calibration\":{");
    for (size_t s = 0; s < N_SYSTEMS; s++) {
        const struct task_calibration *c = &r->calibration[s];
        buf_addf(b, "%s\"%s\":[", s ? "," : "", s ? "nothing_known" : "model");
        for (size_t i = 0; i < c->n; i++)
            buf_addf(b, "%s{\"expected\":%.6g,\"found\":%.6g,\"rows\":%zu}", i ? "," : "", c->expected[i],
                     c->found[i], c->n_rows[i]);
        buf_addc(b, ']');
    }
    buf_addf(b, "},\"calibration_error\":{\"model\":%.6g,\"nothing_known\":%.6g}", r->calibration[0].error,
             r->calibration[1].error);
}

static enum err_code print_json(const struct evaluate_tasks *t, const struct result *r, bool classes,
                                struct err *e)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_addf(&b, "{\"tasks\":%zu,\"unseen_tasks\":%zu,\"all\":", r->n_tasks, r->n_unseen);
    add_systems(&b, r->all);
    buf_addf(&b, ",\"difference\":{\"of\":\"%s\",\"mean\":%.6g,\"low\":%.6g,\"high\":%.6g},\"by_known\":{",
             classes ? "log_loss" : "rmse", r->difference.mean, r->difference.low, r->difference.high);
    const char *comma = "";
    for (size_t k = 0; k < N_TASK_KNOWN_RANGES; k++)
        if (r->by_known[k][0].n_rows) {
            buf_addf(&b, "%s\"%s\":", comma, task_known_ranges[k].name);
            add_systems(&b, r->by_known[k]);
            comma = ",";
        }
    buf_addc(&b, '}');
    add_by_count(&b, t, r);
    add_calibration(&b, r);
    buf_addc(&b, '}');
    enum err_code code = buf_check(&b, "the result", e);
    if (!code)
        (void)puts(buf_text(&b));
    buf_fini(&b);
    return code;
}

static void print_line(const char *what, const struct task_measures *m)
{
    (void)printf("%-20s %8zu", what, m->n_rows);
    for (size_t i = 0; i < N_TASK_MEASURES; i++)
        if (isfinite(m->value[i]))
            (void)printf("  %s %.4g", task_measure_name((enum task_measure)i), m->value[i]);
    (void)printf("\n");
}

static void print_text(const struct evaluate_tasks *t, const struct result *r, bool classes)
{
    (void)printf("%zu tasks, of %zu of which no row is known\n%-20s %8s\n", r->n_tasks, r->n_unseen, "",
                 "rows");
    for (size_t s = 0; s < N_SYSTEMS; s++)
        print_line(systems[s], &r->all[s]);
    (void)printf("%s of the model less that with nothing known of a task: %.4g, 95 %% between %.4g and %.4g "
                 "(below 0 the model "
                 "is better)\n",
                 classes ? "log_loss" : "rmse", r->difference.mean, r->difference.low, r->difference.high);
    for (size_t k = 0; k < N_TASK_KNOWN_RANGES; k++) {
        if (!r->by_known[k][0].n_rows || r->by_known[k][0].n_rows == r->all[0].n_rows)
            continue;
        (void)printf("tasks of which %s rows are known\n", task_known_ranges[k].name);
        for (size_t s = 0; s < N_SYSTEMS; s++)
            print_line(systems[s], &r->by_known[k][s]);
    }
    for (size_t i = 0; i < t->n_counts; i++) {
        char what[32];
        (void)snprintf(what, sizeof what, "model, %zu known", t->counts[i]);
        print_line(what, &r->by_count[i][0]);
    }
    (void)printf("calibration: %s are %.3g away from what they should be (nothing known %.3g)\n",
                 classes ? "probabilities" : "intervals", r->calibration[0].error, r->calibration[1].error);
}

enum err_code evaluate_tasks_run(struct evaluate_tasks *t, struct err *e)
{
    struct model *m;
    struct task_file asked = {0}, known = {0};
    struct task_answers answers[N_SYSTEMS] = {0};
    struct result r = {0};
    enum err_code code = task_tables_open(t->model, &m, e);
    if (code)
        return code;
    code = task_file_read(t->rows, &t->columns, m, true, t->unknown_is_absent, &asked, e);
    if (!code && t->known)
        code = task_file_read(t->known, &t->columns, m, true, t->unknown_is_absent, &known, e);
    for (size_t s = 0; s < N_SYSTEMS && !code; s++)
        code = task_answers_make(m, &asked.rows, &asked.data, &known.rows,
                                 t->known && s == 0 ? &known.data : NULL, &answers[s], e);
    if (!code)
        code = measure(t, answers, &asked.data, &r, e);
    if (!code)
        code = measure_counts(t, m, &asked, &known, &r, e);
    if (!code && t->json)
        code = print_json(t, &r, m->spec.task.n_classes > 0, e);
    else if (!code)
        print_text(t, &r, m->spec.task.n_classes > 0);
    for (size_t s = 0; s < N_SYSTEMS; s++)
        task_answers_fini(&answers[s]);
    task_file_fini(&known);
    task_file_fini(&asked);
    task_options_fini(&t->columns);
    model_unref(m);
    return code;
}
