/* A step's tasks are cut into the same shards whatever the number of threads, and their gradients are
 * added in order. */
#include "engine/train/task/task_fit.h"

#include "base/mem.h"
#include "engine/train/gradient/adam.h"
#include "engine/train/task/task_score.h"
#include "engine/train/task/task_start.h"

#include <math.h>
#include <string.h>

enum {
    WARM_UP = 100,
    VALIDATE_EVERY = 50,
    PATIENCE_PERCENT = 30, /* of the steps */
    PER_SHARD = TASK_BATCH / TASK_SHARDS
};
static const double rate = 3e-3, last_rate = 0.02, scales_rate = 5, clip_norm = 1;
static const double decay = 0.6; /* of a schedule of any length: weights shrink by exp(-decay) */

/* What every drawing has to know of times, and of what is validated on. */
static void set_bounds(const struct task_fit *f, struct task_drawing *d)
{
    const struct train_options *o = &f->run->options;
    d->period = f->spec->task.period > 0 ? f->spec->task.period : 1;
    d->gap = o->gap;
    d->horizon = o->horizon > 0 ? o->horizon : d->period;
    d->until = f->holdout->from;
    d->held = f->holdout->held;
}

void task_moment_fini(struct task_moment *m)
{
    mem_free(m->values);
    mem_free(m->losses);
    mem_free(m->surprises);
    *m = (struct task_moment){0};
}

static enum err_code moment_init(const struct task_fit *f, struct task_moment *m, struct err *e)
{
    size_t n = TASK_WAYS * f->holdout->n_held;
    *m = (struct task_moment){.values = mem_alloc_array(f->block->n_values, sizeof *m->values),
                              .losses = mem_zalloc_array(n, sizeof *m->losses),
                              .surprises = mem_zalloc_array(n, sizeof *m->surprises),
                              .loss = INFINITY,
                              .cost = INFINITY};
    if (m->values && m->losses && m->surprises)
        return ERR_OK;
    task_moment_fini(m);
    return err_set(e, ERR_NOMEM, "no memory for %zu parameters", f->block->n_values);
}

enum err_code task_fit_set_aside(struct task_fit *f, struct task_moment *out, struct err *e)
{
    struct task_moment next;
    enum err_code code = moment_init(f, &next, e);
    if (code)
        return code;
    f->least_before = fmin(f->least_before, f->best.cost);
    *out = f->best;
    f->best = next;
    return ERR_OK;
}

void task_fit_restore(struct task_fit *f, struct task_moment *m)
{
    task_moment_fini(&f->best);
    f->best = *m;
    *m = (struct task_moment){0};
}

enum err_code task_fit_init(struct task_fit *f, struct run *run, const struct model_spec *spec,
                            const struct task_table *table, const struct task_holdout *holdout,
                            struct param_block *block, struct err *e)
{
    enum err_code code = ERR_OK;
    *f = (struct task_fit){.run = run,
                           .spec = spec,
                           .table = table,
                           .holdout = holdout,
                           .block = block,
                           .of_counts = task_start_counts(run),
                           .least_before = INFINITY};
    f->scores = mem_alloc_array(TASK_WAYS * holdout->n_held, sizeof *f->scores);
    f->losses = mem_zalloc_array(TASK_WAYS * holdout->n_held, sizeof *f->losses);
    f->surprises = mem_zalloc_array(TASK_WAYS * holdout->n_held, sizeof *f->surprises);
    if (!f->scores || !f->losses || !f->surprises)
        code = err_set(e, ERR_NOMEM, "no memory for the losses of %zu tasks", holdout->n_held);
    if (!code)
        code = moment_init(f, &f->best, e);
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
                set_bounds(f, &s->drawing[k]);
        }
        if (!code)
            code = task_step_init(&s->step, spec, TASK_MOST_ROWS, e);
        if (!code)
            code = task_solver_init(&s->solver, spec, &block->params, TASK_MOST_ROWS, e);
    }
    return code;
}

