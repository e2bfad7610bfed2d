/* weights_cache - generated weights by context, least recently used out first, never past a number of bytes.
 * Layer: engine; depends on base only.     Threads: any; the table is split into shards, each under its own
 * lock, and no callback runs under a lock. Memory: the sum of the bytes of all cached entries with their
 * overhead never passes the limit; an entry larger than its shard's part of the limit is handed out but not
 * kept. Single flight: of several threads that miss one key at once, one makes the weights and the others
 * wait for them. Staleness: a drop also closes a making under way: nobody who asks after the drop is given
 * it, and it is kept only when it turns out to be of the revision the drop asked for. */
#ifndef ENGINE_CACHE_WEIGHTS_CACHE_H
#define ENGINE_CACHE_WEIGHTS_CACHE_H

#include "base/err.h"
#include "engine/kernels/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weights_cache;

/* The weights of one context with what a request needs beside them; reference-counted, immutable once made.
 */
struct weights {
    int64_t revision; /* of the context they were made from */
    int64_t owner;    /* whom they were made for, a number of the maker's; 0: nobody */
    uint32_t flags;   /* the maker's */
    size_t n_theta;
    size_t n_seen;
    const real *theta;    /* (n_theta) aligned to 64 bytes */
    const uint32_t *seen; /* (n_seen) rising catalogue indices of the user's items */
};

/* New weights with one reference, theta and seen writable through the out pointers until they are published.
 * One allocation; NULL when there is no memory. */
struct weights *weights_new(size_t n_theta, size_t n_seen, real **theta, uint32_t **seen);
struct weights *weights_ref(struct weights *w);
void weights_unref(struct weights *w);
size_t weights_bytes(const struct weights *w); /* what the cache counts for it, overhead included */

/* Makes the weights of a key; runs in the asking thread without a lock. */
typedef enum err_code weights_make_fn(void *arg, struct weights **out, struct err *e);

enum err_code weights_cache_new(size_t limit_bytes, struct weights_cache **out, struct err *e) ERR_MUST_CHECK;
void weights_cache_free(struct weights_cache *c);

/* A reference to cached weights, or NULL; never waits, never makes. Counts a hit, or nothing. */
struct weights *weights_cache_get(struct weights_cache *c, const void *key, size_t key_len);

/* A reference to the weights of the key: cached, or made now by this thread or another. *hit tells which. A
 * failure of the maker is returned to all who waited for it and nothing is kept. */
enum err_code weights_cache_acquire(struct weights_cache *c, const void *key, size_t key_len,
                                    weights_make_fn *make, void *arg, struct weights **out, bool *hit,
                                    struct err *e) ERR_MUST_CHECK;

/* The same for a thread that others wait for: cached, or made now by this thread; NULL, and nothing is counted, where another
 * thread is making them or the maker fails, as it does rather than wait. Who came meanwhile for the same starts over, and is counted again. */
struct weights *weights_cache_try(struct weights_cache *c, const void *key, size_t key_len,
                                  weights_make_fn *make, void *arg, bool *hit);

/* Forgets the weights of a key that were made from an older revision than this one; newer ones stay. A making under
 * way is kept only if it reads that revision or a newer one; INT64_MAX: never. */
void weights_cache_drop_older(struct weights_cache *c, const void *key, size_t key_len, int64_t revision);

/* The same for whoever has this number, when the key is not known any more. Makings under way, whoever they are for, are kept only
 * if they read that revision or a newer one. Cost: a look at every entry. */
void weights_cache_drop_owner(struct weights_cache *c, int64_t owner, int64_t revision);

/* Forgets one key, or all. */
void weights_cache_drop(struct weights_cache *c, const void *key, size_t key_len);
void weights_cache_clear(struct weights_cache *c);

/* Appends keys of cached weights, uint16_t length and bytes each: the newest of every shard, then the second newest of
 * every shard, and so on; about `most` in all. */
struct buf;
enum err_code weights_cache_newest_keys(struct weights_cache *c, size_t most, struct buf *out,
                                        struct err *e) ERR_MUST_CHECK;

/* Makes a key the newest of its shard, when it is there; counts nothing. */
void weights_cache_touch(struct weights_cache *c, const void *key, size_t key_len);

struct weights_cache_stats {
    uint64_t hits, misses, made, waited, failed, evicted, dropped, not_kept;
    size_t n_entries, used_bytes, limit_bytes, peak_bytes;
    uint64_t make_ns; /* time spent in makers */
};
void weights_cache_read_stats(const struct weights_cache *c, struct weights_cache_stats *out);

#endif
