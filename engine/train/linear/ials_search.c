/* The search walks from the middle of the grid to the best neighbour until none is better, in both directions
 * of each hyperparameter: about ten short runs instead of the whole grid. */
#include "engine/train/linear/ials_search.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/train/data/climb.h"
#include "engine/train/data/validate.h"

#include <math.h>
#include <string.h>

/* Steps of about half a decade. */
static const double alphas[] = {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3};
static const double regs[] = {0.0003, 0.001, 0.003, 0.007, 0.02, 0.05, 0.15};
enum {
    N_ALPHAS = sizeof alphas / sizeof *alphas,
    N_REGS = sizeof regs / sizeof *regs,
    FIRST_ALPHA = 4,
    FIRST_REG = 2
};
#define ABOUT_AS_GOOD 0.97
enum { SEARCH_DIM = 32, SEARCH_EPOCHS = 4, FULL_EPOCHS = 12, MAX_TRIES = 24 };

struct search {
    const struct split *split;
    struct parallel *team;
    progress_fn *progress; /* may be NULL */
    void *arg;
    struct ials_options options;
    struct ials_data data;
    real *items, *users;
    double ndcg[N_ALPHAS][N_REGS]; /* NAN: not tried */
    double best;
    int n_tries;
    int64_t round_ns; /* start of the round */
    double round_s;   /* how long the last one took */
    bool stopped;
};

size_t ials_search_dim(const struct split *s)
{
    /* Wider factors pay where there is enough to fit them; a narrow catalogue bounds the rank anyway. */
    size_t dim = s->n_training >= 400000 ? 192 : s->n_training >= 150000 ? 128 : 64;
    while (dim > 16 && dim > s->data->n_items / 4)
        dim /= 2;
    return dim;
}

static bool time_round(void *arg, const struct progress *round)
{
    struct search *s = arg;
    int64_t now_ns = clock_monotonic_ns();
    (void)round;
    s->round_s = (double)(now_ns - s->round_ns) / 1e9;
    s->round_ns = now_ns;
    return true;
}

static enum err_code try_at(void *arg, int a, int r, double *ndcg, struct err *e)
{
    struct search *s = arg;
    if (s->stopped) {
        *ndcg = NAN;
        return ERR_OK;
    }
    if (!isnan(s->ndcg[a][r])) {
        *ndcg = s->ndcg[a][r];
        return ERR_OK;
    }
    s->options.alpha = alphas[a];
    s->options.reg = regs[r];
    s->round_ns = clock_monotonic_ns();
    enum err_code code = ials_run(&s->data, &s->options, s->team, time_round, s, s->items, s->users, e);
    if (!code)
        code = validate_factors(s->items, s->users, s->options.dim, s->split, s->team, ndcg, e);
    if (code)
        return code;
    if (parallel_stopped(s->team)) { /* half a try says nothing */
        s->stopped = true;
        *ndcg = NAN;
        return ERR_OK;
    }
    s->ndcg[a][r] = *ndcg;
    s->best = *ndcg > s->best ? *ndcg : s->best;
    s->n_tries++;
    struct progress done = progress_at("search", fmin(1, (double)s->n_tries / MAX_TRIES));
    done.metric = *ndcg;
    done.best_metric = s->best;
    if (s->progress && !s->progress(s->arg, &done))
        s->stopped = true;
    return ERR_OK;
}

/* From the best point to the weakest alpha that is about as good there. A strong one spends the factors on
 * the most popular items and leaves the rare ones all alike, which costs little here and much in what
 * follows. Without times so little follows that the start had better be as good as it can. */
static enum err_code weaken(struct search *s, int *a, int r, struct err *e)
{
    double best = s->ndcg[*a][r];
    while (*a > 0 && !s->stopped) {
        double there;
        enum err_code code = try_at(s, *a - 1, r, &there, e);
        if (code)
            return code;
        if (!(there >= ABOUT_AS_GOOD * best))
            break;
        (*a)--;
    }
    return ERR_OK;
}

static bool ends(void *arg)
{
    const struct search *s = arg;
    return s->stopped || s->n_tries >= MAX_TRIES;
}

/* From (FIRST_ALPHA, FIRST_REG) to a point no neighbour of which is better. */
static enum err_code climb(struct search *s, double *alpha, double *reg, struct err *e)
{
    static const struct climb_step steps[] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
    const struct climb grid = {N_ALPHAS, N_REGS, steps, sizeof steps / sizeof *steps, try_at, ends, s};
    int a = FIRST_ALPHA, r = FIRST_REG;
    enum err_code code = climb_grid(&grid, &a, &r, e);
    if (!code && s->split->timed > 0)
        code = weaken(s, &a, r, e);
    *alpha = alphas[a];
    *reg = regs[r];
    return code;
}

static struct ials_data data_of(const struct split *s)
{
    return (struct ials_data){s->data->n_users, s->data->n_items, s->start, s->end, s->interactions};
}

static enum err_code factors_new(const struct split *split, size_t dim, real **items, real **users,
                                 struct err *e)
{
    *items = mem_alloc_aligned(split->data->n_items * dim, sizeof **items);
    *users = mem_alloc_aligned(split->data->n_users * dim, sizeof **users);
    if (*items && *users)
        return ERR_OK;
    return err_set(e, ERR_NOMEM, "no memory for factors of %zu users and %zu items", split->data->n_users,
                   split->data->n_items);
}

enum err_code ials_factorise(const struct split *split, const struct ials_options *options,
                             struct parallel *team, progress_fn *progress, void *arg, struct ials_start *out,
                             struct err *e)
{
    struct ials_data data = data_of(split);
    *out = (struct ials_start){.options = *options};
    out->options.n_epochs = FULL_EPOCHS;
    enum err_code code = factors_new(split, options->dim, &out->items, &out->users, e);
    if (!code)
        code = ials_run(&data, &out->options, team, progress, arg, out->items, out->users, e);
    if (code)
        ials_start_fini(out);
    return code;
}

enum err_code ials_search(const struct split *split, size_t dim, uint64_t seed, struct parallel *team,
                          progress_fn *progress, void *arg, struct ials_choice *out, struct err *e)
{
    struct ials_options *best = &out->options;
    struct search s = {
        .split = split, .team = team, .progress = progress, .arg = arg, .data = data_of(split)};
    s.options =
        (struct ials_options){.dim = SEARCH_DIM, .n_epochs = SEARCH_EPOCHS, .reg_exponent = 1, .seed = seed};
    for (int a = 0; a < N_ALPHAS; a++)
        for (int r = 0; r < N_REGS; r++)
            s.ndcg[a][r] = NAN;
    enum err_code code = factors_new(split, SEARCH_DIM, &s.items, &s.users, e);
    *best = s.options;
    best->alpha = alphas[FIRST_ALPHA];
    best->reg = regs[FIRST_REG];
    if (!code && split->n_validated)
        code = climb(&s, &best->alpha, &best->reg, e);
    best->dim = dim ? dim : ials_search_dim(split);
    out->round_s = s.round_s;
    out->round_dim = SEARCH_DIM;
    mem_free(s.items);
    mem_free(s.users);
    return code;
}

void ials_start_fini(struct ials_start *w)
{
    mem_free(w->items);
    mem_free(w->users);
    w->items = w->users = NULL;
}
