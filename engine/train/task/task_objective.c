/* Three candidates, each from its own start; validation chooses. Some tables are learned by heart in more
 * steps than a few, and some have nothing to say beyond a straight line. */
#include "engine/train/task/task_objective.h"

#include "base/mem.h"
#include "engine/format/model_write.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/task/task_start.h"
#include "engine/train/task/task_tune.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LINEAR, NET, N_KINDS };
static const char *const kind_names[N_KINDS] = {"linear", "net"};
static const struct {
    int kind;
    long n_steps;
} candidates[] = {{LINEAR, 300}, {NET, 200}, {NET, 1000}};
enum { N_CANDIDATES = sizeof candidates / sizeof *candidates };

/* One kind of model, trained. */
struct trial {
    struct model_spec spec; /* its columns, texts and classes are the table's */
    bool has_block;
    struct param_block block;
    struct task_fit fit;
};

struct task {
    struct run *run;
    struct task_holdout holdout;
    struct task_mixed mixed; /* what the linear one begins with */
    struct trial trials[N_KINDS];
    struct trial *best;
    struct task_own_part own_part;
    double none_loss; /* where nothing of a task is known; NAN with times */
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

static enum err_code build_trial(struct task *s, int kind, struct err *e)
{
    struct trial *t = &s->trials[kind];
    task_start_spec(s->run, kind == LINEAR, &t->spec);
    enum err_code code = model_spec_check(&t->spec, e);
    if (!code)
        code = param_block_init(&t->block, &t->spec, e);
    t->has_block = !code;
    if (!code)
        code = task_fit_init(&t->fit, s->run, &t->spec, s->run->data->tasks, &s->holdout, &t->block, e);
    return code;
}

static enum err_code build(struct run *run, void **state, struct err *e)
{
    struct task *s = *state = mem_zalloc_array(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "no memory for a training");
    s->run = run;
    s->none_loss = NAN;
    enum err_code code = task_holdout_make(&s->holdout, run->data->tasks, run->options.seed, e);
    for (int kind = 0; kind < N_KINDS && !code; kind++)
        code = build_trial(s, kind, e);
    return code;
}

/* ---- the course ---- */

/* Steps of all courses, the last one's too, which may be as long as the longest. */
static long n_steps_of_all(const struct task *s)
{
    long n = 0;
    for (size_t i = 0; i < N_CANDIDATES; i++)
        n += candidates[i].n_steps;
    return task_holdout_of_learned(&s->holdout) ? n + candidates[N_CANDIDATES - 1].n_steps : n;
}

static void start_trial(const struct task *s, struct trial *t)
{
    task_start_values(s->run, &t->spec, &t->block);
    if (t == &s->trials[LINEAR])
        task_start_from_mixed(&t->spec, &s->mixed, &t->block);
}

static enum err_code choose(void *state, struct err *e)
{
    struct task *s = state;
    struct run *run = s->run;
    enum err_code code = ERR_OK;
    long before = 0, of = n_steps_of_all(s);
    budget_enter(&run->budget, run->team, PHASE_COURSE);
    if (run->options.n_epochs) {
        s->best = &s->trials[NET];
        task_start_values(run, &s->best->spec, &s->best->block);
        return task_fit_run(&s->best->fit, 100L * run->options.n_epochs, 0, e);
    }
    code =
        task_mixed_find(&s->trials[LINEAR].spec, run->data->tasks, &s->holdout, &run->budget, &s->mixed, e);
    for (size_t i = 0; i < N_CANDIDATES && !code && !(s->best && budget_over(&run->budget)); i++) {
        struct trial *t = &s->trials[candidates[i].kind];
        start_trial(s, t);
        t->fit.course = (struct task_course){before, of};
        code = task_fit_run(&t->fit, candidates[i].n_steps, 0, e);
        if (!s->best || t->fit.best_loss < s->best->fit.best_loss)
            s->best = t;
        before += candidates[i].n_steps;
    }
    run->cut = budget_over(&run->budget);
    return code;
}

/* Once more with what was validated on, where it is of the tasks that are learned from, for as many steps. */
static enum err_code train_again(struct task *s, struct err *e)
{
    struct task_fit *f = &s->best->fit;
    long of = n_steps_of_all(s);
    budget_enter(&s->run->budget, s->run->team, PHASE_REFIT);
    if (!task_holdout_of_learned(&s->holdout) || budget_over(&s->run->budget))
        return ERR_OK;
    start_trial(s, s->best);
    task_fit_learn_all(f);
    f->course = (struct task_course){of - f->best_step, of};
    /* Of no step: the start is best, and is there. */
    enum err_code code = f->best_step ? task_fit_run(f, f->best_schedule, f->best_step, e) : ERR_OK;
    if (budget_over(&s->run->budget))
        task_fit_take_best(f);
    task_tune_apply(f, &s->own_part);
    return code;
}

static enum err_code train(void *state, struct err *e)
{
    struct task *s = state;
    struct trial *best = s->best;
    real table[TASK_KNOWN_BUCKETS * TASK_QUANTILES];
    bool calibrated = false;
    enum err_code code = ERR_OK;
    task_tune_own_part(&best->fit, &s->own_part);
    if (!s->run->data->tasks->time)
        s->none_loss = task_fit_validate(&best->fit, TASK_KNOWN_NONE);
    if (s->run->options.relative)
        code = task_tune_shrink(&best->fit, &best->spec.task.shrink, e);
    if (!code && !best->spec.task.n_classes)
        code = task_tune_calibrate(&best->fit, table, &calibrated, e);
    if (!code)
        code = train_again(s, e);
    if (code)
        return code;
    best->spec.task.calibrated = calibrated;
    best->block.params.task_calibration = calibrated ? table : NULL;
    code = model_write(s->run->path, &best->spec, &best->block.params, NULL, e);
    best->block.params.task_calibration = NULL;
    s->run->written = !code;
    return code;
}

/* ---- what is told ---- */

static void report_own_part(const struct task *s, struct train_report *r)
{
    const struct task_own_part *own = &s->own_part;
    size_t n = strlen(r->summary);
    report_measure(r, "own_part", 2, own->scale);
    report_measure(r, "loss_as_learned", 4, own->loss_as_learned);
    report_measure(r, "loss_one_for_all", 4, own->loss_for_all);
    if (own->scale > 0)
        (void)snprintf(r->summary + n, sizeof r->summary - n,
                       "a task's own part counts %g times what was learned of it; without it, which is one "
                       "model for all tasks, the loss is %.4f\n",
                       own->scale, own->loss_for_all);
    else
        (void)snprintf(r->summary + n, sizeof r->summary - n,
                       "one model for all tasks is best: with a part of its own for each the loss is %.4f\n",
                       own->loss_as_learned);
}

static void report(const void *state, struct train_report *r)
{
    const struct task *s = state;
    const struct task_fit *f = &s->best->fit;
    size_t n_tasks = s->holdout.first_learned + s->holdout.n_learned;
    r->n_parameters = s->best->block.n_values;
    report_text(r, "ended", train_end_name(r->end));
    report_count(r, "tasks", n_tasks);
    report_count(r, "validation_tasks", s->holdout.n_held);
    report_text(r, "chosen", kind_names[s->best - s->trials]);
    report_count(r, "schedule", (size_t)f->best_schedule);
    report_count(r, "best_step", (size_t)f->best_step);
    report_count(r, "parameters", r->n_parameters);
    report_measure(r, "seconds", 2, r->seconds);
    report_measure(r, "loss", 4, s->own_part.loss);
    report_measure(r, "loss_without_rows", 4, s->none_loss);
    int n = snprintf(r->summary, sizeof r->summary,
                     "%zu tasks; %s, %ld steps; negative log likelihood of a row in validation %.4f", n_tasks,
                     s->best == &s->trials[LINEAR] ? "a linear model" : "a network", f->best_step,
                     s->own_part.loss);
    if (isfinite(s->none_loss))
        n += snprintf(r->summary + n, sizeof r->summary - (size_t)n,
                      ", %.4f where no row of its task is known", s->none_loss);
    (void)snprintf(r->summary + n, sizeof r->summary - (size_t)n, "\n");
    report_own_part(s, r);
}

static void fini(void *state)
{
    struct task *s = state;
    for (int kind = 0; kind < N_KINDS; kind++) {
        task_fit_fini(&s->trials[kind].fit);
        if (s->trials[kind].has_block)
            param_block_fini(&s->trials[kind].block);
    }
    task_mixed_fini(&s->mixed);
    task_holdout_fini(&s->holdout);
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
