/* engine/train/rating/variational_mf.c, ridge.c and sparse.c in double precision: each step of the
 * factorisation against finite differences of what it minimises, taken through the model's tensors and the
 * encoder. Risks: a wrong term of the covariances, which would only cost accuracy; a context made by the
 * encoder that is not the one of training. */
#include "base/mem.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "engine/network/encoder.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/linear/ridge.h"
#include "engine/train/rating/variational_mf.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_USERS = 40, N_ITEMS = 25, PER_USER = 9, N = N_USERS * PER_USER, N_VALUES = 4, D = 4 };

static char field[] = "f", one[] = "1", two[] = "2", three[] = "3", four[] = "4";
static struct profile_value vocabulary[N_VALUES] = {{.field = field, .value = one},
                                                    {.field = field, .value = two},
                                                    {.field = field, .value = three},
                                                    {.field = field, .value = four}};

struct world {
    struct encoder_interaction x[N];
    size_t user_start[N_USERS + 1], value_start[N_USERS + 1], category_start[N_ITEMS + 1];
    uint32_t values[N_USERS], categories[N_ITEMS];
    struct train_data data;
    struct parallel *team;
};

/* Ratings by a level of the user, one of the item and one taste; each ninth interaction has none. */
static void world_init(struct world *w, int n_threads)
{
    struct rng r;
    struct err e = {0};
    double level[N_USERS], taste[N_USERS], quality[N_ITEMS], kind[N_ITEMS];
    memset(w, 0, sizeof *w);
    rng_init(&r, 3, 1);
    for (size_t i = 0; i < N_ITEMS; i++) {
        quality[i] = rng_normal(&r);
        kind[i] = rng_normal(&r);
        w->categories[i] = kind[i] > 0;
        w->category_start[i + 1] = i + 1;
    }
    for (size_t u = 0; u < N_USERS; u++) {
        uint32_t order[N_ITEMS];
        level[u] = 0.5 * rng_normal(&r);
        taste[u] = rng_normal(&r);
        w->values[u] = (uint32_t)(u % N_VALUES);
        w->value_start[u + 1] = u + 1;
        w->user_start[u + 1] = (u + 1) * PER_USER;
        for (uint32_t i = 0; i < N_ITEMS; i++)
            order[i] = i;
        rng_shuffle(&r, order, N_ITEMS);
        for (size_t k = 0; k < PER_USER; k++) {
            uint32_t i = order[k];
            double rating = 3 + level[u] + quality[i] + taste[u] * kind[i] + 0.3 * rng_normal(&r);
            w->x[u * PER_USER + k] =
                (struct encoder_interaction){.item = i, .weight = 1, .rating = k == 4 ? NAN : (float)rating};
        }
    }
    w->data = (struct train_data){.n_users = N_USERS,
                                  .n_items = N_ITEMS,
                                  .user_start = w->user_start,
                                  .interactions = w->x,
                                  .value_start = w->value_start,
                                  .values = w->values,
                                  .vocabulary = vocabulary,
                                  .n_vocabulary = N_VALUES,
                                  .category_start = w->category_start,
                                  .categories = w->categories,
                                  .n_categories = 2};
    ck_assert_msg(parallel_new(n_threads, &w->team, &e) == ERR_OK, "%s", e.text);
}

static const struct rating_options all = {
    .dim = D, .history = 0.5, .profile = 0.3, .category = 0.4, .seed = 7};

static struct variational_mf *factorise(struct world *w, const struct rating_options *o, int n_steps)
{
    struct err e = {0};
    struct variational_mf *f;
    ck_assert_msg(variational_mf_new(&w->data, NULL, o, &f, &e) == ERR_OK, "%s", e.text);
    for (int i = 0; i < n_steps; i++)
        ck_assert_msg(variational_mf_step(f, w->team, &e) == ERR_OK, "%s", e.text);
    return f;
}

