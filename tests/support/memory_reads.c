/* The reads of the store in memory, each of one state. */
#include "tests/support/memory_store.h"

#include "base/limits.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static const struct memory_user *user_of_key(const struct memory_state *s, int64_t key)
{
    for (size_t i = 0; i < s->users.n; i++) {
        const struct memory_user *u = memory_rows_at(&s->users, i);
        if (u->key == key)
            return u;
    }
    return NULL;
}

static const struct store_item *item_of_key(const struct memory_state *s, int64_t key)
{
    for (size_t i = 0; i < s->items.n; i++) {
        const struct store_item *x = memory_rows_at(&s->items, i);
        if (x->key == key)
            return x;
    }
    return NULL;
}

const struct memory_context *memory_find_context(const struct memory_state *s,
                                                 const struct store_context_key *key, struct text id)
{
    return memory_rows_find(&s->contexts, &(struct memory_context){.id = id,
                                                                   .kind = text_of(key->kind),
                                                                   .model = text_of(key->model),
                                                                   .version = text_of(key->model_version)});
}

const void **memory_ordered(const struct memory_rows *t, int (*compare)(const void *, const void *))
{
    const void **rows = memory_take(t->n * sizeof *rows);
    for (size_t i = 0; i < t->n; i++)
        rows[i] = memory_rows_at(t, i);
    if (t->n)
        qsort(rows, t->n, sizeof *rows, compare);
    return rows;
}

enum err_code memory_each_context(struct store_conn *conn, const struct store_context_key *key,
                                  store_context_fn *fn, void *arg, struct err *e)
{
    (void)e;
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    bool wanted = true;
    for (size_t i = 0; i < s->contexts.n && wanted; i++) {
        const struct memory_context *x = memory_rows_at(&s->contexts, i);
        if (text_is(x->kind, key->kind) && text_is(x->model, key->model) &&
            text_is(x->version, key->model_version))
            wanted = fn(arg, x->id, x->revision, x->bytes);
    }
    memory_read_end(c, s);
    return ERR_OK;
}

/* ---- users ---- */

static int by_time(const void *a, const void *b)
{
    const struct memory_event *x = *(const struct memory_event *const *)a,
                              *y = *(const struct memory_event *const *)b;
    int order = memory_compare_numbers(x->user_key, y->user_key);
    order = order ? order : memory_compare_numbers(x->is.timestamp, y->is.timestamp);
    return order ? order : memory_compare_numbers(x->arrival, y->arrival);
}

/* A user's interactions as a table of their own, borrowed. */
static struct memory_rows events_of(const struct memory_state *s, int64_t user_key)
{
    struct memory_rows part = s->events;
    size_t from =
        memory_rows_from(&s->events, &(struct memory_event){.user_key = user_key, .is.item_key = INT64_MIN});
    size_t to = memory_rows_from(&s->events,
                                 &(struct memory_event){.user_key = user_key + 1, .is.item_key = INT64_MIN});
    if (to == from)
        return (struct memory_rows){.row_bytes = part.row_bytes};
    part.at = memory_rows_at(&s->events, from);
    part.n = to - from;
    return part;
}

static enum err_code copy_events(const struct memory_state *s, struct store_user *out, struct err *e)
{
    struct memory_rows own = events_of(s, out->key);
    if (own.n > out->capacity) {
        struct store_interaction *grown = mem_realloc_array(out->interactions, own.n, sizeof *grown);
        if (!grown)
            return err_set(e, ERR_NOMEM, "no memory for a user's %zu interactions", own.n);
        out->interactions = grown;
        out->capacity = own.n;
    }
    const void **rows = memory_ordered(&own, by_time);
    for (size_t i = 0; i < own.n; i++)
        out->interactions[i] = memory_told(s, &((const struct memory_event *)rows[i])->is);
    out->n_interactions = own.n;
    free(rows);
    return ERR_OK;
}

