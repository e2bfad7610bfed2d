#include "server/serving/image_classes.h"

#include "base/limits.h"
#include "server/serving/image_contexts.h"
#include "server/serving/image_drafts.h"

#include <string.h>

enum { TRIES = 10 };

/* One attempt. */
struct forgetting {
    struct session *t;
    struct text id, class;
    struct image_drafts drafts; /* of the task, without images that come */
    struct image_registration g;
    bool found;
};

static enum err_code refuse_class(const struct forgetting *f, struct err *e)
{
    return err_set(e, ERR_NOTFOUND, "task '%.*s' has no class '%.*s'", (int)f->id.len, f->id.data,
                   (int)f->class.len, f->class.data);
}

/* ---- of a task whose images are kept ---- */

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
    } else if (image_contexts_row(row, &class, &image) && text_compare(class, s->class) == 0) {
        s->found = true;
    } else {
        buf_add(&s->rows, (const char *)&text.len, sizeof text.len);
        buf_add(&s->rows, text.data, text.len);
    }
    json_decref(row);
    return s->code == ERR_OK;
}

static enum err_code find_staying(struct forgetting *f, struct staying *s, struct err *e)
{
    enum err_code code = store_each_task_row(f->t->writer, f->id, keep_row, s, e);
    code = code ? code : s->code;
    if (!code && s->rows.failed)
        code = err_set(e, ERR_NOMEM, "no memory for the rows of a task");
    return code || s->found ? code : refuse_class(f, e);
}

static enum err_code add_staying(struct forgetting *f, const struct staying *s, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t at = 0; at < s->rows.len && !code;) {
        size_t len;
        memcpy(&len, s->rows.data + at, sizeof len);
        at += sizeof len;
        code = store_add_task_row(f->t->writer, f->id, (struct text){s->rows.data + at, len}, e);
        at += len;
    }
    return code;
}

/* Leaves a task's context without the class in the model's room. *made false: of too many classes, or of
 * what the model cannot read, there is none. */
static enum err_code remove_from_context(struct forgetting *f, size_t model, bool *made, struct err *e)
{
    struct image_room *room;
    struct err why = {0};
    enum err_code code = image_drafts_begin(&f->drafts, f->t, 0, model, f->id, &room, &why);
    long k = code ? -1 : image_context_find(&room->context, f->class);
    if (k >= 0)
        image_context_remove(&room->context, (size_t)k);
    *made = code == ERR_OK;
    return code && code != ERR_LIMIT && code != ERR_CONFLICT ? err_copy(e, &why) : ERR_OK;
}

/* All contexts go, of models that are not served too. Served ones that a context can be made for get it
 * again. */
static enum err_code replace_contexts(struct forgetting *f, struct err *e)
{
    struct store_conn *writer = f->t->writer;
    bool made[LIMIT_MODELS] = {false};
    enum err_code code = ERR_OK;
    for (size_t m = 0; m < f->drafts.n_models && !code; m++)
        code = remove_from_context(f, m, &made[m], e);
    if (!code)
        code = store_touch_task(writer, f->id, &f->g.revision, e);
    if (!code)
        code = store_clear_task(writer, f->id, STORE_CLEAR_ALL, e);
    for (size_t m = 0; m < f->drafts.n_models && !code; m++) {
        struct image_room *room = image_drafts_handle(f->t, m)->images;
        struct err why = {0};
        enum err_code put =
            made[m] ? image_contexts_put(writer, room, f->id, f->g.revision, false, &why) : ERR_OK;
        code = put && put != ERR_LIMIT ? err_copy(e, &why) : ERR_OK;
    }
    return code;
}

static enum err_code forget_rows(struct forgetting *f, struct err *e)
{
    struct staying s = {.class = f->class, .e = e};
    buf_init(&s.rows, SIZE_MAX / 2);
    enum err_code code = find_staying(f, &s, e);
    if (!code)
        code = replace_contexts(f, e);
    if (!code)
        code = add_staying(f, &s, e);
    buf_fini(&s.rows);
    return code;
}

/* ---- of one whose images are not ---- */

/* The task's contexts that have the class, one after the other with the lengths of their parts in front. */
struct holders {
    struct forgetting *f;
    struct buf all;
    enum err_code code;
    struct err *e;
};

static void add_part(struct buf *out, struct text part)
{
    buf_add(out, (const char *)&part.len, sizeof part.len);
    buf_add(out, part.data, part.len);
}

static struct text next_part(const struct buf *all, size_t *at)
{
    struct text part;
    memcpy(&part.len, all->data + *at, sizeof part.len);
    part.data = all->data + *at + sizeof part.len;
    *at += sizeof part.len + part.len;
    return part;
}

