/* Contexts come before the rows they are made of: what is stored is then what was known until now. */
#include "server/serving/task_drafts.h"

#include "base/limits.h"
#include "base/mem.h"
#include "server/serving/task_contexts.h"
#include "server/tasks/task_context.h"

#include <assert.h>
#include <string.h>

static struct model_handle *handle_of(const struct session *t, size_t model)
{
    const struct model_handles *handles = recommender_handles(t->recommender);
    return handles->at[handles->n + model];
}

static size_t bytes_of(const struct model_handle *handle)
{
    return task_context_len(&handle->model->spec) * sizeof(double);
}

enum err_code task_drafts_init(struct task_drafts *d, const struct session *t, size_t n, struct err *e)
{
    *d = (struct task_drafts){.n = n, .n_models = recommender_handles(t->recommender)->n_tasks};
    d->at = mem_zalloc_array(n + 1, sizeof *d->at);
    d->contexts = mem_zalloc_array(n * d->n_models + 1, sizeof *d->contexts);
    if (!d->at || !d->contexts)
        return err_set(e, ERR_NOMEM, "no memory for the contexts of %zu tasks", n);
    for (size_t i = 0; i < n; i++)
        d->at[i].contexts = d->contexts + i * d->n_models;
    return ERR_OK;
}

void task_drafts_fini(struct task_drafts *d)
{
    for (size_t i = 0; d->contexts && i < d->n * d->n_models; i++)
        mem_free(d->contexts[i].of_rows);
    mem_free(d->contexts);
    mem_free(d->at);
}

/* ---- what was there ---- */

static enum err_code read_before(struct session *t, struct store_conn *c, struct text id,
                                 struct task_before *out, struct err *e)
{
    struct err why = {0};
    *out = (struct task_before){0};
    enum err_code code = store_read_task(c, id, NULL, &t->task, &why);
    if (code && code != ERR_NOTFOUND)
        return err_copy(e, &why);
    if (!code)
        *out = (struct task_before){true, t->task.keeps_rows, t->task.revision, t->task.n_rows};
    return ERR_OK;
}

static bool is_same(const struct task_before *a, const struct task_before *b)
{
    return a->there == b->there && a->keeps_rows == b->keeps_rows && a->revision == b->revision &&
           a->n_rows == b->n_rows;
}

/* Whether the update is of the task that there is. */
static enum err_code check_before(const struct session *t, const struct task_registration *g,
                                  const struct task_before *was, struct err *e)
{
    const struct buf *stored = &t->task.profile;
    if (!was->there && g->must_be_there)
        return err_set(e, ERR_NOTFOUND, "no task '%.*s'", (int)g->id.len, g->id.data);
    if (was->there && g->expects_profile &&
        (stored->len != g->profile_before.len ||
         (stored->len && memcmp(stored->data, g->profile_before.data, stored->len) != 0)))
        return err_set(e, ERR_CONFLICT, "the profile of task '%.*s' changed meanwhile", (int)g->id.len,
                       g->id.data);
    if (!g->replaces_rows && (size_t)was->n_rows + g->known.n > LIMIT_TASK_ROWS)
        return err_set(e, ERR_LIMIT, "task '%.*s' has %lld rows; with %zu more it would have more than %d",
                       (int)g->id.len, g->id.data, (long long)was->n_rows, g->known.n, LIMIT_TASK_ROWS);
    return ERR_OK;
}

/* Whether rows are kept from here on. What is forgotten nobody can give back: only new support is kept. */
static void find_keeping(struct task_registration *g, const struct task_before *was)
{
    g->keeps = g->keeps_as_before && was->there ? was->keeps_rows : g->keeps_rows;
    g->lost_rows = was->there && !was->keeps_rows && !g->replaces_rows && g->keeps && !g->keeps_as_before;
    if (was->there && !was->keeps_rows && !g->replaces_rows)
        g->keeps = false;
}

/* ---- contexts ---- */

/* What the answer says of the model that was asked. */
static void tell(struct task_registration *g, const struct task_room *room)
{
    if (room->model != g->handle->model)
        return;
    g->source = task_contexts_source(room);
    g->n_known = (size_t)room->context[TASK_CONTEXT_ROWS];
    g->waits = room->waits;
    g->rows_worth = room->context[TASK_CONTEXT_SUMS + TASK_SUM_ROWS];
}

/* What nothing could make again is not written over. */
static enum err_code refuse_unreadable(struct task_registration *g, const struct model *m, struct err *e)
{
    g->unreadable = true;
    return err_set(
        e, ERR_CONFLICT,
        "what is stored of task '%.*s', whose rows are not kept, was not made by model '%s', version "
        "'%s', as it is served, or is damaged: register the task anew with its rows, or serve that "
        "model",
        (int)g->id.len, g->id.data, m->spec.name, m->spec.version);
}

/* The context in the room, of what was known unless that goes. */
static enum err_code begin_context(struct session *t, struct store_conn *c, struct model_handle *handle,
                                   const struct task_registration *g, const struct task_before *was,
                                   const json_t *profile, struct task_room **room, bool *given, struct err *e)
{
    enum err_code code;
    *given = false;
    if (was->there && !g->replaces_rows) {
        /* Of a profile that is replaced, what was made with the old one is of no use. */
        const json_t *other = g->profile_stays ? NULL : profile;
        code =
            task_contexts_load(c, handle, g->id, other ? INT64_MAX : was->revision, other, &t->task, room, e);
        *given = t->task.context_given;
        return code;
    }
    code = model_handle_room(handle, room, e);
    if (!code) {
        task_contexts_profile(*room, profile);
        task_room_start(*room, NULL);
    }
    return code;
}

