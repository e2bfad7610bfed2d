/* Candidates from closed forms to networks, each from its own start; validation chooses (task_choice.h).
 * Some tables are learned by heart in more steps than a few, some have nothing to say beyond a straight
 * line, and some have targets of which the largest say all. */
#include "engine/train/task/task_objective.h"

#include "base/mem.h"
#include "engine/format/model_write.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/task/task_start.h"
#include "engine/train/task/task_trial.h"
#include "engine/train/task/task_tune.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Linear models of each form of the target, of which the best in closed form goes on; networks of the same
 * form, and of the target as it is: what is skewed for straight lines need not be for a network. */
enum { LINEAR, NET, MOST_FORMS = 4, MOST_NETS = 2 };
static const struct course {
    int kind;
    long n_steps;
    enum { STUDENT, NORMAL, BETTER } errors;
} courses[] = {{LINEAR, 300, STUDENT},
               {LINEAR, 300, NORMAL},
               {NET, 200, STUDENT},
               {NET, 200, NORMAL},
               {NET, 1000, BETTER}};
/* Of the best of these once more, with generated weights. Where tasks have few rows a layer that is solved
 * from them says all there is to know, and the time is not spent. */
enum { GROWN_STEPS = 1000, GROWN_LEAST_ROWS = 64 /* of a task, on the mean */, EPOCH_STEPS = 100 };
/* Where targets may be counts: straight lines of the logarithm of a rate, which come before all other
 * candidates, since counts are what is to be explained (docs/experiments.md), and a network of it after them.
 * Of rare counts straight lines gain up to some 400 steps. */
enum { N_COUNTS = 2, COUNT_LINEAR_STEPS = 800, COUNT_NET_STEPS = 600 };
enum {
    N_COURSES = sizeof courses / sizeof *courses,
    MOST_CANDIDATES = MOST_FORMS + N_COURSES * MOST_NETS + N_COUNTS + 2
};

/* A closed form, or the best of a course. */
struct candidate {
    struct task_trial *trial;
    struct task_moment moment;
};

struct task {
    struct run *run;
    struct task_holdout holdout;
    struct task_trial linear[MOST_FORMS], nets[MOST_NETS], counts[N_COUNTS], grown, went_on;
    size_t n_forms, n_nets;
    struct candidate candidates[MOST_CANDIDATES]; /* the simplest first */
    size_t n_candidates;
    struct task_trial *form; /* of linear: the one to take in closed form */
    struct task_trial *best;
    struct task_own_part own_part;
    double none_loss; /* where nothing of a task is known; NAN with times */
};

static enum err_code check(const struct train_data *data, const struct train_options *o, struct err *e)
{
    const struct task_spec *about = data->tasks->about;
    bool classes = about->n_classes > 0;
    if (classes != (o->objective == &objective_classification))
        return err_set(e, ERR_INVALID, "the target has %s, which is not what %s is for",
                       classes ? "classes" : "numbers", o->objective->name);
    if (classes && (o->loss != LOSS_SQUARED || !o->choose_scale))
        return err_set(
            e, ERR_INVALID,
            "a loss and a scale are for targets that are numbers; zeros and ones alone are classes "
            "unless --objective says regression");
    if (o->loss == LOSS_RELATIVE && !(about->target_least > 0))
        return err_set(e, ERR_INVALID, "errors relative to the target need a target above 0");
    if (!o->choose_scale && o->scale == SCALE_COUNT && o->loss != LOSS_SQUARED && o->loss != LOSS_POISSON)
        return err_set(e, ERR_INVALID,
                       "counts are learned for the loss squared or poisson, which ask for a mean");
    if (o->loss == LOSS_POISSON && !(about->target_least >= 0))
        return err_set(e, ERR_INVALID, "the loss poisson is for counts, none of which is below 0");
    if (!o->choose_scale && o->scale == SCALE_LOG && !(about->target_least > 0))
        return err_set(e, ERR_INVALID, "a logarithm needs a target above 0");
    return o->checkpoint ? err_set(e, ERR_INVALID, "%s takes no checkpoint", o->objective->name) : ERR_OK;
}

