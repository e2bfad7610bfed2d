/* A model file says what there was after one more task, so that files in their order are what is measured
 * task by time. */
#include "server/cli/evaluate_inputs.h"

#include "base/buf.h"
#include "base/mem.h"
#include "engine/model.h"
#include "engine/network/hypernet.h"
#include "engine/network/trained_task.h"
#include "engine/train/continual/rivals.h"
#include "server/cli/unknown_task.h"
#include "server/data/class_rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST = OPTION_LIST_MAX, BATCH = 128, SYSTEMS = 1 + RIVALS };
static const double lambda = 1000, rate = 1e-3, rate_generated = 3e-4;
static const char *const names[SYSTEMS] = {"model", "own", "sequence", "ewc", "beta_0"};

struct task {
    char name[LIMIT_ID_BYTES + 1];
    struct class_rows asked, learned;
};

/* Accuracies of one system. */
struct matrix {
    size_t n_after;                            /* rows */
    double at[MOST * MOST];                    /* (n_after, n_tasks); NAN: the task was not learned yet */
    double average, forgetting, intransigence; /* NAN: not measured */
};

struct evaluation {
    const struct evaluate_inputs *v;
    struct model *models[MOST]; /* (v->models.n) */
    struct task tasks[MOST];    /* (n) */
    size_t n;
    struct matrix systems[SYSTEMS]; /* (n_systems) */
    size_t n_systems;
    struct unknown_result unknown; /* of the last model */
};

/* ---- files ---- */

static enum err_code open_models(struct evaluation *x, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < x->v->models.n && !code; i++) {
        const char *path = x->v->models.values[i];
        code = model_open(path, &x->models[i], e);
        if (!code && !x->models[i]->spec.trained.present)
            code = err_set(e, ERR_INVALID,
                           "%s: the model learned no tasks of inputs; `hypernet train --inputs` "
                           "makes one that does",
                           path);
    }
    return code;
}

/* NAME=INPUTS,CLASSES: the name into task, the paths into text, which has room for the whole. */
static enum err_code take_apart(const char *option, const char *value, char name[LIMIT_ID_BYTES + 1],
                                char *text, const char **inputs, const char **classes, struct err *e)
{
    const char *equals = strchr(value, '=');
    size_t len = equals ? (size_t)(equals - value) : 0;
    memcpy(text, value, strlen(value) + 1);
    char *comma = equals ? strchr(text + len, ',') : NULL;
    if (!comma || len < 1 || len > LIMIT_ID_BYTES || comma == text + len + 1 || !comma[1])
        return err_set(e, ERR_INVALID, "%s is NAME=INPUTS,CLASSES, not '%s'", option, value);
    *comma = '\0';
    memcpy(name, value, len);
    name[len] = '\0';
    *inputs = text + len + 1;
    *classes = comma + 1;
    return ERR_OK;
}

/* Whether rows as `last` has a task's are rows of another model that has it too: what it was asked would not
 * be what it learned. */
static enum err_code check_model(const char *path, const struct model *m, const struct trained_spec *last,
                                 long task, const char *name, struct err *e)
{
    char here[128], wanted[128];
    const struct trained_spec *t = &m->spec.trained;
    long number = model_item_index(m, name, strlen(name));
    if (number < 0)
        return ERR_OK; /* not learned yet */
    const struct trained_classes *a = &t->tasks[number], *b = &last->tasks[task];
    if (t->n_dims != last->n_dims || memcmp(t->dims, last->dims, t->n_dims * sizeof *t->dims) != 0)
        return err_set(e, ERR_INVALID, "%s: an input of task '%s' is %s; the last model's is %s", path, name,
                       trained_spec_dims_text(t, here, sizeof here),
                       trained_spec_dims_text(last, wanted, sizeof wanted));
    if (t->unit - last->unit != 0)
        return err_set(e, ERR_INVALID, "%s: inputs of task '%s' are in units of %g; the last model's of %g",
                       path, name, t->unit, last->unit);
    if (a->n != b->n)
        return err_set(e, ERR_INVALID, "%s: task '%s' has %zu classes; the last model's has %zu", path, name,
                       a->n, b->n);
    for (size_t k = 0; k < a->n; k++)
        if (strcmp(a->names[k], b->names[k]) != 0)
            return err_set(e, ERR_INVALID, "%s: class %zu of task '%s' is '%s'; the last model's is '%s'",
                           path, k, name, a->names[k], b->names[k]);
    return ERR_OK;
}

