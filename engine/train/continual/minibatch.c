#include "engine/train/continual/minibatch.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

enum err_code labelled_rows_check(const struct labelled_rows *rows, const struct model_spec *spec,
                                  struct err *e)
{
    if (rows->n == 0)
        return err_set(e, ERR_INVALID, "the task has no rows to learn from");
    for (size_t i = 0; i < rows->n; i++)
        if (rows->y[i] >= spec->d_output)
            return err_set(e, ERR_INVALID, "row %zu is of class %u of %zu", i, rows->y[i], spec->d_output);
    return ERR_OK;
}

enum err_code minibatch_init(struct minibatch *m, const struct model_spec *spec, size_t most, struct err *e)
{
    *m = (struct minibatch){.spec = spec, .most = most};
    if (spec->objective != &objective_classification || spec->d_output < 2)
        return err_set(e, ERR_INVALID, "tasks are learned one after the other by classification alone");
    m->x = mem_alloc_array(most * spec->d_item, sizeof *m->x);
    m->logits = mem_alloc_array(most * spec->d_output, sizeof *m->logits);
    m->y = mem_alloc_array(most, sizeof *m->y);
    if (!m->x || !m->logits || !m->y)
        return err_set(e, ERR_NOMEM, "no memory for a batch of %zu rows", most);
    return target_tape_init(&m->tape, spec, most, e);
}

void minibatch_fini(struct minibatch *m)
{
    mem_free(m->x);
    mem_free(m->logits);
    mem_free(m->y);
    target_tape_fini(&m->tape);
}

static void put(struct minibatch *m, const struct labelled_rows *rows, size_t from)
{
    size_t d = m->spec->d_item;
    memcpy(m->x + m->n * d, rows->x + from * d, d * sizeof *m->x);
    m->y[m->n++] = rows->y[from];
}

void minibatch_draw(struct minibatch *m, const struct labelled_rows *rows, struct rng *r)
{
    m->n = 0;
    while (m->n < m->most)
        put(m, rows, (size_t)rng_below(r, rows->n));
}

void minibatch_take(struct minibatch *m, const struct labelled_rows *rows, size_t first, size_t n)
{
    m->n = 0;
    while (m->n < n)
        put(m, rows, first + m->n);
}

/* Logits (n, O) become the gradient of the mean loss; returns that loss. */
static double softmax_gradient(struct minibatch *m)
{
    size_t o = m->spec->d_output;
    double loss = 0;
    real *y = m->logits, share = 1 / (real)m->n;
    for (size_t r = 0; r < m->n; r++, y += o) {
        double most = (double)y[0], sum = 0;
        for (size_t i = 1; i < o; i++)
            most = (double)y[i] > most ? (double)y[i] : most;
        double own = (double)y[m->y[r]] - most;
        for (size_t i = 0; i < o; i++) {
            double p = exp((double)y[i] - most);
            y[i] = (real)p;
            sum += p;
        }
        loss += log(sum) - own;
        for (size_t i = 0; i < o; i++)
            y[i] = share * (y[i] / (real)sum - (i == m->y[r]));
    }
    return loss / (double)m->n;
}

double minibatch_loss(struct minibatch *m, const struct model_params *params, const real *theta, real *dtheta,
                      const struct model_params *grads)
{
    memset(m->logits, 0, m->n * m->spec->d_output * sizeof *m->logits);
    target_tape_start(m->spec, params, &m->tape, m->x, m->n);
    target_tape_forward(m->spec, params, &m->tape, theta, m->logits);
    double loss = softmax_gradient(m);
    target_tape_backward(m->spec, params, &m->tape, theta, m->logits, dtheta, grads);
    target_tape_finish(m->spec, params, &m->tape, grads);
    return loss;
}