/* ---- candidates ---- */

static enum err_code add_candidate(struct task *s, struct task_trial *t, struct err *e)
{
    struct candidate *c = &s->candidates[s->n_candidates];
    c->trial = t;
    enum err_code code = task_fit_set_aside(&t->fit, &c->moment, e);
    s->n_candidates += !code;
    return code;
}

/* By how many nats a row a model is to be better than a simpler one. On noise steps are so by up to 0.023,
 * since the shape of the errors' distribution is learned, and of classes by up to 0.005
 * (docs/experiments.md). */
static const double least_gain = 0.025, least_gain_of_classes = 0.01;

/* Of classes the least loss is taken at its word where the simplest is surely not as good. */
static struct candidate *choose_of_classes(struct candidate *simplest, struct candidate *least)
{
    struct task_said_shape shape = task_fit_shape(&least->trial->fit);
    struct task_gap gap = task_surprise_gap(least->moment.surprises, simplest->moment.surprises, shape);
    bool gains = gap.mean > 2 * gap.error && gap.mean > least_gain_of_classes * (double)shape.n_rows;
    return gains || !isfinite(simplest->moment.loss) ? least : simplest;
}

/* The candidate to take, of one trial or (NULL) of all, as they are or (last) also by how much they gain. The
 * first where none has numbers. */
static struct candidate *choose_among(struct task *s, const struct task_trial *only, bool last)
{
    struct candidate *of[MOST_CANDIDATES], *least = NULL;
    struct task_said said[MOST_CANDIDATES];
    size_t n = 0;
    for (struct candidate *c = s->candidates; c < s->candidates + s->n_candidates; c++) {
        if (only && c->trial != only)
            continue;
        if (!least || c->moment.loss < least->moment.loss)
            least = c;
        said[n] = (struct task_said){c->moment.losses, c->moment.surprises};
        of[n++] = c;
    }
    if (!least || least->trial->spec.task.n_classes)
        return least && last ? choose_of_classes(of[0], least) : least;
    size_t chosen = task_choose(said, n, task_fit_shape(&least->trial->fit), last ? least_gain : 0);
    return chosen < n ? of[chosen] : least;
}

/* ---- forms of the target ---- */

/* The scales that are tried: what was asked for, or the target's own and what makes large ones smaller. Of
 * relative errors a logarithm is learned. */
static size_t list_scales(const struct run *run, enum target_scale *out)
{
    const struct train_options *o = &run->options;
    const struct task_spec *about = run->data->tasks->about;
    enum target_scale compressed = about->target_least > 0 ? SCALE_LOG : SCALE_ASINH;
    if (about->n_classes || !o->choose_scale || o->loss == LOSS_RELATIVE || o->n_epochs) {
        out[0] = !o->choose_scale ? o->scale : o->loss == LOSS_RELATIVE ? SCALE_LOG : SCALE_IDENTITY;
        return 1;
    }
    out[0] = SCALE_IDENTITY;
    out[1] = compressed;
    return 2;
}

/* A linear model of a form, in closed form. */
static enum err_code try_form(struct task *s, struct task_form form, struct err *e)
{
    struct task_trial *t = &s->linear[s->n_forms++];
    enum err_code code = task_trial_init(t, s->run, &s->holdout, true, form, 0, e);
    if (code || (form.clips && t->spec.task.clip == 0)) /* there are no outliers */
        return code;
    code = task_trial_solve(t, e);
    return code ? code : add_candidate(s, t, e);
}

