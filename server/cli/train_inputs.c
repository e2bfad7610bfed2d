#include "server/cli/train_inputs.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/talk.h"
#include "engine/format/model_write.h"
#include "engine/model.h"
#include "engine/network/hypernet.h"
#include "engine/network/trained_task.h"
#include "engine/train/continual/continual.h"
#include "engine/train/continual/continual_spec.h"
#include "engine/train/continual/rivals.h"
#include "server/cli/stored_inputs.h"
#include "server/data/class_rows.h"
#include "server/fields/field.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 128, OLD_A_STEP = 1, MOST_HELD = 10000 };
static const double held_share = 0.1, rate = 3e-4;

struct learning {
    const struct train_inputs *t;
    struct model *before; /* NULL: it is the first task */
    struct class_rows rows;
    size_t n_learned; /* of the rows, the first; the others are held out */
    struct model_spec spec;
    struct param_block block;
    struct stored_inputs stored;
    /* results */
    double accuracy; /* on those held out */
    struct continual_drift drift;
    double seconds;
};

/* ---- what there is ---- */

static enum err_code read_hidden(const char *text, struct continual_sizes *out, struct err *e)
{
    const char *at = text;
    *out = (struct continual_sizes){0};
    while (*at && out->n_hidden < LIMIT_LAYERS - 1) {
        char *end;
        unsigned long n = *at >= '1' && *at <= '9' ? strtoul(at, &end, 10) : 0;
        if (n < 1 || n > LIMIT_DIM || (*end && *end != ',') || (*end == ',' && !end[1]))
            return err_set(e, ERR_INVALID, "--hidden is widths of layers with commas: 100,100, not '%s'",
                           text);
        out->hidden[out->n_hidden++] = n;
        at = *end ? end + 1 : end;
    }
    return *at ? err_set(e, ERR_INVALID, "--hidden has more than %d layers", LIMIT_LAYERS - 1) : ERR_OK;
}

static enum err_code open_before(struct learning *l, struct err *e)
{
    const char *path = l->t->from, *task = l->t->task;
    enum err_code code = model_open(path, &l->before, e);
    if (code)
        return code;
    if (l->before->spec.task.present || l->before->spec.images.present)
        return err_set(
            e, ERR_INVALID,
            "%s: the model learns no more tasks, and need not: one that comes later is registered, "
            "which disturbs no other; `PUT /v1/admin/tasks/{task}` does%s",
            path, l->before->spec.task.present ? ", and `hypernet import --task-rows` from a table" : "");
    if (!l->before->spec.trained.present)
        return err_set(
            e, ERR_INVALID,
            "%s: the model learns no more tasks; `hypernet train --inputs FILE --classes FILE --task "
            "NAME` makes one that does",
            path);
    if (!l->before->spec.chunks.size)
        return err_set(e, ERR_INVALID,
                       "%s: has the network of one task alone, from which no other is learned; "
                       "take the model that it came from",
                       path);
    if (model_item_index(l->before, task, strlen(task)) >= 0)
        return err_set(e, ERR_CONFLICT, "%s: has learned a task '%s'; give this one another name", path,
                       task);
    return ERR_OK;
}

static enum err_code make_spec(struct learning *l, struct err *e)
{
    struct continual_sizes sizes;
    const struct train_inputs *t = l->t;
    enum err_code code = ERR_OK;
    if (l->before) {
        if (continual_spec_next(&l->spec, &l->before->spec, &l->rows.about, e))
            return err_prefix(e, "%s", t->classes);
    } else {
        code = read_hidden(t->hidden, &sizes, e);
        if (code)
            return code;
        sizes.n_chunks = (size_t)t->n_chunks;
        if (continual_spec_first(&l->spec, &sizes, &l->rows.about, e))
            return err_prefix(e, "--hidden %s", t->hidden);
    }
    if (t->name)
        (void)snprintf(l->spec.name, sizeof l->spec.name, "%s", t->name);
    (void)snprintf(l->spec.version, sizeof l->spec.version, "%s", t->version);
    return ERR_OK;
}

