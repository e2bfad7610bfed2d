#include "engine/train/image/image_course.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/train/gradient/adam.h"
#include "engine/train/gradient/conv_backward.h"
#include "engine/train/image/episode.h"

#include <math.h>
#include <string.h>

/* In most splits one image of a class is known: those are the hardest episodes, and a split costs little. */
enum { SPLITS_OF_ONE = 4, SPLITS_OF_HALF = 2, N_SPLITS = SPLITS_OF_ONE + SPLITS_OF_HALF };

enum { MOMENT_BATCHES = 10, QUARTERS = 4 };

#define RISE          0.02  /* share of the course over which the rate rises */
#define AVERAGE_DECAY 0.998 /* of the running average, once it is that long */
#define FIRST_SCALE   0.3   /* of the prototypes' distances */

struct course {
    const struct image_course_options *options;
    const struct image_set *set;
    struct parallel *team;
    struct image_spec spec;
    struct class_head_spec head;
    size_t n_conv, n_values; /* reals of the convolutions, and of all */
    real *values, *grads, *moment1, *moment2, *average;
    struct conv_weights weights, weight_grads;
    struct class_head_params params, param_grads;
    struct conv_tape tape;
    struct episode episode;
    real *x;            /* (ways n_images, height, width, channels) */
    uint32_t *classes;  /* (trained classes times turns) */
    uint32_t *orders;   /* (ways, most images of a class) */
    uint32_t *splits;   /* (N_SPLITS, ways, n_images) */
    size_t most_images; /* of a class */
    uint64_t draw;      /* number of the episode that is drawn: no two have the same */
};

struct image_course_options image_course_defaults(void)
{
    return (struct image_course_options){.n_layers = 4,
                                         .d_out = {48, 48, 48, 48},
                                         .d_hidden = 96,
                                         .quarters = true,
                                         .augment = {0.17, 0.15, 0.12, 0.07},
                                         .ways = 20,
                                         .n_images = 10,
                                         .rate = 2e-3};
}

static size_t image_len(const struct course *c)
{
    return image_spec_d_image(&c->spec);
}

static size_t n_turned(const struct course *c)
{
    return c->options->n_trained * (c->options->quarters ? QUARTERS : 1);
}

/* ---- start ---- */

static enum err_code check(struct course *c, struct err *e)
{
    const struct image_course_options *o = c->options;
    const struct image_set *set = c->set;
    c->spec = (struct image_spec){set->height, set->width, set->n_channels, o->n_layers, {0}};
    memcpy(c->spec.d_out, o->d_out, sizeof c->spec.d_out);
    if (image_spec_check(&c->spec, e))
        return ERR_INVALID;
    if (o->quarters && set->height != set->width)
        return err_set(e, ERR_INVALID, "images of %zu x %zu cannot be turned by quarters", set->height,
                       set->width);
    if (o->n_trained > set->n_classes || o->ways < 2 || o->ways > n_turned(c) || o->n_images < 2)
        return err_set(e, ERR_INVALID,
                       "episodes of %zu classes with %zu images each cannot be drawn from %zu classes",
                       o->ways, o->n_images, o->n_trained);
    for (size_t k = 0; k < o->n_trained; k++) {
        size_t n = set->start[k + 1] - set->start[k];
        if (n < o->n_images)
            return err_set(e, ERR_INVALID, "class %zu has %zu images; an episode draws %zu", k, n,
                           o->n_images);
        c->most_images = n > c->most_images ? n : c->most_images;
    }
    return ERR_OK;
}

static enum err_code make_room(struct course *c, struct err *e)
{
    const struct image_course_options *o = c->options;
    size_t n = o->ways * o->n_images;
    c->head = (struct class_head_spec){image_spec_d_features(&c->spec), o->d_hidden};
    c->n_conv = conv_weights_len(&c->spec);
    c->n_values = c->n_conv + class_head_params_len(&c->head);
    real **blocks[] = {&c->values, &c->grads, &c->moment1, &c->moment2, &c->average};
    bool ok = true;
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        ok = (*blocks[i] = mem_zalloc_array(c->n_values, sizeof(real))) != NULL && ok;
    ok = (c->x = mem_alloc_array(n * image_len(c), sizeof *c->x)) != NULL && ok;
    ok = (c->classes = mem_alloc_array(n_turned(c), sizeof *c->classes)) != NULL && ok;
    ok = (c->orders = mem_alloc_array(o->ways * c->most_images, sizeof *c->orders)) != NULL && ok;
    ok = (c->splits = mem_alloc_array(N_SPLITS * n, sizeof *c->splits)) != NULL && ok;
    if (!ok)
        return err_set(e, ERR_NOMEM, "no memory for %zu parameters in training", c->n_values);
    conv_weights_at(&c->spec, c->values, &c->weights);
    conv_weights_at(&c->spec, c->grads, &c->weight_grads);
    class_head_params_at(&c->head, c->values + c->n_conv, &c->params);
    class_head_params_at(&c->head, c->grads + c->n_conv, &c->param_grads);
    enum err_code code = conv_tape_init(&c->tape, &c->spec, n, c->team, e);
    return code ? code : episode_init(&c->episode, &c->head, o->ways, o->n_images, e);
}

