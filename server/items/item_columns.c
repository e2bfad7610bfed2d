/* By the store's keys and not by a model's indices: the columns of one catalogue serve all models. */
#include "server/items/item_columns.h"

#include "base/log.h"
#include "base/mem.h"

#include <string.h>

/* ---- making ---- */

struct making {
    struct item_columns *t;
    struct metadata_scan scan;
    int64_t key;                 /* of the item at hand */
    size_t next;                 /* the field that is expected: members come in the same order, mostly */
    bool fresh;                  /* there is nothing of any item yet */
    bool failed;                 /* for want of memory */
    bool met[LIMIT_ITEM_FIELDS]; /* the item has it */
};

static bool is_named(const struct item_column *c, struct text name)
{
    return strlen(c->name) == name.len && memcmp(c->name, name.data, name.len) == 0;
}

static size_t find(const struct item_columns *t, struct text name, size_t expected)
{
    if (expected < t->n && is_named(t->columns[expected], name))
        return expected;
    for (size_t i = 0; i < t->n; i++)
        if (is_named(t->columns[i], name))
            return i;
    return t->n;
}

/* A new column, the last one; false: no memory. */
static bool add_column(struct item_columns *t, struct text name)
{
    struct item_column *c = item_column_new(name);
    if (!c)
        return false;
    t->columns[t->n] = c;
    t->owned[t->n++] = true;
    return true;
}

/* Makes a column one that nobody shares. */
static bool own(struct item_columns *t, size_t i)
{
    if (t->owned[i])
        return true;
    struct item_column *copy = item_column_copy(t->columns[i]);
    if (!copy)
        return false;
    item_column_unref(t->columns[i]);
    t->columns[i] = copy;
    t->owned[i] = true;
    return true;
}

static bool set(struct making *k, size_t i, const struct metadata_value *value)
{
    struct item_columns *t = k->t;
    if (!k->fresh && item_column_has(t->columns[i], k->key, value))
        return true;
    return own(t, i) && item_column_set(t->columns[i], k->key, value);
}

static bool take_member(void *arg, struct text name, const struct metadata_value *value)
{
    struct making *k = arg;
    size_t i = find(k->t, name, k->next);
    k->next = i + 1;
    if (value->type == METADATA_NONE || memchr(name.data, '\0', name.len))
        return true;
    if (i == k->t->n && i == LIMIT_ITEM_FIELDS) {
        k->t->n_left_out++;
        return true;
    }
    if (i == k->t->n && !add_column(k->t, name))
        return false;
    k->met[i] = true;
    return set(k, i, value);
}

static bool take_item(void *arg, const struct store_item *item)
{
    static const struct metadata_value none = {.type = METADATA_NONE};
    struct making *k = arg;
    struct text nothing = {"{}", 2};
    bool ok;
    k->key = item->key;
    k->next = 0;
    if (!k->fresh)
        memset(k->met, 0, sizeof k->met);
    ok = metadata_scan_each(&k->scan, item->deleted || !item->metadata.data ? nothing : item->metadata,
                            take_member, k);
    for (size_t i = 0; ok && !k->fresh && i < k->t->n; i++)
        ok = k->met[i] || set(k, i, &none);
    ok = ok && item_lives_set(&k->t->lives, item);
    k->failed = k->failed || !ok;
    return ok;
}

static enum err_code read_changed(struct store_conn *c, const struct item_changes *changes, struct making *k,
                                  struct err *e)
{
    const char *at = changes->ids.data, *end = at ? at + changes->ids.len : at;
    for (; at < end && !k->failed; at += strlen(at) + 1) {
        struct err why = {0};
        enum err_code code = store_read_item(c, text_of(at), take_item, k, &why);
        if (code && code != ERR_NOTFOUND)
            return err_copy(e, &why);
    }
    return ERR_OK;
}

static bool is_unused(const struct item_column *c)
{
    size_t n = 0;
    for (size_t i = METADATA_NONE + 1; i < METADATA_TYPES; i++)
        n += c->n_of[i];
    return n == 0;
}

/* Fields that no item has any more go, and what is there takes what it needs. */
static void settle(struct item_columns *t)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (is_unused(t->columns[i])) {
            item_column_unref(t->columns[i]);
            continue;
        }
        if (t->owned[i])
            item_column_trim(t->columns[i]);
        t->columns[kept] = t->columns[i];
        t->owned[kept++] = false;
    }
    t->n = kept;
}

static bool is_same(const struct item_columns *t, const struct item_columns *old)
{
    bool same =
        old && t->n == old->n && t->n_left_out == old->n_left_out && item_lives_same(&t->lives, &old->lives);
    for (size_t i = 0; same && i < t->n; i++)
        same = t->columns[i] == old->columns[i];
    return same;
}

enum err_code item_columns_next(struct store_conn *c, struct item_columns *old,
                                const struct item_changes *changes, struct item_columns **out, struct err *e)
{
    struct item_columns *t = mem_zalloc_array(1, sizeof *t);
    if (!t)
        return err_set(e, ERR_NOMEM, "no memory for the fields of items");
    atomic_init(&t->refs, 1);
    struct making k = {.t = t, .fresh = !old || changes->all};
    metadata_scan_init(&k.scan);
    for (; !k.fresh && t->n < old->n; t->n++)
        t->columns[t->n] = item_column_ref(old->columns[t->n]);
    t->n_left_out = k.fresh ? 0 : old->n_left_out;
    k.failed = !k.fresh && !item_lives_copy(&old->lives, &t->lives);
    enum err_code code = k.failed  ? ERR_OK
                         : k.fresh ? store_each_item(c, 0, take_item, &k, e)
                                   : read_changed(c, changes, &k, e);
    if (!code && k.failed)
        code = err_set(e, ERR_NOMEM, "no memory for the fields of items");
    metadata_scan_fini(&k.scan);
    if (code) {
        item_columns_unref(t);
        return code;
    }
    settle(t);
    *out = is_same(t, old) ? item_columns_ref(old) : t;
    if (*out != t)
        item_columns_unref(t);
    return ERR_OK;
}

enum err_code item_columns_follow(struct store_conn *c, struct item_columns **columns,
                                  const struct item_changes *changes, struct err *e)
{
    struct item_columns *next;
    enum err_code code = item_columns_next(c, *columns, changes, &next, e);
    if (code)
        return code;
    if (!*columns && next->n)
        log_line(LOG_INFO, "items have %zu fields to filter by, which take %.1f MB", next->n,
                 (double)item_columns_bytes(next) / 1e6);
    item_columns_unref(*columns);
    *columns = next;
    return ERR_OK;
}

/* ---- life and use ---- */

struct item_columns *item_columns_ref(struct item_columns *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void item_columns_unref(struct item_columns *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < t->n; i++)
        item_column_unref(t->columns[i]);
    item_lives_fini(&t->lives);
    mem_free(t);
}

const struct item_column *item_columns_find(const struct item_columns *t, struct text name)
{
    size_t i = t ? find(t, name, 0) : 0;
    return t && i < t->n ? t->columns[i] : NULL;
}

size_t item_columns_bytes(const struct item_columns *t)
{
    size_t n = sizeof *t;
    for (size_t i = 0; i < t->n; i++) {
        const struct item_column *c = t->columns[i];
        n += sizeof *c + c->codes_capacity * sizeof *c->codes + c->values_capacity * sizeof *c->values +
             c->members_capacity * sizeof *c->members + c->table_len * sizeof *c->table + c->arena.capacity;
    }
    return n;
}