/* The rows that count and those held out: a tenth, drawn by seed. */
static enum err_code prepare(struct learning *l, struct err *e)
{
    const struct train_inputs *t = l->t;
    struct text id = {t->task, strlen(t->task)};
    enum err_code code = field_check_id(id, "task", e);
    if (!code)
        code = field_check_plain(id, "id of the task", e);
    if (!code && t->from)
        code = open_before(l, e);
    if (!code)
        code = stored_inputs_check(l->before, (size_t)t->n_keep, e);
    if (!code)
        code = class_rows_read(t->inputs, t->classes, l->before ? &l->before->spec.trained : NULL,
                               CLASS_ROWS_NEW, &l->rows, e);
    if (!code)
        code = make_spec(l, e);
    if (code)
        return code;
    double share = held_share * (double)l->rows.n <= MOST_HELD ? held_share : MOST_HELD / (double)l->rows.n;
    l->n_learned = class_rows_hold_out(&l->rows, share, (uint64_t)t->seed);
    return ERR_OK;
}

/* ---- learning ---- */

static enum err_code learn(struct learning *l, progress_fn *progress, void *arg, bool *stopped, struct err *e)
{
    const struct train_inputs *t = l->t;
    const struct continual_options o = {.beta = t->beta,
                                        .n_old = OLD_A_STEP,
                                        .batch = BATCH,
                                        .n_steps = (long)t->steps,
                                        .rate = rate,
                                        .seed = (uint64_t)t->seed,
                                        .interrupt = t->interrupt,
                                        .progress = progress,
                                        .progress_arg = arg};
    struct labelled_rows rows = class_rows_part(&l->rows, 0, l->n_learned);
    enum err_code code =
        continual_init(&l->block, &l->spec, l->before ? &l->before->params : NULL, o.seed, e);
    if (!code)
        code = continual_learn(&l->spec, &l->block, &rows, &o, stopped, e);
    return code;
}

/* On the rows that were held out; and what became of the tasks before. */
static enum err_code look(struct learning *l, struct err *e)
{
    struct theta_layout layout;
    const struct model_spec *spec = &l->spec;
    size_t newest = spec->encoder.n_tasks - 1, n_classes = spec->trained.tasks[newest].n;
    theta_layout_of(spec, &layout);
    const struct labelled_rows held = class_rows_part(&l->rows, l->n_learned, l->rows.n - l->n_learned);
    real *theta = mem_alloc_aligned(layout.len, sizeof *theta),
         *work = mem_alloc_aligned(trained_task_workspace_len(spec), sizeof *work);
    enum err_code code = theta && work ? ERR_OK : err_set(e, ERR_NOMEM, "no memory to measure the model");
    if (!code)
        code = trained_task_generate(spec, &l->block.params, newest, work, theta, e);
    if (!code)
        code = continual_accuracy(spec, &l->block.params, theta, n_classes, &held, &l->accuracy, e);
    if (!code && l->before)
        code = continual_audit(&l->before->spec, &l->before->params, spec, &l->block.params, &l->drift, e);
    mem_free(theta);
    mem_free(work);
    return code;
}

/* Some of the rows that were learned from are kept in the file, and those that it had. */
static enum err_code store_rows(struct learning *l, struct err *e)
{
    const struct labelled_rows rows = class_rows_part(&l->rows, 0, l->n_learned);
    return stored_inputs_make(&l->stored, &l->spec, &l->block.params, l->before, &rows, (size_t)l->t->n_keep,
                              (uint64_t)l->t->seed, e);
}

/* New, terminated; NULL: no memory. */
static char *copy_id(const char *id, size_t len)
{
    char *copy = mem_alloc(len + 1);
    if (copy) {
        memcpy(copy, id, len);
        copy[len] = '\0';
    }
    return copy;
}

/* The ids of the tasks before, and the new one's. */
static enum err_code write_model(struct learning *l, struct err *e)
{
    size_t n = l->spec.encoder.n_tasks;
    char **ids = mem_zalloc_array(n, sizeof *ids);
    bool ok = ids != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        size_t len = strlen(l->t->task);
        const char *id = i + 1 < n ? model_item_id(l->before, i, &len) : l->t->task;
        ids[i] = copy_id(id, len);
        ok = ids[i] != NULL;
    }
    const struct model_ids list = {(const char *const *)ids};
    enum err_code code = ok ? model_write(l->t->out, &l->spec, &l->block.params, &list, e)
                            : err_set(e, ERR_NOMEM, "no memory for the ids of %zu tasks", n);
    for (size_t i = 0; ids && i < n; i++)
        mem_free(ids[i]);
    mem_free(ids);
    return code;
}

