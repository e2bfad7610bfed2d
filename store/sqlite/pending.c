/* Users and items of a load, written before its end and seen at its end (schema/sqlite/0008_loads.sql).
 *
 * A million rows would hold the lock for seconds. So they are written in short transactions with pauses for
 * others who write, under the load's number; the last transaction notes that the load is over, which takes no
 * time whatever their number, and then they are marked with its change, in short transactions again. Who
 * registers one of them meanwhile takes the row over: it is his, with its key, and stays when the load
 * fails. */
#include "store/sqlite/load.h"

#include "base/clock.h"
#include "base/mem.h"

enum { MAX_WAITING = 4096, MAX_WAITING_BYTES = 256 << 20, FEW_WAITING_BYTES = 4 << 20 };

/* ---- short transactions ---- */

enum err_code sqlite_load_batch_begin(struct sqlite_load *l, struct sqlite_load_budget *t, struct err *e)
{
    enum err_code code = sqlite_begin(&l->conn->base, e);
    if (!code && l->pending.load) /* the highest key may be free again, since its user was deleted */
        code = sqlite_load_run(l,
                               "UPDATE loads SET first_user = (SELECT coalesce(max(user_key), 0) + 1 FROM "
                               "users) WHERE change IS "
                               "NULL AND first_user > (SELECT coalesce(max(user_key), 0) + 1 FROM users)",
                               e);
    if (code)
        sqlite_rollback(&l->conn->base);
    *t = (struct sqlite_load_budget){clock_monotonic_ns() + (int64_t)SQLITE_LOAD_BATCH_MS * 1000000, 0};
    return code;
}

bool sqlite_load_is_over(struct sqlite_load_budget *t)
{
    return t->n++ % 16 == 15 && clock_monotonic_ns() > t->until_ns;
}

enum err_code sqlite_load_batch_end(struct sqlite_load *l, enum err_code code, struct err *e)
{
    if (code)
        sqlite_rollback(&l->conn->base);
    else
        code = sqlite_commit(&l->conn->base, e);
    (void)sqlite3_sleep(SQLITE_LOAD_PAUSE_MS);
    return code;
}

/* ---- the load's number ---- */

static enum err_code number_load(struct sqlite_load *l, struct err *e)
{
    enum err_code code = sqlite_begin(&l->conn->base, e);
    if (code)
        return code;
    code = sqlite_load_run(l,
                           "INSERT INTO loads (first_user, first_item) SELECT "
                           "(SELECT coalesce(max(user_key), 0) + 1 FROM users), "
                           "(SELECT coalesce(max(item_key), 0) + 1 FROM items)",
                           e);
    int64_t load = code ? 0 : sqlite3_last_insert_rowid(l->conn->db);
    code = sqlite_load_batch_end(l, code, e);
    l->pending.load = code ? 0 : load;
    return code;
}

static enum err_code prepare(struct sqlite_load *l, struct err *e)
{
    sqlite_pending_fini(&l->pending); /* of a try before */
    enum err_code code = sqlite_load_prepare(
        l, "INSERT INTO users (id, profile, revision) VALUES (?1, ?2, ?5) ON CONFLICT (id) DO NOTHING",
        &l->pending.user, e);
    return code ? code
                : sqlite_load_prepare(
                      l,
                      "INSERT INTO items (id, title, categories, metadata, revision, followed, created) "
                      "VALUES (?1, ?2, ?3, ?4, ?5, 0, unixepoch()) ON CONFLICT (id) DO NOTHING",
                      &l->pending.item, e);
}

enum err_code sqlite_pending_begin(struct sqlite_load *l, struct err *e)
{
    enum err_code code = ERR_OK;
    if (l->pending.load)
        return ERR_OK;
    if (l->conn->stuck)
        sqlite_rollback(&l->conn->base);
    if (l->lock.fd < 0)
        code = sqlite_load_acquire(l->conn->store->file, SQLITE_BUSY_MS, &l->lock, e);
    if (!code) /* keys are checked by ourselves: users of the second table are not there yet */
        code = sqlite_load_run(l, "PRAGMA foreign_keys = OFF; PRAGMA cache_size = -65536", e);
    if (!code)
        code = sqlite_load_clean(l->conn, e);
    if (!code)
        code = prepare(l, e);
    return code ? code : number_load(l, e);
}

void sqlite_pending_fini(struct sqlite_pending *p)
{
    sqlite3_finalize(p->user);
    sqlite3_finalize(p->item);
    p->user = p->item = NULL;
    mem_free(p->rows);
    p->rows = NULL;
    p->n = p->capacity = 0;
    buf_fini(&p->texts);
}

/* ---- rows ---- */

