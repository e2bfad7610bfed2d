/* What there is to compute is a draft before the lock is taken (task_drafts.h); within it rows are
 * written. */
#include "server/serving/task_updates.h"

#include "server/serving/task_drafts.h"

static enum err_code add_rows(struct session *t, const struct task_registration *g, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < g->known.n && !code; i++)
        code = store_add_task_row(t->writer, g->id, g->known.texts[i], e);
    return code;
}

/* ---- registrations ---- */

static enum err_code register_one(struct session *t, struct task_drafts *d, size_t i,
                                  struct task_registration *g, struct err *e)
{
    const struct task_before *was = &d->at[i].was;
    enum err_code code = task_drafts_renew(d, t, i, g, e);
    if (!code)
        code = store_put_task(t->writer, g->id, g->profile, g->keeps, &g->revision, &g->created, e);
    if (!code && was->there && g->replaces_rows)
        code = store_clear_task(t->writer, g->id, STORE_CLEAR_ALL, e);
    if (!code)
        code = task_drafts_put(d, t, i, g, e);
    if (!code && g->keeps)
        code = add_rows(t, g, e);
    else if (!code && was->there && !g->replaces_rows)
        code = store_clear_task(t->writer, g->id, STORE_CLEAR_INTERACTIONS, e);
    g->n_rows = !g->keeps ? 0 : g->replaces_rows ? g->known.n : (size_t)was->n_rows;
    return code;
}

static enum err_code refuse(struct task_registration *list, size_t i, const struct task_update_rules *rules,
                            struct err *e)
{
    rules->refuse(rules->arg, i, e->text);
    list[i].refused = true;
    err_clear(e);
    return ERR_OK;
}

/* All drafts, beside others who write: what is wrong with registrations is told of all of them. */
static enum err_code make_drafts(struct session *t, struct task_drafts *d, struct task_registration *list,
                                 const struct task_update_rules *rules, struct err *e)
{
    bool any_refused = false;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < d->n && !code; i++) {
        if (list[i].refused)
            continue;
        code = task_drafts_make(d, t, i, &list[i], e);
        if (code == ERR_INVALID)
            code = refuse(list, i, rules, e);
        any_refused = any_refused || list[i].refused;
    }
    return !code && any_refused && !rules->skip ? err_set(e, ERR_INVALID, "a part of the request was refused")
                                                : code;
}

/* One attempt; *at: the registration that failed, n: none did. */
static enum err_code write_all(struct session *t, struct task_drafts *d, struct task_registration *list,
                               const struct session_answerable *answerable, size_t *at, struct err *e)
{
    *at = d->n;
    enum err_code code = session_begin_write(t, e);
    if (code)
        return code;
    for (size_t i = 0; i < d->n && !code; i++) {
        if (list[i].refused)
            continue;
        code = register_one(t, d, i, &list[i], e);
        if (code)
            *at = i;
    }
    return session_end_write_answerable(t, code, answerable, e);
}

/* What is refused within the write is so by a change since its draft, which is rare. */
static enum err_code register_all(struct session *t, struct task_drafts *d, struct task_registration *list,
                                  const struct task_update_rules *rules, struct err *e)
{
    size_t at;
    enum err_code code = make_drafts(t, d, list, rules, e);
    if (code)
        return code;
    code = write_all(t, d, list, &rules->answerable, &at, e);
    while (code == ERR_INVALID && at < d->n) {
        if (!rules->skip) {
            rules->refuse(rules->arg, at, e->text);
            return code;
        }
        (void)refuse(list, at, rules, e);
        code = write_all(t, d, list, &rules->answerable, &at, e);
    }
    return code;
}

enum err_code task_updates_register(struct session *t, struct task_registration *list, size_t n,
                                    const struct task_update_rules *rules, struct err *e)
{
    struct task_drafts drafts;
    size_t n_registered = 0;
    enum err_code code = task_drafts_init(&drafts, t, n, e);
    if (!code)
        code = register_all(t, &drafts, list, rules, e);
    task_drafts_fini(&drafts);
    if (code)
        return code;
    for (size_t i = 0; i < n; i++) {
        if (list[i].refused)
            continue;
        serving_drop_task(t->serving, list[i].id, list[i].revision);
        n_registered++;
    }
    COUNTER_ADD(t->counters, task_registrations, n_registered);
    return ERR_OK;
}

/* ---- examples ---- */

static enum err_code write_examples(struct session *t, struct task_drafts *d, struct task_registration *g,
                                    struct err *e)
{
    const struct task_before *was = &d->at[0].was;
    enum err_code code = task_drafts_renew(d, t, 0, g, e);
    if (!code && was->there)
        code = store_touch_task(t->writer, g->id, &g->revision, e);
    else if (!code)
        code =
            store_put_task(t->writer, g->id, (struct text){NULL, 0}, g->keeps, &g->revision, &g->created, e);
    if (!code)
        code = task_drafts_put(d, t, 0, g, e);
    if (!code && g->keeps)
        code = add_rows(t, g, e);
    g->n_rows = (size_t)was->n_rows + (g->keeps ? g->known.n : 0);
    return code;
}

static enum err_code add_examples(struct session *t, struct task_drafts *d, struct task_registration *g,
                                  const struct session_answerable *answerable, struct err *e)
{
    enum err_code code = task_drafts_make(d, t, 0, g, e);
    if (!code && g->only_with_rows && !g->known.n) {
        g->revision = d->at[0].was.revision;
        g->n_rows = (size_t)d->at[0].was.n_rows;
        return session_check_answerable(answerable, e);
    }
    if (!code)
        code = session_begin_write(t, e);
    return code ? code : session_end_write_answerable(t, write_examples(t, d, g, e), answerable, e);
}

enum err_code task_updates_examples(struct session *t, struct task_registration *g,
                                    const struct session_answerable *answerable, struct err *e)
{
    struct task_drafts drafts;
    g->adds_rows = g->profile_stays = g->keeps_rows = g->keeps_as_before = true;
    enum err_code code = task_drafts_init(&drafts, t, 1, e);
    if (!code)
        code = add_examples(t, &drafts, g, answerable, e);
    task_drafts_fini(&drafts);
    if (code)
        return code;
    if (g->known.n || !g->only_with_rows)
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
