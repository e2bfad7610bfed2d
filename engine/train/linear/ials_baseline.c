/* The search goes along one hyperparameter at a time, from the middle of its values while it helps, alpha and
 * reg in turns until neither moves; then the width, at the full number of epochs. Unlike the trainer's
 * search, which looks for a good start, it takes what ranks best. */
#include "engine/train/linear/ials_baseline.h"

#include "base/mem.h"
#include "engine/kernels/blas.h"
#include "engine/kernels/normal_sum.h"
#include "engine/train/data/climb.h"
#include "engine/train/data/split.h"
#include "engine/train/data/validate.h"

#include <math.h>
#include <string.h>

static const double alphas[] = {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3};
static const double regs[] = {0.0003, 0.001, 0.003, 0.007, 0.02, 0.05, 0.15};
static const double dims[] = {8, 16, 32, 64, 128, 192};

enum {
    N_ALPHAS = sizeof alphas / sizeof *alphas,
    N_REGS = sizeof regs / sizeof *regs,
    N_DIMS = sizeof dims / sizeof *dims,
    FIRST_ALPHA = 4,
    FIRST_REG = 2,
    FIRST_DIM = 3,
    SEARCH_EPOCHS = 5,
    FULL_EPOCHS = 12,
    MAX_ROUNDS = 4
};

struct search {
    const struct split *split;
    struct parallel *team;
    struct ials_options options;
    real *items, *users; /* of the widest */
    double best;         /* NDCG@10 of options */
};

static enum err_code measure(const struct search *s, const struct ials_options *o, double *ndcg,
                             struct err *e)
{
    const struct split *p = s->split;
    struct ials_data data = {p->data->n_users, p->data->n_items, p->start, p->end, p->interactions};
    enum err_code code = ials_run(&data, o, s->team, NULL, NULL, s->items, s->users, e);
    return code ? code : validate_factors(s->items, s->users, o->dim, p, s->team, ndcg, e);
}

/* A copy of the options with one hyperparameter changed: which is 'a' for alpha, 'r' for reg, else the
 * width. */
static struct ials_options with(const struct ials_options *o, char which, double value)
{
    struct ials_options changed = *o;
    if (which == 'a')
        changed.alpha = value;
    else if (which == 'r')
        changed.reg = value;
    else
        changed.dim = (size_t)value;
    return changed;
}

/* The values of one hyperparameter. */
struct axis {
    const struct search *search;
    char which;
    const double *values;
};

static enum err_code try_value(void *arg, int at, int y, double *ndcg, struct err *e)
{
    const struct axis *a = arg;
    struct ials_options there = with(&a->search->options, a->which, a->values[at]);
    (void)y;
    return measure(a->search, &there, ndcg, e);
}

/* Tries the values above values[*at], one after the other, as long as the metric rises. If the first of them
 * does not help, tries the values below in the same way. */
static enum err_code walk(struct search *s, char which, const double *values, int n, int *at, bool *moved,
                          struct err *e)
{
    struct axis axis = {s, which, values};
    const struct climb line = {.n_x = n, .n_y = 1, .try_at = try_value, .arg = &axis};
    int from = *at;
    enum err_code code = climb_line(&line, 1, at, &s->best, e);
    s->options = with(&s->options, which, values[*at]);
    *moved = *moved || *at != from;
    return code;
}

/* Wider factors than a quarter of the items only learn by heart. */
static int n_dims(size_t n_items)
{
    int n = 1;
    while (n < N_DIMS && dims[n] <= (double)n_items / 4)
        n++;
    return n;
}

static enum err_code choose(struct search *s, struct err *e)
{
    int a = FIRST_ALPHA, r = FIRST_REG, widths = n_dims(s->split->data->n_items);
    int d = widths - 1 < FIRST_DIM ? widths - 1 : FIRST_DIM;
    bool moved = true;
    s->options.alpha = alphas[a];
    s->options.reg = regs[r];
    s->options.dim = (size_t)dims[d];
    s->options.n_epochs = SEARCH_EPOCHS;
    enum err_code code = ERR_OK;
    if (s->split->n_validated == 0) { /* nothing to choose by */
        s->options.n_epochs = FULL_EPOCHS;
        return ERR_OK;
    }
    code = measure(s, &s->options, &s->best, e);
    for (int round = 0; round < MAX_ROUNDS && moved && !code; round++) {
        moved = false;
        code = walk(s, 'a', alphas, N_ALPHAS, &a, &moved, e);
        if (!code)
            code = walk(s, 'r', regs, N_REGS, &r, &moved, e);
    }
    s->options.n_epochs = FULL_EPOCHS;
    if (!code)
        code = measure(s, &s->options, &s->best, e);
    return code ? code : walk(s, 'd', dims, widths, &d, &moved, e);
}