enum err_code memory_copy_text(struct text from, size_t limit, struct buf *to, struct err *e)
{
    to->max_bytes = limit;
    buf_reset(to);
    if (from.data)
        buf_add(to, from.data, from.len);
    return buf_check(to, "a record", e);
}

static enum err_code copy_user(const struct memory_state *s, const struct memory_user *u,
                               const struct memory_context *x, struct store_user *out, struct err *e)
{
    out->key = u->key;
    out->revision = u->revision;
    out->embedding_revision = x ? x->revision : 0;
    out->embedding_given = x && x->given;
    enum err_code code = memory_copy_text(u->profile, LIMIT_PROFILE_BYTES, &out->profile, e);
    if (!code)
        code =
            memory_copy_text(x ? x->bytes : (struct text){NULL, 0}, LIMIT_CONTEXT_BYTES, &out->embedding, e);
    return code ? code : copy_events(s, out, e);
}

static enum err_code no_user(struct text id, struct err *e)
{
    return err_set(e, ERR_NOTFOUND, "no user '%.*s'", (int)id.len, id.data);
}

enum err_code memory_read_user(struct store_conn *conn, struct text id, const struct store_context_key *key,
                               struct store_user *out, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    const struct memory_user *u = memory_find_user(s, id);
    enum err_code code =
        u ? copy_user(s, u, key ? memory_find_context(s, key, id) : NULL, out, e) : no_user(id, e);
    memory_read_end(c, s);
    return code;
}

static enum err_code copy_context(const struct memory_user *u, const struct memory_context *x,
                                  struct store_user_context *out, struct err *e)
{
    size_t n = x->list.len / sizeof *out->items;
    if (n > out->capacity) {
        uint32_t *grown = mem_realloc_array(out->items, n, sizeof *grown);
        if (!grown)
            return err_set(e, ERR_NOMEM, "no memory for a user's %zu items", n);
        out->items = grown;
        out->capacity = n;
    }
    if (n)
        memcpy(out->items, x->list.data, x->list.len);
    out->n_items = n;
    out->key = u->key;
    out->revision = u->revision;
    return memory_copy_text(x->bytes, LIMIT_CONTEXT_BYTES, &out->embedding, e);
}

enum err_code memory_read_context(struct store_conn *conn, struct text id,
                                  const struct store_context_key *key, struct store_user_context *out,
                                  bool *found, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    const struct memory_user *u = memory_find_user(s, id);
    const struct memory_context *x = memory_find_context(s, key, id);
    bool is_now = u && x && !x->given && x->list.data && x->revision == u->revision;
    enum err_code code = is_now ? copy_context(u, x, out, e) : ERR_OK;
    if (!code)
        *found = is_now;
    memory_read_end(c, s);
    return code;
}

enum err_code memory_read_profile(struct store_conn *conn, struct text id, struct buf *profile, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    const struct memory_user *u = memory_find_user(s, id);
    enum err_code code = u ? memory_copy_text(u->profile, LIMIT_PROFILE_BYTES, profile, e) : no_user(id, e);
    memory_read_end(c, s);
    return code;
}

enum err_code memory_count_interactions(struct store_conn *conn, struct text user, size_t *n, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    const struct memory_user *u = memory_find_user(s, user);
    if (u)
        *n = events_of(s, u->key).n;
    memory_read_end(c, s);
    return u ? ERR_OK : no_user(user, e);
}

enum err_code memory_newest_time(struct store_conn *conn, struct text user, int64_t *timestamp, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    const struct memory_user *u = memory_find_user(s, user);
    if (u) {
        struct memory_rows own = events_of(s, u->key);
        const void **rows = memory_ordered(&own, by_time);
        *timestamp = own.n ? ((const struct memory_event *)rows[own.n - 1])->is.timestamp : 0;
        free(rows);
    }
    memory_read_end(c, s);
    return u ? ERR_OK : no_user(user, e);
}

