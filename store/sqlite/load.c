/* Loads of many interactions, beside which others go on writing.
 *
 * Rows are collected outside of the store. Few of them are then written in the caller's transaction. Many
 * would hold the lock too long: they are merged with those that the store has into a second table, in the
 * order of users, in many short transactions with pauses that let waiting writers in (bigger tables are
 * written fastest in their order, too). What others change meanwhile is found by the users' revisions, and
 * done over in the caller's transaction, which puts the second table in the place of the first. So all of it
 * becomes visible at once, and a load that ends in between, however, leaves the old state and a table that
 * the next load or opening drops; a file that is locked says whose it is.
 *
 * New users and items have rows, and so their keys, before the end too, which nobody sees (pending.c). */
#include "store/sqlite/load.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    FEW_INDEXED = 200000,
    FEW_BESIDE = 8, /* so many times more rows in the store, and not many more than... */
    FEW_TIMES = 3   /* ...so many times the least that is staged: written at once, for all would be copied */
};

/* ---- collecting ---- */

enum err_code sqlite_load_new(struct store_conn *conn, size_t stage_from, struct store_load **out,
                              struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    struct sqlite_load *l = mem_zalloc_array(1, sizeof *l);
    if (!l)
        return err_set(e, ERR_NOMEM, "no memory for a load");
    l->base.backend = conn->backend;
    l->conn = c;
    l->stage_from = stage_from;
    l->lock = sqlite_load_lock_none;
    enum err_code code = load_rows_init(&l->rows, c->store->file, e);
    if (code)
        mem_free(l);
    else
        *out = &l->base;
    return code;
}

enum err_code sqlite_load_event(struct store_load *load, struct text user, struct text item,
                                const struct store_event *x, struct err *e)
{
    struct sqlite_load *l = (struct sqlite_load *)load;
    struct load_row row = {.is = *x};
    row.is.id = (struct text){NULL, 0};
    enum err_code code = x->kind < load->kinds_end ? ERR_OK : sqlite_check_kind(l->conn, x->kind, e);
    if (!code)
        code = id_table_add(&l->users, user, &row.user, e);
    if (!code)
        code = id_table_add(&l->items, item, &row.item, e);
    return code ? code : load_rows_add(&l->rows, &row, e);
}

/* ---- staging ---- */

/* The key of a user; one who is new gets a row, or had one from a table of users. */
static enum err_code find_user(struct sqlite_load *l, size_t i, struct err *e)
{
    struct text id = id_table_text(&l->users, (uint32_t)i);
    enum err_code code = sqlite_find_user(l->conn, id, &l->user_keys[i], e);
    l->user_is_new[i] = !code && l->user_keys[i] == 0;
    if (!l->user_is_new[i])
        return code;
    l->user_keys[i] = l->conn->user.hidden;
    l->missing[i] = !l->user_keys[i] && sqlite_load_saw(l, i); /* deleted: his rows go nowhere */
    if (l->missing[i])
        l->user_is_new[i] = false;
    return l->user_keys[i] || l->missing[i] ? ERR_OK : sqlite_pending_new(l, false, id, &l->user_keys[i], e);
}

static enum err_code find_item(struct sqlite_load *l, size_t i, struct err *e)
{
    struct text id = id_table_text(&l->items, (uint32_t)i);
    enum err_code code = sqlite_find_followed(l->conn, id, &l->item_keys[i], &l->followed[i], e);
    if (code || l->item_keys[i])
        return code;
    l->item_keys[i] = l->conn->item.hidden;
    return l->item_keys[i] ? ERR_OK : sqlite_pending_new(l, true, id, &l->item_keys[i], e);
}

/* Keys of all ids, in short transactions. Who is deleted or registered while it goes on is found in the log
 * of changes, as who is later. */
static enum err_code find_keys(struct sqlite_load *l, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0, n = l->users.n + l->items.n; i < n && !code;) {
        struct sqlite_load_budget t;
        code = sqlite_load_batch_begin(l, &t, e);
        if (code)
            break;
        for (; i < n && !code && !sqlite_load_is_over(&t); i++)
            code = i < l->users.n ? find_user(l, i, e) : find_item(l, i - l->users.n, e);
        code = sqlite_load_batch_end(l, code, e);
    }
    return code;
}

/* Made now, for at the end all rows would be read for it. Indices cannot be renamed, so two names take
 * turns. */
static enum err_code make_index(struct sqlite_load *l, struct err *e)
{
    int64_t n_first;
    enum err_code code = sqlite_load_number(
        l, "SELECT count(*) FROM sqlite_master WHERE name = 'interactions_by_item'", &n_first, e);
    if (code)
        return code;
    return sqlite_load_run(l,
                           n_first ? "CREATE INDEX interactions_by_item_too "
                                     "ON interactions_next (item_key, timestamp) WHERE followed = 1"
                                   : "CREATE INDEX interactions_by_item "
                                     "ON interactions_next (item_key, timestamp) WHERE followed = 1",
                           e);
}

