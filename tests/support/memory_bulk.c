/* Bulk loads and loads of the store in memory. A load keeps its rows until it is applied; a staged one also
 * remembers who was there, since who was deleted meanwhile stays deleted. */
#include "tests/support/memory_store.h"

#include <stdlib.h>
#include <string.h>

/* An id that a bulk load named. */
struct named {
    struct text id;
    bool stored;  /* it was there before the load */
    bool deleted; /* an item that was */
    bool listed;  /* the load has a row of it */
    bool gone;    /* a user who was deleted since the load saw him, and is left out */
};

struct memory_bulk {
    struct store_bulk base;
    struct memory_conn *conn;
    struct memory_rows users, items; /* struct named */
    int64_t n_older;
    bool replaces;
    struct store_bulk_counts counts;
};

static int by_id(const void *a, const void *b)
{
    return memory_compare_texts(((const struct named *)a)->id, ((const struct named *)b)->id);
}

enum err_code memory_bulk_begin(struct store_conn *conn, struct store_bulk **out, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    enum err_code code = memory_check_writing(c, e);
    if (code)
        return code;
    struct memory_bulk *b = memory_take(sizeof *b);
    b->base.backend = conn->backend;
    b->conn = c;
    b->users = memory_rows_of(sizeof(struct named), by_id);
    b->items = memory_rows_of(sizeof(struct named), by_id);
    *out = &b->base;
    return ERR_OK;
}

void memory_bulk_abandon(struct store_bulk *bulk)
{
    struct memory_bulk *b = (struct memory_bulk *)bulk;
    memory_rows_free(&b->users);
    memory_rows_free(&b->items);
    free(b);
}

static bool is_gone(struct memory_bulk *b, struct text id)
{
    const struct named *n = memory_rows_find(&b->users, &(struct named){.id = id});
    return n && n->gone;
}

static void leave_out(struct memory_bulk *b, struct text id)
{
    (void)memory_rows_put(&b->users, &(struct named){.id = memory_keep(b->conn, id), .gone = true});
}

/* What is remembered of a user, who is made if he is to be. */
static struct named *name_user(struct memory_bulk *b, struct text id, struct memory_user **user)
{
    struct named *n = memory_rows_find(&b->users, &(struct named){.id = id});
    *user = memory_find_user(b->conn->own, id);
    bool stored = *user != NULL;
    if (!*user)
        *user = memory_new_user(b->conn, id);
    return n ? n : memory_rows_put(&b->users, &(struct named){.id = (*user)->id, .stored = stored});
}

static struct named *name_item(struct memory_bulk *b, struct text id, struct store_item **item)
{
    struct named *n = memory_rows_find(&b->items, &(struct named){.id = id});
    *item = memory_find_item(b->conn->own, id);
    struct named fresh = {.stored = *item != NULL, .deleted = *item && (*item)->deleted};
    if (!*item)
        *item = memory_new_item(b->conn, id);
    fresh.id = (*item)->id;
    return n ? n : memory_rows_put(&b->items, &fresh);
}

enum err_code memory_bulk_user(struct store_bulk *bulk, struct text id, struct text profile, struct err *e)
{
    struct memory_bulk *b = (struct memory_bulk *)bulk;
    struct memory_user *u;
    enum err_code code = memory_check_writing(b->conn, e);
    if (code || is_gone(b, id))
        return code;
    struct named *n = name_user(b, id, &u);
    u->profile = memory_keep(b->conn, profile);
    u->revision = 0; /* until the end of the load */
    b->counts.n_repeated_users += n->listed;
    b->counts.n_known_users += !n->listed && n->stored;
    n->listed = true;
    return ERR_OK;
}

enum err_code memory_bulk_seen_user(struct store_bulk *bulk, struct text id, struct text profile,
                                    struct err *e)
{
    struct memory_bulk *b = (struct memory_bulk *)bulk;
    if (b->conn->own && !memory_find_user(b->conn->own, id) && !is_gone(b, id))
        leave_out(b, id);
    return memory_bulk_user(bulk, id, profile, e);
}

