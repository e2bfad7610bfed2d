/* engine/train/item_item/trainer.c and search.c: the weights solve the ridge regressions of fit.h, worked out
 * naively in double, and where not all are kept those are that move most; any number of threads gives the
 * same bits; they are kept where they help. Risks: a matrix transposed on the way to what an item says of
 * others, neighbours that are not the nearest, places of one item's that another one's gathering meets, a
 * block that a failing allocation leaves behind. Long because the fit and the choice are tested on the same
 * worlds. */
#include "engine/train/item_item/fit.h"

#include "base/mem.h"
#include "engine/train/data/validate.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/item_item/search.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_USERS = 120, MAX_ITEMS = 260, MOST = 30, MAX_NEAR = 200, LONER = 7, NOBODY = 8, N_GROUPS = 5 };

struct world {
    struct encoder_interaction interactions[N_USERS * MOST + 1];
    size_t start[N_USERS + 1];
    struct train_data data;
    struct split split;
};

static double next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(uint32_t)(*state >> 33) / 2147483648.0;
}

static void *must_have(void *p)
{
    ck_assert_ptr_nonnull(p);
    return p;
}

/* Whether user u takes item i, by a world's rule. */
typedef bool takes_fn(size_t u, size_t i, size_t n_items, uint64_t *state);

/* The loner has one user and he nothing else; nobody has the item after it. Chance alone, popular items
 * first. */
static bool takes_by_chance(size_t u, size_t i, size_t n_items, uint64_t *state)
{
    double x = next_random(state);
    if (i == LONER || i == NOBODY || u == 0)
        return i == LONER && u == 0;
    return x < 0.02 + 0.4 * exp(-3.0 * (double)i / (double)n_items);
}

/* Users of one of five groups take of the items of their group, each as popular as any other. */
static bool takes_of_group(size_t u, size_t i, size_t n_items, uint64_t *state)
{
    (void)n_items;
    return next_random(state) < (u % N_GROUPS == i % N_GROUPS ? 0.6 : 0.02);
}

static struct world *make_world(size_t n_items, takes_fn *takes, bool hold_out)
{
    struct world *w = must_have(calloc(1, sizeof *w));
    struct err e = {0};
    uint64_t state = 11;
    size_t n = 0;
    for (size_t u = 0; u < N_USERS; u++) {
        w->start[u] = n;
        for (size_t i = 0; i < n_items; i++) { /* in an order that does not rise */
            size_t item = (i * 7 + u) % n_items;
            if (takes(u, item, n_items, &state) && n - w->start[u] < MOST)
                w->interactions[n++] =
                    (struct encoder_interaction){.item = (uint32_t)item, .weight = 1, .rating = NAN};
        }
    }
    w->start[N_USERS] = n;
    w->data = (struct train_data){
        .n_users = N_USERS, .n_items = n_items, .user_start = w->start, .interactions = w->interactions};
    ck_assert_msg(split_init(&w->split, &w->data, hold_out, 1, &e) == ERR_OK, "%s", e.text);
    return w;
}

static void free_world(struct world *w)
{
    split_fini(&w->split);
    free(w);
}

static struct parallel *team_of(int n)
{
    struct parallel *team;
    ck_assert_int_eq(parallel_new(n, &team, NULL), ERR_OK);
    return team;
}

static struct item_weights fit(const struct split *s, size_t max_whole, double ridge, int n_threads)
{
    struct parallel *team = team_of(n_threads);
    struct item_item_fit *f;
    struct item_weights out;
    struct err e = {0};
    ck_assert_msg(item_item_fit_new(s, max_whole, team, &f, &e) == ERR_OK, "%s", e.text);
    ck_assert_msg(item_item_fit_solve(f, ridge, &out, &e) == ERR_OK, "%s", e.text);
    item_item_fit_free(f);
    parallel_free(team);
    return out;
}

