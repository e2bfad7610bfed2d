/* A step's tasks are cut into the same shards whatever the number of threads, and their gradients are
 * added in order. */
#include "engine/train/task/task_fit.h"

#include "base/mem.h"
#include "engine/train/gradient/adam.h"

#include <math.h>
#include <string.h>

enum {
    WARM_UP = 100,
    VALIDATE_EVERY = 50,
    MOST_HELD = 200,
    MOST_AHEAD = 400, /* tasks that are validated on by their newest rows */
    HELD_PERCENT = 15,
    PATIENCE_PERCENT = 30, /* of the steps */
    PER_SHARD = TASK_BATCH / TASK_SHARDS
};
static const double rate = 3e-3, last_rate = 0.02, scales_rate = 5, clip_norm = 1;
static const double decay = 0.6; /* of a schedule of any length: weights shrink by exp(-decay) */

/* ---- which tasks ---- */

static size_t n_rows(const struct task_table *t, size_t task)
{
    return t->row_start[task + 1] - t->row_start[task];
}

/* Tasks of one row teach nothing about the others of it: they are left out. */
static enum err_code choose_tasks(struct task_fit *f, struct err *e)
{
    const struct task_table *t = f->table;
    struct rng r;
    size_t n = 0;
    f->tasks = mem_alloc_array(t->n_tasks, sizeof *f->tasks);
    if (!f->tasks)
        return err_set(e, ERR_NOMEM, "no memory for %zu tasks", t->n_tasks);
    for (size_t i = 0; i < t->n_tasks; i++)
        if (n_rows(t, i) > 1)
            f->tasks[n++] = (uint32_t)i;
    if (n < 2)
        return err_set(e, ERR_INVALID, "training needs at least two tasks with two rows; there are %zu", n);
    rng_init(&r, f->run->options.seed, 1);
    rng_shuffle(&r, f->tasks, n);
    if (t->time) {
        f->n_held = n < MOST_AHEAD ? n : MOST_AHEAD;
        f->n_learned = n;
        return ERR_OK;
    }
    f->n_held = (n * HELD_PERCENT + 50) / 100;
    f->n_held = f->n_held < 1 ? 1 : f->n_held > MOST_HELD ? MOST_HELD : f->n_held;
    f->first_learned = f->n_held;
    f->n_learned = n - f->n_held;
    return ERR_OK;
}

/* What lies ahead: the newest part of the whole table's time. */
static void choose_times(struct task_fit *f)
{
    const struct task_table *t = f->table;
    double first = INFINITY, last = -INFINITY;
    f->from = INFINITY;
    for (size_t i = 0; t->time && i < t->row_start[t->n_tasks]; i++) {
        first = fmin(first, t->time[i]);
        last = fmax(last, t->time[i]);
    }
    if (t->time)
        f->from = last - (last - first) * HELD_PERCENT / 100;
}

/* What every drawing has to know of times. */
static void set_times(const struct task_fit *f, struct task_drawing *d)
{
    const struct train_options *o = &f->run->options;
    d->period = f->spec->task.period > 0 ? f->spec->task.period : 1;
    d->gap = o->gap;
    d->horizon = o->horizon > 0 ? o->horizon : d->period;
    d->until = f->from;
}

enum err_code task_fit_init(struct task_fit *f, struct run *run, const struct model_spec *spec,
                            const struct task_table *table, struct param_block *block, struct err *e)
{
    *f = (struct task_fit){
        .run = run, .spec = spec, .table = table, .block = block, .best_loss = INFINITY, .none_loss = NAN};
    enum err_code code = choose_tasks(f, e);
    choose_times(f);
    f->best = mem_alloc_array(block->n_values, sizeof *f->best);
    if (!code && !f->best)
        code = err_set(e, ERR_NOMEM, "no memory for %zu parameters", block->n_values);
    for (size_t i = 0; i < TASK_SHARDS && !code; i++) {
        struct task_shard *s = &f->shards[i];
        s->grads = mem_zalloc_array(block->n_values, sizeof *s->grads);
        if (!s->grads)
            code = err_set(e, ERR_NOMEM, "no memory for %zu gradients", block->n_values);
        else
            param_block_dense_views(block, s->grads, &s->grad_params);
        for (size_t k = 0; k < PER_SHARD && !code; k++) {
            code = task_drawing_init(&s->drawing[k], spec, table, e);
            if (!code)
                set_times(f, &s->drawing[k]);
        }
        if (!code)
            code = task_step_init(&s->step, spec, TASK_MOST_ROWS, e);
    }
    return code;
}

