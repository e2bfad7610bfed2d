/* POST /v1/tasks/{task}/predictions: rows of a task, answered by what is known of it or by what is said of
 * it in the call. */
#include "server/api/api.h"

#include "server/api/task_body.h"
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
    struct task_plan *plan = api_plan_new(t, r, API_PLAN_TASK, sizeof *plan, sizeof *plan, end_plan);
    if (!plan || !task_body_read(r, &plan->body))
        return;
    const struct task_query *q = &plan->body.query;
    plan->of.needs_no_weights = q->support.rows != NULL;
    plan->of.takes_long =
        json_array_size(q->asked.rows) * (plan->of.handle->model->spec.d_output + q->n_samples) +
            json_array_size(q->support.rows) >
        MAX_ROWS_AT_ONCE;
    if (q->n_samples && plan->of.handle->model->spec.task.n_classes)
        problem_answer(r, PROBLEM_INVALID_VALUE, "/samples",
                       "the model predicts classes; samples are of numbers");
}

/* What answers: solved from the support, or what the cache has. False: not to be had, since something is
 * wrong with the body. */
static enum err_code find_state(struct task_room *room, const struct task_plan *plan,
                                struct task_state *state, bool *ok, struct err *e)
{
    const struct task_query *q = &plan->body.query;
    if (q->support.rows)
        return task_query_solve(room, q, state, ok, e);
    *ok = true;
    task_weights_state(plan->of.handle->model, plan->of.weights, state);
    task_query_state(room, q, state, ok);
    return ERR_OK;
}

static enum err_code answer_rows(struct task_room *room, const struct task_plan *plan,
                                 struct task_state *state, bool *ok, struct err *e)
{
    bool rows_ok = true;
    enum err_code code = find_state(room, plan, state, ok, e);
    if (!code)
        code = task_query_run(room, &plan->body.query, *ok ? state : NULL, &rows_ok, e);
    *ok = *ok && rows_ok;
    return code;
}

static void write_answer(struct request *r, const struct task_room *room, const struct task_plan *plan,
                         const struct task_state *state)
{
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
    buf_addf(out, ",\"source\":\"%s\",\"known\":%zu,\"predictions\":", task_source_name(state->source),
             state->n_known);
    task_query_write(room, &plan->body.query, out);
    buf_addc(out, '}');
}

void api_task_predict_post(struct api_thread *t, struct request *r)
{
    const struct task_plan *plan = r->plan;
    struct problem_list faults;
    struct task_room *room;
    struct task_state state;
    struct err e = {0};
    bool ok = true;
    enum err_code code = model_handle_room(plan->of.handle, &room, &e);
    problem_list_init(&faults, PROBLEM_LIST_MOST);
    r->faults = &faults;
    if (!code)
        code = answer_rows(room, plan, &state, &ok, &e);
    r->faults = NULL;
    if (code)
        api_fail(t, r, &e);
    else if (!ok)
        problem_answer_list(r, &faults, NULL);
    else
        write_answer(r, room, plan, &state);
    problem_list_fini(&faults);
}
