#include "server/cli/evaluate_images.h"

#include "base/parallel.h"
#include "engine/model.h"
#include "server/cli/image_outside.h"
#include "server/cli/image_quality_table.h"
#include "server/data/image_dataset.h"

#include <stdlib.h>
#include <string.h>

/* ---- options ---- */

/* A list of numbers from least on, rising or not. */
static enum err_code read_counts(const char *option, const char *text, size_t least, size_t *out, size_t *n,
                                 struct err *e)
{
    for (*n = 0; *text; ++*n) {
        char *end;
        unsigned long value = strtoul(text, &end, 10);
        if (*n == IMAGE_TABLE_COUNTS)
            return err_set(e, ERR_INVALID, "%s takes at most %d numbers", option, IMAGE_TABLE_COUNTS);
        if (*text < '0' || *text > '9' || (*end && *end != ',') || value < least || value > 1000)
            return err_set(e, ERR_INVALID, "%s takes numbers from %zu to 1000, as in 5,20; not '%s'", option,
                           least, text);
        out[*n] = value;
        text = *end ? end + 1 : end;
    }
    return *n ? ERR_OK : err_set(e, ERR_INVALID, "%s is empty", option);
}

static enum err_code make_plan(const struct evaluate_images *t, const struct image_dataset *data,
                               struct image_table_plan *p, struct err *e)
{
    *p = image_table_usual(&data->set, 0, data->set.n_classes);
    p->seed = (uint64_t)t->seed;
    if (t->episodes)
        p->episodes = (size_t)t->episodes;
    enum err_code code = t->ways ? read_counts("--ways", t->ways, 2, p->ways, &p->n_ways, e) : ERR_OK;
    if (!code && t->shots)
        code = read_counts("--shots", t->shots, 1, p->shots, &p->n_shots, e);
    if (!code && (!p->n_ways || !p->n_shots))
        code = err_set(e, ERR_INVALID, "%s: an episode needs two classes, each with two images", t->classes);
    return code;
}

static enum err_code open_model(const char *path, struct model **out, struct err *e)
{
    enum err_code code = model_open(path, out, e);
    if (code || (*out)->spec.images.present)
        return code;
    model_unref(*out);
    *out = NULL;
    return err_set(e, ERR_INVALID, "%s is no model of images: `hypernet train --images` makes one", path);
}

/* ---- the measuring ---- */

struct result {
    struct image_table table;
    struct image_outside outside;
};

/* Of the outside images those of their own range are shown: what they are is to tell them apart, not their
 * scale. */
static enum err_code measure_outside(const struct evaluate_images *t, const struct image_model *m,
                                     const struct image_dataset *data, const struct image_table_plan *plan,
                                     struct parallel *team, struct result *r, struct err *e)
{
    struct image_dataset others = {.pixels = NULL};
    r->outside.ways = plan->ways[0];
    r->outside.shots = plan->shots[plan->n_shots - 1];
    enum err_code code = image_dataset_read(t->outside, NULL, NULL, &others, e);
    if (!code)
        code = image_outside_measure(m, &data->set, &others.set, plan->seed, team, &r->outside, e);
    image_dataset_fini(&others);
    return code;
}

static void print_json(const struct evaluate_images *t, const struct model *m,
                       const struct image_dataset *data, const struct image_table_plan *plan,
                       const struct result *r)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_adds(&b, "{\"model\":");
    buf_add_json_string(&b, m->spec.name, strlen(m->spec.name));
    buf_adds(&b, ",\"model_version\":");
    buf_add_json_string(&b, m->spec.version, strlen(m->spec.version));
    buf_addf(&b, ",\"images\":%zu,\"classes\":%zu,\"episodes\":%zu,\"asked\":%zu,\"results\":",
             data->start[data->set.n_classes], data->set.n_classes, plan->episodes, plan->asked);
    image_table_json(&r->table, &b);
    if (t->outside) {
        buf_addf(&b, ",\"outside\":{\"images\":%zu,\"ways\":%zu,\"shots\":%zu", r->outside.n_images,
                 r->outside.ways, r->outside.shots);
        for (size_t i = 0; i < IMAGE_DOUBTS; i++)
            buf_addf(&b, ",\"%s\":{\"auroc\":%.6f,\"low\":%.6f,\"high\":%.6f}",
                     image_doubt_name((enum image_doubt)i), r->outside.by[i].area, r->outside.by[i].low,
                     r->outside.by[i].high);
        buf_addc(&b, '}');
    }
    buf_addc(&b, '}');
    const char *text = buf_text(&b);
    (void)puts(text ? text : "{}");
    buf_fini(&b);
}

static void print_text(const struct evaluate_images *t, const struct image_dataset *data,
                       const struct image_table_plan *plan, const struct result *r)
{
    (void)printf("%zu images of %zu classes; %% right of %zu asked of each class in %zu episodes, with 95 %% "
                 "intervals over episodes\n\n",
                 data->start[data->set.n_classes], data->set.n_classes, plan->asked, plan->episodes);
    image_table_print(&r->table, stdout);
    if (!t->outside)
        return;
    (void)printf(
        "\n%zu images outside are told from those of %zu classes with %zu known each (area under the "
        "ROC curve, 95 %% intervals over episodes)\n",
        r->outside.n_images, r->outside.ways, r->outside.shots);
    for (size_t i = 0; i < IMAGE_DOUBTS; i++)
        (void)printf("by %-8s %.4f, between %.4f and %.4f\n", image_doubt_name((enum image_doubt)i),
                     r->outside.by[i].area, r->outside.by[i].low, r->outside.by[i].high);
}

static enum err_code measure(const struct evaluate_images *t, const struct model *model,
                             const struct image_dataset *data, struct err *e)
{
    struct image_model m;
    struct image_table_plan plan;
    struct parallel *team = NULL;
    static struct result r; /* large, and there is one */
    image_model_view(&model->spec, &model->params, &m);
    enum err_code code = make_plan(t, data, &plan, e);
    if (!code)
        code = parallel_new((int)t->threads, &team, e);
    if (!code)
        code = image_table_measure(&m, &data->set, &plan, team, &r.table, e);
    if (!code && t->outside)
        code = measure_outside(t, &m, data, &plan, team, &r, e);
    if (!code && t->json)
        print_json(t, model, data, &plan, &r);
    else if (!code)
        print_text(t, data, &plan, &r);
    parallel_free(team);
    return code;
}

enum err_code evaluate_images_run(const struct evaluate_images *t, struct err *e)
{
    struct image_dataset data = {.pixels = NULL};
    struct model *model = NULL;
    enum err_code code = open_model(t->model, &model, e);
    if (!code)
        code = image_dataset_read(t->images, t->classes, &model->spec.images, &data, e);
    if (!code)
        code = measure(t, model, &data, e);
    image_dataset_fini(&data);
    model_unref(model);
    return code;
}