void task_fit_fini(struct task_fit *f)
{
    for (size_t i = 0; i < TASK_SHARDS; i++) {
        mem_free(f->shards[i].grads);
        task_step_fini(&f->shards[i].step);
        task_solver_fini(&f->shards[i].solver);
        for (size_t k = 0; k < PER_SHARD; k++)
            task_drawing_fini(&f->shards[i].drawing[k]);
    }
    task_moment_fini(&f->best);
    mem_free(f->scores);
    mem_free(f->losses);
    mem_free(f->surprises);
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
        const struct task_holdout *h = f->holdout;
        size_t task = h->tasks[h->first_learned + rng_below(&r, h->n_learned)];
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
    real shape = b->params.task_scales[1];
    for (size_t i = 0; i < b->n_tensors; i++) {
        const struct tensor_spec *t = &b->tensors[i];
        bool scales = t->group == GROUP_HEAD;
        struct adam adam = {
            .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8, .weight_decay = t->vector ? 0 : f->weight_decay};
        adam_update(&adam, f->step + 1, scales ? scales_rate * now : now, factor, t->n_rows * t->n_cols,
                    b->values + b->offset[i], b->grads + b->offset[i], b->moment1 + b->offset[i],
                    b->moment2 + b->offset[i]);
    }
    if (f->normal && !task_is_of_counts(f->spec)) /* of counts it is the prior */
        b->params.task_scales[1] = shape;
}

/* ---- validation ---- */

struct validation {
    struct task_fit *f;
    enum task_known known;
    size_t n_queries[TASK_SHARDS];
    double *surprises;         /* (n_held) sums of the negative log likelihood, or ... */
    struct task_score *scores; /* (n_held) */
};

void task_fit_draw_held(const struct task_fit *f, struct task_drawing *d, size_t k, enum task_known known,
                        uint64_t turn)
{
    const struct task_holdout *h = f->holdout;
    struct rng r;
    rng_init(&r, f->run->options.seed, (turn << 32) + 500 + k);
    if (f->table->time) {
        d->until = INFINITY;
        task_drawing_ahead(d, h->tasks[k], h->from, &r);
        d->until = h->from;
    } else if (h->held) {
        task_drawing_held(d, h->tasks[k], known, &r);
    } else {
        task_drawing_next(d, h->tasks[k], known, &r);
    }
}

enum err_code task_fit_answer(struct task_solver *solver, const struct task_draw *d, task_held_fn *fn,
                              void *arg, struct err *e)
{
    bool forgets = solver->spec->task.forgets;
    double forgetting = forgets ? exp((double)solver->params->task_scales[TASK_SCALES]) : 0;
    enum err_code code = ERR_OK;
    task_solver_rows(solver, d->x, d->n);
    memcpy(solver->y, d->y, d->n * sizeof *d->y);
    for (size_t j = 0; j < d->n_splits && !code; j++) {
        for (size_t i = 0; i < d->n; i++)
            solver->weights[i] =
                d->support[j * d->n + i] * (forgets ? exp(-forgetting * d->age[j * d->n + i]) : 1);
        task_solver_start(solver);
        task_solver_know(solver, d->n);
        if (!task_solver_solve(solver))
            continue;
        task_solver_predict(solver, d->n);
        code = fn(arg, solver, d, j, e);
    }
    return code;
}

static enum err_code add_score(void *arg, const struct task_solver *solver, const struct task_draw *d,
                               size_t j, struct err *e)
{
    (void)e;
    task_score_add(arg, solver, d, j);
    return ERR_OK;
}

static bool is_of_classes(const struct task_fit *f)
{
    return f->spec->task.n_classes > 0;
}

