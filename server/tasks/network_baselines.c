#include "server/tasks/network_baselines.h"

#include "base/mem.h"
#include "engine/format/task_target.h"
#include "engine/network/task_head.h"
#include "engine/train/one_for_all/fine_tune.h"
#include "server/tasks/task_baselines.h"

#include <math.h>
#include <stdio.h>

enum { PIECE = 256 }; /* rows that are answered at once */

/* One network, trained. */
struct trained {
    const struct network_baselines *b;
    struct pooled_rows rows;
    double *y; /* (rows) of counts, in their deviations; else NULL */
    struct pooled_options options;
    struct pooled_network net;
    struct pooled_holdout holdout;
    struct pooled_course course;
};

static void trained_fini(struct trained *t)
{
    pooled_holdout_fini(&t->holdout);
    pooled_network_fini(&t->net);
    mem_free(t->y);
}

static void tell(const struct network_baselines *b, const char *note)
{
    struct progress p = progress_at("baselines", (double)NAN);
    p.note = note;
    if (b->progress)
        (void)b->progress(b->arg, &p);
}

static void tell_course(const struct trained *t)
{
    char note[160];
    (void)snprintf(note, sizeof note, "%s: %ld steps; %s of a row in validation %.4g", t->options.stage,
                   t->course.best_step, t->net.spec.task.n_classes ? "log loss" : "squared error",
                   t->course.error);
    tell(t->b, note);
}

/* Errors are squared: of counts the networks learn the count itself, in its own deviations. */
static enum err_code scale_counts(struct trained *t, struct model_spec *spec, const struct task_learned *l,
                                  struct err *e)
{
    spec->task.scale = SCALE_IDENTITY;
    t->rows.y = t->y = mem_alloc_array(l->n_rows, sizeof *t->y);
    if (!t->y)
        return err_set(e, ERR_NOMEM, "no memory for %zu counts", l->n_rows);
    for (size_t i = 0; i < l->n_rows; i++)
        t->y[i] = task_learned_target(&spec->task, l->y[i]);
    return ERR_OK;
}

static enum err_code fit_validated(struct trained *t, const struct network_baselines *b,
                                   const struct model *m, bool ids, bool of_tasks, struct err *e)
{
    const struct task_learned *l = b->learned;
    struct model_spec spec = m->spec;
    *t = (struct trained){.b = b,
                          .rows = {l->n_tasks, l->row_start, l->x, l->y, l->task, l->time},
                          .options = {.seed = b->seed,
                                      .most_steps = b->most_steps,
                                      .progress = b->progress,
                                      .arg = b->arg,
                                      .stage = ids ? "network with ids" : "network for all"}};
    enum err_code code = task_is_of_counts(&spec) ? scale_counts(t, &spec, l, e) : ERR_OK;
    if (!code)
        code = pooled_network_init(&t->net, &spec, ids ? l->n_tasks : 0, e);
    if (!code) /* ids say something of their own tasks alone */
        code = pooled_holdout_make(&t->holdout, &t->rows, of_tasks && !ids, b->seed, e);
    if (!code)
        code = pooled_fit_validated(&t->net, &t->rows, &t->holdout, &t->options, &t->course, e);
    return code;
}

static enum err_code fit_all(struct trained *t, struct err *e)
{
    enum err_code code = pooled_fit_all(&t->net, &t->rows, &t->options, &t->course, e);
    if (!code)
        tell_course(t);
    return code;
}

/* ---- answers ---- */

/* What is asked, and by which tasks it is of those that were learned from. */
struct asking {
    const struct network_baselines *b;
    const struct model *m;
    const struct task_source *asked;
};

static uint32_t learned_task(const struct asking *a, size_t task)
{
    return task_learned_find(a->b->learned, id_table_text(&a->asked->rows->tasks, (uint32_t)task));
}

static size_t n_learned(const struct asking *a, uint32_t task)
{
    const struct task_learned *l = a->b->learned;
    return task < l->n_tasks ? l->row_start[task + 1] - l->row_start[task] : 0;
}

/* Whether most rows that are asked are of tasks that were not trained from; and how many rows of a task are
 * known on the average. */
static bool are_new(const struct asking *a, size_t *n_known)
{
    const struct task_dataset *d = a->asked->data;
    size_t n_new = 0, n = d->row_start[d->table.n_tasks];
    double known = 0;
    for (size_t t = 0; t < d->table.n_tasks; t++) {
        size_t rows = d->row_start[t + 1] - d->row_start[t];
        if (!task_learned_is_trained(a->b->learned, id_table_text(&a->asked->rows->tasks, (uint32_t)t)))
            n_new += rows;
        known += (double)rows * (double)n_learned(a, learned_task(a, t));
    }
    *n_known = (size_t)(known / (double)n + 0.5);
    return 2 * n_new > n;
}

