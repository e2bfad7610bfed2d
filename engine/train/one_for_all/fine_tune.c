#include "engine/train/one_for_all/fine_tune.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/train/gradient/adam.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { BATCH = 32, MOST_TASKS = 40, MOST_ASKED = 64, N_RATES = 5, N_STOPS = 5, N_LATER = 2 };
static const double rates[N_RATES] = {1e-4, 3e-4, 1e-3, 3e-3, 1e-2};
static const long stops[N_STOPS] = {0, 10, 30, 60, 100}, later[N_LATER] = {200, 400};

enum err_code fine_tuner_init(struct fine_tuner *f, struct pooled_network *net,
                              const struct pooled_rows *rows, uint64_t seed, struct err *e)
{
    size_t most = 1, n_values = net->block.n_values;
    *f = (struct fine_tuner){.net = net, .rows = rows, .seed = seed};
    for (size_t t = 0; t < rows->n_tasks; t++)
        most = rows->row_start[t + 1] - rows->row_start[t] > most
                   ? rows->row_start[t + 1] - rows->row_start[t]
                   : most;
    enum err_code code = pooled_pass_init(&f->pass, net, MOST_ASKED, e);
    if (code)
        return code;
    f->values = mem_alloc_array(n_values, sizeof *f->values);
    f->known = mem_alloc_array(most, 2 * sizeof *f->known);
    if (!f->values || !f->known)
        return err_set(e, ERR_NOMEM, "no memory for %zu rows of a task", most);
    f->asked = f->known + most;
    return ERR_OK;
}

void fine_tuner_fini(struct fine_tuner *f)
{
    pooled_pass_fini(&f->pass);
    mem_free(f->values);
    mem_free(f->known);
    *f = (struct fine_tuner){0};
}

/* ---- steps ---- */

static void begin(struct fine_tuner *f)
{
    struct param_block *b = &f->net->block;
    memcpy(f->values, b->values, b->n_values * sizeof *f->values);
    memset(b->moment1, 0, b->n_values * sizeof *b->moment1);
    memset(b->moment2, 0, b->n_values * sizeof *b->moment2);
}

void fine_tuner_end(struct fine_tuner *f)
{
    memcpy(f->net->block.values, f->values, f->net->block.n_values * sizeof *f->values);
}

static void add_row(struct fine_tuner *f, uint32_t i)
{
    pooled_pass_add(&f->pass, f->rows->x + i * f->net->d_row, f->rows->y[i], f->rows->task[i]);
}

/* From all known rows, or as many of them as a batch has, drawn. */
static void step(struct fine_tuner *f, double rate, long at, struct rng *r)
{
    struct param_block *b = &f->net->block;
    size_t n = f->n_known < BATCH ? f->n_known : BATCH;
    const struct adam adam = {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8};
    f->pass.n = 0;
    for (size_t i = 0; i < n; i++)
        add_row(f, f->known[n < f->n_known ? rng_below(r, f->n_known) : i]);
    (void)pooled_pass_gradient(&f->pass, 1 / (double)n);
    adam_update(&adam, at + 1, rate, 1, b->n_values, b->values, b->grads, b->moment1, b->moment2);
}

void fine_tuner_start(struct fine_tuner *f, uint32_t task, const struct fine_tuning *how)
{
    struct rng r;
    rng_init(&r, f->seed, (1ULL << 40) + task);
    begin(f);
    f->n_known = 0;
    for (size_t i = f->rows->row_start[task]; i < f->rows->row_start[task + 1]; i++)
        f->known[f->n_known++] = (uint32_t)i;
    for (long i = 0; i < how->n_steps && f->n_known; i++)
        step(f, how->rate, i, &r);
}

/* ---- the choice ---- */

