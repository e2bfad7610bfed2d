#include "server/images/image_layer.h"

#include <math.h>
#include <string.h>

struct head {
    uint64_t n_classes, n_known;
};

size_t image_layer_bytes(const struct image_context *c)
{
    size_t n = sizeof(struct head) + c->n * ((2 * c->d_features + 1) * sizeof(real) + sizeof(uint32_t));
    for (size_t k = 0; k < c->n; k++)
        n += c->classes[k].name_len;
    return n;
}

void image_layer_write(const struct image_model *m, const struct image_context *c, real *workspace,
                       void *bytes)
{
    size_t f = c->d_features;
    const struct head head = {c->n, image_context_known(c)};
    real *means = (real *)(void *)((char *)bytes + sizeof head), *weight = means + c->n * f,
         *bias = weight + c->n * f;
    uint32_t *name_end = (uint32_t *)(void *)(bias + c->n), at = 0;
    char *names = (char *)(name_end + c->n);
    memcpy(bytes, &head, sizeof head);
    for (size_t k = 0; k < c->n; k++) {
        const struct image_class *class = &c->classes[k];
        for (size_t j = 0; j < f; j++)
            means[k * f + j] = (real)(class->sum[j] / class->n);
        memcpy(names + at, class->name, class->name_len);
        name_end[k] = at += (uint32_t) class->name_len;
    }
    image_model_classes_of_means(m, means, c->n, workspace, weight, bias);
}

void image_layer_read(const struct image_model *m, const void *bytes, struct image_layer *out)
{
    struct head head;
    memcpy(&head, bytes, sizeof head);
    out->n_classes = (size_t)head.n_classes;
    out->n_known = (size_t)head.n_known;
    out->means = (const real *)(const void *)((const char *)bytes + sizeof head);
    out->weight = out->means + out->n_classes * m->head.d_features;
    out->bias = out->weight + out->n_classes * m->head.d_features;
    out->name_end = (const uint32_t *)(const void *)(out->bias + out->n_classes);
    out->names = (const char *)(out->name_end + out->n_classes);
}

struct text image_layer_name(const struct image_layer *l, size_t k)
{
    size_t from = k ? l->name_end[k - 1] : 0;
    return (struct text){l->names + from, l->name_end[k] - from};
}

/* Logits of an image, and the class of the greatest. */
static size_t find_logits(const struct image_layer *l, const real *features, size_t f, double *logits)
{
    size_t best = 0;
    for (size_t k = 0; k < l->n_classes; k++) {
        logits[k] = (double)l->bias[k];
        for (size_t j = 0; j < f; j++)
            logits[k] += (double)l->weight[k * f + j] * (double)features[j];
        best = logits[k] > logits[best] ? k : best;
    }
    return best;
}

/* What a squared distance in the features of a model is worth. */
static double scale_of(const struct image_model *m)
{
    return exp((double)*m->head_params.scale);
}

/* The least squared distance of a class mean. */
static double nearest(const struct image_layer *l, const real *features, size_t f)
{
    double least = INFINITY;
    for (size_t k = 0; k < l->n_classes; k++) {
        double square = 0;
        for (size_t j = 0; j < f; j++) {
            double d = (double)features[j] - (double)l->means[k * f + j];
            square += d * d;
        }
        least = fmin(least, square);
    }
    return least;
}

double image_layer_novelty(const struct image_model *m, const struct image_context *c, const real *features)
{
    double least = INFINITY;
    for (size_t k = 0; k < c->n; k++) {
        double square = 0, share = 1 / c->classes[k].n;
        for (size_t j = 0; j < c->d_features; j++) {
            double d = (double)features[j] - share * c->classes[k].sum[j];
            square += d * d;
        }
        least = fmin(least, square);
    }
    return scale_of(m) * least;
}

bool image_layer_answer(const struct image_model *m, const struct image_layer *l, const real *features,
                        double *probabilities, struct image_answer *out)
{
    size_t f = m->head.d_features;
    double sum = 0;
    out->best = find_logits(l, features, f, probabilities);
    double most = probabilities[out->best];
    for (size_t k = 0; k < l->n_classes; k++)
        sum += exp(probabilities[k] - most);
    out->novelty = scale_of(m) * nearest(l, features, f);
    out->entropy = 0;
    bool finite = isfinite(out->novelty);
    for (size_t k = 0; k < l->n_classes; k++) {
        probabilities[k] = exp(probabilities[k] - most) / sum;
        if (probabilities[k] > 0)
            out->entropy -= probabilities[k] * log(probabilities[k]);
        finite = finite && isfinite(probabilities[k]);
    }
    return finite;
}
