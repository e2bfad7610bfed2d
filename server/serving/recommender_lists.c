#include "server/serving/recommender_lists.h"

#include "base/mem.h"
#include "engine/added_items.h"
#include "engine/rank/catalogue.h"
#include "engine/rank/diversity.h"

#include <assert.h>
#include <string.h>

enum err_code recommender_reserve(void **array, size_t *have, size_t n, size_t size, struct err *e)
{
    if (n <= *have)
        return ERR_OK;
    void *grown = mem_alloc_aligned(n, size);
    if (!grown)
        return err_set(e, ERR_NOMEM, "no memory for %zu entries", n);
    mem_free(*array);
    *array = grown;
    *have = n;
    return ERR_OK;
}

/* Sets the bits of the items in one of the categories (n). */
static void add_categories(struct recommender *p, const struct item_snapshot *items,
                           const struct text *categories, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t *indices;
        size_t n_items;
        if (!item_index_category(item_snapshot_items(items), categories[i], &indices, &n_items))
            continue;
        for (size_t k = 0; k < n_items; k++)
            p->allowed[indices[k] / 64] |= (uint64_t)1 << (indices[k] % 64);
    }
}

/* Takes out what is not in a filter. */
static enum err_code apply_filter(struct recommender *p, const struct item_snapshot *items,
                                  const struct list_allowing *a, struct err *e)
{
    const struct item_filter *filter = a->filter;
    struct filter_bits *bits;
    if (filter->n_own)
        return own_history_apply(a->history, filter, items, p->allowed, e);
    enum err_code code = item_snapshot_filter(items, filter, &bits, e);
    if (code)
        return code;
    for (size_t i = 0; i < bits->n_words; i++)
        p->allowed[i] &= bits->words[i];
    filter_bits_unref(bits);
    return ERR_OK;
}

enum err_code recommender_allow(struct recommender *p, const struct item_snapshot *items,
                                const struct list_allowing *a, const uint64_t **allowed, struct err *e)
{
    size_t n_words = (item_snapshot_count(items) + 63) / 64, n = a->n_categories;
    const uint64_t *visible = item_snapshot_shown_bits(items);
    *allowed = visible;
    size_t n_shown = a->page ? a->page->n_shown : 0;
    if (n == 0 && !(a->rules && a->rules->n_excluded) && !n_shown && !a->filter)
        return ERR_OK;
    enum err_code code =
        recommender_reserve((void **)&p->allowed, &p->n_allowed, n_words, sizeof *p->allowed, e);
    if (code)
        return code;
    if (n == 0 && visible)
        memcpy(p->allowed, visible, n_words * sizeof *p->allowed);
    else
        memset(p->allowed, n ? 0 : 0xFF, n_words * sizeof *p->allowed);
    add_categories(p, items, a->categories, n);
    for (size_t i = 0; n && visible && i < n_words; i++)
        p->allowed[i] &= visible[i];
    if (a->rules)
        list_rules_exclude(a->rules, p->allowed);
    for (size_t i = 0; i < n_shown; i++)
        p->allowed[a->page->shown[i] / 64] &= ~((uint64_t)1 << (a->page->shown[i] % 64));
    *allowed = p->allowed;
    return a->filter ? apply_filter(p, items, a, e) : ERR_OK;
}

/* Of a filter that leaves one item in so many, each of these is scored. */
enum { FEW = 16 };

bool recommender_scores_each(const struct recommend_query *q, const uint64_t *allowed, size_t n)
{
    size_t n_set = 0;
    if (!q->filter || (q->rules && q->rules->among))
        return false;
    for (size_t i = 0; i < n / 64; i++)
        n_set += (size_t)__builtin_popcountll(allowed[i]);
    return n_set * FEW <= n;
}

struct list_allowing recommender_allowing(const struct recommend_query *q)
{
    return (struct list_allowing){.categories = q->categories,
                                  .n_categories = q->n_categories,
                                  .filter = q->filter,
                                  .history = q->history,
                                  .rules = q->rules,
                                  .page = q->more && !(q->rules->diversity > 0) ? q->more->page : NULL};
}

