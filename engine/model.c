/* Opening checks everything once, in the order in which a wrong file is best explained: that it is a
 * safetensors file; that it says what it is; that the tensors of that description, and no others, are there
 * with their shapes; that every number is finite; that the ids are usable. What follows may then trust every
 * view.
 *
 * Tensors are used where the file's bytes have them. A file from elsewhere may put a tensor at an address
 * that is not a multiple of its width, as the format allows; such a tensor is copied to the heap, once. */
#include "engine/model.h"

#include "base/mem.h"
#include "engine/format/model_file.h"
#include "engine/format/model_ids.h"
#include "engine/format/model_json.h"
#include "engine/format/safetensors.h"
#include "engine/model_take.h"
#include "engine/network/fold_in.h"
#include "engine/network/hypernet_panels.h"
#include "engine/rank/catalogue.h"
#include "engine/rank/similar_items.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(real) == sizeof(float), "the tensors of a file are float32");

struct model_private {
    atomic_size_t n_refs;
    struct safetensors *file;
    struct model_ids_index ids;
    struct catalogue *catalogue;
    struct similar_items *similar;
    struct fold_in_basis *fold_in;
    struct hypernet_panels *panels;
    void *copies[MODEL_MAX_TENSORS + 3]; /* (n_copies) of tensors that are not aligned in the file */
    size_t n_copies;
};

static enum err_code check_shape(const struct tensor_view *view, enum dtype dtype, const size_t *dims,
                                 size_t n_dims, struct err *e)
{
    char expected[64] = "", found[LIMIT_TENSOR_DIMS * 22 + 1] = "";
    bool same = view->dtype == dtype && view->n_dims == n_dims;
    for (size_t i = 0; i < n_dims; i++) {
        same = same && view->dims[i] == dims[i];
        size_t n = strlen(expected);
        (void)snprintf(expected + n, sizeof expected - n, "%s%zu", i ? ", " : "", dims[i]);
    }
    if (same)
        return ERR_OK;
    for (size_t i = 0; i < view->n_dims; i++) {
        size_t n = strlen(found);
        (void)snprintf(found + n, sizeof found - n, "%s%zu", i ? ", " : "", view->dims[i]);
    }
    return err_set(e, ERR_INVALID, "tensor \"%s\": it is %s [%s], expected %s [%s]", view->name,
                   dtype_name(view->dtype), found, dtype_name(dtype), expected);
}

static enum err_code find_tensor(const struct safetensors *file, const char *name, enum dtype dtype,
                                 const size_t *dims, size_t n_dims, const struct tensor_view **out,
                                 struct err *e)
{
    *out = safetensors_find(file, name);
    if (!*out)
        return err_set(e, ERR_INVALID, "tensor \"%s\" is missing", name);
    return check_shape(*out, dtype, dims, n_dims, e);
}

/* The data of a tensor of values this wide, from the mapping or, when it is not aligned there, from a
 * copy. */
static const void *aligned_data(struct model_private *p, const struct tensor_view *view, size_t width)
{
    if ((uintptr_t)view->data % width == 0)
        return view->data;
    void *copy = mem_alloc_aligned(view->n_bytes, 1);
    if (copy) {
        memcpy(copy, view->data, view->n_bytes);
        p->copies[p->n_copies++] = copy;
    }
    return copy;
}

static enum err_code load_tensor(struct model *m, const struct tensor_spec *t, struct err *e)
{
    const size_t dims[] = {t->n_rows, t->n_cols};
    const struct tensor_view *view = safetensors_find(m->private->file, t->name);
    bool half = t->half_offset && view && view->dtype == DTYPE_BF16;
    enum err_code code = find_tensor(m->private->file, t->name, half ? DTYPE_BF16 : DTYPE_F32, dims,
                                     t->vector ? 1 : 2, &view, e);
    if (code != ERR_OK)
        return code;
    const void *data = aligned_data(m->private, view, half ? sizeof(uint16_t) : sizeof(real));
    if (!data)
        return err_set(e, ERR_NOMEM, "tensor \"%s\": no memory for a copy", t->name);
    if (half) {
        *model_params_half_slot(&m->params, t) = data;
        return model_file_check_half(t, data, e);
    }
    /* The views of struct model_params are not const because a model in training has the same struct. The
     * mapping is read-only: nobody writes through these. */
    real *values = (real *)(uintptr_t)data;
    *model_params_slot(&m->params, t) = values;
    return model_file_check_finite(t, values, e);
}

