#include "server/serving/image_drafts.h"

#include "base/limits.h"
#include "base/mem.h"
#include "server/serving/image_contexts.h"

#include <assert.h>
#include <string.h>

struct model_handle *image_drafts_handle(const struct session *t, size_t model)
{
    const struct model_handles *h = recommender_handles(t->recommender);
    return h->at[h->n + h->n_tasks + model];
}

static enum err_code no_memory(size_t n, struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for what models make of %zu tasks", n);
}

enum err_code image_drafts_init(struct image_drafts *d, const struct session *t, size_t n, struct err *e)
{
    *d = (struct image_drafts){.n = n, .n_models = recommender_handles(t->recommender)->n_images};
    d->at = mem_zalloc_array(n + 1, sizeof *d->at);
    d->models = mem_zalloc_array(n * d->n_models + 1, sizeof *d->models);
    if (!d->at || !d->models)
        return no_memory(n, e);
    for (size_t i = 0; i < n * d->n_models; i++)
        buf_init(&d->models[i].context, LIMIT_CONTEXT_BYTES);
    for (size_t i = 0; i < n; i++)
        d->at[i].models = d->models + i * d->n_models;
    return ERR_OK;
}

static void forget_features(struct image_draft_model *m)
{
    mem_free(m->features);
    mem_free(m->read);
    m->features = NULL;
    m->read = NULL;
}

void image_drafts_fini(struct image_drafts *d)
{
    for (size_t i = 0; d->models && i < d->n * d->n_models; i++) {
        forget_features(&d->models[i]);
        buf_fini(&d->models[i].context);
    }
    mem_free(d->models);
    mem_free(d->at);
}

static enum err_code count(struct image_drafts *d, size_t n_bytes, struct err *e)
{
    d->n_bytes += n_bytes;
    return d->n_bytes <= LIMIT_TASK_CONTEXT_BYTES
               ? ERR_OK
               : err_set(e, ERR_LIMIT,
                         "what models make of the images would take more than %d MB all together: send fewer "
                         "in one call",
                         LIMIT_TASK_CONTEXT_BYTES >> 20);
}

/* ---- images that come ---- */

/* The features of all images, which the model that was asked is not asked for again. */
static enum err_code find_features(struct image_drafts *d, struct image_room *room,
                                   const struct image_registration *g, struct image_draft_model *out,
                                   struct err *e)
{
    size_t f = room->context.d_features;
    enum err_code code = count(d, g->n * f * sizeof *out->features, e);
    if (code)
        return code;
    out->features = mem_alloc_array(g->n * f + 1, sizeof *out->features);
    out->read = mem_zalloc_array(g->n + 1, sizeof *out->read);
    if (!out->features || !out->read)
        return no_memory(d->n, e);
    for (size_t i = 0; i < g->n && !code; i++) {
        struct image_place where;
        struct err why = {0};
        enum err_code of_image = image_room_features(room, g->known[i].image, &where, &why);
        out->read[i] = of_image == ERR_OK;
        if (of_image && of_image != ERR_INVALID)
            code = err_copy(e, &why);
        if (out->read[i])
            memcpy(out->features + i * f, room->features, f * sizeof *out->features);
    }
    return code;
}

/* ---- rows ---- */

/* Too many classes, or what nothing could make again, are the caller's to judge, who may have no need of the
 * context. */
static bool is_of_model(enum err_code code)
{
    return code == ERR_LIMIT || code == ERR_CONFLICT;
}

static enum err_code read_rows(struct image_drafts *d, struct session *t, struct text id,
                               struct image_room *room, struct image_draft_model *out, struct err *e)
{
    enum err_code code = image_contexts_of_rows(t->conn, id, room, &out->failed);
    out->of_rows = true;
    if (code)
        return is_of_model(code) ? ERR_OK : err_copy(e, &out->failed);
    image_context_write(&room->context, room->mark, &out->context);
    code = buf_check(&out->context, "what is known of the task's classes", &out->failed);
    if (code)
        return code == ERR_LIMIT ? ERR_OK : err_copy(e, &out->failed);
    return count(d, out->context.len, e);
}