static struct model_spec spec_of(const struct rating_options *o)
{
    struct model_spec s = {.name = "t",
                           .version = "1",
                           .objective = &objective_rating,
                           .n_items = N_ITEMS,
                           .d_item = o->dim,
                           .d_output = 1,
                           .has_linear = true};
    s.encoder = (struct encoder_spec){.present = true,
                                      .d_history = o->history > 0 ? o->dim : 0,
                                      .d_profile = o->profile > 0 ? o->dim : 0,
                                      .n_values = o->profile > 0 ? N_VALUES : 0,
                                      .values = o->profile > 0 ? vocabulary : NULL,
                                      .d_ratings = o->dim,
                                      .rating_least = 1,
                                      .rating_most = 5};
    s.d_context = s.encoder.d_history + s.encoder.d_profile + o->dim;
    struct err e = {0};
    ck_assert_msg(model_spec_check(&s, &e) == ERR_OK, "%s", e.text);
    return s;
}

/* m (d) and m + g (d) of user u as the encoder makes them. */
static void encode(const struct world *w, const struct model_spec *s, const struct model_params *p, size_t u,
                   double *mean, double *vector)
{
    struct err e = {0};
    struct encoder_input input = {.interactions = w->x + w->user_start[u],
                                  .n_interactions = PER_USER,
                                  .values = w->values + u,
                                  .n_values = s->encoder.d_profile ? 1 : 0};
    double *work = calloc(encoder_workspace_len(s, PER_USER), sizeof *work);
    double *c = calloc(s->d_context, sizeof *c);
    ck_assert_ptr_nonnull(work);
    ck_assert_ptr_nonnull(c);
    ck_assert_msg(encoder_encode(s, p, &input, work, c, &e) == ERR_OK, "%s", e.text);
    for (size_t k = 0; k < s->d_item; k++) {
        mean[k] = 0;
        for (size_t at = k; at < s->d_context - s->d_item; at += s->d_item)
            mean[k] += c[at];
        vector[k] = mean[k] + c[s->d_context - s->d_item + k];
    }
    free(work);
    free(c);
}

/* What x minimises for user u, noise variance 1: expected squared errors over the items' uncertainty, and the
 * prior. */
static double energy(const struct world *w, const struct model_params *p, size_t d, size_t u,
                     const double *mean, const double *x)
{
    double sum = 0;
    for (size_t k = 0; k < d; k++)
        sum += p->rating_precision[k] * (x[k] - mean[k]) * (x[k] - mean[k]);
    for (size_t n = w->user_start[u]; n < w->user_start[u + 1]; n++) {
        size_t item = w->x[n].item;
        if (isnan(w->x[n].rating))
            continue;
        const double *s = p->rating_covariance + item * model_spec_packed(d);
        double error = (double)w->x[n].rating - p->rating_offset[item];
        for (size_t k = 0; k < d; k++)
            error -= p->rating_factor[item * d + k] * x[k];
        sum += error * error;
        for (size_t i = 0; i < d; i++) /* (1, x_1, ..) S (1, x_1, ..): the offset counts whole */
            for (size_t j = 0; j < d; j++) {
                double sij = i > j ? s[i * (i + 1) / 2 + j] : s[j * (j + 1) / 2 + i];
                sum += sij * (i ? x[i] : 1) * (j ? x[j] : 1);
            }
    }
    return sum;
}

static const struct rating_options variants[] = {
    {.dim = D, .history = 0.5, .profile = 0.3, .category = 0.4, .seed = 7},
    {.dim = D, .seed = 7},
    {.dim = D, .profile = 0.3, .seed = 7},
    {.dim = 1, .history = 0.5, .seed = 7},
};
enum { N_VARIANTS = sizeof variants / sizeof *variants };

START_TEST(test_ratings_the_context_is_the_minimum_of_the_expected_error)
{
    static struct world w;
    struct err e = {0};
    struct param_block block;
    const struct rating_options *o = &variants[_i];
    world_init(&w, 1);
    struct model_spec s = spec_of(o);
    struct variational_mf *f = factorise(&w, o, 6);
    ck_assert_msg(param_block_init(&block, &s, &e) == ERR_OK, "%s", e.text);
    variational_mf_values(f, &s, &block.params);
    for (size_t u = 0; u < N_USERS; u++) {
        double mean[D], x[D];
        encode(&w, &s, &block.params, u, mean, x);
        for (size_t k = 0; k < o->dim; k++) {
            double h = 1e-4, at = x[k], up, down, here = energy(&w, &block.params, o->dim, u, mean, x);
            x[k] = at + h;
            up = energy(&w, &block.params, o->dim, u, mean, x);
            x[k] = at - h;
            down = energy(&w, &block.params, o->dim, u, mean, x);
            x[k] = at;
            ck_assert_double_lt(fabs(up - down) / (2 * h), 1e-6);
            ck_assert(up > here && down > here);
        }
    }
    param_block_fini(&block);
    variational_mf_free(f);
    parallel_free(w.team);
}
END_TEST

