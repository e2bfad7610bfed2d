#include "server/serving/image_contexts.h"

#include "base/limits.h"

static struct store_context_key key_of(const struct model *m)
{
    return (struct store_context_key){m->spec.name, m->spec.version, "task"};
}

/* ---- rows ---- */

bool image_contexts_row(const json_t *row, struct text *class, const json_t **image)
{
    const json_t *name = json_object_get(row, "class");
    *image = json_object_get(row, "image");
    *class = (struct text){json_string_value(name), json_string_length(name)};
    return class->data && *image;
}

struct reading {
    struct image_room *room;
    enum err_code code;
    struct err *e;
};

/* An image that the model cannot read, of another size, is not known to it. */
static enum err_code know(struct image_room *room, struct text class, const json_t *image, struct err *e)
{
    struct image_place where;
    struct err why = {0};
    enum err_code code = image_room_features(room, image, &where, &why);
    if (code == ERR_INVALID)
        return ERR_OK;
    return code ? err_copy(e, &why) : image_context_add(&room->context, class, room->features, e);
}

static bool take_row(void *arg, int64_t number, struct text text)
{
    struct reading *r = arg;
    struct text class;
    const json_t *image;
    (void)number;
    json_t *row = json_loadb(text.data, text.len, 0, NULL);
    if (!row)
        r->code = err_set(r->e, ERR_NOMEM, "no memory for what is stored of a task");
    else if (image_contexts_row(row, &class, &image))
        r->code = know(r->room, class, image, r->e);
    json_decref(row);
    return r->code == ERR_OK;
}

enum err_code image_contexts_of_rows(struct store_conn *c, struct text id, struct image_room *room,
                                     struct err *e)
{
    struct reading reading = {room, ERR_OK, e};
    image_context_clear(&room->context);
    enum err_code code = store_each_task_row(c, id, take_row, &reading, e);
    return code ? code : reading.code;
}

/* ---- contexts ---- */

/* What nothing could make again is neither taken for nothing nor written over. */
static enum err_code refuse_unreadable(const struct model *m, struct text id, struct err *e)
{
    return err_set(
        e, ERR_CONFLICT,
        "what is stored of task '%.*s' was not made by model '%s', version '%s', as it is served, or "
        "is damaged, and its images are not kept: register the task anew with its images, or serve "
        "that model",
        (int)id.len, id.data, m->spec.name, m->spec.version);
}

enum err_code image_contexts_find(struct store_conn *c, struct model_handle *handle, struct text id,
                                  struct store_task *record, struct image_room **room, bool *found,
                                  struct err *e)
{
    const struct store_context_key key = key_of(handle->model);
    const struct buf *stored = &record->context;
    *found = false;
    enum err_code code = model_handle_images(handle, room, e);
    if (!code)
        code = store_read_task(c, id, &key, record, e);
    if (code)
        return code;
    image_context_clear(&(*room)->context);
    bool usable = record->context_given || (!record->keeps_rows && record->n_rows == 0) ||
                  record->context_revision >= record->revision;
    if (usable && stored->len)
        code = image_context_read(&(*room)->context, (*room)->mark, stored->data, stored->len, found, e);
    if (!code && !*found && stored->len && (record->context_given || !record->keeps_rows))
        code = refuse_unreadable(handle->model, id, e);
    *found = *found || record->n_rows == 0; /* of no row, nothing */
    return code;
}

enum err_code image_contexts_load(struct store_conn *c, struct model_handle *handle, struct text id,
                                  struct store_task *record, struct image_room **room, struct err *e)
{
    bool found;
    enum err_code code = image_contexts_find(c, handle, id, record, room, &found, e);
    return code || found ? code : image_contexts_of_rows(c, id, *room, e);
}

enum err_code image_contexts_put(struct store_conn *writer, const struct image_room *room, struct text id,
                                 int64_t revision, bool given, struct err *e)
{
    const struct store_context_key key = key_of(room->model);
    struct buf bytes;
    buf_init(&bytes, LIMIT_CONTEXT_BYTES);
    image_context_write(&room->context, room->mark, &bytes);
    enum err_code code = buf_check(&bytes, "what is known of the task's classes", e);
    if (!code)
        code = store_put_task_context(writer, &key, id, revision, given, bytes.data, bytes.len, e);
    buf_fini(&bytes);
    return code;
}
