#include "engine/train/continual/continual_spec.h"

enum { D_TASK = 32, D_CHUNK = 32, D_TRUNK = 24 };

static void set_layers(struct model_spec *spec, const struct continual_sizes *sizes)
{
    size_t d_in = spec->d_item;
    for (size_t i = 0; i <= sizes->n_hidden; i++) {
        bool last = i == sizes->n_hidden;
        size_t d_out = last ? spec->d_output : sizes->hidden[i];
        spec->layers[spec->n_layers++] =
            (struct layer_spec){.d_in = d_in,
                                .d_out = d_out,
                                .generator = GENERATOR_CHUNKED,
                                .bias = BIAS_FULL,
                                .activation = last ? ACTIVATION_IDENTITY : ACTIVATION_RELU};
        d_in = d_out;
    }
    size_t n = model_spec_n_chunked(spec);
    spec->chunks =
        (struct chunk_spec){.size = (n + sizes->n_chunks - 1) / sizes->n_chunks, .d_embedding = D_CHUNK};
}

enum err_code continual_spec_first(struct model_spec *out, const struct continual_sizes *sizes,
                                   const struct trained_spec *about, struct err *e)
{
    *out = (struct model_spec){.name = "default",
                               .version = "1",
                               .objective = &objective_classification,
                               .d_item = 1,
                               .d_output = about->tasks[0].n,
                               .d_context = D_TASK,
                               .n_trunk = 2,
                               .trunk = {{D_TRUNK, ACTIVATION_RELU}, {D_TRUNK, ACTIVATION_RELU}},
                               .encoder = {.present = true, .d_id = D_TASK, .n_tasks = 1}};
    for (size_t i = 0; i < about->n_dims; i++)
        out->d_item *= about->dims[i];
    set_layers(out, sizes);
    enum err_code code = trained_spec_copy(&out->trained, about, e);
    if (!code)
        code = model_spec_check(out, e);
    if (code)
        trained_spec_fini(&out->trained);
    return code;
}

enum err_code continual_spec_next(struct model_spec *out, const struct model_spec *before,
                                  const struct trained_spec *about, struct err *e)
{
    const struct trained_classes *classes = &about->tasks[0];
    *out = *before;
    out->trained = (struct trained_spec){0}; /* not before's texts */
    if (classes->n > before->d_output)
        return err_set(e, ERR_INVALID,
                       "the task has %zu classes, and the model outputs for %zu, as many as its first task "
                       "had; learn the task with the most classes first",
                       classes->n, before->d_output);
    enum err_code code = trained_spec_copy(&out->trained, &before->trained, e);
    if (code)
        return code;
    out->trained.width = 0; /* what is learned has no rows stored; train adds them to what is written */
    code = trained_spec_add(&out->trained, (const char *const *)classes->names, classes->n, e);
    out->encoder.n_tasks++;
    if (!code)
        code = model_spec_check(out, e);
    if (code)
        trained_spec_fini(&out->trained);
    return code;
}