static bool is_pair_tensor(const char *name)
{
    return !strcmp(name, MODEL_FILE_PAIR_START) || !strcmp(name, MODEL_FILE_PAIR_ITEM) ||
           !strcmp(name, MODEL_FILE_PAIR_WEIGHT);
}

/* One tensor of the item-item weights, n values this wide. */
static enum err_code load_pair_tensor(struct model *m, const char *name, enum dtype dtype, size_t n,
                                      size_t width, const void **out, struct err *e)
{
    const struct tensor_view *view;
    enum err_code code = find_tensor(m->private->file, name, dtype, &n, 1, &view, e);
    if (code == ERR_OK && !(*out = aligned_data(m->private, view, width)))
        code = err_set(e, ERR_NOMEM, "tensor \"%s\": no memory for a copy", name);
    return code;
}

static enum err_code load_pairs(struct model *m, struct err *e)
{
    struct item_pairs *p = &m->params.pairs;
    const void *start, *item, *weight;
    if (m->spec.n_pairs == 0)
        return ERR_OK;
    enum err_code code = load_pair_tensor(m, MODEL_FILE_PAIR_START, DTYPE_I64, m->spec.n_items + 1,
                                          sizeof *p->start, &start, e);
    if (code == ERR_OK)
        code =
            load_pair_tensor(m, MODEL_FILE_PAIR_ITEM, DTYPE_U32, m->spec.n_pairs, sizeof *p->item, &item, e);
    if (code == ERR_OK)
        code = load_pair_tensor(m, MODEL_FILE_PAIR_WEIGHT, DTYPE_F32, m->spec.n_pairs, sizeof *p->weight,
                                &weight, e);
    if (code != ERR_OK)
        return code;
    *p = (struct item_pairs){start, item, weight};
    return model_file_check_pairs(&m->spec, p, e);
}

/* Refuses tensors that the description does not ask for: they would be a model that is not the one described.
 */
static enum err_code check_no_others(const struct model *m, const struct tensor_spec *table, size_t n_table,
                                     struct err *e)
{
    for (size_t i = 0; i < safetensors_count(m->private->file); i++) {
        const char *name = safetensors_at(m->private->file, i)->name;
        bool known = m->spec.n_items
                         ? !strcmp(name, MODEL_FILE_ID_BYTES) || !strcmp(name, MODEL_FILE_ID_OFFSETS)
                         : m->spec.encoder.n_tasks && (!strcmp(name, MODEL_FILE_TASK_BYTES) ||
                                                       !strcmp(name, MODEL_FILE_TASK_OFFSETS));
        known = known || (m->spec.n_pairs && is_pair_tensor(name));
        for (size_t j = 0; j < n_table && !known; j++)
            known = strcmp(name, table[j].name) == 0;
        if (!known)
            return err_set(e, ERR_INVALID, "tensor \"%s\" is not part of the model that the file describes",
                           name);
    }
    return ERR_OK;
}

static enum err_code load_ids(struct model *m, struct err *e)
{
    const struct tensor_view *bytes, *offsets;
    const size_t n = model_spec_n_ids(&m->spec), n_offsets = n + 1;
    const char *bytes_name = m->spec.n_items ? MODEL_FILE_ID_BYTES : MODEL_FILE_TASK_BYTES,
               *offsets_name = m->spec.n_items ? MODEL_FILE_ID_OFFSETS : MODEL_FILE_TASK_OFFSETS;
    if (n == 0)
        return ERR_OK;
    enum err_code code = find_tensor(m->private->file, offsets_name, DTYPE_I64, &n_offsets, 1, &offsets, e);
    if (code != ERR_OK)
        return code;
    bytes = safetensors_find(m->private->file, bytes_name);
    if (!bytes)
        return err_set(e, ERR_INVALID, "tensor \"%s\" is missing", bytes_name);
    code = check_shape(bytes, DTYPE_U8, &bytes->n_bytes, 1, e);
    if (code != ERR_OK)
        return code;
    return model_ids_init(&m->private->ids, bytes->data, bytes->n_bytes, offsets->data, n,
                          m->spec.n_items ? MODEL_FILE_IDS : MODEL_FILE_TASKS, e);
}

