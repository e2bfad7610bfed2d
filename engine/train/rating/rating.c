/* A tenth of the ratings, drawn by seed, is held out. Width and the weight of which items a user has are
 * found by walking from the middle of a grid to the best neighbour; each try stops when the held-out error no
 * longer falls, or is far behind the best try's at the same step; the number of steps it took is part of what
 * is chosen. The model is then made from all ratings.
 *
 * The model: context = (history | profile | ratings), p = their sum, rating = offset + p . e: the
 * hypernetwork is the identity, and what it generates are a user's level and tastes. */
#include "engine/train/rating/rating.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/format/model_write.h"
#include "engine/train/data/climb.h"
#include "engine/train/data/train_vocabulary.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/rating/variational_mf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    LEAST_RATINGS = 10,
    HELD_OUT_ONE_IN = 10,
    MAX_STEPS = 40,
    PATIENCE = 4,
    LEAST_RACE = 8,
    DEFAULT_STEPS = 15
};

/* Of covariances, which is what limits the width for many users and items. */
static const size_t max_covariance_reals = (size_t)512 << 20;

static const size_t dims[] = {8, 16, 24, 32, 48};
static const double histories[] = {0, 0.1, 0.3, 0.75, 2};
enum {
    N_DIMS = sizeof dims / sizeof *dims,
    N_HISTORIES = sizeof histories / sizeof *histories,
    FIRST_DIM = 2,
    FIRST_HISTORY = 3
};
static const double worthwhile = 2e-4, hopeless = 2e-3; /* parts of the error */
#define MODEL_MARGIN                                                                                         \
    1.5 /* how far a step of the model, from all ratings, may be longer than one of the search */
static const double profile_variance = 0.08, category_variance = 0.33;

struct rating {
    struct run *run;
    double step_s; /* of the best try, and how many the model is to have; of the first try while it lasts */
    int model_steps;
    unsigned char *held;              /* (interactions) */
    double least, most;               /* ratings */
    double rmse[N_DIMS][N_HISTORIES]; /* NAN: not tried */
    int n_tries;
    double curve[MAX_STEPS]; /* held-out error of the best try after each step */
    int n_curve;
    struct rating_options best;
    int best_steps;
    double best_rmse;
    double biases_rmse; /* of what each user and item is alone; NAN: not measured */
    struct model_spec spec;
    bool has_spec;
    struct param_block block;
};

/* ---- talk ---- */

/* Whether the search must end: an interrupt, or what is left is needed for the model's own steps. */
static bool is_over(void *arg)
{
    struct rating *c = arg;
    double model_s = c->step_s * c->model_steps * MODEL_MARGIN, left_s = budget_left(&c->run->budget);
    if (budget_interrupted(&c->run->budget))
        return true;
    return left_s < model_s || budget_over(&c->run->budget);
}

/* False when the search must end. */
static bool tell(struct rating *c, struct progress p)
{
    p.metric_name = "rmse";
    p.best_metric = isfinite(c->best_rmse) ? c->best_rmse : NAN;
    run_tell(c->run, p);
    return !is_over(c);
}

/* ---- validation ---- */

static enum err_code hold_out(struct rating *c, struct err *e)
{
    size_t n = c->run->data->user_start[c->run->data->n_users], n_ratings = 0;
    struct rng r;
    c->held = mem_zalloc_array(n, 1);
    if (!c->held)
        return err_set(e, ERR_NOMEM, "no memory for %zu interactions", n);
    rng_init(&r, c->run->options.seed, 2);
    c->least = INFINITY;
    c->most = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        double rating = (double)c->run->data->interactions[i].rating;
        if (isnan(rating))
            continue;
        n_ratings++;
        c->held[i] = rng_below(&r, HELD_OUT_ONE_IN) == 0;
        c->least = fmin(c->least, rating);
        c->most = fmax(c->most, rating);
    }
    if (n_ratings < LEAST_RATINGS || !(c->least < c->most))
        return err_set(
            e, ERR_INVALID,
            "objective rating needs at least %d ratings that are not all equal; the store has %zu of "
            "%zu interactions",
            LEAST_RATINGS, n_ratings, n);
    return ERR_OK;
}