/* The task of a value of --inputs: of the last model, for all that have it, and named once. */
static enum err_code check_task(const struct evaluation *x, const char *name, long *task, struct err *e)
{
    const struct option_list *paths = &x->v->models;
    const struct model *last = x->models[paths->n - 1];
    enum err_code code = ERR_OK;
    *task = model_item_index(last, name, strlen(name));
    if (*task < 0)
        return err_set(e, ERR_NOTFOUND, "%s: has learned no task '%s'", paths->values[paths->n - 1], name);
    for (size_t i = 0; i < x->n; i++)
        if (strcmp(x->tasks[i].name, name) == 0)
            return err_set(e, ERR_INVALID, "--inputs names task '%s' twice", name);
    for (size_t i = 0; i + 1 < paths->n && !code; i++)
        code = check_model(paths->values[i], x->models[i], &last->spec.trained, *task, name, e);
    return code;
}

static enum err_code read_rows(struct evaluation *x, const char *option, const char *value, size_t i,
                               struct class_rows *out, struct err *e)
{
    char name[LIMIT_ID_BYTES + 1];
    const char *inputs = NULL, *classes = NULL;
    const struct model *last = x->models[x->v->models.n - 1];
    long number = -1;
    char *text = mem_alloc(strlen(value) + 1);
    enum err_code code = text ? take_apart(option, value, name, text, &inputs, &classes, e)
                              : err_set(e, ERR_NOMEM, "no memory for a path");
    if (!code && x->tasks[i].name[0] && strcmp(name, x->tasks[i].name) != 0)
        code = err_set(e, ERR_INVALID, "%s %s: expected '%s', in the order of --inputs", option, value,
                       x->tasks[i].name);
    if (!code)
        code = check_task(x, name, &number, e);
    if (!code) {
        memcpy(x->tasks[i].name, name, sizeof name);
        code = class_rows_read(inputs, classes, &last->spec.trained, number, out, e);
    }
    mem_free(text);
    return code;
}

static enum err_code read_tasks(struct evaluation *x, struct err *e)
{
    const struct evaluate_inputs *v = x->v;
    enum err_code code = ERR_OK;
    if (v->learned.n && v->learned.n != v->inputs.n)
        return err_set(e, ERR_INVALID, "--learned is of %zu tasks, --inputs of %zu; give both or one",
                       v->learned.n, v->inputs.n);
    for (; x->n < v->inputs.n && !code; x->n++) {
        struct task *t = &x->tasks[x->n];
        code = read_rows(x, "--inputs", v->inputs.values[x->n], x->n, &t->asked, e);
        if (!code && v->learned.n)
            code = read_rows(x, "--learned", v->learned.values[x->n], x->n, &t->learned, e);
    }
    return code;
}

/* ---- what is measured ---- */

static enum err_code measure_task(const struct model *m, long number, const struct class_rows *rows,
                                  double *out, struct err *e)
{
    struct theta_layout layout;
    const struct labelled_rows all = class_rows_part(rows, 0, rows->n);
    theta_layout_of(&m->spec, &layout);
    real *theta = mem_alloc_aligned(layout.len + 1, sizeof *theta),
         *work = mem_alloc_aligned(trained_task_workspace_len(&m->spec), sizeof *work);
    enum err_code code = theta && work
                             ? trained_task_generate(&m->spec, &m->params, (size_t)number, work, theta, e)
                             : err_set(e, ERR_NOMEM, "no memory for a task's network");
    if (!code)
        code = continual_accuracy(&m->spec, &m->params, theta, m->spec.trained.tasks[number].n, &all, out, e);
    mem_free(theta);
    mem_free(work);
    return code;
}

static enum err_code measure_models(struct evaluation *x, struct err *e)
{
    struct matrix *out = &x->systems[0];
    enum err_code code = ERR_OK;
    out->n_after = x->v->models.n;
    for (size_t a = 0; a < out->n_after; a++)
        for (size_t k = 0; k < x->n && !code; k++) {
            const char *name = x->tasks[k].name;
            long number = model_item_index(x->models[a], name, strlen(name));
            double *at = &out->at[a * x->n + k];
            *at = (double)NAN;
            if (number >= 0)
                code = measure_task(x->models[a], number, &x->tasks[k].asked, at, e);
        }
    x->n_systems = 1;
    return code;
}

/* Rows of all tasks, without a word of whose they are. */
static enum err_code measure_unknown(struct evaluation *x, struct err *e)
{
    struct unknown_rows asked[MOST];
    const struct model *last = x->models[x->v->models.n - 1];
    for (size_t k = 0; k < x->n; k++) {
        const char *name = x->tasks[k].name;
        asked[k] =
            (struct unknown_rows){(size_t)model_item_index(last, name, strlen(name)), &x->tasks[k].asked};
    }
    return unknown_task_measure(last, asked, x->n, &x->unknown, e);
}