/* A table like that of the interactions, under another name. */
static enum err_code make_table(struct sqlite_load *l, struct err *e)
{
    sqlite3_stmt *s = NULL;
    enum err_code code =
        sqlite_load_prepare(l,
                            "SELECT 'CREATE TABLE interactions_next ' || substr(sql, instr(sql, '(')) "
                            "FROM sqlite_master WHERE type = 'table' AND name = 'interactions'",
                            &s, e);
    if (code)
        return code;
    int rc = sqlite3_step(s);
    char *sql = rc == SQLITE_ROW ? mem_strdup((const char *)sqlite3_column_text(s, 0)) : NULL;
    sqlite3_finalize(s);
    if (rc != SQLITE_ROW)
        return sqlite_fail(l->conn, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc, "load", e);
    code = sql ? sqlite_load_run(l, sql, e) : err_set(e, ERR_NOMEM, "no memory for a load");
    mem_free(sql);
    return code;
}

/* The rows of followed items that the index will have, as far as it matters. */
static enum err_code count_indexed(struct sqlite_load *l, int64_t *n, struct err *e)
{
    enum err_code code = sqlite_load_number(
        l, "SELECT count(*) FROM (SELECT 1 FROM interactions WHERE followed = 1 LIMIT 200001)", n, e);
    for (size_t i = 0; i < l->rows.n && !code; i++)
        *n += l->followed[l->rows.at[i].item];
    return code;
}

/* The index of the second table is filled as rows come, where few of them are in it. Many would be written
 * all over it, a page each, or keep others from writing while it is made at the end: then no item is followed
 * afterwards, until somebody asks for that anew. */
static enum err_code choose_followed(struct sqlite_load *l, struct err *e)
{
    int64_t n = 0;
    enum err_code code = count_indexed(l, &n, e);
    l->unfollows = n > FEW_INDEXED;
    return code;
}

static int by_user_key(const void *a, const void *b, void *arg)
{
    const int64_t *keys = arg;
    int64_t x = keys[*(const uint32_t *)a], y = keys[*(const uint32_t *)b];
    return (x > y) - (x < y);
}

static enum err_code allocate(struct sqlite_load *l, struct err *e)
{
    l->start = mem_alloc_array(l->users.n + 1, sizeof *l->start);
    l->user_keys = mem_zalloc_array(l->users.n, sizeof *l->user_keys);
    l->user_is_new = mem_zalloc_array(l->users.n, sizeof *l->user_is_new);
    l->missing = mem_zalloc_array(l->users.n, sizeof *l->missing);
    l->item_keys = mem_zalloc_array(l->items.n, sizeof *l->item_keys);
    l->followed = mem_zalloc_array(l->items.n, sizeof *l->followed);
    l->order = mem_alloc_array(l->users.n, sizeof *l->order);
    l->to_mark = mem_zalloc_array(l->items.n, sizeof *l->to_mark);
    if (!l->start || !l->user_keys || !l->user_is_new || !l->missing || !l->item_keys || !l->followed ||
        !l->order || !l->to_mark)
        return err_set(e, ERR_NOMEM, "no memory for a load of %zu users", l->users.n);
    for (size_t i = 0; i < l->users.n; i++)
        l->order[i] = (uint32_t)i;
    return load_rows_by_user(&l->rows, l->users.n, l->start, e);
}

