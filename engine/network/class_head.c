#include "engine/network/class_head.h"

#include "engine/kernels/blas.h"
#include "engine/network/layers.h"
#include "engine/network/target.h"

#include <math.h>
#include <string.h>

/* ---- places ---- */

size_t class_head_params_len(const struct class_head_spec *spec)
{
    size_t f = spec->d_features, h = spec->d_hidden;
    return 1 + h * f + h + 3 * h * h + 2 * h * h + h + (f + 1) * h + f + 1;
}

void class_head_params_at(const struct class_head_spec *spec, real *block, struct class_head_params *out)
{
    size_t f = spec->d_features, h = spec->d_hidden;
    real **parts[] = {&out->scale, &out->in,  &out->in_bias,  &out->query, &out->key,
                      &out->value, &out->mix, &out->mix_bias, &out->out,   &out->out_bias};
    const size_t lens[] = {1, h * f, h, h * h, h * h, h * h, 2 * h * h, h, (f + 1) * h, f + 1};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        *parts[i] = block;
        block += lens[i];
    }
}

size_t class_head_tape_len(const struct class_head_spec *spec, size_t n)
{
    return n * (7 * spec->d_hidden + n + spec->d_features + 1);
}

void class_head_tape_at(const struct class_head_spec *spec, size_t n, real *room, struct class_head_tape *out)
{
    size_t h = spec->d_hidden;
    real **parts[] = {&out->u,         &out->query,  &out->key,    &out->value,
                      &out->attention, &out->joined, &out->hidden, &out->made};
    const size_t lens[] = {n * h, n * h, n * h, n * h, n * n, 2 * n * h, n * h, n * (spec->d_features + 1)};
    out->n = n;
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        *parts[i] = room;
        room += lens[i];
    }
}

/* ---- forward ---- */

/* o: what each class takes of all. */
static void attend(const struct class_head_spec *spec, const struct class_head_params *params,
                   struct class_head_tape *t)
{
    size_t n = t->n, h = spec->d_hidden;
    const real *maps[] = {params->query, params->key, params->value};
    real *mapped[] = {t->query, t->key, t->value};
    for (size_t i = 0; i < 3; i++)
        blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, h, h, 1, t->u, h, maps[i], h, 0, mapped[i], h);
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, n, h, (real)(1 / sqrt((double)h)), t->query, h, t->key, h, 0,
              t->attention, n);
    target_softmax(t->attention, n, n);
    for (size_t k = 0; k < n; k++)
        memcpy(t->joined + k * 2 * h, t->u + k * h, h * sizeof *t->u);
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, n, h, n, 1, t->attention, n, t->value, h, 0, t->joined + h, 2 * h);
}

void class_head_forward(const struct class_head_spec *spec, const struct class_head_params *params,
                        const real *means, struct class_head_tape *t, real *weight, real *bias)
{
    size_t n = t->n, f = spec->d_features, h = spec->d_hidden;
    real s = (real)exp((double)*params->scale);
    dense_forward(means, n, f, params->in, params->in_bias, h, t->u);
    activation_forward(ACTIVATION_RELU, t->u, n * h);
    attend(spec, params, t);
    dense_forward(t->joined, n, 2 * h, params->mix, params->mix_bias, h, t->hidden);
    activation_forward(ACTIVATION_RELU, t->hidden, n * h);
    dense_forward(t->hidden, n, h, params->out, params->out_bias, f + 1, t->made);
    for (size_t k = 0; k < n; k++) {
        const real *m = means + k * f, *made = t->made + k * (f + 1);
        real square = 0;
        for (size_t j = 0; j < f; j++) {
            weight[k * f + j] = 2 * s * m[j] + made[j];
            square += m[j] * m[j];
        }
        bias[k] = made[f] - s * square;
    }
}

void class_head_logits(const struct class_head_spec *spec, const real *weight, const real *bias,
                       size_t n_classes, const real *features, size_t n, real *logits)
{
    dense_forward(features, n, spec->d_features, weight, bias, n_classes, logits);
}
