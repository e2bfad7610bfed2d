#include "engine/train/one_for_all/pooled_fit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/train/gradient/adam.h"

#include <math.h>
#include <string.h>

enum {
    BATCH = 128,
    PIECE = 256, /* rows that are validated at once */
    FEW_STEPS = 1000,
    WARM_UP = 100,
    VALIDATE_EVERY = 100,
    MOST_VALIDATED = 5000, /* rows */
    PATIENCE_PERCENT = 30, /* of a schedule's steps */
    HELD_PERCENT = 15
};
static const double rate = 2e-3, last_rate = 0.02, clip_norm = 1;
static const double decay = 0.6; /* of a schedule of any length: weights shrink by exp(-decay) */

/* ---- what is held out ---- */

static void hold_newest(struct pooled_holdout *h, const struct pooled_rows *rows, size_t n)
{
    double first = INFINITY, last = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        first = fmin(first, rows->time[i]);
        last = fmax(last, rows->time[i]);
    }
    double from = last - (last - first) * HELD_PERCENT / 100;
    for (size_t i = 0; i < n; i++)
        h->held[i] = rows->time[i] > from;
}

/* A share of what is numbered 0 to n - 1, at least one where there are two, without replacement (Knuth 1969,
 * algorithm S). */
static void draw_share(struct rng *r, size_t n, void (*hold)(void *arg, size_t i), void *arg)
{
    size_t wanted = (n * HELD_PERCENT + 50) / 100;
    wanted = wanted == 0 && n > 1 ? 1 : wanted;
    for (size_t i = 0; i < n && wanted; i++)
        if (rng_below(r, n - i) < wanted) {
            hold(arg, i);
            wanted--;
        }
}

struct drawing {
    struct pooled_holdout *h;
    const struct pooled_rows *rows;
    size_t first; /* of the rows of a task */
};

static void hold_task(void *arg, size_t task)
{
    struct drawing *d = arg;
    size_t from = d->rows->row_start[task];
    memset(d->h->held + from, 1, d->rows->row_start[task + 1] - from);
}

static void hold_row(void *arg, size_t i)
{
    struct drawing *d = arg;
    d->h->held[d->first + i] = 1;
}

enum err_code pooled_holdout_make(struct pooled_holdout *h, const struct pooled_rows *rows, bool of_tasks,
                                  uint64_t seed, struct err *e)
{
    struct rng r;
    struct drawing d = {h, rows, 0};
    size_t n = rows->row_start[rows->n_tasks];
    rng_init(&r, seed, 61);
    *h = (struct pooled_holdout){.of_tasks = of_tasks && !rows->time && rows->n_tasks > 1};
    h->held = mem_zalloc_array(n + 1, sizeof *h->held);
    if (!h->held)
        return err_set(e, ERR_NOMEM, "no memory for marks of %zu rows", n);
    if (rows->time)
        hold_newest(h, rows, n);
    else if (h->of_tasks)
        draw_share(&r, rows->n_tasks, hold_task, &d);
    else
        for (size_t t = 0; t < rows->n_tasks; t++) {
            d.first = rows->row_start[t];
            draw_share(&r, rows->row_start[t + 1] - d.first, hold_row, &d);
        }
    for (size_t i = 0; i < n; i++)
        h->n_held += h->held[i];
    if (h->n_held == n) { /* nothing would be left to learn from */
        memset(h->held, 0, n);
        h->n_held = 0;
    }
    return ERR_OK;
}

void pooled_holdout_fini(struct pooled_holdout *h)
{
    mem_free(h->held);
    *h = (struct pooled_holdout){0};
}

/* ---- a course ---- */

struct course {
    struct pooled_network *net;
    const struct pooled_rows *rows;
    const struct pooled_options *o;
    struct pooled_pass pass;
    uint32_t *order, *validated; /* rows that are learned from, and drawn ones of those that are held */
    size_t n_learned, n_validated, next;
    long *touched; /* (n_tasks) the step in which a task's vector was changed last */
    real *best, *best_ids;
    struct rng rng;
    struct pooled_course *found;
    double weight_decay;
    long step, n_steps, before, of; /* steps before this schedule, and of all */
};