static void assert_same(const struct item_weights *a, const struct item_weights *b, size_t n_items)
{
    ck_assert_uint_eq(a->n_pairs, b->n_pairs);
    ck_assert_mem_eq(a->start, b->start, (n_items + 1) * sizeof *a->start);
    ck_assert_mem_eq(a->item, b->item, a->n_pairs * sizeof *a->item);
    ck_assert_mem_eq(a->weight, b->weight, a->n_pairs * sizeof *a->weight);
}

/* ---- the equations ---- */

/* g (I, I) = X' W X, and the mean of its diagonal returned. */
static double naive_gram(const struct split *s, double *g)
{
    size_t n = s->data->n_items;
    double mean = 0;
    for (size_t u = 0; u < s->data->n_users; u++)
        for (size_t a = s->start[u]; a < s->end[u]; a++)
            for (size_t b = s->start[u]; b < s->end[u]; b++)
                g[s->interactions[a].item * n + s->interactions[b].item] +=
                    1 / sqrt((double)(s->end[u] - s->start[u]));
    for (size_t i = 0; i < n; i++)
        mean += g[i * n + i] / (double)n;
    return mean;
}

/* s (I, I): row i is the regression of item i on the others; there (I, I): which are its neighbours. */
static void unpack(const struct item_weights *w, size_t n, double *s, bool *there)
{
    for (size_t j = 0; j < n; j++)
        for (int64_t k = w->start[j]; k < w->start[j + 1]; k++) {
            ck_assert(!there[w->item[k] * n + j]);
            there[w->item[k] * n + j] = true;
            s[w->item[k] * n + j] = (double)w->weight[k];
        }
}

/* What is added to the diagonal for item j. */
static double ridge_of(const double *g, size_t n, size_t j, double mean, double ridge)
{
    return ridge * sqrt(mean * (g[j * n + j] + mean / 20));
}

/* What is left of an item's normal equations. */
static void check_item(const double *g, const double *s, const bool *there, size_t n, size_t i, double mean,
                       double ridge)
{
    for (size_t j = 0; j < n; j++) {
        if (!there[i * n + j])
            continue;
        double left = ridge_of(g, n, j, mean, ridge) * s[i * n + j] - g[j * n + i], scale = g[j * n + j];
        for (size_t k = 0; k < n; k++)
            left += there[i * n + k] ? g[j * n + k] * s[i * n + k] : 0;
        ck_assert_double_le(fabs(left), 2e-5 * scale); /* some 60 terms in float32 */
    }
}

/* The neighbours are the items of largest cosine, of those with any; at most `most`. Returns whether there
 * were more. */
static bool check_nearest(const double *g, const bool *there, size_t n, size_t i, size_t most)
{
    size_t count = 0, possible = 0;
    double least = INFINITY, next = 0;
    for (size_t j = 0; j < n; j++) {
        double cosine = j != i && g[i * n + j] > 0 ? g[i * n + j] / sqrt(g[i * n + i] * g[j * n + j]) : 0;
        possible += cosine > 0;
        count += there[i * n + j];
        if (there[i * n + j])
            least = fmin(least, cosine);
        else
            next = fmax(next, cosine);
    }
    ck_assert_uint_eq(count, possible < most ? possible : most);
    ck_assert(count == 0 || least > 0);
    ck_assert(count == 0 || least > next - 1e-6);
    return possible > most;
}