/* The first transaction. */
static enum err_code begin_staging(struct sqlite_load *l, struct err *e)
{
    enum err_code code = sqlite_begin(&l->conn->base, e);
    if (code)
        return code;
    code = make_table(l, e);
    if (!code)
        code = make_index(l, e);
    if (!code)
        code = sqlite_load_note_followed(l, e);
    if (!code)
        code = sqlite_last_change(&l->conn->base, &l->change, e);
    code = sqlite_load_batch_end(l, code, e);
    l->staged = code == ERR_OK;
    if (!code)
        code = find_keys(l, e);
    if (!code && l->users.n > 1)
        qsort_r(l->order, l->users.n, sizeof *l->order, by_user_key, l->user_keys);
    if (!code)
        code = sqlite_load_prepare(
            l,
            "SELECT user_key, item_key, weight, rating, timestamp, position, followed, kind, count, "
            "first_time FROM interactions "
            "WHERE user_key >= ?1 ORDER BY user_key, item_key, kind",
            &l->select, e);
    if (!code)
        code = sqlite_load_prepare(
            l,
            "INSERT INTO interactions_next (user_key, item_key, weight, rating, timestamp, "
            "position, followed, kind, count, first_time) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            &l->insert, e);
    return code;
}

/* Where the merging of both sides stands. */
struct merging {
    int64_t from; /* the least key of a user that is not done */
    size_t at;    /* in l->order */
    bool done;
};

/* Merges users until the time is over. */
static enum err_code merge_some(struct sqlite_load *l, struct merging *m, struct err *e)
{
    int64_t until = clock_monotonic_ns() + (int64_t)SQLITE_LOAD_BATCH_MS * 1000000;
    enum err_code code = ERR_OK;
    sqlite3_reset(l->select);
    sqlite3_bind_int64(l->select, 1, m->from);
    int rc = sqlite3_step(l->select);
    for (unsigned n = 0; !code; n++) {
        bool loaded = m->at < l->users.n, stored = rc == SQLITE_ROW;
        m->done = !loaded && !stored;
        if (m->done || (n % 64 == 63 && clock_monotonic_ns() > until))
            break;
        int64_t user = loaded ? l->user_keys[l->order[m->at]] : INT64_MAX;
        if (stored && sqlite3_column_int64(l->select, 0) < user)
            user = sqlite3_column_int64(l->select, 0);
        if (stored)
            code = sqlite_load_take(l, user, &rc, e);
        if (!code && loaded && l->user_keys[l->order[m->at]] == user)
            code = sqlite_load_add(l, l->order[m->at++], e);
        if (!code)
            code = sqlite_load_write(l, user, e);
        m->from = user + 1;
    }
    if (!code && rc != SQLITE_ROW && rc != SQLITE_DONE)
        code = sqlite_fail(l->conn, rc, "read the interactions", e);
    sqlite3_reset(l->select);
    return code;
}

static enum err_code merge_all(struct sqlite_load *l, struct err *e)
{
    struct merging m = {.from = INT64_MIN};
    enum err_code code = ERR_OK;
    while (m.at < l->users.n && !l->user_keys[l->order[m.at]]) /* who are missing come first */
        m.at++;
    while (!code && !m.done) {
        code = sqlite_begin(&l->conn->base, e);
        if (code)
            break;
        code = merge_some(l, &m, e);
        code = sqlite_load_batch_end(l, code, e);
    }
    return code;
}

/* Few rows beside many would have all of these copied. */
static enum err_code is_worth_staging(struct sqlite_load *l, bool *worth, struct err *e)
{
    int64_t n_stored = 0;
    *worth = l->rows.n >= l->stage_from && l->rows.n > 0;
    if (!*worth)
        return ERR_OK;
    enum err_code code = sqlite_load_number(l, "SELECT count(*) FROM interactions", &n_stored, e);
    if ((size_t)n_stored / FEW_BESIDE > l->rows.n && l->rows.n / FEW_TIMES < l->stage_from)
        *worth = false;
    return code;
}

enum err_code sqlite_load_stage(struct store_load *load, struct err *e)
{
    struct sqlite_load *l = (struct sqlite_load *)load;
    bool worth = false;
    if (l->conn->stuck)
        sqlite_rollback(&l->conn->base);
    enum err_code code = sqlite_pending_flush(l, e);
    if (!code)
        code = load_rows_read(&l->rows, e);
    if (!code)
        code = is_worth_staging(l, &worth, e);
    if (!code && !worth)
        code = load_rows_repeated(&l->rows, &l->n_repeated, e);
    if (code || !worth)
        return code;
    code = sqlite_pending_begin(l, e);
    if (!code)
        code = allocate(l, e);
    if (!code)
        code = begin_staging(l, e);
    if (!code)
        code = choose_followed(l, e);
    if (!code)
        code = merge_all(l, e);
    return code ? code : sqlite_load_catch_up(l, e);
}

int64_t sqlite_load_repeated(const struct store_load *load)
{
    return ((const struct sqlite_load *)load)->n_repeated;
}

bool sqlite_load_is_staged(const struct store_load *load)
{
    return ((const struct sqlite_load *)load)->staged;
}

void sqlite_load_free(struct store_load *load)
{
    struct sqlite_load *l = (struct sqlite_load *)load;
    sqlite_load_close(l);
    if (l->lock.fd >= 0) {
        if (sqlite_load_clean(l->conn, NULL)) /* then the next load or opening does */
            sqlite_rollback(&l->conn->base);
        (void)sqlite3_exec(l->conn->db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL);
    }
    sqlite_load_release(&l->lock);
    sqlite_pending_fini(&l->pending);
    load_rows_fini(&l->rows);
    id_table_fini(&l->users);
    id_table_fini(&l->items);
    mem_free(l->start);
    mem_free(l->user_keys);
    mem_free(l->user_is_new);
    mem_free(l->missing);
    mem_free(l->seen);
    mem_free(l->item_keys);
    mem_free(l->followed);
    mem_free(l->to_mark);
    mem_free(l->followed_keys.at);
    mem_free(l->order);
    mem_free(l->merged);
    mem_free(l);
}
