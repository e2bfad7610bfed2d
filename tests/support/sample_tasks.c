#include "tests/support/sample_tasks.h"

#include "engine/format/model_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NO, YES, PRICE, DEAL, SIZE, DAY, UNITS, BUSY };
static char words[][8] = {"no", "yes", "price", "deal", "size", "day", "units", "busy"};
static char *flags[] = {words[NO], words[YES]};

static struct column columns[] = {
    {.name = words[PRICE], .kind = COLUMN_NUMBER, .mean = 2, .deviation = 0.5, .least = 1, .most = 4},
    {.name = words[DEAL], .kind = COLUMN_CATEGORY, .n_values = 2, .values = flags},
    {.name = words[SIZE], .kind = COLUMN_NUMBER, .optional = true, .deviation = 1, .least = -3, .most = 3}};

static void fill(struct model_spec *s, const char *name, bool classes)
{
    *s = (struct model_spec){.version = "1",
                             .objective = classes ? &objective_classification : &objective_regression,
                             .d_output = classes ? 2 : 1};
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    struct task_spec *t = &s->task;
    *t = (struct task_spec){.present = true,
                            .columns = {sizeof columns / sizeof *columns, columns},
                            .n_features = 1,
                            .features = {{4, ACTIVATION_TANH}},
                            .d_basis = 3,
                            .forgets = true,
                            .time = words[DAY],
                            .period = 1,
                            .target = words[classes ? BUSY : UNITS],
                            .target_mean = 40,
                            .target_deviation = 10,
                            .target_least = 0,
                            .target_most = 90};
    if (classes) {
        t->classes = flags;
        t->n_classes = 2;
        t->target_mean = t->target_most = 0;
        t->target_deviation = 1;
    }
    s->d_item = columns_width(&t->columns);
    s->d_context = task_spec_d_sums(s);
}

/* A hidden layer of four units. */
static void generate(struct model_spec *s, enum generator generator)
{
    bool alike = generator == GENERATOR_SHARED, ranked = generator != GENERATOR_FULL && !alike;
    s->n_trunk = !alike;
    s->trunk[0] = (struct trunk_layer_spec){3, ACTIVATION_TANH};
    s->n_layers = 2;
    s->layers[0] = (struct layer_spec){.d_in = s->task.d_basis,
                                       .d_out = 4,
                                       .generator = generator,
                                       .rank = ranked ? 2 : 0,
                                       .bias = alike ? BIAS_SHARED : BIAS_FULL,
                                       .activation = ACTIVATION_TANH};
    s->layers[1] = (struct layer_spec){
        .d_in = 4, .d_out = s->d_output, .generator = alike ? GENERATOR_SHARED : GENERATOR_FULL};
}

/* Random values of all tensors of a spec. */
static void write_values(const char *path, const struct model_spec *spec)
{
    struct model_params params = {0};
    struct model_ids ids = {0};
    struct tensor_spec table[MODEL_MAX_TENSORS];
    void *blocks[MODEL_MAX_TENSORS];
    struct err e = {0};
    unsigned seed = 1;
    size_t n = model_spec_tensors(spec, table);
    for (size_t i = 0; i < n; i++) {
        size_t len = table[i].n_rows * table[i].n_cols;
        real *values = malloc(len * sizeof *values);
        if (!values)
            abort();
        for (size_t k = 0; k < len; k++)
            values[k] = (real)((int)((unsigned)rand_r(&seed) % 2048u) - 1024) / 1024;
        blocks[i] = *model_params_slot(&params, &table[i]) = values;
    }
    for (size_t k = 0; k < TASK_SCALES + 1; k++)
        params.task_scales[k] = -3;
    if (model_write(path, spec, &params, &ids, &e)) {
        (void)fprintf(stderr, "sample_tasks: %s\n", e.text);
        abort();
    }
    for (size_t i = 0; i < n; i++)
        free(blocks[i]);
}

void sample_tasks_write(const char *path, const char *name, bool classes)
{
    struct model_spec spec;
    fill(&spec, name, classes);
    write_values(path, &spec);
}

void sample_tasks_generated_write(const char *path, const char *name, bool classes, enum generator generator)
{
    struct model_spec spec;
    fill(&spec, name, classes);
    generate(&spec, generator);
    write_values(path, &spec);
}
