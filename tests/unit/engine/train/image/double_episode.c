/* engine/train/image/episode.c, engine/network/class_head.c and its backward against finite differences, in
 * double precision. Risks: a term of the gradient through the attention or the means; an image that is known
 * and asked for; a head that does not begin as a prototypical network. */
#include "engine/train/image/episode.h"

#include "base/mem.h"
#include "base/rng.h"
#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

enum { F = 5, H = 4, K = 3, P = 4 };

static const struct class_head_spec spec = {F, H};
static struct episode ep;
static struct class_head_params params, grads;
static real *values, *gradients, features[K * P * F], dfeatures[K * P * F];
static uint32_t order[K * P];
static size_t n_values;

static void start(void)
{
    struct rng rng;
    struct err e = {0};
    rng_init(&rng, 13, 1);
    n_values = class_head_params_len(&spec);
    values = mem_alloc_array(n_values, sizeof *values);
    gradients = mem_zalloc_array(n_values, sizeof *gradients);
    ck_assert(values && gradients);
    for (size_t i = 0; i < n_values; i++)
        values[i] = 0.5 * rng_normal(&rng);
    for (size_t i = 0; i < K * P * F; i++)
        features[i] = rng_normal(&rng);
    for (size_t k = 0; k < K; k++) {
        for (uint32_t i = 0; i < P; i++)
            order[k * P + i] = i;
        rng_shuffle(&rng, order + k * P, P);
    }
    memset(dfeatures, 0, sizeof dfeatures);
    class_head_params_at(&spec, values, &params);
    class_head_params_at(&spec, gradients, &grads);
    ck_assert_msg(episode_init(&ep, &spec, K, P, &e) == ERR_OK, "%s", e.text);
}

static void stop(void)
{
    episode_fini(&ep);
    mem_free(values);
    mem_free(gradients);
}

static double loss(size_t shots)
{
    return episode_loss(&ep, &params, features, &(struct episode_split){shots, order}, 1, NULL, NULL, NULL);
}

static void hold(size_t shots, real *x, const real *found, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++) {
        const double h = 1e-6;
        double was = x[i];
        x[i] = was + h;
        double above = loss(shots);
        x[i] = was - h;
        double slope = (above - loss(shots)) / (2 * h);
        x[i] = was;
        ck_assert_msg(fabs(2 * slope - found[i]) <= 1e-8 + 1e-6 * fabs(slope),
                      "%s %zu, %zu shots: %.10g, not %.10g", what, i, shots, found[i], 2 * slope);
    }
}

START_TEST(the_gradient_is_that_of_finite_differences)
{
    size_t shots = (size_t)_i;
    double value = episode_loss(&ep, &params, features, &(struct episode_split){shots, order}, 2, &grads,
                                dfeatures, NULL);
    ck_assert_double_eq_tol(value, loss(shots), 1e-12); /* the weight is the gradient's alone */
    hold(shots, values, gradients, n_values, "value");
    hold(shots, features, dfeatures, K * P * F, "feature");
}
END_TEST

/* The image that is number i in the order of class k. */
static const real *image(size_t k, size_t i)
{
    return features + (k * P + order[k * P + i]) * F;
}

static double square_distance(const real *x, size_t k, size_t shots)
{
    double sum = 0;
    for (size_t j = 0; j < F; j++) {
        double mean = 0;
        for (size_t i = 0; i < shots; i++)
            mean += image(k, i)[j] / (double)shots;
        sum += (x[j] - mean) * (x[j] - mean);
    }
    return sum;
}

START_TEST(with_nothing_made_it_is_a_prototypical_network)
{
    size_t shots = (size_t)_i, n = 0, right = 0, found = 0;
    double expected = 0;
    memset(params.out, 0, (F + 1) * H * sizeof *params.out);
    memset(params.out_bias, 0, (F + 1) * sizeof *params.out_bias);
    for (size_t k = 0; k < K; k++)
        for (size_t i = shots; i < P; i++, n++) {
            double sum = 0, own = exp(*params.scale) * square_distance(image(k, i), k, shots);
            bool nearest = true;
            for (size_t j = 0; j < K; j++) {
                double other = exp(*params.scale) * square_distance(image(k, i), j, shots);
                sum += exp(own - other);
                nearest = nearest && other >= own;
            }
            expected += log(sum);
            right += nearest;
        }
    double value =
        episode_loss(&ep, &params, features, &(struct episode_split){shots, order}, 1, NULL, NULL, &found);
    ck_assert_double_eq_tol(value, expected / (double)n, 1e-12);
    ck_assert_uint_eq(found, right);
}
END_TEST

/* Means of classes in another order give the same rows in that order. */
START_TEST(the_order_of_classes_makes_no_difference)
{
    real weight[2][K * F], bias[2][K], turned[K * F];
    real *room = mem_alloc_array(class_head_tape_len(&spec, K), sizeof *room);
    struct class_head_tape tape;
    ck_assert_ptr_nonnull(room);
    class_head_tape_at(&spec, K, room, &tape);
    for (size_t k = 0; k < K; k++)
        memcpy(turned + k * F, features + (k + 1) % K * F, F * sizeof *turned);
    class_head_forward(&spec, &params, features, &tape, weight[0], bias[0]);
    class_head_forward(&spec, &params, turned, &tape, weight[1], bias[1]);
    for (size_t k = 0; k < K; k++) {
        ck_assert_double_eq_tol(bias[1][k], bias[0][(k + 1) % K], 1e-12);
        for (size_t j = 0; j < F; j++)
            ck_assert_double_eq_tol(weight[1][k * F + j], weight[0][(k + 1) % K * F + j], 1e-12);
    }
    mem_free(room);
}
END_TEST

START_TEST(without_memory_nothing_is_left)
{
    enum err_code code = ERR_NOMEM;
    for (long n = 1; code == ERR_NOMEM && n < 30; n++) {
        struct episode other = {0};
        struct err e = {0};
        mem_fail_at(n, 0);
        code = episode_init(&other, &spec, K, P, &e);
        mem_fail_at(0, 0);
        episode_fini(&other);
    }
    ck_assert_int_eq(code, ERR_OK);
}
END_TEST

SUITE("episode", start, stop, {the_gradient_is_that_of_finite_differences, P, 1},
      {with_nothing_made_it_is_a_prototypical_network, P, 1}, {the_order_of_classes_makes_no_difference},
      {without_memory_nothing_is_left})
