/* What images are of: POST /v1/tasks/{task}/predictions and POST /v1/predictions, of a model of images. */
#include "server/api/api_image.h"

#include "base/limits.h"
#include "server/api/batch.h"
#include "server/api/image_known.h"
#include "server/api/json_body.h"
#include "server/api/task_body.h"
#include "server/http/problem.h"
#include "server/http/problem_list.h"
#include "server/serving/task_weights.h"

#include <string.h>

/* Of images, and of a body with them, which a PNG may have more of than numbers; beyond either the call
 * goes to a worker. */
enum { MAX_NUMBERS_AT_ONCE = 8 * 28 * 28, MAX_BYTES_AT_ONCE = 4 * MAX_NUMBERS_AT_ONCE };

json_t *api_image_read(struct request *r, struct api_plan *plan)
{
    static const char *const keys[] = {"images", "support", NULL};
    struct json_place at = json_place_root();
    const json_t *images = NULL;
    bool ignored; /* images have no categories; what is no value is told all the same */
    if (!task_body_unknown_param(r, &ignored))
        return NULL;
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root)
        return NULL;
    (void)(json_body_object(r, root, &at, keys) && image_known_images(r, root, &at, &images));
    const json_t *support = json_object_get(root, "support");
    size_t n = json_array_size(images) + json_array_size(json_object_get(support, "images"));
    plan->needs_no_weights = support != NULL;
    plan->takes_long =
        n * plan->handle->model->spec.d_item > MAX_NUMBERS_AT_ONCE || r->body.len > MAX_BYTES_AT_ONCE;
    return root;
}

/* The layer of the images that the call says are known. */
static bool solve_support(struct image_known *k, const json_t *support, struct image_layer *out)
{
    struct json_place at = json_place_root();
    struct err e = {0};
    enum err_code code = ERR_OK;
    at = json_place_key(&at, "support");
    if (!image_known_read(k, support, &at) || !image_known_two_classes(k, &at))
        return false;
    image_context_clear(&k->room->context);
    for (size_t i = 0; i < k->n && !code; i++)
        code = image_context_add(&k->room->context, k->list[i].class, k->list[i].features, &e);
    if (!code)
        code = image_room_own_layer(k->room, out, &e);
    if (code)
        problem_answer_err(k->r, &e);
    return code == ERR_OK;
}

void api_image_write_answer(const struct image_layer *l, const double *probabilities,
                            const struct image_answer *a, struct buf *out)
{
    struct text best = image_layer_name(l, a->best);
    buf_adds(out, "{\"class\":");
    buf_add_json_string(out, best.data, best.len);
    buf_adds(out, ",\"probabilities\":{");
    for (size_t k = 0; k < l->n_classes; k++) {
        struct text name = image_layer_name(l, k);
        if (k)
            buf_addc(out, ',');
        buf_add_json_string(out, name.data, name.len);
        buf_addf(out, ":%.6g", probabilities[k]);
    }
    buf_addf(out, "},\"entropy\":%.6g,\"novelty\":%.6g}", a->entropy, a->novelty);
}

static void write_head(const struct api_plan *plan, const struct image_layer *l, struct buf *out)
{
    const struct model_spec *spec = &plan->handle->model->spec;
    buf_adds(out, "{\"task\":");
    buf_add_json_string(out, plan->user.data, plan->user.len);
    buf_adds(out, ",\"model\":");
    buf_add_json_string(out, spec->name, strlen(spec->name));
    buf_adds(out, ",\"model_version\":");
    buf_add_json_string(out, spec->version, strlen(spec->version));
    buf_adds(out, ",\"context_revision\":");
    if (plan->weights)
        buf_add_int(out, plan->weights->revision);
    else
        buf_adds(out, "null");
    buf_addf(out, ",\"source\":\"%s\",\"known\":%zu,\"predictions\":[", plan->weights ? "rows" : "support",
             l->n_known);
}

