/* The transaction is begun here and ended here: a failure at any point rolls all of it back. What follows a
 * commit refuses nothing. */
#include "server/serving/user_updates.h"

#include "base/limits.h"
#include "base/mem.h"
#include "server/serving/item_updates.h"
#include "server/serving/update_run.h"
#include "server/serving/user_contexts.h"
#include "server/serving/user_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- registrations ---- */

static enum err_code put_embedding(struct session *t, const struct registration *g, struct err *e)
{
    const struct model_spec *spec = &g->handle->model->spec;
    struct store_context_key key = {spec->name, spec->version, "user"};
    return store_put_context(t->writer, &key, g->id, g->revision, true, g->embedding,
                             spec->d_context * sizeof *g->embedding, e);
}

/* The row of the user, with the profile as it will be. */
static enum err_code put_row(struct session *t, struct registration *g, struct err *e)
{
    struct partial partial;
    struct text profile = g->profile.patch;
    bool known = true;
    partial_init(&partial);
    enum err_code code =
        g->patch ? partial_user(&partial, t->writer, g->id, &g->profile, &profile, &known, e) : ERR_OK;
    if (!code && !known)
        code = err_set(e, ERR_NOTFOUND, "no user '%.*s'", (int)g->id.len, g->id.data);
    if (!code)
        code = store_put_user(t->writer, g->id, profile, &g->revision, &g->created, e);
    partial_fini(&partial);
    return code;
}

/* What the registration replaces goes. */
static enum err_code clear(struct session *t, const struct registration *g, struct err *e)
{
    bool contexts = !g->patch || g->no_embedding;
    unsigned what =
        (g->replaces_interactions ? STORE_CLEAR_INTERACTIONS : 0) | (contexts ? STORE_CLEAR_CONTEXTS : 0);
    return g->created || !what ? ERR_OK : store_clear_user(t->writer, g->id, (enum store_clear)what, e);
}

/* Whether the record is to be read back: what a kind says is the store's, and so is which ids it knows. */
static bool says_more(const struct registration *g)
{
    for (size_t i = 0; i < g->n_interactions; i++)
        if (g->interactions[i].kind != STORE_KIND_NONE || g->interactions[i].event_id.data)
            return true;
    return false;
}

/* Puts the interactions; of a user who has no others they become its record. */
static enum err_code put_interactions(struct update_run *run, const struct registration *g,
                                      struct store_user *record, struct err *e)
{
    enum err_code code = user_record_begin(
        record, g->revision, g->patch ? (struct text){NULL, 0} : g->profile.patch, g->n_interactions, e);
    for (size_t i = 0; i < g->n_interactions && !code; i++) {
        const struct update_interaction *x = &g->interactions[i];
        struct store_interaction added = {
            .weight = x->weight, .rating = x->rating, .timestamp = x->timestamp};
        bool repeats;
        code = update_run_repeats(run, g->id, x, &repeats, e);
        if (!code && !repeats)
            code = update_run_put(run, g->id, x, x->timestamp, &added.item_key, NULL, e);
        if (!code && !repeats)
            user_record_add(record, &added);
    }
    return code ? code : user_record_end(record, e);
}

/* The contexts of who is registered: of a patch all may be there already; else the record is what was put, or
 * what was kept. */
static enum err_code put_contexts(struct update_run *run, struct registration *g, struct store_user *record,
                                  struct err *e)
{
    struct session *t = run->t;
    enum err_code code = ERR_OK;
    if (g->patch)
        return user_contexts_put(t, g->id, g->handle, &g->source, e);
    if ((!g->created && !g->replaces_interactions) || says_more(g))
        code = store_read_user(t->writer, g->id, NULL, record, e);
    if (!code)
        code = user_contexts_check_size(g->id, record->n_interactions, e);
    if (code)
        return code;
    record->embedding_given = g->embedding != NULL;
    g->source = user_contexts_source(g->handle, record);
    return run->many ? ERR_OK
                     : user_contexts_put_record(t, g->id, record, g->embedding ? g->handle : NULL, e);
}

static enum err_code register_one(struct update_run *run, struct registration *g, struct err *e)
{
    struct store_user *record = recommender_user_record(run->t->recommender);
    enum err_code code = put_row(run->t, g, e);
    if (!code)
        code = clear(run->t, g, e);
    if (!code)
        code = put_interactions(run, g, record, e);
    if (!code && g->embedding)
        code = put_embedding(run->t, g, e);
    return code ? code : put_contexts(run, g, record, e);
}

/* Refuses the interactions whose items cannot be, and marks whose they are. What an attempt before refused
 * was told then. */
static enum err_code check_registrations(struct update_run *run, struct registration *list, size_t n,
                                         struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < n && !code; i++) {
        bool all = true, can = true;
        for (size_t k = 0; !list[i].refused && k < list[i].n_interactions && !code; k++) {
            const struct update_fault at = {.index = i, .interaction = k};
            code = update_run_check_item(run, list[i].interactions[k].item, at, &can, e);
            all = all && (code || can);
        }
        list[i].refused = list[i].refused || !all;
    }
    return code;
}

static bool any_refused(const struct registration *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].refused)
            return true;
    return false;
}

