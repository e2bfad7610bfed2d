#include "server/cli/stored_inputs.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/train/continual/stored_rows_fit.h"

#include <string.h>

enum { STREAM_STORED = 2000000 }; /* of the seed's random numbers; see engine/train/continual */

static size_t count_before(const struct model *before)
{
    return before ? trained_spec_n_rows(&before->spec.trained) : 0;
}

enum err_code stored_inputs_check(const struct model *before, size_t most, struct err *e)
{
    size_t n = count_before(before);
    return n + most <= LIMIT_STORED_ROWS
               ? ERR_OK
               : err_set(e, ERR_LIMIT, "--keep-rows %zu: a model file keeps at most %d rows, and has %zu",
                         most, LIMIT_STORED_ROWS, n);
}

/* Numbers of rows by class, those of class 0 first: `most` over the classes, or all of a class that has
 * fewer. */
static size_t draw(const struct labelled_rows *rows, size_t n_classes, size_t most, uint64_t seed,
                   uint32_t *order, uint32_t *drawn, size_t *counts)
{
    struct rng r;
    size_t n = 0, each = most / n_classes, left = most - each * n_classes;
    rng_init(&r, seed, STREAM_STORED);
    for (size_t i = 0; i < rows->n; i++)
        order[i] = (uint32_t)i;
    rng_shuffle(&r, order, rows->n);
    for (size_t c = 0; c < n_classes; c++) {
        size_t want = each + (c < left);
        counts[c] = 0;
        for (size_t i = 0; i < rows->n && counts[c] < want; i++)
            if (rows->y[order[i]] == c) {
                drawn[n++] = order[i];
                counts[c]++;
            }
    }
    return n;
}

/* Those of the model before, and behind them the new ones. */
static enum err_code gather(struct stored_inputs *s, const struct model_spec *spec,
                            const struct model *before, const struct labelled_rows *rows,
                            const uint32_t *drawn, struct err *e)
{
    size_t d = spec->d_item, n_before = count_before(before);
    s->n = n_before + s->n_new;
    s->rows = mem_alloc_array(s->n, d * sizeof *s->rows);
    s->weights = mem_alloc_array(s->n, trained_spec_n_classes(&spec->trained) * sizeof *s->weights);
    if (!s->rows || !s->weights)
        return err_set(e, ERR_NOMEM, "no memory for %zu rows to keep", s->n);
    if (n_before)
        memcpy(s->rows, before->params.stored_rows, n_before * d * sizeof *s->rows);
    for (size_t i = 0; i < s->n_new; i++)
        memcpy(s->rows + (n_before + i) * d, rows->x + drawn[i] * d, d * sizeof *s->rows);
    return ERR_OK;
}

enum err_code stored_inputs_make(struct stored_inputs *s, struct model_spec *spec,
                                 struct model_params *params, const struct model *before,
                                 const struct labelled_rows *rows, size_t most, uint64_t seed, struct err *e)
{
    size_t newest = spec->trained.n_tasks - 1, n_classes = spec->trained.tasks[newest].n;
    if (!most && !count_before(before))
        return ERR_OK;
    uint32_t *order = mem_alloc_array(rows->n, sizeof *order),
             *drawn = mem_alloc_array(most + 1, sizeof *drawn);
    size_t *counts = mem_alloc_array(n_classes, sizeof *counts);
    enum err_code code =
        order && drawn && counts ? ERR_OK : err_set(e, ERR_NOMEM, "no memory to draw rows to keep");
    if (!code && most) {
        s->n_new = draw(rows, n_classes, most, seed, order, drawn, counts);
        code = trained_spec_keep(&spec->trained, newest, counts, e);
    }
    if (!code)
        code = gather(s, spec, before, rows, drawn, e);
    if (!code)
        code = stored_rows_fit(&spec->trained, s->rows, spec->d_item, s->weights, &s->right, e);
    params->stored_rows = s->rows;
    params->stored_weights = s->weights;
    mem_free(order);
    mem_free(drawn);
    mem_free(counts);
    return code;
}

void stored_inputs_fini(struct stored_inputs *s)
{
    mem_free(s->rows);
    mem_free(s->weights);
}