/* Once nothing moves any more, training's own prediction for a user is what the encoder's context gives. */
START_TEST(test_ratings_encoder_and_training_agree)
{
    static struct world w;
    struct err e = {0};
    struct param_block block;
    world_init(&w, 1);
    struct model_spec s = spec_of(&all);
    struct variational_mf *f = factorise(&w, &all, 3000);
    ck_assert_msg(param_block_init(&block, &s, &e) == ERR_OK, "%s", e.text);
    variational_mf_values(f, &s, &block.params);
    for (size_t u = 0; u < N_USERS; u++) {
        double mean[D], x[D];
        encode(&w, &s, &block.params, u, mean, x);
        for (size_t i = 0; i < N_ITEMS; i++) {
            double p = block.params.catalogue_bias[i];
            for (size_t k = 0; k < D; k++)
                p += block.params.catalogue_embedding[i * D + k] * x[k];
            ck_assert_double_lt(fabs(p - variational_mf_predict(f, u, i)), 1e-3);
        }
    }
    param_block_fini(&block);
    variational_mf_free(f);
    parallel_free(w.team);
}
END_TEST

START_TEST(test_ratings_what_was_planted_comes_back)
{
    static struct world w;
    world_init(&w, 1);
    struct variational_mf *f = factorise(&w, &all, 60), *alone;
    struct rating_options biases = {.dim = 1, .seed = 7};
    alone = factorise(&w, &biases, 60);
    double errors = 0, of_biases = 0;
    for (size_t u = 0; u < N_USERS; u++)
        for (size_t n = w.user_start[u]; n < w.user_start[u + 1]; n++)
            if (!isnan(w.x[n].rating)) {
                errors += pow((double)w.x[n].rating - variational_mf_predict(f, u, w.x[n].item), 2);
                of_biases += pow((double)w.x[n].rating - variational_mf_predict(alone, u, w.x[n].item), 2);
            }
    ck_assert_double_lt(errors, 0.3 * of_biases);
    /* the noise that was put in has variance 0.09; what is not certain counts as noise too */
    ck_assert_double_gt(1 / f->precision, 0.03);
    ck_assert_double_lt(1 / f->precision, 0.3);
    variational_mf_free(f);
    variational_mf_free(alone);
    parallel_free(w.team);
}
END_TEST

START_TEST(test_ratings_held_out_ones_are_not_seen)
{
    static struct world w;
    struct err e = {0};
    struct variational_mf *f, *g;
    unsigned char held[N] = {0};
    world_init(&w, 1);
    for (size_t i = 0; i < N; i += 7)
        held[i] = 1;
    ck_assert(variational_mf_new(&w.data, held, &all, &f, &e) == ERR_OK);
    for (size_t i = 0; i < N; i += 7)
        w.x[i].rating = 50; /* were it seen, all would move */
    ck_assert(variational_mf_new(&w.data, held, &all, &g, &e) == ERR_OK);
    for (int i = 0; i < 5; i++)
        ck_assert(variational_mf_step(f, w.team, &e) == ERR_OK &&
                  variational_mf_step(g, w.team, &e) == ERR_OK);
    for (size_t u = 0; u < N_USERS; u++)
        ck_assert(variational_mf_predict(f, u, u % N_ITEMS) == variational_mf_predict(g, u, u % N_ITEMS));
    variational_mf_free(f);
    variational_mf_free(g);
    parallel_free(w.team);
}
END_TEST

START_TEST(test_ratings_threads_do_not_change_the_result)
{
    static struct world w, v;
    world_init(&w, 1);
    world_init(&v, 3);
    struct variational_mf *f = factorise(&w, &all, 5), *g = factorise(&v, &all, 5);
    for (size_t u = 0; u < N_USERS; u++)
        for (size_t i = 0; i < N_ITEMS; i++)
            ck_assert(variational_mf_predict(f, u, i) == variational_mf_predict(g, u, i));
    variational_mf_free(f);
    variational_mf_free(g);
    parallel_free(w.team);
    parallel_free(v.team);
}
END_TEST