/* Known and asked rows of a task: of one that is held whole, drawn; else those that are held are asked. */
static void split(struct fine_tuner *f, const struct pooled_holdout *h, size_t task, size_t n_known,
                  struct rng *r)
{
    size_t from = f->rows->row_start[task], end = f->rows->row_start[task + 1];
    f->n_known = f->n_asked = 0;
    for (size_t i = from; i < end; i++) {
        if (h->held[i])
            f->asked[f->n_asked++] = (uint32_t)i;
        else
            f->known[f->n_known++] = (uint32_t)i;
    }
    rng_shuffle(r, f->asked, f->n_asked);
    for (size_t most = f->n_asked / 2; h->of_tasks && f->n_known < n_known && f->n_known < most;)
        f->known[f->n_known++] = f->asked[--f->n_asked];
    f->n_asked = f->n_asked < MOST_ASKED ? f->n_asked : MOST_ASKED;
}

static double loss_of_asked(struct fine_tuner *f)
{
    f->pass.n = 0;
    for (size_t i = 0; i < f->n_asked; i++)
        add_row(f, f->asked[i]);
    return pooled_pass_loss(&f->pass);
}

/* Adds the loss at each stop. */
static void walk(struct fine_tuner *f, double rate, uint64_t stream, const long *at, size_t n, double *loss)
{
    struct rng r;
    long i = 0;
    rng_init(&r, f->seed, stream);
    begin(f);
    for (size_t k = 0; k < n; k++) {
        for (; i < at[k]; i++)
            step(f, rate, i, &r);
        loss[k] += loss_of_asked(f);
    }
    fine_tuner_end(f);
}

static bool is_validated(const struct fine_tuner *f, const struct pooled_holdout *h, size_t task)
{
    size_t n_held = 0, from = f->rows->row_start[task], n = f->rows->row_start[task + 1] - from;
    for (size_t i = 0; i < n; i++)
        n_held += h->held[from + i];
    return h->of_tasks ? n_held > 1 : n_held && n_held < n;
}

/* Adds to loss (n_rates, n) that of drawn tasks, always the same; returns how many rows were asked. */
static size_t try_rates(struct fine_tuner *f, const struct pooled_holdout *holdout, size_t n_known,
                        const double *some_rates, size_t n_rates, const long *at, size_t n, double *loss)
{
    size_t n_tasks = 0, n_asked = 0, n_left = 0;
    struct rng r;
    rng_init(&r, f->seed, 63);
    for (size_t t = 0; t < f->rows->n_tasks; t++)
        n_left += is_validated(f, holdout, t);
    for (size_t t = 0; t < f->rows->n_tasks && n_tasks < MOST_TASKS; t++) {
        if (!is_validated(f, holdout, t) || rng_below(&r, n_left--) >= MOST_TASKS - n_tasks)
            continue;
        split(f, holdout, t, n_known, &r);
        n_tasks++;
        n_asked += f->n_asked;
        for (size_t i = 0; i < n_rates; i++)
            walk(f, some_rates[i], 100 + t, at, n, loss + i * n);
    }
    return n_asked;
}

/* Whether the k-th is less than what was found; it is then that. */
static bool is_less(const double *loss, size_t k, double *found)
{
    if (!(loss[k] < *found))
        return false;
    *found = loss[k];
    return true;
}

void fine_tuner_choose(struct fine_tuner *f, const struct pooled_holdout *holdout, size_t n_known,
                       struct fine_tuning *out)
{
    double loss[N_RATES * N_STOPS] = {0}, more[N_LATER] = {0}, found = INFINITY;
    size_t n_asked = try_rates(f, holdout, n_known, rates, N_RATES, stops, N_STOPS, loss);
    *out = (struct fine_tuning){rates[0], 0, NAN};
    if (n_asked == 0)
        return;
    for (size_t i = 0; i < N_RATES * N_STOPS; i++)
        if (is_less(loss, i, &found))
            *out = (struct fine_tuning){rates[i / N_STOPS], stops[i % N_STOPS], NAN};
    if (out->n_steps == stops[N_STOPS - 1]) /* it may go on */
        (void)try_rates(f, holdout, n_known, &out->rate, 1, later, N_LATER, more);
    for (size_t k = 0; out->n_steps >= stops[N_STOPS - 1] && k < N_LATER; k++)
        if (is_less(more, k, &found))
            out->n_steps = later[k];
    out->error = found / (double)n_asked;
}