/* Appends what the layer says of the images at a place; what is wrong with one is told. */
static void write_answers(struct image_known *k, const struct image_layer *l, const json_t *images,
                          const struct json_place *at, struct buf *out)
{
    struct request *r = k->r;
    double *probabilities = batch_alloc(r, k->b, l->n_classes, sizeof *probabilities);
    if (!probabilities)
        return;
    for (size_t i = 0; i < json_array_size(images) && !r->status; i++) {
        struct image_answer a;
        if (!k->parts_are_tasks)
            k->b->faults.part = i;
        if (!image_known_features(r, k->room, json_array_get(images, i), at, i))
            continue;
        if (!image_layer_answer(&k->room->view, l, k->room->features, probabilities, &a)) {
            struct json_place place = image_known_place(at, "images", i, NULL);
            problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "the model's answer is not finite");
            continue;
        }
        if (i)
            buf_addc(out, ',');
        api_image_write_answer(l, probabilities, &a, out);
    }
}

/* All images, or none: what was written of the others goes when one is refused. */
static void answer_images(struct image_known *k, const struct api_plan *plan, const struct image_layer *l,
                          const json_t *images)
{
    struct request *r = k->r;
    struct json_place at = json_place_root();
    struct err e = {0};
    struct buf answers;
    buf_init(&answers, LIMIT_RESPONSE_BYTES);
    write_answers(k, l, images, &at, &answers);
    if (buf_check(&answers, "the answer", &e)) {
        r->faults = NULL;
        problem_answer_err(r, &e);
    }
    if (!r->status && !k->b->faults.n) {
        r->faults = NULL;
        struct buf *out = request_answer(r, 200, request_json);
        write_head(plan, l, out);
        buf_add(out, answers.data, answers.len);
        buf_adds(out, "]}");
    }
    buf_fini(&answers);
}

void api_image_predict(struct api_thread *t, struct request *r, const struct api_plan *plan,
                       const json_t *document)
{
    struct batch b;
    struct image_known k = {.r = r, .b = &b};
    struct image_layer layer;
    struct err e = {0};
    const json_t *support = json_object_get(document, "support");
    (void)t;
    if (model_handle_images(plan->handle, &k.room, &e)) {
        problem_answer_err(r, &e);
        return;
    }
    batch_init(r, &b, false);
    if (!support)
        image_layer_read(&k.room->view, plan->weights->theta, &layer);
    if (!support || solve_support(&k, support, &layer))
        answer_images(&k, plan, &layer, json_object_get(document, "images"));
    if (!r->status && b.faults.n)
        problem_answer_list(r, &b.faults, NULL);
    batch_fini(r, &b);
}

/* ---- many tasks ---- */

/* A call, and the task of it that is worked on. */
struct many {
    struct api_thread *t;
    struct model_handle *handle;
    struct image_known k;
    struct batch b;
    struct json_place at;
    struct text id;
    const json_t *images;
    bool null_for_unknown;
    size_t number, n_unknown;
    struct buf out;
};

static bool read_asked(struct many *m, const json_t *value)
{
    static const char *const keys[] = {"id", "images", NULL};
    struct request *r = m->k.r;
    bool ok = json_body_object(r, value, &m->at, keys);
    if (!json_is_object(value))
        return false;
    ok = json_body_id(r, value, "id", "task", &m->at, &m->id) && ok;
    ok = image_known_images(r, value, &m->at, &m->images) && ok;
    m->k.n_all += json_array_size(m->images);
    return m->k.n_all <= LIMIT_TASK_ROWS_PER_CALL ? ok : image_known_too_many(r, &m->at, m->k.n_all);
}

/* The weights of the task; NULL: it is not known, which is told unless null is to stand for it. */
static struct weights *find_task(struct many *m)
{
    struct json_place at = json_place_key(&m->at, "id");
    struct request *r = m->k.r;
    struct weights *w = NULL;
    struct err e = {0};
    bool hit;
    enum err_code code =
        task_weights_acquire(&m->t->session, m->handle, WEIGHTS_OF_TASK, m->id, &w, &hit, &e);
    if (!code)
        return w;
    if (code == ERR_NOTFOUND && m->null_for_unknown)
        return NULL;
    if (code == ERR_NOTFOUND)
        problem_answer(r, PROBLEM_UNKNOWN_TASK, at.text, "%s", e.text);
    else if (code == ERR_CONFLICT)
        problem_answer(r, PROBLEM_OTHER_MODEL, at.text, "%s", e.text);
    else if (code == ERR_INVALID)
        problem_answer(r, PROBLEM_INVALID_VALUE, at.text, "%s", e.text);
    else
        api_fail(m->t, r, &e);
    return NULL;
}

