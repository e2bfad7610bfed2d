/* A load's rows of one user, merged with those that are there: one of each item and kind. */
#include "store/sqlite/load.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

enum err_code sqlite_load_prepare(struct sqlite_load *l, const char *sql, sqlite3_stmt **out, struct err *e)
{
    int rc = sqlite3_prepare_v2(l->conn->db, sql, -1, out, NULL);
    return rc == SQLITE_OK ? ERR_OK : sqlite_fail(l->conn, rc, "prepare a load", e);
}

enum err_code sqlite_load_run(struct sqlite_load *l, const char *sql, struct err *e)
{
    return sqlite_run_text(l->conn, sql, "load", e);
}

enum err_code sqlite_load_number(struct sqlite_load *l, const char *sql, int64_t *out, struct err *e)
{
    sqlite3_stmt *s = NULL;
    enum err_code code = sqlite_load_prepare(l, sql, &s, e);
    if (code)
        return code;
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(s, 0);
    else
        code = sqlite_fail(l->conn, rc, "load", e);
    sqlite3_finalize(s);
    return code;
}

/* ---- one user's rows ---- */

static enum err_code add_merged(struct sqlite_load *l, const struct merged *row, struct err *e)
{
    if (l->n_merged == l->merged_capacity) {
        size_t capacity = l->merged_capacity ? 2 * l->merged_capacity : 256;
        struct merged *grown = mem_realloc_array(l->merged, capacity, sizeof *grown);
        if (!grown)
            return err_set(e, ERR_NOMEM, "no memory for a user's %zu interactions", l->n_merged);
        l->merged = grown;
        l->merged_capacity = capacity;
    }
    l->merged[l->n_merged++] = *row;
    return ERR_OK;
}

static int by_item(const void *a, const void *b)
{
    const struct merged *x = a, *y = b;
    if (x->item != y->item)
        return x->item < y->item ? -1 : 1;
    if (x->is.kind != y->is.kind)
        return x->is.kind < y->is.kind ? -1 : 1;
    return (x->position > y->position) - (x->position < y->position);
}

static bool is_of(const struct merged *x, const struct merged *y)
{
    return x->item == y->item && x->is.kind == y->is.kind;
}

/* Adds the rows that the load has of a user, arriving after those that are there. */
enum err_code sqlite_load_add(struct sqlite_load *l, uint32_t user, struct err *e)
{
    int64_t position = 0;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < l->n_merged; i++)
        position = l->merged[i].position >= position ? l->merged[i].position + 1 : position;
    for (size_t i = l->start[user]; i < l->start[user + 1] && !code; i++) {
        const struct load_row *x = &l->rows.at[i];
        code = add_merged(l,
                          &(struct merged){.item = l->item_keys[x->item],
                                           .is = x->is,
                                           .position = position++,
                                           .followed = l->followed[x->item],
                                           .loaded = true},
                          e);
    }
    if (!code && l->n_merged > 1)
        qsort(l->merged, l->n_merged, sizeof *l->merged, by_item);
    for (size_t i = 1; i < l->n_merged && !code; i++) {
        const struct merged *before = &l->merged[i - 1], *x = &l->merged[i];
        l->n_repeated += is_of(x, before) && x->loaded && before->loaded;
    }
    return code;
}

static enum err_code insert_row(struct sqlite_load *l, int64_t user, const struct merged *x, struct err *e)
{
    sqlite_bind_event(l->insert, user, x->item, &x->is, x->position, x->followed && !l->unfollows);
    return sqlite_run(l->conn, l->insert, "load an interaction", e);
}

/* The rule of struct store_interaction. */
static void merge(struct merged *best, const struct merged *x)
{
    int64_t first = store_first_of(best->is.first ? best->is.first : best->is.timestamp,
                                   x->is.first ? x->is.first : x->is.timestamp);
    int32_t count = store_count_of(best->is.count, x->is.count);
    if (x->is.timestamp >= best->is.timestamp)
        *best = *x;
    best->is.count = count;
    best->is.first = first;
}

/* Writes the rows at hand, of each item and kind one. */
enum err_code sqlite_load_write(struct sqlite_load *l, int64_t user, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < l->n_merged && !code;) {
        struct merged best = l->merged[i++];
        for (; i < l->n_merged && is_of(&l->merged[i], &best); i++) {
            l->n_older += l->merged[i].is.timestamp < best.is.timestamp;
            merge(&best, &l->merged[i]);
        }
        code = insert_row(l, user, &best, e);
    }
    l->n_merged = 0;
    return code;
}

/* Takes the rows of the user that l->select stands at; rc is that of its last step. */
enum err_code sqlite_load_take(struct sqlite_load *l, int64_t user, int *rc, struct err *e)
{
    enum err_code code = ERR_OK;
    sqlite3_stmt *s = l->select;
    while (!code && *rc == SQLITE_ROW && sqlite3_column_int64(s, 0) == user) {
        bool rated = sqlite3_column_type(s, 3) != SQLITE_NULL;
        code = add_merged(l,
                          &(struct merged){.item = sqlite3_column_int64(s, 1),
                                           .is = {.weight = sqlite3_column_double(s, 2),
                                                  .rating = rated ? sqlite3_column_double(s, 3) : (double)NAN,
                                                  .timestamp = sqlite3_column_int64(s, 4),
                                                  .kind = sqlite3_column_int(s, 7),
                                                  .count = sqlite3_column_int(s, 8),
                                                  .first = sqlite3_column_int64(s, 9)},
                                           .position = sqlite3_column_int64(s, 5),
                                           .followed = sqlite3_column_int(s, 6) != 0},
                          e);
        *rc = sqlite3_step(s);
    }
    return code;
}

void sqlite_load_close(struct sqlite_load *l)
{
    sqlite3_finalize(l->select);
    sqlite3_finalize(l->insert);
    l->select = l->insert = NULL;
}
