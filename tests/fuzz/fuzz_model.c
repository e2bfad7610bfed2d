/* Two inputs in one target, told apart by the first byte:
 * - 'J' and a description: refused, or encoded and decoded again to the same text; and a model of that
 * description with made-up numbers answers, when it is small.
 * - anything else as a model file: refused with a reason, or every id leads back to its index and the model
 * answers. */
#include "engine/format/model_file.h"
#include "engine/format/model_json.h"
#include "engine/format/safetensors.h"
#include "engine/model_take.h"
#include "engine/network/encoder.h"
#include "engine/network/hypernet.h"
#include "engine/network/image_model.h"
#include "engine/network/item_item.h"
#include "engine/network/target.h"
#include "engine/network/task_generated.h"
#include "engine/rank/catalogue.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REALS = 1 << 18 }; /* of one model that is made up or made to answer */

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);

static void *must_have(void *p)
{
    return p ? p : (abort(), NULL);
}

/* Whether a run needs little enough memory and time to be tried for every input. */
static int is_small(const struct model_spec *spec)
{
    struct tensor_spec table[MODEL_MAX_TENSORS];
    struct theta_layout layout;
    size_t n = model_spec_tensors(spec, table), total = target_workspace_len(spec);
    theta_layout_of(spec, &layout);
    for (size_t i = 0; i < n; i++)
        total += table[i].n_rows * table[i].n_cols;
    size_t widest = 0;
    for (size_t i = 0; i < spec->n_layers; i++)
        widest = spec->layers[i].d_out + spec->layers[i].rank > widest
                     ? spec->layers[i].d_out + spec->layers[i].rank
                     : widest;
    return total < MAX_REALS && hypernet_workspace_len(spec) < MAX_REALS && spec->n_pairs < MAX_REALS &&
           layout.len < MAX_REALS && spec->n_items * widest < MAX_REALS &&
           encoder_workspace_len(spec, 1) < MAX_REALS;
}

/* Three images of two classes, and what is said of them. */
static void answer_images(const struct model_spec *spec, const struct model_params *params)
{
    enum { N = 3, K = 2 };
    static const size_t classes[N] = {0, 1, 0};
    struct image_model m;
    image_model_view(spec, params, &m);
    size_t a = image_model_classes_len(&m, N, K), b = image_model_logits_len(&m, N);
    if (a > MAX_REALS * 4 || b > MAX_REALS * 4)
        return;
    real *x = must_have(calloc(N * spec->d_item, sizeof *x)), bias[K], logits[N * K];
    real *work = must_have(calloc(a > b ? a : b, sizeof *work));
    real *weight = must_have(calloc(K * m.head.d_features, sizeof *weight));
    x[0] = 1;
    image_model_classes(&m, x, classes, N, K, work, weight, bias);
    image_model_logits(&m, weight, bias, K, x, N, work, logits);
    free(x);
    free(work);
    free(weight);
}

/* Two rows of a task through all stages: known, then asked for. */
static void answer_rows(const struct model_spec *spec, const struct model_params *params)
{
    enum { N = 2 };
    size_t o = spec->d_output, m = spec->task.d_basis;
    real *x = must_have(calloc(N * spec->d_item, sizeof *x)), *phi = must_have(calloc(N * m, sizeof *phi));
    real *work = must_have(
        calloc(task_features_workspace_len(spec, N) + task_generated_workspace_len(spec, N), sizeof *work));
    real *f0 = must_have(calloc(N * o, sizeof *f0));
    double *sums = must_have(calloc(task_spec_d_sums(spec), sizeof *sums));
    double *room = must_have(calloc(task_layer_len(spec), sizeof *room));
    double *value = must_have(calloc(N * o + m, sizeof *value)), y[N] = {0, 1}, spread[N], own[N];
    struct task_layer layer;
    x[0] = 1;
    task_features(spec, params, x, N, work, NULL, f0, phi);
    task_sums_add(spec, params, f0, phi, y, NULL, N, 1, sums);
    task_layer_at(spec, room, &layer);
    if (task_layer_solve(spec, params, sums, &layer) && task_generated_make(spec, params, work, &layer)) {
        task_generated_add(spec, params, &layer, phi, N, work, f0, f0);
        task_layer_predict(spec, params, &layer, f0, phi, N, value + N * o, value, spread, own);
    }
    free(x);
    free(phi);
    free(work);
    free(f0);
    free(sums);
    free(room);
    free(value);
}

