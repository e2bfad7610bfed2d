/* engine/train/ranking/fold_in_batch.c against its naive twin, encoder_encode's fold-in of each history by
 * itself. Risks: a ridge of another number of interactions, a moment that knows one too many, state that one
 * user leaves to the next. */
#include "base/rng.h"
#include "engine/network/encoder.h"
#include "engine/train/linear/ials.h"
#include "engine/train/ranking/fold_in_batch.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_ITEMS = 300, D = 24, N_HISTORY = 260 };

static const struct setting {
    double alpha, reg, reg_exponent;
} settings[] = {{0.3, 0.007, 1}, {0.001, 0.05, 1}, {0.1, 0.02, 0.5}, {3, 0.1, 0}, {0.3, 0.0003, 1}};
enum { N_SETTINGS = sizeof settings / sizeof *settings };

static const size_t few[] = {0, 1, 3, 20};

struct world {
    struct model_spec spec;
    struct model_params params;
    real factors[N_ITEMS * D], gram[D * D], prior[D];
    struct encoder_interaction x[N_HISTORY];
    real *workspace;
    struct fold_in_batch *fold_in_batch;
};

static void world_init(struct world *w, const struct setting *s)
{
    struct rng r;
    struct err e = {0};
    rng_init(&r, 11, 1);
    memset(w, 0, sizeof *w);
    w->spec = (struct model_spec){.n_items = N_ITEMS, .d_context = D};
    w->spec.encoder = (struct encoder_spec){
        .present = true, .d_fold_in = D, .alpha = s->alpha, .reg = s->reg, .reg_exponent = s->reg_exponent};
    w->params =
        (struct model_params){.fold_in_factor = w->factors, .fold_in_gram = w->gram, .prior = w->prior};
    for (size_t i = 0; i < N_ITEMS * D; i++)
        w->factors[i] = (real)(0.2 * rng_normal(&r));
    ials_gram(w->factors, N_ITEMS, D, s->alpha, w->gram);
    for (size_t i = 0; i < D; i++)
        w->prior[i] = (real)i;
    for (size_t i = 0; i < N_HISTORY; i++)
        w->x[i] = (struct encoder_interaction){.item = (uint32_t)((i * 7) % N_ITEMS),
                                               .weight = (float)(0.5 + rng_uniform(&r))};
    w->workspace = malloc(encoder_workspace_len(&w->spec, 0) * sizeof *w->workspace);
    ck_assert_int_eq(
        fold_in_batch_new(&w->spec, &w->params, few, sizeof few / sizeof *few, &w->fold_in_batch, &e),
        ERR_OK);
}

static void world_fini(struct world *w)
{
    fold_in_batch_free(w->fold_in_batch);
    free(w->workspace);
}

static void assert_fold_in_of(struct world *w, const struct encoder_interaction *x, size_t n, const real *got)
{
    struct encoder_input input = {.interactions = x, .n_interactions = n};
    struct err e = {0};
    real expected[D], most = 0;
    ck_assert_msg(encoder_encode(&w->spec, &w->params, &input, w->workspace, expected, &e) == ERR_OK, "%s",
                  e.text);
    for (size_t i = 0; i < D; i++)
        most = fmaxf(most, fabsf(expected[i]));
    for (size_t i = 0; i < D; i++) /* rounding in float, times the condition of the equation */
        ck_assert_msg(fabsf(got[i] - expected[i]) <= 2e-4F * most, "%zu interactions: [%zu] is %g, not %g", n,
                      i, (double)got[i], (double)expected[i]);
}

START_TEST(prefixes_equal_the_encoder)
{
    struct world w;
    world_init(&w, &settings[_i]);
    static const size_t counts[] = {0, 1, 2, 3, 4, 4, 9, 30, 31, 33, 90, 100, 101, 200, 259, 260};
    enum { N = sizeof counts / sizeof *counts };
    static real f[N][D];
    struct fold_in_moment moments[N];
    for (size_t k = 0; k < N; k++)
        moments[k] = (struct fold_in_moment){counts[k], f[k]};
    for (int user = 0; user < 2; user++) { /* the second is not told what the first had */
        fold_in_batch_prefixes(w.fold_in_batch, w.x, moments, N);
        for (size_t k = 0; k < N; k++)
            assert_fold_in_of(&w, w.x, counts[k], f[k]);
    }
    world_fini(&w);
}
END_TEST

START_TEST(every_moment_of_a_long_history_equals_the_encoder)
{
    struct world w;
    world_init(&w, &settings[_i]);
    static real f[N_HISTORY][D];
    struct fold_in_moment moments[N_HISTORY];
    for (size_t k = 0; k < N_HISTORY; k++)
        moments[k] = (struct fold_in_moment){k + 1, f[k]};
    fold_in_batch_prefixes(w.fold_in_batch, w.x, moments, N_HISTORY);
    for (size_t k = 0; k < N_HISTORY; k++)
        assert_fold_in_of(&w, w.x, k + 1, f[k]);
    world_fini(&w);
}
END_TEST

START_TEST(leaving_out_equals_the_encoder)
{
    struct world w;
    world_init(&w, &settings[_i]);
    static const size_t known[] = {2, 5, 40, 260};
    for (size_t k = 0; k < 4; k++) {
        size_t n = known[k], size = n < 20 ? 1 : 8, kept = 0;
        const struct encoder_interaction *left_out[FOLD_INS_MOST_LEFT_OUT];
        struct encoder_interaction rest[N_HISTORY];
        real f[D], other[D];
        for (size_t i = 0; i < n; i++)
            if (i < size)
                left_out[i] = &w.x[i];
            else
                rest[kept++] = w.x[i];
        fold_in_batch_know(w.fold_in_batch, w.x, n, size);
        fold_in_batch_of(w.fold_in_batch, w.x, 3, other); /* what is known stays */
        for (int again = 0; again < 2; again++) {
            fold_in_batch_without(w.fold_in_batch, left_out, f);
            assert_fold_in_of(&w, rest, kept, f);
        }
    }
    world_fini(&w);
}
END_TEST

START_TEST(a_few_alone_equal_the_encoder)
{
    struct world w;
    world_init(&w, &settings[_i]);
    for (size_t k = 0; k < sizeof few / sizeof *few; k++)
        for (size_t first = 0; first < 3; first++) {
            real f[D];
            fold_in_batch_of(w.fold_in_batch, w.x + first * 20, few[k], f);
            assert_fold_in_of(&w, w.x + first * 20, few[k], f);
        }
    world_fini(&w);
}
END_TEST

START_TEST(an_equation_without_a_solution_gives_the_prior)
{
    struct world w;
    world_init(&w, &settings[0]);
    real f[D], g[D], h[D];
    for (size_t i = 0; i < D; i++)
        w.gram[i * D + i] = -1e6F;
    struct fold_in_moment moments[] = {{5, f}, {9, g}};
    fold_in_batch_prefixes(w.fold_in_batch, w.x, moments, 2);
    fold_in_batch_of(w.fold_in_batch, w.x, 3, h);
    ck_assert_mem_eq(f, w.prior, sizeof f);
    ck_assert_mem_eq(g, w.prior, sizeof g);
    ck_assert_mem_eq(h, w.prior, sizeof h);
    world_fini(&w);
}
END_TEST

SUITE("engine fold_ins", NULL, NULL, {prefixes_equal_the_encoder, N_SETTINGS},
      {every_moment_of_a_long_history_equals_the_encoder, N_SETTINGS},
      {leaving_out_equals_the_encoder, N_SETTINGS}, {a_few_alone_equal_the_encoder, N_SETTINGS},
      {an_equation_without_a_solution_gives_the_prior})
