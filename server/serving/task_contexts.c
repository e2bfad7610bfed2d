#include "server/serving/task_contexts.h"

#include "server/tasks/task_context.h"

#include <string.h>

static struct store_context_key key_of(const struct model *m)
{
    return (struct store_context_key){m->spec.name, m->spec.version, "task"};
}

/* What is stored was checked when it came, for the model that was asked then. */
static struct task_row_form form_of(const struct task_room *room)
{
    return (struct task_row_form){.spec = &room->model->spec,
                                  .profile = &room->profile,
                                  .known = true,
                                  .unknown_is_absent = true,
                                  .others_pass = true,
                                  .as_table = true};
}

bool task_contexts_read(const struct task_room *room, const json_t *row, struct task_row_values *out)
{
    const struct task_row_form form = form_of(room);
    return task_row_read(&form, row, out);
}

void task_contexts_know(struct task_room *room, const json_t *row)
{
    struct task_row_values values = task_room_next(room);
    if (task_contexts_read(room, row, &values))
        task_room_know(room, &values);
}

void task_contexts_profile(struct task_room *room, const json_t *profile)
{
    const struct task_row_form form = form_of(room);
    (void)task_profile_read(&form, profile, &room->profile);
}

enum task_source task_contexts_source(const struct task_room *room)
{
    size_t n = room->model->spec.task.columns.n, i = 0;
    while (i < n && !room->profile.has[i])
        i++;
    return room->context[TASK_CONTEXT_ROWS] > 0 ? TASK_FROM_ROWS
           : i < n                              ? TASK_FROM_PROFILE
                                                : TASK_FROM_PRIOR;
}

/* Stored JSON, which is valid. */
static enum err_code parse(struct text text, json_t **out, struct err *e)
{
    json_error_t why;
    *out = json_loadb(text.data, text.len, 0, &why);
    if (*out)
        return ERR_OK;
    return json_error_code(&why) == json_error_out_of_memory
               ? err_set(e, ERR_NOMEM, "no memory for what is stored of a task")
               : err_set(e, ERR_CORRUPT, "what is stored of a task is no JSON: %s", why.text);
}

struct reading {
    struct task_room *room;
    enum err_code code;
    struct err *e;
};

static bool read_row(void *arg, int64_t number, struct text text)
{
    struct reading *r = arg;
    json_t *row;
    (void)number;
    r->code = parse(text, &row, r->e);
    if (r->code)
        return false;
    task_contexts_know(r->room, row);
    json_decref(row);
    return true;
}

static enum err_code read_rows(struct store_conn *c, struct text id, struct task_room *room, struct err *e)
{
    struct reading reading = {room, ERR_OK, e};
    enum err_code code = store_each_task_row(c, id, read_row, &reading, e);
    return code ? code : reading.code;
}

static enum err_code parse_profile(const struct store_task *record, json_t **out, struct err *e)
{
    *out = NULL;
    return record->profile.len ? parse((struct text){record->profile.data, record->profile.len}, out, e)
                               : ERR_OK;
}

enum err_code task_contexts_stored_profile(struct store_conn *c, struct text id, struct store_task *record,
                                           json_t **out, struct err *e)
{
    struct err why = {0};
    *out = NULL;
    enum err_code code = store_read_task(c, id, NULL, record, &why);
    if (code && code != ERR_NOTFOUND)
        return err_copy(e, &why);
    return code ? ERR_OK : parse_profile(record, out, e);
}

static enum err_code read_profile(struct task_room *room, const struct store_task *record, struct err *e)
{
    json_t *profile;
    enum err_code code = parse_profile(record, &profile, e);
    task_contexts_profile(room, profile);
    json_decref(profile);
    return code;
}

enum err_code task_contexts_load(struct store_conn *c, struct model_handle *handle, struct text id,
                                 int64_t fresh, const json_t *profile, struct store_task *record,
                                 struct task_room **room, struct err *e)
{
    const struct store_context_key key = key_of(handle->model);
    enum err_code code = model_handle_room(handle, room, e);
    if (!code)
        code = store_read_task(c, id, &key, record, e);
    if (!code && !profile)
        code = read_profile(*room, record, e);
    else if (!code)
        task_contexts_profile(*room, profile);
    if (code)
        return code;
    const struct buf *context = &record->context;
    bool usable = record->context_given || (!record->keeps_rows && record->n_rows == 0) ||
                  record->context_revision >= (fresh == TASK_NOW ? record->revision : fresh);
    if (usable && task_context_is(&handle->model->spec, (*room)->mark, context->data, context->len)) {
        task_room_start(*room, context->data);
        return ERR_OK;
    }
    task_room_start(*room, NULL);
    (*room)->waits = !record->keeps_rows && (context->len || record->has_others);
    code = read_rows(c, id, *room, e);
    task_room_settle(*room);
    return code;
}

bool task_contexts_unreadable(const struct task_room *room, const struct store_task *record)
{
    return room->waits && record->context.len;
}

enum err_code task_contexts_put(struct store_conn *writer, const struct model *model, struct text id,
                                int64_t revision, bool given, const double *context, struct err *e)
{
    const struct store_context_key key = key_of(model);
    return store_put_task_context(writer, &key, id, revision, given, context,
                                  task_context_len(&model->spec) * sizeof *context, e);
}
