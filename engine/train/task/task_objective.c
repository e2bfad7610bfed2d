/* One model for all tasks to begin with: nothing that tasks share looks at which task it is, and the layer
 * that is a task's own begins at zero. */
#include "engine/train/task/task_objective.h"

#include "base/mem.h"
#include "engine/format/model_write.h"
#include "engine/network/task_head.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/task/task_fit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { HIDDEN = 64, N_HIDDEN = 2, BASIS = 32 };
static const long schedules[] = {200, 1000}; /* steps; some tables are learned by heart in more */
enum { N_SCHEDULES = sizeof schedules / sizeof *schedules };
static const double first_noise = 0.3, first_shape = 4, first_curvature = 0.5, first_kappa = 0.4,
                    bias_deviation = 0.5, first_rate = 0.01;

struct task {
    struct run *run;
    struct model_spec spec; /* its columns, texts and classes are the table's */
    bool has_block;
    struct param_block block;
    struct task_fit fit;
};

static enum err_code check(const struct train_data *data, const struct train_options *o, struct err *e)
{
    bool classes = data->tasks->about->n_classes > 0;
    if (classes != (o->objective == &objective_classification))
        return err_set(e, ERR_INVALID, "the target has %s, which is not what %s is for",
                       classes ? "classes" : "numbers", o->objective->name);
    if (o->relative && (classes || !(data->tasks->about->target_least > 0)))
        return err_set(e, ERR_INVALID, "errors relative to the target need a target above 0");
    return o->checkpoint ? err_set(e, ERR_INVALID, "%s takes no checkpoint", o->objective->name) : ERR_OK;
}

/* ---- the model to begin with ---- */

static void measure_target(const struct task_table *t, struct task_spec *about)
{
    size_t n = t->row_start[t->n_tasks];
    double sum = 0, squares = 0;
    about->target_mean = 0;
    about->target_deviation = 1;
    for (size_t i = 0; i < n; i++)
        sum += task_learned_target(about, t->y[i]);
    about->target_mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += pow(task_learned_target(about, t->y[i]), 2);
    about->target_deviation = squares > 0 ? sqrt(squares / (double)n) : 1;
}

static void make_spec(struct task *s)
{
    const struct train_options *o = &s->run->options;
    const struct task_table *t = s->run->data->tasks;
    struct model_spec *spec = &s->spec;
    *spec = (struct model_spec){.objective = o->objective,
                                .d_item = columns_width(&t->about->columns),
                                .d_output = t->about->n_classes ? t->about->n_classes : 1,
                                .task = *t->about};
    (void)snprintf(spec->name, sizeof spec->name, "%s", o->name);
    (void)snprintf(spec->version, sizeof spec->version, "%s", o->version);
    spec->task.present = true;
    spec->task.n_features = N_HIDDEN;
    for (size_t i = 0; i < N_HIDDEN; i++)
        spec->task.features[i] = (struct trunk_layer_spec){HIDDEN, ACTIVATION_TANH};
    spec->task.d_basis = o->dim ? (size_t)o->dim : BASIS;
    spec->task.forgets = t->time != NULL;
    spec->task.log_target = o->relative;
    spec->d_context = task_spec_d_sums(spec);
    if (!spec->task.n_classes)
        measure_target(t, &spec->task);
}

static void fill(struct rng *r, real *values, size_t n, double deviation)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (real)(deviation * rng_normal(r));
}

/* Features of variance one; shared outputs of zero; a basis of variance one, which is the prior's. */
static void start_values(struct task *s)
{
    const struct task_spec *t = &s->spec.task;
    struct model_params *p = &s->block.params;
    size_t d = s->spec.d_item, d_features = task_spec_d_features(&s->spec);
    struct rng r;
    rng_init(&r, s->run->options.seed, 0);
    for (size_t i = 0; i < t->n_features; i++) {
        fill(&r, p->features[i].weight, t->features[i].d_out * d, sqrt(1 / (double)d));
        fill(&r, p->features[i].bias, t->features[i].d_out, bias_deviation);
        d = t->features[i].d_out;
    }
    memset(s->block.moment1, 0, s->block.n_values * sizeof(real));
    memset(s->block.moment2, 0, s->block.n_values * sizeof(real));
    memset(p->shared, 0, s->spec.d_output * d_features * sizeof(real));
    memset(p->shared_bias, 0, s->spec.d_output * sizeof(real));
    fill(&r, p->basis, t->d_basis * d_features, sqrt(1 / (double)d_features));
    fill(&r, p->basis_bias, t->d_basis, bias_deviation);
    p->task_scales[0] = (real)log(t->n_classes ? first_curvature : first_noise);
    if (t->forgets)
        p->task_scales[TASK_SCALES] = (real)log(first_rate);
    p->task_scales[1] = (real)log(t->n_classes ? first_kappa : first_shape - TASK_LEAST_SHAPE);
}

