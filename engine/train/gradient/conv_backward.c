/* A shard walks its images in groups whose patches fit the second-level cache. Forward, a layer's squares
 * are taken just before the next layer's convolution reads them; backward, the gradient of a layer's
 * convolution is made of a group, used for both of its products and forgotten. The gradient of the input
 * is a convolution with the taps turned round, so that it is gathered, as the forward is, and nothing is
 * scattered. */
#include "engine/train/gradient/conv_backward.h"

#include "base/mem.h"
#include "engine/kernels/blas.h"
#include "engine/kernels/patches.h"

#include <math.h>
#include <string.h>

enum {
    SHARDS = 8,
    GROUP_PIXELS = 196, /* of the patches that are made at once */
    RUN_PIXELS = 32,    /* that are summed before their sum is added in double */
    NONE = 4            /* of the four pixels of a square, that none is above 0 */
};

struct layer {
    struct conv_shape shape;
    real *whole;                     /* (n_max, height, width, d_out): a */
    real *out;                       /* (n_max, height / 2, width / 2, d_out) */
    real *dout;                      /* the same */
    real *chosen;                    /* the same: a of the square's pixel that out has */
    real *choice;                    /* the same: the square's pixel that out has, 0 to 3, or NONE */
    real *mean, *variance, *inverse; /* (d_out); inverse = 1 / sqrt(variance + epsilon) */
    real *factor, *offset;           /* (d_out) b = factor a + offset */
    real *slope, *level;             /* (d_out) of a's gradient: what the mean and variance give a pixel */
    real *turned;                    /* (3, 3, d_out, d_in) the weight, taps turned round; not of layer 0 */
};

struct conv_tape_private {
    struct parallel *team;
    size_t n_layers;
    struct layer layers[LIMIT_LAYERS];
    size_t widest;                          /* of d_out */
    double *sums;                           /* (SHARDS, 2, widest) */
    real *runs;                             /* (SHARDS, 2, widest) zero but while a shard is at work */
    real *dweight[SHARDS];                  /* (largest weight) of the layer at hand */
    real *patches[SHARDS], *dwhole[SHARDS]; /* (group) */
    /* the loop at hand */
    const struct conv_weights *weights;
    size_t at;
};

static size_t max2(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t pixels_of(const struct conv_shape *s)
{
    return s->height * s->width;
}

static size_t group_of(const struct conv_shape *s)
{
    return max2(1, GROUP_PIXELS / pixels_of(s));
}

/* ---- memory ---- */

size_t conv_weights_len(const struct image_spec *spec)
{
    struct conv_shape shapes[LIMIT_LAYERS];
    size_t n = 0;
    image_spec_shapes(spec, shapes);
    for (size_t i = 0; i < spec->n_layers; i++)
        n += conv_shape_weight(&shapes[i]) + 2 * shapes[i].d_out;
    return n;
}

void conv_weights_at(const struct image_spec *spec, real *block, struct conv_weights *out)
{
    struct conv_shape shapes[LIMIT_LAYERS];
    memset(out, 0, sizeof *out);
    image_spec_shapes(spec, shapes);
    for (size_t i = 0; i < spec->n_layers; i++) {
        out->layers[i].weight = block;
        out->layers[i].scale = block + conv_shape_weight(&shapes[i]);
        out->layers[i].shift = out->layers[i].scale + shapes[i].d_out;
        block = out->layers[i].shift + shapes[i].d_out;
    }
}

static bool layer_init(struct layer *y, const struct conv_shape *s, size_t n_max, bool first)
{
    real **reals[] = {&y->whole, &y->out, &y->dout, &y->chosen, &y->choice, &y->mean};
    size_t pooled = n_max * conv_shape_pooled(s);
    size_t lens[] = {n_max * conv_shape_whole(s), pooled, pooled, pooled, pooled, 7 * s->d_out};
    bool ok = true;
    y->shape = *s;
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++)
        ok = (*reals[i] = mem_alloc_aligned(lens[i], sizeof(real))) != NULL && ok;
    if (!first)
        ok = (y->turned = mem_alloc_aligned(conv_shape_weight(s), sizeof(real))) != NULL && ok;
    if (!ok)
        return false;
    y->variance = y->mean + s->d_out;
    y->inverse = y->variance + s->d_out;
    y->slope = y->inverse + s->d_out;
    y->level = y->slope + s->d_out;
    y->factor = y->level + s->d_out;
    y->offset = y->factor + s->d_out;
    return true;
}

