#include "engine/train/continual/theta_fit.h"

#include "base/mem.h"
#include "engine/train/gradient/adam.h"

#include <math.h>
#include <string.h>

enum err_code ewc_init(struct ewc *w, size_t n, double lambda, struct err *e)
{
    *w = (struct ewc){.n = n,
                      .lambda = lambda,
                      .importance = mem_zalloc_array(n, sizeof(real)),
                      .weighted = mem_zalloc_array(n, sizeof(real))};
    return w->importance && w->weighted ? ERR_OK
                                        : err_set(e, ERR_NOMEM, "no memory for %zu weights' importance", n);
}

void ewc_fini(struct ewc *w)
{
    mem_free(w->importance);
    mem_free(w->weighted);
}

enum err_code theta_fit_check(const struct model_spec *spec, struct err *e)
{
    for (size_t i = 0; i < spec->n_layers; i++)
        if (spec->layers[i].generator != GENERATOR_CHUNKED || spec->layers[i].bias == BIAS_SHARED)
            return err_set(e, ERR_INVALID,
                           "the model's layer %zu has weights that are not generated; there is no network of "
                           "such layers to learn by itself",
                           i);
    return ERR_OK;
}

enum err_code ewc_add(struct ewc *w, const struct model_spec *spec, const struct model_params *params,
                      const real *theta, const struct labelled_rows *rows, size_t n_rows, struct err *e)
{
    struct minibatch one = {0};
    struct theta_layout layout;
    size_t n = n_rows < rows->n ? n_rows : rows->n;
    theta_layout_of(spec, &layout);
    real *gradient = mem_alloc_aligned(layout.len, sizeof *gradient);
    enum err_code code =
        gradient ? theta_fit_check(spec, e) : err_set(e, ERR_NOMEM, "no memory for a gradient");
    if (!code)
        code = minibatch_init(&one, spec, 1, e);
    for (size_t r = 0; !code && r < n; r++) {
        memset(gradient, 0, layout.len * sizeof *gradient);
        minibatch_take(&one, rows, r, 1);
        (void)minibatch_loss(&one, params, theta, gradient, NULL);
        for (size_t i = 0; i < w->n; i++) {
            real f = gradient[i] * gradient[i] / (real)n;
            w->importance[i] += f;
            w->weighted[i] += f * theta[i];
        }
    }
    minibatch_fini(&one);
    mem_free(gradient);
    return code;
}

static void hold_back(const struct ewc *w, const real *theta, real *gradient)
{
    real lambda = (real)w->lambda;
    for (size_t i = 0; i < w->n; i++)
        gradient[i] += lambda * (w->importance[i] * theta[i] - w->weighted[i]);
}

static enum err_code take_steps(struct minibatch *m, const struct model_params *params, real *theta,
                                size_t len, real *moments, const struct labelled_rows *rows,
                                const struct continual_options *o, struct rng *r, const struct ewc *hold,
                                struct err *e)
{
    static const struct adam adam = {0.9, 0.999, 1e-8, 0};
    real *gradient = moments + 2 * len;
    for (long step = 1; step <= o->n_steps && !(o->interrupt && atomic_load(o->interrupt)); step++) {
        minibatch_draw(m, rows, r);
        double loss = minibatch_loss(m, params, theta, gradient, NULL);
        if (!isfinite(loss))
            return err_set(e, ERR_INVALID, "the loss of step %ld is not finite, with a rate of %g", step,
                           o->rate);
        if (hold)
            hold_back(hold, theta, gradient);
        double rate = o->rate * (1 + cos(M_PI * (double)(step - 1) / (double)o->n_steps)) / 2;
        adam_update(&adam, step, rate, 1, len, theta, gradient, moments, moments + len);
    }
    return ERR_OK;
}

enum err_code theta_fit(const struct model_spec *spec, const struct model_params *params, real *theta,
                        const struct labelled_rows *rows, const struct continual_options *options,
                        uint64_t stream, const struct ewc *hold, struct err *e)
{
    struct minibatch batch = {0};
    struct theta_layout layout;
    struct rng r;
    theta_layout_of(spec, &layout);
    rng_init(&r, options->seed, stream);
    enum err_code code = theta_fit_check(spec, e);
    if (!code)
        code = labelled_rows_check(rows, spec, e);
    if (code)
        return code;
    real *moments = mem_zalloc_array(3 * layout.len, sizeof *moments);
    code = moments ? minibatch_init(&batch, spec, options->batch, e)
                   : err_set(e, ERR_NOMEM, "no memory for %zu weights", layout.len);
    if (!code)
        code = take_steps(&batch, params, theta, layout.len, moments, rows, options, &r, hold, e);
    minibatch_fini(&batch);
    mem_free(moments);
    return code;
}