static const struct shape {
    size_t n_items, max_whole, most; /* neighbours of an item, where not all are */
    double ridge;
} shapes[] = {{40, 1000, 0, 1},    {40, 0, 39, 1},          {40, 1000, 0, 0.03}, {40, 0, 39, 10},
              {100, 1000, 0, 0.3}, {260, 0, MAX_NEAR, 0.3}, {2, 2, 0, 1}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

START_TEST(the_weights_solve_the_normal_equations_of_the_nearest_items)
{
    const struct shape *x = &shapes[_i];
    size_t n = x->n_items;
    struct world *w = make_world(n, n > 2 ? takes_by_chance : takes_of_group, true);
    double *g = must_have(calloc(n * n, sizeof *g)), *s = must_have(calloc(n * n, sizeof *s));
    bool *there = must_have(calloc(n * n, sizeof *there));
    double mean = naive_gram(&w->split, g);
    struct item_weights got = fit(&w->split, x->max_whole, x->ridge, 2);
    ck_assert_int_eq(got.start[0], 0);
    ck_assert_int_eq(got.start[n], (int64_t)got.n_pairs);
    unpack(&got, n, s, there);
    size_t n_full = 0;
    for (size_t i = 0; i < n; i++) {
        check_item(g, s, there, n, i, mean, x->ridge);
        if (x->max_whole == 0)
            n_full += check_nearest(g, there, n, i, x->most);
    }
    ck_assert(n <= MAX_NEAR || n_full > 10); /* not all items are near */
    item_weights_fini(&got);
    free(g);
    free(s);
    free(there);
    free_world(w);
}
END_TEST

/* x (n) solves a x = x for the (n, n) matrix a, which is positive definite; both are overwritten. */
static void eliminate(double *a, double *x, size_t n)
{
    for (size_t k = 0; k < n; k++)
        for (size_t r = k + 1; r < n; r++) {
            double factor = a[r * n + k] / a[k * n + k];
            for (size_t c = k; c < n; c++)
                a[r * n + c] -= factor * a[k * n + c];
            x[r] -= factor * x[k];
        }
    for (size_t k = n; k-- > 0;) {
        for (size_t c = k + 1; c < n; c++)
            x[k] -= a[k * n + c] * x[c];
        x[k] /= a[k * n + k];
    }
}

/* The regression of item i on all others, x (n) with x[i] = 0. */
static void regress_on_all(const double *g, size_t n, size_t i, double mean, double ridge, double *a,
                           double *x)
{
    memcpy(a, g, n * n * sizeof *a);
    for (size_t j = 0; j < n; j++) {
        x[j] = j == i ? 0 : g[j * n + i];
        a[j * n + j] += ridge_of(g, n, j, mean, ridge);
        a[j * n + i] = a[i * n + j] = j == i ? 1 : 0;
    }
    eliminate(a, x, n);
}

START_TEST(of_many_items_those_are_kept_that_move_most)
{
    enum { N = 260, KEPT = 200 };
    struct world *w = make_world(N, takes_by_chance, false);
    double *g = must_have(calloc(N * N, sizeof *g)), *s = must_have(calloc(N * N, sizeof *s));
    double *a = must_have(calloc(N * N, sizeof *a)), x[N];
    bool *there = must_have(calloc(N * N, sizeof *there));
    double mean = naive_gram(&w->split, g);
    struct item_weights got = fit(&w->split, N, 2, 2);
    size_t n_full = 0;
    unpack(&got, N, s, there);
    for (size_t i = 0; i < N; i += 13) {
        double least = INFINITY, next = 0;
        size_t n_kept = 0;
        regress_on_all(g, N, i, mean, 2, a, x);
        for (size_t j = 0; j < N; j++) {
            double moved = fabs(x[j]) * sqrt(g[j * N + j]);
            n_kept += there[i * N + j];
            if (there[i * N + j]) {
                ck_assert_double_eq_tol(s[i * N + j], x[j], 1e-5);
                least = fmin(least, moved);
            } else {
                next = fmax(next, moved);
            }
        }
        ck_assert(n_kept <= KEPT && next <= least + 1e-6);
        n_full += n_kept == KEPT;
    }
    ck_assert_uint_gt(n_full, 10);
    item_weights_fini(&got);
    free(g);
    free(s);
    free(a);
    free(there);
    free_world(w);
}
END_TEST

START_TEST(damping_takes_from_what_many_have)
{
    struct world *w = make_world(40, takes_by_chance, true);
    struct parallel *team = team_of(1);
    struct item_item_fit *f;
    struct item_weights plain = fit(&w->split, 40, 1, 1), damped;
    double *g = must_have(calloc(40 * 40, sizeof *g)), mean = naive_gram(&w->split, g);
    ck_assert_int_eq(item_item_fit_new(&w->split, 40, team, &f, NULL), ERR_OK);
    ck_assert_int_eq(item_item_fit_solve(f, 1, &damped, NULL), ERR_OK);
    item_item_fit_damp(f, 0.3, &damped);
    ck_assert_uint_gt(plain.n_pairs, 100);
    for (size_t k = 0; k < plain.n_pairs; k++) {
        size_t i = plain.item[k];
        double want = (double)plain.weight[k] * pow(g[i * 40 + i] / mean + 0.05, -0.3);
        ck_assert_double_eq_tol((double)damped.weight[k], want, 1e-5 * fabs(want));
    }
    item_item_fit_free(f);
    item_weights_fini(&plain);
    item_weights_fini(&damped);
    free(g);
    parallel_free(team);
    free_world(w);
}
END_TEST

START_TEST(the_weights_do_not_depend_on_the_number_of_threads)
{
    struct world *w = make_world(MAX_ITEMS, takes_by_chance, true);
    for (size_t max_whole = 0; max_whole <= MAX_ITEMS; max_whole += MAX_ITEMS) {
        struct item_weights one = fit(&w->split, max_whole, 1, 1), four = fit(&w->split, max_whole, 1, 4);
        assert_same(&one, &four, MAX_ITEMS);
        item_weights_fini(&one);
        item_weights_fini(&four);
    }
    free_world(w);
}
END_TEST

START_TEST(an_item_that_nobody_took_together_with_another_has_no_weights)
{
    struct world *w = make_world(40, takes_by_chance, false);
    struct item_weights got = fit(&w->split, _i ? 0 : 40, 1, 1);
    ck_assert_int_eq(got.start[LONER], got.start[LONER + 1]);
    ck_assert_int_eq(got.start[NOBODY], got.start[NOBODY + 1]);
    for (size_t k = 0; k < got.n_pairs; k++)
        ck_assert(got.item[k] != LONER && got.item[k] != NOBODY);
    item_weights_fini(&got);
    free_world(w);
}
END_TEST

START_TEST(one_fit_solves_for_one_ridge_after_another)
{
    struct world *w = make_world(40, takes_by_chance, true);
    struct parallel *team = team_of(1);
    struct item_item_fit *f;
    struct item_weights first, between, again, fresh = fit(&w->split, _i ? 0 : 40, 0.1, 1);
    ck_assert_int_eq(item_item_fit_new(&w->split, _i ? 0 : 40, team, &f, NULL), ERR_OK);
    ck_assert_int_eq(item_item_fit_solve(f, 0.1, &first, NULL), ERR_OK);
    ck_assert_int_eq(item_item_fit_solve(f, 30, &between, NULL), ERR_OK);
    ck_assert_int_eq(item_item_fit_solve(f, 0.1, &again, NULL), ERR_OK);
    assert_same(&first, &again, 40);
    assert_same(&first, &fresh, 40);
    ck_assert_int_ne(memcmp(first.weight, between.weight, first.n_pairs * sizeof(real)), 0);
    item_weights_fini(&first);
    item_weights_fini(&between);
    item_weights_fini(&again);
    item_weights_fini(&fresh);
    item_item_fit_free(f);
    parallel_free(team);
    free_world(w);
}
END_TEST

/* ---- the choice ---- */

/* Users take all of their group: nothing is left to chance but what is held out. */
static bool takes_all_of_group(size_t u, size_t i, size_t n_items, uint64_t *state)
{
    (void)n_items;
    (void)state;
    return u % N_GROUPS == i % N_GROUPS;
}

/* A model that knows how popular items are and, if it is to know, of which group they and a history are. */
static void make_model(const struct world *w, bool knows, struct model_spec *spec, struct param_block *block)
{
    *spec = (struct model_spec){.name = "popular",
                                .version = "1",
                                .objective = &objective_ranking,
                                .n_items = w->data.n_items,
                                .d_item = N_GROUPS,
                                .d_context = N_GROUPS,
                                .d_output = 1,
                                .has_linear = true,
                                .encoder = {.present = true, .d_history = N_GROUPS}};
    ck_assert_int_eq(model_spec_check(spec, NULL), ERR_OK);
    ck_assert_int_eq(param_block_init(block, spec, NULL), ERR_OK);
    memset(block->values, 0, block->n_values * sizeof *block->values);
    for (size_t u = 0; u < N_USERS; u++)
        for (size_t i = w->split.start[u]; i < w->split.end[u]; i++)
            block->params.catalogue_bias[w->split.interactions[i].item] += (real)0.1;
    for (size_t i = 0; i < w->data.n_items && knows; i++) {
        block->params.catalogue_bias[i] += (real)i / 1000; /* no two the same */
        block->params.history[i * N_GROUPS + i % N_GROUPS] = 1;
        block->params.catalogue_embedding[i * N_GROUPS + i % N_GROUPS] = 10;
    }
    for (size_t d = 0; d < N_GROUPS; d++)
        block->params.linear_context[d * N_GROUPS + d] = 1;
}

struct chosen {
    struct item_item_choice choice;
    double alone;   /* the model's figure without */
    double blended; /* with the chosen weights, measured anew */
    int n_told;
};

static bool count_told(void *arg, const struct progress *p)
{
    ck_assert(p->fraction > 0 && p->fraction < 1 && p->best_metric >= p->metric);
    ((struct chosen *)arg)->n_told++;
    return true;
}

static void choose(const struct world *w, bool knows, struct parallel *team, struct chosen *out)
{
    struct model_spec spec;
    struct param_block block;
    struct err e = {0};
    struct item_weights weights;
    double unit;
    const double one = 1;
    make_model(w, knows, &spec, &block);
    out->n_told = 0;
    ck_assert_int_eq(validate_model(&spec, &block.params, &w->split, team, NULL, &out->alone, NULL), ERR_OK);
    ck_assert_msg(item_item_choose(&w->split, &spec, &block.params, out->alone, team, count_told, out,
                                   &out->choice, &e) == ERR_OK,
                  "%s", e.text);
    ck_assert_int_eq(item_item_make(&w->split, &out->choice, team, &weights, NULL), ERR_OK);
    struct item_pairs pairs = item_weights_view(&weights);
    if (out->choice.scale >
        0) { /* the weights have their scale: as far apart as the model's scores, 1 / unit */
        ck_assert_int_eq(validate_blend(&spec, &block.params, &pairs, &one, 1, &w->split, team, &unit,
                                        &out->blended, NULL),
                         ERR_OK);
        const double as_made = 1 / unit;
        ck_assert_int_eq(validate_blend(&spec, &block.params, &pairs, &as_made, 1, &w->split, team, &unit,
                                        &out->blended, NULL),
                         ERR_OK);
    }
    item_weights_fini(&weights);
    param_block_fini(&block);
}

START_TEST(weights_that_help_are_kept_with_the_figure_that_they_have)
{
    struct world *w = make_world(50, takes_of_group, true);
    struct parallel *team = team_of(2);
    struct chosen got;
    choose(w, false, team, &got);
    ck_assert_double_gt(got.choice.scale, 0);
    ck_assert_double_gt(got.choice.metric, 1.5 * got.alone);
    ck_assert_double_gt(got.choice.alone, got.alone);
    ck_assert_double_eq_tol(got.choice.metric, got.blended, 1e-3);
    ck_assert_int_ge(got.n_told, 2);
    ck_assert_int_le(got.n_told, 8);
    parallel_free(team);
    free_world(w);
}
END_TEST

START_TEST(weights_are_kept_where_the_model_does_not_know_as_much_itself)
{
    struct world *w = make_world(50, takes_all_of_group, true);
    struct parallel *team = team_of(1);
    struct chosen got;
    bool knows = _i == 1;
    choose(w, knows, team, &got);
    if (knows) {
        ck_assert_double_eq_tol(got.alone, 1, 1e-9);
        ck_assert_double_eq(got.choice.scale, 0);
        ck_assert_double_eq(got.choice.metric, got.alone);
    } else {
        ck_assert_double_gt(got.choice.scale, 0);
    }
    ck_assert_double_gt(got.choice.ridge, 0);
    parallel_free(team);
    free_world(w);
}
END_TEST

static double figure_of(const struct world *w, const struct item_item_choice *choice, struct parallel *team)
{
    struct item_item_choice unscaled = *choice;
    struct item_weights weights;
    double ndcg;
    unscaled.scale = 1;
    ck_assert_int_eq(item_item_make(&w->split, &unscaled, team, &weights, NULL), ERR_OK);
    struct item_pairs pairs = item_weights_view(&weights);
    ck_assert_int_eq(validate_pairs(&pairs, &w->split, team, &ndcg, NULL), ERR_OK);
    item_weights_fini(&weights);
    return ndcg;
}

/* Of more items than count as near, both ways are tried, and what is made is of the way, ridge and damping
 * that were measured. */
START_TEST(one_matrix_or_a_system_for_each_whichever_ranks_better)
{
    struct world *w = make_world(ITEM_ITEM_LOCAL_ITEMS + 12, _i ? takes_by_chance : takes_of_group, true);
    struct parallel *team = team_of(2);
    struct chosen got;
    choose(w, false, team, &got);
    ck_assert_int_gt(got.n_told, 4);
    ck_assert_double_eq_tol(got.choice.alone, figure_of(w, &got.choice, team), 1e-12);
    struct item_item_choice other = got.choice;
    other.local = !other.local;
    ck_assert_double_ne(figure_of(w, &other, team), got.choice.alone);
    parallel_free(team);
    free_world(w);
}
END_TEST

static bool stop(void *arg, const struct progress *p)
{
    (void)p;
    return ++*(int *)arg < 2;
}

START_TEST(a_stopped_choice_and_one_without_held_out_items_keep_nothing)
{
    struct world *w = make_world(50, takes_of_group, _i == 0);
    struct parallel *team = team_of(1);
    struct model_spec spec;
    struct param_block block;
    struct item_item_choice choice;
    int n_told = 0;
    make_model(w, false, &spec, &block);
    ck_assert_int_eq(
        item_item_choose(&w->split, &spec, &block.params, 0.25, team, stop, &n_told, &choice, NULL), ERR_OK);
    ck_assert_int_eq(n_told, _i == 0 ? 2 : 0);
    ck_assert_double_eq(choice.scale, 0);
    ck_assert_double_eq(choice.metric, 0.25);
    param_block_fini(&block);
    parallel_free(team);
    free_world(w);
}
END_TEST

START_TEST(what_is_made_is_the_fit_damped_and_times_the_scale)
{
    struct world *w = make_world(40, takes_by_chance, true);
    struct parallel *team = team_of(2);
    struct item_item_choice choice = {.ridge = 3, .damping = 0.5, .scale = 1.75};
    struct item_item_fit *f;
    struct item_weights made, want;
    ck_assert_int_eq(item_item_fit_new(&w->split, ITEM_ITEM_WHOLE_ITEMS, team, &f, NULL), ERR_OK);
    ck_assert_int_eq(item_item_fit_solve(f, 3, &want, NULL), ERR_OK);
    item_item_fit_damp(f, 0.5, &want);
    ck_assert_int_eq(item_item_make(&w->split, &choice, team, &made, NULL), ERR_OK);
    for (size_t k = 0; k < want.n_pairs; k++)
        want.weight[k] *= (real)1.75;
    assert_same(&made, &want, 40);
    item_item_fit_free(f);
    item_weights_fini(&made);
    item_weights_fini(&want);
    parallel_free(team);
    free_world(w);
}
END_TEST

/* ---- without memory: the code is right, the next try works; a sanitizer finds what is left behind ---- */

/* One failure (0) or all from then on (1). */
START_TEST(a_fit_without_memory_fails_and_leaves_nothing)
{
    struct world *w = make_world(40, takes_by_chance, true);
    struct parallel *team = team_of(2);
    for (long n = 1;; n++) {
        struct item_item_fit *f = NULL;
        struct item_weights out = {0};
        struct err e = {0};
        mem_fail_at(n, _i % 2);
        enum err_code code = item_item_fit_new(&w->split, _i / 2 ? 0 : 40, team, &f, &e);
        if (!code)
            code = item_item_fit_solve(f, 1, &out, &e);
        mem_fail_at(0, 0);
        item_item_fit_free(f);
        if (!code) {
            ck_assert_int_gt(n, 13);
            ck_assert_uint_gt(out.n_pairs, 0);
            item_weights_fini(&out);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
        ck_assert_int_eq(e.code, ERR_NOMEM);
        ck_assert_ptr_null(out.start);
    }
    parallel_free(team);
    free_world(w);
}
END_TEST

START_TEST(a_choice_without_memory_fails_and_leaves_nothing)
{
    struct world *w = make_world(50, takes_of_group, true);
    struct parallel *team = team_of(1);
    struct model_spec spec;
    struct param_block block;
    make_model(w, false, &spec, &block);
    for (long n = 1;; n++) {
        struct item_item_choice choice;
        struct item_weights out = {0};
        struct err e = {0};
        mem_fail_at(n, _i);
        enum err_code code =
            item_item_choose(&w->split, &spec, &block.params, 0.1, team, NULL, NULL, &choice, &e);
        if (!code)
            code = item_item_make(&w->split, &choice, team, &out, &e);
        mem_fail_at(0, 0);
        item_weights_fini(&out);
        if (!code) {
            ck_assert_int_gt(n, 40);
            ck_assert_double_gt(choice.scale, 0);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
        ck_assert_int_eq(e.code, ERR_NOMEM);
    }
    param_block_fini(&block);
    parallel_free(team);
    free_world(w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine/train/neighbours");
    TCase *t = tcase_create("neighbours");
    tcase_add_loop_test(t, the_weights_solve_the_normal_equations_of_the_nearest_items, 0, N_SHAPES);
    tcase_add_test(t, of_many_items_those_are_kept_that_move_most);
    tcase_add_test(t, damping_takes_from_what_many_have);
    tcase_add_test(t, the_weights_do_not_depend_on_the_number_of_threads);
    tcase_add_loop_test(t, an_item_that_nobody_took_together_with_another_has_no_weights, 0, 2);
    tcase_add_loop_test(t, one_fit_solves_for_one_ridge_after_another, 0, 2);
    tcase_add_test(t, weights_that_help_are_kept_with_the_figure_that_they_have);
    tcase_add_loop_test(t, weights_are_kept_where_the_model_does_not_know_as_much_itself, 0, 2);
    tcase_add_loop_test(t, one_matrix_or_a_system_for_each_whichever_ranks_better, 0, 2);
    tcase_add_loop_test(t, a_stopped_choice_and_one_without_held_out_items_keep_nothing, 0, 2);
    tcase_add_test(t, what_is_made_is_the_fit_damped_and_times_the_scale);
    tcase_add_loop_test(t, a_fit_without_memory_fails_and_leaves_nothing, 0, 4);
    tcase_add_loop_test(t, a_choice_without_memory_fails_and_leaves_nothing, 0, 2);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