static enum err_code measure_rivals(struct evaluation *x, struct err *e)
{
    struct rival_task tasks[MOST];
    const struct model_spec *spec = &x->models[x->v->models.n - 1]->spec;
    struct continual_options o = {.batch = BATCH, .n_steps = (long)x->v->steps, .seed = (uint64_t)x->v->seed};
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < x->n; i++) {
        const struct task *t = &x->tasks[i];
        tasks[i] = (struct rival_task){class_rows_part(&t->learned, 0, t->learned.n),
                                       class_rows_part(&t->asked, 0, t->asked.n), t->asked.about.tasks[0].n};
    }
    for (int rival = 0; rival < RIVALS && !code; rival++) {
        struct matrix *m = &x->systems[x->n_systems++];
        m->n_after = x->n;
        o.rate = rival == RIVAL_UNHELD ? rate_generated : rate;
        code = rivals_measure(spec, (enum rival)rival, tasks, x->n, &o, lambda, m->at, e);
        for (size_t a = 0; a < x->n; a++)
            for (size_t k = a + 1; k < x->n; k++)
                m->at[a * x->n + k] = (double)NAN;
    }
    return code;
}

/* The first accuracy of a task, straight after it was learned. */
static double straight(const struct matrix *m, size_t n, size_t k)
{
    size_t a = 0;
    while (a + 1 < m->n_after && isnan(m->at[a * n + k]))
        a++;
    return m->at[a * n + k];
}

static void summarise(struct evaluation *x)
{
    size_t n = x->n;
    for (size_t s = 0; s < x->n_systems; s++) {
        struct matrix *m = &x->systems[s];
        const double *last = m->at + (m->n_after - 1) * n;
        size_t n_old = 0;
        m->average = m->forgetting = 0;
        m->intransigence = x->n_systems > 1 ? 0 : (double)NAN;
        for (size_t k = 0; k < n; k++) {
            bool old = m->n_after > 1 && !isnan(m->at[(m->n_after - 2) * n + k]);
            m->average += last[k] / (double)n;
            m->forgetting += old ? straight(m, n, k) - last[k] : 0;
            n_old += old;
            if (x->n_systems > 1)
                m->intransigence += (straight(&x->systems[1], n, k) - straight(m, n, k)) / (double)n;
        }
        m->forgetting = n_old ? m->forgetting / (double)n_old : (double)NAN;
    }
}

/* ---- what is told ---- */

static void add_number(struct buf *b, double value)
{
    if (isnan(value))
        buf_adds(b, "null");
    else
        buf_addf(b, "%.6g", value);
}

static void add_system(struct buf *b, const struct matrix *m, size_t n)
{
    buf_adds(b, "{\"matrix\":[");
    for (size_t a = 0; a < m->n_after; a++) {
        buf_adds(b, a ? ",[" : "[");
        for (size_t k = 0; k < n; k++) {
            buf_adds(b, k ? "," : "");
            add_number(b, m->at[a * n + k]);
        }
        buf_addc(b, ']');
    }
    buf_adds(b, "],\"average\":");
    add_number(b, m->average);
    buf_adds(b, ",\"forgetting\":");
    add_number(b, m->forgetting);
    buf_adds(b, ",\"intransigence\":");
    add_number(b, m->intransigence);
    buf_addc(b, '}');
}

static void add_shares(struct buf *b, const char *key, const struct unknown_shares *s)
{
    buf_addf(b, "\"%s\":{\"task\":%.6g,\"accuracy\":%.6g}", key, s->task, s->class);
}

static void add_unknown(struct buf *b, const struct unknown_result *u)
{
    buf_adds(b, ",\"unknown_task\":{");
    add_shares(b, "entropy", &u->entropy);
    buf_addc(b, ',');
    if (u->has_rows)
        add_shares(b, "rows", &u->rows);
    else
        buf_adds(b, "\"rows\":null");
    buf_addc(b, '}');
}

