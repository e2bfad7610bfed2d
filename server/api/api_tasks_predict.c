/* POST /v1/predictions: rows of many tasks in one call. A worker has it from the start: some of the tasks
 * are not cached. Each is answered as it would be alone; what is wrong anywhere is the answer for all. */
#include "server/api/api.h"

#include "base/limits.h"
#include "server/api/api_image.h"
#include "server/api/blended_tasks.h"
#include "server/api/json_body.h"
#include "server/api/task_body.h"
#include "server/api/task_told.h"
#include "server/http/problem_list.h"
#include "server/serving/task_weights.h"

#include <string.h>

/* A call, and the task of it that is worked on. */
struct many {
    struct api_thread *t;
    struct request *r;
    struct model_handle *handle;
    struct task_room *room;
    struct task_query query; /* its options, and the rows of the task */
    bool cold_start, null_for_unknown;
    struct json_place at; /* of the task */
    struct text id;
    const json_t *contexts;            /* that are to be blended for it; NULL: it is answered as itself */
    size_t number, n_rows, n_contexts; /* of the task; of all tasks up to it */
    size_t n_unknown;
    struct buf *out;
};

/* What answers a task. */
struct state_of {
    struct task_state state;
    struct weights *weights;      /* a reference; NULL: a blend */
    struct blended_tasks blended; /* of contexts */
    bool cold, unknown;
};

/* Of a struct task_query. */
static void tell(void *arg, enum task_part part, size_t row, const char *column, const char *text)
{
    const struct many *m = arg;
    (void)part; /* rows alone are asked for */
    struct json_place at = task_body_place(&m->at, &m->query.asked, row, column);
    problem_answer(m->r, PROBLEM_INVALID_VALUE, at.text, "%s", text);
}

static bool read_contexts(struct many *m, const json_t *value)
{
    struct json_place place = json_place_key(&m->at, "contexts");
    if (!blended_tasks_read(m->r, value, &m->at, &m->contexts))
        return false;
    m->n_contexts += json_array_size(m->contexts);
    if (m->n_contexts <= LIMIT_BLENDS_PER_CALL)
        return true;
    problem_answer(m->r, PROBLEM_INVALID_VALUE, place.text, "%zu contexts up to here; at most %d in one call",
                   m->n_contexts, LIMIT_BLENDS_PER_CALL);
    return false;
}

/* The rows of one task; false: refused. */
static bool read_task(struct many *m, const json_t *value)
{
    static const char *const keys[] = {"id", "rows", "columns", "contexts", NULL};
    bool ok = json_body_object(m->r, value, &m->at, keys);
    if (!json_is_object(value))
        return false;
    ok = json_body_id(m->r, value, "id", "task", &m->at, &m->id) && ok;
    ok = read_contexts(m, value) && ok;
    ok = task_body_rows(m->r, value, &m->at, LIMIT_PREDICTION_ROWS - m->n_rows, &m->query.asked) && ok;
    m->n_rows += json_array_size(m->query.asked.rows);
    return ok;
}

/* The task's own weights, or the prior's. */
static enum err_code find_weights(struct many *m, struct state_of *out, struct err *e)
{
    struct err why = {0};
    bool hit;
    enum err_code code =
        task_weights_acquire(&m->t->session, m->handle, WEIGHTS_OF_TASK, m->id, &out->weights, &hit, &why);
    out->cold = code == ERR_NOTFOUND && m->cold_start;
    if (out->cold)
        code = task_weights_acquire(&m->t->session, m->handle, WEIGHTS_OF_PRIOR, (struct text){NULL, 0},
                                    &out->weights, &hit, e);
    else if (code)
        (void)err_copy(e, &why);
    if (!code)
        task_weights_state(m->handle->model, out->weights, &out->state);
    return code;
}

/* False: refused, in the answer or among the faults. */
static bool find_state(struct many *m, struct state_of *out)
{
    const struct blend_asked blend = {m->contexts, &m->at, m->cold_start, m->null_for_unknown};
    struct json_place at = json_place_key(&m->at, "id");
    struct err e = {0};
    bool ok = true;
    *out = (struct state_of){.weights = NULL};
    enum err_code code =
        m->contexts ? blended_tasks_make(m->t, m->r, m->handle, &blend, &out->blended, &out->state, &ok, &e)
                    : find_weights(m, out, &e);
    out->unknown = m->null_for_unknown && (code == ERR_NOTFOUND || (!code && !ok));
    m->n_unknown += out->unknown;
    if (out->unknown)
        return true;
    if (code == ERR_NOTFOUND)
        problem_answer(m->r, PROBLEM_UNKNOWN_TASK, at.text, "%s", e.text);
    else if (code)
        api_fail(m->t, m->r, &e);
    return !code && ok;
}

