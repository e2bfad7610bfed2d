/* The transaction is begun here and ended here: a failure at any point rolls all of it back. What follows a
 * commit refuses nothing. */
#include "server/serving/user_updates.h"

#include "base/limits.h"
#include "base/mem.h"
#include "server/serving/item_updates.h"
#include "server/serving/user_contexts.h"
#include "server/serving/user_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One attempt at an update, which is one transaction. */
struct run {
    struct session *t;
    const struct update_rules *rules;
    /* An item that the store has and this process's tables are yet to have ends the attempt, so that the
     * tables can be brought up first. */
    bool hears_first;
    bool unheard_item; /* and one did */
    bool many;         /* users: their contexts are made after the transaction */
    int64_t first;     /* of many: the transaction's first change */
    struct update_made made;
};

/* Whether answers have the item, though the store need not. */
static bool is_served(struct session *t, struct text item)
{
    for (size_t i = 0; i < recommender_n_models(t->recommender); i++)
        if (item_snapshot_find(model_handle_items(recommender_model(t->recommender, i)), item) >= 0)
            return true;
    return false;
}

/* Whether an item can be taken: the store has it, or it is to be made. One that is served without a row in
 * the store gets it when somebody takes it. */
static enum err_code item_can_be(struct run *run, struct text item, bool *can, struct err *e)
{
    int64_t key;
    struct err why = {0};
    enum err_code code = store_item_key_of(run->t->writer, item, &key, &why);
    *can = code == ERR_OK;
    if (code == ERR_NOTFOUND) {
        *can = run->rules->create || (run->t->serving->foreign_items && is_served(run->t, item));
        return ERR_OK;
    }
    if (code)
        return err_set(e, code, "%s", why.text);
    if (run->hears_first && recommender_n_models(run->t->recommender) &&
        !item_snapshot_knows(model_handle_items(recommender_model(run->t->recommender, 0)), key)) {
        run->unheard_item = true;
        return err_set(e, ERR_BUSY, "item '%.*s' was registered this moment", (int)item.len, item.data);
    }
    return ERR_OK;
}

/* Refuses the interaction at this place when its item cannot be. */
static enum err_code check_item(struct run *run, struct text item, struct update_fault fault, bool *can,
                                struct err *e)
{
    char text[ERR_TEXT_BYTES];
    enum err_code code = item_can_be(run, item, can, e);
    if (code || *can)
        return code;
    fault.unknown_item = true;
    (void)snprintf(text, sizeof text, "no item '%.*s'%s", (int)item.len, item.data,
                   update_missing_item(run->t, item));
    run->rules->refuse(run->rules->arg, &fault, text);
    return ERR_OK;
}

/* *key: the item's. */
static enum err_code put_interaction(struct run *run, struct text user, const struct update_interaction *x,
                                     int64_t timestamp, int64_t *key, enum store_put *put, struct err *e)
{
    struct store_conn *writer = run->t->writer;
    struct err none = {0};
    bool created;
    enum err_code code = store_item_key_of(writer, x->item, key, &none);
    if (code == ERR_NOTFOUND) {
        code = store_put_item(writer, &(const struct store_item){.id = x->item}, &created, e);
        if (!code)
            code = store_item_key_of(writer, x->item, key, e);
        run->made.n_items += code == ERR_OK;
    } else if (code) {
        return err_set(e, code, "%s", none.text);
    }
    if (!code)
        code = store_put_interaction(writer, user, x->item, x->weight, x->rating, timestamp, put, e);
    return code ? code : user_contexts_touch_item(run->t, x->item, *key, e);
}

/* Brings the tables up to the store after an attempt that ended for an item they did not have; true: worth
 * another one. */
static bool hear(struct run *run, struct err *e)
{
    struct err why = {0};
    if (!run->unheard_item || serving_follow_items(run->t->serving, run->t->conn, &why))
        return false;
    err_clear(e);
    run->hears_first = run->unheard_item = false;
    return true;
}

/* A lower layer's word against one part: the part is refused with it, and the rest is tried anew. */
static bool blames_a_part(enum err_code code)
{
    return code == ERR_INVALID || code == ERR_LIMIT;
}

