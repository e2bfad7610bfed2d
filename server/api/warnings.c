/* A model says by the blocks of its encoder what it makes use of; what it does not is stored all the same,
 * for the next training. So is what users did with an item that is deleted, or that came when there was no
 * room for it in answers. */
#include "server/api/warnings.h"

#include "server/serving/item_updates.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum warning {
#define X(name, type) name,
    WARNINGS(X)
#undef X
};

static const char *const types[] = {
#define X(name, type) type,
    WARNINGS(X)
#undef X
};

/* ---- counting ---- */

static bool all_rank(struct api_thread *t, struct text id)
{
    struct recommender *p = t->session.recommender;
    for (size_t i = 0; i < recommender_n_models(p); i++)
        if (item_snapshot_find_ranked(model_handle_items(recommender_model(p, i)), id) < 0)
            return false;
    return true;
}

static bool note_deleted(void *arg, const struct store_item *item)
{
    *(bool *)arg = item->deleted;
    return true;
}

/* Why answers do not have the item. What cannot be read now is not warned of: the request was done. */
static struct warned_item look_up(struct api_thread *t, struct text id)
{
    struct warned_item item = {.id = id};
    struct err e = {0};
    if (store_read_item(t->session.conn, id, note_deleted, &item.deleted, &e) || item.deleted)
        return item;
    struct recommender *p = t->session.recommender;
    for (size_t i = 0; i < recommender_n_models(p); i++)
        item.unranked[i] = item_snapshot_find_ranked(model_handle_items(recommender_model(p, i)), id) < 0;
    return item;
}

static void count_item(struct warnings *w, struct api_thread *t, struct text id)
{
    size_t k = 0;
    while (k < w->n_items &&
           (w->items[k].id.len != id.len || memcmp(w->items[k].id.data, id.data, id.len) != 0))
        k++;
    struct warned_item item = k < w->n_items ? w->items[k] : look_up(t, id);
    if (k == w->n_items && k < WARNINGS_MOST_ITEMS)
        w->items[w->n_items++] = item;
    w->n_deleted += item.deleted;
    for (size_t i = 0; i < recommender_n_models(t->session.recommender); i++)
        w->n_unranked[i] += item.unranked[i];
}

void warnings_count(struct warnings *w, struct api_thread *t, const struct update_interaction *interactions,
                    size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (interactions[i].refused)
            continue;
        if (!isnan(interactions[i].rating))
            w->n_rated++;
        if (interactions[i].weight < 1 || interactions[i].weight > 1)
            w->n_weighted++;
        if (!all_rank(t, interactions[i].item))
            count_item(w, t, interactions[i].item);
    }
}

/* ---- saying ---- */

/* A warning, but for the items it names. */
enum {
    WARNING_BYTES = 512 + 6 * LIMIT_NAME_BYTES,
    KINDS_OF_A_MODEL = 3,
    ITEM_BYTES = 6 * LIMIT_ID_BYTES + 3
};

size_t warnings_most_bytes(const struct api_thread *t, size_t n)
{
    size_t n_models = recommender_n_models(t->session.recommender), n_items = n;
    if (n_items > WARNINGS_MOST_ITEMS)
        n_items = WARNINGS_MOST_ITEMS;
    if (!n)
        return 0;
    return (KINDS_OF_A_MODEL * n_models + 1) * WARNING_BYTES + (n_models + 1) * n_items * ITEM_BYTES;
}

/* model: NULL where it is no model's doing. The object is left open. */
static void begin(struct buf *out, enum warning which, const char *model, size_t count, const char *detail,
                  bool *any)
{
    buf_adds(out, *any ? "," : ",\"warnings\":[");
    *any = true;
    buf_addf(out, "{\"type\":\"urn:hypernet:warning:%s\",\"detail\":\"%s\"", types[which], detail);
    if (model) {
        buf_adds(out, ",\"model\":");
        buf_add_json_string(out, model, strlen(model));
    }
    buf_addf(out, ",\"count\":%zu", count);
}

/* The items that are deleted (model SIZE_MAX), or that a model does not rank. */
static void add_items(const struct warnings *w, size_t model, struct buf *out)
{
    bool any = false;
    buf_adds(out, ",\"items\":[");
    for (size_t k = 0; k < w->n_items; k++) {
        const struct warned_item *item = &w->items[k];
        if (model == SIZE_MAX ? !item->deleted : !item->unranked[model])
            continue;
        if (any)
            buf_addc(out, ',');
        any = true;
        buf_add_json_string(out, item->id.data, item->id.len);
    }
    buf_adds(out, "]}");
}

static void add_values(const struct warnings *w, const struct model_spec *spec, struct buf *out, bool *any)
{
    if (w->n_rated && !spec->encoder.d_disliked && !spec->encoder.d_ratings) {
        begin(out, WARNING_RATING_UNUSED, spec->name, w->n_rated,
              "the model was trained without ratings: a rating is stored, but to this model the item was "
              "taken, whatever the rating",
              any);
        buf_addc(out, '}');
    }
    if (w->n_weighted && !spec->encoder.d_fold_in) {
        begin(out, WARNING_WEIGHT_UNUSED, spec->name, w->n_weighted,
              "the model's encoder has no fold-in: a weight is stored, but to this model all interactions "
              "weigh the same",
              any);
        buf_addc(out, '}');
    }
}

void warnings_add(const struct warnings *w, struct api_thread *t, struct buf *out)
{
    bool any = false;
    for (size_t i = 0; i < recommender_n_models(t->session.recommender); i++) {
        const struct model_spec *spec = &recommender_model(t->session.recommender, i)->model->spec;
        char detail[256];
        add_values(w, spec, out, &any);
        if (!w->n_unranked[i])
            continue;
        (void)snprintf(
            detail, sizeof detail,
            "what was done with these items is stored, and no answer of the model has them yet: %s",
            update_why_unranked(spec));
        begin(out, WARNING_ITEM_NOT_RANKED, spec->name, w->n_unranked[i], detail, &any);
        add_items(w, i, out);
    }
    if (w->n_deleted) {
        begin(
            out, WARNING_ITEM_DELETED, NULL, w->n_deleted,
            "what was done with these items is stored, and no answer has them: they are deleted, until they "
            "are put again",
            &any);
        add_items(w, SIZE_MAX, out);
    }
    if (any)
        buf_addc(out, ']');
}