static void course_fini(struct course *c)
{
    pooled_pass_fini(&c->pass);
    mem_free(c->order);
    mem_free(c->touched);
    mem_free(c->best);
}

/* held NULL: all rows are learned from. */
static enum err_code course_init(struct course *c, const uint8_t *held, struct err *e)
{
    size_t n = c->rows->row_start[c->rows->n_tasks], n_values = c->net->block.n_values;
    size_t n_ids = (c->net->n_tasks + 1) * c->net->d_id;
    enum err_code code = pooled_pass_init(&c->pass, c->net, PIECE, e);
    if (code)
        return code;
    c->order = mem_alloc_array(n + 1, 2 * sizeof *c->order);
    c->touched = mem_zalloc_array(c->net->n_tasks + 1, sizeof *c->touched);
    c->best = mem_alloc_array(n_values + n_ids, sizeof *c->best);
    if (!c->order || !c->touched || !c->best)
        return err_set(e, ERR_NOMEM, "no memory for a course over %zu rows", n);
    c->validated = c->order + n + 1;
    c->best_ids = c->best + n_values;
    for (size_t i = 0; i < n; i++) {
        if (held && held[i])
            c->validated[c->n_validated++] = (uint32_t)i;
        else
            c->order[c->n_learned++] = (uint32_t)i;
    }
    rng_init(&c->rng, c->o->seed, 62);
    rng_shuffle(&c->rng, c->validated, c->n_validated);
    c->n_validated = c->n_validated < MOST_VALIDATED ? c->n_validated : MOST_VALIDATED;
    return ERR_OK;
}

static void add_row(struct course *c, size_t i)
{
    pooled_pass_add(&c->pass, c->rows->x + i * c->net->d_row, c->rows->y[i], c->rows->task[i]);
}

static void draw_batch(struct course *c)
{
    size_t n = c->n_learned < BATCH ? c->n_learned : BATCH;
    c->pass.n = 0;
    for (size_t i = 0; i < n; i++) {
        if (c->next == 0)
            rng_shuffle(&c->rng, c->order, c->n_learned);
        add_row(c, c->order[c->next]);
        c->next = (c->next + 1) % c->n_learned;
    }
}

static double rate_at(long step, long n_steps)
{
    double at = (double)step / (double)n_steps;
    return rate * fmin(1, (double)(step + 1) / WARM_UP) *
           (last_rate + (1 - last_rate) * 0.5 * (1 + cos(M_PI * at)));
}

/* The vectors of the batch's tasks, each once. */
static void update_ids(struct course *c, const struct adam *adam, double now, double factor)
{
    struct pooled_network *net = c->net;
    for (size_t i = 0; i < c->pass.n && net->d_id; i++) {
        size_t at = c->pass.task[i] * net->d_id;
        if (c->touched[c->pass.task[i]] == c->before + c->step + 1)
            continue;
        c->touched[c->pass.task[i]] = c->before + c->step + 1;
        adam_update(adam, c->step + 1, now, factor, net->d_id, net->ids + at, net->id_grads + at,
                    net->id_moment1 + at, net->id_moment2 + at);
    }
}

static void step_once(struct course *c)
{
    struct param_block *b = &c->net->block;
    double now = rate_at(c->step, c->n_steps), norm = 0;
    draw_batch(c);
    (void)pooled_pass_gradient(&c->pass, 1 / (double)c->pass.n);
    for (size_t i = 0; i < b->n_values; i++)
        norm += (double)b->grads[i] * (double)b->grads[i];
    double factor = norm > clip_norm * clip_norm ? clip_norm / sqrt(norm) : 1;
    for (size_t i = 0; i < b->n_tensors; i++) {
        const struct tensor_spec *t = &b->tensors[i];
        size_t at = b->offset[i];
        struct adam adam = {
            .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8, .weight_decay = t->vector ? 0 : c->weight_decay};
        adam_update(&adam, c->step + 1, now, factor, t->n_rows * t->n_cols, b->values + at, b->grads + at,
                    b->moment1 + at, b->moment2 + at);
    }
    struct adam adam = {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8, .weight_decay = c->weight_decay};
    update_ids(c, &adam, now, factor);
    c->step++;
}