static enum err_code keep_context(struct task_drafts *d, const struct task_room *room,
                                  struct task_draft_context *out, struct err *e)
{
    size_t n_bytes = task_context_len(&room->model->spec) * sizeof *room->context;
    if (d->n_bytes + n_bytes > LIMIT_TASK_CONTEXT_BYTES)
        return err_set(e, ERR_LIMIT,
                       "the sums of the tasks' rows would take more than %d MB all together: send fewer "
                       "tasks in one call",
                       LIMIT_TASK_CONTEXT_BYTES >> 20);
    out->of_rows = mem_alloc_array(n_bytes, 1);
    if (!out->of_rows)
        return err_set(e, ERR_NOMEM, "no memory for the contexts of %zu tasks", d->n);
    memcpy(out->of_rows, room->context, n_bytes);
    d->n_bytes += n_bytes;
    return ERR_OK;
}

static enum err_code make_context(struct task_drafts *d, struct session *t, struct store_conn *c,
                                  struct model_handle *handle, struct task_registration *g,
                                  const struct task_before *was, const json_t *profile,
                                  struct task_draft_context *out, struct err *e)
{
    struct task_room *room;
    bool given, was_loaded = was->there && !g->replaces_rows;
    enum err_code code = begin_context(t, c, handle, g, was, profile, &room, &given, e);
    if (code)
        return code;
    bool unreadable = was_loaded && task_contexts_unreadable(room, &t->task);
    if (unreadable && g->known.n)
        return refuse_unreadable(g, handle->model, e);
    for (size_t i = 0; i < g->known.n; i++)
        task_contexts_know(room, g->known.rows[i]);
    task_room_settle(room);
    tell(g, room);
    out->given = given || !g->keeps;
    if (unreadable)
        return ERR_OK; /* it stays */
    if (!given && !(room->context[TASK_CONTEXT_ROWS] > 0))
        return ERR_OK; /* of no row: quicker made than stored */
    return keep_context(d, room, out, e);
}

static enum err_code make_contexts(struct task_drafts *d, struct session *t, struct store_conn *c, size_t i,
                                   struct task_registration *g, struct err *e)
{
    const struct task_before *was = &d->at[i].was;
    json_t *none = NULL;
    enum err_code code = ERR_OK;
    if (!g->profile_json && !g->profile_stays && !(none = json_object()))
        return err_set(e, ERR_NOMEM, "no memory for a task");
    for (size_t m = 0; m < d->n_models && !code; m++)
        code = make_context(d, t, c, handle_of(t, m), g, was, g->profile_json ? g->profile_json : none,
                            &d->at[i].contexts[m], e);
    json_decref(none);
    if (!code && !g->keeps && !g->adds_rows && !g->replaces_rows && (int64_t)g->n_known < was->n_rows)
        return err_set(
            e, ERR_INVALID,
            "of %lld stored rows the model can read %zu: without keep_rows the others would be lost",
            (long long)was->n_rows, g->n_known);
    return code;
}

/* ---- drafts ---- */

static void forget(struct task_drafts *d, const struct session *t, size_t i)
{
    for (size_t m = 0; m < d->n_models; m++) {
        struct task_draft_context *context = &d->at[i].contexts[m];
        d->n_bytes -= context->of_rows ? bytes_of(handle_of(t, m)) : 0;
        mem_free(context->of_rows);
        *context = (struct task_draft_context){0};
    }
    d->at[i].made = false;
}

static enum err_code make(struct task_drafts *d, struct session *t, struct store_conn *c, size_t i,
                          struct task_registration *g, struct err *e)
{
    struct task_draft *draft = &d->at[i];
    forget(d, t, i);
    g->unreadable = false;
    enum err_code code = read_before(t, c, g->id, &draft->was, e);
    if (!code)
        code = check_before(t, g, &draft->was, e);
    if (code)
        return code;
    find_keeping(g, &draft->was);
    code = make_contexts(d, t, c, i, g, e);
    draft->made = code == ERR_OK;
    return code;
}

enum err_code task_drafts_make(struct task_drafts *d, struct session *t, size_t i,
                               struct task_registration *g, struct err *e)
{
    assert(!t->writer); /* who holds the lock makes none but those that are of no use any more */
    enum err_code code = store_snapshot_begin(t->conn, e);
    if (code)
        return code;
    code = make(d, t, t->conn, i, g, e);
    store_snapshot_end(t->conn);
    return code;
}

enum err_code task_drafts_renew(struct task_drafts *d, struct session *t, size_t i,
                                struct task_registration *g, struct err *e)
{
    struct task_before now;
    enum err_code code = read_before(t, t->writer, g->id, &now, e);
    if (code || (d->at[i].made && is_same(&now, &d->at[i].was)))
        return code;
    return make(d, t, t->writer, i, g, e);
}

enum err_code task_drafts_put(const struct task_drafts *d, struct session *t, size_t i,
                              const struct task_registration *g, struct err *e)
{
    const struct task_draft *draft = &d->at[i];
    enum err_code code = ERR_OK;
    for (size_t m = 0; m < d->n_models && !code; m++)
        if (draft->contexts[m].of_rows)
            code = task_contexts_put(t->writer, handle_of(t, m)->model, g->id, g->revision,
                                     draft->contexts[m].given, draft->contexts[m].of_rows, e);
    return code;
}
