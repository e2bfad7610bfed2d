/* The transaction is begun here and ended here: a failure at any point rolls all of it back. */
#include "server/serving/user_updates.h"

#include "base/limits.h"
#include "base/mem.h"
#include "server/fields/profile_known.h"
#include "server/serving/item_updates.h"
#include "server/serving/user_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether the user took an item that this process is yet to hear of. A context made now would lack it; so none is
 * stored, and it is made at first use. */
static bool has_unknown_item(struct session *t, size_t slot, const struct store_user *user)
{
    const struct item_snapshot *items = recommender_items(t->recommender, slot);
    for (size_t i = 0; i < user->n_interactions; i++)
        if (!item_snapshot_knows(items, user->interactions[i].item_key))
            return true;
    return false;
}

/* Records that an item beyond a model's own was taken, which moves it. */
static enum err_code touch_item(struct session *t, struct text id, int64_t key, struct err *e)
{
    const struct serving *s = t->serving;
    for (size_t slot = 0; slot < s->n_models; slot++) {
        const struct item_snapshot *items = recommender_items(t->recommender, slot);
        if (item_snapshot_index(items, key) >= (long)s->models[slot].model->spec.n_items ||
            !item_snapshot_knows(items, key))
            return store_touch_item(t->writer, id, e);
    }
    return ERR_OK;
}

/* What a context is made of. */
static const char *source_of(const struct model_spec *spec, const struct store_user *user)
{
    if (user->embedding_given)
        return "embedding";
    if (user->n_interactions)
        return "interactions";
    return profile_known(spec, (struct text){user->profile.data, user->profile.len}) ? "profile" : "prior";
}

/* Reads the user back and stores its context for the model in a slot; a given embedding stays what it is. *source as above, unless
 * NULL. */
static enum err_code encode_for(struct session *t, size_t slot, struct text id, const char **source,
                                struct err *e)
{
    const struct model_spec *spec = &t->serving->models[slot].model->spec;
    struct store_context_key key = {spec->name, spec->version, "user"};
    struct store_user *user = recommender_user_record(t->recommender);
    struct user_encoder *maker;
    const float *c;
    enum err_code code = store_read_user(t->writer, id, &key, user, e);
    if (!code && user->n_interactions > LIMIT_USER_INTERACTIONS)
        return err_set(e, ERR_LIMIT, "user '%.*s' would have %zu interactions; at most %d are kept",
                       (int)id.len, id.data, user->n_interactions, LIMIT_USER_INTERACTIONS);
    if (!code && source)
        *source = source_of(spec, user);
    if (code || user->embedding_given || !spec->encoder.present || has_unknown_item(t, slot, user))
        return code;
    code = recommender_encoder(t->recommender, slot, &maker, e);
    if (!code)
        code = context_encode(maker, recommender_items(t->recommender, slot), user, &c, e);
    return code ? code : store_put_encoded(t->writer, &key, id, user, c, spec->d_context * sizeof *c, e);
}

/* For all models; *source (may be NULL) is that of the model in a slot. */
static enum err_code encode(struct session *t, struct text id, size_t slot, const char **source,
                            struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < t->serving->n_models && !code; i++)
        code = encode_for(t, i, id, i == slot ? source : NULL, e);
    return code;
}

/* One attempt at an update, which is one transaction. */
struct run {
    struct session *t;
    const struct update_rules *rules;
    /* An item that the store has and this process's tables are yet to have ends the attempt, so that the tables can be brought up
     * first. */
    bool hears_first;
    bool unheard_item; /* and one did */
    struct update_made made;
};

/* Whether answers have the item, though the store need not. */
static bool is_served(struct session *t, struct text item)
{
    for (size_t slot = 0; slot < t->serving->n_models; slot++)
        if (item_snapshot_find(recommender_items(t->recommender, slot), item) >= 0)
            return true;
    return false;
}