static enum err_code try_forms(struct task *s, struct err *e)
{
    enum target_scale scales[2];
    size_t n = list_scales(s->run, scales);
    bool classes = s->run->data->tasks->about->n_classes > 0;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < n && !code; i++)
        for (int clips = 0; clips < 2 - (classes || scales[i] == SCALE_COUNT) && !code; clips++)
            if (!(s->n_candidates && budget_over(&s->run->budget)))
                code = try_form(s, (struct task_form){scales[i], clips}, e);
    s->form = code ? NULL : choose_among(s, NULL, false)->trial;
    return code;
}

static enum err_code build(struct run *run, void **state, struct err *e)
{
    struct task *s = *state = mem_zalloc_array(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "no memory for a training");
    s->run = run;
    s->none_loss = NAN;
    return task_holdout_make(&s->holdout, run->data->tasks, run->options.seed, e);
}

/* ---- the course ---- */

/* Whether there is a course. Squared errors of the target's own unit are what a normal distribution asks for,
 * Student's makes less of outliers: so both are tried. */
static bool runs(const struct task *s, const struct course *c)
{
    const struct train_options *o = &s->run->options;
    bool both = !s->run->data->tasks->about->n_classes && o->loss == LOSS_SQUARED &&
                (o->choose_scale || o->scale != SCALE_COUNT);
    return both || c->errors != NORMAL;
}

/* Whether errors are taken for normal in it. */
static bool is_normal(struct task *s, const struct task_trial *trial, const struct course *c)
{
    if (c->errors != BETTER)
        return c->errors == NORMAL;
    const struct candidate *best = choose_among(s, trial, false);
    return best && best->moment.normal;
}

/* Rows of a learned task, on the mean. */
static size_t n_rows_of_task(const struct task *s)
{
    const struct task_table *table = s->run->data->tasks;
    size_t n = 0;
    for (size_t k = 0; k < s->holdout.n_learned; k++) {
        size_t task = s->holdout.tasks[s->holdout.first_learned + k];
        n += table->row_start[task + 1] - table->row_start[task];
    }
    return n / s->holdout.n_learned;
}

/* Whether weights are generated in a candidate, and by what. */
static bool generates(const struct task *s, enum generator *out)
{
    const struct train_options *o = &s->run->options;
    *out = o->choose_generator ? GENERATOR_FULL : o->generator;
    bool classes = s->run->data->tasks->about->n_classes > 0; /* no table of them gained */
    return o->choose_generator ? !classes && !o->n_epochs && n_rows_of_task(s) >= GROWN_LEAST_ROWS
                               : o->generator != GENERATOR_SHARED;
}

static bool tries_counts(const struct task *s)
{
    return s->run->options.choose_scale && task_start_counts(s->run);
}

static long n_steps_of_courses(const struct task *s)
{
    long n = tries_counts(s) ? COUNT_LINEAR_STEPS + COUNT_NET_STEPS : 0;
    for (size_t i = 0; i < N_COURSES; i++)
        n += runs(s, &courses[i]) ? courses[i].n_steps * (courses[i].kind == NET ? (long)s->n_nets : 1) : 0;
    return n;
}

/* Steps of all courses, the last one's too, which may be as long as the longest. */
static long n_steps_of_all(const struct task *s)
{
    enum generator generator;
    long n = n_steps_of_courses(s) + (generates(s, &generator) ? 2 * GROWN_STEPS : 0);
    return task_holdout_of_learned(&s->holdout) ? n + courses[N_COURSES - 1].n_steps : n;
}

static enum err_code run_course(struct task *s, struct task_trial *t, const struct course *c, long *before,
                                struct err *e)
{
    if (!runs(s, c) || budget_over(&s->run->budget))
        return ERR_OK;
    task_trial_start(t, is_normal(s, t, c));
    t->fit.course = (struct task_course){*before, n_steps_of_all(s)};
    *before += c->n_steps;
    enum err_code code = task_fit_run(&t->fit, c->n_steps, 0, e);
    return code ? code : add_candidate(s, t, e);
}

