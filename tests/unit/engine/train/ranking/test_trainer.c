/* engine/train/ranking/trainer.c: where joint training starts. Risks: scores that do not rank as the
 * factorisation does, embeddings whose size, and with it what a learning rate means, depends on the data. */
#include "base/mem.h"
#include "engine/train/data/validate.h"
#include "engine/train/ranking/trainer.h"
#include "tests/support/suite.h"
#include "tests/support/train_world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N_USERS = TRAIN_CIRCLE_USERS, N_ITEMS = TRAIN_CIRCLE_ITEMS, DIM = 8 };

static struct train_circle circle;
static struct parallel *team;
static struct split split;

static void setup(void)
{
    struct err e = {0};
    train_circle_make(&circle, false);
    ck_assert_int_eq(parallel_new(1, &team, &e), ERR_OK);
    ck_assert_int_eq(split_init(&split, &circle.data, true, 1, &e), ERR_OK);
}

static void teardown(void)
{
    split_fini(&split);
    parallel_free(team);
}

static double rms(const real *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum / (double)n);
}

/* Factors of a weak and of a strong alpha differ in size by far. */
START_TEST(training_starts_at_the_factorisations_ranking_and_at_one_size)
{
    const double alphas[] = {0.01, 1};
    struct ials_options ials = {.dim = DIM, .alpha = alphas[_i], .reg = 0.003, .reg_exponent = 1, .seed = 1};
    struct train_options options;
    struct ials_start factors;
    struct trainer fit;
    struct err e = {0};
    double before, after;
    train_options_default(&options);
    ck_assert_int_eq(ials_factorise(&split, &ials, team, NULL, NULL, &factors, &e), ERR_OK);
    ck_assert_int_eq(validate_factors(factors.items, factors.users, DIM, &split, team, &before, &e), ERR_OK);
    ck_assert_int_eq(trainer_init(&fit, &split, &options, &ials, team, &e), ERR_OK);
    ck_assert_int_eq(trainer_start(&fit, &factors, &e), ERR_OK);
    ck_assert_int_eq(trainer_measure(&fit, NULL, &after, &e), ERR_OK);
    ck_assert_double_eq_tol(rms(fit.block.params.catalogue_embedding, (size_t)N_ITEMS * DIM), 0.1, 1e-4);
    ck_assert_double_eq_tol(after, before,
                            0.03); /* the users' own factors are half a round older than a fold-in */
    ck_assert_double_gt(before, 0.5);
    const real *linear = fit.block.params.linear_context; /* (d_item, d_context) */
    double scale = (double)linear[0], power;
    for (size_t i = 0; i < DIM; i++)
        for (size_t j = 0; j < fit.spec.d_context; j++)
            ck_assert_double_eq_tol((double)linear[i * fit.spec.d_context + j], i == j ? scale : 0, 1e-12);
    ck_assert_double_eq_tol(modf(log2(scale * 4), &power), 0, 1e-9); /* a quarter of a power of two */
    trainer_fini(&fit);
    ials_start_fini(&factors);
}
END_TEST

SUITE("fit", setup, teardown, {training_starts_at_the_factorisations_ranking_and_at_one_size, 2})