/* The context that a model has none of use for: within a snapshot. */
static enum err_code make_context(struct image_drafts *d, struct session *t, size_t i, size_t model,
                                  struct text id, struct err *e)
{
    struct image_room *room;
    struct err why = {0};
    bool found;
    enum err_code code =
        image_contexts_find(t->conn, image_drafts_handle(t, model), id, &t->task, &room, &found, &why);
    if (code)
        return is_of_model(code) ? ERR_OK : err_copy(e, &why);
    d->at[i].revision = t->task.revision;
    return found ? ERR_OK : read_rows(d, t, id, room, &d->at[i].models[model], e);
}

static enum err_code make_contexts(struct image_drafts *d, struct session *t, size_t i,
                                   const struct image_registration *g, struct err *e)
{
    struct err why = {0};
    enum err_code code = store_read_task(t->conn, g->id, NULL, &t->task, &why);
    if (code == ERR_NOTFOUND && g->create)
        return ERR_OK;
    if (code)
        return err_copy(e, &why);
    for (size_t m = 0; m < d->n_models && !code; m++)
        code = make_context(d, t, i, m, g->id, e);
    return code;
}

/* ---- drafts ---- */

static void forget(struct image_drafts *d, size_t i)
{
    d->at[i].revision = 0;
    for (size_t m = 0; m < d->n_models; m++) {
        struct image_draft_model *of = &d->at[i].models[m];
        d->n_bytes -= of->context.len;
        buf_reset(&of->context);
        err_clear(&of->failed);
        of->of_rows = false;
    }
}

enum err_code image_drafts_make(struct image_drafts *d, struct session *t, size_t i,
                                const struct image_registration *g, struct err *e)
{
    enum err_code code = ERR_OK;
    assert(!t->writer); /* convolutions hold up nobody */
    for (size_t m = 0; m < d->n_models && !code; m++) {
        struct model_handle *handle = image_drafts_handle(t, m);
        struct image_room *room;
        if (handle == g->handle || d->at[i].models[m].read)
            continue;
        code = model_handle_images(handle, &room, e);
        if (!code)
            code = find_features(d, room, g, &d->at[i].models[m], e);
    }
    forget(d, i);
    if (code || g->replaces)
        return code;
    code = store_snapshot_begin(t->conn, e);
    if (code)
        return code;
    code = make_contexts(d, t, i, g, e);
    store_snapshot_end(t->conn);
    return code;
}

enum err_code image_drafts_begin(const struct image_drafts *d, struct session *t, size_t i, size_t model,
                                 struct text id, struct image_room **room, struct err *e)
{
    const struct image_draft *draft = &d->at[i];
    const struct image_draft_model *of = &draft->models[model];
    bool found;
    enum err_code code =
        image_contexts_find(t->writer, image_drafts_handle(t, model), id, &t->task, room, &found, e);
    if (code || found)
        return code;
    if (!of->of_rows || draft->revision != t->task.revision)
        return err_set(e, ERR_BUSY, "task '%.*s' changes again and again: try later", text_shown(id),
                       id.data);
    if (of->failed.code)
        return err_copy(e, &of->failed);
    return image_context_read(&(*room)->context, (*room)->mark, of->context.data, of->context.len, &found, e);
}

enum err_code image_drafts_add(const struct image_drafts *d, size_t i, size_t model,
                               const struct image_registration *g, struct image_room *room, struct err *e)
{
    const struct image_draft_model *of = &d->at[i].models[model];
    size_t f = room->context.d_features;
    enum err_code code = ERR_OK;
    for (size_t k = 0; k < g->n && !code; k++)
        if (!of->features || of->read[k])
            code = image_context_add(&room->context, g->known[k].class,
                                     of->features ? of->features + k * f : g->known[k].features, e);
    return code;
}
