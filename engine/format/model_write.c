/* The writer goes through the same table of tensors and the same checks as the reader, so that what it writes
 * opens, and what opens is written again to the last bit. */
#include "engine/format/model_write.h"

#include "base/buf.h"
#include "base/mem.h"
#include "engine/format/model_file.h"
#include "engine/format/model_ids.h"
#include "engine/format/model_json.h"
#include "engine/format/safetensors.h"

#include <math.h>
#include <string.h>

enum { MAX_DESCRIPTION_BYTES = 90 * 1000 * 1000 }; /* the header has 100 000 000 */

/* The two tensors of the ids. */
struct packed_ids {
    char *bytes;      /* (n_bytes) */
    int64_t *offsets; /* (n_items + 1) */
    size_t n_bytes;
};

static enum err_code refuse_value(const struct tensor_spec *t, size_t i, struct err *e)
{
    return t->vector ? err_set(e, ERR_INVALID, "tensor \"%s\": value [%zu] is not finite", t->name, i)
                     : err_set(e, ERR_INVALID, "tensor \"%s\": value [%zu, %zu] is not finite", t->name,
                               i / t->n_cols, i % t->n_cols);
}

enum err_code model_file_check_half(const struct tensor_spec *t, const uint16_t *values, struct err *e)
{
    enum { EXPONENT = 0x7f80 }; /* all ones: NaN or infinity */
    for (size_t i = 0; i < t->n_rows * t->n_cols; i++)
        if ((values[i] & EXPONENT) == EXPONENT)
            return refuse_value(t, i, e);
    return ERR_OK;
}

enum err_code model_file_check_finite(const struct tensor_spec *t, const real *values, struct err *e)
{
    size_t n = t->n_rows * t->n_cols;
    real zero =
        0; /* NaN and infinity times zero are NaN, and NaN stays in a sum: one pass without a branch */
    for (size_t i = 0; i < n; i++)
        zero += values[i] * 0;
    for (size_t i = 0; zero != 0 && i < n; i++)
        if (!isfinite(values[i]))
            return refuse_value(t, i, e);
    for (size_t i = 1; t->rises && i < n; i++)
        if (i % t->n_cols && values[i] < values[i - 1])
            return err_set(e, ERR_INVALID, "tensor \"%s\": value [%zu, %zu] is below the one before it",
                           t->name, i / t->n_cols, i % t->n_cols);
    return ERR_OK;
}

enum err_code model_file_check_pairs(const struct model_spec *spec, const struct item_pairs *pairs,
                                     struct err *e)
{
    bool rises = pairs->start[0] == 0 && pairs->start[spec->n_items] == (int64_t)spec->n_pairs;
    for (size_t i = 0; i < spec->n_items; i++)
        rises = rises && pairs->start[i] <= pairs->start[i + 1];
    if (!rises)
        return err_set(e, ERR_INVALID, "tensor \"%s\": it does not rise from 0 to %zu", MODEL_FILE_PAIR_START,
                       spec->n_pairs);
    for (size_t i = 0; i < spec->n_pairs; i++) {
        if (pairs->item[i] >= spec->n_items)
            return err_set(e, ERR_INVALID, "tensor \"%s\": value [%zu] is item %u of %zu",
                           MODEL_FILE_PAIR_ITEM, i, pairs->item[i], spec->n_items);
        if (!isfinite(pairs->weight[i]))
            return err_set(e, ERR_INVALID, "tensor \"%s\": value [%zu] is not finite", MODEL_FILE_PAIR_WEIGHT,
                           i);
    }
    return ERR_OK;
}

static enum err_code pack_ids(const struct model_ids *ids, size_t n, const char *of, struct packed_ids *out,
                              struct err *e)
{
    struct model_ids_index checked = {0};
    out->n_bytes = 0;
    if (!ids || !ids->ids)
        return err_set(e, ERR_INVALID, "a model with items or trained tasks is written with their ids");
    for (size_t i = 0; i < n; i++)
        out->n_bytes += strlen(ids->ids[i]);
    out->bytes = mem_alloc(out->n_bytes);
    out->offsets = mem_alloc_array(n + 1, sizeof *out->offsets);
    if (!out->bytes || !out->offsets)
        return err_set(e, ERR_NOMEM, "no memory for %zu ids", n);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(ids->ids[i]);
        out->offsets[i] = (int64_t)at;
        memcpy(out->bytes + at, ids->ids[i], len);
        at += len;
    }
    out->offsets[n] = (int64_t)at;
    enum err_code code = model_ids_init(&checked, out->bytes, out->n_bytes, out->offsets, n, of, e);
    model_ids_fini(&checked);
    return code;
}

