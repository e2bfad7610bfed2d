/* GET /v1/tasks/{task}/weights: a task's own model as a file, which `hypernet predict` and `serve` take,
 * and whose tensors other programs read. */
#include "server/api/api.h"

#include "base/mem.h"
#include "engine/format/model_write.h"
#include "engine/network/task_posterior.h"
#include "server/http/problem.h"
#include "server/serving/task_weights.h"

#include <stdio.h>
#include <string.h>

/* The version says which revision of which task it was made of, as far as there is room for it. */
static void name_version(struct model_spec *spec, const struct model_spec *of, int64_t revision)
{
    char suffix[32];
    int n = snprintf(suffix, sizeof suffix, "@%lld", (long long)revision);
    size_t kept = strlen(of->version), most = LIMIT_NAME_BYTES - (size_t)n;
    for (kept = kept < most ? kept : most; kept && ((unsigned char)of->version[kept] & 0xC0) == 0x80;)
        kept--; /* at a whole character */
    (void)snprintf(spec->version, sizeof spec->version, "%.*s%s", (int)kept, of->version, suffix);
}

static enum err_code write_model(const struct model *m, const struct weights *w, struct buf *out,
                                 struct err *e)
{
    struct task_state state;
    struct model_spec spec; /* its texts stay the model's */
    struct model_params params;
    real *room = mem_alloc_array(task_posterior_len(&m->spec), sizeof *room);
    if (!room)
        return err_set(e, ERR_NOMEM, "no memory for a task's model");
    task_weights_state(m, w, &state);
    task_posterior(&m->spec, &m->params, &state.layer, state.n_known, room, &params);
    task_posterior_spec(&m->spec, &spec);
    name_version(&spec, &m->spec, w->revision);
    enum err_code code = model_write_buf(out, &spec, &params, &(const struct model_ids){0}, e);
    mem_free(room);
    return code;
}

void api_task_weights_get(struct api_thread *t, struct request *r)
{
    struct text id;
    struct model_handle *handle;
    struct weights *w = NULL;
    struct err e = {0};
    bool hit;
    if ((handle = api_trained_model(t, r))) {
        api_trained_weights_get(t, r, handle);
        return;
    }
    if (!api_task_id(r, 2, &id) || !api_task_model(t, r, &handle))
        return;
    enum err_code code = task_weights_acquire(&t->session, handle, WEIGHTS_OF_TASK, id, &w, &hit, &e);
    if (!code)
        code = write_model(handle->model, w, request_answer(r, 200, request_bytes), &e);
    weights_unref(w);
    if (code == ERR_NOTFOUND)
        problem_answer(r, PROBLEM_UNKNOWN_TASK, NULL, "%s", e.text);
    else if (code)
        api_fail(t, r, &e);
}
