/* Values are multiples of 1/1024 in [-1, 1), so that they are exact and never a denormal; ids are of every
 * length from 1 byte to the limit and not only ASCII. */
#include "tests/support/sample_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_ITEMS = 300, N_PAIRS = 4000 };

static void *must_have(void *p)
{
    if (!p) {
        fputs("sample_model: no memory\n", stderr);
        abort();
    }
    return p;
}

static void fill_ranking(struct model_spec *s)
{
    static const char *const values[][2] = {
        {"gender", "F"}, {"gender", "M"}, {"age", "25-34"}, {"city", "Z\xC3\xBCrich"}};
    enum { N_VALUES = sizeof values / sizeof *values };
    *s = (struct model_spec){
        .name = "sample",
        .version = "7",
        .objective = &objective_ranking,
        .n_items = N_ITEMS,
        .d_item = 6,
        .d_context = 5 + 4 + 2 * 3 + 3 + 2 + 2,
        .d_output = 1,
        .norm = NORM_BLOCK,
        .n_trunk = 2,
        .trunk = {{9, ACTIVATION_TANH}, {7, ACTIVATION_RELU}},
        .has_linear = true,
        .linear_head = true,
        .n_layers = 4,
        .layers = {{6, 8, GENERATOR_CORE, 4, BIAS_FULL, ACTIVATION_RELU},
                   {8, 5, GENERATOR_LOW_RANK, 2, BIAS_SHARED, ACTIVATION_TANH},
                   {5, 3, GENERATOR_FULL, 0, BIAS_FULL, ACTIVATION_RELU},
                   {3, 1, GENERATOR_SHARED, 0, BIAS_NONE, ACTIVATION_IDENTITY}},
        .encoder = {.present = true,
                    .d_fold_in = 5,
                    .alpha = 0.25,
                    .reg = 0.01,
                    .reg_exponent = 0.5,
                    .d_history = 4,
                    .d_recent = 3,
                    .n_decays = 2,
                    .n_recent = 20,
                    .d_profile = 3,
                    .n_values = N_VALUES,
                    .d_when = 2,
                    .n_moments = 3,
                    .when_start = 100,
                    .when_step = 50,
                    .d_disliked = 2},
    };
    s->encoder.values = must_have(calloc(N_VALUES, sizeof *s->encoder.values));
    for (size_t i = 0; i < N_VALUES; i++) {
        s->encoder.values[i].field = must_have(strdup(values[i][0]));
        s->encoder.values[i].value = must_have(strdup(values[i][1]));
    }
    static const char *const features[][2] = {
        {"category", "Z\xC3\xBCrich"}, {"category", "a"}, {"word", "1999"}, {"word", "toy"}};
    enum { N_FEATURES = sizeof features / sizeof *features };
    s->cold_items = (struct cold_items_spec){.present = true, .n_users = 9, .n_features = N_FEATURES};
    s->cold_items.features = must_have(calloc(N_FEATURES, sizeof *s->cold_items.features));
    for (size_t i = 0; i < N_FEATURES; i++) {
        s->cold_items.features[i].field = must_have(strdup(features[i][0]));
        s->cold_items.features[i].value = must_have(strdup(features[i][1]));
    }
}

static void fill_linear(struct model_spec *s)
{
    *s = (struct model_spec){.name = "linear",
                             .version = "1",
                             .objective = &objective_ranking,
                             .n_items = 3,
                             .d_item = 2,
                             .d_context = 3,
                             .d_output = 1,
                             .has_linear = true};
}

static void fill_tasks(struct model_spec *s)
{
    *s = (struct model_spec){
        .name = "tasks",
        .version = "1",
        .objective = &objective_classification,
        .d_item = 4,
        .d_context = 5,
        .d_output = 3,
        .norm = NORM_LAYER,
        .n_trunk = 1,
        .trunk = {{6, ACTIVATION_RELU}},
        .n_layers = 2,
        .layers = {{4, 5, GENERATOR_FULL, 0, BIAS_FULL, ACTIVATION_RELU},
                   {5, 3, GENERATOR_LOW_RANK, 2, BIAS_FULL, ACTIVATION_IDENTITY}},
    };
}

static void fill_chunked(struct model_spec *s)
{
    *s = (struct model_spec){
        .name = "chunked",
        .version = "1",
        .objective = &objective_classification,
        .d_item = 4,
        .d_context = 5,
        .d_output = 3,
        .n_trunk = 1,
        .trunk = {{6, ACTIVATION_RELU}},
        .n_layers = 2,
        .layers = {{4, 5, GENERATOR_CHUNKED, 0, BIAS_FULL, ACTIVATION_RELU},
                   {5, 3, GENERATOR_CHUNKED, 0, BIAS_FULL, ACTIVATION_IDENTITY}},
        .chunks = {.size = 8, .d_embedding = 3},
        .encoder = {.present = true, .d_id = 5, .n_tasks = 7},
    };
}

