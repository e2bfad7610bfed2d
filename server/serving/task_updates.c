/* Contexts come before the rows they are made of: what is stored is then what was known until now. */
#include "server/serving/task_updates.h"

#include "base/limits.h"
#include "server/serving/task_contexts.h"
#include "server/tasks/task_context.h"

#include <string.h>

/* What the store has of a task before a write. */
struct before {
    bool there, keeps_rows;
    int64_t revision, n_rows;
};

static enum err_code read_before(struct session *t, struct text id, struct before *out, struct err *e)
{
    struct err why = {0};
    *out = (struct before){0};
    enum err_code code = store_read_task(t->writer, id, NULL, &t->task, &why);
    if (code && code != ERR_NOTFOUND)
        return err_copy(e, &why);
    if (!code)
        *out = (struct before){true, t->task.keeps_rows, t->task.revision, t->task.n_rows};
    return ERR_OK;
}

static enum err_code check_rows(const struct task_registration *g, int64_t n_before, struct err *e)
{
    if ((size_t)n_before + g->known.n <= LIMIT_TASK_ROWS)
        return ERR_OK;
    return err_set(e, ERR_LIMIT, "task '%.*s' has %lld rows; with %zu more it would have more than %d",
                   (int)g->id.len, g->id.data, (long long)n_before, g->known.n, LIMIT_TASK_ROWS);
}

static enum err_code add_rows(struct session *t, const struct task_registration *g, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < g->known.n && !code; i++)
        code = store_add_task_row(t->writer, g->id, g->known.texts[i], e);
    return code;
}

/* What the answer says of the model that was asked. */
static void tell(struct task_registration *g, const struct task_room *room)
{
    if (room->model != g->handle->model)
        return;
    g->source = task_contexts_source(room);
    g->n_known = (size_t)room->context[TASK_CONTEXT_ROWS];
    g->rows_worth = room->context[TASK_CONTEXT_SUMS + TASK_SUM_ROWS];
}

/* The context of one model: of what was known, unless that goes, and of the rows that come. */
static enum err_code put_context(struct session *t, struct model_handle *handle, struct task_registration *g,
                                 const struct before *was, const json_t *profile, bool starts_anew,
                                 struct err *e)
{
    struct task_room *room;
    bool given = false;
    enum err_code code = ERR_OK;
    if (starts_anew) {
        code = model_handle_room(handle, &room, e);
        if (code)
            return code;
        task_contexts_profile(room, profile);
        task_room_start(room, NULL);
    } else {
        /* Of a profile that is replaced, what was made with the old one is of no use. */
        code = task_contexts_load(t->writer, handle, g->id, profile ? INT64_MAX : was->revision, profile,
                                  &t->task, &room, e);
        given = t->task.context_given;
        if (code)
            return code;
    }
    for (size_t i = 0; i < g->known.n; i++)
        task_contexts_know(room, g->known.rows[i]);
    task_room_settle(room);
    tell(g, room);
    if (!given && !(room->context[TASK_CONTEXT_ROWS] > 0))
        return ERR_OK; /* of no row: quicker made than stored */
    t->context_bytes += task_context_len(&room->model->spec) * sizeof *room->context;
    if (t->context_bytes > LIMIT_TASK_CONTEXT_BYTES)
        return err_set(e, ERR_LIMIT,
                       "the sums of the tasks' rows would take more than %d MB all together: send fewer "
                       "tasks in one call",
                       LIMIT_TASK_CONTEXT_BYTES >> 20);
    return task_contexts_put(t->writer, room, g->id, g->revision, given || !g->keeps_rows, e);
}

static enum err_code put_contexts(struct session *t, struct task_registration *g, const struct before *was,
                                  const json_t *profile, bool starts_anew, struct err *e)
{
    const struct model_handles *handles = recommender_handles(t->recommender);
    enum err_code code = ERR_OK;
    for (size_t i = handles->n; i < handles->n + handles->n_tasks && !code; i++)
        code = put_context(t, handles->at[i], g, was, profile, starts_anew, e);
    return code;
}

/* ---- registrations ---- */

