/* item_index - the store's items as a model sees them: keys, ids and indices, titles, categories, what
 * answers may have. Items of the store that the model does not have follow the model's. An item keeps its
 * index in every later table of the process; one that was deleted before the first, or for which there is no
 * room, has none until it comes back, or there is.
 * Layer: server/items
 * Threads: immutable once loaded; references are atomic.
 * Memory: one arena, about the bytes of the titles and categories. */
#ifndef SERVER_ITEMS_ITEM_INDEX_H
#define SERVER_ITEMS_ITEM_INDEX_H

#include "base/err.h"
#include "engine/model.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct item_index;

struct item_info {
    struct text title;      /* NULL data: none */
    struct text categories; /* a JSON array of strings; NULL data: none */
};

/* Which items there are beside those that both the store and the model have. */
struct item_choice {
    bool extra;   /* of the store, that the model does not have; at most LIMIT_EXTRA_ITEMS */
    bool foreign; /* of the model, that the store does not have; they have an index, and without this no
                     answer has them */
};

/* Reads all items; one reference. Extra ones that are not deleted have indices, the oldest first. old: the
 * table before, whose items keep their indices; NULL: none. */
enum err_code item_index_load(struct store_conn *c, const struct model *m, const struct item_choice *choice,
                              const struct item_index *old, struct item_index **out,
                              struct err *e) ERR_MUST_CHECK;
struct item_index *item_index_ref(struct item_index *t);
void item_index_unref(struct item_index *t);

/* The index of a store's key, or -1; whether the key was there when the table was loaded, with an index or
 * not. */
long item_index_index(const struct item_index *t, int64_t item_key);
bool item_index_knows(const struct item_index *t, int64_t item_key);
int64_t item_index_last_key(const struct item_index *t);

/* How many indices there are; and the store's key of one, 0: the store does not have the item. */
size_t item_index_count(const struct item_index *t);
int64_t item_index_key(const struct item_index *t, size_t index);

/* The index of an id, also of a deleted item, or -1; and back. */
long item_index_find(const struct item_index *t, struct text id);
const char *item_index_id(const struct item_index *t, size_t index, size_t *len);

/* Whether the table says of the item what its record says, or would not say anything of it. */
bool item_index_same(const struct item_index *t, const struct store_item *item);

struct item_info item_index_info(const struct item_index *t, size_t index);
bool item_index_category(const struct item_index *t, struct text name, const uint32_t **indices, size_t *n);
/* The i-th of the categories, in the order of their names; false: there are i. */
bool item_index_category_at(const struct item_index *t, size_t i, struct text *name, const uint32_t **indices,
                            size_t *n);
/* The category that is this one but for the case of its letters; false: there is none. Cost: a look at
 * all. */
bool item_index_category_like(const struct item_index *t, struct text name, struct text *out);

/* Items that answers may have: those that are neither deleted nor foreign. Bits by index, NULL when all
 * are. */
const uint64_t *item_index_visible_bits(const struct item_index *t);
bool item_index_visible(const struct item_index *t, size_t index);

/* The items beyond the model's; those for which there was no room. */
size_t item_index_n_extra(const struct item_index *t);
size_t item_index_n_left_out(const struct item_index *t);
size_t item_index_n_foreign(const struct item_index *t); /* items that only the model has */

/* Whether an item has an index that the table before knew without one: who took it was answered as if he had
 * not. */
bool item_index_promoted(const struct item_index *t);
int64_t item_index_extra_key(const struct item_index *t, size_t k);

#endif
