/* Bulk loads. A million interactions name a few thousand users and items again and again: their keys are
 * remembered in two hash tables, so that a row costs one insert and no look-up. Memory: the ids that the load
 * names, about 60 bytes and the id each. The load's one change is recorded when it begins: nobody else writes
 * before it is over, and so its rows are written once, with their revision. */
#include "store/sqlite/private.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* One remembered id. */
struct known {
    int64_t key;
    int64_t hidden;   /* without a key: that of a row which a staged load writes */
    int64_t position; /* users: the next order of arrival; -1: to be read first */
    uint32_t len;
    bool written;  /* its row is as the load wants it */
    bool followed; /* items */
    bool deleted;  /* items: and is to stay so */
    bool listed;   /* the load has a row of it */
    bool stored;   /* and so had the store, before the load */
    bool gone;     /* users: deleted since the load saw them, and left out */
    char id[];
};

struct known_table {
    struct known **slots; /* (capacity) a power of two; NULL: empty */
    size_t capacity, n;
};

struct sqlite_bulk {
    struct store_bulk base;
    struct sqlite_conn *conn;
    struct known_table users, items;
    int64_t n_older; /* interactions that were left out */
    bool replaces;   /* the items that it lists are all there are */
    struct store_bulk_counts counts;
    int64_t change; /* the load's, and so the revision of its rows */
    int64_t load;   /* whose rows were written before; 0: none */
};

static struct known **find(struct known_table *t, struct text id)
{
    size_t mask = t->capacity - 1, at = (size_t)hash_bytes(hash_seed(), id.data, id.len) & mask;
    while (t->slots[at] && !(t->slots[at]->len == id.len && memcmp(t->slots[at]->id, id.data, id.len) == 0))
        at = (at + 1) & mask;
    return &t->slots[at];
}

static enum err_code grow(struct known_table *t, struct err *e)
{
    struct known_table bigger = {.capacity = t->capacity ? t->capacity * 2 : 1024, .n = t->n};
    bigger.slots = mem_zalloc_array(bigger.capacity, sizeof *bigger.slots);
    if (!bigger.slots)
        return err_set(e, ERR_NOMEM, "no memory to remember %zu ids", t->n);
    for (size_t i = 0; i < t->capacity; i++)
        if (t->slots[i])
            *find(&bigger, (struct text){t->slots[i]->id, t->slots[i]->len}) = t->slots[i];
    mem_free(t->slots);
    *t = bigger;
    return ERR_OK;
}

static void table_fini(struct known_table *t)
{
    for (size_t i = 0; i < t->capacity; i++)
        mem_free(t->slots[i]);
    mem_free(t->slots);
}

/* The remembered id, or a new entry with key 0. */
static enum err_code remember(struct known_table *t, struct text id, struct known **out, struct err *e)
{
    enum err_code code = 2 * (t->n + 1) > t->capacity ? grow(t, e) : ERR_OK;
    if (code)
        return code;
    struct known **slot = find(t, id);
    if (!*slot) {
        struct known *k = mem_alloc(sizeof *k + id.len);
        if (!k)
            return err_set(e, ERR_NOMEM, "no memory to remember %zu ids", t->n);
        *k = (struct known){.position = -1, .len = (uint32_t)id.len};
        memcpy(k->id, id.data, id.len);
        *slot = k;
        t->n++;
    }
    *out = *slot;
    return ERR_OK;
}

enum err_code sqlite_bulk_begin(struct store_conn *conn, struct store_bulk **out, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    enum err_code code = sqlite_check_writing(c, e);
    if (!code) /* inserts meet pages all over the table; without room each would be written out and read back
                */
        code = sqlite_run_text(c, "PRAGMA cache_size = -65536", "set up a bulk load", e);
    if (code)
        return code;
    struct sqlite_bulk *b = mem_zalloc_array(1, sizeof *b);
    if (!b)
        return err_set(e, ERR_NOMEM, "no memory for a bulk load");
    b->base.backend = conn->backend;
    b->conn = c;
    code = sqlite_new_change(c, "all", 0, &b->change, e);
    if (code)
        mem_free(b);
    else
        *out = &b->base;
    return code;
}