/* Pushes the admitted ones of n items. */
static enum err_code push_few(struct recommender *p, struct model_handle *handle, const struct weights *w,
                              const struct catalogue_filter *filter, size_t n, struct topk *top,
                              struct err *e)
{
    size_t most = n / FEW + 64, k = 0, next = 0;
    enum err_code code = recommender_reserve((void **)&p->scores, &p->n_scores, most, sizeof *p->scores, e);
    if (!code)
        code = recommender_reserve((void **)&p->admitted, &p->n_admitted, most, sizeof *p->admitted, e);
    if (code)
        return code;
    for (size_t i = 0; i < (n + 63) / 64; i++)
        for (uint64_t left = filter->allowed[i]; left; left &= left - 1) {
            size_t index = i * 64 + (size_t)__builtin_ctzll(left);
            if (index < n && catalogue_admits(filter, &next, (uint32_t)index))
                p->admitted[k++] = (uint32_t)index;
        }
    added_items_score(handle->model, item_snapshot_extra(handle->items), w->theta, p->admitted, k,
                      handle->workspace, p->scores);
    for (size_t i = 0; i < k; i++)
        topk_push(top, p->scores[i], p->admitted[i]);
    return ERR_OK;
}

/* Pushes the items that the query may list. */
static enum err_code push_items(struct recommender *p, struct model_handle *handle, const struct weights *w,
                                const struct recommend_query *q, struct topk *top, struct err *e)
{
    const struct model *m = handle->model;
    const struct item_snapshot *items = handle->items;
    const struct list_rules *rules = q->rules;
    struct catalogue_filter filter = {.excluded = q->include_seen ? NULL : w->seen,
                                      .n_excluded = q->include_seen ? 0 : w->n_seen};
    const struct list_allowing allowing = recommender_allowing(q);
    enum err_code code = recommender_allow(p, items, &allowing, &filter.allowed, e);
    assert(w->n_theta >= handle->theta_len); /* weights of this model */
    if (!code && recommender_scores_each(q, filter.allowed, item_snapshot_count(items)))
        return push_few(p, handle, w, &filter, item_snapshot_count(items), top, e);
    if (!code && !(rules && rules->among)) {
        added_items_top_k(m, item_snapshot_extra(items), w->theta, &filter, handle->workspace, top);
        return ERR_OK;
    }
    if (!code)
        code =
            recommender_reserve((void **)&p->scores, &p->n_scores, rules->n_candidates, sizeof *p->scores, e);
    if (!code)
        code = recommender_reserve((void **)&p->admitted, &p->n_admitted, rules->n_candidates,
                                   sizeof *p->admitted, e);
    if (!code)
        list_rules_push(rules, m, item_snapshot_extra(items), w->theta, &filter, handle->workspace,
                        p->admitted, p->scores, top);
    return code;
}

static bool was_shown(const struct list_page *page, uint32_t index)
{
    size_t low = 0, high = page ? page->n_shown : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (page->shown[middle] == index)
            return true;
        if (page->shown[middle] < index)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* The order of a diverse list to the first entries, as many as `most` of n, without those that were shown,
 * which the others are to be unlike, and those whose group (NULL: none are asked of) has its share. *left:
 * how many were not shown. Returns how many. */
static size_t order_diverse(struct diversity *v, struct topk_entry *entries, const struct list_page *page,
                            struct group_limit *groups, size_t most, struct topk_entry *room, size_t *left)
{
    size_t n = 0;
    *left = v->n;
    for (size_t i = 0; i < v->n; i++)
        if (was_shown(page, entries[i].index)) {
            diversity_take(v, i);
            (*left)--;
        }
    while (n < most) {
        size_t i = diversity_next(v);
        if (i == v->n)
            break;
        if (groups && !group_limit_take(groups, entries[i].index)) {
            diversity_skip(v, i);
            continue;
        }
        diversity_take(v, i);
        room[n++] = entries[i];
    }
    memcpy(entries, room, n * sizeof *room);
    return n;
}

/* Makes the first entries of n a diverse list of at most `most`; *n: how many, of *left that were not
 * shown. */
static enum err_code diversify(struct recommender *p, struct model_handle *handle,
                               const struct recommend_query *q, struct group_limit *groups, size_t most,
                               size_t *n, size_t *left, struct err *e)
{
    const struct model *m = handle->model;
    struct diversity v = {.n = 0};
    const real **rows = mem_alloc_array(*n, sizeof *rows);
    struct topk_entry *room = mem_alloc_array(most, sizeof *room);
    enum err_code code = ERR_OK;
    if (!rows || !room)
        code = err_set(e, ERR_NOMEM, "no memory for the order of %zu items", *n);
    for (size_t i = 0; i < *n && !code; i++)
        rows[i] = added_items_embedding(m, item_snapshot_extra(handle->items), p->entries[i].index);
    if (!code)
        code = diversity_init(&v, p->entries, *n, rows, m->spec.d_item, LIMIT_DIVERSE_WINDOW,
                              q->rules->diversity, e);
    if (!code)
        *n = order_diverse(&v, p->entries, q->more->page, groups, most, room, left);
    diversity_fini(&v);
    mem_free(rows);
    mem_free(room);
    return code;
}

/* Makes the first entries of n those that their groups have room for, best first, at most `most`; returns how
 * many. */
static size_t limit_groups(struct group_limit *groups, struct topk_entry *entries, size_t most, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n && kept < most; i++)
        if (group_limit_take(groups, entries[i].index))
            entries[kept++] = entries[i];
    return kept;
}

