/* The transaction is begun here and ended here: a failure at any point rolls all of it back. */
#include "server/update.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/context.h"
#include "server/profile_known.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Whether the user took an item that this process is yet to hear of. A context made now would lack it; so none is
 * stored, and it is made at first use. */
static bool has_unknown_item(struct api_thread *t, size_t slot, const struct store_user *user)
{
    const struct item_table *items = personal_items(t->personal, slot);
    for (size_t i = 0; i < user->n_interactions; i++)
        if (!item_table_knows(items, user->interactions[i].item_key))
            return true;
    return false;
}

/* Records that an item beyond a model's own was taken, which moves it. */
static enum err_code touch_item(struct api_thread *t, struct store_text id, int64_t key, struct err *e)
{
    const struct serving *s = t->api->serving;
    for (size_t slot = 0; slot < s->n_models; slot++) {
        const struct item_table *items = personal_items(t->personal, slot);
        if (item_table_index(items, key) >= (long)s->models[slot].model->spec.n_items ||
            !item_table_knows(items, key))
            return store_touch_item(t->writer, id, e);
    }
    return ERR_OK;
}

/* Reads the user back and stores its context for the model in a slot; a given embedding stays what it is. */
static enum err_code encode_for(struct api_thread *t, size_t slot, struct store_text id, struct err *e)
{
    const struct model_spec *spec = &t->api->serving->models[slot].model->spec;
    struct store_context_key key = {spec->name, spec->version, "user"};
    struct store_user *user = personal_user_record(t->personal);
    struct context_maker *maker;
    const float *c;
    enum err_code code = store_read_user(t->writer, id, &key, user, e);
    if (!code && user->n_interactions > LIMIT_USER_INTERACTIONS)
        return err_set(e, ERR_LIMIT, "user '%.*s' would have %zu interactions; at most %d are kept",
                       (int)id.len, id.data, user->n_interactions, LIMIT_USER_INTERACTIONS);
    if (code || user->embedding_given || !spec->encoder.present || has_unknown_item(t, slot, user))
        return code;
    code = personal_maker(t->personal, slot, &maker, e);
    if (!code)
        code = context_encode(maker, personal_items(t->personal, slot), user, &c, e);
    return code ? code : store_put_encoded(t->writer, &key, id, user, c, spec->d_context * sizeof *c, e);
}

static enum err_code encode(struct api_thread *t, struct store_text id, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t slot = 0; slot < t->api->serving->n_models && !code; slot++)
        code = encode_for(t, slot, id, e);
    return code;
}

/* Whether answers have the item, though the store need not. */
static bool is_served(struct api_thread *t, struct store_text item)
{
    for (size_t slot = 0; slot < t->api->serving->n_models; slot++)
        if (item_table_find(personal_items(t->personal, slot), item) >= 0)
            return true;
    return false;
}

/* The item's key. One that is served without a row in the store gets it when somebody takes it. */
static enum err_code find_item(struct api_thread *t, struct store_text id, int64_t *key, bool *made,
                               struct err *e)
{
    struct store_item item = {.id = id};
    struct err absent = {0};
    enum err_code code = store_item_key_of(t->writer, id, key, &absent);
    *made = code == ERR_NOTFOUND && t->api->serving->foreign_items && is_served(t, id);
    if (code && !*made)
        return err_set(e, code, "%s", absent.text);
    if (*made)
        code = store_put_item(t->writer, &item, made, e);
    return code || !*made ? code : store_item_key_of(t->writer, id, key, e);
}

static enum err_code put_interaction(struct api_thread *t, struct store_text user,
                                     const struct update_interaction *x, int64_t timestamp,
                                     enum store_put *put, struct update_fault *fault, struct err *e)
{
    int64_t key;
    bool made;
    enum err_code code = find_item(t, x->item, &key, &made, e);
    if (code) {
        fault->unknown_item = code == ERR_NOTFOUND;
        return code;
    }
    fault->made_item |= made;
    if (fault->hears_first && !fault->made_item && !item_table_knows(personal_items(t->personal, 0), key)) {
        fault->unheard_item = true;
        return err_set(e, ERR_BUSY, "item '%.*s' was registered this moment", (int)x->item.len, x->item.data);
    }
    code = store_put_interaction(t->writer, user, x->item, x->weight, x->rating, timestamp, put, e);
    return code ? code : touch_item(t, x->item, key, e);
}

