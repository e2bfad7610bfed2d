/* POST /v1/tasks/predictions of a model of trained tasks: of which of them may inputs be? Of the one whose
 * stored rows are closest to them, where the model has some of each task; else of the one whose network is
 * surest of them; all together. */
#include "server/api/api_trained.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "server/api/guess_body.h"
#include "server/api/json_body.h"
#include "server/http/problem_list.h"
#include "server/serving/task_weights.h"

#include <stdlib.h>
#include <string.h>

struct guess {
    size_t task;
    double score; /* greater is likelier: by stored rows, or less the entropy as a share of the largest */
};

struct asking {
    struct api_thread *t;
    struct request *r;
    struct model_handle *handle;
    struct trained_room *room;
    const json_t *inputs;
    size_t most; /* tasks that are named */
    struct guess *found;
    size_t n_found;
    bool complete, by_rows;
};

static bool read_body(struct asking *a, const json_t *root)
{
    static const char *const keys[] = {"inputs", "limit", NULL};
    struct json_place at = json_place_root(), inputs = json_place_key(&at, "inputs");
    if (!json_body_object(a->r, root, &at, keys) ||
        !json_body_array(a->r, root, "inputs", &at, LIMIT_TASK_GUESS_ROWS, true, &a->inputs))
        return false;
    if (json_array_size(a->inputs))
        return guess_body_limit(a->r, root, &at, &a->most);
    problem_answer(a->r, PROBLEM_INVALID_VALUE, inputs.text, "at least one input tells tasks apart");
    return false;
}

/* The answer of a task's network into the room. It may be refused: the request then has a status. */
static enum err_code answer_by(struct asking *a, size_t task, struct err *e)
{
    struct weights *w = NULL;
    struct text id;
    bool hit;
    id.data = model_item_id(a->handle->model, task, &id.len);
    enum err_code code = task_weights_acquire(&a->t->session, a->handle, WEIGHTS_OF_TASK, id, &w, &hit, e);
    if (code)
        return code;
    (void)api_trained_answer(a->r, a->room, task, w->theta);
    weights_unref(w);
    return ERR_OK;
}

/* The likeliest first, the first learned first where they are the same. */
static int by_score(const void *a, const void *b)
{
    const struct guess *x = a, *y = b;
    int order = (x->score < y->score) - (x->score > y->score);
    return order ? order : (x->task > y->task) - (x->task < y->task);
}

static enum err_code compare_by_rows(struct asking *a, size_t n, struct err *e)
{
    double *scores = mem_alloc_array(n, sizeof *scores);
    enum err_code code = scores ? trained_room_guess(a->room, scores, e)
                                : err_set(e, ERR_NOMEM, "no memory to compare %zu tasks", n);
    for (size_t i = 0; i < n && !code; i++)
        a->found[a->n_found++] = (struct guess){i, scores[i]};
    mem_free(scores);
    return code;
}

static enum err_code compare_by_entropy(struct asking *a, size_t n, struct err *e)
{
    int64_t until_ns = guess_body_until();
    for (size_t i = 0; i < n && clock_monotonic_ns() < until_ns; i++) {
        enum err_code code = answer_by(a, i, e);
        if (code || a->r->status)
            return code;
        a->found[a->n_found++] = (struct guess){i, -trained_room_entropy(a->room, i)};
    }
    return ERR_OK;
}

static enum err_code compare(struct asking *a, struct err *e)
{
    const struct trained_spec *about = &a->handle->model->spec.trained;
    size_t n = about->n_tasks;
    a->by_rows = trained_spec_guesses(about);
    a->found = mem_alloc_array(n, sizeof *a->found);
    if (!a->found)
        return err_set(e, ERR_NOMEM, "no memory to compare %zu tasks", n);
    enum err_code code = a->by_rows ? compare_by_rows(a, n, e) : compare_by_entropy(a, n, e);
    a->complete = a->n_found == n;
    qsort(a->found, a->n_found, sizeof *a->found, by_score);
    return code;
}

static enum err_code write_answer(struct asking *a, struct err *e)
{
    const struct model *m = a->handle->model;
    struct buf *out = request_answer(a->r, 200, request_json);
    buf_addc(out, '{');
    api_trained_begin(out, &m->spec);
    buf_addf(out,
             ",\"guess\":true,\"by\":\"%s\",\"compared\":%zu,\"looked_at\":%zu,\"of\":%zu,\"complete\":%s,"
             "\"prior_score\":null,\"tasks\":[",
             a->by_rows ? "rows" : "entropy", a->n_found, a->n_found, m->spec.trained.n_tasks,
             a->complete ? "true" : "false");
    for (size_t i = 0; i < a->most && i < a->n_found; i++) {
        size_t len, task = a->found[i].task;
        const char *id = model_item_id(m, task, &len);
        enum err_code code = answer_by(a, task, e);
        if (code || a->r->status >= 400)
            return code;
        buf_adds(out, i ? ",{\"task\":" : "{\"task\":");
        buf_add_json_string(out, id, len);
        buf_addf(out, ",\"score\":%.9g,\"context_revision\":null,\"source\":\"trained\",\"predictions\":",
                 a->found[i].score);
        trained_room_write(a->room, task, out);
        buf_addc(out, '}');
    }
    buf_adds(out, "]}");
    return ERR_OK;
}

void api_trained_guess_post(struct api_thread *t, struct request *r, struct model_handle *handle)
{
    struct asking a = {.t = t, .r = r, .handle = handle};
    struct err e = {0};
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root)
        return;
    enum err_code code = ERR_OK;
    if (read_body(&a, root) && !(code = model_handle_trained(handle, &a.room, &e)) &&
        api_trained_read(t, r, a.room, a.inputs) && !(code = compare(&a, &e)) && !r->status)
        code = write_answer(&a, &e);
    if (code)
        api_fail(t, r, &e);
    if (a.room)
        trained_room_rest(a.room);
    mem_free(a.found);
    json_decref(root);
}
