/* hypernet inspect: what is in a model file, or in a store. */
#include "base/talk.h"
#include "engine/format/model_file.h"
#include "engine/format/model_json.h"
#include "engine/model.h"
#include "engine/network/hypernet.h"
#include "engine/network/item_item.h"
#include "engine/network/task_generated.h"
#include "server/cli/commands.h"
#include "server/cli/versions.h"

#include <stdio.h>
#include <string.h>

enum { MAX_TENSORS = MODEL_MAX_TENSORS + 3 };

/* The tensors of numbers: those of the table, and the item-item weights'. */
static size_t list_tensors(const struct model_spec *s, struct tensor_spec out[MAX_TENSORS])
{
    static const char *const names[] = {MODEL_FILE_PAIR_START, MODEL_FILE_PAIR_ITEM, MODEL_FILE_PAIR_WEIGHT};
    size_t n = model_spec_tensors(s, out);
    for (size_t i = 0; i < 3 && s->n_pairs; i++) {
        out[n] = (struct tensor_spec){.n_rows = i ? s->n_pairs : s->n_items + 1, .n_cols = 1, .vector = true};
        (void)snprintf(out[n++].name, sizeof out->name, "%s", names[i]);
    }
    return n;
}

static enum err_code print_json(const struct model *m, struct buf *out, struct err *e)
{
    struct tensor_spec tensors[MAX_TENSORS];
    struct theta_layout layout;
    size_t n = list_tensors(&m->spec, tensors);
    theta_layout_of(&m->spec, &layout);
    buf_adds(out, "{\"hypernet\":");
    enum err_code code = model_json_encode(&m->spec, out, e);
    buf_addf(out, ",\"generated_weights\":%zu,\"file_bytes\":%zu,\"tensors\":[", layout.len, m->file_bytes);
    for (size_t i = 0; i < n; i++) {
        buf_addf(out, "%s{\"name\":\"%s\",\"shape\":[%zu", i ? "," : "", tensors[i].name, tensors[i].n_rows);
        if (!tensors[i].vector)
            buf_addf(out, ",%zu", tensors[i].n_cols);
        buf_adds(out, model_params_half(&m->params, &tensors[i]) ? "],\"bfloat16\":true}" : "]}");
    }
    buf_adds(out, "]}");
    return code ? code : buf_check(out, "the description", e);
}

static void print_encoder(const struct encoder_spec *n)
{
    if (!n->present) {
        (void)printf("encoder     none: contexts are given\n");
        return;
    }
    if (n->d_id)
        (void)printf("tasks       %zu trained, a vector of %zu of each\n", n->n_tasks, n->d_id);
    if (n->d_id && !n->d_profile && !n->d_when)
        return;
    (void)printf("encoder     fold-in %zu (alpha %g, reg %g), history %zu, recent %zu x %zu decays of the "
                 "last %zu, profile %zu "
                 "(%zu values), when %zu (%zu moments), disliked %zu\n",
                 n->d_fold_in, n->alpha, n->reg, n->d_history, n->d_recent, n->n_decays, n->n_recent,
                 n->d_profile, n->n_values, n->d_when, n->n_moments, n->d_disliked);
}

static void print_item_item(const struct model_spec *s)
{
    if (s->n_pairs)
        (void)printf("neighbours  %zu item-item weights, a bias of up to %zu items from each history\n",
                     s->n_pairs, s->n_items < ITEM_ITEM_MOST ? s->n_items : (size_t)ITEM_ITEM_MOST);
}

static const char *scale_words(enum target_scale scale)
{
    return scale == SCALE_LOG     ? " by its logarithm"
           : scale == SCALE_ASINH ? " by its asinh"
           : scale == SCALE_COUNT ? " by a likelihood of counts"
                                  : "";
}

static const char *loss_words(enum target_loss loss)
{
    static const char *const words[] = {"squared error", "absolute error", "error relative to it",
                                        "deviance of Poisson's distribution"};
    return words[loss];
}

