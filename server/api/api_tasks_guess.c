/* POST /v1/tasks/predictions: rows of a task that nobody knows. All tasks are compared, so it has a worker of
 * its own; those that it does not come to in its time the next call has, by `after`. */
#include "server/api/api.h"

#include "base/limits.h"
#include "server/api/api_image.h"
#include "server/api/guess_body.h"
#include "server/api/json_body.h"
#include "server/api/task_body.h"
#include "server/http/problem_list.h"
#include "server/serving/task_guess.h"

#include <math.h>
#include <string.h>

struct asking {
    struct api_thread *t;
    struct request *r;
    struct model_handle *handle;
    struct task_query query;
    struct task_guess guess;
    struct buf *out; /* the tasks */
    size_t n;
    struct err e; /* of what happens in a callback */
};

/* ---- callbacks ---- */

/* Of a struct task_query. */
static void tell(void *arg, enum task_part part, size_t row, const char *column, const char *text)
{
    const struct asking *a = arg;
    struct json_place root = json_place_root();
    (void)part;                                         /* rows alone are asked for */
    a->r->faults->part = row == SIZE_MAX ? 1 : row + 2; /* behind the other members */
    struct json_place at = task_body_place(&root, &a->query.asked, row, column);
    problem_answer(a->r, PROBLEM_INVALID_VALUE, at.text, "%s", text);
}

static bool write_task(void *arg, const struct task_guessed *task, struct task_room *room,
                       const struct task_state *state)
{
    struct asking *a = arg;
    bool ok = true;
    enum err_code code = task_query_run(room, &a->query, state, &ok, &a->e);
    if (code || !ok)
        return false;
    buf_adds(a->out, a->n++ ? ",{\"task\":" : "{\"task\":");
    buf_add_json_string(a->out, task->id.data, task->id.len);
    buf_addf(a->out, ",\"score\":%.9g", task->score);
    if (a->guess.by_targets)
        buf_addf(a->out, ",\"probability\":%.6g", task->probability);
    buf_adds(a->out, ",\"context_revision\":");
    buf_add_int(a->out, task->revision);
    buf_addf(a->out, ",\"source\":\"%s\",\"known\":%zu,\"predictions\":", task_source_name(state->source),
             state->n_known);
    task_query_write(room, &a->query, a->out);
    buf_addc(a->out, '}');
    return true;
}

/* ---- the body ---- */

/* False: refused, in the answer or among the faults. */
static bool read_body(struct asking *a, const json_t *root)
{
    static const char *const keys[] = {
        "rows",  "columns",     "candidates",       "after", "limit", "interval",
        "clamp", "uncertainty", "unknown_category", NULL};
    struct json_place at = json_place_root(), rows = json_place_key(&at, "rows");
    bool ok = json_body_object(a->r, root, &at, keys);
    if (!json_is_object(root))
        return false;
    ok = task_body_rows(a->r, root, &at, LIMIT_TASK_GUESS_ROWS, &a->query.asked) && ok;
    if (a->r->status)
        return false;
    if (a->query.asked.rows && json_array_size(a->query.asked.rows) == 0) {
        problem_answer(a->r, PROBLEM_INVALID_VALUE, rows.text, "at least one row tells tasks apart");
        ok = false;
    }
    ok = guess_body_read(a->r, root, &at, &a->guess.among) && ok;
    return task_body_options(a->r, root, &a->query) && ok;
}

/* ---- the answer ---- */

static void write_answer(struct asking *a)
{
    const struct task_guess *g = &a->guess;
    struct err e = {0};
    if (buf_check(a->out, "the answer", &e)) {
        api_fail(a->t, a->r, &e);
        return;
    }
    struct buf *out = request_answer(a->r, 200, request_json);
    guess_body_head(out, &a->handle->model->spec, g->by_targets ? "likelihood" : "entropy", &g->among);
    buf_adds(out, ",\"prior_score\":");
    if (isfinite(g->prior))
        buf_addf(out, "%.9g", g->prior);
    else
        buf_adds(out, "null");
    buf_adds(out, ",\"tasks\":[");
    buf_add(out, a->out->data, a->out->len);
    buf_adds(out, "]}");
}

static void answer(struct asking *a, const json_t *root)
{
    struct problem_list faults;
    struct err e = {0};
    bool ok = false;
    enum err_code code = ERR_OK;
    problem_list_init(&faults, PROBLEM_LIST_MOST);
    a->r->faults = &faults;
    if (read_body(a, root)) {
        a->guess.among.until_ns = guess_body_until();
        code = task_guess_run(&a->t->session, a->handle, &a->guess, &ok, &e);
    }
    a->r->faults = NULL;
    if (a->e.code)
        api_fail(a->t, a->r, &a->e);
    else if (code == ERR_INVALID)
        problem_answer(a->r, PROBLEM_INVALID_VALUE, "/rows", "%s", e.text);
    else if (code)
        api_fail(a->t, a->r, &e);
    else if (faults.n && !a->r->status)
        problem_answer_list(a->r, &faults, NULL);
    else if (!a->r->status)
        write_answer(a);
    problem_list_fini(&faults);
}

void api_tasks_guess_post(struct api_thread *t, struct request *r)
{
    struct buf text;
    struct asking a = {
        .t = t, .r = r, .query = {.clamp = true, .interval = 0.9, .fault = tell}, .out = &text};
    struct model_handle *trained = api_trained_model(t, r);
    if (trained) {
        api_trained_guess_post(t, r, trained);
        return;
    }
    a.query.arg = a.guess.arg = &a;
    a.guess.query = &a.query;
    a.guess.found = write_task;
    if (!api_any_task_model(t, r, &a.handle) || !task_body_unknown_param(r, &a.query.unknown_is_absent))
        return;
    if (api_image_model(a.handle)) {
        api_image_guess_post(t, r, a.handle);
        return;
    }
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root)
        return;
    buf_init(&text, LIMIT_RESPONSE_BYTES);
    answer(&a, root);
    buf_fini(&text);
    json_decref(root);
}
