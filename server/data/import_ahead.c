/* Users and items are held by hashes of their ids: two with one hash are stored though they need not be. Who
 * has several rows is stored, for a row may take back what one before it changed. */
#include "server/data/import_ahead.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

enum verdict {
    TO_STORE, /* in the transaction */
    IS_SAME,
    IS_NEW, /* to the store */
    IS_JOINED,
    N_VERDICTS
};

/* Of so many rows that change something what their fields are called is looked at when they are stored. */
enum { MIN_AS_THEY_ARE = 100 };

struct import_id {
    uint64_t hash; /* 0: none */
    int64_t done;  /* the place of the row that is done, times N_VERDICTS, and what was done; -1: none is */
};

static enum verdict verdict_of(const struct import_id *id)
{
    return id->done < 0 ? TO_STORE : (enum verdict)(id->done % N_VERDICTS);
}

void import_ahead_fini(struct import_ahead *a)
{
    if (a->begun) {
        row_file_fini(&a->all);
        row_file_fini(&a->joined);
    }
    mem_free(a->ids);
    *a = (struct import_ahead){0};
}

/* ---- ids ---- */

static uint64_t hash_of(struct text id)
{
    return hash_bytes(hash_seed(), id.data, id.len) | 1;
}

static struct text id_of(const struct import_ahead *a, const struct table_row *row)
{
    return a->kind == TABLE_USERS ? row->user : row->item;
}

/* The place of an id, which may be nobody's; there is always such a one. */
static struct import_id *place_of(struct import_id *ids, size_t capacity, uint64_t hash)
{
    size_t at = (size_t)(hash >> 1) & (capacity - 1);
    while (ids[at].hash && ids[at].hash != hash)
        at = (at + 1) & (capacity - 1);
    return &ids[at];
}

bool import_ahead_saw(const struct import_ahead *a, struct text user)
{
    return a->n_ids && place_of(a->ids, a->capacity, hash_of(user))->hash;
}

static enum err_code grow(struct import_ahead *a, struct err *e)
{
    size_t capacity = a->capacity ? 2 * a->capacity : 1024;
    struct import_id *ids = mem_zalloc_array(capacity, sizeof *ids);
    if (!ids)
        return err_set(e, ERR_NOMEM, "no memory to compare %zu ids", a->n_ids);
    for (size_t i = 0; i < a->capacity; i++)
        if (a->ids[i].hash)
            *place_of(ids, capacity, a->ids[i].hash) = a->ids[i];
    mem_free(a->ids);
    a->ids = ids;
    a->capacity = capacity;
    return ERR_OK;
}

/* The row at a place is to be stored. */
static enum err_code keep(struct import_ahead *a, int64_t at, struct err *e)
{
    struct table_row row;
    struct row_place place;
    bool got;
    enum err_code code = row_file_seek(&a->all, at, e);
    if (!code)
        code = row_file_next(&a->all, &row, &place, &got, e);
    return code ? code : row_file_add(a->rows, &row, place, e);
}

/* What was done of an id is to be stored after all. */
static enum err_code bring_back(struct import_ahead *a, struct import_id *id, struct err *e)
{
    if (id->done < 0)
        return ERR_OK;
    enum err_code code = keep(a, id->done / N_VERDICTS, e);
    a->n_same -= verdict_of(id) == IS_SAME;
    id->done = -1;
    return code;
}

/* ---- rows ---- */

struct partial_item import_ahead_item(const struct table_row *row)
{
    return (struct partial_item){.id = row->item,
                                 .title = row->title,
                                 .categories = row->categories,
                                 .no_title = row->no_title,
                                 .no_categories = row->no_categories,
                                 .metadata = {row->object, row->no_object}};
}

static enum verdict judge_user(struct partial *p, bool known, struct text profile)
{
    if (!known)
        return IS_NEW;
    bool same = profile.len == p->object.len &&
                (!profile.len || memcmp(profile.data, p->object.data, profile.len) == 0);
    return same ? IS_SAME : IS_JOINED;
}

/* What the store has to say to a row, and of a new user or item all there will be. */
struct comparison {
    enum verdict verdict;
    bool known;
    struct text profile;
    struct store_item item;
};

