#include "server/serving/event_expiry.h"

#include "base/clock.h"

enum {
    WORK_MS = 50, /* of a call: a sweep of a million interactions takes some seconds of calls */
    REST_S = 60   /* between two sweeps */
};

static bool has_end(void *arg, const struct store_kind *kind)
{
    bool *any = arg;
    *any = *any || kind->ttl > 0;
    return !*any;
}

enum err_code event_expiry_work(struct event_expiry *x, struct store_conn *c, int64_t *n, struct err *e)
{
    int64_t end_ns = clock_monotonic_ns() + (int64_t)WORK_MS * 1000000, gone;
    const struct store_expiry expiry = {.now = clock_unix_s(), .keep = x->keep};
    enum err_code code = ERR_OK;
    bool any = x->keep > 0;
    *n = 0;
    if (x->at == 0 && expiry.now < x->until)
        return ERR_OK;
    if (!any)
        code = store_each_kind(c, has_end, &any, e);
    do {
        gone = 0;
        if (any && !code)
            code = store_expire(c, &expiry, &x->at, &gone, e);
        *n += gone;
    } while (!code && any && x->at && clock_monotonic_ns() < end_ns);
    if (!code && (!any || !x->at)) {
        x->at = 0;
        x->until = expiry.now + REST_S;
    }
    return code;
}