static void answer_task(struct pooled_pass *pass, const struct asking *a, size_t task, uint32_t learned,
                        struct task_answers *out)
{
    const struct task_dataset *d = a->asked->data;
    size_t o = a->m->spec.d_output, d_row = a->m->spec.d_item;
    for (size_t from = d->row_start[task], end = d->row_start[task + 1]; from < end; from += pass->n) {
        pass->n = 0;
        for (size_t i = from; i < end && pass->n < PIECE; i++)
            pooled_pass_add(pass, d->x + i * d_row, 0, learned);
        pooled_pass_forward(pass);
        for (size_t i = 0; i < pass->n; i++) {
            double *value = out->value + (from + i) * o;
            for (size_t k = 0; k < o; k++)
                value[k] = (double)pass->f[i * o + k];
            out->n_known[from + i] = n_learned(a, learned);
            if (a->m->spec.task.n_classes)
                out->spread[from + i] = task_answers_probabilities(value, o);
        }
    }
}

/* tuner NULL: by the network as it is. */
static enum err_code answer(struct pooled_network *net, struct fine_tuner *tuner,
                            const struct fine_tuning *how, const struct asking *a, double error,
                            struct task_answers *out, struct err *e)
{
    const struct task_dataset *d = a->asked->data;
    struct pooled_pass pass = {0};
    enum err_code code = task_answers_reserve(out, a->m, d->row_start[d->table.n_tasks], e);
    out->quantiles = NULL;
    out->shrink = task_target_normal_shrink(&a->m->spec.task); /* the model's was found for its own errors */
    out->as_is = task_is_of_counts(&a->m->spec);
    if (!code)
        code = pooled_pass_init(&pass, net, PIECE, e);
    for (size_t t = 0; t < d->table.n_tasks && !code; t++) {
        uint32_t learned = learned_task(a, t);
        bool tuned = tuner && n_learned(a, learned);
        if (tuned)
            fine_tuner_start(tuner, learned, how);
        answer_task(&pass, a, t, learned, out);
        if (tuned)
            fine_tuner_end(tuner);
    }
    pooled_pass_fini(&pass);
    double unit = out->as_is ? net->spec.task.target_deviation : 1;
    for (size_t i = 0; i < out->n && !code && out->as_is; i++)
        out->value[i] = task_target(&net->spec.task, out->value[i]);
    if (!code && !a->m->spec.task.n_classes)
        task_baselines_set_spread(error * unit * unit, out);
    return code;
}

static void tell_tuning(const struct asking *a, const struct fine_tuning *how)
{
    char note[160];
    (void)snprintf(note, sizeof note, "fine-tuned: %ld steps at a rate of %g; %s of a row in validation %.4g",
                   how->n_steps, how->rate, a->m->spec.task.n_classes ? "log loss" : "squared error",
                   how->error);
    tell(a->b, note);
}

/* The network for all, and what becomes of it for each task. */
static enum err_code make_pooled(const struct asking *a, struct task_answers *out, struct err *e)
{
    const struct network_baselines *b = a->b;
    struct trained t = {0};
    struct fine_tuner tuner = {0};
    struct fine_tuning how = {0};
    size_t n_known;
    bool tuned = b->wanted[NETWORK_BASELINE_TUNED], of_tasks = are_new(a, &n_known);
    enum err_code code = fit_validated(&t, b, a->m, false, of_tasks, e);
    if (!code && tuned)
        code = fine_tuner_init(&tuner, &t.net, &t.rows, b->seed, e);
    if (!code && tuned)
        fine_tuner_choose(&tuner, &t.holdout, n_known, &how);
    if (!code)
        code = fit_all(&t, e);
    if (!code && b->wanted[NETWORK_BASELINE_POOLED])
        code = answer(&t.net, NULL, NULL, a, t.course.error, &out[NETWORK_BASELINE_POOLED], e);
    if (!code && tuned) {
        tell_tuning(a, &how);
        code = answer(&t.net, &tuner, &how, a, how.error, &out[NETWORK_BASELINE_TUNED], e);
    }
    fine_tuner_fini(&tuner);
    trained_fini(&t);
    return code;
}

static enum err_code make_with_ids(const struct asking *a, struct task_answers *out, struct err *e)
{
    struct trained t = {0};
    enum err_code code = fit_validated(&t, a->b, a->m, true, false, e);
    if (!code)
        code = fit_all(&t, e);
    if (!code)
        code = answer(&t.net, NULL, NULL, a, t.course.error, &out[NETWORK_BASELINE_IDS], e);
    trained_fini(&t);
    return code;
}

enum err_code network_baselines_make(const struct network_baselines *b, const struct model *m,
                                     const struct task_source *asked, struct task_answers *out, struct err *e)
{
    const struct asking a = {b, m, asked};
    enum err_code code = ERR_OK;
    if (b->wanted[NETWORK_BASELINE_POOLED] || b->wanted[NETWORK_BASELINE_TUNED])
        code = make_pooled(&a, out, e);
    if (!code && b->wanted[NETWORK_BASELINE_IDS])
        code = make_with_ids(&a, out, e);
    return code;
}
