#include "engine/train/search/architecture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void architecture_draw(struct rng *r, const struct architecture_inputs *inputs, struct architecture *out)
{
    const double least = log(ARCHITECTURE_LEAST), most = log(ARCHITECTURE_MOST + 1);
    *out = (struct architecture){.n_layers = 1 + (size_t)rng_below(r, ARCHITECTURE_DEPTH),
                                 .activation = (enum activation)rng_below(r, N_ACTIVATIONS),
                                 .inputs = inputs->n > 1 ? (size_t)rng_below(r, inputs->n) : 0};
    for (size_t i = 0; i < out->n_layers; i++) {
        size_t width = (size_t)exp(least + rng_uniform(r) * (most - least));
        out->width[i] = width < ARCHITECTURE_LEAST  ? ARCHITECTURE_LEAST
                        : width > ARCHITECTURE_MOST ? ARCHITECTURE_MOST
                                                    : width;
    }
}

void architecture_largest(size_t n_layers, enum activation a, struct architecture *out)
{
    *out = (struct architecture){.n_layers = n_layers, .activation = a};
    for (size_t i = 0; i < n_layers; i++)
        out->width[i] = ARCHITECTURE_MOST;
}

bool architecture_same(const struct architecture *a, const struct architecture *b)
{
    return a->n_layers == b->n_layers && a->activation == b->activation && a->inputs == b->inputs &&
           memcmp(a->width, b->width, a->n_layers * sizeof *a->width) == 0;
}

bool architecture_bad_on_sight(const struct architecture *a)
{
    bool narrow = false;
    for (size_t i = 0; i < a->n_layers; i++)
        narrow = narrow || a->width[i] < ARCHITECTURE_PLAIN;
    return narrow || a->activation == ACTIVATION_IDENTITY;
}

void architecture_code(const struct architecture *a, real code[ARCHITECTURE_CODE])
{
    const double middle = log(ARCHITECTURE_LEAST * ARCHITECTURE_MOST) / 2,
                 half = log((double)ARCHITECTURE_MOST / ARCHITECTURE_LEAST) / 2;
    real *of_layer = code + ARCHITECTURE_DEPTH + N_ACTIVATIONS;
    memset(code, 0, ARCHITECTURE_CODE * sizeof *code);
    code[a->n_layers - 1] = 1;
    code[ARCHITECTURE_DEPTH + (size_t)a->activation] = 1;
    for (size_t i = 0; i < a->n_layers; i++, of_layer += 3) {
        double size = (log((double)a->width[i]) - middle) / half;
        of_layer[0] = (real)size;
        of_layer[1] = (real)(size * size);
        of_layer[2] = (real)(ARCHITECTURE_LEAST / (double)a->width[i]);
    }
    code[ARCHITECTURE_CODE - ARCHITECTURE_INPUTS + a->inputs] = 1;
}

const char *architecture_text(const struct architecture *a, const struct architecture_inputs *inputs,
                              char text[ARCHITECTURE_TEXT_BYTES])
{
    size_t n = 0;
    for (size_t i = 0; i < a->n_layers; i++)
        n += (size_t)snprintf(text + n, ARCHITECTURE_TEXT_BYTES - n, "%s%zu", i ? "-" : "", a->width[i]);
    n += (size_t)snprintf(text + n, ARCHITECTURE_TEXT_BYTES - n, " %s", activation_name(a->activation));
    if (a->inputs)
        (void)snprintf(text + n, ARCHITECTURE_TEXT_BYTES - n, " of %zu", inputs->count[a->inputs]);
    return text;
}

void architecture_apply(const struct architecture *a, struct model_spec *spec)
{
    spec->task.n_features = a->n_layers;
    spec->task.features_alone = true;
    for (size_t i = 0; i < a->n_layers; i++)
        spec->task.features[i] = (struct trunk_layer_spec){a->width[i], a->activation};
}

size_t architecture_n_weights(const struct architecture *a, size_t d_in, size_t d_out)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n_layers; i++) {
        n += a->width[i] * (d_in + 1);
        d_in = a->width[i];
    }
    return n + d_out * (d_in + 1);
}