/* Whether a served model is one of images, of that name and version. */
static bool is_served(const struct forgetting *f, const struct store_context_key *key)
{
    for (size_t m = 0; m < f->drafts.n_models; m++) {
        const struct model_spec *spec = &image_drafts_handle(f->t, m)->model->spec;
        if (strcmp(spec->name, key->model) == 0 && strcmp(spec->version, key->model_version) == 0)
            return true;
    }
    return false;
}

/* Contexts of other models, of rows of tables, have no classes. */
static bool find_holder(void *arg, const struct store_context_key *key, struct text bytes)
{
    struct holders *h = arg;
    struct image_context c = {0};
    double mark;
    bool ok;
    h->code = image_context_read_any(&c, &mark, bytes.data, bytes.len, &ok, h->e);
    if (!h->code && !ok && is_served(h->f, key))
        h->code = err_set(h->e, ERR_CONFLICT,
                          "what is stored of task '%.*s' for model '%s', version '%s', is damaged, and its "
                          "images are not kept: register the task anew with its images",
                          text_shown(h->f->id), h->f->id.data, key->model, key->model_version);
    if (!h->code && ok && image_context_find(&c, h->f->class) >= 0) {
        add_part(&h->all, (struct text){key->model, strlen(key->model) + 1});
        add_part(&h->all, (struct text){key->model_version, strlen(key->model_version) + 1});
        add_part(&h->all, bytes);
    }
    image_context_fini(&c);
    return !h->code;
}

/* Writes a context without the class. */
static enum err_code put_without(struct forgetting *f, const struct store_context_key *key, struct text bytes,
                                 struct err *e)
{
    struct image_context c = {0};
    struct buf out;
    double mark;
    bool ok;
    buf_init(&out, LIMIT_CONTEXT_BYTES);
    enum err_code code = image_context_read_any(&c, &mark, bytes.data, bytes.len, &ok, e);
    long k = code ? -1 : image_context_find(&c, f->class);
    if (k >= 0) {
        image_context_remove(&c, (size_t)k);
        image_context_write(&c, mark, &out);
    }
    if (!code)
        code = buf_check(&out, "what is known of the task's classes", e);
    if (!code)
        code = store_put_task_context(f->t->writer, key, f->id, f->g.revision, true, out.data, out.len, e);
    image_context_fini(&c);
    buf_fini(&out);
    return code;
}

static enum err_code forget_sums(struct forgetting *f, struct err *e)
{
    struct holders h = {.f = f, .e = e};
    buf_init(&h.all, SIZE_MAX / 2);
    enum err_code code = store_each_task_context(f->t->writer, f->id, find_holder, &h, e);
    code = code ? code : h.code;
    if (!code && h.all.failed)
        code = err_set(e, ERR_NOMEM, "no memory for the contexts of a task");
    if (!code && !h.all.len)
        code = refuse_class(f, e);
    if (!code)
        code = store_touch_task(f->t->writer, f->id, &f->g.revision, e);
    for (size_t at = 0; at < h.all.len && !code;) {
        struct text model = next_part(&h.all, &at), version = next_part(&h.all, &at),
                    bytes = next_part(&h.all, &at);
        const struct store_context_key key = {model.data, version.data, "task"};
        code = put_without(f, &key, bytes, e);
    }
    buf_fini(&h.all);
    return code;
}

/* ---- either ---- */

static enum err_code forget_class(struct forgetting *f, struct err *e)
{
    enum err_code code = store_read_task(f->t->writer, f->id, NULL, &f->t->task, e);
    if (code)
        return code;
    return f->t->task.keeps_rows ? forget_rows(f, e) : forget_sums(f, e);
}

/* *changed: within the write the task was another than that of the draft. */
static enum err_code attempt(struct forgetting *f, bool *changed, struct err *e)
{
    *changed = false;
    enum err_code code = image_drafts_make(&f->drafts, f->t, 0, &f->g, e);
    if (!code)
        code = session_begin_write(f->t, e);
    if (code)
        return code;
    code = forget_class(f, e);
    *changed = code == ERR_BUSY;
    return session_end_write(f->t, code, e);
}

enum err_code image_classes_forget(struct session *t, struct text id, struct text class, struct err *e)
{
    struct forgetting f = {.t = t, .id = id, .class = class, .g = {.id = id}};
    struct err why = {0};
    bool changed = true;
    enum err_code code = image_drafts_init(&f.drafts, t, 1, &why);
    for (int i = 0; i < TRIES && changed && !(i == 0 && code); i++) {
        err_clear(&why);
        code = attempt(&f, &changed, &why);
    }
    image_drafts_fini(&f.drafts);
    if (code)
        return err_copy(e, &why);
    serving_drop_task(t->serving, id, f.g.revision);
    return ERR_OK;
}
