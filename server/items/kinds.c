#include "server/items/kinds.h"

#include "base/limits.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

/* Interaction number `at` of a user. */
struct kinds_place {
    int64_t item;
    size_t at;
};

void kinds_merged_fini(struct kinds_merged *m)
{
    mem_free(m->rows);
    mem_free(m->places);
    *m = (struct kinds_merged){0};
}

static bool any_kind(const struct store_interaction *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (x[i].kind != STORE_KIND_NONE)
            return true;
    return false;
}

static int by_item(const void *a, const void *b)
{
    const struct kinds_place *x = a, *y = b;
    if (x->item != y->item)
        return x->item < y->item ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static int by_place(const void *a, const void *b)
{
    const struct kinds_place *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

/* What the interactions [from, to) of the places say, which are of one item, as the newest of them that says
 * something; false: nothing. */
static bool merge_item(const struct store_interaction *x, const struct kinds_place *from,
                       const struct kinds_place *to, size_t *at, struct store_interaction *out)
{
    double sum = 0, rating = (double)NAN;
    bool any = false;
    for (; from < to; from++) {
        double effect = store_interaction_effect(&x[from->at]);
        if (!(fabs(effect) > 0))
            continue;
        sum += effect * x[from->at].weight;
        rating = isnan(x[from->at].rating) ? rating : x[from->at].rating;
        *at = from->at;
        any = true;
    }
    if (!any || fabs(sum) < LIMIT_WEIGHT_LEAST)
        return false;
    *out = x[*at];
    out->weight = sum;
    out->rating = rating;
    return true;
}

/* Leaves in m->places the newest place of each item that says something, and in m->rows at that place what it
 * says, its weight below 0 where it pushes down; returns how many. */
static size_t merge_items(struct kinds_merged *m, const struct store_interaction *x, size_t n)
{
    size_t kept = 0;
    for (size_t from = 0, to; from < n; from = to) {
        struct store_interaction row;
        size_t at = 0;
        for (to = from + 1; to < n && m->places[to].item == m->places[from].item;)
            to++;
        if (!merge_item(x, &m->places[from], &m->places[to], &at, &row))
            continue;
        m->rows[at] = row;
        m->places[kept++] = (struct kinds_place){row.item_key, at};
    }
    return kept;
}

/* The merged rows in order of time, to the end of m->rows; those that push down behind the others. */
static void arrange(struct kinds_merged *m, size_t n_all, size_t n)
{
    struct store_interaction *out = m->rows + n_all;
    m->n = m->n_negative = 0;
    for (size_t i = 0; i < n; i++)
        if (m->rows[m->places[i].at].weight > 0)
            out[m->n++] = m->rows[m->places[i].at];
    for (size_t i = 0; i < n; i++) {
        struct store_interaction row = m->rows[m->places[i].at];
        if (row.weight > 0)
            continue;
        row.weight = -row.weight;
        out[m->n + m->n_negative++] = row;
    }
    m->at = out;
}

enum err_code kinds_merge(struct kinds_merged *m, const struct store_interaction *x, size_t n, struct err *e)
{
    m->at = x;
    m->n = n;
    m->n_negative = 0;
    if (!any_kind(x, n))
        return ERR_OK;
    if (!MEM_RESERVE(m->rows, m->row_capacity, 2 * n) || !MEM_RESERVE(m->places, m->place_capacity, n))
        return err_set(e, ERR_NOMEM, "no memory for a user's %zu interactions", n);
    for (size_t i = 0; i < n; i++)
        m->places[i] = (struct kinds_place){x[i].item_key, i};
    qsort(m->places, n, sizeof *m->places, by_item);
    size_t kept = merge_items(m, x, n);
    if (kept > 1)
        qsort(m->places, kept, sizeof *m->places, by_place);
    arrange(m, n, kept);
    return ERR_OK;
}

/* ---- of interactions that are not the store's ---- */

struct telling {
    struct store_interaction *x; /* (n) */
    size_t n;
};

static bool tell(void *arg, const struct store_kind *kind)
{
    const struct telling *t = arg;
    for (size_t i = 0; i < t->n; i++)
        if (t->x[i].kind == kind->number && kind->number != STORE_KIND_NONE) {
            t->x[i].effect = kind->negative ? -kind->weight : kind->weight;
            t->x[i].unseen = kind->unseen;
        }
    return true;
}

enum err_code kinds_tell(struct store_conn *c, struct store_interaction *x, size_t n, struct err *e)
{
    struct telling t = {x, n};
    return any_kind(x, n) ? store_each_kind(c, tell, &t, e) : ERR_OK;
}

/* ---- of all users ---- */

/* The interactions of the user at hand. */
struct stream {
    store_interaction_fn *fn;
    void *arg;
    struct store_interaction *rows; /* (n) */
    size_t n, capacity;
    int64_t user_key;
    struct kinds_merged merged;
    enum err_code code;
    struct err why;
    bool wanted;
};

/* Hands on what the user at hand took. */
static void give(struct stream *s)
{
    s->code = kinds_merge(&s->merged, s->rows, s->n, &s->why);
    for (size_t i = 0; i < s->merged.n && !s->code && s->wanted; i++)
        s->wanted = s->fn(s->arg, s->user_key, &s->merged.at[i]);
    s->n = 0;
}

static bool take(void *arg, int64_t user_key, const struct store_interaction *x)
{
    struct stream *s = arg;
    if (s->n && user_key != s->user_key)
        give(s);
    s->user_key = user_key;
    if (!s->code && !MEM_RESERVE(s->rows, s->capacity, s->n + 1))
        s->code = err_set(&s->why, ERR_NOMEM, "no memory for a user's %zu interactions", s->n);
    if (s->code)
        return false;
    s->rows[s->n++] = *x;
    return s->wanted;
}

enum err_code kinds_each_taken(struct store_conn *c, store_interaction_fn *fn, void *arg, struct err *e)
{
    struct stream s = {.fn = fn, .arg = arg, .wanted = true};
    enum err_code code = store_each_interaction(c, take, &s, e);
    if (!code && !s.code && s.wanted && s.n)
        give(&s);
    if (!code && s.code)
        code = err_copy(e, &s.why);
    mem_free(s.rows);
    kinds_merged_fini(&s.merged);
    return code;
}
