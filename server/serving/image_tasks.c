#include "server/serving/image_tasks.h"

#include "base/limits.h"
#include "base/mem.h"

#include <string.h>

static struct store_context_key key_of(const struct model *m)
{
    return (struct store_context_key){m->spec.name, m->spec.version, "task"};
}

/* The thread's handles (*n) of models of images. */
static struct model_handle *const *image_handles(const struct session *t, size_t *n)
{
    const struct model_handles *h = recommender_handles(t->recommender);
    *n = h->n_images;
    return h->at + h->n + h->n_tasks;
}

/* ---- stored rows ---- */

/* A row as it is stored; false: none of an image. */
static bool read_row(const json_t *row, struct text *class, const json_t **image)
{
    const json_t *name = json_object_get(row, "class");
    *image = json_object_get(row, "image");
    *class = (struct text){json_string_value(name), json_string_length(name)};
    return class->data && *image;
}

struct rows {
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
    struct rows *r = arg;
    struct text class;
    const json_t *image;
    (void)number;
    json_t *row = json_loadb(text.data, text.len, 0, NULL);
    if (!row)
        r->code = err_set(r->e, ERR_NOMEM, "no memory for what is stored of a task");
    else if (read_row(row, &class, &image))
        r->code = know(r->room, class, image, r->e);
    json_decref(row);
    return r->code == ERR_OK;
}

static enum err_code read_rows(struct store_conn *c, struct text id, struct image_room *room, struct err *e)
{
    struct rows rows = {room, ERR_OK, e};
    image_context_clear(&room->context);
    enum err_code code = store_each_task_row(c, id, take_row, &rows, e);
    return code ? code : rows.code;
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

enum err_code image_tasks_load(struct session *t, struct store_conn *c, struct model_handle *handle,
                               struct text id, struct image_room **room, struct err *e)
{
    const struct store_context_key key = key_of(handle->model);
    const struct store_task *record = &t->task;
    bool fits = false;
    enum err_code code = model_handle_images(handle, room, e);
    if (!code)
        code = store_read_task(c, id, &key, &t->task, e);
    if (code)
        return code;
    bool usable = record->context_given || (!record->keeps_rows && record->n_rows == 0) ||
                  record->context_revision >= record->revision;
    if (usable && record->context.len)
        code = image_context_read(&(*room)->context, (*room)->mark, record->context.data, record->context.len,
                                  &fits, e);
    if (code || fits)
        return code;
    if (record->context.len && (record->context_given || !record->keeps_rows))
        return refuse_unreadable(handle->model, id, e);
    return read_rows(c, id, *room, e);
}

static enum err_code put_context(struct session *t, const struct image_room *room, struct text id,
                                 int64_t revision, bool given, struct err *e)
{
    const struct store_context_key key = key_of(room->model);
    struct buf bytes;
    buf_init(&bytes, LIMIT_CONTEXT_BYTES);
    image_context_write(&room->context, room->mark, &bytes);
    enum err_code code = buf_check(&bytes, "what is known of the task's classes", e);
    if (!code)
        code = store_put_task_context(t->writer, &key, id, revision, given, bytes.data, bytes.len, e);
    buf_fini(&bytes);
    return code;
}

/* ---- registrations ---- */

/* What the store has of a task before a write. */
struct before {
    bool there, keeps_rows;
    int64_t n_rows;
};

static enum err_code read_before(struct session *t, struct text id, struct before *out, struct err *e)
{
    struct err why = {0};
    *out = (struct before){false, false, 0};
    enum err_code code = store_read_task(t->writer, id, NULL, &t->task, &why);
    if (code && code != ERR_NOTFOUND)
        return err_copy(e, &why);
    if (!code)
        *out = (struct before){true, t->task.keeps_rows, t->task.n_rows};
    return ERR_OK;
}

/* Takes what comes into the context of one model, which has what was known. */
static enum err_code add_known(const struct image_registration *g, const struct model_handle *handle,
                               struct image_room *room, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < g->n && !code; i++)
        code = handle == g->handle
                   ? image_context_add(&room->context, g->known[i].class, g->known[i].features, e)
                   : know(room, g->known[i].class, g->known[i].image, e);
    return code;
}

/* Whether what comes has room beside n_before images, which are stored or known by their sums alone. */
static enum err_code check_number(const struct image_registration *g, size_t n_before, struct err *e)
{
    if (n_before + g->n <= LIMIT_TASK_ROWS)
        return ERR_OK;
    return err_set(e, ERR_LIMIT, "task '%.*s' has %zu images; with %zu more it would have more than %d",
                   (int)g->id.len, g->id.data, n_before, g->n, LIMIT_TASK_ROWS);
}

static enum err_code make_context(struct session *t, struct model_handle *handle,
                                  struct image_registration *g, bool starts_anew, struct err *e)
{
    struct image_room *room;
    enum err_code code = model_handle_images(handle, &room, e);
    if (!code && starts_anew)
        image_context_clear(&room->context);
    else if (!code)
        code = image_tasks_load(t, t->writer, handle, g->id, &room, e);
    if (!code)
        code = check_number(g, image_context_known(&room->context), e);
    if (!code)
        code = add_known(g, handle, room, e);
    if (!code && handle == g->handle) {
        g->n_known = image_context_known(&room->context);
        g->n_classes = room->context.n;
    }
    return code;
}