static bool shards_init(struct conv_tape_private *p)
{
    size_t weight = 1, patches = 1, whole = 1;
    bool ok = true;
    for (size_t i = 0; i < p->n_layers; i++) {
        const struct conv_shape *s = &p->layers[i].shape;
        size_t pixels = group_of(s) * pixels_of(s);
        weight = max2(weight, conv_shape_weight(s));
        patches = max2(patches, pixels * CONV_TAPS * max2(s->d_in, i ? s->d_out : 0));
        whole = max2(whole, pixels * s->d_out);
        p->widest = max2(p->widest, s->d_out);
    }
    ok = (p->sums = mem_alloc_array(SHARDS * 2 * p->widest, sizeof *p->sums)) != NULL;
    ok = (p->runs = mem_zalloc_array(SHARDS * 2 * p->widest, sizeof *p->runs)) != NULL && ok;
    for (size_t i = 0; i < SHARDS; i++) {
        ok = (p->dweight[i] = mem_alloc_aligned(weight, sizeof(real))) != NULL && ok;
        ok = (p->patches[i] = mem_alloc_aligned(patches, sizeof(real))) != NULL && ok;
        ok = (p->dwhole[i] = mem_alloc_aligned(whole, sizeof(real))) != NULL && ok;
    }
    return ok;
}

enum err_code conv_tape_init(struct conv_tape *t, const struct image_spec *spec, size_t n_max,
                             struct parallel *team, struct err *e)
{
    struct conv_shape shapes[LIMIT_LAYERS];
    struct conv_tape_private *p = mem_zalloc_array(1, sizeof *p);
    *t = (struct conv_tape){.spec = spec, .n_max = n_max, .private = p};
    if (!p)
        return err_set(e, ERR_NOMEM, "no memory for a step");
    image_spec_shapes(spec, shapes);
    p->team = team;
    bool ok = true;
    for (; p->n_layers < spec->n_layers; p->n_layers++)
        ok = layer_init(&p->layers[p->n_layers], &shapes[p->n_layers], n_max, p->n_layers == 0) && ok;
    if (!ok || !shards_init(p)) {
        conv_tape_fini(t);
        return err_set(e, ERR_NOMEM, "no memory for a step of %zu images of %zu x %zu", n_max, spec->height,
                       spec->width);
    }
    t->out = p->layers[p->n_layers - 1].out;
    t->dout = p->layers[p->n_layers - 1].dout;
    return ERR_OK;
}

void conv_tape_fini(struct conv_tape *t)
{
    struct conv_tape_private *p = t->private;
    if (!p)
        return;
    for (size_t i = 0; i < p->n_layers; i++) {
        struct layer *y = &p->layers[i];
        void *parts[] = {y->whole, y->out, y->dout, y->chosen, y->mean, y->choice, y->turned};
        for (size_t j = 0; j < sizeof parts / sizeof *parts; j++)
            mem_free(parts[j]);
    }
    for (size_t i = 0; i < SHARDS; i++) {
        mem_free(p->dweight[i]);
        mem_free(p->patches[i]);
        mem_free(p->dwhole[i]);
    }
    mem_free(p->sums);
    mem_free(p->runs);
    mem_free(p);
    *t = (struct conv_tape){0};
}

/* ---- shards ---- */

/* The images [from, to) of a shard. */
static void shard_images(const struct conv_tape *t, size_t shard, size_t *from, size_t *to)
{
    *from = t->n * shard / SHARDS;
    *to = t->n * (shard + 1) / SHARDS;
}

/* The next images of a shard whose patches are made at once. */
static size_t group_from(const struct conv_shape *s, size_t image, size_t end)
{
    size_t n = group_of(s);
    return end - image < n ? end - image : n;
}

static const real *input_of(const struct conv_tape *t, size_t layer, size_t image)
{
    const struct conv_tape_private *p = t->private;
    if (layer == 0)
        return t->x + image * image_spec_d_image(t->spec);
    return p->layers[layer - 1].out + image * conv_shape_pooled(&p->layers[layer - 1].shape);
}

/* patches (n pixels, 9 d) of n images (height, width, d). */
static void group_patches(const struct conv_shape *s, const real *x, size_t n, size_t d, real *patches)
{
    for (size_t i = 0; i < n; i++)
        patches_of(x + i * pixels_of(s) * d, s->height, s->width, d,
                   patches + i * pixels_of(s) * CONV_TAPS * d);
}

/* sums (2, stride) += those of runs (2, d), which become 0. */
static void add_run(real *run, size_t d, double *sums, size_t stride)
{
    for (size_t k = 0; k < d; k++) {
        sums[k] += (double)run[k];
        sums[stride + k] += (double)run[d + k];
    }
    memset(run, 0, 2 * d * sizeof *run);
}

