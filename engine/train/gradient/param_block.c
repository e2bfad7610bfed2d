/* Tables come first so that the dense rest is one run: shards of a batch keep gradients of that run only, and
 * the gradients of a table's rows are gathered by item. */
#include "engine/train/gradient/param_block.h"

#include "base/mem.h"

#include <string.h>

static bool is_table(const struct tensor_spec *t)
{
    return t->group == GROUP_ITEM || strcmp(t->name, "encoder.history") == 0 ||
           strcmp(t->name, "encoder.recent") == 0 || strcmp(t->name, "encoder.disliked") == 0;
}

static size_t size_of(const struct tensor_spec *t)
{
    return t->n_rows * t->n_cols;
}

/* Gives every trained tensor its place: tables first. */
static void place(struct param_block *b)
{
    for (int tables = 1; tables >= 0; tables--) {
        for (size_t i = 0; i < b->n_tensors; i++)
            if (!b->frozen[i] && b->table[i] == (tables == 1)) {
                b->offset[i] = b->n_values;
                b->n_values += size_of(&b->tensors[i]);
            }
        if (tables)
            b->n_tables = b->n_values;
    }
    for (size_t i = 0; i < b->n_tensors; i++)
        if (b->frozen[i]) {
            b->offset[i] = b->n_frozen;
            b->n_frozen += size_of(&b->tensors[i]);
        }
}

enum err_code param_block_init(struct param_block *b, const struct model_spec *spec, struct err *e)
{
    memset(b, 0, sizeof *b);
    b->n_tensors = model_spec_tensors(spec, b->tensors);
    for (size_t i = 0; i < b->n_tensors; i++) {
        b->frozen[i] = b->tensors[i].group == GROUP_FROZEN;
        b->table[i] = is_table(&b->tensors[i]);
    }
    place(b);
    b->values = mem_zalloc_array(b->n_values, sizeof(real));
    b->frozen_values = mem_zalloc_array(b->n_frozen, sizeof(real));
    b->grads = mem_zalloc_array(b->n_values, sizeof(real));
    b->moment1 = mem_zalloc_array(b->n_values, sizeof(real));
    b->moment2 = mem_zalloc_array(b->n_values, sizeof(real));
    if (!b->values || !b->frozen_values || !b->grads || !b->moment1 || !b->moment2) {
        param_block_fini(b);
        return err_set(e, ERR_NOMEM, "no memory for %zu parameters", b->n_values);
    }
    for (size_t i = 0; i < b->n_tensors; i++) {
        const struct tensor_spec *t = &b->tensors[i];
        *model_params_slot(&b->params, t) = (b->frozen[i] ? b->frozen_values : b->values) + b->offset[i];
        *model_params_slot(&b->grad_params, t) = b->frozen[i] ? NULL : b->grads + b->offset[i];
    }
    return ERR_OK;
}

void param_block_fini(struct param_block *b)
{
    mem_free(b->values);
    mem_free(b->frozen_values);
    mem_free(b->grads);
    mem_free(b->moment1);
    mem_free(b->moment2);
    memset(b, 0, sizeof *b);
}

void param_block_dense_views(const struct param_block *b, real *block, struct model_params *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < b->n_tensors; i++)
        if (!b->frozen[i] && !b->table[i])
            *model_params_slot(out, &b->tensors[i]) = block + (b->offset[i] - b->n_tables);
}