static void likelihood_shard(void *arg, size_t i, size_t thread)
{
    struct validation *v = arg;
    struct task_fit *f = v->f;
    struct task_shard *s = &f->shards[i];
    (void)thread;
    for (size_t k = i; k < f->holdout->n_held; k += TASK_SHARDS) {
        task_fit_draw_held(f, &s->drawing[0], k, v->known, 0);
        v->surprises[k] = s->drawing[0].n_queries
                              ? task_step_loss(&s->step, &f->block->params, &s->drawing[0].draw, 1, NULL)
                              : 0;
        v->n_queries[i] += s->drawing[0].n_queries;
    }
}

static void score_shard(void *arg, size_t i, size_t thread)
{
    struct validation *v = arg;
    struct task_fit *f = v->f;
    struct task_shard *s = &f->shards[i];
    struct err e = {0};
    (void)thread;
    for (size_t k = i; k < f->holdout->n_held; k += TASK_SHARDS) {
        task_fit_draw_held(f, &s->drawing[0], k, v->known, 0);
        v->scores[k] = (struct task_score){.of_counts = f->of_counts};
        if (s->drawing[0].n_queries)
            (void)task_fit_answer(&s->solver, &s->drawing[0].draw, add_score, &v->scores[k], &e);
        v->n_queries[i] += s->drawing[0].n_queries;
    }
}

/* Rows that are asked for; the same each time. */
static size_t run_validation(struct task_fit *f, struct validation *v, parallel_fn *shard)
{
    size_t n = 0;
    v->f = f;
    parallel_for(f->run->team, TASK_SHARDS, shard, v);
    for (size_t i = 0; i < TASK_SHARDS; i++)
        n += v->n_queries[i];
    return f->n_validated = n;
}

/* The mean of a row; surprises (n_held). */
static double likelihood(struct task_fit *f, enum task_known known, double *surprises)
{
    struct validation v = {.known = known, .surprises = surprises};
    double sum = 0;
    size_t n = run_validation(f, &v, likelihood_shard);
    for (size_t k = 0; k < f->holdout->n_held; k++)
        sum += surprises[k];
    return sum / (double)n;
}

/* False: a task could not be solved for, or there is nothing to validate on. */
static bool score(struct task_fit *f, enum task_known known, struct task_score *scores,
                  struct task_score *out)
{
    struct validation v = {.known = known, .scores = scores};
    size_t n = run_validation(f, &v, score_shard);
    *out = (struct task_score){0};
    for (size_t k = 0; k < f->holdout->n_held; k++)
        task_score_merge(out, &scores[k]);
    return n > 0 && out->n == n;
}

double task_fit_validate(struct task_fit *f, enum task_known known)
{
    struct task_score s;
    if (is_of_classes(f))
        return likelihood(f, known, f->surprises);
    return score(f, known, f->scores, &s) ? task_score_loss(&s, 1, &f->spec->task, NULL) : NAN;
}

static const enum task_known ways[TASK_WAYS] = {TASK_KNOWN_ALL, TASK_KNOWN_FEW};

static size_t n_ways(const struct task_fit *f)
{
    return f->table->time ? 1 : TASK_WAYS;
}

/* All ways of knowing together; *best is not set where the loss is NAN. */
static double both(struct task_fit *f, size_t *best)
{
    struct task_score s[TASK_WAYS];
    size_t n_held = f->holdout->n_held, n = n_ways(f);
    f->n_said = 0;
    for (size_t i = 0; i < n; i++) {
        if (!score(f, ways[i], f->scores + i * n_held, &s[i]))
            return NAN;
        f->n_said += f->n_validated;
    }
    *best = 0;
    double loss = task_score_loss(s, n, &f->spec->task, best);
    for (size_t i = 0; i < n * n_held; i++) {
        f->losses[i] = f->scores[i].loss[*best];
        f->surprises[i] = f->scores[i].surprise;
    }
    return loss;
}

struct task_said_shape task_fit_shape(const struct task_fit *f)
{
    bool squared = !is_of_classes(f) && f->spec->task.loss == LOSS_SQUARED;
    return (struct task_said_shape){n_ways(f), f->holdout->n_held, f->n_said, squared};
}

