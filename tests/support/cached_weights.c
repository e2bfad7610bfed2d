#include "tests/support/cached_weights.h"

enum err_code cached_weights_acquire(struct weights_cache *c, const void *key, size_t key_len,
                                     make_weights_fn *make, void *arg, struct weights **out, bool *hit,
                                     struct err *e)
{
    struct weights_lease lease;
    struct err why = {0};
    enum err_code code = ERR_OK;
    *out = NULL;
    weights_cache_lease(c, key, key_len, &lease);
    *hit = lease.found == WEIGHTS_HIT;
    if (lease.found == WEIGHTS_PENDING)
        code = weights_lease_wait(&lease, e);
    if (code)
        return code;
    *out = lease.weights;
    if (lease.found == WEIGHTS_HIT)
        return ERR_OK;
    code = make(arg, out, &why);
    if (code)
        weights_lease_fail(&lease, &why);
    else
        weights_lease_publish(&lease, *out);
    return code ? err_set(e, code, "%s", why.text) : ERR_OK;
}

struct weights *cached_weights_try(struct weights_cache *c, const void *key, size_t key_len,
                                   make_weights_fn *make, void *arg, bool *hit)
{
    struct weights_lease lease;
    weights_cache_lease(c, key, key_len, &lease);
    *hit = lease.found == WEIGHTS_HIT;
    if (lease.found == WEIGHTS_MISS && make(arg, &lease.weights, NULL) == ERR_OK)
        weights_lease_publish(&lease, lease.weights);
    else if (lease.found != WEIGHTS_HIT)
        weights_lease_abandon(&lease);
    return lease.weights;
}