/* NAN when nothing is held out. */
static double held_out_rmse(const struct rating *c, const struct variational_mf *f)
{
    const struct train_data *data = c->run->data;
    double sum = 0;
    size_t n = 0;
    for (size_t u = 0; u < data->n_users; u++)
        for (size_t i = data->user_start[u]; i < data->user_start[u + 1]; i++) {
            if (!c->held[i])
                continue;
            double p = variational_mf_predict(f, u, data->interactions[i].item);
            p = fmin(fmax(p, c->least), c->most) - (double)data->interactions[i].rating;
            sum += p * p;
            n++;
        }
    return n ? sqrt(sum / (double)n) : NAN;
}

/* One try: held-out error by step. */
struct attempt {
    double curve[MAX_STEPS];
    int n_steps, best_step;
    double rmse, step_s;
};

/* Far behind the best try at the same step, and no longer at the start: it will not win. */
static bool is_behind(const struct rating *c, const struct attempt *t)
{
    int i = t->n_steps - 1;
    return i >= LEAST_RACE && i < c->n_curve && t->curve[i] > c->curve[i] * (1 + hopeless);
}

/* The least held-out error of these options and the step it was at; gains of less than a `worthwhile` part do
 * not count. */
static enum err_code try_options(struct rating *c, const struct rating_options *o, struct attempt *t,
                                 struct err *e)
{
    struct variational_mf *f = NULL;
    int most = c->run->options.n_epochs && c->run->options.n_epochs < MAX_STEPS ? c->run->options.n_epochs
                                                                                : MAX_STEPS;
    enum err_code code = variational_mf_new(c->run->data, c->held, o, &f, e);
    *t = (struct attempt){.rmse = INFINITY};
    double start_s = budget_elapsed(&c->run->budget);
    while (!code && t->n_steps < most && t->n_steps < t->best_step + PATIENCE && !is_behind(c, t)) {
        code = variational_mf_step(f, c->run->team, e);
        if (parallel_stopped(c->run->team)) /* half a step is none, whatever it says */
            code = ERR_OK;
        if (code || parallel_stopped(c->run->team))
            break;
        if (!isfinite(c->best_rmse)) {
            c->step_s = (budget_elapsed(&c->run->budget) - start_s) / (t->n_steps + 1);
            c->model_steps = t->n_steps + 1;
        }
        double now = t->curve[t->n_steps++] = held_out_rmse(c, f);
        if (now < t->rmse * (1 - worthwhile)) {
            t->rmse = now;
            t->best_step = t->n_steps;
        }
        struct progress p = progress_at("search", 1 - 1 / (1 + 0.2 * (c->n_tries + t->n_steps / 20.0)));
        p.metric = now;
        (void)tell(c, p);
    }
    t->step_s = (budget_elapsed(&c->run->budget) - start_s) / (t->n_steps ? t->n_steps : 1);
    variational_mf_free(f);
    return code;
}

/* ---- search ---- */

static struct rating_options options_of(const struct rating *c, size_t dim, double history)
{
    return (struct rating_options){.dim = dim,
                                   .history = history,
                                   .profile = profile_variance,
                                   .category = category_variance,
                                   .seed = c->run->options.seed};
}

static bool fits(const struct rating *c, size_t dim)
{
    return (c->run->data->n_users + c->run->data->n_items) * model_spec_packed(dim) <= max_covariance_reals;
}