static enum err_code begin(struct api_thread *t, struct err *e)
{
    return serving_begin_write(t->api->serving, &t->writer, e);
}

/* Ends the transaction one way or the other. */
static enum err_code finish(struct api_thread *t, enum err_code code, struct err *e)
{
    t->writer = NULL;
    return serving_end_write(t->api->serving, code, e);
}

/* Brings the tables up to the store after a refusal for an item they did not have; true: worth another try. */
static bool hear(struct api_thread *t, struct update_fault *fault, struct err *e)
{
    struct err why = {0};
    fault->hears_first = false;
    if (serving_follow_items(t->api->serving, t->conn, &why))
        return false;
    err_clear(e);
    return true;
}

/* Brings the tables up to items that got their row; should that fail, the watcher does it within a second. */
static void follow_made(struct api_thread *t, const struct update_fault *fault)
{
    struct err e = {0};
    if (fault->made_item && serving_follow_items(t->api->serving, t->conn, &e))
        log_line(LOG_WARN, "the tables of items are behind: %s", e.text);
}

/* ---- registrations ---- */

static const char *source_of(struct api_thread *t, const struct registration *g)
{
    if (g->embedding)
        return "embedding";
    if (g->n_interactions)
        return "interactions";
    return profile_known(&t->api->serving->models[g->slot].model->spec, g->profile) ? "profile" : "prior";
}

static enum err_code put_embedding(struct api_thread *t, const struct registration *g, struct err *e)
{
    const struct model_spec *spec = &t->api->serving->models[g->slot].model->spec;
    struct store_context_key key = {spec->name, spec->version, "user"};
    return store_put_context(t->writer, &key, g->id, g->revision, true, g->embedding,
                             spec->d_context * sizeof *g->embedding, e);
}

static enum err_code register_one(struct api_thread *t, struct registration *g, struct update_fault *fault,
                                  struct err *e)
{
    enum err_code code = store_put_user(t->writer, g->id, g->profile, &g->revision, &g->created, e);
    if (!code && !g->created)
        code = store_clear_user(t->writer, g->id, e);
    for (size_t i = 0; i < g->n_interactions && !code; i++) {
        fault->interaction = i;
        code = put_interaction(t, g->id, &g->interactions[i], g->interactions[i].timestamp, NULL, fault, e);
    }
    if (code)
        return code;
    fault->interaction = SIZE_MAX;
    if (g->embedding)
        code = put_embedding(t, g, e);
    g->source = source_of(t, g);
    return code ? code : encode(t, g->id, e);
}

static enum err_code register_all(struct api_thread *t, struct registration *list, size_t n,
                                  struct update_fault *fault, struct err *e)
{
    *fault = (struct update_fault){.interaction = SIZE_MAX, .hears_first = fault->hears_first};
    enum err_code code = begin(t, e);
    if (code)
        return code;
    for (size_t i = 0; i < n && !code; i++) {
        fault->index = i;
        code = register_one(t, &list[i], fault, e);
    }
    return finish(t, code, e);
}

enum err_code update_register(struct api_thread *t, struct registration *list, size_t n,
                              struct update_fault *fault, struct err *e)
{
    *fault = (struct update_fault){.hears_first = true};
    enum err_code code = register_all(t, list, n, fault, e);
    if (fault->unheard_item && hear(t, fault, e))
        code = register_all(t, list, n, fault, e);
    if (code)
        return code;
    follow_made(t, fault);
    for (size_t i = 0; i < n; i++)
        serving_drop_user(t->api->serving, list[i].id, list[i].revision);
    METRICS_ADD(t->api->metrics, registrations, n);
    return ERR_OK;
}

/* ---- events ---- */

