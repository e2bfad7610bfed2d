/* item_features - what a model can know of an item before anybody took it: its categories and the words of
 * its title. A feature enters the vocabulary when ITEM_FEATURES_LEAST items have it; where that would make
 * more than ITEM_FEATURES_MOST, the least rises until it does not.
 * Layer: server/items
 * Threads: confined to its thread.
 * Memory: about 40 bytes an occurrence while features are collected. */
#ifndef SERVER_ITEMS_ITEM_FEATURES_H
#define SERVER_ITEMS_ITEM_FEATURES_H

#include "base/err.h"
#include "engine/format/model_spec.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ITEM_FEATURES_LEAST = 3, ITEM_FEATURES_MOST = 8192 };

/* ---- of items in training ---- */

struct item_features {
    size_t *start;               /* (n_items + 1) those of item i are [start[i], start[i + 1]) */
    uint32_t *features;          /* each below n_names, rising, once an item */
    struct profile_value *names; /* (n_names) in rising order */
    size_t n_names;
    struct item_features_private *private;
};

enum err_code item_features_init(struct item_features *f, struct err *e) ERR_MUST_CHECK;
void item_features_fini(struct item_features *f); /* of a zeroed struct as well */

/* Adds the next item, which is number `item`; false when there is no memory. */
bool item_features_add(struct item_features *f, const struct store_item *record, size_t item);

/* Fills start, features and names for n_items; nothing may be added after it. */
enum err_code item_features_finish(struct item_features *f, size_t n_items, struct err *e) ERR_MUST_CHECK;

/* ---- of an item that is served ---- */

enum { ITEM_FEATURES_OF_ITEM = 512 }; /* most that are looked at */

/* The features of an item that the model knows, each once; returns how many. */
size_t item_features_of(const struct model_spec *spec, const struct store_item *record,
                        uint32_t out[ITEM_FEATURES_OF_ITEM]);

#endif