/* The value is the error with its sign turned. */
static enum err_code try_at(void *arg, int d, int h, double *value, struct err *e)
{
    struct rating *c = arg;
    size_t dim = c->run->options.dim ? (size_t)c->run->options.dim : dims[d];
    struct attempt t;
    *value = -c->rmse[d][h];
    if (parallel_stopped(c->run->team) || !isnan(c->rmse[d][h]) || !fits(c, dim))
        return ERR_OK;
    struct rating_options o = options_of(c, dim, histories[h]);
    enum err_code code = try_options(c, &o, &t, e);
    if (code)
        return code;
    c->n_tries++;
    c->rmse[d][h] = t.rmse;
    *value = -t.rmse;
    if (t.rmse < c->best_rmse) {
        c->best = o;
        c->best_steps = t.best_step;
        c->step_s = t.step_s;
        c->model_steps = t.best_step;
        c->best_rmse = t.rmse;
        memcpy(c->curve, t.curve, sizeof c->curve);
        c->n_curve = t.n_steps;
    }
    return ERR_OK;
}

static bool ends(void *arg)
{
    const struct rating *c = arg;
    return parallel_stopped(c->run->team);
}

/* From (d, h) to the best neighbour until none is better; along h alone where the width is given. */
static enum err_code walk(struct rating *c, int d, int h, struct err *e)
{
    static const struct climb_step steps[] = {{0, -1}, {0, 1}, {-1, 0}, {1, 0}};
    const struct climb grid = {N_DIMS, N_HISTORIES, steps, c->run->options.dim ? 2 : 4, try_at, ends, c};
    return climb_grid(&grid, &d, &h, e);
}

static enum err_code search(struct rating *c, struct err *e)
{
    int d = FIRST_DIM;
    struct attempt of_biases;
    for (int i = 0; i < N_DIMS; i++)
        for (int j = 0; j < N_HISTORIES; j++)
            c->rmse[i][j] = NAN;
    while (d > 0 && !fits(c, dims[d]))
        d--;
    c->best =
        options_of(c, c->run->options.dim ? (size_t)c->run->options.dim : dims[d], histories[FIRST_HISTORY]);
    c->best_steps = c->run->options.n_epochs && c->run->options.n_epochs < DEFAULT_STEPS
                        ? c->run->options.n_epochs
                        : DEFAULT_STEPS;
    struct rating_options alone = {.dim = 1, .seed = c->run->options.seed};
    enum err_code code = try_options(c, &alone, &of_biases, e);
    c->biases_rmse = isfinite(of_biases.rmse) ? of_biases.rmse : (double)NAN;
    return code ? code : walk(c, d, FIRST_HISTORY, e);
}

/* ---- the model ---- */

static enum err_code make_spec(struct rating *c, struct err *e)
{
    struct model_spec *spec = &c->spec;
    struct encoder_spec *n = &spec->encoder;
    size_t d = c->best.dim;
    (void)snprintf(spec->name, sizeof spec->name, "%s", c->run->options.name);
    (void)snprintf(spec->version, sizeof spec->version, "%s", c->run->options.version);
    *n = (struct encoder_spec){.present = true,
                               .d_history = c->best.history > 0 ? d : 0,
                               .d_ratings = d,
                               .rating_least = c->least,
                               .rating_most = c->most};
    enum err_code code = train_vocabulary_copy(c->run->data, d, n, e);
    spec->objective = &objective_rating;
    spec->n_items = c->run->data->n_items;
    spec->d_item = d;
    spec->d_context = n->d_history + n->d_profile + n->d_ratings;
    spec->d_output = 1;
    spec->has_linear = true;
    if (!code)
        code = model_spec_check(spec, e);
    c->has_spec = true;
    return code;
}

static enum err_code make_model(struct rating *c, struct err *e)
{
    struct variational_mf *f = NULL;
    enum err_code code = variational_mf_new(c->run->data, NULL, &c->best, &f, e);
    for (int i = 1; i <= c->best_steps && !code && (i == 1 || !budget_late(&c->run->budget)); i++) {
        code = variational_mf_step(f, c->run->team, e);
        (void)tell(c, progress_at("train", (double)i / c->best_steps));
    }
    if (!code)
        code = make_spec(c, e);
    if (!code)
        code = param_block_init(&c->block, &c->spec, e);
    if (!code) {
        struct model_ids ids = {c->run->data->item_ids};
        variational_mf_values(f, &c->spec, &c->block.params);
        code = model_write(c->run->path, &c->spec, &c->block.params, &ids, e);
    }
    variational_mf_free(f);
    return code;
}