static void course_fini(struct course *c)
{
    conv_tape_fini(&c->tape);
    episode_fini(&c->episode);
    void *parts[] = {c->values, c->grads,   c->moment1, c->moment2, c->average,
                     c->x,      c->classes, c->orders,  c->splits};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        mem_free(parts[i]);
}

/* Values of the variance that keeps that of a layer with ReLU (He et al. 2015). */
static void draw_values(struct rng *r, real *x, size_t n, size_t fan_in)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (real)(sqrt(2 / (double)fan_in) * rng_normal(r));
}

/* The head's last layer stays zero, so that the first model is a prototypical network. */
static void draw_start(struct course *c)
{
    struct rng r;
    struct conv_shape shapes[LIMIT_LAYERS];
    size_t f = c->head.d_features, h = c->head.d_hidden;
    rng_init(&r, c->options->seed, 0);
    image_spec_shapes(&c->spec, shapes);
    for (size_t i = 0; i < c->spec.n_layers; i++) {
        draw_values(&r, c->weights.layers[i].weight, conv_shape_weight(&shapes[i]),
                    CONV_TAPS * shapes[i].d_in);
        for (size_t k = 0; k < shapes[i].d_out; k++)
            c->weights.layers[i].scale[k] = 1;
    }
    *c->params.scale = (real)log(FIRST_SCALE);
    draw_values(&r, c->params.in, h * f, f);
    draw_values(&r, c->params.query, h * h, 2 * h);
    draw_values(&r, c->params.key, h * h, 2 * h);
    draw_values(&r, c->params.value, h * h, 2 * h);
    draw_values(&r, c->params.mix, 2 * h * h, 2 * h);
    memcpy(c->average, c->values, c->n_values * sizeof *c->average);
}

/* ---- an episode ---- */

static void shuffled(struct rng *r, uint32_t *order, size_t n)
{
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    rng_shuffle(r, order, n);
}

/* The images of one class of the episode, each as it might have been drawn, and how they are split. */
static void draw_class(void *arg, size_t k, size_t thread)
{
    struct course *c = arg;
    const struct image_course_options *o = c->options;
    const struct image_set *set = c->set;
    uint32_t *order = c->orders + k * c->most_images, turned = c->classes[k],
             class = turned % (uint32_t)o->n_trained;
    struct rng r;
    (void)thread;
    rng_init(&r, o->seed, (c->draw + 1) * (o->ways + 1) + k + 1);
    shuffled(&r, order, set->start[class + 1] - set->start[class]);
    for (size_t i = 0; i < o->n_images; i++)
        augment_image(&o->augment, &r, turned / (uint32_t)o->n_trained,
                      set->pixels + (set->start[class] + order[i]) * image_len(c), set->height, set->width,
                      set->n_channels, c->x + (k * o->n_images + i) * image_len(c));
    for (size_t split = 0; split < N_SPLITS; split++)
        shuffled(&r, c->splits + (split * o->ways + k) * o->n_images, o->n_images);
}

static void draw_episode(struct course *c)
{
    struct rng r;
    rng_init(&r, c->options->seed, (c->draw + 1) * (c->options->ways + 1));
    shuffled(&r, c->classes, n_turned(c));
    parallel_for(c->team, c->options->ways, draw_class, c);
    c->draw++;
}

/* ---- steps ---- */

