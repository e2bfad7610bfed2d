/* Users are held by hashes of their ids: two with one hash are stored though they need not be. Who has
 * several rows is stored, for a row may take back what one before it changed. */
#include "server/data/import_unchanged.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

enum { TRIED = 2000, FEW = 8 }; /* less than 1 in FEW of the first are as they were: others will not be */

struct import_user {
    uint64_t hash; /* 0: nobody */
    int64_t at;    /* of the row that is left out; -1: all rows are to be stored */
};

void import_unchanged_fini(struct import_unchanged *u)
{
    if (u->compared)
        row_file_fini(&u->all);
    mem_free(u->users);
    *u = (struct import_unchanged){0};
}

/* ---- users ---- */

static uint64_t hash_of(struct text id)
{
    return hash_bytes(hash_seed(), id.data, id.len) | 1;
}

/* The place of a user, which may be nobody's; there is always such a one. */
static struct import_user *place_of(struct import_user *users, size_t capacity, uint64_t hash)
{
    size_t at = (size_t)(hash >> 1) & (capacity - 1);
    while (users[at].hash && users[at].hash != hash)
        at = (at + 1) & (capacity - 1);
    return &users[at];
}

static enum err_code grow(struct import_unchanged *u, struct err *e)
{
    size_t capacity = u->capacity ? 2 * u->capacity : 1024;
    struct import_user *users = mem_zalloc_array(capacity, sizeof *users);
    if (!users)
        return err_set(e, ERR_NOMEM, "no memory to compare %zu users", u->n_users);
    for (size_t i = 0; i < u->capacity; i++)
        if (u->users[i].hash)
            *place_of(users, capacity, u->users[i].hash) = u->users[i];
    mem_free(u->users);
    u->users = users;
    u->capacity = capacity;
    return ERR_OK;
}

/* The row at a place is to be stored. */
static enum err_code keep(struct import_unchanged *u, int64_t at, struct err *e)
{
    struct table_row row;
    struct row_place place;
    bool got;
    enum err_code code = row_file_seek(&u->all, at, e);
    if (!code)
        code = row_file_next(&u->all, &row, &place, &got, e);
    return code ? code : row_file_add(u->rows, &row, place, e);
}

/* What was left out of a user is to be stored after all. */
static enum err_code bring_back(struct import_unchanged *u, struct import_user *user, struct err *e)
{
    if (user->at < 0)
        return ERR_OK;
    enum err_code code = keep(u, user->at, e);
    user->at = -1;
    u->n_left--;
    return code;
}

/* ---- rows ---- */

/* Whether the store says already what the row says. What is wrong with a row is found when it is stored. */
static enum err_code compare(struct store_conn *c, const struct table_row *row, struct partial *partial,
                             bool *same, struct err *e)
{
    const struct partial_object given = {row->object, row->no_object};
    struct text profile;
    struct err why = {0};
    bool known;
    enum err_code code = partial_user(partial, c, row->user, &given, &profile, &known, &why);
    *same = !code && known && profile.len == partial->object.len &&
            (!profile.len || memcmp(profile.data, partial->object.data, profile.len) == 0);
    return code == ERR_INVALID ? ERR_OK : code ? err_copy(e, &why) : ERR_OK;
}

/* The row, which is at a place of the file, is left out, or it is to be stored. */
static enum err_code take(struct import_unchanged *u, const struct table_row *row, struct row_place place,
                          int64_t at, bool same, struct err *e)
{
    enum err_code code = 2 * (u->n_users + 1) > u->capacity ? grow(u, e) : ERR_OK;
    if (code)
        return code;
    uint64_t hash = hash_of(row->user);
    struct import_user *user = place_of(u->users, u->capacity, hash);
    if (user->hash) { /* of the user there was a row, which goes first */
        code = bring_back(u, user, e);
        return code ? code : keep(u, at, e);
    }
    *user = (struct import_user){hash, same ? at : -1};
    u->n_users++;
    u->n_left += same;
    return same ? ERR_OK : row_file_add(u->rows, row, place, e);
}

/* All rows are to be stored. */
static void give_up(struct import_unchanged *u)
{
    row_file_fini(u->rows);
    *u->rows = u->all;
    mem_free(u->users);
    *u = (struct import_unchanged){0};
}

static enum err_code look(struct import_unchanged *u, struct store_conn *c, size_t n, struct partial *partial,
                          struct err *e)
{
    enum err_code code = row_file_rewind(&u->all, e);
    for (size_t i = 0; i < n && !code; i++) {
        struct table_row row;
        struct row_place place;
        bool got, same;
        int64_t at = row_file_tell(&u->all);
        if (i == TRIED && (size_t)u->n_left * FEW < i) {
            give_up(u);
            return ERR_OK;
        }
        code = row_file_next(&u->all, &row, &place, &got, e);
        if (code || !got)
            break;
        code = compare(c, &row, partial, &same, e);
        if (!code)
            code = take(u, &row, place, at, same, e);
    }
    return code;
}

enum err_code import_unchanged_look(struct import_unchanged *u, struct store_conn *c, struct row_file *rows,
                                    size_t n, struct partial *partial, struct err *e)
{
    enum err_code code = store_last_change(c, &u->change, e);
    if (code)
        return code;
    u->rows = rows;
    u->all = *rows;
    u->compared = true;
    row_file_init(rows, u->all.store);
    return look(u, c, n, partial, e);
}

/* ---- within the transaction ---- */

struct settling {
    struct import_unchanged *u;
    bool lost; /* who was deleted nobody knows, so nothing is known of anybody */
    enum err_code code;
    struct err *e;
};

static bool take_change(void *arg, const struct store_change *change)
{
    struct settling *s = arg;
    if (change->kind == STORE_CHANGE_ITEM || change->kind == STORE_CHANGE_TASK ||
        change->kind == STORE_CHANGE_TASK_GONE)
        return true;
    s->lost = change->kind != STORE_CHANGE_USER;
    if (s->lost)
        return false;
    struct import_user *user = place_of(s->u->users, s->u->capacity, hash_of(change->id));
    if (user->hash)
        s->code = bring_back(s->u, user, s->e);
    return !s->code;
}

enum err_code import_unchanged_settle(struct import_unchanged *u, struct store_conn *c, struct err *e)
{
    struct settling s = {.u = u, .e = e};
    if (!u->n_left)
        return ERR_OK;
    enum err_code code = store_changes(c, u->change, take_change, &s, e);
    if (!code && s.lost)
        give_up(u);
    return code ? code : s.code;
}
