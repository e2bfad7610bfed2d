/* item_filter - which items a caller wants, as a tree of conditions on what is stored of them:
 *
 * {"all": [tree, ...]}  {"any": [tree, ...]}  {"not": tree} {"field": "metadata.price", "gte": 10, "lt":
 * 20}  (several comparisons of a field must all hold) {"has_kind": {"kind": "purchase", "within_days": 30}}
 * (of the user, who has the item by an event of that kind)
 *
 * Fields are id, title, categories, created and metadata.NAME. Comparisons are eq, ne, in, has, gt, gte,
 * lt, lte and exists; ne is the opposite of eq, so it holds of an item without the field, as of those no
 * other comparison but "exists": false does. gt and its kin compare numbers, or times where they are given
 * one as text. A list (of texts) takes has, in and exists. What a user has is no property of an item: a
 * filter with such leaves is applied by own_history.h.
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

enum filter_kind { FILTER_ALL, FILTER_ANY, FILTER_NOT, FILTER_LEAF, FILTER_OWN };
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
    size_t own;      /* of FILTER_OWN: its number in the filter's `own` */
    json_t *tree; /* the node as it was said; NULL of a comparison, which is said with others of its field */
    size_t part;  /* 1 and up: it asks nothing of the user, and is this part (from 1) of a filter that does */
};

enum { FILTER_POINTER_BYTES = 256 };

/* A leaf that asks for what the user has. */
struct filter_own {
    struct text kind;
    int64_t within;                     /* seconds before now; 0: ever */
    int32_t number;                     /* of the kind: whoever applies the filter finds it in the store */
    char pointer[FILTER_POINTER_BYTES]; /* to the kind's name, within the tree */
};

struct item_filter {
    struct filter_node *nodes; /* (n_nodes) */
    size_t n_nodes, capacity;
    json_t *tree;
    struct buf text;        /* the tree with sorted keys: equal filters have equal texts */
    struct filter_own *own; /* (n_own) */
    size_t n_own, own_capacity;
    struct item_filter **parts; /* (n_parts) the largest trees in it that ask nothing of the user; none where
                                   none does */
    size_t n_parts, parts_capacity;
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
 * none). of_user: the list is somebody's, who may have items. *out NULL: there were faults, all of which were
 * told. ERR_NOMEM. */
enum err_code item_filter_read(json_t *tree, const struct item_columns *columns, bool of_user,
                               filter_fault_fn *told, void *arg, struct item_filter **out,
                               struct err *e) ERR_MUST_CHECK;
void item_filter_free(struct item_filter *f); /* NULL is allowed */

#endif
