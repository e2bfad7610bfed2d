#include "server/cli/image_outside.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/network/conv.h"
#include "server/images/image_layer.h"
#include "server/tasks/roc.h"

#include <string.h>

enum { EPISODES = 200, ASKED = 5 };

const char *image_doubt_name(enum image_doubt doubt)
{
    static const char *const names[] = {"entropy", "novelty"};
    return names[doubt];
}

struct measuring {
    const struct image_model *m;
    const struct image_set *set, *others;
    struct image_outside *out;
    uint64_t seed;
    real *inside, *outside;             /* features (images, F) of both sets */
    real *conv;                         /* (threads, conv_workspace_len) */
    uint32_t *order;                    /* (classes or images of one, whichever are more) */
    real *known, *layer;                /* (ways shots, F); means, weight, bias and workspace */
    double *probabilities;              /* (ways) */
    double *weights;                    /* (EPISODES) */
    struct roc_row *rows[IMAGE_DOUBTS]; /* (n_rows) */
    size_t n_rows;
    bool finite; /* all answers */
};

/* ---- features ---- */

struct featuring {
    const struct measuring *u;
    const struct image_set *set;
    real *to;
};

static void features_of(void *arg, size_t i, size_t thread)
{
    const struct featuring *f = arg;
    const struct image_model *m = f->u->m;
    size_t d = image_spec_d_image(&m->images);
    conv_features(&m->images, &m->conv, f->set->pixels + i * d, 1,
                  f->u->conv + thread * conv_workspace_len(&m->images), f->to + i * m->head.d_features);
}

static size_t n_images(const struct image_set *set)
{
    return set->start[set->n_classes];
}

/* ---- episodes ---- */

static void shuffle(struct measuring *u, struct rng *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        u->order[i] = (uint32_t)i;
    rng_shuffle(r, u->order, n);
}

static void add_row(struct measuring *u, const struct image_layer *l, const real *features, size_t episode,
                    bool is_outside)
{
    struct image_answer a;
    u->finite = image_layer_answer(u->m, l, features, u->probabilities, &a) && u->finite;
    const double scores[IMAGE_DOUBTS] = {a.entropy, a.novelty};
    for (size_t i = 0; i < IMAGE_DOUBTS; i++)
        u->rows[i][u->n_rows] = (struct roc_row){scores[i], (uint32_t)episode, is_outside};
    u->n_rows++;
}

/* Known and asked images of each class; the first go to u->known, and asked (ways ASKED) are their places. */
static void draw(struct measuring *u, struct rng *r, size_t *asked)
{
    size_t f = u->m->head.d_features, shots = u->out->shots, drawn[64];
    shuffle(u, r, u->set->n_classes);
    for (size_t k = 0; k < u->out->ways; k++)
        drawn[k] = u->order[k];
    for (size_t k = 0; k < u->out->ways; k++) {
        size_t first = u->set->start[drawn[k]];
        shuffle(u, r, u->set->start[drawn[k] + 1] - first);
        for (size_t i = 0; i < shots; i++)
            memcpy(u->known + (k * shots + i) * f, u->inside + (first + u->order[i]) * f,
                   f * sizeof *u->known);
        for (size_t i = 0; i < ASKED; i++)
            asked[k * ASKED + i] = first + u->order[shots + i];
    }
}

/* means (ways, F) of the known images. */
static void find_means(const struct measuring *u, real *means)
{
    size_t f = u->m->head.d_features, shots = u->out->shots;
    for (size_t k = 0; k < u->out->ways; k++)
        for (size_t j = 0; j < f; j++) {
            real sum = 0;
            for (size_t i = 0; i < shots; i++)
                sum += u->known[(k * shots + i) * f + j];
            means[k * f + j] = sum / (real)shots;
        }
}

static void run_episode(struct measuring *u, size_t episode)
{
    size_t ways = u->out->ways, f = u->m->head.d_features, asked[64 * ASKED];
    real *means = u->layer, *weight = means + ways * f, *bias = weight + ways * f;
    const struct image_layer l = {.n_classes = ways, .means = means, .weight = weight, .bias = bias};
    struct rng r;
    rng_init(&r, u->seed, episode);
    draw(u, &r, asked);
    find_means(u, means);
    image_model_classes_of_means(u->m, means, ways, bias + ways, weight, bias);
    for (size_t i = 0; i < ways * ASKED; i++) {
        size_t other = (size_t)(rng_uniform(&r) * (double)n_images(u->others));
        add_row(u, &l, u->inside + asked[i] * f, episode, false);
        add_row(u, &l, u->outside + other * f, episode, true);
    }
}