double task_fit_likelihood(struct task_fit *f)
{
    size_t n = n_ways(f);
    double sum = 0;
    f->n_said = 0;
    for (size_t i = 0; i < n; i++) {
        sum += likelihood(f, ways[i], f->surprises + i * f->holdout->n_held);
        f->n_said += f->n_validated;
    }
    return sum / (double)n;
}

double task_fit_loss(struct task_fit *f)
{
    size_t best;
    if (!is_of_classes(f))
        return both(f, &best);
    double loss = task_fit_likelihood(f);
    memcpy(f->losses, f->surprises, n_ways(f) * f->holdout->n_held * sizeof *f->losses);
    return loss;
}

double task_fit_shrink(struct task_fit *f)
{
    size_t best = 0;
    return isfinite(both(f, &best)) ? task_score_shrink(&f->spec->task, best) : 0;
}

/* In the last task_fit_loss. */
static double surprise_of_row(const struct task_fit *f)
{
    double sum = 0;
    for (size_t i = 0; i < n_ways(f) * f->holdout->n_held; i++)
        sum += f->surprises[i];
    return sum / (double)f->n_said;
}

void task_fit_keep(struct task_fit *f)
{
    double loss = task_fit_loss(f), cost = is_of_classes(f) ? loss : log(loss) + surprise_of_row(f);
    struct task_moment *m = &f->best;
    size_t n = n_ways(f) * f->holdout->n_held;
    if (!(cost < m->cost))
        return;
    m->loss = loss;
    m->cost = cost;
    m->step = f->step;
    m->n_steps = f->n_steps;
    m->normal = f->normal;
    memcpy(m->values, f->block->values, f->block->n_values * sizeof *m->values);
    memcpy(m->losses, f->losses, n * sizeof *m->losses);
    memcpy(m->surprises, f->surprises, n * sizeof *m->surprises);
}

static bool tell(struct task_fit *f, double loss)
{
    long done = f->course.before + f->step, all = done > f->course.of ? done : f->course.of;
    struct progress p = progress_at("train", (double)done / (double)all);
    p.loss = loss;
    p.metric_name = "validation loss";
    p.best_metric = isfinite(f->best.loss) ? f->best.loss : NAN;
    p.left_s = budget_elapsed(&f->run->budget) * (double)(all - done) / (double)done;
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

/* Whether this course still may become better than those before it: it has brought something lately. */
static bool has_hope(const struct task_fit *f)
{
    long since = f->best.cost < f->least_before ? f->best.step : 0;
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
    f->step = 0;
    if (!last)
        task_fit_keep(f); /* the start: what closed forms say */
    for (f->step = 0; f->step < end && goes_on;) {
        if (!step_once(f, &loss))
            break;
        bool over = budget_over(&f->run->budget);
        if (f->step % VALIDATE_EVERY && f->step < end && !over)
            continue;
        if (!last)
            task_fit_keep(f);
        goes_on = tell(f, loss) && !over && (last || has_hope(f));
    }
    if (isfinite(fmin(f->best.cost, f->least_before)))
        return ERR_OK;
    return f->n_validated
               ? err_set(e, ERR_INVALID, "training left the range of numbers at step %ld", f->step)
               : err_set(e, ERR_INVALID,
                         "no row is left to validate on: none of a task comes so long after known ones "
                         "as --gap and --horizon say, in the newest %d %% of the time",
                         TASK_HELD_PERCENT);
}

void task_fit_take_best(struct task_fit *f)
{
    memcpy(f->block->values, f->best.values, f->block->n_values * sizeof *f->best.values);
}

void task_fit_learn_all(struct task_fit *f)
{
    for (size_t i = 0; i < TASK_SHARDS; i++)
        for (size_t k = 0; k < PER_SHARD; k++) {
            f->shards[i].drawing[k].until = INFINITY;
            f->shards[i].drawing[k].held = NULL;
        }
}
