#include "server/serving/image_tasks.h"

#include "base/limits.h"
#include "server/serving/image_contexts.h"
#include "server/serving/image_drafts.h"

enum { TRIES = 10 };

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

/* Whether images are kept from here on. What is forgotten nobody can give back: only new ones in its place
 * are kept. */
static void find_keeping(struct image_registration *g, const struct before *was)
{
    bool gone = was->there && !was->keeps_rows && !g->replaces;
    g->keeps = g->keeps_as_before && was->there ? was->keeps_rows : g->keeps_rows;
    g->lost_rows = gone && g->keeps && !g->keeps_as_before;
    g->keeps = g->keeps && !gone;
}

/* ---- contexts ---- */

/* Whether what comes has room beside n_before images, which are stored or known by their sums alone. */
static enum err_code check_number(const struct image_registration *g, size_t n_before, struct err *e)
{
    if (n_before + g->n <= LIMIT_TASK_ROWS)
        return ERR_OK;
    return err_set(e, ERR_LIMIT, "task '%.*s' has %zu images; with %zu more it would have more than %d",
                   (int)g->id.len, g->id.data, n_before, g->n, LIMIT_TASK_ROWS);
}

/* One registration within a write. */
struct one {
    struct session *t;
    const struct image_drafts *drafts;
    size_t i;
    struct image_registration *g;
    struct before was;
    bool anew; /* nothing that was known stays */
};

/* Leaves in the room of one model what will be known. */
static enum err_code make_context(struct one *o, size_t model, struct err *e)
{
    struct image_registration *g = o->g;
    struct model_handle *handle = image_drafts_handle(o->t, model);
    struct image_room *room;
    enum err_code code = model_handle_images(handle, &room, e);
    if (!code && o->anew)
        image_context_clear(&room->context);
    else if (!code)
        code = image_drafts_begin(o->drafts, o->t, o->i, model, g->id, &room, e);
    if (!code)
        code = check_number(g, image_context_known(&room->context), e);
    if (!code)
        code = image_drafts_add(o->drafts, o->i, model, g, room, e);
    if (!code && handle == g->handle) {
        g->n_known = image_context_known(&room->context);
        g->n_classes = room->context.n;
    }
    return code;
}

/* Rows that the model asked cannot read would be forgotten without being known to it. */
static enum err_code check_lost(const struct one *o, struct err *e)
{
    const struct image_registration *g = o->g;
    if (g->keeps || o->anew || !o->was.keeps_rows || (int64_t)g->n_known >= o->was.n_rows + (int64_t)g->n)
        return ERR_OK;
    return err_set(e, ERR_INVALID,
                   "of %lld stored images the model can read %zu: without keep_rows the others would be lost",
                   (long long)o->was.n_rows, g->n_known - g->n);
}

static enum err_code make_contexts(struct one *o, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t m = 0; m < o->drafts->n_models && !code; m++)
        code = make_context(o, m, e);
    return code ? code : check_lost(o, e);
}

/* Contexts come before the rows they are made of: what is stored is then what was known until now. */
static enum err_code put_contexts(const struct one *o, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t m = 0; m < o->drafts->n_models && !code; m++)
        code = image_contexts_put(o->t->writer, image_drafts_handle(o->t, m)->images, o->g->id,
                                  o->g->revision, !o->g->keeps, e);
    return code;
}

/* ---- registrations ---- */

/* The row of the task: new, replaced, or with a new revision. */
static enum err_code put_task(const struct one *o, struct err *e)
{
    struct session *t = o->t;
    struct image_registration *g = o->g;
    const struct buf *stored = &t->task.profile;
    bool stays = o->was.there && g->profile_stays && stored->len;
    const struct text profile = {stays ? stored->data : NULL, stays ? stored->len : 0};
    if (o->was.there && g->profile_stays && g->keeps == o->was.keeps_rows)
        return store_touch_task(t->writer, g->id, &g->revision, e);
    return store_put_task(t->writer, g->id, profile, g->keeps, &g->revision, &g->created, e);
}

/* What goes, and what comes. */
static enum err_code put_rows(const struct one *o, struct err *e)
{
    struct image_registration *g = o->g;
    enum err_code code = ERR_OK;
    if (o->was.there && !g->keeps && !o->anew)
        code = store_clear_task(o->t->writer, g->id, STORE_CLEAR_INTERACTIONS, e);
    for (size_t i = 0; i < g->n && g->keeps && !code; i++)
        code = store_add_task_row(o->t->writer, g->id, g->known[i].row, e);
    g->n_rows = g->keeps ? (o->anew ? 0 : (size_t)o->was.n_rows) + g->n : 0;
    return code;
}