static enum err_code build_net(struct task *s, struct task_form form, double clip, struct err *e)
{
    return task_trial_init(&s->nets[s->n_nets++], s->run, &s->holdout, false, form, clip, e);
}

/* A model of counts. */
static enum err_code run_count(struct task *s, bool linear, long *before, struct err *e)
{
    struct task_trial *t = &s->counts[!linear];
    long n_steps = linear ? COUNT_LINEAR_STEPS : COUNT_NET_STEPS;
    if (!tries_counts(s) || budget_over(&s->run->budget))
        return ERR_OK;
    enum err_code code =
        task_trial_init(t, s->run, &s->holdout, linear, (struct task_form){SCALE_COUNT, false}, 0, e);
    if (!code && linear)
        code = task_trial_solve(t, e);
    if (code)
        return code;
    task_trial_start(t, false);
    t->fit.course = (struct task_course){*before, n_steps_of_all(s)};
    *before += n_steps;
    code = task_fit_run(&t->fit, n_steps, 0, e);
    return code ? code : add_candidate(s, t, e);
}

/* The last candidate becomes the one that others must be better than. */
static void put_first(struct task *s)
{
    struct candidate last = s->candidates[s->n_candidates - 1];
    memmove(s->candidates + 1, s->candidates, (s->n_candidates - 1) * sizeof *s->candidates);
    s->candidates[0] = last;
}

static enum err_code run_courses(struct task *s, struct err *e)
{
    long before = 0;
    enum err_code code = run_count(s, true, &before, e);
    if (!code && s->candidates[s->n_candidates - 1].trial == &s->counts[0])
        put_first(s);
    if (!code)
        code = build_net(s, s->form->form, s->form->spec.task.clip, e);
    if (!code && s->form != &s->linear[0] && s->run->options.choose_scale &&
        s->form->form.scale != s->linear[0].form.scale)
        code = build_net(s, s->linear[0].form, 0, e);
    for (size_t i = 0; i < N_COURSES && !code; i++) {
        if (courses[i].kind == LINEAR)
            code = run_course(s, s->form, &courses[i], &before, e);
        for (size_t k = 0; k < s->n_nets && courses[i].kind == NET && !code; k++)
            code = run_course(s, &s->nets[k], &courses[i], &before, e);
    }
    return code ? code : run_count(s, false, &before, e);
}

/* ---- a network behind the solved layer ---- */

/* Steps from what was best, with a network or (NULL) without. */
static enum err_code run_grown(struct task *s, struct task_trial *t, struct task_trial *from,
                               const struct task_moment *moment, const enum generator *generator,
                               struct err *e)
{
    enum err_code code = task_trial_grow(t, from, moment, generator, e);
    if (code)
        return code;
    task_trial_start(t, moment->normal);
    long n_steps = s->run->options.n_epochs ? EPOCH_STEPS * s->run->options.n_epochs : GROWN_STEPS;
    t->fit.course =
        (struct task_course){n_steps_of_courses(s) + (t == &s->went_on ? n_steps : 0), n_steps_of_all(s)};
    return task_fit_run(&t->fit, n_steps, 0, e);
}

/* The best once more with a network. Where it would be taken it has had more steps than the others: as many
 * without a network are then tried too, and what is not better for its network is the simpler one. */
static enum err_code grow(struct task *s, struct err *e)
{
    enum generator generator;
    struct candidate *best = choose_among(s, NULL, true);
    if (!generates(s, &generator) || budget_over(&s->run->budget))
        return ERR_OK;
    enum err_code code = run_grown(s, &s->grown, best->trial, &best->moment, &generator, e);
    if (!code && (s->grown.fit.best.step || !s->run->options.choose_generator))
        code = add_candidate(s, &s->grown, e);
    struct candidate *grown = &s->candidates[s->n_candidates - 1];
    if (code || grown->trial != &s->grown || !s->run->options.choose_generator ||
        choose_among(s, NULL, true) != grown || budget_over(&s->run->budget))
        return code;
    code = run_grown(s, &s->went_on, best->trial, &best->moment, NULL, e);
    if (code || !s->went_on.fit.best.step)
        return code;
    code = add_candidate(s, &s->went_on, e);
    if (!code) { /* the simplest are first */
        struct candidate simpler = s->candidates[s->n_candidates - 1];
        s->candidates[s->n_candidates - 1] = *grown;
        *grown = simpler;
    }
    return code;
}

