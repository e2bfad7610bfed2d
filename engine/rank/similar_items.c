/* What each item's length divides by is kept, so that a pass reads each embedding once and multiplies. */
#include "engine/rank/similar_items.h"

#include "base/mem.h"
#include "engine/kernels/kernel.h"

#include <math.h>

struct similar_items {
    const struct model_spec *spec;
    const struct model_params *params;
    const struct kernels *kernels;
    size_t first;
    real *scale; /* (I) one over the root of the length; 0 where there is none */
};

real similar_items_root(const real *embedding, size_t d_item)
{
    double squares = 0;
    for (size_t i = 0; i < d_item; i++)
        squares += (double)embedding[i] * (double)embedding[i];
    return (real)sqrt(sqrt(squares));
}

static real inverse(real root)
{
    real r = root > 0 ? 1 / root : 0;
    return isfinite(r) ? r : 0;
}

enum err_code similar_items_new(const struct model_spec *spec, const struct model_params *params,
                                size_t first, struct similar_items **out, struct err *e)
{
    struct similar_items *s = mem_zalloc_array(1, sizeof *s);
    if (s)
        s->scale = mem_alloc_aligned(spec->n_items, sizeof *s->scale);
    if (!s || !s->scale) {
        similar_items_free(s);
        return err_set(e, ERR_NOMEM, "no memory for the lengths of %zu items", spec->n_items);
    }
    s->spec = spec;
    s->params = params;
    s->kernels = kernel_best();
    s->first = first;
    for (size_t i = 0; i < spec->n_items; i++)
        s->scale[i] =
            inverse(similar_items_root(params->catalogue_embedding + i * spec->d_item, spec->d_item));
    *out = s;
    return ERR_OK;
}

void similar_items_free(struct similar_items *s)
{
    if (s) {
        mem_free(s->scale);
        mem_free(s);
    }
}

void similar_items_top_k(const struct similar_items *s, const real *embedding,
                         const struct catalogue_filter *filter, struct topk *top)
{
    size_t d = s->spec->d_item, n = s->spec->n_items;
    real own = inverse(similar_items_root(embedding, d)), dots[KERNEL_LANES];
    const real *rows[KERNEL_LANES];
    size_t next = 0; /* of what is excluded */
    for (size_t first = 0; first < n; first += KERNEL_LANES) {
        size_t m = n - first < KERNEL_LANES ? n - first : KERNEL_LANES;
        for (size_t r = 0; r < m; r++)
            rows[r] = s->params->catalogue_embedding + (first + r) * d;
        s->kernels->dot_rows(rows, m, d, embedding, dots);
        for (size_t r = 0; r < m; r++) {
            uint32_t index = (uint32_t)(s->first + first + r);
            if (catalogue_admits(filter, &next, index))
                topk_push(top, dots[r] * own * s->scale[first + r], index);
        }
    }
}
