/* Calls for tasks of a model that learned them one after the other: predictions of inputs, what is known of a
 * task, its network as a file. Nothing of it is in the store. */
#include "server/api/api_trained.h"

#include "base/limits.h"
#include "engine/format/model_write.h"
#include "engine/network/trained_task.h"
#include "server/api/json_body.h"
#include "server/http/problem_list.h"
#include "server/serving/task_weights.h"

#include <stdio.h>
#include <string.h>

/* Beyond so many products the call goes to a worker. */
enum { MAX_PRODUCTS_AT_ONCE = 4000000 };

struct trained_plan {
    struct api_plan of;
    json_t *document;
    const json_t *inputs;
};

static void end_plan(void *plan)
{
    struct trained_plan *p = plan;
    json_decref(p->document);
    api_plan_end(plan);
}

/* ---- inputs ---- */

static void tell(void *arg, size_t input, const char *text)
{
    struct request *r = arg;
    struct json_place at = json_place_root();
    at = json_place_key(&at, "inputs");
    at = json_place_index(&at, input);
    problem_answer(r, PROBLEM_INVALID_VALUE, at.text, "%s", text);
}

bool api_trained_read(struct api_thread *t, struct request *r, struct trained_room *room,
                      const json_t *inputs)
{
    struct problem_list faults;
    struct err e = {0};
    bool ok;
    problem_list_init(&faults, PROBLEM_LIST_MOST);
    r->faults = &faults;
    enum err_code code = trained_room_read(room, inputs, tell, r, &ok, &e);
    r->faults = NULL;
    if (code)
        api_fail(t, r, &e);
    else if (!ok)
        problem_answer_list(r, &faults, NULL);
    problem_list_fini(&faults);
    return ok;
}

bool api_trained_answer(struct request *r, struct trained_room *room, size_t task, const real *theta)
{
    size_t input = trained_room_answer(room, task, theta);
    if (input < room->n)
        tell(r, input, "the model's answer is not finite");
    return input == room->n;
}

void api_trained_begin(struct buf *out, const struct model_spec *spec)
{
    buf_adds(out, "\"model\":");
    buf_add_json_string(out, spec->name, strlen(spec->name));
    buf_adds(out, ",\"model_version\":");
    buf_add_json_string(out, spec->version, strlen(spec->version));
}

/* ---- predictions ---- */

void api_trained_predict_plan(struct api_thread *t, struct request *r)
{
    static const char *const keys[] = {"inputs", NULL};
    struct json_place at = json_place_root();
    struct trained_plan *plan = api_plan_new(t, r, API_PLAN_TRAINED, sizeof *plan, sizeof *plan, end_plan);
    if (!plan)
        return;
    plan->document = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!plan->document || !json_body_object(r, plan->document, &at, keys) ||
        !json_body_array(r, plan->document, "inputs", &at, LIMIT_TASK_ROWS_ASKED, true, &plan->inputs))
        return;
    size_t products = json_array_size(plan->inputs) * plan->of.handle->model->spec.d_item;
    const struct model_spec *spec = &plan->of.handle->model->spec;
    for (size_t i = 0; i < spec->n_layers; i++)
        products += json_array_size(plan->inputs) * spec->layers[i].d_in * spec->layers[i].d_out;
    plan->of.takes_long = products > MAX_PRODUCTS_AT_ONCE;
}

static void write_predictions(struct request *r, const struct trained_plan *plan,
                              const struct trained_room *room, size_t task)
{
    struct buf *out = request_answer(r, 200, request_json);
    buf_adds(out, "{\"task\":");
    buf_add_json_string(out, plan->of.user.data, plan->of.user.len);
    buf_addc(out, ',');
    api_trained_begin(out, &plan->of.handle->model->spec);
    buf_adds(out, ",\"context_revision\":null,\"source\":\"trained\",\"predictions\":");
    trained_room_write(room, task, out);
    buf_addc(out, '}');
}

void api_trained_predict(struct api_thread *t, struct request *r)
{
    const struct trained_plan *plan = r->plan;
    const struct model *m = plan->of.handle->model;
    struct trained_room *room;
    struct err e = {0};
    size_t task = (size_t)model_item_index(m, plan->of.user.data, plan->of.user.len); /* there are weights */
    if (model_handle_trained(plan->of.handle, &room, &e)) {
        api_fail(t, r, &e);
        return;
    }
    if (api_trained_read(t, r, room, plan->inputs) &&
        api_trained_answer(r, room, task, plan->of.weights->theta))
        write_predictions(r, plan, room, task);
    trained_room_rest(room);
}

/* ---- what is known ---- */

/* The number of the task that the path names. False: answered. */
static bool find_task(struct request *r, const struct model *m, struct text *id, size_t *task)
{
    if (!api_task_id(r, 2, id))
        return false;
    long number = model_item_index(m, id->data, id->len);
    *task = (size_t)number;
    if (number >= 0)
        return true;
    problem_answer(r, PROBLEM_UNKNOWN_TASK, NULL,
                   "the model has learned no task '%.*s'; GET /v1/models lists those that it has",
                   (int)id->len, id->data);
    return false;
}

void api_trained_get(struct api_thread *t, struct request *r, struct model_handle *handle)
{
    struct text id;
    size_t task;
    (void)t;
    if (!find_task(r, handle->model, &id, &task))
        return;
    const struct trained_spec *about = &handle->model->spec.trained;
    struct buf *out = request_answer(r, 200, request_json);
    buf_adds(out, "{\"task\":");
    buf_add_json_string(out, id.data, id.len);
    buf_addc(out, ',');
    api_trained_begin(out, &handle->model->spec);
    buf_addf(out, ",\"source\":\"trained\",\"learned\":%zu,\"classes\":[", task + 1);
    for (size_t k = 0; k < about->tasks[task].n; k++) {
        const char *name = about->tasks[task].names[k];
        buf_adds(out, k ? "," : "");
        buf_add_json_string(out, name, strlen(name));
    }
    buf_adds(out, "],\"shape\":[");
    for (size_t i = 0; i < about->n_dims; i++)
        buf_addf(out, i ? ",%zu" : "%zu", about->dims[i]);
    buf_addf(out, "],\"unit\":%.9g}", about->unit);
}

void api_trained_weights_get(struct api_thread *t, struct request *r, struct model_handle *handle)
{
    struct text id;
    size_t task;
    struct weights *w = NULL;
    struct err e = {0};
    bool hit;
    const struct model *m = handle->model;
    if (!find_task(r, m, &id, &task))
        return;
    enum err_code code = task_weights_acquire(&t->session, handle, WEIGHTS_OF_TASK, id, &w, &hit, &e);
    if (!code) {
        struct model_spec spec;
        struct model_params params;
        char name[LIMIT_ID_BYTES + 1];
        const char *ids[] = {name};
        memcpy(name, id.data, id.len);
        name[id.len] = '\0';
        trained_task_alone(&m->spec, &m->params, task, w->theta, &spec, &params);
        code = model_write_buf(request_answer(r, 200, request_bytes), &spec, &params,
                               &(const struct model_ids){ids}, &e);
    }
    weights_unref(w);
    if (code)
        api_fail(t, r, &e);
}
