/* Three streams in one snapshot: items give indices to keys, users give rows and profile values, interactions
 * arrive by user and in order of time. */
#include "server/data/train_dataset.h"

#include "base/mem.h"
#include "server/data/vocabulary.h"
#include "server/fields/categories.h"
#include "server/fields/profile.h"
#include "server/items/encoder_rows.h"
#include "server/items/item_features.h"
#include "server/items/kinds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { UNKNOWN_FIELDS_BYTES = 16 * 1024 };

/* A growable array of things of one size. */
struct list {
    void *at;
    size_t n, capacity, size;
};

struct dataset_private {
    struct list item_ids;     /* size_t offsets in texts, then made pointers */
    struct list item_index;   /* int32_t by key */
    struct list user_index;   /* int32_t by key */
    struct list interactions; /* struct encoder_interaction */
    struct list occurrences;  /* struct occurrence, in order of users */
    struct list categories;   /* the same, of items */
    struct buf texts;         /* terminated strings */
    size_t *user_start;
    const char **ids;
    struct vocabulary profiles, item_categories;
    struct buf unknown_fields;
    struct item_features item_features;
    size_t n_users;
    int64_t last_user; /* key of the user whose interactions come in */
    size_t next_row;   /* rows of user_start that are filled */
    bool failed;
    struct dataset_check check;
};

static void *push(struct dataset_private *p, struct list *l)
{
    l->at = mem_grow(l->at, &l->capacity, l->n + 1, l->size);
    if (l->n == l->capacity) {
        p->failed = true;
        return NULL;
    }
    return (char *)l->at + l->size * l->n++;
}

/* Sets index[key] = value in a list of int32_t. */
static void set_index(struct dataset_private *p, struct list *l, int64_t key, int32_t value)
{
    while (!p->failed && l->n <= (size_t)key) {
        int32_t *slot = push(p, l);
        if (slot)
            *slot = -1;
    }
    if (!p->failed)
        ((int32_t *)l->at)[key] = value;
}

static int32_t get_index(const struct list *l, int64_t key)
{
    return key >= 0 && (size_t)key < l->n ? ((const int32_t *)l->at)[key] : -1;
}

static size_t keep(struct dataset_private *p, const char *text, size_t n)
{
    size_t at = p->texts.len;
    buf_add(&p->texts, text, n);
    buf_addc(&p->texts, '\0');
    return at;
}

static bool add_occurrence(struct dataset_private *p, struct list *l, const char *field, const char *value,
                           size_t owner)
{
    struct occurrence *o = push(p, l);
    if (!o)
        return false;
    *o =
        (struct occurrence){keep(p, field, strlen(field)), keep(p, value, strlen(value)), (uint32_t)owner, 0};
    return true;
}

/* Of the item that came last. */
static bool take_category(void *arg, struct text name)
{
    struct dataset_private *p = arg;
    return add_occurrence(p, &p->categories, "", name.data, p->item_ids.n - 1);
}

static bool take_item(void *arg, const struct store_item *item)
{
    struct dataset_private *p = arg;
    size_t *offset = push(p, &p->item_ids);
    if (!offset)
        return false;
    *offset = keep(p, item->id.data, item->id.len);
    set_index(p, &p->item_index, item->key, (int32_t)(p->item_ids.n - 1));
    if (!item_features_add(&p->item_features, item, p->item_ids.n - 1))
        p->failed = true;
    return categories_each(item->categories, take_category, p) && !p->failed;
}

static bool take_value(void *arg, const char *field, const char *value)
{
    struct dataset_private *p = arg;
    return add_occurrence(p, &p->occurrences, field, value, p->n_users);
}

static bool take_user(void *arg, int64_t key, struct text id, struct text profile, int64_t revision)
{
    struct dataset_private *p = arg;
    (void)id;
    (void)revision;
    set_index(p, &p->user_index, key, (int32_t)p->n_users);
    /* a profile that is no JSON object cannot have been stored; were it so, it would have no values */
    enum err_code code = profile.data ? profile_each(profile.data, profile.len, take_value, p, NULL) : ERR_OK;
    p->n_users++;
    return !p->failed && code != ERR_NOMEM;
}

/* Fills user_start up to and with row: users without interactions have an empty run. */
static void start_rows(struct dataset_private *p, size_t row)
{
    while (p->next_row <= row)
        p->user_start[p->next_row++] = p->interactions.n;
}

