/* model_ids - the ids of a model file, of items or of trained tasks: from index to id and back.
 * Cost: index to id O(1); id to index one hash look-up, for an id of at most MODEL_IDS_INLINE bytes one cache
 * line. Format: see catalogue.id_bytes and catalogue.id_offsets in schema/model.md.
 * Layer: engine/format
 * Threads: immutable after init.
 * Memory: ids stay where they are (the mapped file); the heap holds one table of 16 bytes a slot, at most
 *   half full. */
#ifndef ENGINE_FORMAT_MODEL_IDS_H
#define ENGINE_FORMAT_MODEL_IDS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { MODEL_IDS_INLINE = 11 }; /* bytes of an id that a slot has room for */

/* An id of at most MODEL_IDS_INLINE bytes is in its slot, of a longer one the hash. */
struct model_ids_slot {
    uint64_t head;   /* the first eight bytes; the hash */
    uint32_t rest;   /* the others and the length; a length that no short id has */
    uint32_t number; /* 0: free, else index + 1 */
};

struct model_ids_index {
    const char *of; /* whose they are, as their tensors' names begin */
    size_t n;
    const char *bytes;   /* the ids, one after the other */
    const void *offsets; /* (n + 1) int64, perhaps not aligned: id i is bytes [offset i, offset i + 1) */
    uint64_t seed;
    size_t n_slots;               /* a power of two */
    struct model_ids_slot *slots; /* (n_slots) */
};

/* Checks the ids and makes the table; bytes, offsets and of are borrowed, of as the names of their two
 * tensors begin. ERR_INVALID: offsets that do not rise
 * from 0 to n_bytes, an id that is empty, too long, no UTF-8, has a zero byte, or occurs twice; ERR_NOMEM. */
enum err_code model_ids_init(struct model_ids_index *x, const void *bytes, size_t n_bytes,
                             const void *offsets, size_t n, const char *of, struct err *e) ERR_MUST_CHECK;
void model_ids_fini(struct model_ids_index *x); /* a zeroed struct is allowed */

const char *model_ids_get(const struct model_ids_index *x, size_t index, size_t *len);
long model_ids_find(const struct model_ids_index *x, const char *id, size_t len); /* -1: none */

#endif