static double validate(struct course *c)
{
    double loss = 0;
    pooled_network_set_mean_id(c->net);
    for (size_t i = 0; i < c->n_validated;) {
        for (c->pass.n = 0; i < c->n_validated && c->pass.n < PIECE; i++)
            add_row(c, c->validated[i]);
        loss += pooled_pass_loss(&c->pass);
    }
    return loss / (double)c->n_validated;
}

static void keep_if_better(struct course *c)
{
    double loss = validate(c);
    size_t n_ids = (c->net->n_tasks + 1) * c->net->d_id;
    if (!(loss < c->found->error))
        return;
    *c->found = (struct pooled_course){c->n_steps, c->step, loss};
    memcpy(c->best, c->net->block.values, c->net->block.n_values * sizeof *c->best);
    memcpy(c->best_ids, c->net->ids, n_ids * sizeof *c->best);
}

static bool tell(const struct course *c)
{
    struct progress p = progress_at(c->o->stage, (double)(c->before + c->step) / (double)c->of);
    return !c->o->progress || c->o->progress(c->o->arg, &p);
}

/* So many steps of a schedule; with rows to validate on until they bring nothing any more. */
static void run(struct course *c, long n_steps, long end)
{
    double sum = 0;
    c->n_steps = n_steps;
    for (long i = 0; i < n_steps; i++)
        sum += rate_at(i, n_steps);
    c->weight_decay = decay / sum;
    c->step = 0;
    c->next = 0;
    pooled_network_start(c->net, c->o->seed);
    while (c->step < end) {
        step_once(c);
        if (c->step % VALIDATE_EVERY && c->step < end)
            continue;
        if (c->n_validated)
            keep_if_better(c);
        long since = c->found->best_schedule == n_steps ? c->found->best_step : 0;
        if (!tell(c) || (c->n_validated && c->step - since > n_steps * PATIENCE_PERCENT / 100))
            break;
    }
    c->before += n_steps;
}

enum err_code pooled_fit_validated(struct pooled_network *net, const struct pooled_rows *rows,
                                   const struct pooled_holdout *holdout, const struct pooled_options *o,
                                   struct pooled_course *out, struct err *e)
{
    long most = o->most_steps ? o->most_steps : POOLED_MOST_STEPS;
    long few = most < FEW_STEPS ? most : FEW_STEPS;
    struct course c = {.net = net, .rows = rows, .o = o, .found = out, .of = few + most};
    *out = (struct pooled_course){few, few, INFINITY};
    enum err_code code = course_init(&c, holdout->held, e);
    if (!code) {
        run(&c, few, few);
        if (c.n_validated && most > few)
            run(&c, most, most);
        if (isfinite(out->error)) {
            memcpy(net->block.values, c.best, net->block.n_values * sizeof *c.best);
            memcpy(net->ids, c.best_ids, (net->n_tasks + 1) * net->d_id * sizeof *c.best);
        } else {
            out->error = NAN;
        }
    }
    course_fini(&c);
    return code;
}

enum err_code pooled_fit_all(struct pooled_network *net, const struct pooled_rows *rows,
                             const struct pooled_options *o, const struct pooled_course *course,
                             struct err *e)
{
    struct pooled_course found = *course;
    struct course c = {.net = net, .rows = rows, .o = o, .found = &found, .of = course->best_schedule};
    enum err_code code = course_init(&c, NULL, e);
    if (!code)
        run(&c, course->best_schedule, course->best_step);
    pooled_network_set_mean_id(net);
    course_fini(&c);
    return code;
}