static int by_user_key(const void *a, const void *b)
{
    return memory_compare_numbers((*(const struct memory_user *const *)a)->key,
                                  (*(const struct memory_user *const *)b)->key);
}

enum err_code memory_each_user(struct store_conn *conn, store_user_fn *fn, void *arg, struct err *e)
{
    (void)e;
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    const void **rows = memory_ordered(&s->users, by_user_key);
    bool wanted = true;
    for (size_t i = 0; i < s->users.n && wanted; i++) {
        const struct memory_user *u = rows[i];
        wanted = fn(arg, u->key, u->id, u->profile, u->revision);
    }
    free(rows);
    memory_read_end(c, s);
    return ERR_OK;
}

enum err_code memory_each_interaction(struct store_conn *conn, store_interaction_fn *fn, void *arg,
                                      struct err *e)
{
    (void)e;
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    const void **rows = memory_ordered(&s->events, by_time);
    bool wanted = true;
    for (size_t i = 0; i < s->events.n && wanted; i++) {
        const struct memory_event *x = rows[i];
        struct store_interaction told = memory_told(s, &x->is);
        wanted = fn(arg, x->user_key, &told);
    }
    free(rows);
    memory_read_end(c, s);
    return ERR_OK;
}

/* ---- items ---- */

static enum err_code no_item(struct text id, struct err *e)
{
    return err_set(e, ERR_NOTFOUND, "no item '%.*s'", (int)id.len, id.data);
}

enum err_code memory_item_key_of(struct store_conn *conn, struct text id, int64_t *key, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    const struct store_item *x = memory_find_item(s, id);
    if (x)
        *key = x->key;
    memory_read_end(c, s);
    return x ? ERR_OK : no_item(id, e);
}

enum err_code memory_read_item(struct store_conn *conn, struct text id, store_item_fn *fn, void *arg,
                               struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    const struct store_item *x = memory_find_item(s, id);
    if (x)
        (void)fn(arg, x);
    memory_read_end(c, s);
    return x ? ERR_OK : no_item(id, e);
}

static int by_item_key(const void *a, const void *b)
{
    return memory_compare_numbers((*(const struct store_item *const *)a)->key,
                                  (*(const struct store_item *const *)b)->key);
}

enum err_code memory_each_item(struct store_conn *conn, int64_t since, store_item_fn *fn, void *arg,
                               struct err *e)
{
    (void)e;
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    const void **rows = memory_ordered(&s->items, by_item_key);
    bool wanted = true;
    for (size_t i = 0; i < s->items.n && wanted; i++) {
        const struct store_item *x = rows[i];
        wanted = (since > 0 && x->revision <= since) || fn(arg, x);
    }
    free(rows);
    memory_read_end(c, s);
    return ERR_OK;
}

/* ---- lists by ids, which the rows are ordered by ---- */

enum err_code memory_list_items(struct store_conn *conn, struct text from, store_look_fn *look,
                                store_item_fn *fn, void *arg, struct err *e)
{
    (void)e;
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    enum store_look wanted = STORE_SKIP;
    for (size_t i = 0; i < s->items.n && wanted != STORE_END; i++) {
        const struct store_item *x = memory_rows_at(&s->items, i);
        if (text_compare(x->id, from) < 0)
            continue;
        wanted = look(arg, x->key, x->id);
        if (wanted == STORE_TAKE && !x->deleted && !fn(arg, x))
            wanted = STORE_END;
    }
    memory_read_end(c, s);
    return ERR_OK;
}

enum err_code memory_list_users(struct store_conn *conn, struct text from, store_look_fn *look,
                                store_user_fn *fn, void *arg, struct err *e)
{
    (void)e;
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    enum store_look wanted = STORE_SKIP;
    for (size_t i = 0; i < s->users.n && wanted != STORE_END; i++) {
        const struct memory_user *x = memory_rows_at(&s->users, i);
        if (text_compare(x->id, from) < 0)
            continue;
        wanted = look(arg, x->key, x->id);
        if (wanted == STORE_TAKE && !fn(arg, x->key, x->id, x->profile, x->revision))
            wanted = STORE_END;
    }
    memory_read_end(c, s);
    return ERR_OK;
}

