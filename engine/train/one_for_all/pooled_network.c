#include "engine/train/one_for_all/pooled_network.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/network/task_head.h"
#include "engine/train/task/task_start.h"

#include <math.h>
#include <string.h>

static const double bias_deviation = 0.5, id_deviation = 0.3;

enum err_code pooled_network_init(struct pooled_network *net, const struct model_spec *like, size_t n_tasks,
                                  struct err *e)
{
    struct task_spec *t = &net->spec.task;
    *net = (struct pooled_network){.spec = *like, .d_row = like->d_item, .n_tasks = n_tasks};
    net->d_id = n_tasks ? POOLED_ID_WIDTH : 0;
    net->spec.d_item = net->d_row + net->d_id;
    t->d_basis = 0;
    t->forgets = t->calibrated = false;
    t->clip = 0; /* the model's outliers are not this network's */
    if (t->n_features == 0)
        task_start_features(t);
    enum err_code code = param_block_init(&net->block, &net->spec, e);
    if (code)
        return code;
    net->ids = mem_zalloc_array(n_tasks + 1, (net->d_id + 1) * sizeof *net->ids);
    net->id_grads = mem_zalloc_array(n_tasks + 1, 3 * (net->d_id + 1) * sizeof *net->id_grads);
    if (!net->ids || !net->id_grads)
        return err_set(e, ERR_NOMEM, "no memory for vectors of %zu tasks", n_tasks);
    net->id_moment1 = net->id_grads + n_tasks * net->d_id;
    net->id_moment2 = net->id_moment1 + n_tasks * net->d_id;
    return ERR_OK;
}

void pooled_network_fini(struct pooled_network *net)
{
    param_block_fini(&net->block);
    mem_free(net->ids);
    mem_free(net->id_grads);
    *net = (struct pooled_network){0};
}

static void fill(struct rng *r, real *values, size_t n, double deviation)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (real)(deviation * rng_normal(r));
}

void pooled_network_start(struct pooled_network *net, uint64_t seed)
{
    const struct task_spec *t = &net->spec.task;
    struct param_block *b = &net->block;
    size_t d = net->spec.d_item, n_ids = net->n_tasks * net->d_id;
    struct rng r;
    rng_init(&r, seed, 60);
    memset(b->values, 0, b->n_values * sizeof *b->values);
    memset(b->moment1, 0, b->n_values * sizeof *b->moment1);
    memset(b->moment2, 0, b->n_values * sizeof *b->moment2);
    for (size_t i = 0; i < t->n_features; i++) {
        fill(&r, b->params.features[i].weight, t->features[i].d_out * d, sqrt(1 / (double)d));
        fill(&r, b->params.features[i].bias, t->features[i].d_out, bias_deviation);
        d = t->features[i].d_out;
    }
    memset(net->id_grads, 0, 3 * n_ids * sizeof *net->id_grads);
    fill(&r, net->ids, n_ids, id_deviation);
    pooled_network_set_mean_id(net);
}

void pooled_network_set_mean_id(struct pooled_network *net)
{
    for (size_t j = 0; j < net->d_id; j++) {
        double sum = 0;
        for (size_t t = 0; t < net->n_tasks; t++)
            sum += (double)net->ids[t * net->d_id + j];
        net->ids[net->n_tasks * net->d_id + j] = (real)(sum / (double)net->n_tasks);
    }
}

/* ---- rows ---- */

enum err_code pooled_pass_init(struct pooled_pass *p, struct pooled_network *net, size_t n_max, struct err *e)
{
    size_t d = net->spec.d_item, o = net->spec.d_output;
    *p = (struct pooled_pass){.net = net, .n_max = n_max};
    enum err_code code = features_tape_init(&p->tape, &net->spec, n_max, e);
    if (code)
        return code;
    p->x = mem_alloc_array(n_max, 2 * (d + o) * sizeof *p->x);
    p->y = mem_alloc_array(n_max, sizeof *p->y);
    p->task = mem_alloc_array(n_max, sizeof *p->task);
    if (!p->x || !p->y || !p->task)
        return err_set(e, ERR_NOMEM, "no memory for a step of %zu rows", n_max);
    p->dx = p->x + n_max * d;
    p->f = p->dx + n_max * d;
    p->df = p->f + n_max * o;
    return ERR_OK;
}

void pooled_pass_fini(struct pooled_pass *p)
{
    features_tape_fini(&p->tape);
    mem_free(p->x);
    mem_free(p->y);
    mem_free(p->task);
    *p = (struct pooled_pass){0};
}

void pooled_pass_add(struct pooled_pass *p, const real *x, double y, uint32_t task)
{
    const struct pooled_network *net = p->net;
    real *to = p->x + p->n * net->spec.d_item;
    memcpy(to, x, net->d_row * sizeof *to);
    if (net->d_id)
        memcpy(to + net->d_row, net->ids + task * net->d_id, net->d_id * sizeof *to);
    p->y[p->n] = y;
    p->task[p->n++] = task;
}

void pooled_pass_forward(struct pooled_pass *p)
{
    features_tape_forward(&p->tape, &p->net->block.params, p->x, p->n, p->f, NULL);
}

/* The loss of row i, and in r (O) what of the target its outputs leave over. */
static double loss_of(const struct pooled_pass *p, size_t i, double r[LIMIT_COLUMN_VALUES])
{
    const struct model_spec *spec = &p->net->spec;
    double f[LIMIT_COLUMN_VALUES];
    for (size_t k = 0; k < spec->d_output; k++)
        f[k] = (double)p->f[i * spec->d_output + k];
    task_residual(spec, f, p->y[i], r);
    return spec->task.n_classes ? task_head_surprise(f, spec->d_output, (size_t)p->y[i]) : r[0] * r[0];
}

double pooled_pass_loss(struct pooled_pass *p)
{
    double loss = 0, r[LIMIT_COLUMN_VALUES];
    pooled_pass_forward(p);
    for (size_t i = 0; i < p->n; i++)
        loss += loss_of(p, i, r);
    return loss;
}

double pooled_pass_gradient(struct pooled_pass *p, double weight)
{
    struct pooled_network *net = p->net;
    size_t o = net->spec.d_output;
    double loss = 0, r[LIMIT_COLUMN_VALUES], slope = net->spec.task.n_classes ? -weight : -2 * weight;
    pooled_pass_forward(p);
    for (size_t i = 0; i < p->n; i++) {
        loss += loss_of(p, i, r);
        for (size_t k = 0; k < o; k++)
            p->df[i * o + k] = (real)(slope * r[k]);
    }
    features_tape_backward(&p->tape, &net->block.params, p->x, p->n, p->df, NULL, &net->block.grad_params,
                           net->d_id ? p->dx : NULL);
    for (size_t i = 0; i < p->n && net->d_id; i++)
        for (size_t j = 0; j < net->d_id && p->task[i] < net->n_tasks; j++)
            net->id_grads[p->task[i] * net->d_id + j] += p->dx[i * net->spec.d_item + net->d_row + j];
    return loss;
}