/* ---- what is told ---- */

static void print_json(const struct learning *l)
{
    struct buf b;
    size_t n_tasks = l->spec.encoder.n_tasks, n_held = l->rows.n - l->n_learned;
    buf_init(&b, 1 << 20);
    buf_adds(&b, "{\"model\":");
    buf_add_json_string(&b, l->spec.name, strlen(l->spec.name));
    buf_adds(&b, ",\"model_version\":");
    buf_add_json_string(&b, l->spec.version, strlen(l->spec.version));
    buf_adds(&b, ",\"file\":");
    buf_add_json_string(&b, l->t->out, strlen(l->t->out));
    buf_adds(&b, ",\"task\":");
    buf_add_json_string(&b, l->t->task, strlen(l->t->task));
    buf_addf(&b, ",\"tasks\":%zu,\"classes\":%zu,\"rows\":%zu,\"held_out\":%zu,\"accuracy\":", n_tasks,
             l->rows.about.tasks[0].n, l->n_learned, n_held);
    if (n_held)
        buf_addf(&b, "%.6g", l->accuracy);
    else
        buf_adds(&b, "null");
    if (l->stored.n)
        buf_addf(&b, ",\"stored_rows\":%zu,\"told_apart\":%.6g", l->stored.n, l->stored.right);
    if (l->before)
        buf_addf(&b, ",\"frozen_same\":%s,\"largest_change\":%.6g", l->drift.frozen_same ? "true" : "false",
                 l->drift.theta_most);
    buf_addf(&b, ",\"seconds\":%.3f}", l->seconds);
    const char *text = buf_text(&b);
    (void)puts(text ? text : "{}");
    buf_fini(&b);
}

static void print_text(const struct learning *l)
{
    const struct train_inputs *t = l->t;
    size_t n_held = l->rows.n - l->n_learned, n_old = l->spec.encoder.n_tasks - 1;
    (void)printf("model '%s' version '%s' written to %s\n", l->spec.name, l->spec.version, t->out);
    (void)printf("task '%s' learned from %zu rows of %zu classes in %.1f s", t->task, l->n_learned,
                 l->rows.about.tasks[0].n, l->seconds);
    if (n_held)
        (void)printf("; of %zu rows held out %.2f %% are right", n_held, 100 * l->accuracy);
    (void)puts("");
    if (l->before)
        (void)printf("%zu task%s before: what is frozen has %s; the largest change of a weight is %.2g\n",
                     n_old, talk_s((int64_t)n_old), l->drift.frozen_same ? "the same bits" : "CHANGED",
                     l->drift.theta_most);
    if (l->stored.n)
        (void)printf(
            "%zu row%s stored in the file, %zu of this task; by the others %.2f %% of them are of their "
            "task\n",
            l->stored.n, l->stored.n == 1 ? " is" : "s are", l->stored.n_new, 100 * l->stored.right);
}

enum err_code train_inputs_run(const struct train_inputs *t, progress_fn *progress, void *arg, bool *written,
                               struct err *e)
{
    struct learning l = {.t = t};
    bool stopped = false;
    int64_t started_ns = clock_monotonic_ns();
    enum err_code code = prepare(&l, e);
    if (!code)
        code = learn(&l, progress, arg, &stopped, e);
    if (!code && !stopped)
        code = look(&l, e);
    if (!code && !stopped)
        code = store_rows(&l, e);
    if (!code && !stopped)
        code = write_model(&l, e);
    l.seconds = 1e-9 * (double)(clock_monotonic_ns() - started_ns);
    *written = !code && !stopped;
    if (*written && t->json)
        print_json(&l);
    else if (*written)
        print_text(&l);
    param_block_fini(&l.block);
    stored_inputs_fini(&l.stored);
    trained_spec_fini(&l.spec.trained);
    class_rows_fini(&l.rows);
    model_unref(l.before);
    return code;
}
