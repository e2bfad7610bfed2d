/* engine/train/search: architectures, and the trainings of a search. Risks: draws outside of the space, codes
 * that do not tell architectures apart, a training that differs from run to run, generated weights that rank
 * no better than chance, and a loss that is not finite and goes on. */
#include "engine/train/search/search_fit.h"

#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

enum { N = 600, D = 6, DRAWS = 2000 };

static real x[N * D];
static double y[N];
static uint32_t at[N];
static struct search_rows learned = {N / 2, D, at, x, y, NULL}, held = {N / 2, D, at + N / 2, x, y, NULL};
static const struct architecture_inputs inputs = {3, {D, 2, 1}};
static const struct model_spec about = {
    .d_item = D, .d_output = 2, .task = {.present = true, .n_classes = 2}};
static struct candidate c;
static struct weight_generator g;
static struct err e;

/* Which side of a curve a row is on: a network without an activation cannot tell. */
static void set_up(void)
{
    struct rng r;
    rng_init(&r, 5, 1);
    e = (struct err){0};
    for (size_t i = 0; i < N; i++) {
        at[i] = (uint32_t)i;
        for (size_t j = 0; j < D; j++)
            x[i * D + j] = (real)rng_normal(&r);
        y[i] = (double)(x[i * D] * x[i * D + 1]) > 0;
    }
    ck_assert_int_eq(candidate_init(&c, &about, &inputs, 64, &e), ERR_OK);
    ck_assert_int_eq(weight_generator_init(&g, D, 2, 1, &e), ERR_OK);
}

static void tear_down(void)
{
    candidate_fini(&c);
    weight_generator_fini(&g);
}

START_TEST(draws_are_of_the_space_and_reach_all_of_it)
{
    struct rng r;
    size_t depths[ARCHITECTURE_DEPTH] = {0}, activations[N_ACTIVATIONS] = {0}, counts[3] = {0}, least = 0,
           most = 0;
    rng_init(&r, 1, 1);
    for (int i = 0; i < DRAWS; i++) {
        struct architecture a;
        architecture_draw(&r, &inputs, &a);
        ck_assert_uint_lt(a.inputs, inputs.n);
        counts[a.inputs]++;
        ck_assert(a.n_layers >= 1 && a.n_layers <= ARCHITECTURE_DEPTH);
        depths[a.n_layers - 1]++;
        activations[a.activation]++;
        for (size_t k = 0; k < a.n_layers; k++) {
            ck_assert(a.width[k] >= ARCHITECTURE_LEAST && a.width[k] <= ARCHITECTURE_MOST);
            least += a.width[k] == ARCHITECTURE_LEAST;
            most += a.width[k] == ARCHITECTURE_MOST;
        }
    }
    for (size_t i = 0; i < ARCHITECTURE_DEPTH; i++)
        ck_assert_uint_gt(depths[i], DRAWS / 5);
    for (size_t i = 0; i < N_ACTIVATIONS; i++)
        ck_assert_uint_gt(activations[i], DRAWS / 6);
    for (size_t i = 0; i < inputs.n; i++)
        ck_assert_uint_gt(counts[i], DRAWS / 5);
    ck_assert(least > 0 && most > 0);
}
END_TEST

START_TEST(architectures_that_differ_have_other_codes_and_names)
{
    static const struct architecture list[] = {
        {1, {8}, ACTIVATION_RELU, 0},        {1, {8}, ACTIVATION_SIGMOID, 0},
        {1, {9}, ACTIVATION_RELU, 0},        {2, {8, 8}, ACTIVATION_RELU, 0},
        {2, {8, 16}, ACTIVATION_RELU, 0},    {2, {16, 8}, ACTIVATION_RELU, 0},
        {3, {64, 4, 4}, ACTIVATION_TANH, 0}, {2, {8, 16}, ACTIVATION_RELU, 2}};
    enum { LISTED = sizeof list / sizeof *list };
    char text[LISTED][ARCHITECTURE_TEXT_BYTES];
    real code[LISTED][ARCHITECTURE_CODE];
    for (size_t i = 0; i < LISTED; i++) {
        architecture_code(&list[i], code[i]);
        (void)architecture_text(&list[i], &inputs, text[i]);
        for (size_t k = 0; k < i; k++) {
            ck_assert(!architecture_same(&list[i], &list[k]));
            ck_assert_int_ne(memcmp(code[i], code[k], sizeof code[i]), 0);
            ck_assert_str_ne(text[i], text[k]);
        }
    }
    ck_assert_str_eq(text[4], "8-16 relu");
    ck_assert_str_eq(text[7], "8-16 relu of 1");
    ck_assert(architecture_bad_on_sight(&list[6]) && !architecture_bad_on_sight(&list[4]));
    ck_assert(architecture_bad_on_sight(&(struct architecture){1, {64}, ACTIVATION_IDENTITY, 0}));
    ck_assert_uint_eq(architecture_n_weights(&list[4], D, 2), 8 * (D + 1) + 16 * 9 + 2 * 17);
}
END_TEST

