/* Features are made once for all episodes; an episode is then a small product. Its classes and images are
 * drawn from its own number, so that threads make no difference. */
#include "engine/train/image/image_quality.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/network/class_ridge.h"

#include <math.h>
#include <string.h>

#define RIDGE_SHARE 0.1

struct quality {
    const struct image_model *model;
    const struct image_set *set;
    const struct image_episodes *episodes;
    real *features;      /* (images, F) of the classes that are drawn from */
    size_t most_images;  /* of a class */
    size_t conv_len;     /* of a thread's workspace */
    real *workspaces;    /* (threads, conv_len) */
    size_t episode_len;  /* reals of a thread's episode: known, asked, weight, bias, logits, workspace */
    real *rooms;         /* (threads, episode_len) */
    uint32_t *orders;    /* (threads, classes + most_images) */
    size_t *known_class; /* (ways shots) the same in every episode */
    double *ridges;      /* (threads, class_ridge_workspace_len) */
    double *accuracy;
};

static void features_of_class(void *arg, size_t i, size_t thread)
{
    struct quality *q = arg;
    const struct image_set *set = q->set;
    size_t first = set->start[q->episodes->from], k = q->episodes->from + i,
           n = set->start[k + 1] - set->start[k];
    conv_features(&q->model->images, &q->model->conv,
                  set->pixels + set->start[k] * image_spec_d_image(&q->model->images), n,
                  q->workspaces + thread * q->conv_len,
                  q->features + (set->start[k] - first) * q->model->head.d_features);
}

/* Known and asked features of one class of an episode. */
static void draw_class(struct quality *q, struct rng *r, size_t k, uint32_t *order, real *known, real *asked)
{
    const struct image_set *set = q->set;
    size_t f = q->model->head.d_features, n = set->start[k + 1] - set->start[k];
    const real *features = q->features + (set->start[k] - set->start[q->episodes->from]) * f;
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    rng_shuffle(r, order, n);
    for (size_t i = 0; i < q->episodes->shots; i++)
        memcpy(known + i * f, features + order[i] * f, f * sizeof *known);
    for (size_t i = 0; i < q->episodes->asked; i++)
        memcpy(asked + i * f, features + order[q->episodes->shots + i] * f, f * sizeof *asked);
}

/* weight (K, F) and bias (K) of the prototypes, up to a factor that they share. */
static void prototypes(const real *known, size_t ways, size_t shots, size_t f, real *weight, real *bias)
{
    memset(weight, 0, ways * f * sizeof *weight);
    for (size_t k = 0; k < ways; k++) {
        bias[k] = 0;
        for (size_t i = 0; i < shots; i++)
            for (size_t j = 0; j < f; j++)
                weight[k * f + j] += known[(k * shots + i) * f + j] / (real)shots;
        for (size_t j = 0; j < f; j++)
            bias[k] -= weight[k * f + j] * weight[k * f + j] / 2;
    }
}

/* The last layer of an episode; of a ridge that has none, one that says nothing. */
static void make_layer(const struct quality *q, const real *known, size_t thread, real *workspace,
                       real *weight, real *bias)
{
    const struct image_episodes *ep = q->episodes;
    size_t f = q->model->head.d_features, n = ep->ways * ep->shots;
    if (ep->layer == IMAGE_PROTOTYPES) {
        prototypes(known, ep->ways, ep->shots, f, weight, bias);
    } else if (ep->layer == IMAGE_RIDGE) {
        memset(bias, 0, ep->ways * sizeof *bias);
        if (!class_ridge(known, q->known_class, n, f, ep->ways, RIDGE_SHARE,
                         q->ridges + thread * class_ridge_workspace_len(f), weight))
            memset(weight, 0, ep->ways * f * sizeof *weight);
    } else {
        image_model_classes_of_features(q->model, known, q->known_class, n, ep->ways, workspace, weight,
                                        bias);
    }
}

/* The share of those asked that is right; NAN: a logit is not finite. */
static double share_right(const real *logits, size_t ways, size_t asked)
{
    size_t right = 0, n = ways * asked;
    for (size_t i = 0; i < n * ways; i++)
        if (!isfinite(logits[i]))
            return (double)NAN;
    for (size_t i = 0; i < n; i++, logits += ways) {
        size_t best = 0;
        for (size_t k = 1; k < ways; k++)
            if (logits[k] > logits[best])
                best = k;
        right += best == i / asked;
    }
    return (double)right / (double)n;
}