static void answer_task(struct many *m, const json_t *value)
{
    struct image_layer l;
    if (!read_asked(m, value) || m->k.r->status)
        return;
    size_t n_faults = m->b.faults.n;
    struct weights *w = find_task(m);
    if (m->k.r->status || m->b.faults.n > n_faults)
        return;
    m->n_unknown += !w;
    buf_adds(&m->out, m->number ? ",{\"task\":" : "{\"task\":");
    buf_add_json_string(&m->out, m->id.data, m->id.len);
    if (!w) {
        buf_adds(&m->out, ",\"context_revision\":null,\"predictions\":null}");
        return;
    }
    image_layer_read(&m->k.room->view, w->theta, &l);
    buf_addf(&m->out, ",\"context_revision\":%lld,\"source\":\"rows\",\"known\":%zu,\"predictions\":[",
             (long long)w->revision, l.n_known);
    write_answers(&m->k, &l, m->images, &m->at, &m->out);
    buf_adds(&m->out, "]}");
    weights_unref(w);
}

static void answer_tasks(struct many *m, const json_t *root)
{
    static const char *const keys[] = {"tasks", NULL};
    struct request *r = m->k.r;
    struct json_place at = json_place_root(), list = json_place_key(&at, "tasks");
    const json_t *tasks;
    (void)json_body_object(r, root, &at, keys); /* faults say it */
    if (!json_is_object(root) || !json_body_array(r, root, "tasks", &at, LIMIT_PREDICTION_ROWS, true, &tasks))
        return;
    for (m->number = 0; m->number < json_array_size(tasks) && !r->status; m->number++) {
        m->at = json_place_index(&list, m->number);
        m->b.faults.part = m->number + 1;
        answer_task(m, json_array_get(tasks, m->number));
    }
}

static void write_many(struct many *m)
{
    const struct model_spec *spec = &m->handle->model->spec;
    struct request *r = m->k.r;
    struct err e = {0};
    r->faults = NULL;
    if (buf_check(&m->out, "the answer", &e)) {
        problem_answer_err(r, &e);
        return;
    }
    struct buf *out = request_answer(r, 200, request_json);
    buf_adds(out, "{\"model\":");
    buf_add_json_string(out, spec->name, strlen(spec->name));
    buf_adds(out, ",\"model_version\":");
    buf_add_json_string(out, spec->version, strlen(spec->version));
    if (m->null_for_unknown)
        buf_addf(out, ",\"unknown\":%zu", m->n_unknown);
    buf_adds(out, ",\"tasks\":[");
    buf_add(out, m->out.data, m->out.len);
    buf_adds(out, "]}");
}

void api_image_predict_many(struct api_thread *t, struct request *r, struct model_handle *handle)
{
    struct many m = {.t = t, .handle = handle, .k = {.r = r, .parts_are_tasks = true}};
    struct err e = {0};
    bool ignored; /* images have no categories, and no task is answered cold; what is no value is told */
    m.k.b = &m.b;
    if (!api_bool_param(r, "cold_start", &ignored) || !api_unknown_param(r, &m.null_for_unknown) ||
        !task_body_unknown_param(r, &ignored))
        return;
    if (model_handle_images(handle, &m.k.room, &e)) {
        problem_answer_err(r, &e);
        return;
    }
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root)
        return;
    batch_init(r, &m.b, false);
    buf_init(&m.out, LIMIT_RESPONSE_BYTES);
    answer_tasks(&m, root);
    if (!r->status && m.b.faults.n)
        problem_answer_list(r, &m.b.faults, NULL);
    else if (!r->status)
        write_many(&m);
    buf_fini(&m.out);
    batch_fini(r, &m.b);
    json_decref(root);
}