void sqlite_bulk_abandon(struct store_bulk *bulk)
{
    struct sqlite_bulk *b = (struct sqlite_bulk *)bulk;
    table_fini(&b->users);
    table_fini(&b->items);
    mem_free(b);
}

/* Inserts or updates the row of a user. */
static enum err_code write_user(struct sqlite_bulk *b, struct known *k, struct text profile, struct err *e)
{
    struct text id = {k->id, k->len};
    int64_t row = k->key ? k->key : k->hidden;
    enum err_code code = sqlite_write_user(b->conn, id, row, profile, b->change, e);
    if (!code && row)
        b->conn->erases = true; /* the profile that was there */
    if (!code && !k->key) {
        k->key = row ? row : sqlite3_last_insert_rowid(b->conn->db);
        k->position = 0;
    }
    if (!code)
        k->written = true;
    return code;
}

/* Whether the store had it before the load. */
static bool is_stored(const struct sqlite_bulk *b, const struct sqlite_known *found)
{
    return found->key != 0 && !(b->load && found->revision == -b->load);
}

/* The user with its key, looked up once a load; without a key where there is none and it is not to be made,
 * or is gone. */
static enum err_code user_of(struct sqlite_bulk *b, struct text id, bool create, struct known **out,
                             struct err *e)
{
    enum err_code code = remember(&b->users, id, out, e);
    if (code || (*out)->key || (*out)->gone)
        return code;
    code = sqlite_find_user(b->conn, id, &(*out)->key, e);
    (*out)->hidden = b->conn->user.hidden;
    (*out)->stored = !code && is_stored(b, &b->conn->user);
    if (!code && (*out)->key == 0 && create)
        code = write_user(b, *out, (struct text){NULL, 0}, e);
    return code;
}

enum err_code sqlite_bulk_user(struct store_bulk *bulk, struct text id, struct text profile, struct err *e)
{
    struct sqlite_bulk *b = (struct sqlite_bulk *)bulk;
    struct known *k;
    enum err_code code = sqlite_check_writing(b->conn, e);
    if (!code)
        code = user_of(b, id, false, &k, e);
    if (!code && k->gone)
        return ERR_OK;
    if (!code)
        code = write_user(b, k, profile, e);
    if (code)
        return code;
    b->counts.n_repeated_users += k->listed;
    b->counts.n_known_users += !k->listed && k->stored;
    k->listed = true;
    return ERR_OK;
}

/* Whether the user is there, or was written ahead; who is not is left out from here on. */
enum err_code sqlite_bulk_look(struct store_bulk *bulk, struct text id, bool *there, struct err *e)
{
    struct sqlite_bulk *b = (struct sqlite_bulk *)bulk;
    struct known *k;
    enum err_code code = sqlite_check_writing(b->conn, e);
    if (!code)
        code = user_of(b, id, false, &k, e);
    if (code)
        return code;
    k->gone = !k->key && !k->hidden;
    *there = !k->gone;
    return ERR_OK;
}

enum err_code sqlite_bulk_seen_user(struct store_bulk *bulk, struct text id, struct text profile,
                                    struct err *e)
{
    bool there;
    enum err_code code = sqlite_bulk_look(bulk, id, &there, e);
    return code || !there ? code : sqlite_bulk_user(bulk, id, profile, e);
}

static enum err_code write_item(struct sqlite_bulk *b, struct known *k, const struct store_item *item,
                                struct err *e)
{
    enum sqlite_statement update = b->replaces ? SQL_UPDATE_ITEM : SQL_UPDATE_ITEM_TEXTS;
    if (k->key)
        return sqlite_write_item(b->conn, update, k->key, item, b->change, -1, e);
    enum err_code code = sqlite_write_item(b->conn, k->hidden ? SQL_TAKE_ITEM : SQL_INSERT_ITEM, k->hidden,
                                           item, b->change, 0, e);
    if (!code)
        k->key = k->hidden ? k->hidden : sqlite3_last_insert_rowid(b->conn->db);
    return code;
}