static enum err_code make_room(struct measuring *u, struct parallel *team, struct err *e)
{
    size_t f = u->m->head.d_features, ways = u->out->ways, n_known = ways * u->out->shots,
           most = u->set->n_classes > n_images(u->set) ? u->set->n_classes : n_images(u->set);
    bool ok = (u->inside = mem_alloc_array(n_images(u->set), f * sizeof(real))) != NULL;
    ok = (u->outside = mem_alloc_array(n_images(u->others), f * sizeof(real))) != NULL && ok;
    ok = (u->conv = mem_alloc_array(parallel_threads(team),
                                    conv_workspace_len(&u->m->images) * sizeof(real))) != NULL &&
         ok;
    ok = (u->order = mem_alloc_array(most, sizeof *u->order)) != NULL && ok;
    ok = (u->known = mem_alloc_array(n_known, f * sizeof(real))) != NULL && ok;
    ok = (u->layer = mem_alloc_array(ways * (2 * f + 1) + image_model_classes_len(u->m, 0, ways),
                                     sizeof(real))) != NULL &&
         ok;
    ok = (u->probabilities = mem_alloc_array(ways, sizeof *u->probabilities)) != NULL && ok;
    ok = (u->weights = mem_alloc_array(EPISODES, sizeof *u->weights)) != NULL && ok;
    for (size_t i = 0; i < IMAGE_DOUBTS; i++)
        ok = (u->rows[i] = mem_alloc_array(2 * EPISODES * ways * ASKED, sizeof **u->rows)) != NULL && ok;
    return ok ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for the features of %zu images", most);
}

static void measuring_fini(struct measuring *u)
{
    void *parts[] = {u->inside, u->outside,       u->conv,    u->order,   u->known,
                     u->layer,  u->probabilities, u->weights, u->rows[0], u->rows[1]};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        mem_free(parts[i]);
}

static enum err_code check(const struct measuring *u, struct err *e)
{
    const struct image_set *set = u->set, *others = u->others;
    if (others->height != set->height || others->width != set->width || others->n_channels != set->n_channels)
        return err_set(e, ERR_INVALID,
                       "--outside: images of %zu x %zu with %zu channels; the others are %zu x "
                       "%zu with %zu",
                       others->height, others->width, others->n_channels, set->height, set->width,
                       set->n_channels);
    if (u->out->ways > 64 || u->out->ways > set->n_classes)
        return err_set(e, ERR_INVALID, "--outside: episodes of %zu classes; there are %zu, and 64 at most",
                       u->out->ways, set->n_classes);
    for (size_t k = 0; k < set->n_classes; k++)
        if (set->start[k + 1] - set->start[k] < u->out->shots + ASKED)
            return err_set(e, ERR_INVALID,
                           "--outside: a class has %zu images; %zu are known and %d asked for",
                           set->start[k + 1] - set->start[k], u->out->shots, ASKED);
    return ERR_OK;
}

enum err_code image_outside_measure(const struct image_model *m, const struct image_set *set,
                                    const struct image_set *others, uint64_t seed, struct parallel *team,
                                    struct image_outside *out, struct err *e)
{
    struct measuring u = {.m = m, .set = set, .others = others, .out = out, .seed = seed, .finite = true};
    enum err_code code = check(&u, e);
    if (!code)
        code = make_room(&u, team, e);
    if (!code) {
        parallel_for(team, n_images(set), features_of, &(struct featuring){&u, set, u.inside});
        parallel_for(team, n_images(others), features_of, &(struct featuring){&u, others, u.outside});
        for (size_t i = 0; i < EPISODES; i++)
            run_episode(&u, i);
        out->n_images = n_images(others);
        if (!u.finite)
            code = err_set(e, ERR_INVALID, "an answer of the model is not finite; its weights are too large");
        for (size_t i = 0; i < IMAGE_DOUBTS && !code; i++) {
            roc_sort(u.rows[i], u.n_rows);
            out->by[i].area = roc_area(u.rows[i], u.n_rows, NULL);
            roc_interval(u.rows[i], u.n_rows, EPISODES, seed, u.weights, &out->by[i].low, &out->by[i].high);
        }
    }
    measuring_fini(&u);
    return code;
}