/* What is wrong with a row is found when it is stored. */
static enum err_code compare(const struct import_ahead *a, struct store_conn *c, const struct table_row *row,
                             struct partial *p, struct comparison *out, struct err *e)
{
    struct err why = {0};
    bool known = false;
    enum err_code code;
    *out = (struct comparison){.verdict = TO_STORE};
    if (a->kind == TABLE_USERS) {
        const struct partial_object given = {row->object, row->no_object};
        code = partial_user(p, c, row->user, &given, &out->profile, &known, &why);
        if (!code)
            out->verdict = judge_user(p, known, out->profile);
    } else {
        const struct partial_item given = import_ahead_item(row);
        code = partial_item(p, c, &given, &out->item, &known, &why);
        if (!code && !known)
            out->verdict = p->deleted ? TO_STORE : IS_NEW;
        else if (!code)
            out->verdict = partial_item_is_same(p, &out->item) ? IS_SAME : IS_JOINED;
    }
    out->known = known;
    return code == ERR_INVALID ? ERR_OK : code ? err_copy(e, &why) : ERR_OK;
}

static enum err_code write_ahead(const struct import_ahead *a, struct store_load *load, struct text id,
                                 const struct comparison *c, struct err *e)
{
    return a->kind == TABLE_USERS ? store_load_new_user(load, id, c->profile, e)
                                  : store_load_new_item(load, &c->item, e);
}

/* Keeps what the row comes to, as a row. */
static enum err_code join(struct import_ahead *a, const struct table_row *row, const struct comparison *c,
                          struct err *e)
{
    const struct row_place none = {0, 0};
    struct table_row joined = {.user = row->user, .item = row->item};
    joined.object = a->kind == TABLE_USERS ? c->profile : c->item.metadata;
    joined.title = c->item.title;
    joined.categories = c->item.categories;
    a->n_joined++;
    return row_file_add(&a->joined, &joined, none, e);
}

/* The row, which is at a place of the file, is done, or it is to be stored. */
static enum err_code take(struct import_ahead *a, struct store_load *load, const struct table_row *row,
                          struct row_place place, int64_t at, struct comparison *c, struct err *e)
{
    enum err_code code = 2 * (a->n_ids + 1) > a->capacity ? grow(a, e) : ERR_OK;
    if (code)
        return code;
    uint64_t hash = hash_of(id_of(a, row));
    struct import_id *id = place_of(a->ids, a->capacity, hash);
    if (id->hash) { /* there was a row of it, which goes first */
        code = bring_back(a, id, e);
        return code ? code : keep(a, at, e);
    }
    if (c->verdict == IS_JOINED && a->n_as_they_are++ < MIN_AS_THEY_ARE)
        c->verdict = TO_STORE;
    *id = (struct import_id){hash, c->verdict == TO_STORE ? -1 : N_VERDICTS * at + (int64_t)c->verdict};
    a->n_ids++;
    a->n_same += c->verdict == IS_SAME;
    if (c->verdict == IS_NEW)
        return write_ahead(a, load, id_of(a, row), c, e);
    if (c->verdict == IS_JOINED)
        return join(a, row, c, e);
    return c->verdict == IS_SAME ? ERR_OK : row_file_add(a->rows, row, place, e);
}

enum err_code import_ahead_run(struct import_ahead *a, enum table_kind kind, struct store_conn *c,
                               struct store_load *load, struct row_file *rows, struct partial *partial,
                               struct err *e)
{
    enum err_code code = store_last_change(c, &a->change, e);
    if (code)
        return code;
    a->kind = kind;
    a->rows = rows;
    a->all = *rows;
    a->begun = true;
    row_file_init(rows, a->all.store);
    row_file_init(&a->joined, a->all.store);
    code = row_file_rewind(&a->all, e);
    for (bool got = true; got && !code;) {
        struct table_row row;
        struct row_place place;
        struct comparison found;
        int64_t at = row_file_tell(&a->all);
        code = row_file_next(&a->all, &row, &place, &got, e);
        if (code || !got)
            break;
        code = compare(a, c, &row, partial, &found, e);
        if (!code && kind == TABLE_USERS && found.known)
            code = store_load_seen_user(load, row.user, e);
        if (!code)
            code = take(a, load, &row, place, at, &found, e);
    }
    return code;
}

