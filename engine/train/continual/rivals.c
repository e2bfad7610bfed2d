#include "engine/train/continual/rivals.h"

#include "base/mem.h"
#include "engine/network/hypernet.h"
#include "engine/network/trained_task.h"
#include "engine/train/continual/theta_fit.h"

#include <string.h>

enum { FISHER_ROWS = 1000 };

enum err_code continual_accuracy(const struct model_spec *spec, const struct model_params *params,
                                 const real *theta, size_t n_classes, const struct labelled_rows *rows,
                                 double *out, struct err *e)
{
    enum { ROWS = 256 };
    size_t right = 0;
    real *work = mem_alloc_aligned(trained_task_workspace_len(spec), sizeof *work),
         *p = mem_alloc_array(ROWS, spec->d_output * sizeof *p);
    enum err_code code = work && p ? ERR_OK : err_set(e, ERR_NOMEM, "no memory to measure a network");
    for (size_t i = 0; i < rows->n && !code; i += ROWS) {
        size_t n = rows->n - i < ROWS ? rows->n - i : ROWS;
        if (trained_task_answer(spec, params, theta, n_classes, rows->x + i * spec->d_item, n, work, p) < n)
            code = err_set(e, ERR_INVALID, "a network's answer is not finite; its weights are too large");
        right += trained_task_n_right(p, rows->y + i, n, n_classes);
    }
    *out = rows->n ? (double)right / (double)rows->n : 0;
    mem_free(work);
    mem_free(p);
    return code;
}

struct learner {
    struct model_spec spec; /* of one task; its texts are the model's */
    struct param_block block;
    struct theta_layout layout;
    size_t body; /* weights that all tasks share: those before the last layer */
    real *theta; /* (layout.len) */
    real *first; /* (layout.len) as a network starts */
    real *heads; /* (n, layout.len - body) the last layer of each task */
    struct ewc hold;
};

/* theta0 of a first model, where all networks start; the spec is one that theta_fit_check passes. */
static void take_start(struct learner *l)
{
    for (size_t i = 0; i < l->spec.n_layers; i++) {
        const struct layer_spec *s = &l->spec.layers[i];
        memcpy(l->first + l->layout.layers[i].weight, l->block.params.layers[i].weight,
               s->d_out * s->d_in * sizeof *l->first);
        if (s->bias == BIAS_FULL)
            memcpy(l->first + l->layout.layers[i].bias, l->block.params.layers[i].bias,
                   s->d_out * sizeof *l->first);
    }
    memcpy(l->theta, l->first, l->layout.len * sizeof *l->theta);
}

static enum err_code start(struct learner *l, const struct model_spec *spec, size_t n, double lambda,
                           uint64_t seed, struct err *e)
{
    l->spec = *spec;
    l->spec.encoder.n_tasks = l->spec.trained.n_tasks = 1;
    l->spec.trained.width = 0;
    enum err_code code = theta_fit_check(&l->spec, e);
    if (!code)
        code = continual_init(&l->block, &l->spec, NULL, seed, e);
    if (code)
        return code;
    theta_layout_of(&l->spec, &l->layout);
    l->body = l->layout.layers[l->spec.n_layers - 1].weight;
    l->theta = mem_zalloc_array(l->layout.len, sizeof *l->theta);
    l->first = mem_zalloc_array(l->layout.len, sizeof *l->first);
    l->heads = mem_alloc_array(n, (l->layout.len - l->body) * sizeof *l->heads);
    if (!l->theta || !l->first || !l->heads)
        return err_set(e, ERR_NOMEM, "no memory for networks to compare with");
    take_start(l);
    return ewc_init(&l->hold, l->body, lambda, e);
}

static void end(struct learner *l)
{
    param_block_fini(&l->block);
    mem_free(l->theta);
    mem_free(l->first);
    mem_free(l->heads);
    ewc_fini(&l->hold);
}

