#include "engine/train/gradient/class_head_backward.h"

#include "engine/kernels/blas.h"
#include "engine/network/layers.h"

#include <math.h>

/* Gradients on their way back, of a tape of n classes. */
struct way {
    real *made;                /* (K, F + 1) */
    real *hidden;              /* (K, H) */
    real *joined;              /* (K, 2 H) */
    real *attention;           /* (K, K) */
    real *query, *key, *value; /* (K, H) */
    real *u;                   /* (K, H) */
};

size_t class_head_backward_len(const struct class_head_spec *spec, size_t n)
{
    return n * (7 * spec->d_hidden + n + spec->d_features + 1);
}

static struct way way_at(const struct class_head_spec *spec, size_t n, real *room)
{
    size_t h = spec->d_hidden;
    struct way w;
    w.made = room;
    w.hidden = w.made + n * (spec->d_features + 1);
    w.joined = w.hidden + n * h;
    w.attention = w.joined + 2 * n * h;
    w.query = w.attention + n * n;
    w.key = w.query + n * h;
    w.value = w.key + n * h;
    w.u = w.value + n * h;
    return w;
}

/* The prototypes' own part: dmeans, and the gradient of the scale; and d of what was made. */
static void prototypes_backward(const struct class_head_spec *spec, const struct class_head_params *params,
                                const real *means, size_t n, const real *dweight, const real *dbias,
                                struct way *w, const struct class_head_params *grads, real *dmeans)
{
    size_t f = spec->d_features;
    real s = (real)exp((double)*params->scale), dscale = 0;
    for (size_t k = 0; k < n; k++) {
        for (size_t j = 0; j < f; j++) {
            real m = means[k * f + j], d = dweight[k * f + j];
            dmeans[k * f + j] = 2 * s * (d - m * dbias[k]);
            dscale += s * (2 * m * d - m * m * dbias[k]);
            w->made[k * (f + 1) + j] = d;
        }
        w->made[k * (f + 1) + f] = dbias[k];
    }
    *grads->scale += dscale;
}

/* w->u from w->joined: straight, and through what the classes take of each other. */
static void attention_backward(const struct class_head_spec *spec, const struct class_head_params *params,
                               const struct class_head_tape *t, struct way *w,
                               const struct class_head_params *grads)
{
    size_t n = t->n, h = spec->d_hidden;
    const real *d_taken = w->joined + h, *maps[] = {params->query, params->key, params->value};
    real root = (real)(1 / sqrt((double)h)), *mapped[] = {w->query, w->key, w->value},
         *into[] = {grads->query, grads->key, grads->value};
    blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, n, h, n, 1, t->attention, n, d_taken, 2 * h, 0, w->value, h);
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, n, h, 1, d_taken, 2 * h, t->value, h, 0, w->attention, n);
    for (size_t k = 0; k < n; k++) {
        const real *a = t->attention + k * n;
        real *d = w->attention + k * n, along = 0;
        for (size_t j = 0; j < n; j++)
            along += a[j] * d[j];
        for (size_t j = 0; j < n; j++)
            d[j] = root * a[j] * (d[j] - along);
    }
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, n, h, n, 1, w->attention, n, t->key, h, 0, w->query, h);
    blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, n, h, n, 1, w->attention, n, t->query, h, 0, w->key, h);
    for (size_t k = 0; k < n; k++)
        for (size_t j = 0; j < h; j++)
            w->u[k * h + j] = w->joined[k * 2 * h + j];
    for (size_t i = 0; i < 3; i++) {
        blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, h, h, n, 1, mapped[i], h, t->u, h, 1, into[i], h);
        blas_gemm(BLAS_AS_IS, BLAS_AS_IS, n, h, h, 1, mapped[i], h, maps[i], h, 1, w->u, h);
    }
}

void class_head_backward(const struct class_head_spec *spec, const struct class_head_params *params,
                         const real *means, const struct class_head_tape *t, const real *dweight,
                         const real *dbias, real *workspace, const struct class_head_params *grads,
                         real *dmeans)
{
    size_t n = t->n, f = spec->d_features, h = spec->d_hidden;
    struct way w = way_at(spec, n, workspace);
    prototypes_backward(spec, params, means, n, dweight, dbias, &w, grads, dmeans);
    dense_backward(t->hidden, n, h, params->out, f + 1, w.made, 0, w.hidden, grads->out, grads->out_bias);
    activation_backward(ACTIVATION_RELU, t->hidden, w.hidden, n * h);
    dense_backward(t->joined, n, 2 * h, params->mix, h, w.hidden, 0, w.joined, grads->mix, grads->mix_bias);
    attention_backward(spec, params, t, &w, grads);
    activation_backward(ACTIVATION_RELU, t->u, w.u, n * h);
    dense_backward(means, n, f, params->in, h, w.u, 1, dmeans, grads->in, grads->in_bias);
}