/* sums (2, stride) of each channel and of its squares over n pixels; run (2, d) is zero before and after.
 * Sums of a few pixels are of reals, which a loop adds side by side. */
static void add_moments(const real *a, size_t n, size_t d, real *run, double *sums, size_t stride)
{
    for (size_t i = 0; i < n; i++, a += d) {
        for (size_t k = 0; k < d; k++) {
            run[k] += a[k];
            run[d + k] += a[k] * a[k];
        }
        if (i % RUN_PIXELS == RUN_PIXELS - 1)
            add_run(run, d, sums, stride);
    }
    add_run(run, d, sums, stride);
}

/* ---- forward ---- */

/* Four pixels of a square in all channels: the normalised, its ReLU, the largest. */
static void pool_square(const struct layer *y, const real *square, size_t row, real *restrict out,
                        real *restrict chosen, real *restrict choice)
{
    size_t d = y->shape.d_out;
    const real *a0 = square, *a1 = square + d, *a2 = square + row, *a3 = a2 + d;
    const real *factors = y->factor, *offsets = y->offset;
    for (size_t k = 0; k < d; k++) {
        real factor = factors[k], offset = offsets[k];
        real b0 = factor * a0[k] + offset, b1 = factor * a1[k] + offset;
        real b2 = factor * a2[k] + offset, b3 = factor * a3[k] + offset;
        real upper = b1 > b0 ? b1 : b0, a_upper = b1 > b0 ? a1[k] : a0[k];
        real lower = b3 > b2 ? b3 : b2, a_lower = b3 > b2 ? a3[k] : a2[k];
        real at_upper = b1 > b0 ? 1 : 0, at_lower = b3 > b2 ? 3 : 2;
        real largest = lower > upper ? lower : upper;
        real at = lower > upper ? at_lower : at_upper;
        chosen[k] = lower > upper ? a_lower : a_upper;
        out[k] = (largest > 0 ? largest : 0) + 0 * b0 * b1 * b2 * b3; /* NAN where one is not finite */
        choice[k] = largest > 0 ? at : NONE;
    }
}

static void pool_image(const struct layer *y, size_t image)
{
    size_t d = y->shape.d_out, row = y->shape.width * d, at = image * conv_shape_pooled(&y->shape);
    const real *whole = y->whole + image * conv_shape_whole(&y->shape);
    for (size_t i = 0; i < y->shape.height / 2; i++)
        for (size_t j = 0; j < y->shape.width / 2; j++, at += d)
            pool_square(y, whole + 2 * i * row + 2 * j * d, row, y->out + at, y->chosen + at, y->choice + at);
}

static void pool_images(const struct layer *y, size_t image, size_t n)
{
    for (size_t i = image; i < image + n; i++)
        pool_image(y, i);
}

/* Layer `at` of a shard's images; at = n_layers: the squares of the last alone. */
static void forward_shard(void *arg, size_t shard, size_t thread)
{
    struct conv_tape *t = arg;
    struct conv_tape_private *p = t->private;
    size_t image, end;
    (void)thread;
    shard_images(t, shard, &image, &end);
    if (p->at == p->n_layers) {
        pool_images(&p->layers[p->at - 1], image, end - image);
        return;
    }
    struct layer *y = &p->layers[p->at];
    const struct conv_shape *s = &y->shape;
    double *sums = p->sums + shard * 2 * p->widest;
    memset(sums, 0, 2 * p->widest * sizeof *sums);
    for (size_t n; image < end; image += n) {
        n = group_from(s, image, end);
        size_t pixels = n * pixels_of(s), taps = CONV_TAPS * s->d_in;
        real *whole = y->whole + image * conv_shape_whole(s);
        if (p->at > 0)
            pool_images(&p->layers[p->at - 1], image, n);
        group_patches(s, input_of(t, p->at, image), n, s->d_in, p->patches[shard]);
        blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, pixels, s->d_out, taps, 1, p->patches[shard], taps,
                  p->weights->layers[p->at].weight, taps, 0, whole, s->d_out);
        add_moments(whole, pixels, s->d_out, p->runs + shard * 2 * p->widest, sums, p->widest);
    }
}