static enum err_code register_one(struct session *t, const struct image_drafts *drafts, size_t i,
                                  struct image_registration *g, struct err *e)
{
    struct one o = {.t = t, .drafts = drafts, .i = i, .g = g};
    enum err_code code = read_before(t, g->id, &o.was, e);
    o.anew = g->replaces || !o.was.there;
    if (!code && !o.was.there && !g->create)
        code = err_set(e, ERR_NOTFOUND, "no task '%.*s'", (int)g->id.len, g->id.data);
    find_keeping(g, &o.was);
    if (!code)
        code = check_number(g, o.anew ? 0 : (size_t)o.was.n_rows, e);
    if (!code)
        code = make_contexts(&o, e);
    if (!code)
        code = put_task(&o, e);
    if (!code && o.was.there && g->replaces)
        code = store_clear_task(t->writer, g->id, STORE_CLEAR_ALL, e);
    if (!code)
        code = put_contexts(&o, e);
    return code ? code : put_rows(&o, e);
}

/* ---- many ---- */

/* A call. */
struct run {
    struct session *t;
    struct image_drafts drafts;
    struct image_registration *list; /* (n of drafts) */
    const struct task_update_rules *rules;
    size_t at;    /* the registration that failed within the write; n: none did */
    bool changed; /* its task changed since its draft */
};

static enum err_code make_drafts(struct run *u, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < u->drafts.n && !code; i++)
        if (!u->list[i].refused)
            code = image_drafts_make(&u->drafts, u->t, i, &u->list[i], e);
    return code;
}

static enum err_code write_all(struct run *u, struct err *e)
{
    u->at = u->drafts.n;
    u->changed = false;
    enum err_code code = session_begin_write(u->t, e);
    if (code)
        return code;
    for (size_t i = 0; i < u->drafts.n && !code; i++) {
        if (u->list[i].refused)
            continue;
        code = register_one(u->t, &u->drafts, i, &u->list[i], e);
        if (code)
            u->at = i;
        u->changed = code == ERR_BUSY;
    }
    return session_end_write_answerable(u->t, code, &u->rules->answerable, e);
}

/* One attempt. Of a task that changed meanwhile there is a new draft, *again: for another one. */
static enum err_code attempt(struct run *u, bool last, bool *again, struct err *e)
{
    struct err why = {0};
    enum err_code code = write_all(u, &why);
    *again = false;
    if (code && u->changed && !last) {
        *again = true;
        return image_drafts_make(&u->drafts, u->t, u->at, &u->list[u->at], e);
    }
    if (code == ERR_INVALID && u->at < u->drafts.n) {
        u->rules->refuse(u->rules->arg, u->at, why.text);
        u->list[u->at].refused = *again = u->rules->skip;
        return u->rules->skip ? ERR_OK : err_set(e, ERR_INVALID, "a part of the request was refused");
    }
    return code ? err_copy(e, &why) : ERR_OK;
}

/* Each attempt has one registration less, or one draft that is made anew. */
static enum err_code register_all(struct run *u, struct err *e)
{
    size_t n_tries = 0;
    bool again = true;
    enum err_code code = make_drafts(u, e);
    while (!code && again) {
        code = attempt(u, n_tries >= TRIES, &again, e);
        n_tries += u->changed;
    }
    return code;
}

enum err_code image_tasks_register(struct session *t, struct image_registration *list, size_t n,
                                   const struct task_update_rules *rules, struct err *e)
{
    struct run u = {.t = t, .list = list, .rules = rules};
    enum err_code code = image_drafts_init(&u.drafts, t, n, e);
    if (!code)
        code = register_all(&u, e);
    image_drafts_fini(&u.drafts);
    for (size_t i = 0; i < n && !code; i++) {
        const struct image_registration *g = &list[i];
        bool registers = g->replaces || !g->n;
        if (g->refused)
            continue;
        serving_drop_task(t->serving, g->id, g->revision);
        COUNTER_ADD(t->counters, task_registrations, registers);
        COUNTER_ADD(t->counters, task_examples, registers ? 0 : g->n);
    }
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
    code = image_contexts_load(t->conn, handle, id, &t->task, &room, e);
    store_snapshot_end(t->conn);
    if (!code)
        code = to_weights(room, out, e);
    if (code)
        return code;
    (*out)->revision = t->task.revision;
    (*out)->owner = serving_task_owner(t->task.key);
    return ERR_OK;
}
