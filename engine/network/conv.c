/* One image at a time: its products are small enough to stay in the second-level cache, and nothing of one
 * image can reach another. The bias and ReLU come after the squares are taken: both keep the order of
 * values. */
#include "engine/network/conv.h"

#include "engine/kernels/blas.h"
#include "engine/kernels/patches.h"

static size_t max2(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Most numbers of the patches, of a layer's output before the squares, and after. */
static void rooms(const struct image_spec *spec, size_t *patches, size_t *whole, size_t *pooled)
{
    struct conv_shape shapes[LIMIT_LAYERS];
    image_spec_shapes(spec, shapes);
    *patches = *whole = *pooled = 0;
    for (size_t i = 0; i < spec->n_layers; i++) {
        *patches = max2(*patches, shapes[i].height * shapes[i].width * CONV_TAPS * shapes[i].d_in);
        *whole = max2(*whole, conv_shape_whole(&shapes[i]));
        *pooled = max2(*pooled, conv_shape_pooled(&shapes[i]));
    }
}

size_t conv_workspace_len(const struct image_spec *spec)
{
    size_t patches, whole, pooled;
    rooms(spec, &patches, &whole, &pooled);
    return patches + whole + pooled;
}

/* y (height / 2, width / 2, d_out) = ReLU(bias + the largest of each square of whole); NAN where one of them
 * is not finite, as of weights that are too large: a comparison would pass over it, and the model would
 * answer as if nothing were wrong. Their product from 0 on is 0 of finite numbers, however large, and adding
 * it changes no bit. */
static void pool(const struct conv_shape *s, const real *whole, const real *bias, real *y)
{
    size_t d = s->d_out, row = s->width * d;
    for (size_t i = 0; i < s->height / 2; i++)
        for (size_t j = 0; j < s->width / 2; j++, y += d) {
            const real *a = whole + 2 * i * row + 2 * j * d, *b = a + d, *c = a + row, *e = c + d;
            for (size_t k = 0; k < d; k++) {
                real upper = a[k] > b[k] ? a[k] : b[k], lower = c[k] > e[k] ? c[k] : e[k];
                real largest = (upper > lower ? upper : lower) + bias[k];
                y[k] = (largest > 0 ? largest : 0) + 0 * a[k] * b[k] * c[k] * e[k];
            }
        }
}

void conv_features(const struct image_spec *spec, const struct conv_params *params, const real *x, size_t n,
                   real *workspace, real *out)
{
    struct conv_shape shapes[LIMIT_LAYERS];
    size_t n_patches, n_whole, n_pooled;
    image_spec_shapes(spec, shapes);
    rooms(spec, &n_patches, &n_whole, &n_pooled);
    real *patches = workspace, *whole = patches + n_patches, *hidden = whole + n_whole;
    for (size_t i = 0; i < n; i++, x += image_spec_d_image(spec), out += image_spec_d_features(spec)) {
        const real *in = x;
        for (size_t l = 0; l < spec->n_layers; l++) {
            const struct conv_shape *s = &shapes[l];
            size_t pixels = s->height * s->width, taps = CONV_TAPS * s->d_in;
            real *y = l + 1 == spec->n_layers ? out : hidden;
            patches_of(in, s->height, s->width, s->d_in, patches);
            blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, pixels, s->d_out, taps, 1, patches, taps,
                      params->weight[l], taps, 0, whole, s->d_out);
            pool(s, whole, params->bias[l], y);
            in = y;
        }
    }
}
