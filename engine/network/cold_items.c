/* The equation is solved for the step from the prior, not for the factor itself: without takers the step is
 * zero to the last bit, and an item that nobody took is exactly its prior. */
#include "engine/network/cold_items.h"

#include "engine/kernels/blas.h"
#include "engine/kernels/normal_sum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void item_row_of(const struct model_spec *spec, struct item_row *out)
{
    out->embedding = spec->encoder.d_fold_in;
    out->bias = out->embedding + spec->d_item;
    out->history = out->bias + 1;
    out->recent = out->history + spec->encoder.d_history;
    out->len = model_spec_item_row(spec);
}

static int by_field_and_value(const void *a, const void *b)
{
    const struct profile_value *x = a, *y = b;
    int order = strcmp(x->field, y->field);
    return order ? order : strcmp(x->value, y->value);
}

long cold_items_feature(const struct model_spec *spec, const char *field, const char *value)
{
    const struct profile_value key = {.field = (char *)field, .value = (char *)value};
    const struct profile_value *all = spec->cold_items.features, *found = NULL;
    if (spec->cold_items.n_features)
        found = bsearch(&key, all, spec->cold_items.n_features, sizeof *all, by_field_and_value);
    return found ? found - all : -1;
}

void cold_items_prior(const struct model_spec *spec, const struct model_params *params,
                      const uint32_t *features, size_t n, real *row)
{
    size_t len = model_spec_item_row(spec);
    memcpy(row, params->item_mean, len * sizeof *row);
    for (size_t i = 0; i < n; i++)
        blas_axpy(len, 1, params->item_weight + features[i] * len, row);
}

/* The sum over its users, and the step (d). */
size_t cold_items_workspace_len(const struct model_spec *spec)
{
    size_t d = spec->encoder.d_fold_in;
    return normal_workspace_len(d) + d;
}

bool cold_items_fold(const struct model_spec *spec, const struct model_params *params, const real *f,
                     const real *weights, size_t n, real *workspace, real *row)
{
    const struct encoder_spec *encoder = &spec->encoder;
    size_t d = encoder->d_fold_in, rest = model_spec_item_row(spec) - d;
    real *step = workspace + normal_workspace_len(d);
    if (n == 0)
        return true;
    struct normal_sum sum;
    normal_start(&sum, d, params->item_gram, workspace, step);
    for (size_t i = 0; i < n; i++) {
        const real *x = f + i * d;
        normal_add(&sum, x, weights[i], weights[i] * (1 - blas_dot(d, x, row)));
    }
    double scale = (double)n + encoder->alpha * (double)spec->cold_items.n_users;
    if (!normal_solve(&sum, (real)(encoder->reg * pow(scale, encoder->reg_exponent))))
        return false;
    for (size_t i = 0; i < d; i++)
        if (!isfinite(step[i]))
            return false;
    blas_axpy(d, 1, step, row);
    blas_gemv(BLAS_TRANSPOSED, d, rest, 1, params->item_follow, rest, step, 1, row + d);
    return true;
}
