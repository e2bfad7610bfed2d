/* The keys of what is cached, newest first, without an allocation under a lock. */
#include "engine/cache/weights_cache_parts.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Where the key of an entry stands in a buffer, and how new the entry is in its shard. */
struct listed {
    size_t rank, at;
};

static int by_rank(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    return x->rank != y->rank ? (x->rank > y->rank) - (x->rank < y->rank) : (x->at > y->at) - (x->at < y->at);
}

/* Adds the newest keys of a shard. Room for them was made before: nothing is allocated under the lock, and
 * what came since and does not fit is left out. */
static size_t list_shard(struct shard *s, size_t most, size_t n_bytes, struct listed *list, struct buf *keys)
{
    size_t n = 0, end = keys->len + n_bytes;
    (void)pthread_mutex_lock(&s->lock);
    for (const struct entry *x = s->newest; x && n < most; x = x->older) {
        uint16_t len = (uint16_t)x->key_len;
        if (x->key_len > UINT16_MAX || keys->len + sizeof len + len > end)
            continue;
        list[n] = (struct listed){n, keys->len};
        buf_add(keys, &len, sizeof len);
        buf_add(keys, x->key, len);
        n++;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

static size_t shard_key_bytes(struct shard *s, size_t most)
{
    size_t n = 0, n_bytes = 0;
    (void)pthread_mutex_lock(&s->lock);
    for (const struct entry *x = s->newest; x && n < most; x = x->older, n++)
        n_bytes += sizeof(uint16_t) + x->key_len;
    (void)pthread_mutex_unlock(&s->lock);
    return n_bytes;
}

enum err_code weights_cache_newest_keys(struct weights_cache *c, size_t most, struct buf *out, struct err *e)
{
    size_t of_shard = most / c->n_shards + 1, n = 0;
    struct listed *list = mem_alloc_array(of_shard * c->n_shards, sizeof *list);
    struct buf keys;
    buf_init(&keys, SIZE_MAX / 4);
    enum err_code code = list ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for the keys of the cache");
    for (size_t i = 0; i < c->n_shards && !code; i++) {
        size_t n_bytes = shard_key_bytes(&c->shards[i], of_shard);
        (void)buf_reserve(&keys, n_bytes);
        code = buf_check(&keys, "the keys of the cache", e);
        if (!code)
            n += list_shard(&c->shards[i], of_shard, n_bytes, list + n, &keys);
    }
    if (!code && n > 1)
        qsort(list, n, sizeof *list, by_rank);
    for (size_t i = 0; i < n && i < most && !code; i++) {
        uint16_t len;
        memcpy(&len, keys.data + list[i].at, sizeof len);
        buf_add(out, keys.data + list[i].at, sizeof len + len);
    }
    if (!code)
        code = buf_check(out, "the keys of the cache", e);
    buf_fini(&keys);
    mem_free(list);
    return code;
}
