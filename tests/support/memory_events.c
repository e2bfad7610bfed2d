/* Interactions and kinds of events of the store in memory. */
#include "tests/support/memory_store.h"

#include "base/limits.h"

#include <stdlib.h>

/* ---- kinds ---- */

void memory_first_kinds(struct memory_state *s)
{
    static const struct store_kind first[] = {
        {0, {"interaction", 11}, 1.0, false, false, 0}, {1, {"view", 4}, 0.2, false, false, 0},
        {2, {"like", 4}, 1.0, false, false, 0},         {3, {"purchase", 8}, 1.0, false, false, 0},
        {4, {"dislike", 7}, 1.0, true, false, 0},       {5, {"shown", 5}, 0.0, false, true, 0},
    };
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        (void)memory_rows_put(&s->kinds, &first[i]);
}

static const struct store_kind *kind_of(const struct memory_state *s, int64_t number)
{
    return memory_rows_find(&s->kinds, &(struct store_kind){.number = number});
}

enum err_code memory_check_kind(const struct memory_state *s, int32_t number, struct err *e)
{
    return kind_of(s, number) ? ERR_OK
                              : err_set(e, ERR_INVALID, "no kind of events has the number %d", (int)number);
}

struct store_interaction memory_told(const struct memory_state *s, const struct store_interaction *x)
{
    struct store_interaction told = *x;
    const struct store_kind *kind = x->kind == STORE_KIND_NONE ? NULL : kind_of(s, x->kind);
    told.effect = kind ? kind->negative ? -kind->weight : kind->weight : 0;
    told.unseen = kind && kind->unseen;
    return told;
}

enum err_code memory_each_kind(struct store_conn *conn, store_kind_fn *fn, void *arg, struct err *e)
{
    (void)e;
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    bool wanted = true;
    for (size_t i = 0; i < s->kinds.n && wanted; i++)
        wanted = fn(arg, memory_rows_at(&s->kinds, i));
    memory_read_end(c, s);
    return ERR_OK;
}

/* Whoever has interactions of the kind is another one from here on. */
static void touch_all(struct memory_state *s, int64_t kind)
{
    int64_t change = memory_new_change(s, STORE_CHANGE_ALL, 0);
    for (size_t i = 0; i < s->users.n; i++) {
        struct memory_user *u = memory_rows_at(&s->users, i);
        for (size_t k = 0; k < s->events.n; k++) {
            const struct memory_event *x = memory_rows_at(&s->events, k);
            if (x->user_key == u->key && x->is.kind == kind)
                u->revision = change;
        }
    }
}

enum err_code memory_put_kind(struct store_conn *conn, const struct store_kind *kind, bool *changed,
                              struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    enum err_code code = memory_check_writing(c, e);
    struct store_kind *was = NULL, fresh = *kind;
    for (size_t i = 0; !code && i < c->own->kinds.n; i++) {
        struct store_kind *k = memory_rows_at(&c->own->kinds, i);
        was = memory_compare_texts(k->name, kind->name) == 0 ? k : was;
    }
    if (code)
        return code;
    bool says = !was || was->weight < kind->weight || was->weight > kind->weight ||
                was->negative != kind->negative || was->unseen != kind->unseen;
    *changed = says || was->ttl != kind->ttl;
    if (!was && c->own->kinds.n >= LIMIT_KINDS)
        return err_set(e, ERR_LIMIT, "a store has at most %d kinds of events", LIMIT_KINDS);
    if (was && was->number == STORE_KIND_NONE && says)
        return err_set(e, ERR_CONFLICT, "this is what has no kind: its weight is 1, and it counts as seen");
    fresh.number = was ? was->number : (int64_t)c->own->kinds.n;
    fresh.name = was ? was->name : memory_keep(c, kind->name);
    bool touches = was && says;
    (void)memory_rows_put(&c->own->kinds, &fresh);
    if (touches)
        touch_all(c->own, fresh.number);
    return ERR_OK;
}

/* ---- interactions ---- */

enum store_put memory_add_event(struct memory_state *s, int64_t user_key, int64_t item_key,
                                const struct store_event *x)
{
    struct memory_event event = {.user_key = user_key,
                                 .is = {.item_key = item_key,
                                        .weight = x->weight,
                                        .rating = x->rating,
                                        .timestamp = x->timestamp,
                                        .first = x->first,
                                        .kind = x->kind,
                                        .count = x->count ? x->count : 1},
                                 .arrival = ++s->last_arrival};
    struct memory_event *there = memory_rows_find(&s->events, &event);
    if (!there) {
        (void)memory_rows_put(&s->events, &event);
        return STORE_PUT_NEW;
    }
    int64_t first = store_first_of(there->is.first ? there->is.first : there->is.timestamp,
                                   x->first ? x->first : x->timestamp);
    int32_t count = store_count_of(there->is.count, x->count);
    enum store_put put = there->is.timestamp > x->timestamp ? STORE_PUT_OLDER : STORE_PUT_REPLACED;
    if (put == STORE_PUT_REPLACED)
        *there = event;
    there->is.first = first;
    there->is.count = count;
    return put;
}

static enum err_code user_of(struct memory_conn *c, struct text id, struct memory_user **out, struct err *e)
{
    enum err_code code = memory_check_writing(c, e);
    if (code)
        return code;
    *out = memory_find_user(c->own, id);
    return *out ? ERR_OK : err_set(e, ERR_NOTFOUND, "no user '%.*s'", (int)id.len, id.data);
}

/* Whether an event with this id was put before; from here on it was. */
static bool knows_id(struct memory_conn *c, int64_t user_key, struct text id)
{
    struct memory_event_id row = {user_key, id};
    if (memory_rows_find(&c->own->event_ids, &row))
        return true;
    row.id = memory_keep(c, id);
    (void)memory_rows_put(&c->own->event_ids, &row);
    return false;
}