/* How many of the best a list is made of: first, and where groups are full and it is short. */
struct reach {
    size_t first, most;
};

static struct reach reach_of(const struct recommend_query *q, const struct listing *l, size_t count)
{
    bool paged = q->more && q->more->page, diverse = q->more && q->rules->diversity > 0;
    bool grouped = q->rules && q->rules->max_per.n;
    struct reach r = {.first = l->most + paged}; /* one more tells of a next page */
    if (diverse)
        r.first += LIMIT_DIVERSE_WINDOW + (paged ? q->more->page->n_shown : 0);
    r.most = r.first;
    if (grouped && !diverse) {
        enum { WIDER = 4, WIDEST = 16 };
        r.first = WIDER * (l->most + 1);
        r.most = WIDEST * l->most;
        r.most = r.most < LIMIT_GROUPED_WINDOW ? LIMIT_GROUPED_WINDOW : r.most;
    }
    r.first = r.first < count ? r.first : count;
    r.most = r.most < count ? r.most : count;
    return r;
}

size_t recommender_reach(const struct recommend_query *q, size_t most, size_t count)
{
    const struct listing l = {.most = most};
    return reach_of(q, &l, count).first;
}

/* The best k to the first entries: what was found together with others', or else finds them. */
static enum err_code best_items(struct recommender *p, struct model_handle *handle, const struct weights *w,
                                const struct recommend_query *q, size_t k, size_t *n, struct err *e)
{
    const struct found_together *found = &p->together;
    struct topk top;
    if (q->together && found->k == k) {
        *n = found->n[q->together - 1];
        memcpy(p->entries, found->entries + (q->together - 1) * k, *n * sizeof *p->entries);
        return ERR_OK;
    }
    topk_init(&top, p->entries, k);
    enum err_code code = push_items(p, handle, w, q, &top, e);
    *n = code ? 0 : topk_finish(&top);
    return code;
}

/* One try to find them among the best k. *all: there are no others. */
static enum err_code try_list(struct recommender *p, struct model_handle *handle, const struct weights *w,
                              const struct recommend_query *q, size_t k, struct group_limit *groups,
                              struct listing *l, bool *all, struct err *e)
{
    size_t n;
    enum err_code code = recommender_reserve((void **)&p->entries, &p->n_entries, k, sizeof *p->entries, e);
    if (!code)
        code = best_items(p, handle, w, q, k, &n, e);
    if (code)
        return code;
    size_t left = q->rules ? list_rules_reaching(q->rules, p->entries, n) : n;
    *all = left < k;
    l->n = left;
    if (q->more && q->rules->diversity > 0)
        code = diversify(p, handle, q, groups, l->most + 1, &l->n, &left, e);
    else if (groups)
        l->n = limit_groups(groups, p->entries, l->most, left);
    if (l->n > l->most)
        l->n = l->most;
    l->more = left > l->n;
    return !code && groups && groups->failed ? err_set(e, ERR_NOMEM, "no memory for the groups of items")
                                             : code;
}

enum err_code recommender_list(struct recommender *p, struct model_handle *handle, const struct weights *w,
                               const struct recommend_query *q, struct listing *l, struct err *e)
{
    struct reach reach = reach_of(q, l, item_snapshot_count(handle->items));
    bool grouped = q->rules && q->rules->max_per.n, all = false;
    struct group_limit groups = {.items = NULL};
    if (grouped)
        groups = group_limit_of(handle->items, &q->rules->max_per);
    enum err_code code = try_list(p, handle, w, q, reach.first, grouped ? &groups : NULL, l, &all, e);
    if (!code && grouped && l->n < l->most && !all && reach.first < reach.most) {
        group_limit_clear(&groups);
        code = try_list(p, handle, w, q, reach.most, &groups, l, &all, e);
    }
    group_limit_fini(&groups);
    return code;
}