static enum err_code view_tensor(const struct tensor_spec *t, const struct model_params *params,
                                 struct tensor_view *out, struct err *e)
{
    /* model_params_slot gives a writable pointer; only read here. */
    const real *values = *model_params_slot((struct model_params *)(uintptr_t)params, t);
    const uint16_t *half = values ? NULL : model_params_half(params, t);
    if (!values && !half)
        return err_set(e, ERR_INVALID, "tensor \"%s\" is missing", t->name);
    *out = (struct tensor_view){.name = t->name,
                                .dtype = half ? DTYPE_BF16 : DTYPE_F32,
                                .n_dims = t->vector ? 1 : 2,
                                .dims = {t->n_rows, t->vector ? 0 : t->n_cols},
                                .data = half ? (const void *)half : values,
                                .n_bytes = t->n_rows * t->n_cols * (half ? sizeof *half : sizeof *values)};
    return half ? model_file_check_half(t, half, e) : model_file_check_finite(t, values, e);
}

static struct tensor_view view_vector(const char *name, enum dtype dtype, const void *data, size_t n,
                                      size_t width)
{
    return (struct tensor_view){
        .name = name, .dtype = dtype, .n_dims = 1, .dims = {n}, .data = data, .n_bytes = n * width};
}

/* The views of the item-item weights, after the *n that are there. */
static enum err_code view_pairs(const struct model_spec *spec, const struct item_pairs *p,
                                struct tensor_view *out, size_t *n, struct err *e)
{
    struct tensor_view views[] = {
        view_vector(MODEL_FILE_PAIR_START, DTYPE_I64, p->start, spec->n_items + 1, sizeof *p->start),
        view_vector(MODEL_FILE_PAIR_ITEM, DTYPE_U32, p->item, spec->n_pairs, sizeof *p->item),
        view_vector(MODEL_FILE_PAIR_WEIGHT, DTYPE_F32, p->weight, spec->n_pairs, sizeof *p->weight)};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        if (!views[i].data)
            return err_set(e, ERR_INVALID, "tensor \"%s\" is missing", views[i].name);
        out[(*n)++] = views[i];
    }
    return model_file_check_pairs(spec, p, e);
}

/* The views of all tensors, with those of the ids and the pairs at the end; returns how many through *n. */
static enum err_code view_tensors(const struct model_spec *spec, const struct model_params *params,
                                  const struct tensor_spec *table, size_t n_table,
                                  const struct packed_ids *ids, struct tensor_view *out, size_t *n,
                                  struct err *e)
{
    *n = 0;
    for (size_t i = 0; i < n_table; i++) {
        enum err_code code = view_tensor(&table[i], params, &out[(*n)++], e);
        if (code != ERR_OK)
            return code;
    }
    if (model_spec_n_ids(spec)) {
        const char *bytes = spec->n_items ? MODEL_FILE_ID_BYTES : MODEL_FILE_TASK_BYTES,
                   *offsets = spec->n_items ? MODEL_FILE_ID_OFFSETS : MODEL_FILE_TASK_OFFSETS;
        out[(*n)++] = view_vector(bytes, DTYPE_U8, ids->bytes, ids->n_bytes, 1);
        out[(*n)++] =
            view_vector(offsets, DTYPE_I64, ids->offsets, model_spec_n_ids(spec) + 1, sizeof *ids->offsets);
    }
    return spec->n_pairs ? view_pairs(spec, &params->pairs, out, n, e) : ERR_OK;
}

/* The checks and the writing, to the file at path or to out; errors of the checks get the path from
 * model_write. */
static enum err_code write_model(const char *path, struct buf *out, const struct model_spec *spec,
                                 const struct model_params *params, const struct model_ids *ids,
                                 struct err *checks, struct err *e)
{
    struct tensor_spec table[MODEL_MAX_TENSORS];
    struct tensor_view views[MODEL_MAX_TENSORS + 5];
    struct packed_ids packed = {0};
    struct buf description;
    size_t n;
    buf_init(&description, MAX_DESCRIPTION_BYTES);
    enum err_code code = model_spec_check(spec, checks);
    if (code == ERR_OK)
        code = model_json_encode(spec, &description, checks);
    if (code == ERR_OK && model_spec_n_ids(spec))
        code = pack_ids(ids, model_spec_n_ids(spec), spec->n_items ? MODEL_FILE_IDS : MODEL_FILE_TASKS,
                        &packed, checks);
    if (code == ERR_OK)
        code = view_tensors(spec, params, table, model_spec_tensors(spec, table), &packed, views, &n, checks);
    if (code == ERR_OK) {
        const char *key = MODEL_FILE_KEY, *value = buf_text(&description);
        code = !value ? buf_check(&description, "the description of the model", checks)
               : path ? safetensors_write(path, views, n, &key, &value, 1, e)
                      : safetensors_write_buf(out, views, n, &key, &value, 1, e);
    }
    mem_free(packed.bytes);
    mem_free(packed.offsets);
    buf_fini(&description);
    return code;
}

enum err_code model_write(const char *path, const struct model_spec *spec, const struct model_params *params,
                          const struct model_ids *ids, struct err *e)
{
    struct err checks = {0};
    enum err_code code = write_model(path, NULL, spec, params, ids, &checks, e);
    if (checks.code != ERR_OK)
        (void)err_set(e, code, "%s: %s", path, checks.text);
    return code;
}

enum err_code model_write_buf(struct buf *out, const struct model_spec *spec,
                              const struct model_params *params, const struct model_ids *ids, struct err *e)
{
    return write_model(NULL, out, spec, params, ids, e, e);
}
