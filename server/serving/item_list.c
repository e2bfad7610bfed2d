/* Texts are copied as the item snapshot has them: categories are JSON already. */
#include "server/serving/item_list.h"

#include <math.h>

enum err_code item_list_refuse_score(struct err *e)
{
    return err_set(
        e, ERR_INVALID,
        "a score is not finite: an embedding of the user or of an item is too large for the model");
}

/* What is said of an item. */
struct shown {
    struct text id;
    struct item_info info;
};

enum { SHOWN_AT_ONCE = 16 };

/* Looks n items up. Their texts lie anywhere in memory: asked for all at once, they come while the first is
 * written. */
static void look_up(const struct item_snapshot *items, const struct topk_entry *entries, size_t n,
                    struct shown *out)
{
    for (size_t i = 0; i < n; i++) {
        out[i].id.data = item_index_id(item_snapshot_items(items), entries[i].index, &out[i].id.len);
        out[i].info = item_index_info(item_snapshot_items(items), entries[i].index);
        __builtin_prefetch(out[i].id.data);
        __builtin_prefetch(out[i].info.title.data);
        __builtin_prefetch(out[i].info.categories.data);
    }
}

void item_list_add_scored(struct buf *out, struct text id, float score)
{
    buf_adds(out, "{\"id\":");
    buf_add_json_string(out, id.data, id.len);
    buf_adds(out, ",\"score\":");
    buf_add_float(out, score);
}

static void add_item(struct buf *out, const struct shown *shown, const struct item_list *list, size_t i)
{
    item_list_add_scored(out, shown->id, list->entries[i].score);
    if (list->deviations) {
        buf_adds(out, ",\"deviation\":");
        if (list->deviations[i] < 0)
            buf_adds(out, "null");
        else
            buf_add_float(out, list->deviations[i]);
    }
    if (shown->info.title.data) {
        buf_adds(out, ",\"title\":");
        buf_add_json_string(out, shown->info.title.data, shown->info.title.len);
    }
    if (shown->info.categories.data) {
        buf_adds(out, ",\"categories\":");
        buf_add(out, shown->info.categories.data, shown->info.categories.len);
    }
    if (list->metadata) {
        struct text metadata = item_metadata_of(list->metadata, i);
        buf_adds(out, ",\"metadata\":");
        buf_add(out, metadata.data, metadata.len);
    }
    for (size_t k = 0; list->sources && k < list->sources->n; k++)
        if (i < list->sources->at[k].end) {
            buf_addf(out, ",\"source\":\"%s\"", list->sources->at[k].name);
            break;
        }
    if (list->explanation) {
        buf_adds(out, ",\"because\":");
        explain_add(list->explanation, i, out);
    }
    buf_addc(out, '}');
}

enum err_code item_list_add(struct buf *out, const struct item_snapshot *items, const struct item_list *list,
                            struct err *e)
{
    struct shown shown[SHOWN_AT_ONCE];
    buf_adds(out, ",\"items\":[");
    for (size_t i = 0; i < list->n; i++) {
        size_t left = list->n - i;
        if (i % SHOWN_AT_ONCE == 0)
            look_up(items, list->entries + i, left < SHOWN_AT_ONCE ? left : SHOWN_AT_ONCE, shown);
        if (!isfinite(list->entries[i].score))
            return item_list_refuse_score(e);
        if (i)
            buf_addc(out, ',');
        add_item(out, &shown[i % SHOWN_AT_ONCE], list, i);
    }
    for (size_t i = 0; i < list->n_unknown; i++) {
        buf_adds(out, list->n + i ? ",{\"id\":" : "{\"id\":");
        buf_add_json_string(out, list->unknown[i].data, list->unknown[i].len);
        buf_adds(out, ",\"score\":null,\"unknown\":true}");
    }
    buf_addc(out, ']');
    return ERR_OK;
}

void item_list_warn_of_categories(struct buf *out, const struct item_snapshot *items,
                                  const struct text *categories, size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        const uint32_t *indices;
        size_t n_items;
        struct text like = {NULL, 0};
        if (item_index_category(item_snapshot_items(items), categories[i], &indices, &n_items))
            continue;
        buf_adds(out, any ? "," : ",\"warnings\":[");
        any = true;
        buf_adds(
            out,
            "{\"type\":\"urn:hypernet:warning:unknown-category\",\"detail\":\"no item has this category");
        if (item_index_category_like(item_snapshot_items(items), categories[i], &like))
            buf_adds(out, "; letter case counts");
        buf_adds(out, "\",\"category\":");
        buf_add_json_string(out, categories[i].data, categories[i].len);
        if (like.data) {
            buf_adds(out, ",\"did_you_mean\":");
            buf_add_json_string(out, like.data, like.len);
        }
        buf_addc(out, '}');
    }
    if (any)
        buf_addc(out, ']');
}