static void print_trunk(const struct model_spec *s)
{
    (void)printf("trunk       normalisation %s", norm_kind_name(s->norm));
    for (size_t i = 0; i < s->n_trunk; i++)
        (void)printf(", %zu %s", s->trunk[i].d_out, activation_name(s->trunk[i].activation));
    (void)putchar('\n');
}

static void print_layers(const struct model_spec *s)
{
    for (size_t i = 0; i < s->n_layers; i++) {
        const struct layer_spec *l = &s->layers[i];
        (void)printf("target %-4zu %zu -> %zu %s, weights %s", i, l->d_in, l->d_out,
                     activation_name(l->activation), generator_name(l->generator));
        if (l->rank)
            (void)printf(" %zu", l->rank);
        (void)printf(" (%zu generated), bias %s\n", layer_spec_n_generated(l), bias_kind_name(l->bias));
    }
}

/* What a model of tasks adds to the solved layer. */
static void print_generated(const struct model_spec *s)
{
    (void)printf("beside it   a network on the same %zu numbers, from the solved layer\n", s->task.d_basis);
    print_trunk(s);
    print_layers(s);
    (void)printf("generated   %zu weights a task, %zu bytes\n", task_generated_len(s),
                 task_generated_len(s) * sizeof(real));
}

/* A model of tasks: what a row has, and what is said of it. */
static void print_task(const struct model_spec *s)
{
    const struct task_spec *t = &s->task;
    (void)printf("predicts    %s", t->target);
    if (t->n_classes)
        (void)printf(", one of %zu classes\n", t->n_classes);
    else
        (void)printf("%s, %g to %g in training; by least %s\n", scale_words(t->scale), t->target_least,
                     t->target_most, loss_words(t->loss));
    if (t->clip > 0)
        (void)printf("outliers    rows count as if no further than %g from what all tasks have\n",
                     t->clip * t->target_deviation);
    (void)printf("columns     %zu, %zu numbers of a row\n", t->columns.n, s->d_item);
    for (size_t i = 0; i < t->columns.n; i++) {
        const struct column *c = &t->columns.list[i];
        (void)printf("  %-28s", c->name);
        if (c->kind == COLUMN_CATEGORY)
            (void)printf(" category of %zu values", c->n_values);
        else
            (void)printf(" number, %g to %g", c->least, c->most);
        (void)printf("%s\n", c->optional ? ", may be missing" : "");
    }
    for (size_t i = 0; i < t->n_features; i++)
        (void)printf("features %zu  %zu %s, of all tasks\n", i, t->features[i].d_out,
                     activation_name(t->features[i].activation));
    (void)printf("own layer   %zu -> %zu, solved from a task's rows%s%s\n", t->d_basis, s->d_output,
                 t->forgets ? ", the older by " : "", t->forgets ? t->time : "");
    if (s->n_layers)
        print_generated(s);
    (void)putchar('\n');
}

/* A model of images: what it takes, and how a task's layer comes about. */
static void print_images(const struct image_model_spec *m)
{
    const struct image_spec *s = &m->images;
    (void)printf("images      %zu x %zu, %zu channel%s, pixels from %g to %g\n", s->height, s->width,
                 s->n_channels, talk_s((int64_t)s->n_channels), m->least, m->most);
    for (size_t i = 0; i < s->n_layers; i++)
        (void)printf("layer %-5zu 3 x 3 convolution to %zu channels, the largest of 2 x 2\n", i, s->d_out[i]);
    (void)printf("features    %zu, of all tasks\n", image_spec_d_features(s));
    (void)printf("own layer   generated from a few images of each class, by %zu hidden units\n\n",
                 m->d_hidden);
}