/* One context through all stages. */
static void answer(const struct model_spec *spec, const struct model_params *params,
                   const struct catalogue *catalogue)
{
    if (spec->task.present || spec->images.present) {
        (spec->task.present ? answer_rows : answer_images)(spec, params);
        return;
    }
    size_t n_work = hypernet_workspace_len(spec) + target_workspace_len(spec) +
                    encoder_workspace_len(spec, 1) + item_item_workspace_len(spec) +
                    (catalogue ? catalogue_workspace_len(catalogue) : 0);
    real *c = must_have(calloc(spec->d_context + 1, sizeof *c)),
         *theta = must_have(calloc(item_item_theta_most(spec) + 1, sizeof *theta));
    real *work = must_have(calloc(n_work, sizeof *work)), *x = must_have(calloc(spec->d_item, sizeof *x));
    real *y = must_have(calloc(spec->n_items + spec->d_output, sizeof *y));
    struct encoder_interaction history[8] = {{0}};
    size_t len, n_history = spec->n_items < 8 ? spec->n_items : 8;
    for (size_t i = 0; i < n_history; i++)
        history[i].item = (uint32_t)(spec->n_items - 1 - i);
    struct encoder_interaction one = {.item = 0, .weight = 1, .rating = NAN, .timestamp = 5};
    uint32_t task = 0;
    struct encoder_input input = {.interactions = &one,
                                  .n_interactions = spec->n_items ? 1 : 0,
                                  .task = spec->encoder.n_tasks ? &task : NULL};
    if (!spec->encoder.present || encoder_encode(spec, params, &input, work, c, NULL) == ERR_OK)
        if (hypernet_generate(spec, params, c, work, theta, NULL) == ERR_OK &&
            item_item_generate(spec, params, history, n_history, work, theta, &len, NULL) == ERR_OK) {
            target_forward(spec, params, theta, x, 1, work, y);
            if (catalogue)
                catalogue_score_all(catalogue, theta, work, y);
        }
    free(c);
    free(theta);
    free(work);
    free(x);
    free(y);
}

/* Pairs of the items, an even number each. */
static void make_pairs(const struct model_spec *spec, struct item_pairs *out)
{
    int64_t *start = must_have(malloc((spec->n_items + 1) * sizeof *start));
    uint32_t *item = must_have(malloc((spec->n_pairs + 1) * sizeof *item));
    real *weight = must_have(malloc((spec->n_pairs + 1) * sizeof *weight));
    for (size_t j = 0; j <= spec->n_items; j++)
        start[j] = spec->n_items ? (int64_t)(spec->n_pairs * j / spec->n_items) : 0;
    for (size_t k = 0; k < spec->n_pairs; k++) {
        item[k] = (uint32_t)(k * 31 % spec->n_items);
        weight[k] = (real)(k % 64) / 64 - (real)0.5;
    }
    *out = (struct item_pairs){start, item, weight};
}

static void free_pairs(struct item_pairs *p)
{
    free((void *)(uintptr_t)p->start);
    free((void *)(uintptr_t)p->item);
    free((void *)(uintptr_t)p->weight);
}

/* A model of this description with numbers from nowhere. */
static void make_and_answer(const struct model_spec *spec)
{
    struct tensor_spec table[MODEL_MAX_TENSORS];
    struct model_params params = {0};
    struct catalogue *catalogue = NULL;
    size_t n = model_spec_tensors(spec, table);
    for (size_t i = 0; i < n; i++) {
        size_t len = table[i].n_rows * table[i].n_cols;
        real *values = must_have(malloc((len + 1) * sizeof *values));
        for (size_t j = 0; j < len; j++)
            values[j] = (real)((j * 7919 + i) % 64) / 64 - (real)0.5;
        *model_params_slot(&params, &table[i]) = values;
    }
    make_pairs(spec, &params.pairs);
    if (spec->n_items == 0 || catalogue_new(spec, &params, &catalogue, NULL) == ERR_OK)
        answer(spec, &params, catalogue);
    catalogue_free(catalogue);
    free_pairs(&params.pairs);
    for (size_t i = 0; i < n; i++)
        free(*model_params_slot(&params, &table[i]));
}

static void try_description(const unsigned char *bytes, size_t n)
{
    struct model_spec spec = {0}, again = {0};
    struct buf first, second;
    char *text = must_have(calloc(n + 1, 1));
    memcpy(text, bytes, n);
    buf_init(&first, (size_t)1 << 24);
    buf_init(&second, (size_t)1 << 24);
    if (model_json_decode(text, &spec, NULL) == ERR_OK) {
        if (model_json_encode(&spec, &first, NULL) != ERR_OK ||
            model_json_decode(buf_text(&first), &again, NULL) != ERR_OK ||
            model_json_encode(&again, &second, NULL) != ERR_OK ||
            strcmp(buf_text(&first), buf_text(&second)) != 0)
            abort();
        if (is_small(&spec))
            make_and_answer(&spec);
    }
    model_spec_fini(&spec);
    model_spec_fini(&again);
    buf_fini(&first);
    buf_fini(&second);
    free(text);
}

static void try_file(const unsigned char *bytes, size_t n)
{
    struct safetensors *file = NULL;
    struct model *m = NULL;
    struct err e = {0};
    if (safetensors_open_bytes(bytes, n, &file, NULL) != ERR_OK)
        return;
    if (model_open_take(file, &m, &e) != ERR_OK) {
        if (e.code == ERR_OK || !e.text[0] || m)
            abort();
        return;
    }
    for (size_t i = 0; i < m->spec.n_items; i++) {
        size_t len;
        const char *id = model_item_id(m, i, &len);
        if (model_item_index(m, id, len) != (long)i)
            abort();
    }
    if (is_small(&m->spec))
        answer(&m->spec, &m->params, m->catalogue);
    model_unref(m);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n)
{
    if (n > 0 && bytes[0] == 'J')
        try_description(bytes + 1, n - 1);
    else
        try_file(bytes, n);
    return 0;
}
