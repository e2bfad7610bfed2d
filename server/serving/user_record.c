/* The rules are those of store_put_interaction and store_read_user; a test holds the two against each
 * other. */
#include "server/serving/user_record.h"

#include "base/limits.h"
#include "base/mem.h"

#include <stdlib.h>

enum err_code user_record_begin(struct store_user *u, int64_t revision, struct text profile, size_t n,
                                struct err *e)
{
    u->revision = revision;
    u->embedding_revision = 0;
    u->embedding_given = false;
    u->n_interactions = 0;
    buf_reset(&u->embedding);
    buf_reset(&u->profile);
    u->profile.max_bytes = LIMIT_PROFILE_BYTES;
    if (profile.data)
        buf_add(&u->profile, profile.data, profile.len);
    enum err_code code = buf_check(&u->profile, "a profile", e);
    if (code || n <= u->capacity)
        return code;
    struct store_interaction *grown = mem_realloc_array(u->interactions, n, sizeof *grown);
    if (!grown)
        return err_set(e, ERR_NOMEM, "no memory for a user's %zu interactions", n);
    u->interactions = grown;
    u->capacity = n;
    return ERR_OK;
}

void user_record_add(struct store_user *u, const struct store_interaction *x)
{
    u->interactions[u->n_interactions++] = *x;
}

struct arrived {
    struct store_interaction x;
    size_t position;
};

static int by_time(const void *a, const void *b)
{
    const struct arrived *p = a, *q = b;
    int order = (p->x.timestamp > q->x.timestamp) - (p->x.timestamp < q->x.timestamp);
    return order ? order : (p->position > q->position) - (p->position < q->position);
}

static int by_item_and_kind(const void *a, const void *b)
{
    const struct arrived *p = a, *q = b;
    int order = (p->x.item_key > q->x.item_key) - (p->x.item_key < q->x.item_key);
    order = order ? order : (p->x.kind > q->x.kind) - (p->x.kind < q->x.kind);
    return order ? order : by_time(a, b);
}

static int64_t first_of(const struct store_interaction *x)
{
    return x->first ? x->first : x->timestamp;
}

/* Merges those of one item and kind, of a list in that order; returns how many are left. */
static size_t merge(struct arrived *list, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct arrived *last = kept ? &list[kept - 1] : NULL, now = list[i];
        if (!last || last->x.item_key != now.x.item_key || last->x.kind != now.x.kind) {
            list[kept++] = now;
            continue;
        }
        now.x.first = store_first_of(first_of(&last->x), first_of(&now.x));
        now.x.count = store_count_of(last->x.count, now.x.count);
        *last = now;
    }
    return kept;
}

enum err_code user_record_end(struct store_user *u, struct err *e)
{
    size_t n = u->n_interactions;
    if (n < 2)
        return ERR_OK;
    struct arrived *list = mem_alloc_array(n, sizeof *list);
    if (!list)
        return err_set(e, ERR_NOMEM, "no memory for a user's %zu interactions", n);
    for (size_t i = 0; i < n; i++)
        list[i] = (struct arrived){u->interactions[i], i};
    qsort(list, n, sizeof *list, by_item_and_kind);
    n = merge(list, n);
    qsort(list, n, sizeof *list, by_time);
    for (size_t i = 0; i < n; i++)
        u->interactions[i] = list[i].x;
    u->n_interactions = n;
    mem_free(list);
    return ERR_OK;
}
