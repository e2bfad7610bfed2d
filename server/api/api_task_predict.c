/* POST /v1/tasks/{task}/predictions: rows of a task, answered by what is known of it or by what is said of
 * it in the call. */
#include "server/api/api.h"

#include "server/api/api_image.h"
#include "server/api/blended_tasks.h"
#include "server/api/task_body.h"
#include "server/api/task_told.h"
#include "server/http/problem.h"
#include "server/http/problem_list.h"
#include "server/serving/task_weights.h"

#include <string.h>

/* Beyond this many rows, known and asked together, the call goes to a worker. */
enum { MAX_ROWS_AT_ONCE = 128 };

struct task_plan {
    struct api_plan of;
    struct task_body body;
};

static void end_plan(void *plan)
{
    struct task_plan *p = plan;
    task_body_fini(&p->body);
    api_plan_end(plan);
}

void api_task_predict_plan(struct api_thread *t, struct request *r)
{
    if (api_trained_model(t, r)) {
        api_trained_predict_plan(t, r);
        return;
    }
    struct task_plan *plan = api_plan_new(t, r, API_PLAN_TASK, sizeof *plan, sizeof *plan, end_plan);
    if (plan && api_image_model(plan->of.handle)) {
        plan->body.document = api_image_read(r, &plan->of);
        return;
    }
    if (!plan || !task_body_read(r, &plan->body))
        return;
    const struct task_query *q = &plan->body.query;
    plan->of.needs_no_weights = q->support.rows || plan->body.contexts;
    plan->of.takes_long =
        plan->body.contexts || /* some of which are not cached */
        json_array_size(q->asked.rows) * (plan->of.handle->model->spec.d_output + q->n_samples) +
                json_array_size(q->support.rows) >
            MAX_ROWS_AT_ONCE;
    if (q->n_samples && plan->of.handle->model->spec.task.n_classes)
        problem_answer(r, PROBLEM_INVALID_VALUE, "/samples",
                       "the model predicts classes; samples are of numbers");
}

/* An answer in the making. */
struct answer {
    struct task_room *room;
    struct task_state state;
    struct blended_tasks blended; /* of contexts */
};

/* What answers: solved from the support, blended from the contexts, or what the cache has. *ok false: not
 * to be had, since something is wrong with the body. */
static enum err_code find_state(struct api_thread *t, struct request *r, const struct task_plan *plan,
                                struct answer *a, bool *ok, struct err *e)
{
    const struct task_query *q = &plan->body.query;
    const struct json_place root = json_place_root();
    const struct blend_asked blend = {plan->body.contexts, &root, plan->of.cold_start, false};
    enum err_code code = ERR_OK;
    if (q->support.rows)
        return task_query_solve(a->room, q, &a->state, ok, e);
    *ok = true;
    if (plan->body.contexts)
        code = blended_tasks_make(t, r, plan->of.handle, &blend, &a->blended, &a->state, ok, e);
    else
        task_weights_state(plan->of.handle->model, plan->of.weights, &a->state);
    if (!code && *ok)
        task_query_state(a->room, q, &a->state, ok);
    return code;
}

static enum err_code answer_rows(struct api_thread *t, struct request *r, const struct task_plan *plan,
                                 struct answer *a, bool *ok, struct err *e)
{
    bool rows_ok = true;
    enum err_code code = find_state(t, r, plan, a, ok, e);
    if (!code && (*ok || !plan->body.contexts)) /* what rows may leave out is by whose profile it is */
        code = task_query_run(a->room, &plan->body.query, *ok ? &a->state : NULL, &rows_ok, e);
    *ok = *ok && rows_ok;
    return code;
}

static void write_answer(struct request *r, const struct task_plan *plan, const struct answer *a)
{
    const struct task_room *room = a->room;
    const struct task_state *state = &a->state;
    const struct model_spec *spec = &room->model->spec;
    struct buf *out = request_answer(r, 200, request_json);
    buf_adds(out, "{\"task\":");
    buf_add_json_string(out, plan->of.user.data, plan->of.user.len);
    buf_adds(out, ",\"model\":");
    buf_add_json_string(out, spec->name, strlen(spec->name));
    buf_adds(out, ",\"model_version\":");
    buf_add_json_string(out, spec->version, strlen(spec->version));
    buf_adds(out, ",\"context_revision\":");
    if (plan->of.weights && !plan->of.cold)
        buf_add_int(out, plan->of.weights->revision);
    else
        buf_adds(out, plan->of.cold ? "null,\"cold\":true" : "null");
    buf_addf(out, ",\"source\":\"%s\",\"known\":%zu", task_source_name(state->source), state->n_known);
    if (plan->body.contexts) {
        buf_adds(out, ",\"contexts\":");
        blended_tasks_write(&a->blended, out);
    }
    task_told_waiting(state->waits, out);
    buf_adds(out, ",\"predictions\":");
    task_query_write(room, &plan->body.query, out);
    buf_addc(out, '}');
}

void api_task_predict_post(struct api_thread *t, struct request *r)
{
    const struct task_plan *plan = r->plan;
    if (served_model_kind(plan->of.served) == MODEL_OF_TRAINED) {
        api_trained_predict(t, r);
        return;
    }
    struct problem_list faults;
    struct answer answer;
    struct err e = {0};
    bool ok = true;
    if (api_image_model(plan->of.handle)) {
        api_image_predict(t, r, &plan->of, plan->body.document);
        return;
    }
    enum err_code code = model_handle_room(plan->of.handle, &answer.room, &e);
    problem_list_init(&faults, PROBLEM_LIST_MOST);
    r->faults = &faults;
    if (!code)
        code = answer_rows(t, r, plan, &answer, &ok, &e);
    r->faults = NULL;
    if (code)
        api_fail(t, r, &e);
    else if (!ok)
        problem_answer_list(r, &faults, NULL);
    else
        write_answer(r, plan, &answer);
    problem_list_fini(&faults);
}
