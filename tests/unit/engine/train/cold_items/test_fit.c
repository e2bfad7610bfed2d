/* engine/train/cold_items/trainer.c and probe_users.c: what is learned of new items, in a world where
 * categories explain the rows; risks: held-out items that were not held out, a bias that floods or hides new
 * items, results that depend on the number of threads, items that nobody took left at zero. */
#include "base/mem.h"
#include "base/rng.h"
#include "engine/network/cold_items.h"
#include "engine/train/cold_items/fit.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/linear/ials.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_USERS = 120, N_ITEMS = 200, KINDS = 4, DIM = 6, PER_USER = 12, N_ALONE = 5 };

static struct model_spec spec;
static struct param_block block;
static struct train_data data;
static size_t user_start[N_USERS + 1], feature_start[N_ITEMS + 1];
static struct encoder_interaction interactions[N_USERS * PER_USER];
static uint32_t features[2 * N_ITEMS];
static char category[] = "category", word[] = "word", a[] = "a", b[] = "b", c[] = "c", d[] = "d",
            noise[] = "noise";
static struct profile_value names[] = {{.field = category, .value = a},
                                       {.field = category, .value = b},
                                       {.field = category, .value = c},
                                       {.field = category, .value = d},
                                       {.field = word, .value = noise}};

/* Item i is of kind i % KINDS; its factor is its kind's direction and a little noise. Nobody took the last
 * N_ALONE. */
static void fill_items(struct rng *r)
{
    for (size_t i = 0; i < N_ITEMS; i++) {
        real *v = block.params.fold_in_factor + i * DIM, *e = block.params.catalogue_embedding + i * DIM;
        for (size_t j = 0; j < DIM; j++) {
            v[j] = (real)((j == i % KINDS) + 0.1 * rng_normal(r));
            e[j] = 2 * v[j];
        }
        block.params.catalogue_bias[i] = (real)(0.5 * rng_normal(r));
        feature_start[i + 1] = feature_start[i];
        features[feature_start[i + 1]++] = (uint32_t)(i % KINDS);
        if (rng_below(r, 3) == 0)
            features[feature_start[i + 1]++] = KINDS;
    }
}

/* User u takes items of kind u % KINDS. */
static void fill_users(struct rng *r)
{
    for (size_t u = 0; u < N_USERS; u++) {
        uint32_t taken[N_ITEMS / KINDS];
        for (size_t k = 0; k < N_ITEMS / KINDS; k++)
            taken[k] = (uint32_t)(k * KINDS + u % KINDS);
        rng_shuffle(r, taken, (N_ITEMS - N_ALONE) / KINDS);
        for (size_t k = 0; k < PER_USER; k++)
            interactions[u * PER_USER + k] =
                (struct encoder_interaction){.item = taken[k], .weight = 1, .rating = NAN};
        user_start[u + 1] = (u + 1) * PER_USER;
    }
}

static void setup(void)
{
    struct err e = {0};
    struct rng r;
    rng_init(&r, 1, 1);
    spec = (struct model_spec){
        .objective = &objective_ranking,
        .name = "t",
        .version = "1",
        .n_items = N_ITEMS,
        .d_item = DIM,
        .d_context = DIM,
        .d_output = 1,
        .has_linear = true,
        .encoder = {.present = true, .d_fold_in = DIM, .alpha = 0.1, .reg = 0.01, .reg_exponent = 1}};
    ck_assert_int_eq(param_block_init(&block, &spec, &e), ERR_OK);
    fill_items(&r);
    fill_users(&r);
    for (size_t i = 0; i < DIM; i++)
        block.params.linear_context[i * DIM + i] = 3;
    ials_gram(block.params.fold_in_factor, N_ITEMS, DIM, spec.encoder.alpha, block.params.fold_in_gram);
    data = (struct train_data){.n_users = N_USERS,
                               .n_items = N_ITEMS,
                               .user_start = user_start,
                               .interactions = interactions,
                               .feature_start = feature_start,
                               .features = features,
                               .feature_names = names,
                               .n_features = KINDS + 1};
}

static void teardown(void)
{
    param_block_fini(&block);
}

static void fit(struct cold_items_fit *f, int n_threads)
{
    struct parallel *team;
    struct err e = {0};
    ck_assert_int_eq(parallel_new(n_threads, &team, &e), ERR_OK);
    ck_assert_msg(cold_items_fit_run(&data, &spec, &block.params, 1, team, f, &e) == ERR_OK, "%s", e.text);
    parallel_free(team);
}

START_TEST(test_item_side_fit_explains_what_categories_explain)
{
    struct cold_items_fit f;
    struct err e = {0};
    fit(&f, 1);
    ck_assert_double_lt(f.error, 0.35 * f.error_of_mean); /* the biases are noise and stay unexplained */
    ck_assert_int_eq(model_spec_check(&f.spec, &e), ERR_OK);
    for (uint32_t kind = 0; kind < KINDS; kind++) {
        real row[2 * DIM + 1];
        cold_items_prior(&f.spec, &f.params, &kind, 1, row);
        for (size_t j = 0; j < DIM; j++)
            ck_assert_double_eq_tol((double)row[DIM + j], j == kind ? 2 : 0, 0.25);
    }
    cold_items_fit_fini(&f);
}
END_TEST

