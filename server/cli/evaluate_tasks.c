#include "server/cli/evaluate_tasks.h"

#include "base/buf.h"
#include "server/cli/progress_bar.h"
#include "server/cli/task_tables.h"
#include "server/evaluate/evaluation.h"
#include "server/tasks/network_baselines.h"
#include "server/tasks/task_baselines.h"
#include "server/tasks/task_calibration.h"
#include "server/tasks/task_measures.h"
#include "server/tasks/task_outside.h"
#include "server/tasks/task_subset.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What is measured: two systems, and those that --baseline names. */
enum {
    MODEL,
    NOTHING_KNOWN,
    LINEAR,
    NETWORKS = LINEAR + N_TASK_BASELINES,
    MOST_SYSTEMS = NETWORKS + N_NETWORK_BASELINES,
    ALWAYS = LINEAR
};
static const struct {
    const char *name, *key; /* in lines and in JSON */
} systems[MOST_SYSTEMS] = {[MODEL] = {"model", "model"},
                           [NOTHING_KNOWN] = {"nothing known", "nothing_known"},
                           [LINEAR + TASK_BASELINE_POOLED] = {"linear for all", "linear_for_all"},
                           [LINEAR + TASK_BASELINE_LEVELS] = {"linear with ids", "linear_with_ids"},
                           [LINEAR + TASK_BASELINE_OWN] = {"linear for each", "linear_for_each"},
                           [NETWORKS + NETWORK_BASELINE_POOLED] = {"network for all", "network_for_all"},
                           [NETWORKS + NETWORK_BASELINE_IDS] = {"network with ids", "network_with_ids"},
                           [NETWORKS + NETWORK_BASELINE_TUNED] = {"fine-tuned", "fine_tuned"}};

unsigned evaluate_tasks_baseline(const char *name)
{
    for (int s = ALWAYS; s < MOST_SYSTEMS; s++) {
        const char *a = name, *b = systems[s].key;
        for (; *a && (*a == *b || (*a == '-' && *b == '_')); a++, b++)
            ;
        if (!*a && !*b)
            return 1U << s;
    }
    return 0;
}

unsigned evaluate_tasks_baselines(void)
{
    return (1U << MOST_SYSTEMS) - (1U << ALWAYS);
}

/* The tables, as they were read. */
struct tables {
    struct task_file asked, known, trained;
};

/* What is printed. */
struct result {
    size_t n_systems;
    int system[MOST_SYSTEMS]; /* (n_systems) which it is; MODEL and NOTHING_KNOWN are in their places */
    struct task_measures all[MOST_SYSTEMS];
    struct task_measures by_known[N_TASK_KNOWN_RANGES][MOST_SYSTEMS];
    struct task_measures by_count[EVALUATION_MAX_COUNTS][ALWAYS]; /* (n_counts) */
    struct task_calibration calibration[MOST_SYSTEMS];
    struct task_outside outside;
    size_t n_tasks, n_unseen;                        /* unseen: of which no row is known */
    struct task_difference difference[MOST_SYSTEMS]; /* of the model less the system */
    enum task_measure compared;                      /* of which it is */
};

/* ---- measuring ---- */

/* What was known of the tasks to the model counts for all systems, so that their groups are the same rows. */
static enum err_code measure(const struct evaluate_tasks *t, const struct task_answers *answers,
                             const struct task_dataset *d, struct result *r, struct err *e)
{
    enum err_code code = ERR_OK;
    r->n_tasks = d->table.n_tasks;
    r->compared = task_measures_compared(answers[MODEL].spec);
    for (size_t i = 0; i < d->table.n_tasks; i++)
        r->n_unseen += answers[MODEL].n_known[d->row_start[i]] == 0;
    for (size_t s = 0; s < r->n_systems && !code; s++) {
        task_calibration_make(&answers[s], d->y, &r->calibration[s]);
        code = task_measures_make(&answers[s], d->y, t->interval, NULL, 0, 0, &r->all[s], e);
        for (size_t k = 0; k < N_TASK_KNOWN_RANGES && !code; k++)
            code = task_measures_make(&answers[s], d->y, t->interval, answers[MODEL].n_known,
                                      task_known_ranges[k].least, task_known_ranges[k].most,
                                      &r->by_known[k][s], e);
        if (!code && s != MODEL)
            code = task_measures_compare(&answers[MODEL], &answers[s], d, t->seed, &r->difference[s], e);
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
        code = task_measures_make(&answers, asked->data.y, t->interval, NULL, 0, 0, out, e);
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
        code = measure_count(t, m, asked, known, t->counts[i], &r->by_count[i][MODEL], e);
        r->by_count[i][NOTHING_KNOWN] = r->all[NOTHING_KNOWN];
    }
    return code;
}

