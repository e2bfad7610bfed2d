/* key_ids - the ids of a store's rows by their keys, for tables that name what interactions have keys of.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: the ids, and 8 bytes a key. */
#ifndef SERVER_DATA_KEY_IDS_H
#define SERVER_DATA_KEY_IDS_H

#include "base/err.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

struct key_ids {
    char *texts; /* the ids, each behind its length in four bytes */
    size_t *at;  /* (n_keys) where a key's begins, plus one; 0: there is none */
    size_t n_texts, n_keys, texts_capacity, capacity;
};

/* Adds the id of a key; keys rise. Zero-initialise the table. ERR_NOMEM. */
enum err_code key_ids_add(struct key_ids *k, int64_t key, struct text id, struct err *e) ERR_MUST_CHECK;

/* The id of a key, borrowed until the next one is added; NULL data: there is none. */
struct text key_ids_text(const struct key_ids *k, int64_t key);

void key_ids_fini(struct key_ids *k);

#endif
