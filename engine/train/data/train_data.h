/* train_data - the training set, as every objective gets it.
 * Layer: engine/train/data
 * Threads: immutable.
 * Memory: all arrays are borrowed. */
#ifndef ENGINE_TRAIN_DATA_TRAIN_DATA_H
#define ENGINE_TRAIN_DATA_TRAIN_DATA_H

#include "engine/format/model_spec.h"
#include "engine/network/encoder.h"
#include "engine/train/data/task_table.h"

#include <stddef.h>
#include <stdint.h>

struct train_data {
    size_t n_users;
    size_t n_items;
    const size_t *user_start; /* (n_users + 1) a user's interactions are [user_start[u], user_start[u + 1]) */
    const struct encoder_interaction *interactions; /* oldest first within a user, each item at most once */
    const size_t *value_start; /* (n_users + 1) the same for the profile values; NULL: no profiles */
    const uint32_t *values;    /* rows of the vocabulary */
    const struct profile_value *vocabulary; /* (n_vocabulary) */
    size_t n_vocabulary;
    const size_t *category_start; /* (n_items + 1) an item's categories, as above; NULL: none are known */
    const uint32_t *categories;   /* below n_categories */
    size_t n_categories;
    const size_t
        *feature_start;       /* (n_items + 1) an item's features, as above, for what is said of new items */
    const uint32_t *features; /* below n_features */
    const struct profile_value
        *feature_names; /* (n_features) "category" or "word", rising as in a model's items */
    size_t n_features;
    const char *const *item_ids;    /* (n_items) */
    const struct task_table *tasks; /* of objectives of tasks, which have nothing of the above; else NULL */
};

/* What the encoder is given of a user's profile. */
static inline void train_data_take_profile(const struct train_data *d, size_t user, struct encoder_input *out)
{
    if (!d->value_start)
        return;
    out->values = d->values + d->value_start[user];
    out->n_values = d->value_start[user + 1] - d->value_start[user];
}

#endif