static void note_choice(struct rating *c)
{
    char note[256];
    (void)snprintf(
        note, sizeof note,
        "%zu users, %zu items, %zu interactions; %zu wide, history %g, %d steps chosen by validation: rmse "
        "%.4f (biases alone %.4f)",
        c->run->data->n_users, c->run->data->n_items, c->run->data->user_start[c->run->data->n_users],
        c->best.dim, c->best.history, c->best_steps, isfinite(c->best_rmse) ? c->best_rmse : (double)NAN,
        c->biases_rmse);
    struct progress p = progress_at("train", 0);
    p.note = note;
    (void)tell(c, p);
}

static enum err_code check(const struct train_data *data, const struct train_options *o, struct err *e)
{
    (void)data;
    if (o->dim < 0 || o->dim > LIMIT_RATINGS_DIM || o->n_epochs < 0)
        return err_set(e, ERR_INVALID, "dim must be 0 to %d and epochs not below 0", LIMIT_RATINGS_DIM);
    if (o->checkpoint)
        return err_set(e, ERR_INVALID, "objective rating takes no checkpoints; leave the option away");
    if (!o->choose_generator)
        return err_set(e, ERR_INVALID,
                       "objective rating takes no generator: its target network has no hidden layer; leave "
                       "the option away");
    return ERR_OK;
}

/* ---- the table of functions ---- */

static enum err_code build(struct run *run, void **state, struct err *e)
{
    struct rating *c = mem_zalloc_array(1, sizeof *c);
    if (!c)
        return err_set(e, ERR_NOMEM, "no memory for a training");
    *state = c;
    *c = (struct rating){.run = run, .best_rmse = INFINITY, .biases_rmse = NAN};
    return hold_out(c, e);
}

static enum err_code choose(void *state, struct err *e)
{
    struct rating *c = state;
    budget_enter(&c->run->budget, c->run->team, PHASE_COURSE);
    parallel_stop_when(c->run->team, is_over, c);
    enum err_code code = search(c, e);
    c->run->cut = !code && parallel_stopped(c->run->team);
    parallel_stop_when(c->run->team, NULL, NULL);
    return code;
}

static enum err_code train(void *state, struct err *e)
{
    struct rating *c = state;
    if (budget_interrupted(&c->run->budget) && !isfinite(c->best_rmse))
        return ERR_OK;
    note_choice(c);
    enum err_code code = make_model(c, e);
    c->run->written = !code;
    return code;
}

static void report(const void *state, struct train_report *r)
{
    const struct rating *c = state;
    double rmse = isfinite(c->best_rmse) ? c->best_rmse : (double)NAN;
    r->epochs_run = r->best_epoch = c->best_steps;
    r->n_parameters = c->block.n_values + c->block.n_frozen;
    report_text(r, "objective", objective_rating.name);
    report_text(r, "ended", train_end_name(r->end));
    report_count(r, "epochs", (size_t)r->best_epoch);
    report_count(r, "dim", c->best.dim);
    report_setting(r, "history", c->best.history);
    report_count(r, "parameters", r->n_parameters);
    report_measure(r, "seconds", 2, r->seconds);
    report_measure(r, "rmse", 6, rmse);
    report_measure(r, "biases_rmse", 6, c->biases_rmse);
    (void)snprintf(r->summary, sizeof r->summary,
                   "validation rmse %.4f (biases alone %.4f), %d steps, %zu parameters, %.1f s\n", rmse,
                   c->biases_rmse, r->best_epoch, r->n_parameters, r->seconds);
}

static void free_rating(void *state)
{
    struct rating *c = state;
    param_block_fini(&c->block);
    if (c->has_spec)
        model_spec_fini(&c->spec);
    mem_free(c->held);
    mem_free(c);
}

const struct train_objective train_rating = {.objective = &objective_rating,
                                             .about = "what they would rate an item",
                                             .check = check,
                                             .build = build,
                                             .choose = choose,
                                             .train = train,
                                             .report = report,
                                             .fini = free_rating};