/* The sums of all shards, in order, over all pixels. */
static void take_moments(struct conv_tape *t, size_t layer)
{
    struct conv_tape_private *p = t->private;
    struct layer *y = &p->layers[layer];
    double n = (double)(t->n * pixels_of(&y->shape));
    for (size_t k = 0; k < y->shape.d_out; k++) {
        double sum = 0, squares = 0;
        for (size_t shard = 0; shard < SHARDS; shard++) {
            sum += p->sums[shard * 2 * p->widest + k];
            squares += p->sums[(shard * 2 + 1) * p->widest + k];
        }
        double mean = sum / n, variance = fmax(0, squares / n - mean * mean);
        y->mean[k] = (real)mean;
        y->variance[k] = (real)variance;
        y->inverse[k] = (real)(1 / sqrt(variance + CONV_NORM_EPSILON));
        y->factor[k] = p->weights->layers[layer].scale[k] * y->inverse[k];
        y->offset[k] = p->weights->layers[layer].shift[k] - y->factor[k] * y->mean[k];
    }
}

void conv_tape_forward(struct conv_tape *t, const struct conv_weights *weights, const real *x, size_t n)
{
    struct conv_tape_private *p = t->private;
    t->x = x;
    t->n = n;
    p->weights = weights;
    for (p->at = 0; p->at <= p->n_layers; p->at++) {
        parallel_for(p->team, SHARDS, forward_shard, t);
        if (p->at < p->n_layers)
            take_moments(t, p->at);
    }
}

const real *conv_tape_mean(const struct conv_tape *t, size_t layer)
{
    return t->private->layers[layer].mean;
}

const real *conv_tape_variance(const struct conv_tape *t, size_t layer)
{
    return t->private->layers[layer].variance;
}

/* ---- backward ---- */

/* sums (2, stride) of b's gradient, and of it times the normal: only what a square chose has one. */
static void add_gradient_moments(const struct conv_tape *t, size_t layer, size_t image, size_t n, real *run,
                                 double *sums, size_t stride)
{
    const struct layer *y = &t->private->layers[layer];
    size_t d = y->shape.d_out, pooled = conv_shape_pooled(&y->shape);
    const real *out = y->out + image * pooled, *dout = y->dout + image * pooled,
               *chosen = y->chosen + image * pooled;
    for (size_t i = 0; i < n * (pooled / d); i++, out += d, dout += d, chosen += d) {
        for (size_t k = 0; k < d; k++) {
            real db = out[k] > 0 ? dout[k] : 0;
            run[k] += db;
            run[d + k] += db * ((chosen[k] - y->mean[k]) * y->inverse[k]);
        }
        if (i % RUN_PIXELS == RUN_PIXELS - 1)
            add_run(run, d, sums, stride);
    }
    add_run(run, d, sums, stride);
}

/* da (height, width, d_out) of one image. */
static void gradient_whole(const struct layer *y, const real *whole, const real *dout, const real *choice,
                           real *restrict da)
{
    const struct conv_shape *s = &y->shape;
    size_t d = s->d_out, row = s->width * d;
    for (size_t i = 0; i < pixels_of(s); i++)
        for (size_t k = 0; k < d; k++)
            da[i * d + k] = y->slope[k] * whole[i * d + k] + y->level[k];
    for (size_t i = 0; i < s->height / 2; i++)
        for (size_t j = 0; j < s->width / 2; j++, dout += d, choice += d) {
            real *to = da + 2 * i * row + 2 * j * d;
            for (size_t k = 0; k < d; k++) {
                real b = y->factor[k] * dout[k];
                to[k] += choice[k] == 0 ? b : 0;
                to[d + k] += choice[k] == 1 ? b : 0;
                to[row + k] += choice[k] == 2 ? b : 0;
                to[row + d + k] += choice[k] == 3 ? b : 0;
            }
        }
}

/* A group of images: their part of the weight's gradient, and the gradient of the layer's input. */
static void backward_group(struct conv_tape *t, size_t image, size_t n, size_t shard)
{
    struct conv_tape_private *p = t->private;
    struct layer *y = &p->layers[p->at];
    const struct conv_shape *s = &y->shape;
    size_t pixels = n * pixels_of(s), taps = CONV_TAPS * s->d_in;
    real *patches = p->patches[shard], *da = p->dwhole[shard];
    for (size_t i = 0; i < n; i++) {
        size_t pooled = (image + i) * conv_shape_pooled(s);
        gradient_whole(y, y->whole + (image + i) * conv_shape_whole(s), y->dout + pooled, y->choice + pooled,
                       da + i * conv_shape_whole(s));
    }
    group_patches(s, input_of(t, p->at, image), n, s->d_in, patches);
    blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, s->d_out, taps, pixels, 1, da, s->d_out, patches, taps, 1,
              p->dweight[shard], taps);
    if (p->at == 0)
        return;
    struct layer *before = &p->layers[p->at - 1];
    group_patches(s, da, n, s->d_out, patches);
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, pixels, s->d_in, CONV_TAPS * s->d_out, 1, patches, CONV_TAPS * s->d_out,
              y->turned, s->d_in, 0, before->dout + image * conv_shape_pooled(&before->shape), s->d_in);
}