/* Writes a row that nobody has yet; of one that somebody registered meanwhile nothing is written. */
static enum err_code write_row(struct sqlite_load *l, bool is_item,
                               const struct text texts[SQLITE_PENDING_TEXTS], struct err *e)
{
    sqlite3_stmt *s = is_item ? l->pending.item : l->pending.user;
    for (int i = 0; i < (is_item ? SQLITE_PENDING_TEXTS : 2); i++)
        sqlite_bind_text_view(s, 1 + i, texts[i]);
    sqlite3_bind_int64(s, 5, -l->pending.load);
    enum err_code code = sqlite_run(l->conn, s, "load a row", e);
    sqlite3_clear_bindings(s);
    return code;
}

enum err_code sqlite_pending_new(struct sqlite_load *l, bool is_item, struct text id, int64_t *key,
                                 struct err *e)
{
    enum err_code code = write_row(l, is_item, (const struct text[SQLITE_PENDING_TEXTS]){id}, e);
    *key = sqlite3_last_insert_rowid(l->conn->db);
    return code;
}

/* The texts of a row that waits; those of the row before end where they begin. */
static void texts_of(const struct sqlite_pending *p, size_t row, struct text texts[SQLITE_PENDING_TEXTS])
{
    const struct sqlite_pending_row *r = &p->rows[row];
    size_t from = row ? r[-1].end[SQLITE_PENDING_TEXTS - 1] : 0;
    for (int i = 0; i < SQLITE_PENDING_TEXTS; i++) {
        texts[i] = r->has[i] ? (struct text){p->texts.data + from, r->end[i] - from} : (struct text){NULL, 0};
        from = r->end[i];
    }
}

enum err_code sqlite_pending_flush(struct sqlite_load *l, struct err *e)
{
    struct sqlite_pending *p = &l->pending;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < p->n && !code;) {
        struct sqlite_load_budget t;
        code = sqlite_load_batch_begin(l, &t, e);
        if (code)
            break;
        for (; i < p->n && !code && !sqlite_load_is_over(&t); i++) {
            struct text texts[SQLITE_PENDING_TEXTS];
            texts_of(p, i, texts);
            code = write_row(l, p->rows[i].is_item, texts, e);
            if (!code && !p->rows[i].is_item)
                code = sqlite_load_see(l, texts[0], e);
        }
        code = sqlite_load_batch_end(l, code, e);
    }
    p->n = 0;
    buf_reset(&p->texts);
    return code;
}

static enum err_code grow(struct sqlite_pending *p, struct err *e)
{
    struct sqlite_pending_row *rows = mem_realloc_array(p->rows, MAX_WAITING, sizeof *rows);
    if (!rows)
        return err_set(e, ERR_NOMEM, "no memory for rows of a load");
    p->rows = rows;
    p->capacity = MAX_WAITING;
    buf_init(&p->texts, MAX_WAITING_BYTES);
    return ERR_OK;
}

static enum err_code add(struct sqlite_load *l, bool is_item, const struct text texts[SQLITE_PENDING_TEXTS],
                         struct err *e)
{
    struct sqlite_pending *p = &l->pending;
    enum err_code code = sqlite_pending_begin(l, e);
    if (!code && !p->capacity)
        code = grow(p, e);
    if (!code && (p->n == p->capacity || p->texts.len > FEW_WAITING_BYTES))
        code = sqlite_pending_flush(l, e);
    if (code)
        return code;
    struct sqlite_pending_row row = {.is_item = is_item};
    for (int i = 0; i < SQLITE_PENDING_TEXTS; i++) {
        row.has[i] = texts[i].data != NULL;
        buf_add(&p->texts, texts[i].data, texts[i].data ? texts[i].len : 0);
        row.end[i] = p->texts.len;
    }
    code = buf_check(&p->texts, "rows of a load", e);
    if (!code)
        p->rows[p->n++] = row;
    return code;
}

enum err_code sqlite_load_new_user(struct store_load *load, struct text id, struct text profile,
                                   struct err *e)
{
    return add((struct sqlite_load *)load, false, (const struct text[SQLITE_PENDING_TEXTS]){id, profile}, e);
}

enum err_code sqlite_load_new_item(struct store_load *load, const struct store_item *item, struct err *e)
{
    const struct text texts[SQLITE_PENDING_TEXTS] = {item->id, item->title, item->categories, item->metadata};
    return add((struct sqlite_load *)load, true, texts, e);
}

/* ---- the end ---- */

enum err_code sqlite_pending_apply(struct sqlite_load *l, int64_t change, struct err *e)
{
    sqlite3_stmt *s = NULL;
    if (!l->pending.load)
        return ERR_OK;
    enum err_code code = sqlite_load_prepare(l, "UPDATE loads SET change = ?2 WHERE load = ?1", &s, e);
    if (code)
        return code;
    sqlite3_bind_int64(s, 1, l->pending.load);
    sqlite3_bind_int64(s, 2, change);
    code = sqlite_run(l->conn, s, "end a load", e);
    sqlite3_finalize(s);
    return code;
}