static bool take_interaction(void *arg, int64_t user_key, const struct store_interaction *x)
{
    struct dataset_private *p = arg;
    int32_t user = get_index(&p->user_index, user_key), item = get_index(&p->item_index, x->item_key);
    if (user < 0 || item < 0)
        return true;
    start_rows(p, (size_t)user);
    struct encoder_interaction *out = push(p, &p->interactions);
    if (!out)
        return false;
    dataset_check_row(&p->check, user_key, x);
    *out = encoder_row((uint32_t)item, x);
    return true;
}

/* ---- loading ---- */

static enum err_code load(struct store_conn *c, struct dataset_private *p, struct err *e)
{
    enum err_code code = store_each_item(c, 0, take_item, p, e);
    if (!code)
        code = store_each_user(c, take_user, p, e);
    if (code || p->failed)
        return code;
    p->user_start = mem_alloc_array(p->n_users + 1, sizeof *p->user_start);
    if (!p->user_start) {
        p->failed = true;
        return ERR_OK;
    }
    code = kinds_each_taken(c, take_interaction, p, e);
    if (!code)
        start_rows(p, p->n_users);
    return code;
}

static enum err_code finish(struct dataset_private *p, size_t min_users, struct err *e)
{
    const struct vocabulary_options of_users = {min_users, true, true, &p->unknown_fields},
                                    of_items = {DATASET_LEAST_ITEMS, false, false, NULL};
    if (p->failed || p->texts.failed)
        return err_set(e, ERR_NOMEM, "no memory for the training data");
    enum err_code code = vocabulary_make(p->texts.data, p->occurrences.at, p->occurrences.n, p->n_users,
                                         &of_users, &p->profiles, e);
    if (!code)
        code = vocabulary_make(p->texts.data, p->categories.at, p->categories.n, p->item_ids.n, &of_items,
                               &p->item_categories, e);
    if (code)
        return code;
    p->ids = mem_alloc_array(p->item_ids.n, sizeof *p->ids);
    if (!p->ids)
        return err_set(e, ERR_NOMEM, "no memory for the training data");
    for (size_t i = 0; i < p->item_ids.n; i++)
        p->ids[i] = p->texts.data + ((const size_t *)p->item_ids.at)[i];
    return ERR_OK;
}

enum err_code dataset_load(struct store_conn *c, size_t min_users, struct dataset *out, struct err *e)
{
    struct dataset_private *p = mem_zalloc_array(1, sizeof *p);
    if (!p)
        return err_set(e, ERR_NOMEM, "no memory for the training data");
    out->private = p;
    p->item_ids.size = sizeof(size_t);
    p->item_index.size = p->user_index.size = sizeof(int32_t);
    p->interactions.size = sizeof(struct encoder_interaction);
    p->occurrences.size = p->categories.size = sizeof(struct occurrence);
    buf_init(&p->texts, SIZE_MAX / 4);
    buf_init(&p->unknown_fields, UNKNOWN_FIELDS_BYTES);
    dataset_check_init(&p->check);
    enum err_code code = item_features_init(&p->item_features, e);
    if (!code)
        code = store_snapshot_begin(c, e);
    if (!code) {
        code = load(c, p, e);
        store_snapshot_end(c);
    }
    if (!code)
        code = finish(p, min_users, e);
    if (!code)
        code = item_features_finish(&p->item_features, p->item_ids.n, e);
    if (code) {
        dataset_free(out);
        return code;
    }
    out->check = p->check;
    out->data = (struct train_data){.n_users = p->n_users,
                                    .n_items = p->item_ids.n,
                                    .user_start = p->user_start,
                                    .interactions = p->interactions.at,
                                    .value_start = p->profiles.start,
                                    .values = p->profiles.values,
                                    .vocabulary = p->profiles.values_of_rows,
                                    .n_vocabulary = p->profiles.n_rows,
                                    .category_start = p->item_categories.start,
                                    .categories = p->item_categories.values,
                                    .n_categories = p->item_categories.n_rows,
                                    .feature_start = p->item_features.start,
                                    .features = p->item_features.features,
                                    .feature_names = p->item_features.names,
                                    .n_features = p->item_features.n_names,
                                    .item_ids = p->ids};
    out->unknown_fields = buf_text(&p->unknown_fields);
    return ERR_OK;
}

void dataset_free(struct dataset *d)
{
    struct dataset_private *p = d->private;
    if (!p)
        return;
    struct list *lists[] = {&p->item_ids,     &p->item_index,  &p->user_index,
                            &p->interactions, &p->occurrences, &p->categories};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        mem_free(lists[i]->at);
    item_features_fini(&p->item_features);
    buf_fini(&p->texts);
    mem_free(p->user_start);
    mem_free(p->ids);
    vocabulary_fini(&p->profiles);
    vocabulary_fini(&p->item_categories);
    buf_fini(&p->unknown_fields);
    mem_free(p);
    d->private = NULL;
}