static enum err_code load(struct model *m, struct err *e)
{
    struct tensor_spec table[MODEL_MAX_TENSORS];
    const char *description = safetensors_metadata(m->private->file, MODEL_FILE_KEY);
    if (!description)
        return err_set(e, ERR_INVALID,
                       "it is no model file: __metadata__ has no key \"%s\", which describes the model; "
                       "tensors of another program "
                       "get it by the script under \"A model from PyTorch\" in the README",
                       MODEL_FILE_KEY);
    enum err_code code = model_json_decode(description, &m->spec, e);
    if (code != ERR_OK) {
        (void)err_prefix(e, "__metadata__.%s", MODEL_FILE_KEY);
        return code;
    }
    size_t n = model_spec_tensors(&m->spec, table);
    for (size_t i = 0; i < n && code == ERR_OK; i++)
        code = load_tensor(m, &table[i], e);
    if (code == ERR_OK)
        code = check_no_others(m, table, n, e);
    if (code == ERR_OK)
        code = load_pairs(m, e);
    if (code == ERR_OK)
        code = load_ids(m, e);
    if (code == ERR_OK && m->spec.n_items)
        code = catalogue_new(&m->spec, &m->params, &m->private->catalogue, e);
    if (code == ERR_OK && m->spec.n_items)
        code = similar_items_new(&m->spec, &m->params, 0, &m->private->similar, e);
    if (code == ERR_OK)
        code = hypernet_panels_new(&m->spec, &m->params, &m->private->panels, e);
    m->params.panels = m->private->panels;
    if (code == ERR_OK && m->params.fold_in_gram)
        code = fold_in_basis_new(m->params.fold_in_gram, m->spec.encoder.d_fold_in, &m->private->fold_in, e);
    return code;
}

static enum err_code open_file(const char *path, bool share, struct model **out, struct err *e)
{
    struct err why = {0};
    struct safetensors *file;
    enum err_code code = share ? safetensors_open_shared(path, &file, e) : safetensors_open(path, &file, e);
    if (code == ERR_OK)
        code = model_open_take(file, out, &why);
    if (why.code != ERR_OK)
        (void)err_set(e, code, "%s: %s", path, why.text);
    return code;
}

enum err_code model_open(const char *path, struct model **out, struct err *e)
{
    return open_file(path, false, out, e);
}

enum err_code model_open_shared(const char *path, struct model **out, struct err *e)
{
    return open_file(path, true, out, e);
}

bool model_is_shared(const struct model *m)
{
    return safetensors_is_shared(m->private->file);
}

bool model_is_same(const struct model *a, const struct model *b)
{
    return safetensors_is_same(a->private->file, b->private->file);
}

enum err_code model_settle(struct model *m, bool *settled, struct err *e)
{
    return safetensors_settle(m->private->file, settled, e);
}

enum err_code model_open_take(struct safetensors *file, struct model **out, struct err *e)
{
    enum err_code code;
    struct model *m = mem_zalloc_array(1, sizeof *m);
    struct model_private *p = mem_zalloc_array(1, sizeof *p);
    if (!m || !p) {
        safetensors_close(file);
        mem_free(m);
        mem_free(p);
        return err_set(e, ERR_NOMEM, "no memory to open a model");
    }
    m->private = p;
    p->file = file;
    atomic_init(&p->n_refs, 1);
    m->file_bytes = safetensors_file_bytes(file);
    code = load(m, e);
    if (code != ERR_OK) {
        model_unref(m);
        return code;
    }
    m->catalogue = p->catalogue;
    m->similar = p->similar;
    m->fold_in = p->fold_in;
    *out = m;
    return ERR_OK;
}

struct model *model_ref(struct model *m)
{
    atomic_fetch_add_explicit(&m->private->n_refs, 1, memory_order_relaxed);
    return m;
}

void model_unref(struct model *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->private->n_refs, 1, memory_order_acq_rel) != 1)
        return;
    struct model_private *p = m->private;
    catalogue_free(p->catalogue);
    similar_items_free(p->similar);
    fold_in_basis_free(p->fold_in);
    hypernet_panels_free(p->panels);
    model_ids_fini(&p->ids);
    for (size_t i = 0; i < p->n_copies; i++)
        mem_free(p->copies[i]);
    model_spec_fini(&m->spec);
    safetensors_close(p->file);
    mem_free(p);
    mem_free(m);
}

const char *model_item_id(const struct model *m, size_t index, size_t *len)
{
    return model_ids_get(&m->private->ids, index, len);
}

long model_item_index(const struct model *m, const char *id, size_t len)
{
    return model_ids_find(&m->private->ids, id, len);
}

double model_prediction(const struct model *m, double score)
{
    const struct objective *o = m->spec.objective;
    return o->prediction ? o->prediction(&m->spec, score) : score;
}