void task_fit_fini(struct task_fit *f)
{
    for (size_t i = 0; i < TASK_SHARDS; i++) {
        mem_free(f->shards[i].grads);
        task_step_fini(&f->shards[i].step);
        for (size_t k = 0; k < PER_SHARD; k++)
            task_drawing_fini(&f->shards[i].drawing[k]);
    }
    mem_free(f->tasks);
    mem_free(f->best);
    *f = (struct task_fit){0};
}

/* ---- a step ---- */

static void draw_shard(void *arg, size_t i, size_t thread)
{
    struct task_fit *f = arg;
    struct rng r;
    (void)thread;
    for (size_t k = 0; k < PER_SHARD; k++) {
        rng_init(&r, f->run->options.seed,
                 (uint64_t)(f->step * TASK_BATCH + (long)(i * PER_SHARD + k)) + 1000);
        size_t task = f->tasks[f->first_learned + rng_below(&r, f->n_learned)];
        task_drawing_next(&f->shards[i].drawing[k], task, TASK_KNOWN_ANY, &r);
    }
}

static void run_shard(void *arg, size_t i, size_t thread)
{
    struct task_fit *f = arg;
    struct task_shard *s = &f->shards[i];
    size_t n_queries = 0;
    (void)thread;
    for (size_t j = 0; j < TASK_SHARDS; j++)
        for (size_t k = 0; k < PER_SHARD; k++)
            n_queries += f->shards[j].drawing[k].n_queries;
    s->loss = 0;
    for (size_t k = 0; k < PER_SHARD; k++)
        if (s->drawing[k].n_queries)
            s->loss += task_step_loss(&s->step, &f->block->params, &s->drawing[k].draw,
                                      1.0 / (double)n_queries, &s->grad_params);
}

/* Adds up the shards' gradients; returns the factor that brings them to the greatest norm. */
static double gather(struct task_fit *f)
{
    double norm = 0;
    for (size_t i = 0; i < TASK_SHARDS; i++)
        for (size_t k = 0; k < f->block->n_values; k++) {
            f->block->grads[k] += f->shards[i].grads[k];
            f->shards[i].grads[k] = 0;
        }
    for (size_t k = 0; k < f->block->n_values; k++)
        norm += (double)f->block->grads[k] * (double)f->block->grads[k];
    norm = sqrt(norm);
    return norm > clip_norm ? clip_norm / norm : 1;
}

static double rate_at(long step, long n_steps)
{
    double at = (double)step / (double)n_steps;
    return rate * fmin(1, (double)(step + 1) / WARM_UP) *
           (last_rate + (1 - last_rate) * 0.5 * (1 + cos(M_PI * at)));
}

static void update(struct task_fit *f, double factor)
{
    struct param_block *b = f->block;
    double now = rate_at(f->step, f->n_steps);
    for (size_t i = 0; i < b->n_tensors; i++) {
        const struct tensor_spec *t = &b->tensors[i];
        bool scales = t->group == GROUP_HEAD;
        struct adam adam = {
            .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8, .weight_decay = t->vector ? 0 : f->weight_decay};
        adam_update(&adam, f->step + 1, scales ? scales_rate * now : now, factor, t->n_rows * t->n_cols,
                    b->values + b->offset[i], b->grads + b->offset[i], b->moment1 + b->offset[i],
                    b->moment2 + b->offset[i]);
    }
}

/* ---- validation ---- */

struct validation {
    struct task_fit *f;
    enum task_known known;
    double loss[TASK_SHARDS];
    size_t n_queries[TASK_SHARDS];
};

void task_fit_draw_held(const struct task_fit *f, struct task_drawing *d, size_t k, enum task_known known,
                        struct rng *r)
{
    if (!f->table->time) {
        task_drawing_next(d, f->tasks[k], known, r);
        return;
    }
    d->until = INFINITY;
    task_drawing_ahead(d, f->tasks[k], f->from, r);
    d->until = f->from;
}