/* Of a generator that was asked for, whatever validation says of it. */
static struct candidate *asked_for(struct task *s)
{
    struct candidate *last = &s->candidates[s->n_candidates - 1];
    return !s->run->options.choose_generator && last->trial == &s->grown ? last : NULL;
}

static void take(struct task *s, struct candidate *c)
{
    s->best = c->trial;
    task_fit_restore(&c->trial->fit, &c->moment);
}

/* A network of so many steps and no other. */
static enum err_code run_epochs(struct task *s, struct err *e)
{
    enum target_scale scales[2];
    (void)list_scales(s->run, scales);
    enum err_code code = build_net(s, (struct task_form){scales[0], false}, 0, e);
    if (code)
        return code;
    task_trial_start(&s->nets[0], false);
    code = task_fit_run(&s->nets[0].fit, (long)EPOCH_STEPS * s->run->options.n_epochs, 0, e);
    return code ? code : add_candidate(s, &s->nets[0], e);
}

static enum err_code choose(void *state, struct err *e)
{
    struct task *s = state;
    struct run *run = s->run;
    budget_enter(&run->budget, run->team, PHASE_COURSE);
    enum err_code code = run->options.n_epochs ? run_epochs(s, e) : try_forms(s, e);
    if (!code && !run->options.n_epochs)
        code = run_courses(s, e);
    if (!code)
        code = grow(s, e);
    if (!code)
        take(s, asked_for(s) ? asked_for(s) : choose_among(s, NULL, true));
    run->cut = budget_over(&run->budget);
    return code;
}

static bool is_closed_form(const struct task *s)
{
    return s->best->linear && !s->best->from && s->best->fit.best.step == 0;
}

/* Once more with what was validated on: a closed form of all rows, or as many steps, where it is of the tasks
 * that are learned from. */
static enum err_code train_again(struct task *s, struct err *e)
{
    struct task_fit *f = &s->best->fit;
    bool again = task_holdout_of_learned(&s->holdout);
    budget_enter(&s->run->budget, s->run->team, PHASE_REFIT);
    if (!(again || is_closed_form(s)) || budget_over(&s->run->budget))
        return ERR_OK;
    enum err_code code = task_trial_solve_all(s->best, e);
    if (code)
        return code;
    task_trial_start(s->best, f->best.normal);
    task_fit_learn_all(f);
    if (f->best.step) {
        long of = n_steps_of_all(s);
        f->course = (struct task_course){of - f->best.step, of};
        code = task_fit_run(f, f->best.n_steps, f->best.step, e);
    }
    if (budget_over(&s->run->budget))
        task_fit_take_best(f);
    task_tune_apply(f, &s->own_part);
    return code;
}

static enum err_code train(void *state, struct err *e)
{
    struct task *s = state;
    struct task_trial *best = s->best;
    real table[TASK_KNOWN_BUCKETS * TASK_QUANTILES];
    bool calibrated = false;
    enum err_code code = ERR_OK;
    task_tune_own_part(&best->fit, &s->own_part);
    if (!s->run->data->tasks->time)
        s->none_loss = task_fit_validate(&best->fit, TASK_KNOWN_NONE);
    if (!best->spec.task.n_classes) {
        best->spec.task.shrink = task_fit_shrink(&best->fit);
        code = task_tune_calibrate(&best->fit, table, &calibrated, e);
    }
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
                       "model for all tasks, the loss is %.4g\n",
                       own->scale, own->loss_for_all);
    else
        (void)snprintf(r->summary + n, sizeof r->summary - n,
                       "one model for all tasks is taken: a part of its own for each is not surely better, "
                       "the loss is %.4g\n",
                       own->loss_as_learned);
}