/* *at: the registration that failed; n: none did. */
static enum err_code register_all(struct update_run *run, struct registration *list, size_t n, size_t *at,
                                  struct err *e)
{
    *at = n;
    run->made = (struct update_made){0};
    enum err_code code = run->within ? session_begin_write(run->t, e) : store_snapshot_begin(run->t->conn, e);
    if (code)
        return code;
    code = check_registrations(run, list, n, e);
    if (!code && !run->rules->skip && any_refused(list, n))
        code = update_run_refused(e);
    if (!run->within) {
        store_snapshot_end(run->t->conn);
        if (code || (code = session_begin_write(run->t, e)))
            return code;
    }
    if (!code && run->many)
        code = user_contexts_first_change(run->t, &run->first, e);
    for (size_t i = 0; i < n && !code; i++) {
        if (list[i].refused)
            continue;
        code = register_one(run, &list[i], e);
        if (code)
            *at = i;
    }
    if (!code && run->many)
        code = user_contexts_leave(run->t, run->first, e);
    return session_end_write_answerable(run->t, code, &run->rules->answerable, e);
}

/* Whether the failure of one registration leaves the others to be tried. */
static bool leaves_out(struct update_run *run, struct registration *list, size_t n, size_t at, struct err *e)
{
    if (at == n || !update_run_blames_a_part(e->code))
        return false;
    const struct update_fault fault = {.index = at, .interaction = SIZE_MAX};
    list[at].refused = true;
    run->rules->refuse(run->rules->arg, &fault, e->text);
    if (!run->rules->skip)
        return false;
    err_clear(e);
    return true;
}

/* Makes the contexts that were not made within the transaction. Without memory for their names they are left
 * to who asks, and to the next start. */
static void follow_registrations(const struct update_run *run, const struct registration *list, size_t n)
{
    size_t n_users = 0, n_items = 0, n_all = 0;
    for (size_t i = 0; i < n; i++)
        n_all += list[i].n_interactions;
    struct text *users = mem_alloc_array(n, sizeof *users),
                *items = mem_alloc_array(n_all + 1, sizeof *items);
    for (size_t i = 0; i < n && users && items; i++) {
        if (list[i].refused)
            continue;
        users[n_users++] = list[i].id;
        for (size_t k = 0; k < list[i].n_interactions; k++)
            items[n_items++] = list[i].interactions[k].item;
    }
    if (users && items)
        user_contexts_follow(run->t, &(const struct user_batch){users, n_users, items, n_items, run->first});
    mem_free(users);
    mem_free(items);
}

enum err_code update_register(struct session *t, struct registration *list, size_t n,
                              const struct update_rules *rules, struct err *e)
{
    bool many = n > USER_CONTEXTS_MAX_WITHIN;
    struct update_run run = {.t = t, .rules = rules, .hears_first = true, .within = !many, .many = many};
    size_t at;
    enum err_code code = register_all(&run, list, n, &at, e);
    if (code && update_run_hears(&run, e))
        code = register_all(&run, list, n, &at, e);
    while (code && leaves_out(&run, list, n, at, e))
        code = register_all(&run, list, n, &at, e);
    if (code)
        return code;
    if (run.made.n_items)
        update_follow_items(t);
    size_t n_registered = 0;
    for (size_t i = 0; i < n; i++) {
        if (list[i].refused)
            continue;
        n_registered++;
        serving_drop_user(t->serving, list[i].id, list[i].revision);
    }
    if (run.many)
        follow_registrations(&run, list, n);
    COUNTER_ADD(t->counters, registrations, n_registered);
    return ERR_OK;
}

/* ---- kinds ---- */

enum err_code update_kinds(struct session *t, const struct store_kind *list, size_t n, size_t *failed,
                           struct err *e)
{
    bool any = false, changed = false;
    enum err_code code = session_begin_write(t, e);
    if (code)
        return code;
    for (size_t i = 0; i < n && !code; i++) {
        *failed = i;
        code = store_put_kind(t->writer, &list[i], &changed, e);
        any = any || changed;
    }
    code = session_end_write(t, code, e);
    if (!code && any) /* as who follows the log of changes does it */
        weights_cache_clear(t->serving->cache);
    return code;
}

/* ---- deletion ---- */

static enum err_code remove_within(struct session *t, struct text user, struct text item, int32_t kind,
                                   int64_t *n, int64_t *revision, struct err *e)
{
    int64_t key;
    struct err none = {0};
    enum err_code code = store_remove_interactions(t->writer, user, item, kind, n, e);
    if (code || *n == 0)
        return code;
    code = store_touch_user(t->writer, user, revision, e);
    if (!code)
        code = user_contexts_put(t, user, 0, NULL, e);
    if (!code && store_item_key_of(t->writer, item, &key, &none) == ERR_OK)
        code = user_contexts_touch_item(t, item, key, e);
    return code;
}

enum err_code update_remove(struct session *t, struct text user, struct text item, int32_t kind, int64_t *n,
                            int64_t *revision, struct err *e)
{
    *n = 0;
    enum err_code code = session_begin_write(t, e);
    if (code)
        return code;
    code = remove_within(t, user, item, kind, n, revision, e);
    code = session_end_write(t, code, e);
    if (!code && *n)
        serving_drop_user(t->serving, user, *revision);
    return code;
}

enum err_code update_delete(struct session *t, struct text user, struct err *e)
{
    enum err_code code = session_begin_write(t, e);
    if (code)
        return code;
    code = session_end_write(t, store_delete_user(t->writer, user, e), e);
    if (code)
        return code;
    serving_drop_user(t->serving, user, INT64_MAX);
    COUNTER_ADD(t->counters, deletions, 1);
    return ERR_OK;
}