static real next_value(unsigned *state)
{
    return (real)((int)((unsigned)rand_r(state) % 2048u) - 1024) / 1024;
}

static void fill_params(struct sample_model *m, unsigned seed)
{
    struct tensor_spec table[MODEL_MAX_TENSORS];
    size_t n = model_spec_tensors(&m->spec, table);
    for (size_t i = 0; i < n; i++) {
        size_t len = table[i].n_rows * table[i].n_cols;
        real *values = must_have(malloc(len * sizeof *values));
        for (size_t j = 0; j < len; j++)
            values[j] = next_value(&seed);
        m->blocks[m->n_blocks++] = values;
        *model_params_slot(&m->params, &table[i]) = values;
    }
    /* The matrices of the fold-ins are positive definite in any real model. */
    size_t d = m->spec.encoder.d_fold_in;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            m->params.fold_in_gram[i * d + j] =
                i == j ? 10 : m->params.fold_in_gram[j < i ? i * d + j : j * d + i];
    if (m->spec.cold_items.present)
        memcpy(m->params.item_gram, m->params.fold_in_gram, d * d * sizeof(real));
}

static void *keep(struct sample_model *m, void *block)
{
    return m->blocks[m->n_blocks++] = must_have(block);
}

/* Every seventh item has no pairs; the others share them, in any order of items and some of them twice. */
static void fill_pairs(struct sample_model *m, unsigned seed)
{
    size_t n = m->spec.n_pairs;
    int64_t *start = keep(m, calloc(m->spec.n_items + 1, sizeof *start));
    uint32_t *item = keep(m, malloc(n * sizeof *item));
    real *weight = keep(m, malloc(n * sizeof *weight));
    size_t each = n / (m->spec.n_items - m->spec.n_items / 7);
    for (size_t j = 0; j < m->spec.n_items; j++)
        start[j + 1] = start[j] + (j % 7 == 6 ? 0 : (int64_t)each);
    start[m->spec.n_items] = (int64_t)n;
    for (size_t k = 0; k < n; k++) {
        item[k] = (uint32_t)rand_r(&seed) % (uint32_t)m->spec.n_items;
        weight[k] = next_value(&seed);
    }
    m->params.pairs = (struct item_pairs){start, item, weight};
}

static void fill_ids(struct sample_model *m)
{
    size_t n_ids = model_spec_n_ids(&m->spec);
    m->id_texts = must_have(calloc(n_ids + 1, sizeof *m->id_texts));
    for (size_t i = 0; i < n_ids; i++) {
        char text[LIMIT_ID_BYTES + 1];
        int n = snprintf(text, sizeof text, i % 3 ? "%zu" : "\xC3\xA9%zu/", i);
        size_t len = i < LIMIT_ID_BYTES ? i : 0;
        while ((size_t)n < len)
            text[n++] = 'x';
        text[n] = '\0';
        m->id_texts[i] = must_have(strdup(text));
    }
    m->ids.ids = (const char *const *)m->id_texts;
}

void sample_model_init(struct sample_model *m, enum sample_model_kind kind, unsigned seed)
{
    memset(m, 0, sizeof *m);
    if (kind == SAMPLE_RANKING || kind == SAMPLE_NEIGHBOURS)
        fill_ranking(&m->spec);
    else if (kind == SAMPLE_LINEAR)
        fill_linear(&m->spec);
    else if (kind == SAMPLE_CHUNKED)
        fill_chunked(&m->spec);
    else
        fill_tasks(&m->spec);
    if (kind == SAMPLE_NEIGHBOURS)
        m->spec.n_pairs = N_PAIRS;
    struct err e = {0};
    if (model_spec_check(&m->spec, &e) != ERR_OK) {
        fprintf(stderr, "sample_model: %s\n", e.text);
        abort();
    }
    fill_params(m, seed);
    if (m->spec.n_pairs)
        fill_pairs(m, seed + 1);
    fill_ids(m);
}

void sample_model_fini(struct sample_model *m)
{
    for (size_t i = 0; i < model_spec_n_ids(&m->spec); i++)
        free(m->id_texts[i]);
    free(m->id_texts);
    for (size_t i = 0; i < m->n_blocks; i++)
        free(m->blocks[i]);
    model_spec_fini(&m->spec);
}