/* The latest first. */
static int by_age(const void *a, const void *b)
{
    const struct memory_event *x = *(const struct memory_event *const *)a,
                              *y = *(const struct memory_event *const *)b;
    int order = memory_compare_numbers(y->is.timestamp, x->is.timestamp);
    return order ? order : memory_compare_numbers(x->user_key, y->user_key);
}

/* What all of a user's interactions with an item say; 0: this one is not the newest of them. */
static double weight_of(const struct memory_state *s, const struct memory_event *x)
{
    double sum = 0;
    for (size_t i = 0; i < s->events.n; i++) {
        const struct memory_event *o = memory_rows_at(&s->events, i);
        if (o->user_key != x->user_key || o->is.item_key != x->is.item_key)
            continue;
        if (o->is.timestamp > x->is.timestamp ||
            (o->is.timestamp == x->is.timestamp && o->is.kind > x->is.kind))
            return 0;
        struct store_interaction told = memory_told(s, &o->is);
        sum += o->is.weight * store_interaction_effect(&told);
    }
    return sum;
}

enum err_code memory_each_taker(struct store_conn *conn, int64_t item_key,
                                const struct store_context_key *key, size_t most, store_taker_fn *fn,
                                void *arg, struct err *e)
{
    (void)e;
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    const void **rows = memory_ordered(&s->events, by_age);
    bool wanted = true;
    for (size_t i = 0; i < s->events.n && wanted && most; i++) {
        const struct memory_event *x = rows[i];
        double weight = x->is.item_key == item_key ? weight_of(s, x) : 0;
        if (!(weight > 0))
            continue;
        const struct memory_context *context = memory_find_context(s, key, user_of_key(s, x->user_key)->id);
        if (context) {
            wanted = fn(arg, context->bytes.data, context->bytes.len, weight);
            most--;
        }
    }
    free(rows);
    memory_read_end(c, s);
    return ERR_OK;
}

enum err_code memory_taken_above(struct store_conn *conn, int64_t item_key, bool *taken, struct err *e)
{
    (void)e;
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    *taken = false;
    for (size_t i = 0; i < s->events.n; i++)
        *taken =
            *taken || ((const struct memory_event *)memory_rows_at(&s->events, i))->is.item_key > item_key;
    memory_read_end(c, s);
    return ERR_OK;
}

/* ---- counts, versions ---- */

enum err_code memory_count(struct store_conn *conn, struct store_counts *out, struct err *e)
{
    (void)e;
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    *out = (struct store_counts){(int64_t)s->users.n,    (int64_t)s->items.n, (int64_t)s->events.n,
                                 (int64_t)s->contexts.n, (int64_t)s->tasks.n, (int64_t)s->task_rows.n};
    memory_read_end(c, s);
    return ERR_OK;
}

enum err_code memory_count_served(struct store_conn *conn, struct store_counts *out, struct err *e)
{
    (void)e;
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    *out = (struct store_counts){.n_users = (int64_t)s->users.n, .n_tasks = (int64_t)s->tasks.n};
    for (size_t i = 0; i < s->items.n; i++)
        out->n_items += !((const struct store_item *)memory_rows_at(&s->items, i))->deleted;
    memory_read_end(c, s);
    return ERR_OK;
}

enum err_code memory_ping(struct store_conn *conn, struct err *e)
{
    (void)conn, (void)e;
    return ERR_OK;
}

/* A version with the number of its context that came last. */
struct group {
    struct store_version is;
    int64_t number;
};

static int by_version(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    int order = memory_compare_texts(x->is.model, y->is.model);
    return order ? order : memory_compare_texts(x->is.version, y->is.version);
}