/* Task t after those before it. */
static enum err_code learn(struct learner *l, enum rival rival, const struct rival_task *task, size_t t,
                           const struct continual_options *o, struct err *e)
{
    size_t n_head = l->layout.len - l->body, from = rival == RIVAL_OWN ? 0 : l->body;
    bool holds = rival == RIVAL_EWC;
    memcpy(l->theta + from, l->first + from, (l->layout.len - from) * sizeof *l->theta);
    enum err_code code =
        theta_fit(&l->spec, &l->block.params, l->theta, &task->learned, o, 1 + t, holds ? &l->hold : NULL, e);
    if (!code && holds)
        code = ewc_add(&l->hold, &l->spec, &l->block.params, l->theta, &task->learned, FISHER_ROWS, e);
    memcpy(l->heads + t * n_head, l->theta + l->body, n_head * sizeof *l->heads);
    return code;
}

/* What the network knows of task k now, with its head. */
static enum err_code measure(struct learner *l, const struct rival_task *task, size_t k, double *out,
                             struct err *e)
{
    size_t n_head = l->layout.len - l->body;
    memcpy(l->theta + l->body, l->heads + k * n_head, n_head * sizeof *l->heads);
    return continual_accuracy(&l->spec, &l->block.params, l->theta, task->n_classes, &task->asked, out, e);
}

/* ---- the hypernetwork without its penalty ---- */

/* The same model with t + 1 of its tasks. */
static struct model_spec spec_of(const struct model_spec *spec, size_t t)
{
    struct model_spec s = *spec;
    s.encoder.n_tasks = s.trained.n_tasks = t + 1;
    s.trained.width = 0;
    return s;
}

static enum err_code measure_generated(const struct model_spec *spec, const struct model_params *params,
                                       const struct rival_task *task, size_t k, double *out, struct err *e)
{
    struct theta_layout layout;
    theta_layout_of(spec, &layout);
    real *theta = mem_alloc_aligned(layout.len + 1, sizeof *theta),
         *work = mem_alloc_aligned(trained_task_workspace_len(spec), sizeof *work);
    enum err_code code = theta && work ? trained_task_generate(spec, params, k, work, theta, e)
                                       : err_set(e, ERR_NOMEM, "no memory for a task's network");
    if (!code)
        code = continual_accuracy(spec, params, theta, task->n_classes, &task->asked, out, e);
    mem_free(theta);
    mem_free(work);
    return code;
}

static enum err_code measure_unheld(const struct model_spec *spec, const struct rival_task *tasks, size_t n,
                                    const struct continual_options *options, double *accuracy, struct err *e)
{
    struct param_block before = {0}, now = {0};
    struct continual_options o = *options;
    enum err_code code = ERR_OK;
    o.beta = 0;
    for (size_t t = 0; t < n && !code; t++) {
        struct model_spec s = spec_of(spec, t);
        code = continual_init(&now, &s, t ? &before.params : NULL, o.seed, e);
        if (!code)
            code = continual_learn(&s, &now, &tasks[t].learned, &o, NULL, e);
        for (size_t k = 0; k <= t && !code; k++)
            code = measure_generated(&s, &now.params, &tasks[k], k, &accuracy[t * n + k], e);
        param_block_fini(&before);
        before = now;
        now = (struct param_block){0};
    }
    param_block_fini(&before);
    return code;
}

enum err_code rivals_measure(const struct model_spec *spec, enum rival rival, const struct rival_task *tasks,
                             size_t n, const struct continual_options *options, double lambda,
                             double *accuracy, struct err *e)
{
    struct learner l = {.body = 0};
    memset(accuracy, 0, n * n * sizeof *accuracy);
    if (rival == RIVAL_UNHELD)
        return measure_unheld(spec, tasks, n, options, accuracy, e);
    enum err_code code = start(&l, spec, n, lambda, options->seed, e);
    for (size_t t = 0; t < n && !code; t++) {
        code = learn(&l, rival, &tasks[t], t, options, e);
        for (size_t k = rival == RIVAL_OWN ? t : 0; k <= t && !code; k++)
            code = measure(&l, &tasks[k], k, &accuracy[t * n + k], e);
        for (size_t a = t + 1; a < n && rival == RIVAL_OWN; a++)
            accuracy[a * n + t] = accuracy[t * n + t]; /* nothing changes it */
    }
    end(&l);
    return code;
}