static enum err_code item_of(struct sqlite_bulk *b, struct text id, bool create, struct known **out,
                             struct err *e)
{
    enum err_code code = remember(&b->items, id, out, e);
    if (code || (*out)->key)
        return code;
    code = sqlite_find_followed(b->conn, id, &(*out)->key, &(*out)->followed, e);
    (*out)->hidden = b->conn->item.hidden;
    (*out)->deleted = b->conn->item.deleted;
    (*out)->stored = !code && is_stored(b, &b->conn->item);
    if (!code && (*out)->key == 0 && create)
        code = write_item(b, *out, &(struct store_item){.id = id}, e);
    return code;
}

enum err_code sqlite_bulk_item(struct store_bulk *bulk, const struct store_item *item, struct err *e)
{
    struct sqlite_bulk *b = (struct sqlite_bulk *)bulk;
    struct known *k;
    enum err_code code = sqlite_check_writing(b->conn, e);
    if (!code)
        code = item_of(b, item->id, false, &k, e);
    if (!code)
        code = write_item(b, k, item, e);
    if (code)
        return code;
    b->counts.n_kept_deleted += k->deleted && !k->listed && !b->replaces;
    b->counts.n_repeated_items += k->listed;
    b->counts.n_known_items += !k->listed && k->stored && !k->deleted;
    k->listed = true;
    return ERR_OK;
}

void sqlite_bulk_replace_items(struct store_bulk *bulk)
{
    ((struct sqlite_bulk *)bulk)->replaces = true;
}

void sqlite_bulk_count(const struct store_bulk *bulk, struct store_bulk_counts *out)
{
    *out = ((const struct sqlite_bulk *)bulk)->counts;
}

int64_t sqlite_bulk_change(const struct store_bulk *bulk)
{
    return ((const struct sqlite_bulk *)bulk)->change;
}

void sqlite_bulk_made(struct store_bulk *bulk, int64_t load)
{
    ((struct sqlite_bulk *)bulk)->load = load;
}

enum err_code sqlite_bulk_keep_item(struct store_bulk *bulk, struct text id, struct err *e)
{
    struct known *k;
    enum err_code code = item_of((struct sqlite_bulk *)bulk, id, false, &k, e);
    if (!code)
        k->listed = true;
    return code;
}

/* Numbers that grow in memory. */
struct keys {
    int64_t *at; /* (n) */
    size_t n, capacity;
};

static enum err_code add_key(struct keys *keys, int64_t key, struct err *e)
{
    if (keys->n == keys->capacity) {
        size_t capacity = keys->capacity ? 2 * keys->capacity : 1024;
        int64_t *grown = mem_realloc_array(keys->at, capacity, sizeof *grown);
        if (!grown)
            return err_set(e, ERR_NOMEM, "no memory for the keys of %zu items", keys->n);
        keys->at = grown;
        keys->capacity = capacity;
    }
    keys->at[keys->n++] = key;
    return ERR_OK;
}

static int by_key(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The items that the load has rows of, rising. */
static enum err_code listed_keys(const struct known_table *items, struct keys *out, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < items->capacity && !code; i++)
        if (items->slots[i] && items->slots[i]->listed)
            code = add_key(out, items->slots[i]->key, e);
    if (out->n > 1)
        qsort(out->at, out->n, sizeof *out->at, by_key);
    return code;
}