/* By how many tasks were learned, as pictures take it: {"1": {"lines": {"accuracy": 0.9}}}. */
static void add_by_learned(struct buf *b, const struct evaluation *x)
{
    const struct matrix *m = &x->systems[0];
    buf_adds(b, ",\"by_learned\":{");
    for (size_t a = 0; a < m->n_after; a++) {
        bool any = false;
        buf_addf(b, a ? ",\"%zu\":{" : "\"%zu\":{", x->models[a]->spec.trained.n_tasks);
        for (size_t k = 0; k < x->n; k++) {
            if (isnan(m->at[a * x->n + k]))
                continue;
            buf_adds(b, any ? "," : "");
            buf_add_json_string(b, x->tasks[k].name, strlen(x->tasks[k].name));
            buf_addf(b, ":{\"accuracy\":%.6g}", m->at[a * x->n + k]);
            any = true;
        }
        buf_addc(b, '}');
    }
    buf_addc(b, '}');
}

static enum err_code print_json(const struct evaluation *x, struct err *e)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_adds(&b, "{\"tasks\":[");
    for (size_t k = 0; k < x->n; k++) {
        buf_adds(&b, k ? "," : "");
        buf_add_json_string(&b, x->tasks[k].name, strlen(x->tasks[k].name));
    }
    buf_adds(&b, "],\"systems\":{");
    for (size_t s = 0; s < x->n_systems; s++) {
        buf_addf(&b, s ? ",\"%s\":" : "\"%s\":", names[s]);
        add_system(&b, &x->systems[s], x->n);
    }
    buf_addc(&b, '}');
    add_unknown(&b, &x->unknown);
    add_by_learned(&b, x);
    buf_addc(&b, '}');
    enum err_code code = buf_check(&b, "the result", e);
    if (!code)
        (void)puts(buf_text(&b));
    buf_fini(&b);
    return code;
}

static void print_matrix(const struct evaluation *x)
{
    const struct matrix *m = &x->systems[0];
    (void)printf("%-16s", "tasks learned");
    for (size_t k = 0; k < x->n; k++)
        (void)printf(" %10.10s", x->tasks[k].name);
    for (size_t a = 0; a < m->n_after; a++) {
        (void)printf("\n%-16zu", x->models[a]->spec.trained.n_tasks);
        for (size_t k = 0; k < x->n; k++)
            if (isnan(m->at[a * x->n + k]))
                (void)printf(" %10s", "");
            else
                (void)printf(" %10.2f", 100 * m->at[a * x->n + k]);
    }
    (void)printf("\n\n%-34s %9s %11s %14s\n", "percent", "after all", "forgetting", "intransigence");
}

static void print_share(int width, double share)
{
    if (isnan(share))
        (void)printf(" %*s", width, "-");
    else
        (void)printf(" %*.2f", width, 100 * share);
}

static void print_unknown(const struct unknown_result *u)
{
    (void)printf("\n%-34s %9s %11s\n", "task unknown, the last model", "its task", "its class");
    (void)printf("%-34s %9.2f %11.2f\n", "by the least entropy", 100 * u->entropy.task,
                 100 * u->entropy.class);
    if (u->has_rows)
        (void)printf("%-34s %9.2f %11.2f\n", "by stored rows", 100 * u->rows.task, 100 * u->rows.class);
}

static void print_text(const struct evaluation *x)
{
    static const char *const shown[SYSTEMS] = {"the model", "a network of each task's own",
                                               "one network in sequence", "elastic weight consolidation",
                                               "the hypernetwork, beta 0"};
    print_matrix(x);
    for (size_t s = 0; s < x->n_systems; s++) {
        (void)printf("%-34s", shown[s]);
        print_share(9, x->systems[s].average);
        print_share(11, x->systems[s].forgetting);
        print_share(14, x->systems[s].intransigence);
        (void)puts("");
    }
    print_unknown(&x->unknown);
}

static void end(struct evaluation *x)
{
    for (size_t i = 0; i < MOST; i++) {
        class_rows_fini(&x->tasks[i].asked);
        class_rows_fini(&x->tasks[i].learned);
        model_unref(x->models[i]);
    }
    mem_free(x);
}

enum err_code evaluate_inputs_run(const struct evaluate_inputs *v, struct err *e)
{
    struct evaluation *x = mem_zalloc_array(1, sizeof *x);
    if (!x)
        return err_set(e, ERR_NOMEM, "no memory for an evaluation");
    x->v = v;
    enum err_code code = open_models(x, e);
    if (!code)
        code = read_tasks(x, e);
    if (!code)
        code = measure_models(x, e);
    if (!code)
        code = measure_unknown(x, e);
    if (!code && v->learned.n)
        code = measure_rivals(x, e);
    if (!code) {
        summarise(x);
        if (v->json)
            code = print_json(x, e);
        else
            print_text(x);
    }
    end(x);
    return code;
}
