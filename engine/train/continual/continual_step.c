/* The tape holds the new task's context first and old ones behind it, so that the hypernetwork goes
 * forward and back once a step. */
#include "engine/train/continual/continual.h"

#include "base/mem.h"
#include "engine/network/hypernet.h"

#include <math.h>
#include <string.h>

/* theta0 is drawn once and stays, in the first task too. */
static void drop_theta0(const struct model_spec *spec, struct model_params *grads)
{
    for (size_t i = 0; i < spec->n_layers; i++)
        if (spec->layers[i].generator == GENERATOR_CHUNKED) {
            grads->layers[i].weight = NULL;
            if (spec->layers[i].bias == BIAS_FULL)
                grads->layers[i].bias = NULL;
        }
}

enum err_code continual_step_init(struct continual_step *s, const struct model_spec *spec,
                                  struct param_block *block, size_t n_rows, size_t n_old, struct err *e)
{
    *s = (struct continual_step){.spec = spec, .block = block, .grads = block->grad_params};
    drop_theta0(spec, &s->grads);
    enum err_code code = minibatch_init(&s->batch, spec, n_rows, e);
    if (!code)
        code = hypernet_tape_init(&s->tape, spec, 1 + n_old, e);
    if (code)
        return code;
    s->before_values = mem_alloc_array(block->n_values, sizeof(real));
    s->theta_before = mem_alloc_aligned(s->tape.layout.len, sizeof(real));
    s->work = mem_alloc_aligned(hypernet_workspace_len(spec), sizeof(real));
    if (!s->before_values || !s->theta_before || !s->work)
        return err_set(e, ERR_NOMEM, "no memory for %zu parameters as they were", block->n_values);
    memcpy(s->before_values, block->values, block->n_values * sizeof(real));
    param_block_dense_views(block, s->before_values, &s->before);
    return ERR_OK;
}

void continual_step_fini(struct continual_step *s)
{
    minibatch_fini(&s->batch);
    hypernet_tape_fini(&s->tape);
    mem_free(s->before_values);
    mem_free(s->theta_before);
    mem_free(s->work);
}

/* The penalty of the task in row k of the tape. NAN: what it was generates nothing finite. */
static double penalty(struct continual_step *s, size_t k, double weight)
{
    size_t len = s->tape.layout.len;
    const real *theta = s->tape.theta + k * len;
    real *dtheta = s->tape.dtheta + k * len, slope = (real)(2 * weight);
    double sum = 0;
    if (hypernet_generate(s->spec, &s->before, s->tape.c + k * s->spec->d_context, s->work, s->theta_before,
                          NULL))
        return NAN;
    for (size_t i = 0; i < len; i++) {
        real d = theta[i] - s->theta_before[i];
        sum += (double)(d * d);
        dtheta[i] = slope * d;
    }
    return weight * sum;
}

double continual_step_loss(struct continual_step *s, const uint32_t *old, size_t n_old, double beta)
{
    const struct model_spec *spec = s->spec;
    size_t d = spec->d_context, newest = spec->encoder.n_tasks - 1;
    const real *rows = s->block->params.task_id;
    memcpy(s->tape.c, rows + newest * d, d * sizeof *rows);
    for (size_t k = 0; k < n_old; k++)
        memcpy(s->tape.c + (1 + k) * d, rows + old[k] * d, d * sizeof *rows);
    hypernet_batch_forward(spec, &s->block->params, &s->tape, 1 + n_old);
    memset(s->tape.dtheta, 0, s->tape.layout.len * sizeof *s->tape.dtheta);
    double loss = minibatch_loss(&s->batch, &s->block->params, s->tape.theta, s->tape.dtheta, &s->grads);
    for (size_t k = 0; k < n_old; k++)
        loss += penalty(s, 1 + k, beta / (double)n_old);
    hypernet_batch_backward(spec, &s->block->params, &s->tape, &s->grads);
    real *own = s->grads.task_id + newest * d; /* the others' do not move */
    for (size_t j = 0; j < d; j++)
        own[j] += s->tape.dc[j];
    return loss;
}
