#include "server/items/item_search.h"

#include "base/mem.h"

static enum err_code set_categories(struct item_search *s, const struct text *categories, size_t n,
                                    struct err *e)
{
    const struct item_index *index = item_snapshot_items(s->items);
    s->categories = mem_zalloc_array((item_index_count(index) + 63) / 64, sizeof *s->categories);
    if (!s->categories)
        return err_set(e, ERR_NOMEM, "no memory for the items of %zu categories", n);
    for (size_t i = 0; i < n; i++) {
        const uint32_t *indices;
        size_t n_items;
        if (!item_index_category(index, categories[i], &indices, &n_items))
            continue;
        for (size_t k = 0; k < n_items; k++)
            s->categories[indices[k] / 64] |= (uint64_t)1 << (indices[k] % 64);
    }
    return ERR_OK;
}

enum err_code item_search_init(struct item_search *s, const struct item_snapshot *items,
                               const struct title_search *titles, const struct item_filter *filter,
                               const struct text *categories, size_t n_categories, struct err *e)
{
    *s = (struct item_search){.items = items, .titles = titles};
    enum err_code code = filter ? item_snapshot_filter(items, filter, &s->filter, e) : ERR_OK;
    return code || n_categories == 0 ? code : set_categories(s, categories, n_categories, e);
}

void item_search_fini(struct item_search *s)
{
    filter_bits_unref(s->filter);
    mem_free(s->categories);
    s->filter = NULL;
    s->categories = NULL;
}

static bool has_bit(const uint64_t *bits, long index)
{
    return bits[index / 64] >> (index % 64) & 1;
}

bool item_search_may_find(const struct item_search *s, int64_t key)
{
    if (!s->filter && !s->categories && !s->titles)
        return true;
    const struct item_index *items = item_snapshot_items(s->items);
    long index = item_index_index(items, key);
    if (index < 0)
        return !s->filter && !s->categories;
    if ((s->filter && !has_bit(s->filter->words, index)) || (s->categories && !has_bit(s->categories, index)))
        return false;
    return !s->titles || title_search_finds(s->titles, item_index_info(items, (size_t)index).title);
}

bool item_search_finds(const struct item_search *s, const struct store_item *item)
{
    return !s->titles || title_search_finds(s->titles, item->title);
}
