/* weights_cache_parts - what the weight cache is made of; for weights_cache*.c only.
 * Layer: engine/cache
 * Threads: a shard's fields are read and written under its lock, counters aside.
 * Memory: entries and flights are blocks of their own; a shard owns what is in its lists. */
#ifndef ENGINE_CACHE_WEIGHTS_CACHE_PARTS_H
#define ENGINE_CACHE_WEIGHTS_CACHE_PARTS_H

#include "engine/cache/weights_cache.h"

#include <pthread.h>
#include <stdatomic.h>

struct entry {
    struct entry *next; /* in the bucket */
    struct entry *newer, *older;
    struct weights *weights;
    uint64_t hash;
    size_t n_bytes; /* counted for it */
    size_t key_len;
    char key[]; /* (key_len) */
};

enum flight_state { FLIGHT_OPEN, FLIGHT_PUBLISHED, FLIGHT_FAILED, FLIGHT_ABANDONED };

struct flight {
    struct flight *next; /* in the shard's list, while listed */
    const void *key;     /* (key_len) borrowed; only read while listed */
    size_t key_len;
    uint64_t hash;
    size_t
        n_refs;  /* leases on it: who generates and who joined; guarded by the shard's lock, as all fields */
    bool closed; /* by a drop: nobody joins it any more */
    int64_t least; /* revision of a result that may be kept; of no meaning unless closed */
    enum flight_state state;
    pthread_cond_t finished;
    struct weights *result; /* with a reference of its own; NULL unless published */
    struct err err;         /* of one that failed */
};

enum counter { HITS, MISSES, MADE, WAITED, FAILED, EVICTED, DROPPED, NOT_KEPT, MAKE_NS, ENTRIES, N_COUNTERS };

struct shard {
    pthread_mutex_t lock;
    struct entry **buckets; /* (n_buckets) NULL: this cache keeps nothing */
    struct entry *newest, *oldest;
    struct flight *flights;
    size_t used_bytes;
    atomic_uint_least64_t counters[N_COUNTERS]; /* written under the lock or not, read without: relaxed */
} __attribute__((aligned(64)));

struct weights_cache {
    uint64_t seed;
    size_t limit_bytes;
    size_t part_bytes; /* a shard's part, for its entries: what is fixed is already taken off */
    size_t n_shards;   /* a power of two */
    size_t n_buckets;  /* of a shard, a power of two; 0: nothing is kept */
    atomic_size_t used_bytes, peak_bytes;
    struct shard *shards; /* (n_shards) */
};

#endif
