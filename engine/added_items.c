/* The extra items are a catalogue of their own behind the model's: the model's stays mapped and shared, and
 * what a model without new items does is what it always did. */
#include "engine/added_items.h"

#include "base/mem.h"
#include "engine/network/cold_items.h"
#include "engine/rank/similar_items.h"

#include <string.h>

struct added_items {
    const struct model *model;
    size_t n;
    struct model_spec spec;     /* the model's, of n items */
    struct model_params params; /* the model's, with the extra rows in the tables of items */
    real *block;                /* (n, R), table by table */
    struct catalogue *catalogue;
    struct similar_items *similar;
};

enum err_code added_items_new(const struct model *m, size_t n, struct added_items **out, struct err *e)
{
    struct added_items *x = mem_zalloc_array(1, sizeof *x);
    size_t len = model_spec_item_row(&m->spec);
    if (x)
        x->block = mem_zalloc_array(n, len * sizeof *x->block);
    if (!x || !x->block) {
        added_items_free(x);
        return err_set(e, ERR_NOMEM, "no memory for %zu new items", n);
    }
    const struct encoder_spec *encoder = &m->spec.encoder;
    x->model = m;
    x->n = n;
    x->spec = m->spec;
    x->spec.n_items = n;
    x->spec.n_pairs = 0; /* item-item weights are of trained items */
    x->params = m->params;
    x->params.fold_in_factor = x->block;
    x->params.catalogue_embedding = x->params.fold_in_factor + n * encoder->d_fold_in;
    x->params.catalogue_bias = x->params.catalogue_embedding + n * m->spec.d_item;
    x->params.history = x->params.catalogue_bias + n;
    x->params.recent = x->params.history + n * encoder->d_history;
    *out = x;
    return ERR_OK;
}

void added_items_free(struct added_items *x)
{
    if (!x)
        return;
    catalogue_free(x->catalogue);
    similar_items_free(x->similar);
    mem_free(x->block);
    mem_free(x);
}

/* A part of a row: where it lies in the row, in its table, and how long it is. */
struct part {
    size_t at;
    real *table;
    size_t len;
};

enum { N_PARTS = 5 };

static void parts_of(const struct added_items *x, size_t k, struct part out[N_PARTS])
{
    const struct encoder_spec *n = &x->spec.encoder;
    struct item_row at;
    item_row_of(&x->spec, &at);
    out[0] = (struct part){0, x->params.fold_in_factor + k * n->d_fold_in, n->d_fold_in};
    out[1] = (struct part){at.embedding, x->params.catalogue_embedding + k * x->spec.d_item, x->spec.d_item};
    out[2] = (struct part){at.bias, x->params.catalogue_bias + k, 1};
    out[3] = (struct part){at.history, x->params.history + k * n->d_history, n->d_history};
    out[4] = (struct part){at.recent, x->params.recent + k * n->d_recent, n->d_recent};
}

void added_items_set(struct added_items *x, size_t k, const real *row)
{
    struct part parts[N_PARTS];
    parts_of(x, k, parts);
    for (size_t i = 0; i < N_PARTS; i++)
        memcpy(parts[i].table, row + parts[i].at, parts[i].len * sizeof *row);
}

void added_items_get(const struct added_items *x, size_t k, real *row)
{
    struct part parts[N_PARTS];
    parts_of(x, k, parts);
    for (size_t i = 0; i < N_PARTS; i++)
        memcpy(row + parts[i].at, parts[i].table, parts[i].len * sizeof *row);
}

enum err_code added_items_finish(struct added_items *x, struct err *e)
{
    if (x->n == 0)
        return ERR_OK;
    size_t first = x->model->spec.n_items;
    enum err_code code = catalogue_new_from(&x->spec, &x->params, first, &x->catalogue, e);
    return code ? code : similar_items_new(&x->spec, &x->params, first, &x->similar, e);
}

size_t added_items_count(const struct added_items *x)
{
    return x ? x->n : 0;
}

const struct model_params *added_items_params(const struct added_items *x)
{
    return x && x->n ? &x->params : NULL;
}

void added_items_top_k(const struct model *m, const struct added_items *x, const real *theta,
                       const struct catalogue_filter *filter, real *workspace, struct topk *top)
{
    catalogue_top_k(m->catalogue, theta, filter, workspace, top);
    if (x && x->n)
        catalogue_top_k(x->catalogue, theta, filter, workspace, top);
}

void added_items_top_k_each(const struct model *m, const struct added_items *x,
                            const struct catalogue_query *queries, size_t n, real *workspace)
{
    catalogue_top_k_each(m->catalogue, queries, n, workspace);
    if (x && x->n)
        catalogue_top_k_each(x->catalogue, queries, n, workspace);
}

/* Runs of indices of one part go to it together; the extra ones are counted from I first. */
void added_items_score(const struct model *m, const struct added_items *x, const real *theta,
                       const uint32_t *indices, size_t n, real *workspace, real *scores)
{
    enum { MOST = 64 };
    uint32_t own[MOST];
    size_t n_items = m->spec.n_items;
    for (size_t i = 0, end; i < n; i = end) {
        bool extra = indices[i] >= n_items;
        for (end = i; end < n && (indices[end] >= n_items) == extra && (!extra || end - i < MOST); end++)
            if (extra)
                own[end - i] = (uint32_t)(indices[end] - n_items);
        if (extra)
            catalogue_score(x->catalogue, theta, own, end - i, workspace, scores + i);
        else
            catalogue_score(m->catalogue, theta, indices + i, end - i, workspace, scores + i);
    }
}

const real *added_items_embedding(const struct model *m, const struct added_items *x, uint32_t index)
{
    size_t d = m->spec.d_item, n_items = m->spec.n_items;
    return index < n_items ? m->params.catalogue_embedding + index * d
                           : x->params.catalogue_embedding + (index - n_items) * d;
}

void added_items_similar(const struct model *m, const struct added_items *x, uint32_t index,
                         const struct catalogue_filter *filter, struct topk *top)
{
    const real *embedding = added_items_embedding(m, x, index);
    similar_items_top_k(m->similar, embedding, filter, top);
    if (x && x->n)
        similar_items_top_k(x->similar, embedding, filter, top);
}