enum err_code memory_knows_event(struct store_conn *conn, struct text user, struct text id, bool *known,
                                 struct err *e)
{
    struct memory_state *s = memory_read_begin((struct memory_conn *)conn);
    const struct memory_user *u = memory_find_user(s, user);
    (void)e;
    *known = u && memory_rows_find(&s->event_ids, &(struct memory_event_id){u->key, id});
    memory_read_end((struct memory_conn *)conn, s);
    return ERR_OK;
}

enum err_code memory_put_event(struct store_conn *conn, struct text user, struct text item,
                               const struct store_event *x, enum store_put *put, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_user *u;
    enum err_code code = user_of(c, user, &u, e);
    if (!code)
        code = memory_check_kind(c->own, x->kind, e);
    if (code)
        return code;
    enum store_put became = STORE_PUT_REPEATED;
    if (!x->id.data || !knows_id(c, u->key, x->id)) {
        struct store_item *i = memory_find_item(c->own, item);
        if (!i) {
            i = memory_new_item(c, item);
            i->revision = memory_new_change(c->own, STORE_CHANGE_ITEM, i->key);
        }
        became = memory_add_event(c->own, u->key, i->key, x);
    }
    if (put)
        *put = became;
    return ERR_OK;
}

enum err_code memory_remove_interactions(struct store_conn *conn, struct text user, struct text item,
                                         int32_t kind, int64_t *n, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_user *u;
    *n = 0;
    enum err_code code = user_of(c, user, &u, e);
    const struct store_item *i = code ? NULL : memory_find_item(c->own, item);
    for (size_t k = c->own ? c->own->events.n : 0; i && k-- > 0;) {
        const struct memory_event *x = memory_rows_at(&c->own->events, k);
        if (x->user_key != u->key || x->is.item_key != i->key || (kind >= 0 && x->is.kind != kind))
            continue;
        memory_rows_remove(&c->own->events, k, 1);
        ++*n;
    }
    return code;
}

static bool is_old(const struct memory_state *s, const struct memory_event *x,
                   const struct store_expiry *expiry)
{
    int64_t ttl = kind_of(s, x->is.kind)->ttl, keep = expiry->keep;
    int64_t least = !ttl ? keep : !keep || ttl < keep ? ttl : keep;
    return least && x->is.timestamp > 0 && x->is.timestamp < expiry->now - least;
}

static int by_number(const void *a, const void *b)
{
    return memory_compare_numbers(*(const int64_t *)a, *(const int64_t *)b);
}

/* The items with these keys, each once. */
static void touch_items(struct memory_state *s, int64_t *keys, size_t n)
{
    if (n)
        qsort(keys, n, sizeof *keys, by_number);
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < s->items.n; i++) {
            struct store_item *x = memory_rows_at(&s->items, i);
            if (x->key == keys[k] && !x->deleted && (k == 0 || keys[k] != keys[k - 1]))
                x->revision = memory_new_change(s, STORE_CHANGE_ITEM, x->key);
        }
}

/* All users are one stretch. */
enum err_code memory_expire(struct store_conn *conn, const struct store_expiry *x, int64_t *at, int64_t *n,
                            struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    *at = *n = 0;
    enum err_code code = memory_begin(conn, e);
    if (code)
        return code;
    int64_t *moved = malloc((c->own->events.n + 1) * sizeof *moved);
    size_t n_moved = 0;
    if (!moved)
        abort();
    for (size_t u = 0; u < c->own->users.n; u++) {
        struct memory_user *user = memory_rows_at(&c->own->users, u);
        int64_t before = *n;
        for (size_t i = c->own->events.n; i-- > 0;) {
            const struct memory_event *event = memory_rows_at(&c->own->events, i);
            if (event->user_key != user->key || !is_old(c->own, event, x))
                continue;
            if (x->moves && x->moves(x->arg, event->is.item_key))
                moved[n_moved++] = event->is.item_key;
            memory_rows_remove(&c->own->events, i, 1);
            ++*n;
        }
        if (*n > before)
            user->revision = memory_new_change(c->own, STORE_CHANGE_USER, user->key);
    }
    touch_items(c->own, moved, n_moved);
    free(moved);
    return memory_commit(conn, e);
}

static int by_arrival(const void *a, const void *b)
{
    const struct memory_event *x = *(const struct memory_event *const *)a,
                              *y = *(const struct memory_event *const *)b;
    return memory_compare_numbers(x->arrival, y->arrival);
}

enum err_code memory_add_interactions_of(struct store_conn *conn, struct text from, struct text to,
                                         struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_user *a, *b;
    enum err_code code = user_of(c, from, &a, e);
    if (!code)
        code = user_of(c, to, &b, e);
    if (code)
        return code;
    struct memory_rows before = memory_rows_copy(&c->own->events), ids = memory_rows_copy(&c->own->event_ids);
    const void **rows = memory_ordered(&before, by_arrival);
    for (size_t i = 0; i < before.n; i++) {
        const struct memory_event *x = rows[i];
        struct store_event event = {.kind = x->is.kind,
                                    .count = x->is.count,
                                    .weight = x->is.weight,
                                    .rating = x->is.rating,
                                    .timestamp = x->is.timestamp,
                                    .first = x->is.first};
        if (x->user_key == a->key)
            (void)memory_add_event(c->own, b->key, x->is.item_key, &event);
    }
    for (size_t i = 0; i < ids.n; i++) {
        const struct memory_event_id *x = memory_rows_at(&ids, i);
        if (x->user_key == a->key)
            (void)knows_id(c, b->key, x->id);
    }
    free(rows);
    memory_rows_free(&before);
    memory_rows_free(&ids);
    return ERR_OK;
}