static const char *closed_form_name(enum task_start_kind start)
{
    return start == TASK_START_LEVELS ? "a ridge regression with a level a task"
                                      : "a hierarchical ridge regression";
}

static const char *model_words(const struct task *s)
{
    bool generates = s->best->spec.n_layers > 0;
    if (is_closed_form(s))
        return closed_form_name(s->best->start);
    if (s->best->linear)
        return generates ? "a linear model and a network with generated weights" : "a linear model";
    return generates ? "a network and one with generated weights behind it" : "a network";
}

static const char *loss_name(const struct task_spec *t)
{
    static const char *const names[] = {"root mean squared error", "mean absolute error",
                                        "mean error relative to the target", "Poisson's mean deviance"};
    return t->n_classes ? "negative log likelihood" : names[t->loss];
}

/* How the target was learned, of numbers. */
static void report_form(const struct task *s, struct train_report *r)
{
    const struct task_spec *t = &s->best->spec.task;
    size_t n = strlen(r->summary);
    if (t->n_classes)
        return;
    report_text(r, "scale", target_scale_name(t->scale));
    report_text(r, "loss_of", target_loss_name(t->loss));
    report_measure(r, "clip", 4, t->clip * t->target_deviation);
    if (t->scale != SCALE_IDENTITY)
        n += (size_t)snprintf(r->summary + n, sizeof r->summary - n, "the target is learned by its %s\n",
                              t->scale == SCALE_LOG     ? "logarithm"
                              : t->scale == SCALE_COUNT ? "likelihood of counts"
                                                        : "asinh");
    if (t->clip > 0)
        (void)snprintf(r->summary + n, sizeof r->summary - n,
                       "rows further than %.4g from what all tasks have count as if that far\n",
                       t->clip * t->target_deviation);
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
    report_text(r, "chosen", s->best->linear ? "linear" : "net");
    report_text(r, "generator",
                s->best->spec.n_layers ? generator_name(s->best->spec.layers[0].generator) : "none");
    report_count(r, "schedule", (size_t)f->best.n_steps);
    report_count(r, "best_step", (size_t)f->best.step);
    report_count(r, "parameters", r->n_parameters);
    report_measure(r, "seconds", 2, r->seconds);
    report_measure(r, "loss", 4, s->own_part.loss);
    report_measure(r, "loss_without_rows", 4, s->none_loss);
    int n =
        snprintf(r->summary, sizeof r->summary, "%zu tasks; %s, %ld steps; %s of a row in validation %.4g",
                 n_tasks, model_words(s), f->best.step, loss_name(&s->best->spec.task), s->own_part.loss);
    if (isfinite(s->none_loss))
        n += snprintf(r->summary + n, sizeof r->summary - (size_t)n,
                      ", %.4g where no row of its task is known", s->none_loss);
    (void)snprintf(r->summary + n, sizeof r->summary - (size_t)n, "\n");
    report_form(s, r);
    report_own_part(s, r);
}

static void fini(void *state)
{
    struct task *s = state;
    for (size_t i = 0; i < MOST_FORMS; i++)
        task_trial_fini(&s->linear[i]);
    for (size_t i = 0; i < MOST_NETS; i++)
        task_trial_fini(&s->nets[i]);
    for (size_t i = 0; i < N_COUNTS; i++)
        task_trial_fini(&s->counts[i]);
    task_trial_fini(&s->grown);
    task_trial_fini(&s->went_on);
    for (size_t i = 0; i < MOST_CANDIDATES; i++)
        task_moment_fini(&s->candidates[i].moment);
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