/* Contexts are made before the task changes: what is stored is then what was known until now. */
static enum err_code put_contexts(struct session *t, struct image_registration *g, struct err *e)
{
    size_t n;
    struct model_handle *const *handles = image_handles(t, &n);
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < n && !code; i++)
        code = put_context(t, handles[i]->images, g->id, g->revision, !g->keeps_rows, e);
    return code;
}

static enum err_code make_contexts(struct session *t, struct image_registration *g, bool starts_anew,
                                   struct err *e)
{
    size_t n;
    struct model_handle *const *handles = image_handles(t, &n);
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < n && !code; i++)
        code = make_context(t, handles[i], g, starts_anew, e);
    return code;
}

/* The row of the task: new, replaced, or with a new revision. */
static enum err_code put_task(struct session *t, struct image_registration *g, const struct before *was,
                              struct err *e)
{
    const struct text none = {NULL, 0};
    if (!g->replaces && was->there) {
        g->keeps_rows = was->keeps_rows;
        return store_touch_task(t->writer, g->id, &g->revision, e);
    }
    if (!was->there && !g->create)
        return err_set(e, ERR_NOTFOUND, "no task '%.*s'", (int)g->id.len, g->id.data);
    enum err_code code = store_put_task(t->writer, g->id, none, g->keeps_rows, &g->revision, &g->created, e);
    if (!code && was->there)
        code = store_clear_task(t->writer, g->id, STORE_CLEAR_ALL, e);
    return code;
}

static enum err_code add_rows(struct session *t, const struct image_registration *g, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < g->n && !code; i++)
        code = store_add_task_row(t->writer, g->id, g->known[i].row, e);
    return code;
}

static enum err_code register_task(struct session *t, struct image_registration *g, struct err *e)
{
    struct before was;
    enum err_code code = read_before(t, g->id, &was, e);
    bool anew = g->replaces || !was.there;
    size_t n_before = anew ? 0 : (size_t)was.n_rows;
    if (!code)
        code = check_number(g, n_before, e);
    if (!code && (was.there || g->create))
        code = make_contexts(t, g, anew, e);
    if (!code)
        code = put_task(t, g, &was, e);
    if (!code)
        code = put_contexts(t, g, e);
    if (!code && g->keeps_rows)
        code = add_rows(t, g, e);
    g->n_rows = g->keeps_rows ? n_before + g->n : 0;
    return code;
}

enum err_code image_tasks_register(struct session *t, struct image_registration *g, struct err *e)
{
    enum err_code code = session_begin_write(t, e);
    if (code)
        return code;
    code = session_end_write(t, register_task(t, g, e), e);
    if (code)
        return code;
    serving_drop_task(t->serving, g->id, g->revision);
    COUNTER_ADD(t->counters, task_registrations, g->replaces);
    COUNTER_ADD(t->counters, task_examples, g->replaces ? 0 : g->n);
    return ERR_OK;
}

/* ---- a class that goes ---- */

/* Rows that stay, one after the other with their lengths in front. */
struct staying {
    struct text class;
    struct buf rows;
    bool found; /* one goes */
    enum err_code code;
    struct err *e;
};

static bool keep_row(void *arg, int64_t number, struct text text)
{
    struct staying *s = arg;
    struct text class;
    const json_t *image;
    (void)number;
    json_t *row = json_loadb(text.data, text.len, 0, NULL);
    if (!row) {
        s->code = err_set(s->e, ERR_NOMEM, "no memory for what is stored of a task");
    } else if (read_row(row, &class, &image) && text_compare(class, s->class) == 0) {
        s->found = true;
    } else {
        buf_add(&s->rows, (const char *)&text.len, sizeof text.len);
        buf_add(&s->rows, text.data, text.len);
    }
    json_decref(row);
    return s->code == ERR_OK;
}

static enum err_code find_staying(struct session *t, struct text id, struct staying *s, struct err *e)
{
    enum err_code code = store_each_task_row(t->writer, id, keep_row, s, e);
    code = code ? code : s->code;
    if (!code && s->rows.failed)
        code = err_set(e, ERR_NOMEM, "no memory for the rows of a task");
    return code;
}

static enum err_code add_staying(struct session *t, struct text id, const struct staying *s, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t at = 0; at < s->rows.len && !code;) {
        size_t len;
        memcpy(&len, s->rows.data + at, sizeof len);
        at += sizeof len;
        code = store_add_task_row(t->writer, id, (struct text){s->rows.data + at, len}, e);
        at += len;
    }
    return code;
}

static enum err_code refuse_class(struct text id, struct text class, struct err *e)
{
    return err_set(e, ERR_NOTFOUND, "task '%.*s' has no class '%.*s'", (int)id.len, id.data, (int)class.len,
                   class.data);
}

