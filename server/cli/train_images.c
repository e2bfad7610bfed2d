/* What the classes' layer is generated from is trained beside prototypes, which are a part of it; where
 * prototypes alone are surely better on held-out classes, they are what is kept. */
#include "server/cli/train_images.h"

#include "base/clock.h"
#include "base/parallel.h"
#include "engine/format/model_write.h"
#include "engine/train/image/image_course.h"
#include "server/cli/image_quality_table.h"
#include "server/data/image_dataset.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_EPISODES = 4000, LEAST_IMAGES = 2 };

/* How far the course is: by episodes, by the clock, or by what comes first. */
struct pace {
    const struct train_images *t;
    progress_fn *progress;
    void *arg;
    int64_t started_ns;
    size_t n_episodes; /* 0: by the clock alone */
    size_t done;
    bool interrupted;
};

static double share_of(const struct pace *p, size_t step, double seconds)
{
    double by_episodes = p->n_episodes ? (double)step / (double)p->n_episodes : 0;
    double by_clock = p->t->deadline_s > 0 ? seconds / p->t->deadline_s : 0;
    return fmax(by_episodes, by_clock);
}

static double next_share(void *arg, size_t step, double loss)
{
    struct pace *p = arg;
    double seconds = 1e-9 * (double)(clock_monotonic_ns() - p->started_ns),
           share = share_of(p, step, seconds);
    struct progress now = progress_at("train", fmin(share, 1));
    now.loss = loss;
    now.elapsed_s = seconds;
    now.left_s = share > 0 ? seconds / share - seconds : (double)NAN;
    p->done = step;
    p->interrupted =
        p->interrupted || (p->t->interrupt && atomic_load(p->t->interrupt)) || !p->progress(p->arg, &now);
    return p->interrupted ? 1 : share;
}

static enum err_code check(const struct train_images *t, const struct image_dataset *data, struct err *e)
{
    size_t n = data->set.n_classes;
    if ((size_t)t->held_out + 2 > n)
        return err_set(e, ERR_INVALID,
                       "%s: %zu class%s, of which %lld are held out; at least 2 are to be trained on",
                       t->classes, n, n == 1 ? "" : "es", (long long)t->held_out);
    if (t->held_out == 1)
        return err_set(e, ERR_INVALID, "--held-out-classes is 1; two are needed to be told apart, or 0");
    return image_dataset_check_each(data, t->classes, LEAST_IMAGES, e);
}

static struct image_course_options options_for(const struct train_images *t, const struct image_dataset *data,
                                               struct pace *pace)
{
    struct image_course_options o = image_course_defaults();
    const struct image_set *set = &data->set;
    size_t n_classes = set->n_classes - (size_t)t->held_out,
           side = set->height < set->width ? set->height : set->width;
    o.n_trained = n_classes;
    o.quarters = set->height == set->width;
    if (o.ways > n_classes * (o.quarters ? 4 : 1))
        o.ways = n_classes * (o.quarters ? 4 : 1);
    for (size_t k = 0; k < n_classes; k++)
        if (set->start[k + 1] - set->start[k] < o.n_images)
            o.n_images = set->start[k + 1] - set->start[k];
    while (o.n_layers > 1 && side >> o.n_layers == 0)
        o.n_layers--;
    o.seed = (uint64_t)t->seed;
    o.pace = next_share;
    o.pace_arg = pace;
    return o;
}

/* ---- held-out classes ---- */

/* Leaves the generated part away where prototypes are surely better. *kept: which it is now. */
static void choose(struct image_model *m, const struct image_table *table, enum image_layer *kept)
{
    double most = 0; /* that the generated part may gain */
    for (size_t i = 0; i < table->n; i++)
        most += table->rows[i].gain[IMAGE_PROTOTYPES].high;
    *kept = most < 0 ? IMAGE_PROTOTYPES : IMAGE_GENERATED;
    if (*kept == IMAGE_GENERATED)
        return;
    size_t f = m->head.d_features, h = m->head.d_hidden;
    memset(m->head_params.out, 0, (f + 1) * h * sizeof *m->head_params.out);
    memset(m->head_params.out_bias, 0, (f + 1) * sizeof *m->head_params.out_bias);
}

/* ---- what is told ---- */

struct result {
    size_t n_images, n_classes, n_episodes;
    double seconds;
    bool interrupted;
    struct image_table table; /* n 0: nothing was held out */
    enum image_layer kept;
};

