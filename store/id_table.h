/* id_table - ids as dense numbers in the order in which they were first named.
 * Layer: store
 * Threads: confined to its thread.
 * Memory: the ids, and 16 bytes each. */
#ifndef STORE_ID_TABLE_H
#define STORE_ID_TABLE_H

#include "base/err.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

#define ID_TABLE_NONE UINT32_MAX

struct id_table {
    char *texts;     /* the ids, one after the other */
    size_t *end;     /* (n) of each in texts */
    uint32_t *slots; /* (n_slots) a power of two; numbers, ID_TABLE_NONE: empty */
    size_t n, n_slots, capacity, texts_capacity;
};

/* The number of an id, new when it was not named before. Zero-initialise the table. */
enum err_code id_table_add(struct id_table *t, struct text id, uint32_t *number,
                           struct err *e) ERR_MUST_CHECK;

/* The number of an id, or ID_TABLE_NONE. */
uint32_t id_table_find(const struct id_table *t, struct text id);

/* The id of a number, borrowed until the next one is added. */
struct text id_table_text(const struct id_table *t, uint32_t number);

void id_table_fini(struct id_table *t);

#endif