static enum err_code refused_parts(struct err *e)
{
    return err_set(e, ERR_INVALID, "a part of the request was refused");
}

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

/* Puts the interactions; of a user who has no others they become its record. */
static enum err_code put_interactions(struct run *run, const struct registration *g,
                                      struct store_user *record, struct err *e)
{
    enum err_code code = user_record_begin(
        record, g->revision, g->patch ? (struct text){NULL, 0} : g->profile.patch, g->n_interactions, e);
    for (size_t i = 0; i < g->n_interactions && !code; i++) {
        const struct update_interaction *x = &g->interactions[i];
        struct store_interaction added = {
            .weight = x->weight, .rating = x->rating, .timestamp = x->timestamp};
        code = put_interaction(run, g->id, x, x->timestamp, &added.item_key, NULL, e);
        if (!code)
            user_record_add(record, &added);
    }
    return code ? code : user_record_end(record, e);
}

/* The contexts of who is registered: of a patch all may be there already; else the record is what was put, or
 * what was kept. */
static enum err_code put_contexts(struct run *run, struct registration *g, struct store_user *record,
                                  struct err *e)
{
    struct session *t = run->t;
    enum err_code code = ERR_OK;
    if (g->patch)
        return user_contexts_put(t, g->id, g->handle, &g->source, e);
    if (!g->created && !g->replaces_interactions)
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

static enum err_code register_one(struct run *run, struct registration *g, struct err *e)
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
static enum err_code check_registrations(struct run *run, struct registration *list, size_t n, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < n && !code; i++) {
        bool all = true, can = true;
        for (size_t k = 0; !list[i].refused && k < list[i].n_interactions && !code; k++) {
            const struct update_fault at = {.index = i, .interaction = k};
            code = check_item(run, list[i].interactions[k].item, at, &can, e);
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
static enum err_code register_all(struct run *run, struct registration *list, size_t n, size_t *at,
                                  struct err *e)
{
    *at = n;
    run->made = (struct update_made){0};
    enum err_code code = session_begin_write(run->t, e);
    if (code)
        return code;
    code = check_registrations(run, list, n, e);
    if (!code && !run->rules->skip && any_refused(list, n))
        code = refused_parts(e);
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
    return session_end_write(run->t, code, e);
}

/* Whether the failure of one registration leaves the others to be tried. */
static bool leaves_out(struct run *run, struct registration *list, size_t n, size_t at, struct err *e)
{
    if (at == n || !blames_a_part(e->code))
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
static void follow_registrations(const struct run *run, const struct registration *list, size_t n)
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
    struct run run = {.t = t, .rules = rules, .hears_first = true, .many = n > USER_CONTEXTS_MAX_WITHIN};
    size_t at;
    enum err_code code = register_all(&run, list, n, &at, e);
    if (code && hear(&run, e))
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

/* ---- events ---- */

/* An event with its place in the request, so that sorting by user keeps the order within a user. */
struct placed {
    struct update_interaction *x;
    size_t index;
};

static int by_user(const void *a, const void *b)
{
    const struct placed *p = a, *q = b;
    size_t n = p->x->user.len < q->x->user.len ? p->x->user.len : q->x->user.len;
    int order = memcmp(p->x->user.data, q->x->user.data, n);
    if (order == 0)
        order = (p->x->user.len > q->x->user.len) - (p->x->user.len < q->x->user.len);
    return order ? order : (p->index > q->index) - (p->index < q->index);
}

static bool same_user(const struct placed *a, const struct placed *b)
{
    return a->x->user.len == b->x->user.len && memcmp(a->x->user.data, b->x->user.data, a->x->user.len) == 0;
}

/* The events that are not refused, in their order; returns how many. */
static size_t place(struct update_interaction *events, size_t n, struct placed *list)
{
    size_t n_placed = 0;
    for (size_t i = 0; i < n; i++)
        if (!events[i].refused)
            list[n_placed++] = (struct placed){&events[i], i};
    return n_placed;
}

/* Whether the user is there, or is to be made. */
static enum err_code user_can_be(struct run *run, struct text user, struct buf *profile, bool *can,
                                 struct err *e)
{
    struct err why = {0};
    enum err_code code = store_read_profile(run->t->writer, user, profile, &why);
    *can = code == ERR_OK || (code == ERR_NOTFOUND && run->rules->create);
    return code && code != ERR_NOTFOUND ? err_set(e, code, "%s", why.text) : ERR_OK;
}

/* Refuses the events whose users or items cannot be, in the order of the request. */
static enum err_code check_events(struct run *run, struct placed *list, size_t n, struct err *e)
{
    struct buf profile;
    enum err_code code = ERR_OK;
    bool user_can = true;
    buf_init(&profile, LIMIT_PROFILE_BYTES);
    for (size_t i = 0; i < n && !code; i++) {
        struct update_fault fault = {.index = list[i].index, .interaction = SIZE_MAX};
        struct text user = list[i].x->user;
        bool can = true;
        if (i == 0 || !same_user(&list[i - 1], &list[i]))
            code = user_can_be(run, user, &profile, &user_can, e);
        if (!code && !user_can) {
            char text[ERR_TEXT_BYTES];
            fault.unknown_user = true;
            (void)snprintf(text, sizeof text, "no user '%.*s'", (int)user.len, user.data);
            run->rules->refuse(run->rules->arg, &fault, text);
        }
        fault.unknown_user = false;
        if (!code)
            code = check_item(run, list[i].x->item, fault, &can, e);
        list[i].x->refused = !code && !(user_can && can);
    }
    buf_fini(&profile);
    return code;
}

/* The time of events without one: now, and not before what the user has. Stores may hold times that are
 * ahead, from milliseconds that were taken for seconds, and what happens now is the newest among them all the
 * same. */
static enum err_code time_of_now(struct session *t, struct text user, int64_t now, int64_t *time,
                                 struct err *e)
{
    int64_t newest;
    enum err_code code = store_newest_time(t->writer, user, &newest, e);
    if (!code)
        *time = newest > now ? newest : now;
    return code;
}

static enum err_code record_event(struct run *run, struct text user, const struct update_interaction *x,
                                  struct err *e)
{
    int64_t time = x->timestamp, key;
    enum store_put put;
    enum err_code code = x->timed ? ERR_OK : time_of_now(run->t, user, x->timestamp, &time, e);
    if (!code)
        code = put_interaction(run, user, x, time, &key, &put, e);
    if (!code && put == STORE_PUT_OLDER)
        run->made.n_older++;
    return code;
}

static enum err_code check_size(struct session *t, struct text user, struct err *e)
{
    size_t n;
    enum err_code code = store_count_interactions(t->writer, user, &n, e);
    return code ? code : user_contexts_check_size(user, n, e);
}

/* The events of one user: [from, to) of the sorted list. */
static enum err_code record_user(struct run *run, const struct placed *list, size_t from, size_t to,
                                 struct update_touched *touched, struct err *e)
{
    struct err none = {0};
    bool created;
    touched->user = list[from].x->user;
    enum err_code code = store_touch_user(run->t->writer, touched->user, &touched->revision, &none);
    if (code == ERR_NOTFOUND && run->rules->create) {
        code = store_put_user(run->t->writer, touched->user, (struct text){NULL, 0}, &touched->revision,
                              &created, e);
        run->made.n_users += code == ERR_OK;
    } else if (code) {
        return err_set(e, code, "%s", none.text);
    }
    for (size_t i = from; i < to && !code; i++)
        code = record_event(run, touched->user, list[i].x, e);
    if (code)
        return code;
    return run->many ? check_size(run->t, touched->user, e)
                     : user_contexts_put(run->t, touched->user, 0, NULL, e);
}

static size_t count_users(const struct placed *list, size_t n)
{
    size_t n_users = n > 0;
    for (size_t i = 1; i < n; i++)
        n_users += !same_user(&list[i - 1], &list[i]);
    return n_users;
}

/* What is at work: the events of one user of the list. */
struct stretch {
    size_t from, to;
};

/* *at: the events whose user failed; empty: none did. */
static enum err_code record_all(struct run *run, struct update_interaction *events, size_t n,
                                struct placed *list, struct update_touched *touched, size_t *n_touched,
                                struct stretch *at, struct err *e)
{
    *at = (struct stretch){0};
    *n_touched = 0;
    run->made = (struct update_made){0};
    enum err_code code = session_begin_write(run->t, e);
    if (code)
        return code;
    size_t n_placed = place(events, n, list);
    code = check_events(run, list, n_placed, e);
    n_placed = place(events, n, list);
    if (!code && n_placed < n && !run->rules->skip)
        code = refused_parts(e);
    if (n_placed > 1)
        qsort(list, n_placed, sizeof *list, by_user);
    run->many = count_users(list, n_placed) > USER_CONTEXTS_MAX_WITHIN;
    if (!code && run->many)
        code = user_contexts_first_change(run->t, &run->first, e);
    for (size_t from = 0, to; from < n_placed && !code; from = to) {
        for (to = from + 1; to < n_placed && same_user(&list[from], &list[to]);)
            to++;
        code = record_user(run, list, from, to, &touched[(*n_touched)++], e);
        if (code)
            *at = (struct stretch){from, to};
    }
    if (!code && run->many)
        code = user_contexts_leave(run->t, run->first, e);
    return session_end_write(run->t, code, e);
}

/* Whether the failure of one user's events leaves the others to be tried. */
static bool leaves_out_events(struct run *run, const struct placed *list, struct stretch at, struct err *e)
{
    if (at.from == at.to || !blames_a_part(e->code))
        return false;
    for (size_t i = at.from; i < at.to; i++) {
        const struct update_fault fault = {.index = list[i].index, .interaction = SIZE_MAX};
        list[i].x->refused = true;
        run->rules->refuse(run->rules->arg, &fault, e->text);
    }
    if (!run->rules->skip)
        return false;
    err_clear(e);
    return true;
}

/* Makes the contexts that were not made within the transaction; as follow_registrations. */
static void make_later(const struct run *run, const struct update_interaction *events, size_t n,
                       const struct update_touched *touched, size_t n_touched)
{
    size_t n_users = 0, n_items = 0;
    struct text *users = mem_alloc_array(n_touched, sizeof *users),
                *items = mem_alloc_array(n, sizeof *items);
    for (; n_users < n_touched && users && items; n_users++)
        users[n_users] = touched[n_users].user;
    for (size_t i = 0; i < n && users && items; i++)
        if (!events[i].refused)
            items[n_items++] = events[i].item;
    if (users && items)
        user_contexts_follow(run->t, &(const struct user_batch){users, n_users, items, n_items, run->first});
    mem_free(users);
    mem_free(items);
}

/* After the commit: who changed is made anew. */
static void follow_events(const struct run *run, const struct update_interaction *events, size_t n,
                          const struct update_touched *touched, size_t n_touched)
{
    if (run->made.n_items)
        update_follow_items(run->t);
    for (size_t i = 0; i < n_touched; i++)
        serving_drop_user(run->t->serving, touched[i].user, touched[i].revision);
    if (run->many)
        make_later(run, events, n, touched, n_touched);
}

enum err_code update_events(struct session *t, struct update_interaction *events, size_t n,
                            const struct update_rules *rules, struct update_touched *touched,
                            size_t *n_touched, struct update_made *made, struct err *e)
{
    struct run run = {.t = t, .rules = rules, .hears_first = true};
    struct placed *list = mem_alloc_array(n, sizeof *list);
    struct stretch at;
    if (!list)
        return err_set(e, ERR_NOMEM, "no memory for %zu events", n);
    enum err_code code = record_all(&run, events, n, list, touched, n_touched, &at, e);
    if (code && hear(&run, e))
        code = record_all(&run, events, n, list, touched, n_touched, &at, e);
    while (code && leaves_out_events(&run, list, at, e))
        code = record_all(&run, events, n, list, touched, n_touched, &at, e);
    mem_free(list);
    if (code)
        return code;
    follow_events(&run, events, n, touched, *n_touched);
    *made = run.made;
    size_t n_recorded = 0;
    for (size_t i = 0; i < n; i++)
        n_recorded += !events[i].refused;
    COUNTER_ADD(t->counters, events, n_recorded);
    return ERR_OK;
}

/* ---- deletion ---- */

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