/* An event with its place in the request, so that sorting by user keeps the order within a user. */
struct placed {
    const struct update_interaction *x;
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

/* The time of events without one: now, and not before what the user has. Stores may hold times that are ahead, from milliseconds that
 * were taken for seconds, and what happens now is the newest among them all the same. */
static enum err_code time_of_now(struct api_thread *t, struct store_text user, int64_t now, int64_t *time,
                                 struct err *e)
{
    int64_t newest;
    enum err_code code = store_newest_time(t->writer, user, &newest, e);
    if (!code)
        *time = newest > now ? newest : now;
    return code;
}

static enum err_code record_event(struct api_thread *t, struct store_text user,
                                  const struct update_interaction *x, size_t *n_older,
                                  struct update_fault *fault, struct err *e)
{
    int64_t time = x->timestamp;
    enum store_put put;
    enum err_code code = x->timed ? ERR_OK : time_of_now(t, user, x->timestamp, &time, e);
    if (!code)
        code = put_interaction(t, user, x, time, &put, fault, e);
    if (!code)
        *n_older += put == STORE_PUT_OLDER;
    return code;
}

/* The events of one user: [from, to) of the sorted list. */
static enum err_code record_user(struct api_thread *t, const struct placed *list, size_t from, size_t to,
                                 struct update_touched *touched, size_t *n_older, struct update_fault *fault,
                                 struct err *e)
{
    touched->user = list[from].x->user;
    fault->index = list[from].index;
    enum err_code code = store_touch_user(t->writer, touched->user, &touched->revision, e);
    if (code == ERR_NOTFOUND)
        fault->unknown_user = true;
    for (size_t i = from; i < to && !code; i++) {
        fault->index = list[i].index;
        code = record_event(t, touched->user, list[i].x, n_older, fault, e);
    }
    return code ? code : encode(t, touched->user, e);
}

static enum err_code record_all(struct api_thread *t, const struct placed *list, size_t n,
                                struct update_touched *touched, size_t *n_touched, size_t *n_older,
                                struct update_fault *fault, struct err *e)
{
    *fault = (struct update_fault){.interaction = SIZE_MAX, .hears_first = fault->hears_first};
    *n_touched = *n_older = 0;
    enum err_code code = begin(t, e);
    if (code)
        return code;
    for (size_t from = 0, to; from < n && !code; from = to) {
        for (to = from + 1; to < n && same_user(&list[from], &list[to]);)
            to++;
        code = record_user(t, list, from, to, &touched[(*n_touched)++], n_older, fault, e);
    }
    return finish(t, code, e);
}

enum err_code update_events(struct api_thread *t, struct update_interaction *events, size_t n,
                            struct update_touched *touched, size_t *n_touched, size_t *n_older,
                            struct update_fault *fault, struct err *e)
{
    struct placed *list = mem_alloc_array(n, sizeof *list);
    *fault = (struct update_fault){.interaction = SIZE_MAX, .hears_first = true};
    if (!list)
        return err_set(e, ERR_NOMEM, "no memory for %zu events", n);
    for (size_t i = 0; i < n; i++)
        list[i] = (struct placed){&events[i], i};
    if (n > 1)
        qsort(list, n, sizeof *list, by_user);
    enum err_code code = record_all(t, list, n, touched, n_touched, n_older, fault, e);
    if (fault->unheard_item && hear(t, fault, e))
        code = record_all(t, list, n, touched, n_touched, n_older, fault, e);
    mem_free(list);
    if (code)
        return code;
    follow_made(t, fault);
    for (size_t i = 0; i < *n_touched; i++)
        serving_drop_user(t->api->serving, touched[i].user, touched[i].revision);
    METRICS_ADD(t->api->metrics, events, n);
    return ERR_OK;
}

/* ---- deletion ---- */

enum err_code update_delete(struct api_thread *t, struct store_text user, struct err *e)
{
    enum err_code code = begin(t, e);
    if (code)
        return code;
    code = finish(t, store_delete_user(t->writer, user, e), e);
    if (code)
        return code;
    serving_drop_user(t->api->serving, user, INT64_MAX);
    METRICS_ADD(t->api->metrics, deletions, 1);
    return ERR_OK;
}