enum err_code memory_bulk_item(struct store_bulk *bulk, const struct store_item *item, struct err *e)
{
    struct memory_bulk *b = (struct memory_bulk *)bulk;
    struct store_item *x;
    enum err_code code = memory_check_writing(b->conn, e);
    if (code)
        return code;
    struct named *n = name_item(b, item->id, &x);
    x->title = memory_keep(b->conn, item->title);
    x->categories = memory_keep(b->conn, item->categories);
    x->metadata = memory_keep(b->conn, item->metadata);
    x->revision = 0;
    x->deleted = x->deleted && !b->replaces;
    b->counts.n_kept_deleted += n->deleted && !n->listed && !b->replaces;
    b->counts.n_repeated_items += n->listed;
    b->counts.n_known_items += !n->listed && n->stored && !n->deleted;
    n->listed = true;
    return ERR_OK;
}

enum err_code memory_bulk_event(struct store_bulk *bulk, struct text user, struct text item,
                                const struct store_event *x, struct err *e)
{
    struct memory_bulk *b = (struct memory_bulk *)bulk;
    struct memory_user *u;
    struct store_item *i;
    enum err_code code = memory_check_writing(b->conn, e);
    if (!code)
        code = memory_check_kind(b->conn->own, x->kind, e);
    if (code)
        return code;
    (void)name_item(b, item, &i);
    if (is_gone(b, user))
        return ERR_OK;
    (void)name_user(b, user, &u);
    u->revision = 0;
    b->n_older += memory_add_event(b->conn->own, u->key, i->key, x) == STORE_PUT_OLDER;
    return ERR_OK;
}

void memory_bulk_replace_items(struct store_bulk *bulk)
{
    ((struct memory_bulk *)bulk)->replaces = true;
}

enum err_code memory_bulk_keep_item(struct store_bulk *bulk, struct text id, struct err *e)
{
    (void)e;
    struct store_item *x;
    name_item((struct memory_bulk *)bulk, id, &x)->listed = true;
    return ERR_OK;
}

void memory_bulk_count(const struct store_bulk *bulk, struct store_bulk_counts *out)
{
    *out = ((const struct memory_bulk *)bulk)->counts;
}

enum err_code memory_bulk_delete_other_items(struct store_bulk *bulk, int64_t *n_deleted, struct err *e)
{
    struct memory_bulk *b = (struct memory_bulk *)bulk;
    enum err_code code = memory_check_writing(b->conn, e);
    if (code)
        return code;
    *n_deleted = 0;
    for (size_t i = 0; i < b->conn->own->items.n; i++) {
        struct store_item *x = memory_rows_at(&b->conn->own->items, i);
        const struct named *n = memory_rows_find(&b->items, &(struct named){.id = x->id});
        if (x->deleted || (n && n->listed))
            continue;
        x->deleted = true;
        x->revision = 0;
        ++*n_deleted;
    }
    return ERR_OK;
}

enum err_code memory_bulk_end(struct store_bulk *bulk, int64_t *n_older, struct err *e)
{
    struct memory_bulk *b = (struct memory_bulk *)bulk;
    struct memory_state *s = b->conn->own;
    enum err_code code = memory_check_writing(b->conn, e);
    int64_t change = code ? 0 : memory_new_change(s, STORE_CHANGE_ALL, 0);
    for (size_t i = 0; !code && i < s->users.n; i++) {
        struct memory_user *u = memory_rows_at(&s->users, i);
        u->revision = u->revision ? u->revision : change;
    }
    for (size_t i = 0; !code && i < s->items.n; i++) {
        struct store_item *x = memory_rows_at(&s->items, i);
        x->revision = x->revision ? x->revision : change;
    }
    if (n_older)
        *n_older = b->n_older;
    memory_bulk_abandon(bulk);
    return code;
}

/* ---- loads ---- */

struct load_row {
    struct text user, item; /* own */
    struct store_event is;
};

/* A user, of whom the metadata are the profile, or an item. */
struct new_row {
    struct text id; /* first, as in struct named */
    struct text title, categories, metadata;
    int64_t since; /* the change after which it counts that somebody is deleted */
};

