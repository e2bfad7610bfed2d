#include "server/api/blended_tasks.h"

#include "server/http/problem.h"
#include "server/serving/task_weights.h"

/* ---- the member ---- */

static bool read_one(struct request *r, const json_t *value, const struct json_place *at, double *sum)
{
    static const char *const keys[] = {"id", "weight", NULL};
    struct text id;
    bool ok = json_body_object(r, value, at, keys);
    if (!json_is_object(value))
        return false;
    ok = json_body_id(r, value, "id", "task", at, &id) && ok;
    const json_t *weight = json_object_get(value, "weight");
    double x = weight ? json_number_value(weight) : 1;
    *sum += x;
    if (!weight || (json_is_number(weight) && x >= 0 && x <= LIMIT_WEIGHT_MOST))
        return ok;
    struct json_place place = json_place_key(at, "weight");
    problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "expected a number from 0 to %.0f",
                   LIMIT_WEIGHT_MOST);
    return false;
}

bool blended_tasks_read(struct request *r, const json_t *object, const struct json_place *at,
                        const json_t **out)
{
    struct json_place list = json_place_key(at, "contexts");
    double sum = 0;
    *out = NULL;
    if (!json_body_array(r, object, "contexts", at, LIMIT_TASK_CONTEXTS, false, out))
        return false;
    bool ok = true;
    for (size_t i = 0; i < json_array_size(*out); i++) {
        struct json_place place = json_place_index(&list, i);
        ok = read_one(r, json_array_get(*out, i), &place, &sum) && ok;
    }
    if (!*out || !ok || sum > 0)
        return ok;
    problem_answer(r, PROBLEM_INVALID_VALUE, list.text,
                   json_array_size(*out)
                       ? "the sum of the weights is 0: there is nothing to blend"
                       : "no task is named: at least one is needed; leave contexts out for the task itself");
    return false;
}

/* ---- the blend ---- */

/* Weights that were read, with the sum 1. */
static void take_list(const json_t *list, struct blended_tasks *out)
{
    double sum = 0;
    out->n = json_array_size(list);
    for (size_t i = 0; i < out->n; i++) {
        const json_t *one = json_array_get(list, i), *weight = json_object_get(one, "weight");
        const json_t *id = json_object_get(one, "id");
        out->ids[i] = (struct text){json_string_value(id), json_string_length(id)};
        sum += out->weights[i] = weight ? json_number_value(weight) : 1;
    }
    for (size_t i = 0; i < out->n; i++)
        out->weights[i] /= sum;
}

/* The weights of the i-th; NULL and ERR_OK: it is unknown, and that was told. */
static enum err_code find(struct api_thread *t, struct request *r, struct model_handle *handle,
                          const struct blend_asked *asked, size_t i, struct blended_tasks *b,
                          struct weights **out, struct err *e)
{
    struct err why = {0};
    bool hit;
    *out = NULL;
    enum err_code code =
        task_weights_acquire(&t->session, handle, WEIGHTS_OF_TASK, b->ids[i], out, &hit, &why);
    b->revisions[i] = code ? 0 : (*out)->revision;
    if (code == ERR_NOTFOUND && asked->cold_start)
        return task_weights_acquire(&t->session, handle, WEIGHTS_OF_PRIOR, (struct text){NULL, 0}, out, &hit,
                                    e);
    if (code != ERR_NOTFOUND)
        return code ? err_copy(e, &why) : ERR_OK;
    if (asked->lets_unknown)
        return ERR_OK;
    struct json_place at = json_place_key(asked->at, "contexts");
    at = json_place_index(&at, i);
    at = json_place_key(&at, "id");
    problem_answer(r, PROBLEM_UNKNOWN_TASK, at.text, "%s", why.text);
    return ERR_OK;
}

enum err_code blended_tasks_make(struct api_thread *t, struct request *r, struct model_handle *handle,
                                 const struct blend_asked *asked, struct blended_tasks *out,
                                 struct task_state *state, bool *ok, struct err *e)
{
    struct weights *weights[LIMIT_TASK_CONTEXTS] = {NULL};
    struct task_state states[LIMIT_TASK_CONTEXTS];
    struct task_room *room;
    enum err_code code = model_handle_room(handle, &room, e);
    take_list(asked->list, out);
    for (size_t i = 0; i < out->n && !code; i++) {
        code = find(t, r, handle, asked, i, out, &weights[i], e);
        if (!weights[i]) {
            *ok = false;
            continue;
        }
        task_weights_state(handle->model, weights[i], &states[i]);
        out->n_known[i] = states[i].n_known;
    }
    if (!code && *ok)
        code = task_blended_make(room, states, out->weights, out->n, state, e);
    for (size_t i = 0; i < out->n; i++)
        weights_unref(weights[i]);
    return code;
}

void blended_tasks_write(const struct blended_tasks *b, struct buf *out)
{
    buf_addc(out, '[');
    for (size_t i = 0; i < b->n; i++) {
        buf_adds(out, i ? ",{\"id\":" : "{\"id\":");
        buf_add_json_string(out, b->ids[i].data, b->ids[i].len);
        buf_addf(out, ",\"weight\":%.9g,\"context_revision\":", b->weights[i]);
        if (b->revisions[i])
            buf_add_int(out, b->revisions[i]);
        else
            buf_adds(out, "null");
        buf_addf(out, ",\"known\":%zu}", b->n_known[i]);
    }
    buf_addc(out, ']');
}