/* The gradient of an episode; its mean loss. */
static double gradient(struct course *c)
{
    const struct image_course_options *o = c->options;
    size_t n = o->ways * o->n_images;
    double loss = 0;
    draw_episode(c);
    conv_tape_forward(&c->tape, &c->weights, c->x, n);
    memset(c->tape.dout, 0, n * c->head.d_features * sizeof *c->tape.dout);
    for (size_t i = 0; i < N_SPLITS; i++) {
        struct episode_split split = {i < SPLITS_OF_ONE ? 1 : (o->n_images + 1) / 2, c->splits + i * n};
        loss += episode_loss(&c->episode, &c->params, c->tape.out, &split, 1.0 / N_SPLITS, &c->param_grads,
                             c->tape.dout, NULL) /
                N_SPLITS;
    }
    conv_tape_backward(&c->tape, &c->weights, &c->weight_grads);
    if (o->prototypes) { /* of the head the scale alone */
        real scale = *c->param_grads.scale;
        memset(c->grads + c->n_conv, 0, (c->n_values - c->n_conv) * sizeof *c->grads);
        *c->param_grads.scale = scale;
    }
    return loss;
}

static void step(struct course *c, long number, double share)
{
    const struct adam adam = {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8};
    double rate = c->options->rate * (share < RISE ? share / RISE : 0.5 * (1 + cos(M_PI * share)));
    double keep = fmin(AVERAGE_DECAY, (double)(number + 1) / (double)(number + 10));
    adam_update(&adam, number, rate, 1, c->n_values, c->values, c->grads, c->moment1, c->moment2);
    for (size_t i = 0; i < c->n_values; i++)
        c->average[i] = (real)(keep * (double)c->average[i] + (1 - keep) * (double)c->values[i]);
}

static enum err_code run(struct course *c, struct err *e)
{
    double share, loss = NAN;
    for (size_t i = 0; (share = c->options->pace(c->options->pace_arg, i, loss)) < 1; i++) {
        loss = gradient(c);
        if (!isfinite(loss))
            return err_set(e, ERR_INVALID,
                           "training left what numbers can hold at step %zu; try a smaller rate", i);
        step(c, (long)i + 1, share);
    }
    return ERR_OK;
}

/* ---- the model ---- */

/* Means and variances of the averaged parameters' layers, over fresh batches, and the weights with them. */
static enum err_code fold(struct course *c, struct image_model *out, struct err *e)
{
    struct conv_weights average;
    struct conv_shape shapes[LIMIT_LAYERS];
    size_t n = c->options->ways * c->options->n_images, most = 0;
    image_spec_shapes(&c->spec, shapes);
    conv_weights_at(&c->spec, c->average, &average);
    for (size_t i = 0; i < c->spec.n_layers; i++)
        most = shapes[i].d_out > most ? shapes[i].d_out : most;
    real *moments = mem_zalloc_array(c->spec.n_layers * 2 * most, sizeof *moments); /* (layers, 2, most) */
    if (!moments)
        return err_set(e, ERR_NOMEM, "no memory for the moments of %zu layers", c->spec.n_layers);
    for (size_t batch = 0; batch < MOMENT_BATCHES; batch++) {
        draw_episode(c);
        conv_tape_forward(&c->tape, &average, c->x, n);
        for (size_t i = 0; i < c->spec.n_layers; i++)
            for (size_t k = 0; k < shapes[i].d_out; k++) {
                moments[2 * i * most + k] += conv_tape_mean(&c->tape, i)[k] / MOMENT_BATCHES;
                moments[(2 * i + 1) * most + k] += conv_tape_variance(&c->tape, i)[k] / MOMENT_BATCHES;
            }
    }
    for (size_t i = 0; i < c->spec.n_layers; i++)
        conv_fold(&c->spec, &average, i, moments + 2 * i * most, moments + (2 * i + 1) * most,
                  image_model_weight(out, i), image_model_bias(out, i));
    memcpy(out->head_params.scale, c->average + c->n_conv, (c->n_values - c->n_conv) * sizeof *c->average);
    mem_free(moments);
    return ERR_OK;
}

enum err_code image_course_run(const struct image_course_options *options, const struct image_set *set,
                               struct parallel *team, struct image_model *out, struct err *e)
{
    struct course c = {.options = options, .set = set, .team = team};
    enum err_code code = check(&c, e);
    *out = (struct image_model){0};
    if (code == ERR_OK)
        code = image_model_init(out, &c.spec, options->d_hidden, e);
    if (code == ERR_OK)
        code = make_room(&c, e);
    if (code == ERR_OK) {
        draw_start(&c);
        code = run(&c, e);
    }
    if (code == ERR_OK)
        code = fold(&c, out, e);
    course_fini(&c);
    if (code)
        image_model_fini(out);
    return code;
}
