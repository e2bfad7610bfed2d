#include "server/serving/list_rules.h"

void list_rules_exclude(const struct list_rules *c, uint64_t *allowed)
{
    for (size_t i = 0; i < c->n_excluded; i++)
        allowed[c->excluded[i] / 64] &= ~((uint64_t)1 << (c->excluded[i] % 64));
}

void list_rules_push(const struct list_rules *c, const struct model *m, const struct added_items *extra,
                     const real *theta, const struct catalogue_filter *filter, real *workspace,
                     uint32_t *indices, real *scores, struct topk *top)
{
    size_t n = 0, next = 0;
    for (size_t i = 0; i < c->n_candidates; i++)
        if (catalogue_admits(filter, &next, c->candidates[i]))
            indices[n++] = c->candidates[i];
    added_items_score(m, extra, theta, indices, n, workspace, scores);
    for (size_t i = 0; i < n; i++)
        topk_push(top, scores[i], indices[i]);
}

size_t list_rules_reaching(const struct list_rules *c, const struct topk_entry *entries, size_t n)
{
    /* A score that an answer showed is the nearest of its kind to the text, and reaches itself. */
    while (c->has_min_score && n > 0 && entries[n - 1].score < (real)c->min_score)
        n--;
    return n;
}