/* How the weights of a target network come about. */
static void print_network(const struct model_spec *s)
{
    struct theta_layout layout;
    theta_layout_of(s, &layout);
    (void)printf("items       %zu, %zu wide\ncontext     %zu wide\n", s->n_items, s->d_item, s->d_context);
    print_encoder(&s->encoder);
    print_trunk(s);
    (void)printf("linear part %s\n", !s->has_linear   ? "none"
                                     : s->linear_head ? "from the context, with a generated part"
                                                      : "from the context");
    print_layers(s);
    if (s->chunks.size)
        (void)printf("chunks      %zu of %zu weights, an embedding of %zu of each, %s\n",
                     model_spec_n_chunks(s), s->chunks.size, s->chunks.d_embedding,
                     s->chunks.own ? "in the context" : "of all contexts");
    print_item_item(s);
    (void)printf("generated   %zu weights a context, %zu bytes\n\n", layout.len, layout.len * sizeof(real));
}

/* What inputs are, and a line a task with its classes. */
static void print_trained(const struct model *m)
{
    char dims[128];
    const struct trained_spec *t = &m->spec.trained;
    (void)printf("inputs      %s, divided by %g\n", trained_spec_dims_text(t, dims, sizeof dims), t->unit);
    for (size_t i = 0; i < t->n_tasks; i++) {
        size_t len;
        const char *id = model_item_id(m, i, &len);
        (void)printf("%s %-27.*s", i ? " " : "\n ", (int)len, id);
        for (size_t k = 0; k < t->tasks[i].n; k++)
            (void)printf("%s%s", k ? ", " : " ", t->tasks[i].names[k]);
        if (t->width > 0)
            (void)printf(" (%zu rows stored)", trained_spec_n_rows_of(t, i));
        (void)puts("");
    }
    (void)puts("");
}

static void print_text(const struct model *m)
{
    const struct model_spec *s = &m->spec;
    struct tensor_spec tensors[MAX_TENSORS];
    size_t n = list_tensors(s, tensors), n_values = 0;
    (void)printf("model       %s\nversion     %s\nobjective   %s\n", s->name, s->version, s->objective->name);
    if (s->task.present)
        print_task(s);
    else if (s->images.present)
        print_images(&s->images);
    else
        print_network(s);
    if (s->trained.present)
        print_trained(m);
    for (size_t i = 0; i < n; i++) {
        (void)printf("  %-28s %8zu x %zu%s\n", tensors[i].name, tensors[i].n_rows, tensors[i].n_cols,
                     model_params_half(&m->params, &tensors[i]) ? "  bfloat16" : "");
        n_values += tensors[i].n_rows * tensors[i].n_cols;
    }
    (void)printf("\n%zu tensors, %zu values, file of %zu bytes\n", n, n_values, m->file_bytes);
}

static int inspect_store(const char *path, bool json)
{
    struct buf out;
    struct err e = {0};
    buf_init(&out, (size_t)1 << 24);
    if (versions_describe(path, json, &out, &e) == ERR_OK)
        (void)fputs(buf_text(&out), stdout);
    buf_fini(&out);
    return e.code ? command_fail(&cmd_inspect_command, &e, false) : EXIT_DONE;
}

static int cmd_inspect(int argc, char **argv)
{
    bool json = false;
    int status;
    const char *path = NULL;
    const struct option options[] = {{"json", OPTION_FLAG, &json, NULL, "as JSON", 0, 0, false}};
    struct err e = {0};
    struct model *m;
    if (!command_begin(&cmd_inspect_command, options, 1, argc, argv, &path, &status))
        return status;
    if (versions_is_store(path))
        return inspect_store(path, json);
    if (model_open(path, &m, &e))
        return command_fail(&cmd_inspect_command, &e, false);
    if (json) {
        struct buf out;
        buf_init(&out, (size_t)1 << 28);
        if (print_json(m, &out, &e) == ERR_OK)
            (void)puts(buf_text(&out));
        buf_fini(&out);
    } else {
        print_text(m);
    }
    model_unref(m);
    return e.code ? command_fail(&cmd_inspect_command, &e, false) : EXIT_DONE;
}

const struct command cmd_inspect_command = {"inspect", "what is in a model file", "MODEL", NULL, cmd_inspect,
                                            NULL};
