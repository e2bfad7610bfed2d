/* engine/train/image/image_course.c and image_quality.c on small images of made-up classes, and
 * engine/network/image_model.c, which serves what they train. Risks: a model that is not what training
 * measured (the fold, the average); threads that change it; a set that does not fit and is read beyond. */
#include "engine/train/image/image_course.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/train/image/image_quality.h"
#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

enum { SIDE = 12, D = SIDE * SIDE, N_CLASSES = 30, N_EACH = 8, N_TRAINED = 20, N = N_CLASSES * N_EACH };

static real pixels[N * D];
static size_t start_of[N_CLASSES + 1];
static struct image_set set = {SIDE, SIDE, 1, N_CLASSES, pixels, start_of};
static struct image_course_options options;
static struct parallel *team;
static size_t n_steps;

static double by_steps(void *arg, size_t step, double loss)
{
    ck_assert(step == 0 ? isnan(loss) : isfinite(loss));
    return (double)step / (double)*(size_t *)arg;
}

/* A class is three strokes between points of its own; each image is drawn elsewhere and with a shaking
 * hand. */
static void draw(struct rng *hand, const double points[8], real *x)
{
    double left = 3 * rng_uniform(hand) - 1.5, top = 3 * rng_uniform(hand) - 1.5;
    for (size_t s = 0; s < 3; s++)
        for (double t = 0; t < 1; t += 0.05) {
            double column = points[2 * s] + t * (points[2 * s + 2] - points[2 * s]) + left,
                   row = points[2 * s + 1] + t * (points[2 * s + 3] - points[2 * s + 1]) + top;
            column += 0.6 * rng_normal(hand);
            row += 0.6 * rng_normal(hand);
            if (row >= 0 && row < SIDE && column >= 0 && column < SIDE)
                x[(size_t)row * SIDE + (size_t)column] = 1;
        }
}

static void start(void)
{
    struct rng r;
    struct err e = {0};
    rng_init(&r, 23, 1);
    memset(pixels, 0, sizeof pixels);
    for (size_t k = 0; k < N_CLASSES; k++) {
        double points[8];
        for (size_t i = 0; i < 8; i++)
            points[i] = 1 + (SIDE - 2) * rng_uniform(&r);
        start_of[k] = k * N_EACH;
        for (size_t i = 0; i < N_EACH; i++)
            draw(&r, points, pixels + (k * N_EACH + i) * D);
    }
    start_of[N_CLASSES] = N;
    n_steps = 60;
    options = image_course_defaults();
    options.n_layers = 2;
    options.d_out[0] = options.d_out[1] = 12;
    options.d_hidden = 16;
    options.n_trained = N_TRAINED;
    options.ways = 8;
    options.n_images = 6;
    options.rate = 1e-2;
    options.seed = 3;
    options.pace = by_steps;
    options.pace_arg = &n_steps;
    ck_assert_msg(parallel_new(2, &team, &e) == ERR_OK, "%s", e.text);
}

static void stop(void)
{
    parallel_free(team);
}

static void train(struct image_model *m)
{
    struct err e = {0};
    ck_assert_msg(image_course_run(&options, &set, team, m, &e) == ERR_OK, "%s", e.text);
}

/* The mean accuracy on classes that were not trained on. */
static double quality_of(const struct image_model *m, enum image_layer layer)
{
    enum { EPISODES = 200 };
    double accuracy[EPISODES], sum = 0;
    struct err e = {0};
    struct image_episodes episodes = {N_TRAINED, N_CLASSES, 5, 1, 4, EPISODES, 1, layer};
    ck_assert_msg(image_quality(m, &set, &episodes, team, accuracy, &e) == ERR_OK, "%s", e.text);
    for (size_t i = 0; i < EPISODES; i++)
        sum += accuracy[i] / EPISODES;
    return sum;
}

static double quality(const struct image_model *m)
{
    return quality_of(m, IMAGE_GENERATED);
}

START_TEST(classes_that_were_never_trained_are_told_apart)
{
    struct image_model first, trained;
    options.prototypes = _i == 1;
    n_steps = 1;
    train(&first);
    n_steps = 60;
    train(&trained);
    double before = quality(&first), after = quality(&trained);
    ck_assert_msg(after > 0.75 && after > before + 0.05, "%g, then %g", before, after);
    real made = 0;
    for (size_t i = 0; i < (trained.head.d_features + 1) * trained.head.d_hidden; i++)
        made += trained.head_params.out[i] * trained.head_params.out[i];
    ck_assert(options.prototypes ? made == 0 : made > 0);
    ck_assert((quality_of(&trained, IMAGE_PROTOTYPES) == after) == options.prototypes);
    ck_assert(quality_of(&trained, IMAGE_RIDGE) > 0.7);
    image_model_fini(&first);
    image_model_fini(&trained);
}
END_TEST

START_TEST(threads_make_no_difference)
{
    struct image_model two, one;
    struct err e = {0};
    n_steps = 5;
    train(&two);
    double of_two = quality(&two);
    parallel_free(team);
    ck_assert_msg(parallel_new(1, &team, &e) == ERR_OK, "%s", e.text);
    train(&one);
    ck_assert_uint_eq(one.n_block, two.n_block);
    ck_assert_mem_eq(one.block, two.block, one.n_block * sizeof *one.block);
    ck_assert(of_two == quality(&one));
    image_model_fini(&one);
    image_model_fini(&two);
}
END_TEST