/* The other table is asked with the same rows known. */
static enum err_code measure_outside(struct evaluate_tasks *t, const struct model *m,
                                     const struct task_file *asked, const struct task_answers *answers,
                                     const struct task_file *known, struct result *r, struct err *e)
{
    struct task_file file = {0};
    struct task_answers others = {0};
    enum err_code code = task_file_read(t->outside, &t->columns, m, false, t->unknown_is_absent, &file, e);
    if (!code)
        code = task_answers_make(m, &file.rows, &file.data, &known->rows, t->known ? &known->data : NULL,
                                 &others, e);
    const struct task_answered inside = {answers, &asked->data, &asked->rows.tasks};
    const struct task_answered outside = {&others, &file.data, &file.rows.tasks};
    if (!code)
        code = task_outside_make(&inside, &outside, t->seed, &r->outside, e);
    task_answers_fini(&others);
    task_file_fini(&file);
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

static void add_systems(struct buf *b, const struct result *r, const struct task_measures *m, size_t n)
{
    buf_addc(b, '{');
    for (size_t s = 0; s < n; s++) {
        buf_addf(b, "%s\"%s\":", s ? "," : "", systems[r->system[s]].key);
        add_measures(b, &m[s]);
    }
    buf_addc(b, '}');
}

static void add_figure(struct buf *b, double figure)
{
    buf_addf(b, isfinite(figure) ? "%.6g" : "null", figure);
}

static void add_differences(struct buf *b, const struct result *r)
{
    buf_addf(b, ",\"difference\":{\"of\":\"%s\"", task_measure_name(r->compared));
    for (size_t s = NOTHING_KNOWN; s < r->n_systems; s++) {
        const struct task_difference *d = &r->difference[s];
        buf_addf(b, ",\"%s\":{\"mean\":", systems[r->system[s]].key);
        add_figure(b, d->mean);
        buf_adds(b, ",\"low\":");
        add_figure(b, d->low);
        buf_adds(b, ",\"high\":");
        add_figure(b, d->high);
        buf_addc(b, '}');
    }
    buf_addc(b, '}');
}

static void add_by_count(struct buf *b, const struct evaluate_tasks *t, const struct result *r)
{
    for (size_t i = 0; i < t->n_counts; i++) {
        buf_addf(b, "%s\"%zu\":", i ? "," : ",\"by_count\":{", t->counts[i]);
        add_systems(b, r, r->by_count[i], ALWAYS);
    }
    buf_adds(b, t->n_counts ? "}" : "");
}

static void add_calibration(struct buf *b, const struct result *r)
{
    buf_adds(b, ",\"calibration\":{");
    for (size_t s = 0; s < r->n_systems; s++) {
        const struct task_calibration *c = &r->calibration[s];
        buf_addf(b, "%s\"%s\":[", s ? "," : "", systems[r->system[s]].key);
        for (size_t i = 0; i < c->n; i++)
            buf_addf(b,
                     isfinite(c->found[i]) ? "%s{\"expected\":%.6g,\"rows\":%zu,\"found\":%.6g}"
                                           : "%s{\"expected\":%.6g,\"rows\":%zu,\"found\":null}",
                     i ? "," : "", c->expected[i], c->n_rows[i], c->found[i]);
        buf_addc(b, ']');
    }
    buf_adds(b, "},\"calibration_error\":{");
    for (size_t s = 0; s < r->n_systems; s++) {
        buf_addf(b, "%s\"%s\":", s ? "," : "", systems[r->system[s]].key);
        add_figure(b, r->calibration[s].error);
    }
    buf_addc(b, '}');
}

static void add_outside(struct buf *b, const struct result *r, const struct model_spec *spec)
{
    static const char *const keys[] = {"auroc", "low", "high", "inside", "outside"};
    buf_addf(b, ",\"outside\":{\"rows\":%zu", r->outside.n_rows);
    for (size_t u = 0; u < task_uncertainties(spec); u++) {
        const double figures[] = {r->outside.by[u].area, r->outside.by[u].low, r->outside.by[u].high,
                                  r->outside.by[u].inside, r->outside.by[u].outside};
        buf_addf(b, ",\"%s\":{", task_uncertainty_name((enum task_uncertainty)u, spec));
        for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
            buf_addf(b, isfinite(figures[i]) ? "%s\"%s\":%.6g" : "%s\"%s\":null", i ? "," : "", keys[i],
                     figures[i]);
        buf_addc(b, '}');
    }
    buf_addc(b, '}');
}

static enum err_code print_json(const struct evaluate_tasks *t, const struct result *r,
                                const struct model_spec *spec, struct err *e)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_addf(&b, "{\"tasks\":%zu,\"unseen_tasks\":%zu,\"all\":", r->n_tasks, r->n_unseen);
    add_systems(&b, r, r->all, r->n_systems);
    add_differences(&b, r);
    buf_adds(&b, ",\"by_known\":{");
    const char *comma = "";
    for (size_t k = 0; k < N_TASK_KNOWN_RANGES; k++)
        if (r->by_known[k][0].n_rows) {
            buf_addf(&b, "%s\"%s\":", comma, task_known_ranges[k].name);
            add_systems(&b, r, r->by_known[k], r->n_systems);
            comma = ",";
        }
    buf_addc(&b, '}');
    add_by_count(&b, t, r);
    add_calibration(&b, r);
    if (t->outside)
        add_outside(&b, r, spec);
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

static void print_outside(const struct result *r, const struct model_spec *spec)
{
    (void)printf("%zu rows outside are told from the others (area under the ROC curve, 95 %% intervals over "
                 "tasks)\n",
                 r->outside.n_rows);
    for (size_t u = 0; u < task_uncertainties(spec); u++)
        (void)printf("by %-17s %.4g, between %.4g and %.4g; on the mean %.4g inside, %.4g outside\n",
                     task_uncertainty_name((enum task_uncertainty)u, spec), r->outside.by[u].area,
                     r->outside.by[u].low, r->outside.by[u].high, r->outside.by[u].inside,
                     r->outside.by[u].outside);
}

static void print_text(const struct evaluate_tasks *t, const struct result *r, const struct model_spec *spec)
{
    (void)printf("%zu tasks, of %zu of which no row is known\n%-20s %8s\n", r->n_tasks, r->n_unseen, "",
                 "rows");
    for (size_t s = 0; s < r->n_systems; s++)
        print_line(systems[r->system[s]].name, &r->all[s]);
    (void)printf("%s of the model less that of (below 0 the model is better; 95 %% intervals over tasks)\n",
                 task_measure_name(r->compared));
    for (size_t s = NOTHING_KNOWN; s < r->n_systems; s++)
        (void)printf("%-20s %.4g, between %.4g and %.4g\n", systems[r->system[s]].name, r->difference[s].mean,
                     r->difference[s].low, r->difference[s].high);
    for (size_t k = 0; k < N_TASK_KNOWN_RANGES; k++) {
        if (!r->by_known[k][0].n_rows || r->by_known[k][0].n_rows == r->all[0].n_rows)
            continue;
        (void)printf("tasks of which %s rows are known\n", task_known_ranges[k].name);
        for (size_t s = 0; s < r->n_systems; s++)
            print_line(systems[r->system[s]].name, &r->by_known[k][s]);
    }
    for (size_t i = 0; i < t->n_counts; i++) {
        char what[32];
        (void)snprintf(what, sizeof what, "model, %zu known", t->counts[i]);
        print_line(what, &r->by_count[i][MODEL]);
    }
    (void)printf("calibration: %s are %.3g away from what they should be (nothing known %.3g)\n",
                 spec->task.n_classes ? "probabilities" : "intervals", r->calibration[MODEL].error,
                 r->calibration[NOTHING_KNOWN].error);
    if (t->outside)
        print_outside(r, spec);
}

/* ---- all of it ---- */

static struct task_source source(const struct task_file *f, const char *path)
{
    return (struct task_source){&f->rows, path ? &f->data : NULL};
}

/* The networks of those that are wanted, each to its place in r. */
static enum err_code answer_networks(const struct evaluate_tasks *t, const struct model *m,
                                     const struct task_learned *learned, const struct task_source *asked,
                                     const struct result *r, struct task_answers *answers, struct err *e)
{
    struct task_answers made[N_NETWORK_BASELINES] = {0};
    struct progress_bar bar;
    struct network_baselines b = {
        .learned = learned, .seed = t->seed, .progress = progress_bar_show, .arg = &bar};
    for (int k = 0; k < N_NETWORK_BASELINES; k++)
        b.wanted[k] = t->baselines & 1U << (NETWORKS + k);
    progress_bar_init(&bar);
    enum err_code code = network_baselines_make(&b, m, asked, made, e);
    progress_bar_end(&bar);
    for (size_t s = ALWAYS; s < r->n_systems; s++)
        if (r->system[s] >= NETWORKS) {
            answers[s] = made[r->system[s] - NETWORKS];
            made[r->system[s] - NETWORKS] = (struct task_answers){0};
        }
    for (int k = 0; k < N_NETWORK_BASELINES; k++)
        task_answers_fini(&made[k]);
    return code;
}

static enum err_code answer_baselines(const struct evaluate_tasks *t, const struct model *m,
                                      const struct tables *tables, const struct result *r,
                                      struct task_answers *answers, struct err *e)
{
    struct task_learned learned = {0};
    struct task_source asked = source(&tables->asked, t->rows), known = source(&tables->known, t->known),
                       trained = source(&tables->trained, t->trained);
    enum err_code code = task_learned_make(&learned, &m->spec, &known, &trained, e);
    for (size_t s = ALWAYS; s < r->n_systems && !code; s++)
        if (r->system[s] < NETWORKS)
            code = task_baselines_make(m, (enum task_baseline)(r->system[s] - LINEAR), &learned, &asked,
                                       t->seed, &answers[s], e);
    if (!code)
        code = answer_networks(t, m, &learned, &asked, r, answers, e);
    task_learned_fini(&learned);
    return code;
}

static enum err_code answer(const struct evaluate_tasks *t, const struct model *m,
                            const struct tables *tables, struct result *r, struct task_answers *answers,
                            struct err *e)
{
    enum err_code code = ERR_OK;
    for (int s = 0; s < MOST_SYSTEMS; s++)
        if (s < ALWAYS || t->baselines & 1U << s)
            r->system[r->n_systems++] = s;
    for (size_t s = 0; s < ALWAYS && !code; s++)
        code = task_answers_make(m, &tables->asked.rows, &tables->asked.data, &tables->known.rows,
                                 t->known && s == MODEL ? &tables->known.data : NULL, &answers[s], e);
    return code || !t->baselines ? code : answer_baselines(t, m, tables, r, answers, e);
}

static enum err_code read_tables(struct evaluate_tasks *t, const struct model *m, struct tables *tables,
                                 struct err *e)
{
    enum err_code code =
        task_file_read(t->rows, &t->columns, m, true, t->unknown_is_absent, &tables->asked, e);
    if (!code && t->known)
        code = task_file_read(t->known, &t->columns, m, true, t->unknown_is_absent, &tables->known, e);
    if (!code && t->trained)
        code = task_file_read(t->trained, &t->columns, m, true, t->unknown_is_absent, &tables->trained, e);
    return code;
}

enum err_code evaluate_tasks_run(struct evaluate_tasks *t, struct err *e)
{
    struct model *m;
    struct tables tables = {0};
    struct task_answers answers[MOST_SYSTEMS] = {0};
    struct result r = {0};
    enum err_code code = task_tables_open(t->model, &m, e);
    if (code)
        return code;
    code = read_tables(t, m, &tables, e);
    if (!code)
        code = answer(t, m, &tables, &r, answers, e);
    if (!code)
        code = measure(t, answers, &tables.asked.data, &r, e);
    if (!code)
        code = measure_counts(t, m, &tables.asked, &tables.known, &r, e);
    if (!code && t->outside)
        code = measure_outside(t, m, &tables.asked, &answers[MODEL], &tables.known, &r, e);
    if (!code && t->json)
        code = print_json(t, &r, &m->spec, e);
    else if (!code)
        print_text(t, &r, &m->spec);
    for (size_t s = 0; s < MOST_SYSTEMS; s++)
        task_answers_fini(&answers[s]);
    task_file_fini(&tables.trained);
    task_file_fini(&tables.known);
    task_file_fini(&tables.asked);
    task_options_fini(&t->columns);
    model_unref(m);
    return code;
}
