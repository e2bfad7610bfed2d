#include "engine/train/search/search_fit.h"

#include "base/mem.h"
#include "engine/kernels/blas.h"
#include "engine/train/gradient/adam.h"

#include <math.h>

enum { TELL_EVERY = 20, WARM_UP = 100 };
static const double most_norm = 1; /* of the hypernetwork's gradient: some architectures have steep ones */
static const struct adam adam = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};

static double rate_at(const struct search_fit_options *o, long step)
{
    double rise = step < WARM_UP ? (double)(step + 1) / WARM_UP : 1;
    return o->rate * rise * (1 + cos(M_PI * (double)step / (double)o->n_steps)) / 2;
}

static enum err_code look_up(const struct search_fit_options *o, long step, double loss, struct err *e)
{
    struct progress p = progress_at(o->stage, (double)(step + 1) / (double)o->n_steps);
    if (!isfinite(loss))
        return err_set(e, ERR_INVALID, "the loss of step %ld is not finite; inputs may be too large", step);
    if (!o->progress || ((step + 1) % TELL_EVERY && step + 1 < o->n_steps))
        return ERR_OK;
    p.loss = loss;
    return o->progress(o->arg, &p) ? ERR_OK : err_set(e, ERR_DEADLINE, "it was stopped");
}

enum err_code search_fit_generator(struct weight_generator *g, struct candidate *c,
                                   const struct search_rows *rows, const struct search_fit_options *o,
                                   struct err *e)
{
    struct rng r;
    rng_init(&r, o->seed, 81);
    for (long step = 0; step < o->n_steps; step++) {
        struct architecture a;
        architecture_draw(&r, &c->inputs, &a);
        candidate_take(c, &a);
        weight_generator_make(g, c);
        candidate_draw(c, rows, o->batch, &r);
        double loss = candidate_gradient(c);
        enum err_code code = look_up(o, step, loss, e);
        if (code)
            return code;
        weight_generator_backward(g, c);
        double norm = sqrt((double)blas_dot(g->n_values, g->grads, g->grads));
        adam_update(&adam, step + 1, rate_at(o, step), norm > most_norm ? most_norm / norm : 1, g->n_values,
                    g->values, g->grads, g->moment1, g->moment2);
    }
    return ERR_OK;
}

/* How much wider than 1 / sqrt(inputs) weights before an activation begin: a ReLU lets half through (He et
 * al. 2015), a sigmoid has a fourth of tanh's slope (Glorot and Bengio 2010). */
static double gain_of(enum activation a)
{
    return a == ACTIVATION_RELU ? sqrt(2.0) : a == ACTIVATION_SIGMOID ? 4 : 1;
}

/* Biases too, since of a few inputs all units would bend at 0. */
static void draw_weights(struct candidate *c, struct rng *r)
{
    struct candidate_layer layers[ARCHITECTURE_DEPTH + 1];
    size_t n = candidate_layers(c, layers);
    for (size_t i = 0; i < n; i++) {
        const struct candidate_layer *l = &layers[i];
        bool hidden = i + 1 < n;
        double deviation = (hidden ? gain_of(c->architecture.activation) : 1) / sqrt((double)l->d_in);
        for (size_t k = 0; k < l->d_out * l->d_in; k++)
            l->weight[k] = (real)(deviation * rng_normal(r));
        for (size_t k = 0; k < l->d_out; k++)
            l->bias[k] = hidden ? (real)(deviation * rng_normal(r)) : 0;
    }
}

enum err_code search_fit_scratch(struct candidate *c, const struct search_rows *rows,
                                 const struct search_fit_options *o, struct err *e)
{
    struct rng r;
    enum err_code code = ERR_OK;
    real *moments = mem_zalloc_array(c->n_values, 2 * sizeof *moments);
    if (!moments)
        return err_set(e, ERR_NOMEM, "no memory for the optimiser of %zu weights", c->n_values);
    rng_init(&r, o->seed, 82);
    draw_weights(c, &r);
    for (long step = 0; step < o->n_steps && !code; step++) {
        candidate_draw(c, rows, o->batch, &r);
        code = look_up(o, step, candidate_gradient(c), e);
        adam_update(&adam, step + 1, rate_at(o, step), 1, c->n_values, c->values, c->grads, moments,
                    moments + c->n_values);
    }
    mem_free(moments);
    return code;
}