/* The items that are not deleted and not among `kept`. */
static enum err_code other_keys(struct sqlite_conn *c, const struct keys *kept, struct keys *out,
                                struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_ITEMS_NOT_DELETED);
    enum err_code code = ERR_OK;
    int rc = SQLITE_DONE;
    while (!code && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t key = sqlite3_column_int64(s, 0);
        if (!kept->n || !bsearch(&key, kept->at, kept->n, sizeof key, by_key))
            code = add_key(out, key, e);
    }
    enum err_code ended = sqlite_stepped(c, s, rc, "read the items", e);
    return code ? code : ended;
}

enum err_code sqlite_bulk_delete_other_items(struct store_bulk *bulk, int64_t *n_deleted, struct err *e)
{
    struct sqlite_bulk *b = (struct sqlite_bulk *)bulk;
    struct keys kept = {0}, others = {0};
    enum err_code code = sqlite_check_writing(b->conn, e);
    if (!code)
        code = listed_keys(&b->items, &kept, e);
    if (!code)
        code = other_keys(b->conn, &kept, &others, e);
    for (size_t i = 0; i < others.n && !code; i++) {
        sqlite3_stmt *s = sqlite_statement(b->conn, SQL_DELETE_ITEM);
        sqlite3_bind_int64(s, 1, others.at[i]);
        sqlite3_bind_int64(s, 2, b->change);
        code = sqlite_run(b->conn, s, "delete an item", e);
    }
    if (!code)
        *n_deleted = (int64_t)others.n;
    mem_free(kept.at);
    mem_free(others.at);
    return code;
}

/* Marks the user as changed and finds the next order of arrival, once a load. */
static enum err_code prepare_user(struct sqlite_bulk *b, struct known *k, struct err *e)
{
    enum err_code code = ERR_OK;
    if (!k->written) {
        sqlite3_stmt *s = sqlite_statement(b->conn, SQL_TOUCH_USER);
        sqlite3_bind_int64(s, 1, k->key);
        sqlite3_bind_int64(s, 2, b->change);
        code = sqlite_run(b->conn, s, "write a user", e);
        k->written = code == ERR_OK;
    }
    if (code || k->position >= 0)
        return code;
    sqlite3_stmt *s = sqlite_statement(b->conn, SQL_LAST_POSITION);
    sqlite3_bind_int64(s, 1, k->key);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        k->position = sqlite3_column_int64(s, 0) + 1;
    else
        code = sqlite_fail(b->conn, rc, "read a user's interactions", e);
    sqlite3_reset(s);
    return code;
}

enum err_code sqlite_bulk_event(struct store_bulk *bulk, struct text user, struct text item,
                                const struct store_event *x, struct err *e)
{
    struct sqlite_bulk *b = (struct sqlite_bulk *)bulk;
    struct known *u, *i;
    enum err_code code = sqlite_check_writing(b->conn, e);
    if (!code)
        code = sqlite_check_kind(b->conn, x->kind, e);
    if (!code)
        code = user_of(b, user, true, &u, e);
    if (!code)
        code = item_of(b, item, true, &i, e);
    if (!code && u->gone)
        return ERR_OK;
    if (!code && (!u->written || u->position < 0))
        code = prepare_user(b, u, e);
    if (code)
        return code;
    b->conn->history.user = 0; /* the load numbers arrivals itself */
    sqlite3_stmt *s = b->conn->statements[SQL_PUT_INTERACTION];
    sqlite_bind_event(s, u->key, i->key, x, u->position++, i->followed);
    code = sqlite_run(b->conn, s, "write an interaction", e);
    if (code || sqlite3_changes(b->conn->db) > 0)
        return code;
    b->n_older++;
    return sqlite_count_older(b->conn, u->key, i->key, x, e);
}

enum err_code sqlite_bulk_end(struct store_bulk *bulk, int64_t *n_older, struct err *e)
{
    struct sqlite_bulk *b = (struct sqlite_bulk *)bulk;
    enum err_code code = sqlite_check_writing(b->conn, e);
    if (n_older)
        *n_older = b->n_older;
    sqlite_bulk_abandon(bulk);
    return code;
}