START_TEST(test_ratings_all_equal_or_none_are_refused)
{
    static struct world w;
    world_init(&w, 1);
    for (int none = 0; none < 2; none++) {
        struct err e = {0};
        struct variational_mf *f = NULL;
        for (size_t i = 0; i < N; i++)
            w.x[i].rating = none ? NAN : 4;
        ck_assert(variational_mf_new(&w.data, NULL, &all, &f, &e) == ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(e.text, "differ"));
    }
    parallel_free(w.team);
}
END_TEST

START_TEST(test_ratings_no_memory_is_an_error_at_every_place)
{
    static struct world w;
    world_init(&w, 1);
    bool done = false;
    for (long n = 1; n < 200 && !done; n++) {
        struct err e = {0};
        struct variational_mf *f = NULL;
        mem_fail_at(n, false);
        enum err_code code = variational_mf_new(&w.data, NULL, &all, &f, &e);
        if (!code)
            code = variational_mf_step(f, w.team, &e);
        mem_fail_at(0, false);
        ck_assert_msg(code == ERR_OK || code == ERR_NOMEM, "%ld: %s", n, e.text);
        done = code == ERR_OK;
        variational_mf_free(f);
    }
    ck_assert(done);
    parallel_free(w.team);
}
END_TEST

/* F^T (X - F W) = W where |X - F W|^2 + |W|^2 is least. */
START_TEST(test_ridge_reaches_the_minimum)
{
    enum { ROWS = 30, COLUMNS = 12, WIDE = 3, ENTRIES = ROWS * 4 };
    struct err e = {0};
    struct rng r;
    struct sparse f;
    struct ridge ridge;
    struct parallel *team;
    double x[ROWS * WIDE], mean[ROWS * WIDE];
    rng_init(&r, 1, 1);
    ck_assert(parallel_new(2, &team, &e) == ERR_OK && sparse_init(&f, ROWS, COLUMNS, ENTRIES, &e) == ERR_OK);
    for (size_t i = 0; i < ENTRIES; i++) {
        f.column[i] = (uint32_t)((i * 7 + i / 4) % COLUMNS);
        f.value[i] = (float)rng_normal(&r);
        f.start[i / 4 + 1] = i + 1;
    }
    for (size_t i = 0; i < ROWS * WIDE; i++)
        x[i] = rng_normal(&r);
    ck_assert(ridge_init(&ridge, &f, WIDE, &e) == ERR_OK);
    ridge_fit(&ridge, team, x, 60, mean);
    for (size_t c = 0; c < COLUMNS; c++)
        for (size_t k = 0; k < WIDE; k++) {
            double sum = 0;
            for (size_t i = 0; i < ENTRIES; i++)
                if (f.column[i] == c)
                    sum += (double)f.value[i] * (x[i / 4 * WIDE + k] - mean[i / 4 * WIDE + k]);
            ck_assert_double_lt(fabs(sum - ridge.weights[c * WIDE + k]), 1e-9);
        }
    ridge_fini(&ridge);
    sparse_fini(&f);
    parallel_free(team);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ratings in double precision");
    TCase *threads = tcase_create("threads"), *t = tcase_create("one thread");
    tcase_add_test(threads, test_ratings_threads_do_not_change_the_result);
    tcase_add_test(threads, test_ridge_reaches_the_minimum);
    suite_add_tcase(s, threads);
    tcase_set_tags(t, "one_thread"); /* ../one_thread */
    tcase_add_loop_test(t, test_ratings_the_context_is_the_minimum_of_the_expected_error, 0, N_VARIANTS);
    tcase_add_test(t, test_ratings_encoder_and_training_agree);
    tcase_add_test(t, test_ratings_what_was_planted_comes_back);
    tcase_add_test(t, test_ratings_held_out_ones_are_not_seen);
    tcase_add_test(t, test_ratings_all_equal_or_none_are_refused);
    tcase_add_test(t, test_ratings_no_memory_is_an_error_at_every_place);
    suite_add_tcase(s, t);
    return suite_run(s);
}
