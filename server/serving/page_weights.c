#include "server/serving/page_weights.h"

#include <string.h>

enum { PAGE_KEY_BYTES = MODEL_KEY_BYTES + sizeof(int64_t) };

/* A key of the cache, and the revision behind it. */
static size_t page_key(uint64_t uid, struct text user, int64_t revision, char key[PAGE_KEY_BYTES])
{
    size_t n = model_key(uid, WEIGHTS_OF_USER, user, key);
    memcpy(key + n, &revision, sizeof revision);
    return n + sizeof revision;
}

void page_weights_keep(struct serving *s, uint64_t uid, struct text user, struct weights *w)
{
    char key[PAGE_KEY_BYTES];
    struct weights_lease lease;
    weights_cache_lease(s->pages, key, page_key(uid, user, w->revision, key), &lease);
    if (lease.found == WEIGHTS_MISS)
        weights_lease_publish(&lease, w);
    else if (lease.found == WEIGHTS_PENDING)
        weights_lease_abandon(&lease); /* another thread keeps them */
    weights_unref(lease.found == WEIGHTS_HIT ? lease.weights : NULL);
}

struct weights *page_weights_get(struct serving *s, uint64_t uid, struct text user, int64_t revision)
{
    char key[PAGE_KEY_BYTES];
    return weights_cache_get(s->pages, key, page_key(uid, user, revision, key));
}
