#include "server/items/encoder_rows.h"

#include "server/fields/field.h"

struct encoder_interaction encoder_row(uint32_t item, const struct store_interaction *x)
{
    return (struct encoder_interaction){.item = item,
                                        .weight = field_usable_weight(x->weight),
                                        .rating = field_usable_rating(x->rating),
                                        .timestamp = x->timestamp};
}

bool encoder_row_of(const struct item_snapshot *items, const struct store_interaction *x,
                    struct encoder_interaction *out)
{
    long index = item_index_index(item_snapshot_items(items), x->item_key);
    if (index >= 0)
        *out = encoder_row((uint32_t)index, x);
    return index >= 0;
}

size_t encoder_rows(const struct item_snapshot *items, const struct store_interaction *x, size_t n,
                    struct encoder_interaction *out)
{
    size_t n_rows = 0;
    for (size_t i = 0; i < n; i++)
        n_rows += encoder_row_of(items, &x[i], &out[n_rows]);
    return n_rows;
}

bool encoder_rows_known(const struct item_snapshot *items, const struct store_interaction *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!item_index_knows(item_snapshot_items(items), x[i].item_key))
            return false;
    return true;
}