/* Leaves a task's context without the class in the handle's room. */
static enum err_code remove_from_context(struct session *t, struct model_handle *handle, struct text id,
                                         struct text class, bool *found, struct err *e)
{
    struct image_room *room;
    enum err_code code = image_tasks_load(t, t->writer, handle, id, &room, e);
    long k = code ? -1 : image_context_find(&room->context, class);
    if (k >= 0)
        image_context_remove(&room->context, (size_t)k);
    *found = *found || k >= 0;
    return code;
}

/* Of a task without rows: of all models that are served. */
static enum err_code forget_sums(struct session *t, struct image_registration *g, struct text class,
                                 struct err *e)
{
    size_t n;
    struct model_handle *const *handles = image_handles(t, &n);
    bool found = false;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < n && !code; i++)
        code = remove_from_context(t, handles[i], g->id, class, &found, e);
    if (!code && !found)
        code = refuse_class(g->id, class, e);
    if (!code)
        code = store_touch_task(t->writer, g->id, &g->revision, e);
    return code ? code : put_contexts(t, g, e);
}

/* Of a task with rows these decide: they go, and with them all contexts, of models that are not served too.
 * Served ones that a context can be made for get it again; of too many classes it cannot. */
static enum err_code replace_contexts(struct session *t, struct image_registration *g, struct text class,
                                      struct err *e)
{
    size_t n;
    struct model_handle *const *handles = image_handles(t, &n);
    bool made[LIMIT_MODELS] = {false}, found = false;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < n && !code; i++) {
        struct err why = {0};
        enum err_code of_model = remove_from_context(t, handles[i], g->id, class, &found, &why);
        made[i] = of_model == ERR_OK;
        if (of_model && of_model != ERR_LIMIT && of_model != ERR_CONFLICT)
            code = err_copy(e, &why);
    }
    if (!code)
        code = store_touch_task(t->writer, g->id, &g->revision, e);
    if (!code)
        code = store_clear_task(t->writer, g->id, STORE_CLEAR_ALL, e);
    for (size_t i = 0; i < n && !code; i++) {
        struct err why = {0};
        enum err_code put =
            made[i] ? put_context(t, handles[i]->images, g->id, g->revision, false, &why) : ERR_OK;
        code = put && put != ERR_LIMIT ? err_copy(e, &why) : ERR_OK;
    }
    return code;
}

static enum err_code forget_rows(struct session *t, struct image_registration *g, struct text class,
                                 struct err *e)
{
    struct staying s = {.class = class, .e = e};
    buf_init(&s.rows, SIZE_MAX / 2);
    enum err_code code = find_staying(t, g->id, &s, e);
    if (!code && !s.found)
        code = refuse_class(g->id, class, e);
    if (!code)
        code = replace_contexts(t, g, class, e);
    if (!code)
        code = add_staying(t, g->id, &s, e);
    buf_fini(&s.rows);
    return code;
}

static enum err_code forget_class(struct session *t, struct image_registration *g, struct text class,
                                  struct err *e)
{
    enum err_code code = store_read_task(t->writer, g->id, NULL, &t->task, e);
    g->keeps_rows = !code && t->task.keeps_rows;
    if (code)
        return code;
    return g->keeps_rows ? forget_rows(t, g, class, e) : forget_sums(t, g, class, e);
}

enum err_code image_tasks_forget_class(struct session *t, struct model_handle *handle, struct text id,
                                       struct text class, struct err *e)
{
    struct image_registration g = {.id = id, .handle = handle};
    enum err_code code = session_begin_write(t, e);
    if (code)
        return code;
    code = session_end_write(t, forget_class(t, &g, class, e), e);
    if (!code)
        serving_drop_task(t->serving, id, g.revision);
    return code;
}

/* ---- weights ---- */

static enum err_code to_weights(struct image_room *room, struct weights **out, struct err *e)
{
    real *theta;
    uint32_t *seen;
    size_t n = (image_layer_bytes(&room->context) + sizeof *theta - 1) / sizeof *theta;
    if (room->context.n < 2)
        return err_set(e, ERR_INVALID,
                       "the model knows images of %zu class%s of the task; it takes two at least",
                       room->context.n, room->context.n == 1 ? "" : "es");
    *out = weights_new(n, 0, &theta, &seen);
    if (!*out)
        return err_set(e, ERR_NOMEM, "no memory for a task's layer");
    enum err_code code = image_room_layer(room, theta, e);
    if (code) {
        weights_unref(*out);
        *out = NULL;
    }
    return code;
}

enum err_code image_tasks_weights(struct session *t, struct model_handle *handle, struct text id,
                                  struct weights **out, struct err *e)
{
    struct image_room *room;
    enum err_code code = store_snapshot_begin(t->conn, e);
    if (code)
        return code;
    code = image_tasks_load(t, t->conn, handle, id, &room, e);
    store_snapshot_end(t->conn);
    if (!code)
        code = to_weights(room, out, e);
    if (code)
        return code;
    (*out)->revision = t->task.revision;
    (*out)->owner = serving_task_owner(t->task.key);
    return ERR_OK;
}