/* Whether an item can be taken: the store has it, or it is to be made. One that is served without a row in the store gets it when
 * somebody takes it. */
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
    if (run->hears_first && !item_snapshot_knows(recommender_items(run->t->recommender, 0), key)) {
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

static enum err_code put_interaction(struct run *run, struct text user, const struct update_interaction *x,
                                     int64_t timestamp, enum store_put *put, struct err *e)
{
    struct store_conn *writer = run->t->writer;
    struct err none = {0};
    int64_t key;
    bool created;
    enum err_code code = store_item_key_of(writer, x->item, &key, &none);
    if (code == ERR_NOTFOUND) {
        code = store_put_item(writer, &(const struct store_item){.id = x->item}, &created, e);
        if (!code)
            code = store_item_key_of(writer, x->item, &key, e);
        run->made.n_items += code == ERR_OK;
    } else if (code) {
        return err_set(e, code, "%s", none.text);
    }
    if (!code)
        code = store_put_interaction(writer, user, x->item, x->weight, x->rating, timestamp, put, e);
    return code ? code : touch_item(run->t, x->item, key, e);
}

static enum err_code begin(struct session *t, struct err *e)
{
    return serving_begin_write(t->serving, &t->writer, e);
}

/* Ends the transaction one way or the other. */
static enum err_code finish(struct session *t, enum err_code code, struct err *e)
{
    t->writer = NULL;
    return serving_end_write(t->serving, code, e);
}

/* Brings the tables up to the store after an attempt that ended for an item they did not have; true: worth another one. */
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
    const struct model_spec *spec = &t->serving->models[g->slot].model->spec;
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

static enum err_code register_one(struct run *run, struct registration *g, struct err *e)
{
    enum err_code code = put_row(run->t, g, e);
    if (!code)
        code = clear(run->t, g, e);
    for (size_t i = 0; i < g->n_interactions && !code; i++)
        code = put_interaction(run, g->id, &g->interactions[i], g->interactions[i].timestamp, NULL, e);
    if (!code && g->embedding)
        code = put_embedding(run->t, g, e);
    return code ? code : encode(run->t, g->id, g->slot, &g->source, e);
}

/* Refuses the interactions whose items cannot be, and marks whose they are. What an attempt before refused was told then. */
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
    enum err_code code = begin(run->t, e);
    if (code)
        return code;
    code = check_registrations(run, list, n, e);
    if (!code && !run->rules->skip && any_refused(list, n))
        code = refused_parts(e);
    for (size_t i = 0; i < n && !code; i++) {
        if (list[i].refused)
            continue;
        code = register_one(run, &list[i], e);
        if (code)
            *at = i;
    }
    return finish(run->t, code, e);
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

enum err_code update_register(struct session *t, struct registration *list, size_t n,
                              const struct update_rules *rules, struct err *e)
{
    struct run run = {.t = t, .rules = rules, .hears_first = true};
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

/* The time of events without one: now, and not before what the user has. Stores may hold times that are ahead, from milliseconds that
 * were taken for seconds, and what happens now is the newest among them all the same. */
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
    int64_t time = x->timestamp;
    enum store_put put;
    enum err_code code = x->timed ? ERR_OK : time_of_now(run->t, user, x->timestamp, &time, e);
    if (!code)
        code = put_interaction(run, user, x, time, &put, e);
    if (!code && put == STORE_PUT_OLDER)
        run->made.n_older++;
    return code;
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
    return code ? code : encode(run->t, touched->user, 0, NULL, e);
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
    enum err_code code = begin(run->t, e);
    if (code)
        return code;
    size_t n_placed = place(events, n, list);
    code = check_events(run, list, n_placed, e);
    n_placed = place(events, n, list);
    if (!code && n_placed < n && !run->rules->skip)
        code = refused_parts(e);
    if (n_placed > 1)
        qsort(list, n_placed, sizeof *list, by_user);
    for (size_t from = 0, to; from < n_placed && !code; from = to) {
        for (to = from + 1; to < n_placed && same_user(&list[from], &list[to]);)
            to++;
        code = record_user(run, list, from, to, &touched[(*n_touched)++], e);
        if (code)
            *at = (struct stretch){from, to};
    }
    return finish(run->t, code, e);
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

/* After the commit: who changed is made anew. */
static void follow_events(struct session *t, const struct update_made *made,
                          const struct update_touched *touched, size_t n_touched)
{
    if (made->n_items)
        update_follow_items(t);
    for (size_t i = 0; i < n_touched; i++)
        serving_drop_user(t->serving, touched[i].user, touched[i].revision);
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
    follow_events(t, &run.made, touched, *n_touched);
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
    enum err_code code = begin(t, e);
    if (code)
        return code;
    code = finish(t, store_delete_user(t->writer, user, e), e);
    if (code)
        return code;
    serving_drop_user(t->serving, user, INT64_MAX);
    COUNTER_ADD(t->counters, deletions, 1);
    return ERR_OK;
}
