#include "server/serving/trained_weights.h"

#include "engine/network/hypernet.h"
#include "engine/network/trained_task.h"

enum err_code trained_weights_make(struct model_handle *handle, struct text task, struct weights **out,
                                   struct err *e)
{
    const struct model *m = handle->model;
    struct trained_room *room;
    struct theta_layout layout;
    real *theta;
    uint32_t *seen;
    long number = model_item_index(m, task.data, task.len);
    if (number < 0)
        return err_set(e, ERR_NOTFOUND, "the model has not learned the task");
    enum err_code code = model_handle_trained(handle, &room, e);
    if (code)
        return code;
    theta_layout_of(&m->spec, &layout);
    *out = weights_new(layout.len, 0, &theta, &seen);
    if (!*out)
        return err_set(e, ERR_NOMEM, "no memory for %zu weights of a task", layout.len);
    code = trained_task_generate(&m->spec, &m->params, (size_t)number, room->work, theta, e);
    if (code) {
        weights_unref(*out);
        *out = NULL;
    }
    return code;
}