/* image_quality makes an episode's layer from features, the server from images: both the same. */
START_TEST(a_task_from_images_is_the_task_from_their_features)
{
    enum { KNOWN = 6, ASKED = 5, K = 3 };
    const size_t classes[KNOWN] = {2, 0, 1, 1, 2, 2};
    struct image_model m;
    n_steps = 5;
    train(&m);
    size_t f = m.head.d_features, len = image_model_classes_len(&m, KNOWN, K),
           logits_len = image_model_logits_len(&m, ASKED);
    real *workspace = mem_alloc_array(len > logits_len ? len : logits_len, sizeof *workspace),
         *conv = mem_alloc_array(conv_workspace_len(&m.images), sizeof *conv),
         *features = mem_alloc_array(KNOWN * f, sizeof *features),
         *weight = mem_alloc_array(2 * K * f, sizeof *weight);
    real bias[2 * K], logits[ASKED * K], alone[K];
    ck_assert(workspace && conv && features && weight);
    image_model_classes(&m, pixels, classes, KNOWN, K, workspace, weight, bias);
    conv_features(&m.images, &m.conv, pixels, KNOWN, conv, features);
    image_model_classes_of_features(&m, features, classes, KNOWN, K, workspace, weight + K * f, bias + K);
    ck_assert_mem_eq(weight, weight + K * f, K * f * sizeof *weight);
    ck_assert_mem_eq(bias, bias + K, K * sizeof *bias);
    image_model_logits(&m, weight, bias, K, pixels, ASKED, workspace, logits);
    image_model_logits(&m, weight, bias, K, pixels + 2 * D, 1, workspace, alone);
    for (size_t k = 0; k < K; k++)
        ck_assert_double_eq_tol((double)logits[2 * K + k], (double)alone[k], 1e-4);
    mem_free(workspace);
    mem_free(conv);
    mem_free(features);
    mem_free(weight);
    image_model_fini(&m);
}
END_TEST

static const struct {
    size_t n_trained, ways, n_images, n_layers, d_hidden;
    const char *expected;
} refused[] = {
    {N_CLASSES + 1, 8, 6, 2, 16, "episodes of 8 classes with 6 images each cannot be drawn from 31 classes"},
    {1, 8, 6, 2, 16, "episodes of 8 classes with 6 images each cannot be drawn from 1 classes"},
    {20, 1, 6, 2, 16, "episodes of 1 classes"},
    {20, 8, 1, 2, 16, "with 1 images each"},
    {20, 8, 9, 2, 16, "class 0 has 8 images; an episode draws 9"},
    {20, 8, 6, 4, 16, "images of 12 x 12 are too small for 4 layers"},
    {20, 8, 6, 2, 0, "the head has 0 hidden units"},
};

START_TEST(what_does_not_fit_the_set_is_refused)
{
    struct image_model m;
    struct err e = {0};
    options.n_trained = refused[_i].n_trained;
    options.ways = refused[_i].ways;
    options.n_images = refused[_i].n_images;
    options.n_layers = refused[_i].n_layers;
    options.d_hidden = refused[_i].d_hidden;
    options.d_out[2] = options.d_out[3] = 12;
    ck_assert_int_eq(image_course_run(&options, &set, team, &m, &e), ERR_INVALID);
    ck_assert_msg(strstr(e.text, refused[_i].expected) != NULL, "%s", e.text);
    ck_assert_ptr_null(m.block);
}
END_TEST

START_TEST(episodes_that_cannot_be_drawn_are_refused)
{
    struct image_model m;
    struct err e = {0};
    double accuracy[1];
    struct image_episodes many = {N_TRAINED, N_CLASSES, 11, 1, 4, 1, 1, IMAGE_GENERATED},
                          large = {N_TRAINED, N_CLASSES, 5, 5, 4, 1, 1, IMAGE_GENERATED};
    n_steps = 1;
    train(&m);
    struct image_episodes alone = {N_TRAINED, N_CLASSES, 1, 1, 4, 1, 1, IMAGE_RIDGE};
    ck_assert_int_eq(image_quality(&m, &set, &alone, team, accuracy, &e), ERR_INVALID);
    err_clear(&e);
    ck_assert_int_eq(image_quality(&m, &set, &many, team, accuracy, &e), ERR_INVALID);
    ck_assert_str_eq(e.text, "episodes of 11 classes, and there are 10");
    err_clear(&e);
    ck_assert_int_eq(image_quality(&m, &set, &large, team, accuracy, &e), ERR_INVALID);
    ck_assert_str_eq(e.text, "class 20 has 8 images; 5 known and 4 asked ones are drawn");
    image_model_fini(&m);
}
END_TEST

START_TEST(without_memory_nothing_is_left)
{
    enum err_code code = ERR_NOMEM;
    n_steps = 1;
    for (long n = 1; code == ERR_NOMEM && n < 200; n++) {
        struct image_model m;
        struct err e = {0};
        mem_fail_at(n, 0);
        code = image_course_run(&options, &set, team, &m, &e);
        mem_fail_at(0, 0);
        image_model_fini(&m);
    }
    ck_assert_int_eq(code, ERR_OK);
}
END_TEST

SUITE("image_course", start, stop, {classes_that_were_never_trained_are_told_apart, 2},
      {threads_make_no_difference}, {a_task_from_images_is_the_task_from_their_features},
      {what_does_not_fit_the_set_is_refused, sizeof refused / sizeof *refused},
      {episodes_that_cannot_be_drawn_are_refused}, {without_memory_nothing_is_left})