static void run_episode(void *arg, size_t i, size_t thread)
{
    struct quality *q = arg;
    const struct image_episodes *ep = q->episodes;
    size_t f = q->model->head.d_features, n_classes = ep->to - ep->from;
    uint32_t *classes = q->orders + thread * (n_classes + q->most_images);
    real *known = q->rooms + thread * q->episode_len, *asked = known + ep->ways * ep->shots * f,
         *weight = asked + ep->ways * ep->asked * f, *bias = weight + ep->ways * f, *logits = bias + ep->ways,
         *workspace = logits + ep->ways * ep->asked * ep->ways;
    struct rng r;
    rng_init(&r, ep->seed, i);
    for (size_t k = 0; k < n_classes; k++)
        classes[k] = (uint32_t)k;
    rng_shuffle(&r, classes, n_classes);
    for (size_t k = 0; k < ep->ways; k++)
        draw_class(q, &r, ep->from + classes[k], classes + n_classes, known + k * ep->shots * f,
                   asked + k * ep->asked * f);
    make_layer(q, known, thread, workspace, weight, bias);
    class_head_logits(&q->model->head, weight, bias, ep->ways, asked, ep->ways * ep->asked, logits);
    q->accuracy[i] = share_right(logits, ep->ways, ep->asked);
}

static enum err_code check(const struct quality *q, struct err *e)
{
    const struct image_episodes *ep = q->episodes;
    if (ep->ways < 2 || ep->shots < 1 || ep->asked < 1)
        return err_set(
            e, ERR_INVALID,
            "an episode has 2 classes at least, a known and an asked image of each; not %zu, %zu and %zu",
            ep->ways, ep->shots, ep->asked);
    if (ep->ways > ep->to - ep->from)
        return err_set(e, ERR_INVALID, "episodes of %zu classes, and there are %zu", ep->ways,
                       ep->to - ep->from);
    for (size_t k = ep->from; k < ep->to; k++)
        if (q->set->start[k + 1] - q->set->start[k] < ep->shots + ep->asked)
            return err_set(e, ERR_INVALID, "class %zu has %zu images; %zu known and %zu asked ones are drawn",
                           k, q->set->start[k + 1] - q->set->start[k], ep->shots, ep->asked);
    return ERR_OK;
}

static bool quality_init(struct quality *q, size_t n_threads)
{
    const struct image_episodes *ep = q->episodes;
    size_t f = q->model->head.d_features;
    for (size_t k = ep->from; k < ep->to; k++)
        if (q->set->start[k + 1] - q->set->start[k] > q->most_images)
            q->most_images = q->set->start[k + 1] - q->set->start[k];
    q->conv_len = conv_workspace_len(&q->model->images);
    q->episode_len = ep->ways * (ep->shots + ep->asked) * f + ep->ways * (f + 1) +
                     ep->ways * ep->asked * ep->ways + image_model_classes_len(q->model, 0, ep->ways);
    q->features = mem_alloc_array((q->set->start[ep->to] - q->set->start[ep->from]) * f, sizeof *q->features);
    q->workspaces = mem_alloc_array(n_threads * q->conv_len, sizeof *q->workspaces);
    q->rooms = mem_alloc_array(n_threads * q->episode_len, sizeof *q->rooms);
    q->orders = mem_alloc_array(n_threads * (ep->to - ep->from + q->most_images), sizeof *q->orders);
    q->known_class = mem_alloc_array(ep->ways * ep->shots, sizeof *q->known_class);
    q->ridges = mem_alloc_array(n_threads * class_ridge_workspace_len(f), sizeof *q->ridges);
    if (!q->ridges || !q->features || !q->workspaces || !q->rooms || !q->orders || !q->known_class)
        return false;
    for (size_t i = 0; i < ep->ways * ep->shots; i++)
        q->known_class[i] = i / ep->shots;
    return true;
}

enum err_code image_quality(const struct image_model *m, const struct image_set *set,
                            const struct image_episodes *episodes, struct parallel *team, double *accuracy,
                            struct err *e)
{
    struct quality q = {.model = m, .set = set, .episodes = episodes, .accuracy = accuracy};
    enum err_code code = check(&q, e);
    if (code == ERR_OK && !quality_init(&q, parallel_threads(team)))
        code =
            err_set(e, ERR_NOMEM, "no memory for the features of %zu classes", episodes->to - episodes->from);
    if (code == ERR_OK) {
        parallel_for(team, episodes->to - episodes->from, features_of_class, &q);
        parallel_for(team, episodes->n, run_episode, &q);
    }
    for (size_t i = 0; i < episodes->n && !code; i++)
        if (isnan(accuracy[i]))
            code = err_set(e, ERR_INVALID, "an answer of the model is not finite; its weights are too large");
    mem_free(q.features);
    mem_free(q.workspaces);
    mem_free(q.rooms);
    mem_free(q.orders);
    mem_free(q.known_class);
    mem_free(q.ridges);
    return code;
}
