/* item_filter - which items a caller wants, as a tree of conditions on what is stored of them:
 *
 * {"all": [tree, ...]}  {"any": [tree, ...]}  {"not": tree} {"field": "metadata.price", "gte": 10, "lt":
 * 20}  (several comparisons of a field must all hold)
 *
 * Fields are id, title, categories, created and metadata.NAME. Comparisons are eq, ne, in, has, gt, gte,
 * lt, lte and exists; ne is the opposite of eq, so it holds of an item without the field, as of those no
 * other comparison but "exists": false does. gt and its kin compare numbers, or times where they are given
 * one as text. A list (of texts) takes has, in and exists.
 *
 * How to use it: read it once a request (item_filter_read), against the snapshot of the model that answers;
 * ask item_snapshot_filter (item_snapshot.h) for its bits, which are cached; give them as
 * catalogue_filter.allowed, after an AND with item_index_visible_bits, and let them go (filter_bits_unref).
 * Layer: server/items
 * Threads: a filter is immutable once read.
 * Memory: the tree of the request, and some 64 bytes a comparison; item_filter_free frees. */
#ifndef SERVER_ITEMS_ITEM_FILTER_H
#define SERVER_ITEMS_ITEM_FILTER_H

#include "base/err.h"
#include "base/text.h"
#include "server/items/item_columns.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum filter_kind { FILTER_ALL, FILTER_ANY, FILTER_NOT, FILTER_LEAF };
enum filter_field { FIELD_ID, FIELD_TITLE, FIELD_CATEGORIES, FIELD_CREATED, FIELD_METADATA };
enum filter_compare {
    COMPARE_EQ,
    COMPARE_NE,
    COMPARE_IN,
    COMPARE_HAS,
    COMPARE_GT,
    COMPARE_GTE,
    COMPARE_LT,
    COMPARE_LTE,
    COMPARE_EXISTS,
    FILTER_COMPARES
};

struct filter_node {
    enum filter_kind kind;
    size_t end; /* behind its last descendant: a parent is before its children, in the text's order */
    enum filter_field field;
    struct text name; /* of a field of metadata */
    enum filter_compare compare;
    const json_t *value;
    bool by_time;    /* the value is a time: */
    int64_t seconds; /* since 1970 */
};

struct item_filter {
    struct filter_node *nodes; /* (n_nodes) */
    size_t n_nodes, capacity;
    json_t *tree;
    struct buf text; /* the tree with sorted keys: equal filters have equal texts */
};

/* A field by its name ("metadata.price"): false, there is none. *column: of one of metadata, else NULL. */
bool item_field_find(const struct item_columns *columns, struct text name, enum filter_field *field,
                     const struct item_column **column);

/* The member's name in such a name of a field of metadata. */
struct text item_field_member(struct text name);

/* What to say of a name that is no field: which there are, as many as fit. */
enum { FIELDS_SAID_BYTES = 1024 };
void item_field_unknown(const struct item_columns *columns, struct text name, char out[FIELDS_SAID_BYTES]);

/* Told of each fault, by a JSON pointer within the tree ("/all/0/gt"). */
typedef void filter_fault_fn(void *arg, const char *pointer, const char *why);

/* Reads a tree, to which it takes a reference, and checks it against the fields that items have (NULL:
 * none). *out NULL: there were faults, all of which were told. ERR_NOMEM. */
enum err_code item_filter_read(json_t *tree, const struct item_columns *columns, filter_fault_fn *told,
                               void *arg, struct item_filter **out, struct err *e) ERR_MUST_CHECK;
void item_filter_free(struct item_filter *f); /* NULL is allowed */

#endif