static enum err_code fit(struct ials_baseline *b, const struct train_data *data, struct parallel *team,
                         size_t n_rivals, uint64_t seed, struct err *e)
{
    size_t widest = (size_t)dims[n_dims(data->n_items) - 1];
    struct split split;
    enum err_code code = split_init(&split, data, true, seed, e);
    if (code)
        return code;
    split.n_rivals = n_rivals;
    struct search s = {.split = &split, .team = team, .options = {.reg_exponent = 1, .seed = seed}};
    s.items = mem_alloc_aligned(data->n_items * widest, sizeof *s.items);
    s.users = mem_alloc_aligned(data->n_users * widest, sizeof *s.users);
    if (!s.items || !s.users)
        code = err_set(e, ERR_NOMEM, "no memory for the factors of iALS");
    if (!code)
        code = choose(&s, e);
    split_fini(&split);
    struct ials_data all = {data->n_users, data->n_items, data->user_start, data->user_start + 1,
                            data->interactions};
    b->options = s.options;
    b->items = s.items;
    if (!code)
        code = ials_run(&all, &b->options, team, NULL, NULL, b->items, s.users, e);
    mem_free(s.users);
    return code;
}

/* Nobody has anything: all scores are equal. */
static enum err_code fit_nobody(struct ials_baseline *b, struct err *e)
{
    b->options = (struct ials_options){
        .dim = (size_t)dims[0], .alpha = alphas[FIRST_ALPHA], .reg = regs[FIRST_REG], .reg_exponent = 1};
    b->items = mem_alloc_aligned(b->n_items * b->options.dim, sizeof *b->items);
    if (!b->items)
        return err_set(e, ERR_NOMEM, "no memory for the factors of iALS");
    memset(b->items, 0, b->n_items * b->options.dim * sizeof *b->items);
    return ERR_OK;
}

enum err_code ials_baseline_new(const struct train_data *data, struct parallel *team, size_t n_rivals,
                                uint64_t seed, struct ials_baseline **out, struct err *e)
{
    struct ials_baseline *b = mem_zalloc_array(1, sizeof *b);
    if (!b)
        return err_set(e, ERR_NOMEM, "no memory for iALS");
    b->n_items = data->n_items;
    enum err_code code = data->n_users ? fit(b, data, team, n_rivals, seed, e) : fit_nobody(b, e);
    size_t d = b->options.dim;
    if (!code) {
        b->gram = mem_alloc_aligned(d * d, sizeof *b->gram);
        if (b->gram)
            ials_gram(b->items, b->n_items, d, b->options.alpha, b->gram);
        else
            code = err_set(e, ERR_NOMEM, "no memory for iALS");
    }
    if (code)
        ials_baseline_free(b);
    else
        *out = b;
    return code;
}

void ials_baseline_free(struct ials_baseline *b)
{
    if (!b)
        return;
    mem_free(b->items);
    mem_free(b->gram);
    mem_free(b);
}

size_t ials_baseline_workspace_len(const struct ials_baseline *b)
{
    size_t d = b->options.dim;
    return normal_workspace_len(d) + d;
}

void ials_baseline_scores(const struct ials_baseline *b, const struct encoder_interaction *interactions,
                          size_t n, real *workspace, real *scores)
{
    size_t d = b->options.dim;
    real *x = workspace + normal_workspace_len(d); /* (d) */
    double scale = (double)n + b->options.alpha * (double)b->n_items;
    struct normal_sum sum;
    normal_start(&sum, d, b->gram, workspace, x);
    for (size_t i = 0; i < n; i++) {
        real w = interactions[i].weight;
        normal_add(&sum, b->items + (size_t)interactions[i].item * d, w, w);
    }
    if (n == 0 || !normal_solve(&sum, (real)(b->options.reg * pow(scale, b->options.reg_exponent))))
        memset(x, 0, d * sizeof *x);
    blas_gemv(BLAS_AS_IS, b->n_items, d, 1, b->items, d, x, 0, scores);
}
