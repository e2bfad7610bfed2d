/* item_table - the store's items in memory: key to catalogue index, title, categories; so that an answer
 * reads no item. Layer: server; depends on store, engine, base. Threads: any; readers hold a reference to an
 * immutable snapshot, a refresh publishes the next one. Memory: one arena a snapshot, about the bytes of the
 * titles and categories. */
#ifndef SERVER_ITEM_TABLE_H
#define SERVER_ITEM_TABLE_H

#include "base/err.h"
#include "engine/model.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct item_table; /* an immutable snapshot for one model */

struct item_info {
    struct store_text title;      /* NULL data: none */
    struct store_text categories; /* a JSON array of strings; NULL data: none */
};

/* Reads all items; the table has one reference. m is borrowed for the table's life. */
enum err_code item_table_load(struct store_conn *c, const struct model *m, struct item_table **out,
                              struct err *e) ERR_MUST_CHECK;
struct item_table *item_table_ref(struct item_table *t);
void item_table_unref(struct item_table *t);

/* The catalogue index of a store's item key, or -1 when the model does not have the item. */
long item_table_index(const struct item_table *t, int64_t item_key);

/* What is known of the item at a catalogue index; texts are borrowed from the table. */
struct item_info item_table_info(const struct item_table *t, size_t index);

/* The rising catalogue indices of the items in a category, borrowed; false when no item has it. */
bool item_table_category(const struct item_table *t, struct store_text name, const uint32_t **indices,
                         size_t *n);

#endif