static void print_json(const struct train_images *t, const struct result *r)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_adds(&b, "{\"model\":");
    buf_add_json_string(&b, t->name, strlen(t->name));
    buf_adds(&b, ",\"model_version\":");
    buf_add_json_string(&b, t->version, strlen(t->version));
    buf_adds(&b, ",\"file\":");
    buf_add_json_string(&b, t->out, strlen(t->out));
    buf_addf(&b,
             ",\"objective\":\"classification\",\"images\":%zu,\"classes\":%zu,\"held_out_classes\":%lld,"
             "\"episodes\":%zu,\"seconds\":%.3f,\"ended\":\"%s\"",
             r->n_images, r->n_classes, (long long)t->held_out, r->n_episodes, r->seconds,
             r->interrupted ? "interrupted" : "complete");
    if (r->table.n) {
        buf_addf(&b,
                 ",\"kept\":\"%s\",\"held_out\":", r->kept == IMAGE_PROTOTYPES ? "prototypes" : "generated");
        image_table_json(&r->table, &b);
    }
    buf_addc(&b, '}');
    const char *text = buf_text(&b);
    (void)puts(text ? text : "{}");
    buf_fini(&b);
}

static void print_text(const struct train_images *t, const struct result *r)
{
    (void)printf(
        "model '%s' version '%s' written to %s\n%zu images of %zu classes, %zu episodes in %.1f s%s\n",
        t->name, t->version, t->out, r->n_images, r->n_classes, r->n_episodes, r->seconds,
        r->interrupted ? ", interrupted" : "");
    if (!r->table.n)
        return;
    (void)printf("\n%% right among the %lld held-out classes, with 95 %% intervals over episodes\n",
                 (long long)t->held_out);
    image_table_print(&r->table, stdout);
    (void)printf("kept: %s\n", r->kept == IMAGE_PROTOTYPES ? "prototypes, which nothing generated betters"
                                                           : "the generated layer");
}

/* ---- the whole ---- */

static enum err_code write_model(const struct train_images *t, const struct image_model *m,
                                 const struct image_dataset *data, struct err *e)
{
    struct model_spec spec = {.name = ""};
    struct model_params params;
    (void)snprintf(spec.name, sizeof spec.name, "%s", t->name);
    (void)snprintf(spec.version, sizeof spec.version, "%s", t->version);
    image_model_describe(m, data->least, data->most, &spec, &params);
    return model_write(t->out, &spec, &params, NULL, e);
}

static enum err_code measure(const struct train_images *t, struct image_model *m,
                             const struct image_dataset *data, struct parallel *team, struct result *r,
                             struct err *e)
{
    size_t n = data->set.n_classes;
    if (t->held_out == 0)
        return ERR_OK;
    struct image_table_plan plan = image_table_usual(&data->set, n - (size_t)t->held_out, n);
    enum err_code code = image_table_measure(m, &data->set, &plan, team, &r->table, e);
    if (!code)
        choose(m, &r->table, &r->kept);
    return code;
}

static enum err_code train(const struct train_images *t, const struct image_dataset *data, struct pace *pace,
                           struct parallel *team, struct result *r, struct err *e)
{
    struct image_model m;
    const struct image_course_options o = options_for(t, data, pace);
    enum err_code code = image_course_run(&o, &data->set, team, &m, e);
    if (code)
        return code;
    r->n_episodes = pace->done;
    r->seconds = 1e-9 * (double)(clock_monotonic_ns() - pace->started_ns);
    r->interrupted = pace->interrupted;
    if (!r->n_episodes && !r->interrupted)
        code = err_set(
            e, ERR_DEADLINE,
            "--deadline-seconds %g: it was over before the first episode, and nothing is written; give "
            "more, a few seconds at least",
            t->deadline_s);
    if (r->n_episodes) {
        code = measure(t, &m, data, team, r, e);
        if (!code)
            code = write_model(t, &m, data, e);
    }
    image_model_fini(&m);
    return code;
}

enum err_code train_images_run(const struct train_images *t, progress_fn *progress, void *arg, bool *written,
                               struct err *e)
{
    struct image_dataset data = {.pixels = NULL};
    struct parallel *team = NULL;
    struct result r = {.n_images = 0};
    struct pace pace = {.t = t, .progress = progress, .arg = arg, .started_ns = clock_monotonic_ns()};
    pace.n_episodes = t->episodes ? (size_t)t->episodes : t->deadline_s > 0 ? 0 : DEFAULT_EPISODES;
    *written = false;
    enum err_code code = image_dataset_read(t->images, t->classes, NULL, &data, e);
    if (!code)
        code = check(t, &data, e);
    if (!code)
        code = parallel_new((int)t->threads, &team, e);
    if (!code) {
        r.n_classes = data.set.n_classes;
        r.n_images = data.start[r.n_classes];
        code = train(t, &data, &pace, team, &r, e);
    }
    *written = !code && r.n_episodes;
    if (*written)
        (t->json ? print_json : print_text)(t, &r);
    parallel_free(team);
    image_dataset_fini(&data);
    return code;
}
