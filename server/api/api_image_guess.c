/* POST /v1/tasks/predictions of a model of images: of which task may images be? As of rows
 * (api_tasks_guess.c), page by page; they are compared by how near they are to the classes of each. */
#include "server/api/api_image.h"

#include "base/limits.h"
#include "server/api/batch.h"
#include "server/api/guess_body.h"
#include "server/api/image_known.h"
#include "server/http/problem_list.h"
#include "server/serving/image_guess.h"

#include <string.h>

struct asking {
    struct api_thread *t;
    struct request *r;
    struct batch b;
    struct image_room *room;
    const json_t *images;
    real *features; /* (n, F) of the guess */
    struct image_guess guess;
    struct buf out; /* the tasks */
    size_t n;
};

/* Of a struct asking. */
static bool write_task(void *arg, const struct image_guessed *task)
{
    struct asking *a = arg;
    struct request *r = a->r;
    size_t f = a->room->context.d_features;
    double *probabilities = batch_alloc(r, &a->b, task->layer->n_classes, sizeof *probabilities);
    if (!probabilities)
        return false;
    buf_adds(&a->out, a->n++ ? ",{\"task\":" : "{\"task\":");
    buf_add_json_string(&a->out, task->id.data, task->id.len);
    buf_addf(&a->out, ",\"score\":%.9g,\"context_revision\":%lld,\"source\":\"rows\",\"known\":%zu",
             task->score, (long long)task->revision, task->layer->n_known);
    buf_adds(&a->out, ",\"predictions\":[");
    for (size_t i = 0; i < a->guess.n; i++) {
        struct image_answer answer;
        if (!image_layer_answer(&a->room->view, task->layer, a->features + i * f, probabilities, &answer)) {
            struct json_place at = json_place_root(), place = image_known_place(&at, "images", i, NULL);
            problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "the answer of task '%.*s' is not finite",
                           (int)task->id.len, task->id.data);
            return false;
        }
        if (i)
            buf_addc(&a->out, ',');
        api_image_write_answer(task->layer, probabilities, &answer, &a->out);
    }
    buf_adds(&a->out, "]}");
    return true;
}

/* ---- the body ---- */

static bool read_features(struct asking *a, const struct json_place *at)
{
    size_t f = a->room->context.d_features;
    bool ok = true;
    a->guess.n = json_array_size(a->images);
    a->features = batch_alloc(a->r, &a->b, a->guess.n, f * sizeof *a->features);
    for (size_t i = 0; i < a->guess.n && a->features && !a->r->status; i++) {
        a->b.faults.part = i;
        ok = image_known_features(a->r, a->room, json_array_get(a->images, i), at, i) && ok;
        memcpy(a->features + i * f, a->room->features, f * sizeof *a->features);
    }
    a->guess.features = a->features;
    return ok && a->features;
}

/* False: refused, in the answer or among the faults. */
static bool read_body(struct asking *a, const json_t *root)
{
    static const char *const keys[] = {"images", "candidates", "after", "limit", NULL};
    struct json_place at = json_place_root(), images = json_place_key(&at, "images");
    bool ok = json_body_object(a->r, root, &at, keys);
    if (!json_is_object(root))
        return false;
    if (!json_body_array(a->r, root, "images", &at, LIMIT_TASK_GUESS_ROWS, true, &a->images))
        return false;
    if (json_array_size(a->images) == 0) {
        problem_answer(a->r, PROBLEM_INVALID_VALUE, images.text, "at least one image tells tasks apart");
        return false;
    }
    ok = guess_body_read(a->r, root, &at, &a->guess.among) && ok;
    return read_features(a, &at) && ok && !a->r->status;
}

/* ---- the answer ---- */

static void write_answer(struct asking *a, const struct model_spec *spec)
{
    struct err e = {0};
    if (buf_check(&a->out, "the answer", &e)) {
        api_fail(a->t, a->r, &e);
        return;
    }
    struct buf *out = request_answer(a->r, 200, request_json);
    guess_body_head(out, spec, "novelty", &a->guess.among);
    buf_adds(out, ",\"prior_score\":null,\"tasks\":[");
    buf_add(out, a->out.data, a->out.len);
    buf_adds(out, "]}");
}

static void answer(struct asking *a, struct model_handle *handle, const json_t *root)
{
    struct err e = {0};
    enum err_code code = ERR_OK;
    bool ok = false;
    batch_init(a->r, &a->b, false);
    if (read_body(a, root) && !a->b.faults.n) {
        a->guess.among.until_ns = guess_body_until();
        code = image_guess_run(&a->t->session, handle, &a->guess, &ok, &e);
    }
    a->r->faults = NULL;
    if (code)
        api_fail(a->t, a->r, &e);
    else if (a->b.faults.n && !a->r->status)
        problem_answer_list(a->r, &a->b.faults, NULL);
    else if (!a->r->status)
        write_answer(a, &handle->model->spec);
    batch_fini(a->r, &a->b);
}

void api_image_guess_post(struct api_thread *t, struct request *r, struct model_handle *handle)
{
    struct asking a = {.t = t, .r = r};
    struct err e = {0};
    a.guess.found = write_task;
    a.guess.arg = &a;
    if (model_handle_images(handle, &a.room, &e)) {
        problem_answer_err(r, &e);
        return;
    }
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root)
        return;
    buf_init(&a.out, LIMIT_RESPONSE_BYTES);
    answer(&a, handle, root);
    buf_fini(&a.out);
    json_decref(root);
}