static void write_task(struct many *m, const struct state_of *s)
{
    buf_adds(m->out, m->number ? ",{\"task\":" : "{\"task\":");
    buf_add_json_string(m->out, m->id.data, m->id.len);
    buf_adds(m->out, ",\"context_revision\":");
    if (s->weights && !s->cold)
        buf_add_int(m->out, s->weights->revision);
    else
        buf_adds(m->out, s->cold ? "null,\"cold\":true" : "null");
    if (s->unknown) {
        buf_adds(m->out, ",\"predictions\":null}");
        return;
    }
    buf_addf(m->out, ",\"source\":\"%s\",\"known\":%zu", task_source_name(s->state.source), s->state.n_known);
    if (m->contexts) {
        buf_adds(m->out, ",\"contexts\":");
        blended_tasks_write(&s->blended, m->out);
    }
    task_told_waiting(s->state.waits, m->out);
    buf_adds(m->out, ",\"predictions\":");
    task_query_write(m->room, &m->query, m->out);
    buf_addc(m->out, '}');
}

/* Answers one task behind those before it. False: answered with a failure. */
static bool answer_task(struct many *m, const json_t *value)
{
    struct state_of found;
    struct err e = {0};
    bool ok = true;
    m->query.asked = (struct task_list){0};
    if (!read_task(m, value) || !find_state(m, &found))
        return !m->r->status;
    enum err_code code = found.unknown ? ERR_OK : task_query_run(m->room, &m->query, &found.state, &ok, &e);
    if (code)
        api_fail(m->t, m->r, &e);
    else if (!m->r->faults->n)
        write_task(m, &found);
    weights_unref(found.weights);
    return !m->r->status;
}

/* False: answered with a refusal, or there are faults. */
static bool answer_tasks(struct many *m, const json_t *root)
{
    static const char *const keys[] = {"tasks", "interval", "clamp", "uncertainty", "unknown_category", NULL};
    struct json_place at = json_place_root(), list = json_place_key(&at, "tasks");
    const json_t *tasks;
    bool ok = json_body_object(m->r, root, &at, keys);
    if (!json_is_object(root) ||
        !json_body_array(m->r, root, "tasks", &at, LIMIT_PREDICTION_ROWS, true, &tasks))
        return false;
    ok = task_body_options(m->r, root, &m->query) && ok;
    buf_addc(m->out, '[');
    for (m->number = 0; m->number < json_array_size(tasks); m->number++) {
        m->at = json_place_index(&list, m->number);
        m->r->faults->part = m->number + 1;
        if (!answer_task(m, json_array_get(tasks, m->number)))
            return false;
    }
    buf_addc(m->out, ']');
    return ok && !m->r->faults->n;
}

static void write_answer(struct many *m)
{
    const struct model_spec *spec = &m->handle->model->spec;
    struct err e = {0};
    if (buf_check(m->out, "the answer", &e)) {
        api_fail(m->t, m->r, &e);
        return;
    }
    struct buf *out = request_answer(m->r, 200, request_json);
    buf_adds(out, "{\"model\":");
    buf_add_json_string(out, spec->name, strlen(spec->name));
    buf_adds(out, ",\"model_version\":");
    buf_add_json_string(out, spec->version, strlen(spec->version));
    if (m->null_for_unknown)
        buf_addf(out, ",\"unknown\":%zu", m->n_unknown);
    buf_adds(out, ",\"tasks\":");
    buf_add(out, m->out->data, m->out->len);
    buf_addc(out, '}');
}

/* Whether the call can be begun; false: answered. */
static bool begin(struct many *m)
{
    struct err e = {0};
    if (!api_bool_param(m->r, "cold_start", &m->cold_start) ||
        !api_unknown_param(m->r, &m->null_for_unknown) ||
        !task_body_unknown_param(m->r, &m->query.unknown_is_absent))
        return false;
    if (model_handle_room(m->handle, &m->room, &e) == ERR_OK)
        return true;
    problem_answer_err(m->r, &e);
    return false;
}

void api_tasks_predict_post(struct api_thread *t, struct request *r)
{
    struct many m = {.t = t, .r = r, .query = {.clamp = true, .interval = 0.9, .fault = tell}};
    struct problem_list faults;
    struct buf text;
    m.query.arg = &m;
    m.out = &text;
    if (!api_any_task_model(t, r, &m.handle))
        return;
    if (api_image_model(m.handle)) {
        api_image_predict_many(t, r, m.handle);
        return;
    }
    if (!begin(&m))
        return;
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root)
        return;
    buf_init(&text, LIMIT_RESPONSE_BYTES);
    problem_list_init(&faults, PROBLEM_LIST_MOST);
    r->faults = &faults;
    bool answered = answer_tasks(&m, root);
    r->faults = NULL;
    if (answered)
        write_answer(&m);
    else if (!r->status)
        problem_answer_list(r, &faults, NULL);
    problem_list_fini(&faults);
    buf_fini(&text);
    json_decref(root);
}