struct memory_load {
    struct store_load base;
    struct memory_conn *conn;
    struct load_row *rows; /* (n) */
    size_t n, capacity, stage_from;
    bool staged;
    struct memory_rows new_users, new_items; /* struct new_row, by id */
    struct memory_rows there;    /* struct named: users who had a row when they were seen, or staged */
    struct memory_rows left_out; /* struct named: of them, who was deleted since */
    int64_t n_repeated;
};

static int by_id_of_row(const void *a, const void *b)
{
    return memory_compare_texts(((const struct new_row *)a)->id, ((const struct new_row *)b)->id);
}

enum err_code memory_load_new(struct store_conn *conn, size_t stage_from, struct store_load **out,
                              struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    if (c->own)
        return err_set(e, ERR_INTERNAL, "a load inside of a transaction");
    struct memory_load *l = memory_take(sizeof *l);
    l->base.backend = conn->backend;
    l->conn = c;
    l->stage_from = stage_from;
    l->there = memory_rows_of(sizeof(struct named), by_id);
    l->left_out = memory_rows_of(sizeof(struct named), by_id);
    l->new_users = memory_rows_of(sizeof(struct new_row), by_id_of_row);
    l->new_items = memory_rows_of(sizeof(struct new_row), by_id_of_row);
    *out = &l->base;
    return ERR_OK;
}

static struct text copy(struct text t)
{
    char *bytes = memory_take(t.len);
    if (t.len)
        memcpy(bytes, t.data, t.len);
    return (struct text){bytes, t.len};
}

enum err_code memory_load_event(struct store_load *load, struct text user, struct text item,
                                const struct store_event *x, struct err *e)
{
    struct memory_load *l = (struct memory_load *)load;
    struct memory_state *s = memory_read_begin(l->conn);
    enum err_code code = memory_check_kind(s, x->kind, e);
    memory_read_end(l->conn, s);
    if (code)
        return code;
    if (l->n == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 64;
        l->rows = realloc(l->rows, l->capacity * sizeof *l->rows);
        if (!l->rows)
            abort();
    }
    l->rows[l->n] = (struct load_row){copy(user), copy(item), *x};
    l->rows[l->n++].is.id = (struct text){NULL, 0};
    return ERR_OK;
}

/* Rows are kept by id, for keys are of no meaning to whoever reads them. */
static void keep_new(struct memory_load *l, struct memory_rows *rows, struct new_row row)
{
    row = (struct new_row){memory_keep(l->conn, row.id), memory_keep(l->conn, row.title),
                           memory_keep(l->conn, row.categories), memory_keep(l->conn, row.metadata), 0};
    struct memory_state *s = memory_read_begin(l->conn);
    row.since = s->last_change;
    memory_read_end(l->conn, s);
    (void)memory_rows_put(rows, &row);
}

enum err_code memory_load_seen_user(struct store_load *load, struct text id, struct err *e)
{
    (void)e;
    struct memory_load *l = (struct memory_load *)load;
    (void)memory_rows_put(&l->there, &(struct named){.id = memory_keep(l->conn, id)});
    return ERR_OK;
}

enum err_code memory_load_new_user(struct store_load *load, struct text id, struct text profile,
                                   struct err *e)
{
    (void)e;
    struct memory_load *l = (struct memory_load *)load;
    keep_new(l, &l->new_users, (struct new_row){.id = id, .metadata = profile});
    return ERR_OK;
}

enum err_code memory_load_new_item(struct store_load *load, const struct store_item *item, struct err *e)
{
    (void)e;
    struct memory_load *l = (struct memory_load *)load;
    keep_new(l, &l->new_items, (struct new_row){item->id, item->title, item->categories, item->metadata, 0});
    return ERR_OK;
}

static int by_user_item_and_kind(const void *a, const void *b)
{
    const struct load_row *x = a, *y = b;
    int order = memory_compare_texts(x->user, y->user);
    order = order ? order : memory_compare_texts(x->item, y->item);
    return order ? order : memory_compare_numbers(x->is.kind, y->is.kind);
}