static enum err_code register_one(struct session *t, struct task_registration *g, struct err *e)
{
    struct before was;
    json_t *none = NULL;
    enum err_code code = read_before(t, g->id, &was, e);
    bool starts_anew = g->replaces_rows || !was.there;
    if (was.there && !was.keeps_rows && !g->replaces_rows) {
        g->lost_rows = g->keeps_rows;
        g->keeps_rows = false; /* what is forgotten nobody can give back: only new support is kept */
    }
    if (!code)
        code = store_put_task(t->writer, g->id, g->profile, g->keeps_rows, &g->revision, &g->created, e);
    if (!code && was.there && g->replaces_rows)
        code = store_clear_task(t->writer, g->id, STORE_CLEAR_ALL, e);
    if (!code && !g->profile_json && !(none = json_object()))
        code = err_set(e, ERR_NOMEM, "no memory for a task");
    if (!code)
        code = put_contexts(t, g, &was, g->profile_json ? g->profile_json : none, starts_anew, e);
    json_decref(none);
    if (!code && g->keeps_rows)
        code = add_rows(t, g, e);
    else if (!code && (int64_t)g->n_known < was.n_rows && !g->replaces_rows)
        code =
            err_set(e, ERR_INVALID,
                    "of %lld stored rows the model can read %zu: without keep_rows the others would be lost",
                    (long long)was.n_rows, g->n_known);
    else if (!code && was.there && !g->replaces_rows)
        code = store_clear_task(t->writer, g->id, STORE_CLEAR_INTERACTIONS, e);
    g->n_rows = !g->keeps_rows ? 0 : g->replaces_rows ? g->known.n : (size_t)was.n_rows;
    return code;
}

enum err_code task_updates_register(struct session *t, struct task_registration *list, size_t n, size_t *at,
                                    struct err *e)
{
    size_t n_registered = 0;
    *at = n;
    enum err_code code = session_begin_write(t, e);
    if (code)
        return code;
    for (size_t i = 0; i < n && !code; i++) {
        if (list[i].refused)
            continue;
        code = register_one(t, &list[i], e);
        n_registered++;
        if (code)
            *at = i;
    }
    code = session_end_write(t, code, e);
    if (code)
        return code;
    for (size_t i = 0; i < n; i++)
        if (!list[i].refused)
            serving_drop_task(t->serving, list[i].id, list[i].revision);
    COUNTER_ADD(t->counters, task_registrations, n_registered);
    return ERR_OK;
}

/* ---- examples ---- */

/* The row of a task that gets rows: with a new revision, or made. */
static enum err_code touch(struct session *t, struct task_registration *g, bool create,
                           const struct before *was, struct err *e)
{
    g->keeps_rows = !was->there || was->keeps_rows;
    if (was->there)
        return store_touch_task(t->writer, g->id, &g->revision, e);
    if (!create)
        return err_set(e, ERR_NOTFOUND, "no task '%.*s'", (int)g->id.len, g->id.data);
    return store_put_task(t->writer, g->id, (struct text){NULL, 0}, true, &g->revision, &g->created, e);
}

static bool is_profile(const struct store_task *record, struct text profile)
{
    return record->profile.len == profile.len &&
           (!profile.len || memcmp(record->profile.data, profile.data, profile.len) == 0);
}

static enum err_code add_examples(struct session *t, struct task_registration *g, bool create, struct err *e)
{
    struct before was;
    enum err_code code = read_before(t, g->id, &was, e);
    if (!code && was.there && !is_profile(&t->task, g->profile))
        code = err_set(e, ERR_CONFLICT, "the profile of task '%.*s' changed meanwhile", (int)g->id.len,
                       g->id.data);
    if (!code)
        code = touch(t, g, create, &was, e);
    if (!code)
        code = check_rows(g, was.n_rows, e);
    if (!code)
        code = put_contexts(t, g, &was, NULL, false, e);
    if (!code && g->keeps_rows)
        code = add_rows(t, g, e);
    g->n_rows = (size_t)was.n_rows + (g->keeps_rows ? g->known.n : 0);
    return code;
}

enum err_code task_updates_examples(struct session *t, struct task_registration *g, bool create,
                                    struct err *e)
{
    enum err_code code = session_begin_write(t, e);
    if (code)
        return code;
    code = session_end_write(t, add_examples(t, g, create, e), e);
    if (code)
        return code;
    serving_drop_task(t->serving, g->id, g->revision);
    COUNTER_ADD(t->counters, task_examples, g->known.n);
    return ERR_OK;
}

/* ---- deletion ---- */

enum err_code task_updates_delete(struct session *t, struct text id, struct err *e)
{
    enum err_code code = session_begin_write(t, e);
    if (code)
        return code;
    code = session_end_write(t, store_delete_task(t->writer, id, e), e);
    if (code)
        return code;
    serving_drop_task(t->serving, id, INT64_MAX);
    COUNTER_ADD(t->counters, task_deletions, 1);
    return ERR_OK;
}
