/* engine/train/ranking/init_search.c: which factorisation training starts from. Risks: one that an epoch does
 * not bear out, a stop that is not heeded, memory of the tries. */
#include "engine/train/ranking/init_search.h"
#include "engine/train/ranking/trainer.h"
#include "tests/support/suite.h"
#include "tests/support/train_world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N_USERS = TRAIN_CIRCLE_USERS, N_ITEMS = TRAIN_CIRCLE_ITEMS, DIM = 8, MAX_TRIES = 4 };

static struct train_circle circle;
static struct train_options options;
static struct parallel *team;
static struct split split;

static void setup(void)
{
    struct err e = {0};
    train_circle_make(&circle, true);
    train_options_default(&options);
    ck_assert_int_eq(parallel_new(2, &team, &e), ERR_OK);
    ck_assert_int_eq(split_init(&split, &circle.data, true, 1, &e), ERR_OK);
}

static void teardown(void)
{
    split_fini(&split);
    parallel_free(team);
}

static struct ials_start factorised(double alpha)
{
    struct err e = {0};
    struct ials_start factors;
    struct ials_options ials = {.dim = DIM, .alpha = alpha, .reg = 0.003, .reg_exponent = 1, .seed = 1};
    ck_assert_int_eq(ials_factorise(&split, &ials, team, NULL, NULL, &factors, &e), ERR_OK);
    return factors;
}

static bool go_on(void *arg, const struct progress *p)
{
    (void)arg;
    (void)p;
    return true;
}

static double after_an_epoch(double alpha)
{
    struct err e = {0};
    struct trainer fit;
    double loss, ndcg;
    struct ials_start factors = factorised(alpha);
    ck_assert_int_eq(trainer_init(&fit, &split, &options, &factors.options, team, &e), ERR_OK);
    ck_assert_int_eq(trainer_start(&fit, &factors, &e), ERR_OK);
    ck_assert_int_eq(trainer_epoch(&fit, 1, 1, go_on, NULL, &loss, &e), ERR_OK);
    ck_assert_int_eq(trainer_measure(&fit, NULL, &ndcg, &e), ERR_OK);
    trainer_fini(&fit);
    ials_start_fini(&factors);
    return ndcg;
}

START_TEST(the_alpha_is_weakened_while_an_epoch_gains_3_per_cent_by_it)
{
    static const double from[] = {3, 1, 0.03};
    struct err e = {0};
    struct ials_start factors = factorised(from[_i]);
    double expected = from[_i], best = after_an_epoch(expected);
    for (int tries = 1; tries < MAX_TRIES; tries++) {
        double next = after_an_epoch(expected * 0.3);
        if (!(next > 1.03 * best))
            break;
        best = next;
        expected *= 0.3;
    }
    ck_assert_int_eq(init_search_choose(&split, &options, team, NULL, NULL, &factors, &e), ERR_OK);
    ck_assert(factors.options.alpha == expected);
    struct ials_start again = factorised(expected);
    ck_assert_mem_eq(factors.items, again.items, N_ITEMS * DIM * sizeof *factors.items);
    ials_start_fini(&again);
    ials_start_fini(&factors);
}
END_TEST

static bool stop(void *arg, const struct progress *p)
{
    int *calls = arg;
    (void)p;
    return --*calls > 0;
}

START_TEST(a_stop_leaves_the_start_as_it_came)
{
    struct err e = {0};
    int calls = 1;
    struct ials_start factors = factorised(1);
    real *items = factors.items;
    ck_assert_int_eq(init_search_choose(&split, &options, team, stop, &calls, &factors, &e), ERR_OK);
    ck_assert(factors.items == items && factors.options.alpha == 1);
    ck_assert_int_eq(calls, 0);
    ials_start_fini(&factors);
}
END_TEST

SUITE("start choice", setup, teardown, {the_alpha_is_weakened_while_an_epoch_gains_3_per_cent_by_it, 3},
      {a_stop_leaves_the_start_as_it_came})