static double train(const struct architecture *a, uint64_t seed)
{
    const struct search_fit_options o = {.seed = seed, .n_steps = 400, .batch = 32, .rate = 1e-2};
    candidate_take(&c, a);
    ck_assert_int_eq(search_fit_scratch(&c, &learned, &o, &e), ERR_OK);
    return candidate_score(&c, &held);
}

START_TEST(a_network_learns_from_scratch_what_it_can_and_the_same_with_the_same_seed)
{
    const struct architecture wide = {1, {32}, ACTIVATION_TANH, 0},
                              linear = {1, {32}, ACTIVATION_IDENTITY, 0};
    static real first[32 * (D + 1) + 2 * 33];
    double score = train(&wide, 1);
    size_t n = c.n_values;
    ck_assert_uint_eq(n, sizeof first / sizeof *first);
    memcpy(first, c.values, sizeof first);
    ck_assert_double_gt(score, 0.85);
    ck_assert_double_lt(train(&linear, 1), 0.65);
    ck_assert_double_eq(train(&wide, 1), score);
    ck_assert_int_eq(memcmp(first, c.values, sizeof first), 0);
    (void)train(&wide, 2);
    ck_assert_int_ne(memcmp(first, c.values, sizeof first), 0);
}
END_TEST

START_TEST(generated_weights_tell_what_training_would)
{
    const struct architecture wide = {1, {48}, ACTIVATION_TANH, 0},
                              linear = {1, {48}, ACTIVATION_IDENTITY, 0};
    const struct search_fit_options o = {.seed = 1, .n_steps = 4500, .batch = 32, .rate = 2e-3};
    ck_assert_int_eq(search_fit_generator(&g, &c, &learned, &o, &e), ERR_OK);
    candidate_take(&c, &wide);
    weight_generator_make(&g, &c);
    double good = candidate_score(&c, &held);
    candidate_take(&c, &linear);
    weight_generator_make(&g, &c);
    ck_assert_double_gt(good, candidate_score(&c, &held) + 0.15);
}
END_TEST

/* The curve is one of the first two numbers: of these a network learns it, of one it cannot. */
START_TEST(a_network_reads_the_first_numbers_of_a_row_alone)
{
    const struct architecture two = {1, {32}, ACTIVATION_TANH, 1}, one = {1, {32}, ACTIVATION_TANH, 2};
    ck_assert_double_gt(train(&two, 1), 0.9);
    ck_assert_uint_eq(c.spec.d_item, 2);
    ck_assert_uint_eq(c.n_values, 32 * 3 + 2 * 33);
    double score = candidate_score(&c, &held);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 2; j < D; j++)
            x[i * D + j] = 1000;
    ck_assert_double_eq(candidate_score(&c, &held), score);
    ck_assert_double_lt(train(&one, 1), 0.65);
}
END_TEST

static bool stop_at_once(void *arg, const struct progress *p)
{
    (void)arg;
    (void)p;
    return false;
}

START_TEST(a_training_can_be_stopped_and_ends_where_the_loss_does)
{
    struct search_fit_options o = {.seed = 1, .n_steps = 400, .batch = 32, .rate = 1e-2, .stage = "s"};
    const struct architecture a = {2, {8, 8}, ACTIVATION_TANH, 0};
    o.progress = stop_at_once;
    candidate_take(&c, &a);
    ck_assert_int_eq(search_fit_scratch(&c, &learned, &o, &e), ERR_DEADLINE);
    ck_assert_int_eq(search_fit_generator(&g, &c, &learned, &o, &e), ERR_DEADLINE);
    o.progress = NULL;
    x[0] = (real)NAN;
    at[1] = at[2] = at[3] = 0;
    e = (struct err){0};
    candidate_take(&c, &a);
    ck_assert_int_eq(search_fit_scratch(&c, &learned, &o, &e), ERR_INVALID);
    ck_assert_msg(strstr(e.text, "not finite"), "%s", e.text);
}
END_TEST

SUITE("engine/train/search", set_up, tear_down, {draws_are_of_the_space_and_reach_all_of_it},
      {architectures_that_differ_have_other_codes_and_names},
      {a_network_learns_from_scratch_what_it_can_and_the_same_with_the_same_seed},
      {a_network_reads_the_first_numbers_of_a_row_alone}, {generated_weights_tell_what_training_would},
      {a_training_can_be_stopped_and_ends_where_the_loss_does})
