/* item_column - one field of the items' metadata: of each item, which of the field's distinct values it has.
 * A question is asked of the values, each once, and looked up for the items.
 * Layer: server/items
 * Threads: a column is immutable once it is shared; references are atomic.
 * Memory: 4 bytes an item, and 24 to 40 bytes and the text for each distinct value. */
#ifndef SERVER_ITEMS_ITEM_COLUMN_H
#define SERVER_ITEMS_ITEM_COLUMN_H

#include "base/buf.h"
#include "base/text.h"
#include "server/items/metadata_scan.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A distinct value. */
struct column_value {
    union {
        double number; /* of a NUMBER or a BOOL */
        size_t at;     /* of a TEXT in the arena, of a LIST among the members */
    };
    uint32_t len;   /* of a TEXT, or of a LIST */
    uint8_t type;   /* enum metadata_type */
    bool is_time;   /* a TEXT that is one (server/fields/time_text.h) */
    bool is_number; /* a TEXT that is one, as tables have them: it is compared as text and as number */
};

struct item_column {
    atomic_size_t refs;
    char *name;
    uint32_t *codes; /* (n_codes) by key of the item: which value, 0: none; beyond them there is none */
    size_t n_codes, codes_capacity;
    struct column_value *values; /* (n_values) the first is no value */
    size_t n_values, values_capacity;
    size_t n_kept; /* of values, when those that no item had were last left behind */
    struct buf arena;
    uint32_t *members; /* (n_members) of lists: values that are texts */
    size_t n_members, members_capacity;
    uint32_t *table; /* (table_len, a power of two) values by hash; 0: free */
    size_t table_len;
    size_t n_of[METADATA_TYPES]; /* items by type */
    size_t n_times;              /* items whose text is a time */
    size_t n_numbers;            /* items whose text is a number */
};

/* New, without a value and with one reference; NULL: no memory. And a copy, without the values that no item
 * has any more where those may be many. */
struct item_column *item_column_new(struct text name);
struct item_column *item_column_copy(const struct item_column *c);
struct item_column *item_column_ref(struct item_column *c);
void item_column_unref(struct item_column *c); /* NULL is allowed */

/* The value of an item; and whether it is this one already. Sets it in a column that nobody shares; false: no
 * memory, and all stands. */
static inline uint32_t item_column_code(const struct item_column *c, int64_t key)
{
    return (uint64_t)key < c->n_codes ? c->codes[key] : 0;
}
bool item_column_has(const struct item_column *c, int64_t key, const struct metadata_value *value);
bool item_column_set(struct item_column *c, int64_t key, const struct metadata_value *value);

/* The number of a value, 0: no item has or had it. */
uint32_t item_column_find_number(const struct item_column *c, double number);
uint32_t item_column_find_bool(const struct item_column *c, bool yes);
uint32_t item_column_find_text(const struct item_column *c, struct text text);

static inline struct text item_column_text(const struct item_column *c, const struct column_value *v)
{
    return (struct text){c->arena.data + v->at, v->len};
}

/* Gives back what growing took too much. */
void item_column_trim(struct item_column *c);

#endif
