#include "engine/train/task/task_trial.h"

#include "engine/train/task/task_start.h"

#include <math.h>

static const struct task_table *table_of(const struct task_trial *t)
{
    return t->run->data->tasks;
}

/* From where on rows are outliers, twice: what all tasks have is better known once they are cut. */
static enum err_code find_clip(struct task_trial *t, struct err *e)
{
    struct task_mixed first = {0};
    const struct task_mixed_wanted wanted = {.levels = true, .about = &first};
    struct model_spec whole = t->spec;
    enum err_code code =
        task_mixed_find(&whole, table_of(t), t->holdout, &wanted, &t->run->budget, &first, e);
    if (!code)
        code = task_mixed_clip(&t->spec, table_of(t), t->holdout, &first, &t->spec.task.clip, e);
    if (!code && t->spec.task.clip > 0)
        code = task_mixed_find(&t->spec, table_of(t), t->holdout, &wanted, &t->run->budget, &t->about, e);
    if (!code && t->spec.task.clip > 0)
        code = task_mixed_clip(&t->spec, table_of(t), t->holdout, &t->about, &t->spec.task.clip, e);
    task_mixed_fini(&first);
    return code;
}

enum err_code task_trial_init(struct task_trial *t, struct run *run, const struct task_holdout *holdout,
                              bool linear, struct task_form form, double clip, struct err *e)
{
    *t = (struct task_trial){.run = run, .holdout = holdout, .form = form, .linear = linear};
    enum err_code code = task_start_spec(run, linear, form.scale, &t->spec, e);
    if (!code && form.clips)
        code = task_start_robust(table_of(t), &t->spec, e);
    t->spec.task.clip = clip;
    if (!code)
        code = model_spec_check(&t->spec, e);
    if (!code && form.clips && linear)
        code = find_clip(t, e);
    if (!code)
        code = param_block_init(&t->block, &t->spec, e);
    t->has_block = !code;
    if (!code)
        code = task_fit_init(&t->fit, run, &t->spec, table_of(t), holdout, &t->block, e);
    return code;
}

void task_trial_fini(struct task_trial *t)
{
    task_fit_fini(&t->fit);
    if (t->has_block)
        param_block_fini(&t->block);
    task_mixed_fini(&t->about);
    for (int i = 0; i < N_TASK_STARTS; i++)
        task_mixed_fini(&t->mixed[i]);
}

static enum err_code find(struct task_trial *t, const struct task_holdout *holdout, enum task_start_kind kind,
                          struct err *e)
{
    const struct task_mixed_wanted wanted = {.levels = kind == TASK_START_LEVELS, .about = &t->about};
    task_mixed_fini(&t->mixed[kind]);
    return task_mixed_find(&t->spec, table_of(t), holdout, &wanted, &t->run->budget, &t->mixed[kind], e);
}

void task_trial_start(struct task_trial *t, bool normal)
{
    task_start_values(t->run, &t->spec, &t->block);
    if (t->linear)
        task_start_from_mixed(&t->spec, &t->mixed[t->start], &t->block);
    if (normal)
        task_start_normal(&t->spec, &t->block);
    t->fit.normal = normal;
}

enum err_code task_trial_solve(struct task_trial *t, struct err *e)
{
    enum task_start_kind best = TASK_START_SLOPES;
    for (int kind = 0; kind < N_TASK_STARTS; kind++) {
        double before = t->fit.best.cost;
        enum err_code code = find(t, t->holdout, (enum task_start_kind)kind, e);
        if (code)
            return code;
        t->start = (enum task_start_kind)kind;
        task_trial_start(t, false);
        task_fit_keep(&t->fit);
        best = t->fit.best.cost < before ? t->start : best;
    }
    t->start = best;
    return ERR_OK;
}

enum err_code task_trial_solve_all(struct task_trial *t, struct err *e)
{
    struct task_holdout all = *t->holdout;
    all.held = NULL;
    all.from = INFINITY;
    all.n_learned += all.first_learned;
    all.first_learned = 0;
    return t->linear ? find(t, &all, t->start, e) : ERR_OK;
}
