#include "engine/train/task/task_trial.h"

#include "base/mem.h"
#include "engine/train/task/task_grown.h"
#include "engine/train/task/task_start.h"

#include <math.h>
#include <string.h>

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

/* The parameters of the spec, and what fits them. */
static enum err_code init_fit(struct task_trial *t, struct err *e)
{
    enum err_code code = model_spec_check(&t->spec, e);
    if (!code)
        code = param_block_init(&t->block, &t->spec, e);
    t->has_block = !code;
    return code ? code : task_fit_init(&t->fit, t->run, &t->spec, table_of(t), t->holdout, &t->block, e);
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
    return code ? code : init_fit(t, e);
}

/* About how large the numbers of phi (M) are: root mean squares over rows of tasks that are learned from, by
 * the parameters in the block. One that is next to nothing is not made as large as the others. */
static void measure_basis(struct task_trial *t, double *out)
{
    enum { MOST_TASKS = 64 };
    const double least = 0.1;
    const struct task_holdout *h = t->holdout;
    struct task_solver *solver = &t->fit.shards[0].solver;
    size_t m = t->spec.task.d_basis, n = 0;
    double all = 0;
    for (size_t k = 0; k < h->n_learned && k < MOST_TASKS; k++) {
        const struct task_table *table = table_of(t);
        size_t task = h->tasks[h->first_learned + k], from = table->row_start[task],
               n_rows = table->row_start[task + 1] - from;
        n_rows = n_rows < TASK_MOST_ROWS ? n_rows : TASK_MOST_ROWS;
        task_solver_rows(solver, table->x + from * t->spec.d_item, n_rows);
        for (size_t i = 0; i < n_rows * m; i++)
            out[i % m] += (double)solver->phi[i] * (double)solver->phi[i];
        n += n_rows;
    }
    for (size_t j = 0; j < m; j++)
        all += out[j] / (double)m;
    for (size_t j = 0; j < m; j++)
        out[j] = all > 0 ? sqrt(fmax(out[j], least * least * all) / (double)n) : 1;
}

enum err_code task_trial_grow(struct task_trial *t, struct task_trial *from, const struct task_moment *moment,
                              const enum generator *generator, struct err *e)
{
    size_t n = from->block.n_values;
    *t = (struct task_trial){.run = from->run,
                             .holdout = from->holdout,
                             .form = from->form,
                             .linear = from->linear,
                             .spec = from->spec,
                             .from = from,
                             .values = mem_alloc_array(n, sizeof *t->values),
                             .scale = mem_zalloc_array(from->spec.task.d_basis, sizeof *t->scale)};
    if (!t->values || !t->scale)
        return err_set(e, ERR_NOMEM, "no memory for %zu parameters", n);
    memcpy(t->values, moment->values, n * sizeof *t->values);
    memcpy(from->block.values, moment->values, n * sizeof *t->values);
    measure_basis(from, t->scale);
    if (generator)
        task_grown_spec(&t->spec, *generator);
    return init_fit(t, e);
}

void task_trial_fini(struct task_trial *t)
{
    mem_free(t->values);
    mem_free(t->scale);
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
    if (t->from)
        task_grown_values(t->run, &t->spec, &t->from->block, t->values, t->scale, &t->block);
    else
        task_start_values(t->run, &t->spec, &t->block);
    if (t->linear && !t->from)
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
    return t->linear && !t->from ? find(t, &all, t->start, e) : ERR_OK;
}
