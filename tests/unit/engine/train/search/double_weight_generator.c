/* engine/train/search/weight_generator.c and candidate.c against finite differences, in double precision:
 * from the loss of a network through the weights that were made for it to every kind of value of the
 * hypernetwork. Risk: a wrong term, with which it learns something else, and architectures are ranked by
 * that. */
#include "engine/train/search/weight_generator.h"

#include "tests/support/suite.h"

#include <math.h>

enum { N = 6, D = 5, O = 3, CHECKED = 60 /* values of each part */ };

static const struct setting {
    struct architecture architecture;
    size_t n_classes;
} settings[] = {
    {{1, {ARCHITECTURE_LEAST}, ACTIVATION_RELU, 0}, O},
    {{2, {7, 5}, ACTIVATION_SIGMOID, 0}, O},
    {{3, {6, ARCHITECTURE_MOST, 5}, ACTIVATION_TANH, 0}, 0},
    {{3, {4, 9, 12}, ACTIVATION_IDENTITY, 0}, O},
    {{2, {7, 5}, ACTIVATION_SIGMOID, 1}, O},
};
enum { N_SETTINGS = sizeof settings / sizeof *settings };

static struct weight_generator g;
static struct candidate c;
static real x[N * D];
static double y[N];
static uint32_t at[N];
static const struct search_rows rows = {N, D, at, x, y, NULL};
static const struct architecture_inputs inputs = {2, {D, 3}};
static struct rng r;

static void set_up(const struct setting *s)
{
    struct err e = {0};
    size_t o = s->n_classes ? s->n_classes : 1;
    const struct model_spec about = {
        .d_item = D, .d_output = o, .task = {.present = true, .n_classes = s->n_classes}};
    rng_init(&r, 3, 1);
    ck_assert_int_eq(candidate_init(&c, &about, &inputs, N, &e), ERR_OK);
    ck_assert_int_eq(weight_generator_init(&g, D, o, 1, &e), ERR_OK);
    for (size_t i = 0; i < g.n_values; i++) /* also where it begins with 0 */
        g.values[i] += 0.05 * rng_normal(&r);
    for (size_t i = 0; i < N * D; i++)
        x[i] = rng_normal(&r);
    for (size_t i = 0; i < N; i++) {
        at[i] = (uint32_t)i;
        y[i] = s->n_classes ? (double)rng_below(&r, s->n_classes) : rng_normal(&r);
    }
}

static void tear_down(void)
{
    candidate_fini(&c);
    weight_generator_fini(&g);
}

static double loss_of(const struct architecture *a)
{
    candidate_take(&c, a);
    weight_generator_make(&g, &c);
    candidate_read(&c, &rows, 0, N);
    return candidate_gradient(&c);
}

static void check_value(const struct setting *s, size_t i)
{
    const double h = 1e-5;
    double was = g.values[i];
    g.values[i] = was + h;
    double above = loss_of(&s->architecture);
    g.values[i] = was - h;
    double slope = (above - loss_of(&s->architecture)) / (2 * h);
    g.values[i] = was;
    ck_assert_msg(fabs(slope - g.grads[i]) <= 1e-8 + 1e-6 * fabs(slope), "%d, value %zu: %.10g, not %.10g",
                  (int)(s - settings), i, g.grads[i], slope);
}

/* Some values of a part of the block, spread over it; how many have a gradient. */
static size_t check_part(const struct setting *s, size_t from, size_t n)
{
    size_t moved = 0;
    for (size_t k = 0; k < CHECKED && k < n; k++) {
        size_t i = from + (n <= CHECKED ? k : (size_t)rng_below(&r, n));
        moved += g.grads[i] != 0;
        check_value(s, i);
    }
    return moved;
}

START_TEST(the_gradient_is_that_of_finite_differences)
{
    const struct setting *s = &settings[_i];
    size_t n_layers = s->architecture.n_layers, z = WEIGHTS_TRUNK;
    set_up(s);
    (void)loss_of(&s->architecture);
    weight_generator_backward(&g, &c);
    ck_assert_uint_gt(check_part(s, g.trunk[0].weight, z * (ARCHITECTURE_CODE + 1)), 0);
    ck_assert_uint_gt(check_part(s, g.trunk[1].weight, z * (z + 1)), 0);
    for (size_t i = 0; i <= n_layers; i++) {
        const struct weights_place *p = &g.places[i < n_layers ? i : ARCHITECTURE_DEPTH + n_layers - 1];
        ck_assert_uint_gt(check_part(s, p->weight, p->d_in), 0); /* the first unit's, which none is without */
        ck_assert_uint_gt(check_part(s, p->bias, 4), 0);
        ck_assert_uint_gt(check_part(s, p->a.weight, WEIGHTS_RANK * z), 0);
        ck_assert_uint_gt(check_part(s, p->b.weight, WEIGHTS_RANK * z), 0);
        ck_assert_uint_gt(check_part(s, p->gain.weight, z), 0);
        ck_assert_uint_gt(check_part(s, p->add.weight, z), 0);
    }
}
END_TEST

/* What a candidate does not have is neither used nor learned. */
START_TEST(what_is_cut_away_has_no_gradient)
{
    const struct setting *s = &settings[4];
    size_t n = 0;
    set_up(s);
    (void)loss_of(&s->architecture);
    weight_generator_backward(&g, &c);
    for (size_t i = 0; i < g.n_values; i++)
        n += g.grads[i] != 0;
    const struct weights_place *first = &g.places[0], *second = &g.places[1], *third = &g.places[2];
    for (size_t j = 0; j < D; j++)
        ck_assert_int_eq(g.grads[first->weight + j] != 0, j < inputs.count[1]);
    for (size_t i = third->weight; i < g.places[ARCHITECTURE_DEPTH].weight; i++)
        ck_assert_double_eq(g.grads[i], 0);
    for (size_t j = s->architecture.width[0]; j < second->d_in; j++)
        ck_assert_double_eq(g.grads[second->weight + j], 0);
    ck_assert_uint_gt(n, 0);
}
END_TEST

SUITE("engine/train/search: hypernetwork", NULL, tear_down,
      {the_gradient_is_that_of_finite_differences, N_SETTINGS}, {what_is_cut_away_has_no_gradient})