/* ---- what others change ---- */

struct settling {
    struct import_ahead *a;
    enum err_code code;
    struct err *e;
};

static bool take_change(void *arg, const struct store_change *change)
{
    struct settling *s = arg;
    enum store_change_kind kind = s->a->kind == TABLE_USERS ? STORE_CHANGE_USER : STORE_CHANGE_ITEM;
    s->a->lost = s->a->lost || change->kind == STORE_CHANGE_ALL;
    if (change->kind == kind) {
        struct import_id *id = place_of(s->a->ids, s->a->capacity, hash_of(change->id));
        if (id->hash)
            s->code = bring_back(s->a, id, s->e);
    }
    s->a->change = change->number;
    return !s->code && !s->a->lost;
}

enum err_code import_ahead_settle(struct import_ahead *a, struct store_conn *c, struct err *e)
{
    struct settling s = {.a = a, .e = e};
    if (a->n_ids == 0)
        return ERR_OK;
    enum err_code code = store_changes(c, a->change, take_change, &s, e);
    return code ? code : s.code;
}

/* What becomes of a row of a table that was gone through: the one that stands for an id which is done. */
typedef enum err_code row_fn(struct import_ahead *a, struct import_id *id, const struct table_row *row,
                             void *arg, struct err *e);

static enum err_code each_done(struct import_ahead *a, row_fn *fn, void *arg, struct err *e)
{
    enum err_code code = row_file_rewind(&a->all, e);
    for (bool got = a->n_ids > 0; got && !code;) {
        struct table_row row;
        struct row_place place;
        int64_t at = row_file_tell(&a->all);
        code = row_file_next(&a->all, &row, &place, &got, e);
        if (code || !got)
            break;
        struct import_id *id = place_of(a->ids, a->capacity, hash_of(id_of(a, &row)));
        if (id->hash && id->done >= 0 && id->done / N_VERDICTS == at)
            code = fn(a, id, &row, arg, e);
    }
    return code;
}

struct again {
    struct store_conn *c;
    struct partial *partial;
};

static enum err_code compare_row(struct import_ahead *a, struct import_id *id, const struct table_row *row,
                                 void *arg, struct err *e)
{
    const struct again *again = arg;
    struct comparison found;
    enum err_code code = compare(a, again->c, row, again->partial, &found, e);
    bool as_it_was = verdict_of(id) != IS_JOINED && found.verdict == verdict_of(id);
    return code || as_it_was ? code
                             : bring_back(a, id, e); /* which leaves the file behind the row, where it was */
}

enum err_code import_ahead_compare_again(struct import_ahead *a, struct store_conn *c,
                                         struct partial *partial, struct err *e)
{
    struct again again = {c, partial};
    a->lost = false;
    enum err_code code = a->n_ids ? store_last_change(c, &a->change, e) : ERR_OK;
    return code ? code : each_done(a, compare_row, &again, e);
}

enum err_code import_ahead_put(struct import_ahead *a, struct store_bulk *bulk, struct err *e)
{
    enum err_code code = a->n_joined ? row_file_rewind(&a->joined, e) : ERR_OK;
    for (bool got = a->n_joined > 0; got && !code;) {
        struct table_row row;
        struct row_place none;
        code = row_file_next(&a->joined, &row, &none, &got, e);
        if (code || !got || verdict_of(place_of(a->ids, a->capacity, hash_of(id_of(a, &row)))) != IS_JOINED)
            continue; /* brought back since: the row itself is stored */
        const struct store_item item = {
            .id = row.item, .title = row.title, .categories = row.categories, .metadata = row.object};
        code = a->kind == TABLE_USERS ? store_bulk_seen_user(bulk, row.user, row.object, e)
                                      : store_bulk_item(bulk, &item, e);
    }
    return code;
}

static enum err_code keep_item(struct import_ahead *a, struct import_id *id, const struct table_row *row,
                               void *arg, struct err *e)
{
    (void)a;
    (void)id;
    return store_bulk_keep_item(arg, row->item, e);
}

enum err_code import_ahead_keep_items(struct import_ahead *a, struct store_bulk *bulk, struct err *e)
{
    return a->kind == TABLE_ITEMS ? each_done(a, keep_item, bulk, e) : ERR_OK;
}