/* Weights that overflow the user's context; the store takes none so large. */
START_TEST(test_item_side_fit_goes_on_without_users_who_have_no_finite_context)
{
    struct cold_items_fit f;
    for (size_t k = 0; k < PER_USER; k++)
        interactions[k].weight = interactions[7 * PER_USER + k].weight = (real)3e38;
    fit(&f, 1);
    ck_assert_double_lt(f.error, 0.35 * f.error_of_mean);
    for (size_t i = 0; i < DIM * DIM; i++)
        ck_assert(isfinite(f.gram[i]));
    cold_items_fit_fini(&f);
    for (size_t i = 0; i < N_USERS * PER_USER; i++)
        interactions[i].weight = (real)3e38;
    struct parallel *team;
    struct err e = {0};
    ck_assert_int_eq(parallel_new(1, &team, &e), ERR_OK);
    ck_assert_int_eq(cold_items_fit_run(&data, &spec, &block.params, 1, team, &f, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "any of 120 users"));
    parallel_free(team);
}
END_TEST

START_TEST(test_item_side_fit_gives_new_items_their_share)
{
    struct cold_items_fit f;
    fit(&f, 1);
    real low[2 * DIM + 1];
    double mean = 0;
    for (size_t i = 0; i < N_ITEMS; i++)
        mean += (double)block.params.catalogue_bias[i] / N_ITEMS;
    cold_items_prior(&f.spec, &f.params, NULL, 0, low);
    /* exp of biases with variance 1/4 has the mean exp(mean + 1/8) */
    ck_assert_double_eq_tol((double)low[2 * DIM], mean + 0.125, 0.35);
    cold_items_fit_fini(&f);
}
END_TEST

START_TEST(test_item_side_fit_does_not_depend_on_threads)
{
    struct cold_items_fit one, three;
    size_t len = model_spec_item_row(&spec);
    fit(&one, 1);
    fit(&three, 3);
    ck_assert_mem_eq(one.mean, three.mean, len * sizeof(real));
    ck_assert_mem_eq(one.weight, three.weight, (KINDS + 1) * len * sizeof(real));
    ck_assert_mem_eq(one.follow, three.follow, DIM * (len - DIM) * sizeof(real));
    ck_assert_mem_eq(one.gram, three.gram, DIM * DIM * sizeof(real));
    cold_items_fit_fini(&one);
    cold_items_fit_fini(&three);
}
END_TEST

/* The embedding is twice the factor; the ridge, which is as large as what a factor's values vary by, halves
 * that. */
START_TEST(test_item_side_fit_embedding_follows_the_factor)
{
    struct cold_items_fit f;
    fit(&f, 1);
    for (size_t i = 0; i < DIM; i++)
        for (size_t j = 0; j < DIM; j++)
            ck_assert_double_eq_tol((double)f.follow[i * (DIM + 1) + j], i == j ? 1 : 0, 0.2);
    cold_items_fit_fini(&f);
}
END_TEST

START_TEST(test_item_side_fit_fills_what_nobody_took)
{
    struct cold_items_fit f;
    struct err e = {0};
    real row[2 * DIM + 1], taken[DIM];
    fit(&f, 1);
    memcpy(taken, block.params.catalogue_embedding, sizeof taken);
    ck_assert_int_eq(cold_items_fill(&f, &data, &e), ERR_OK);
    ck_assert_mem_eq(taken, block.params.catalogue_embedding, sizeof taken);
    for (size_t i = N_ITEMS - N_ALONE; i < N_ITEMS; i++) {
        cold_items_prior(&f.spec, &f.params, features + feature_start[i],
                         feature_start[i + 1] - feature_start[i], row);
        ck_assert_mem_eq(block.params.fold_in_factor + i * DIM, row, DIM * sizeof(real));
        ck_assert_mem_eq(block.params.catalogue_embedding + i * DIM, row + DIM, DIM * sizeof(real));
        ck_assert_mem_eq(block.params.catalogue_bias + i, row + 2 * DIM, sizeof(real));
    }
    cold_items_fit_fini(&f);
}
END_TEST

START_TEST(test_item_side_fit_without_features_gives_a_prior_alone)
{
    struct cold_items_fit f;
    data.n_features = 0;
    data.feature_start = NULL;
    fit(&f, 1);
    ck_assert_ptr_null(f.params.item_weight);
    ck_assert_double_eq(f.error, f.error_of_mean);
    cold_items_fit_fini(&f);
}
END_TEST

START_TEST(test_item_side_fit_without_memory_says_so)
{
    struct parallel *team;
    struct err e = {0};
    bool done = false;
    ck_assert_int_eq(parallel_new(1, &team, &e), ERR_OK);
    for (long n = 1; n < 5000 && !done; n++) {
        struct cold_items_fit f;
        mem_fail_at(n, 0);
        enum err_code code = cold_items_fit_run(&data, &spec, &block.params, 1, team, &f, &e);
        mem_fail_at(0, 0);
        ck_assert(code == ERR_OK || code == ERR_NOMEM);
        done = code == ERR_OK;
        if (done)
            cold_items_fit_fini(&f);
        err_clear(&e);
    }
    ck_assert(done);
    parallel_free(team);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/train/item_side_fit");
    TCase *threads = tcase_create("threads"), *t = tcase_create("fit");
    tcase_add_checked_fixture(threads, setup, teardown);
    tcase_add_test(threads, test_item_side_fit_does_not_depend_on_threads);
    suite_add_tcase(s, threads);
    tcase_set_tags(t, "one_thread"); /* ../one_thread */
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_item_side_fit_explains_what_categories_explain);
    tcase_add_test(t, test_item_side_fit_goes_on_without_users_who_have_no_finite_context);
    tcase_add_test(t, test_item_side_fit_gives_new_items_their_share);
    tcase_add_test(t, test_item_side_fit_embedding_follows_the_factor);
    tcase_add_test(t, test_item_side_fit_fills_what_nobody_took);
    tcase_add_test(t, test_item_side_fit_without_features_gives_a_prior_alone);
    tcase_add_test(t, test_item_side_fit_without_memory_says_so);
    suite_add_tcase(s, t);
    return suite_run(s);
}