static enum err_code build(struct run *run, void **state, struct err *e)
{
    struct task *s = *state = mem_zalloc_array(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "no memory for a training");
    s->run = run;
    make_spec(s);
    enum err_code code = model_spec_check(&s->spec, e);
    if (!code)
        code = param_block_init(&s->block, &s->spec, e);
    s->has_block = !code;
    if (!code)
        code = task_fit_init(&s->fit, run, &s->spec, run->data->tasks, &s->block, e);
    return code;
}

static enum err_code choose(void *state, struct err *e)
{
    struct task *s = state;
    const struct train_options *o = &s->run->options;
    enum err_code code = ERR_OK;
    budget_enter(&s->run->budget, s->run->team, PHASE_COURSE);
    if (o->n_epochs) {
        start_values(s);
        return task_fit_run(&s->fit, 100L * o->n_epochs, 0, e);
    }
    for (size_t i = 0; i < N_SCHEDULES && !code && !budget_over(&s->run->budget); i++) {
        start_values(s);
        code = task_fit_run(&s->fit, schedules[i], 0, e);
    }
    s->run->cut = budget_over(&s->run->budget);
    return code;
}

/* Where rows have times, once more with the newest, which were validated on, for as many steps. */
static enum err_code train(void *state, struct err *e)
{
    struct task *s = state;
    enum err_code code = ERR_OK;
    task_fit_take_best(&s->fit);
    if (s->run->options.relative)
        code = task_fit_shrink(&s->fit, &s->spec.task.shrink, e);
    budget_enter(&s->run->budget, s->run->team, PHASE_REFIT);
    if (!code && s->spec.task.forgets && !budget_over(&s->run->budget)) {
        start_values(s);
        task_fit_learn_all(&s->fit);
        code = task_fit_run(&s->fit, s->fit.best_schedule, s->fit.best_step, e);
        if (budget_over(&s->run->budget))
            task_fit_take_best(&s->fit);
    }
    if (!code)
        code = model_write(s->run->path, &s->spec, &s->block.params, NULL, e);
    s->run->written = !code;
    return code;
}

static void report(const void *state, struct train_report *r)
{
    const struct task *s = state;
    r->n_parameters = s->block.n_values;
    report_text(r, "ended", train_end_name(r->end));
    report_count(r, "tasks", s->fit.first_learned + s->fit.n_learned);
    report_count(r, "validation_tasks", s->fit.n_held);
    report_count(r, "schedule", (size_t)s->fit.best_schedule);
    report_count(r, "best_step", (size_t)s->fit.best_step);
    report_count(r, "parameters", r->n_parameters);
    report_measure(r, "seconds", 2, r->seconds);
    report_measure(r, "loss", 4, s->fit.best_loss);
    report_measure(r, "loss_without_rows", 4, s->fit.none_loss);
    int n = snprintf(r->summary, sizeof r->summary,
                     "%zu tasks; negative log likelihood of a row in validation %.4f",
                     s->fit.first_learned + s->fit.n_learned, s->fit.best_loss);
    if (isfinite(s->fit.none_loss))
        n += snprintf(r->summary + n, sizeof r->summary - (size_t)n,
                      ", %.4f where no row of its task is known", s->fit.none_loss);
    (void)snprintf(r->summary + n, sizeof r->summary - (size_t)n, "\n");
}

static void fini(void *state)
{
    struct task *s = state;
    task_fit_fini(&s->fit);
    if (s->has_block)
        param_block_fini(&s->block);
    mem_free(s);
}

const struct train_objective train_regression = {.objective = &objective_regression,
                                                 .about = "a number for a row of a task",
                                                 .check = check,
                                                 .build = build,
                                                 .choose = choose,
                                                 .train = train,
                                                 .report = report,
                                                 .fini = fini};
const struct train_objective train_classification = {.objective = &objective_classification,
                                                     .about = "a class for a row of a task",
                                                     .check = check,
                                                     .build = build,
                                                     .choose = choose,
                                                     .train = train,
                                                     .report = report,
                                                     .fini = fini};