static void validate_shard(void *arg, size_t i, size_t thread)
{
    struct validation *v = arg;
    struct task_fit *f = v->f;
    struct task_shard *s = &f->shards[i];
    struct rng r;
    (void)thread;
    for (size_t k = i; k < f->n_held; k += TASK_SHARDS) {
        rng_init(&r, f->run->options.seed, 500 + k);
        task_fit_draw_held(f, &s->drawing[0], k, v->known, &r);
        if (s->drawing[0].n_queries)
            v->loss[i] += task_step_loss(&s->step, &f->block->params, &s->drawing[0].draw, 1, NULL);
        v->n_queries[i] += s->drawing[0].n_queries;
    }
}

/* The same rows each time. */
static double validate(struct task_fit *f, enum task_known known)
{
    struct validation v = {.f = f, .known = known};
    double loss = 0;
    size_t n = 0;
    parallel_for(f->run->team, TASK_SHARDS, validate_shard, &v);
    for (size_t i = 0; i < TASK_SHARDS; i++) {
        loss += v.loss[i];
        n += v.n_queries[i];
    }
    f->n_validated = n;
    return loss / (double)n;
}

static void keep_if_better(struct task_fit *f)
{
    double loss = validate(f, TASK_KNOWN_ALL);
    if (!f->table->time)
        loss = (loss + validate(f, TASK_KNOWN_FEW)) / 2;
    if (!(loss < f->best_loss))
        return;
    f->best_loss = loss;
    f->best_step = f->step;
    f->best_schedule = f->n_steps;
    memcpy(f->best, f->block->values, f->block->n_values * sizeof *f->best);
}

static bool tell(struct task_fit *f, double loss)
{
    struct progress p = progress_at("train", (double)f->step / (double)f->n_steps);
    p.loss = loss;
    p.metric_name = "validation loss";
    p.best_metric = isfinite(f->best_loss) ? f->best_loss : NAN;
    p.left_s = budget_elapsed(&f->run->budget) * (double)(f->n_steps - f->step) / (double)f->step;
    run_tell(f->run, p);
    return !budget_over(&f->run->budget);
}

/* One step; false: its numbers are not finite, and nothing changed. */
static bool step_once(struct task_fit *f, double *loss)
{
    parallel_for(f->run->team, TASK_SHARDS, draw_shard, f);
    parallel_for(f->run->team, TASK_SHARDS, run_shard, f);
    *loss = 0;
    for (size_t i = 0; i < TASK_SHARDS; i++)
        *loss += f->shards[i].loss;
    double factor = gather(f);
    if (!isfinite(*loss) || !isfinite(factor))
        return false;
    update(f, factor);
    f->step++;
    return true;
}

/* Whether this schedule still may become better: it has brought something lately. */
static bool has_hope(const struct task_fit *f)
{
    long since = f->best_schedule == f->n_steps ? f->best_step : 0;
    return f->step - since <= f->n_steps * PATIENCE_PERCENT / 100;
}

enum err_code task_fit_run(struct task_fit *f, long n_steps, long last, struct err *e)
{
    double sum = 0, loss;
    bool goes_on = true;
    long end = last ? last : n_steps;
    f->n_steps = n_steps;
    for (long i = 0; i < n_steps; i++)
        sum += rate_at(i, n_steps);
    f->weight_decay = decay / sum;
    for (f->step = 0; f->step < end && goes_on;) {
        if (!step_once(f, &loss))
            break;
        bool over = budget_over(&f->run->budget);
        if (f->step % VALIDATE_EVERY && f->step < end && !over)
            continue;
        if (!last)
            keep_if_better(f);
        goes_on = tell(f, loss) && !over && (last || has_hope(f));
    }
    if (isfinite(f->best_loss))
        return ERR_OK;
    return f->n_validated
               ? err_set(e, ERR_INVALID, "training left the range of numbers at step %ld", f->step)
               : err_set(e, ERR_INVALID,
                         "no row is left to validate on: none of a task comes so long after known ones "
                         "as --gap and --horizon say, in the newest %d %% of the time",
                         HELD_PERCENT);
}

void task_fit_take_best(struct task_fit *f)
{
    memcpy(f->block->values, f->best, f->block->n_values * sizeof *f->best);
    if (!f->table->time)
        f->none_loss = validate(f, TASK_KNOWN_NONE);
}

void task_fit_learn_all(struct task_fit *f)
{
    f->from = INFINITY;
    for (size_t i = 0; i < TASK_SHARDS; i++)
        for (size_t k = 0; k < PER_SHARD; k++)
            f->shards[i].drawing[k].until = INFINITY;
}