static int by_model_and_number(const void *a, const void *b)
{
    const struct group *x = *(const struct group *const *)a, *y = *(const struct group *const *)b;
    int order = memory_compare_texts(x->is.model, y->is.model);
    return order ? order : memory_compare_numbers(x->number, y->number);
}

enum err_code memory_each_version(struct store_conn *conn, store_version_fn *fn, void *arg, struct err *e)
{
    (void)e;
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    struct memory_rows groups = memory_rows_of(sizeof(struct group), by_version);
    bool wanted = true;
    for (size_t i = 0; i < s->contexts.n; i++) {
        const struct memory_context *x = memory_rows_at(&s->contexts, i);
        struct group fresh = {.is = {.model = x->model, .version = x->version}};
        struct group *g = memory_rows_find(&groups, &fresh);
        g = g ? g : memory_rows_put(&groups, &fresh);
        g->is.n_contexts++;
        g->is.n_given += x->given || memory_is_without_rows(s, x);
        g->is.n_bytes += (int64_t)(x->bytes.len + x->list.len);
        g->number = x->number > g->number ? x->number : g->number;
    }
    const void **rows = memory_ordered(&groups, by_model_and_number);
    for (size_t i = 0; i < groups.n && wanted; i++)
        wanted = fn(arg, &((const struct group *)rows[i])->is);
    free(rows);
    memory_rows_free(&groups);
    memory_read_end(c, s);
    return ERR_OK;
}

/* ---- changes ---- */

enum err_code memory_last_change(struct store_conn *conn, int64_t *change, struct err *e)
{
    (void)e;
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    *change = s->last_change;
    memory_read_end(c, s);
    return ERR_OK;
}

enum err_code memory_has_changes(struct store_conn *conn, int64_t since, bool *has, struct err *e)
{
    int64_t last;
    enum err_code code = memory_last_change(conn, &last, e);
    *has = last > since;
    return code;
}

/* What a row of the log says: of a user or task that is not there any more, that it is gone. */
static struct store_change change_of(const struct memory_state *s, const struct memory_change *row)
{
    struct store_change change = {.number = row->number, .kind = row->kind, .row_key = row->row_key};
    const struct memory_user *u = row->kind == STORE_CHANGE_USER ? user_of_key(s, row->row_key) : NULL;
    if (u)
        change.id = u->id;
    else if (row->kind == STORE_CHANGE_USER)
        change.kind = STORE_CHANGE_GONE;
    else if (row->kind == STORE_CHANGE_TASK && !(change.id = memory_task_id(s, row->row_key)).data)
        change.kind = STORE_CHANGE_TASK_GONE;
    else if (row->kind == STORE_CHANGE_ITEM)
        change.id = item_of_key(s, row->row_key)->id;
    return change;
}

enum err_code memory_changes(struct store_conn *conn, int64_t since, store_change_fn *fn, void *arg,
                             struct err *e)
{
    (void)e;
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    size_t i = memory_rows_from(&s->changes, &(struct memory_change){.number = since + 1});
    const struct memory_change *first = s->changes.n ? memory_rows_at(&s->changes, 0) : NULL;
    bool wanted = true;
    if (s->last_change > since && (!first || first->number > since + 1)) {
        (void)fn(arg, &(struct store_change){.number = s->last_change, .kind = STORE_CHANGE_ALL});
        wanted = false;
    }
    for (; i < s->changes.n && wanted; i++) {
        struct store_change change = change_of(s, memory_rows_at(&s->changes, i));
        wanted = fn(arg, &change);
    }
    memory_read_end(c, s);
    return ERR_OK;
}

enum err_code memory_each_unfinished(struct store_conn *conn, store_unfinished_fn *fn, void *arg,
                                     struct err *e)
{
    (void)e;
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    bool wanted = true;
    for (size_t i = 0; i < s->unfinished.n && wanted; i++) {
        const struct memory_unfinished *u = memory_rows_at(&s->unfinished, i);
        wanted = fn(arg, u->first, u->last);
    }
    memory_read_end(c, s);
    return ERR_OK;
}