enum err_code memory_load_stage(struct store_load *load, struct err *e)
{
    (void)e;
    struct memory_load *l = (struct memory_load *)load;
    struct memory_rows pairs = memory_rows_of(sizeof(struct load_row), by_user_item_and_kind);
    struct memory_state *s = memory_read_begin(l->conn);
    l->staged = l->n > 0 && l->n >= l->stage_from;
    for (size_t i = 0; i < l->n; i++) {
        (void)memory_rows_put(&pairs, &l->rows[i]);
        if (l->staged && memory_find_user(s, l->rows[i].user))
            (void)memory_rows_put(&l->there, &(struct named){.id = l->rows[i].user});
    }
    l->n_repeated = (int64_t)(l->n - pairs.n);
    memory_read_end(l->conn, s);
    memory_rows_free(&pairs);
    return ERR_OK;
}

bool memory_load_is_staged(const struct store_load *load)
{
    return ((const struct memory_load *)load)->staged;
}

bool memory_load_left_out(const struct store_load *load, struct text id)
{
    const struct memory_load *l = (const struct memory_load *)load;
    return memory_rows_find(&l->left_out, &(struct named){.id = id}) != NULL;
}

int64_t memory_load_repeated(const struct store_load *load)
{
    return ((const struct memory_load *)load)->n_repeated;
}

/* Who was registered meanwhile keeps what he has. */
static void put_new(struct memory_load *l, struct memory_bulk *b)
{
    for (size_t i = 0; i < l->new_users.n; i++) {
        const struct new_row *row = memory_rows_at(&l->new_users, i);
        struct memory_user *u = memory_find_user(l->conn->own, row->id);
        bool there = u != NULL;
        const struct memory_forgotten *gone =
            memory_rows_find(&l->conn->own->forgotten, &(struct memory_forgotten){.id = row->id});
        if (!there && gone && gone->change > row->since) {
            leave_out(b, row->id);
            (void)memory_rows_put(&l->left_out, &(struct named){.id = row->id});
            continue;
        }
        (void)name_user(b, row->id, &u);
        u->profile = there ? u->profile : row->metadata;
        u->revision = there ? u->revision : 0;
    }
    for (size_t i = 0; i < l->new_items.n; i++) {
        const struct new_row *row = memory_rows_at(&l->new_items, i);
        struct store_item *x = memory_find_item(l->conn->own, row->id);
        bool there = x != NULL;
        (void)name_item(b, row->id, &x);
        if (there)
            continue;
        x->title = row->title;
        x->categories = row->categories;
        x->metadata = row->metadata;
        x->revision = 0;
    }
}

enum err_code memory_load_apply(struct store_load *load, struct store_bulk *bulk, int64_t *n_older,
                                struct err *e)
{
    struct memory_load *l = (struct memory_load *)load;
    struct memory_bulk *b = (struct memory_bulk *)bulk;
    int64_t before = b->n_older;
    enum err_code code = memory_check_writing(l->conn, e);
    if (!code)
        put_new(l, b);
    for (size_t i = 0; i < l->n && !code; i++) {
        const struct load_row *row = &l->rows[i];
        if (memory_rows_find(&l->there, &(struct named){.id = row->user}) &&
            !memory_find_user(l->conn->own, row->user) && !is_gone(b, row->user)) {
            leave_out(b, row->user);
            (void)memory_rows_put(&l->left_out, &(struct named){.id = row->user});
        }
        code = memory_bulk_event(bulk, row->user, row->item, &row->is, e);
    }
    *n_older = l->staged ? b->n_older - before : 0;
    if (l->staged)
        b->n_older = before;
    return code;
}

void memory_load_free(struct store_load *load)
{
    struct memory_load *l = (struct memory_load *)load;
    for (size_t i = 0; i < l->n; i++) {
        free((void *)(uintptr_t)l->rows[i].user.data);
        free((void *)(uintptr_t)l->rows[i].item.data);
    }
    free(l->rows);
    memory_rows_free(&l->there);
    memory_rows_free(&l->left_out);
    memory_rows_free(&l->new_users);
    memory_rows_free(&l->new_items);
    free(l);
}
