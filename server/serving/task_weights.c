/* A state is bytes to the cache, which counts reals. */
#include "server/serving/task_weights.h"

#include "server/serving/image_tasks.h"
#include "server/serving/task_contexts.h"
#include "server/serving/trained_weights.h"

#include <string.h>

/* New weights that hold a state. */
static enum err_code to_weights(const struct model_spec *spec, const struct task_state *state,
                                struct weights **out, struct err *e)
{
    real *theta;
    uint32_t *seen;
    size_t n = (task_state_bytes(spec) + sizeof *theta - 1) / sizeof *theta;
    *out = weights_new(n, 0, &theta, &seen);
    if (!*out)
        return err_set(e, ERR_NOMEM, "no memory for a task's layer");
    task_state_write(spec, state, theta);
    return ERR_OK;
}

void task_weights_state(const struct model *m, const struct weights *w, struct task_state *out)
{
    task_state_read(&m->spec, w->theta, out);
}

static enum err_code make_prior(struct model_handle *handle, struct weights **out, struct err *e)
{
    struct task_room *room;
    struct task_state state;
    if (handle->model->spec.images.present)
        return err_set(e, ERR_NOTFOUND, "of images nothing is known before some of each class are");
    enum err_code code = model_handle_room(handle, &room, e);
    if (code)
        return code;
    task_room_start(room, NULL);
    memset(room->profile.has, 0, handle->model->spec.task.columns.n);
    code = task_room_solve(room, &room->profile, TASK_FROM_PRIOR, &state, e);
    return code ? code : to_weights(&handle->model->spec, &state, out, e);
}

static enum err_code make_task(struct session *t, struct model_handle *handle, struct text task,
                               struct weights **out, struct err *e)
{
    struct task_room *room;
    struct task_state state;
    if (handle->model->spec.images.present)
        return image_tasks_weights(t, handle, task, out, e);
    enum err_code code = store_snapshot_begin(t->conn, e);
    if (code)
        return code;
    code = task_contexts_load(t->conn, handle, task, TASK_NOW, NULL, &t->task, &room, e);
    store_snapshot_end(t->conn);
    if (!code)
        code = task_room_solve(room, &room->profile, task_contexts_source(room), &state, e);
    if (!code)
        code = to_weights(&handle->model->spec, &state, out, e);
    if (code)
        return code;
    (*out)->revision = t->task.revision;
    (*out)->owner = serving_task_owner(t->task.key);
    return ERR_OK;
}

static enum err_code make(struct session *t, struct model_handle *handle, enum weights_kind kind,
                          struct text task, struct weights **out, struct err *e)
{
    bool prior = kind == WEIGHTS_OF_PRIOR;
    if (served_model_kind(handle->served) == MODEL_OF_TRAINED)
        return prior ? err_set(e, ERR_NOTFOUND, "a model of trained tasks knows no others")
                     : trained_weights_make(handle, task, out, e);
    return prior ? make_prior(handle, out, e) : make_task(t, handle, task, out, e);
}

enum err_code task_weights_acquire(struct session *t, struct model_handle *handle, enum weights_kind kind,
                                   struct text task, struct weights **out, bool *hit, struct err *e)
{
    char key[MODEL_KEY_BYTES];
    struct weights_lease lease;
    struct err why = {0};
    enum err_code code = ERR_OK;
    weights_cache_lease(t->serving->cache, key, model_key(handle->served->uid, kind, task, key), &lease);
    *hit = lease.found == WEIGHTS_HIT;
    if (lease.found == WEIGHTS_PENDING)
        code = weights_lease_wait(&lease, e);
    if (code)
        return code;
    *out = lease.weights;
    if (lease.found == WEIGHTS_HIT)
        return ERR_OK;
    code = make(t, handle, kind, task, out, &why);
    if (code)
        weights_lease_fail(&lease, &why);
    else
        weights_lease_publish(&lease, *out);
    return code ? err_set(e, code, "%s", why.text) : ERR_OK;
}
