#include "engine/train/image/episode.h"

#include "base/mem.h"
#include "engine/network/layers.h"
#include "engine/train/gradient/class_head_backward.h"

#include <math.h>
#include <string.h>

struct episode_private {
    struct class_head_tape tape;
    real *means, *dmeans;   /* (K, F) */
    real *weight, *dweight; /* (K, F) the generated layer */
    real *bias, *dbias;     /* (K) */
    real *asked, *dasked;   /* (K n_images, F) features of the asked images, class by class */
    real *logits;           /* (K n_images, K), then their gradient */
    real *tape_room, *workspace;
};

enum err_code episode_init(struct episode *ep, const struct class_head_spec *spec, size_t n_classes,
                           size_t n_images, struct err *e)
{
    struct episode_private *p = mem_zalloc_array(1, sizeof *p);
    *ep = (struct episode){spec, n_classes, n_images, p};
    if (!p)
        return err_set(e, ERR_NOMEM, "no memory for an episode");
    size_t f = spec->d_features, n = n_classes * n_images;
    real **parts[] = {&p->means, &p->dmeans, &p->weight, &p->dweight,   &p->bias,     &p->dbias,
                      &p->asked, &p->dasked, &p->logits, &p->tape_room, &p->workspace};
    const size_t lens[] = {n_classes * f,
                           n_classes * f,
                           n_classes * f,
                           n_classes * f,
                           n_classes,
                           n_classes,
                           n * f,
                           n * f,
                           n * n_classes,
                           class_head_tape_len(spec, n_classes),
                           class_head_backward_len(spec, n_classes)};
    bool ok = true;
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++)
        ok = (*parts[i] = mem_alloc_aligned(lens[i], sizeof(real))) != NULL && ok;
    if (!ok) {
        episode_fini(ep);
        return err_set(e, ERR_NOMEM, "no memory for an episode of %zu classes with %zu images each",
                       n_classes, n_images);
    }
    class_head_tape_at(spec, n_classes, p->tape_room, &p->tape);
    return ERR_OK;
}

void episode_fini(struct episode *ep)
{
    struct episode_private *p = ep->private;
    if (!p)
        return;
    real *parts[] = {p->means, p->dmeans, p->weight, p->dweight,   p->bias,     p->dbias,
                     p->asked, p->dasked, p->logits, p->tape_room, p->workspace};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        mem_free(parts[i]);
    mem_free(p);
    *ep = (struct episode){0};
}

/* Where the features of the image stand that is number i in a split's order of class k. */
static size_t place(const struct episode *ep, const struct episode_split *split, size_t k, size_t i)
{
    return (k * ep->n_images + split->order[k * ep->n_images + i]) * ep->spec->d_features;
}

/* means, and the features of what is asked for one after the other. */
static void take_split(struct episode *ep, const struct episode_split *split, const real *features)
{
    struct episode_private *p = ep->private;
    size_t f = ep->spec->d_features;
    real *asked = p->asked, share = (real)(1 / (double)split->shots);
    memset(p->means, 0, ep->n_classes * f * sizeof *p->means);
    for (size_t k = 0; k < ep->n_classes; k++)
        for (size_t i = 0; i < ep->n_images; i++) {
            const real *x = features + place(ep, split, k, i);
            if (i < split->shots) {
                for (size_t j = 0; j < f; j++)
                    p->means[k * f + j] += share * x[j];
            } else {
                memcpy(asked, x, f * sizeof *asked);
                asked += f;
            }
        }
}

/* The loss of one asked image of class k; its logits become the gradient, times weight. */
static double ask(real *logits, size_t n_classes, size_t k, double weight, size_t *n_right)
{
    double most = -INFINITY, sum = 0;
    size_t best = 0;
    for (size_t j = 0; j < n_classes; j++)
        if ((double)logits[j] > most) {
            most = (double)logits[j];
            best = j;
        }
    for (size_t j = 0; j < n_classes; j++)
        sum += exp((double)logits[j] - most);
    double loss = most + log(sum) - (double)logits[k];
    for (size_t j = 0; j < n_classes; j++)
        logits[j] = (real)(weight * (exp((double)logits[j] - most) / sum - (j == k)));
    *n_right += best == k;
    return loss;
}

/* dfeatures of the known and the asked images, from dmeans and dasked. */
static void give_split(struct episode *ep, const struct episode_split *split, real *dfeatures)
{
    const struct episode_private *p = ep->private;
    size_t f = ep->spec->d_features;
    const real *dasked = p->dasked;
    real share = (real)(1 / (double)split->shots);
    for (size_t k = 0; k < ep->n_classes; k++)
        for (size_t i = 0; i < ep->n_images; i++) {
            real *to = dfeatures + place(ep, split, k, i);
            if (i < split->shots) {
                for (size_t j = 0; j < f; j++)
                    to[j] += share * p->dmeans[k * f + j];
            } else {
                for (size_t j = 0; j < f; j++)
                    to[j] += *dasked++;
            }
        }
}

double episode_loss(struct episode *ep, const struct class_head_params *params, const real *features,
                    const struct episode_split *split, double weight, const struct class_head_params *grads,
                    real *dfeatures, size_t *n_right)
{
    struct episode_private *p = ep->private;
    const struct class_head_spec *spec = ep->spec;
    size_t n_classes = ep->n_classes, f = spec->d_features, n_each = ep->n_images - split->shots,
           n = n_classes * n_each, right = 0;
    double loss = 0;
    take_split(ep, split, features);
    class_head_forward(spec, params, p->means, &p->tape, p->weight, p->bias);
    class_head_logits(spec, p->weight, p->bias, n_classes, p->asked, n, p->logits);
    for (size_t i = 0; i < n; i++)
        loss += ask(p->logits + i * n_classes, n_classes, i / n_each, weight / (double)n, &right);
    if (n_right)
        *n_right = right;
    if (grads) {
        memset(p->dweight, 0, n_classes * f * sizeof *p->dweight);
        memset(p->dbias, 0, n_classes * sizeof *p->dbias);
        dense_backward(p->asked, n, f, p->weight, n_classes, p->logits, 0, p->dasked, p->dweight, p->dbias);
        class_head_backward(spec, params, p->means, &p->tape, p->dweight, p->dbias, p->workspace, grads,
                            p->dmeans);
        give_split(ep, split, dfeatures);
    }
    return loss / (double)n;
}