/* Layer `at` of a shard's images, and the moments of the layer before it; at = n_layers: the moments of the
 * last alone. */
static void backward_shard(void *arg, size_t shard, size_t thread)
{
    struct conv_tape *t = arg;
    struct conv_tape_private *p = t->private;
    double *sums = p->sums + shard * 2 * p->widest;
    real *run = p->runs + shard * 2 * p->widest;
    size_t image, end;
    (void)thread;
    shard_images(t, shard, &image, &end);
    memset(sums, 0, 2 * p->widest * sizeof *sums);
    if (p->at == p->n_layers) {
        add_gradient_moments(t, p->at - 1, image, end - image, run, sums, p->widest);
        return;
    }
    const struct conv_shape *s = &p->layers[p->at].shape;
    memset(p->dweight[shard], 0, conv_shape_weight(s) * sizeof(real));
    for (size_t n; image < end; image += n) {
        n = group_from(s, image, end);
        backward_group(t, image, n, shard);
        if (p->at > 0)
            add_gradient_moments(t, p->at - 1, image, n, run, sums, p->widest);
    }
}

/* The gradients of scale and shift, and the means that the gradient of a takes. */
static void take_gradient_moments(struct conv_tape *t, size_t layer, const struct conv_weights *grads)
{
    struct conv_tape_private *p = t->private;
    struct layer *y = &p->layers[layer];
    double n = (double)(t->n * pixels_of(&y->shape));
    for (size_t k = 0; k < y->shape.d_out; k++) {
        double sum = 0, along = 0;
        for (size_t shard = 0; shard < SHARDS; shard++) {
            sum += p->sums[shard * 2 * p->widest + k];
            along += p->sums[(shard * 2 + 1) * p->widest + k];
        }
        grads->layers[layer].shift[k] += (real)sum;
        grads->layers[layer].scale[k] += (real)along;
        y->slope[k] = (real)(-along / n * (double)y->factor[k] * (double)y->inverse[k]);
        y->level[k] = (real)(-sum / n * (double)y->factor[k]) - y->slope[k] * y->mean[k];
    }
}

/* turned (3, 3, d_out, d_in) = the weight (d_out, 3, 3, d_in) with its taps in the other order. */
static void turn(struct layer *y, const real *weight)
{
    size_t d_out = y->shape.d_out, d_in = y->shape.d_in;
    for (size_t tap = 0; tap < CONV_TAPS; tap++)
        for (size_t k = 0; k < d_out; k++)
            memcpy(y->turned + (tap * d_out + k) * d_in,
                   weight + (k * CONV_TAPS + CONV_TAPS - 1 - tap) * d_in, d_in * sizeof *weight);
}

void conv_tape_backward(struct conv_tape *t, const struct conv_weights *weights,
                        const struct conv_weights *grads)
{
    struct conv_tape_private *p = t->private;
    p->weights = weights;
    p->at = p->n_layers;
    parallel_for(p->team, SHARDS, backward_shard, t);
    take_gradient_moments(t, p->n_layers - 1, grads);
    while (p->at-- > 0) {
        struct layer *y = &p->layers[p->at];
        if (p->at > 0)
            turn(y, weights->layers[p->at].weight);
        parallel_for(p->team, SHARDS, backward_shard, t);
        for (size_t shard = 0; shard < SHARDS; shard++)
            blas_axpy(conv_shape_weight(&y->shape), 1, p->dweight[shard], grads->layers[p->at].weight);
        if (p->at > 0)
            take_gradient_moments(t, p->at - 1, grads);
    }
}

/* ---- as it is served ---- */

void conv_fold(const struct image_spec *spec, const struct conv_weights *weights, size_t layer,
               const real *mean, const real *variance, real *weight, real *bias)
{
    struct conv_shape shapes[LIMIT_LAYERS];
    image_spec_shapes(spec, shapes);
    size_t taps = CONV_TAPS * shapes[layer].d_in;
    for (size_t k = 0; k < shapes[layer].d_out; k++) {
        double factor =
            (double)weights->layers[layer].scale[k] / sqrt((double)variance[k] + CONV_NORM_EPSILON);
        for (size_t i = 0; i < taps; i++)
            weight[k * taps + i] = (real)(factor * (double)weights->layers[layer].weight[k * taps + i]);
        bias[k] = (real)((double)weights->layers[layer].shift[k] - factor * (double)mean[k]);
    }
}
