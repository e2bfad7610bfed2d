/* prometheus - counters of the process in Prometheus' text format.
 * No label has unbounded values: routes are templates, never the user.
 * Layer: server/api
 * Threads: any; relaxed atomics, no lock.
 * Memory: fixed. */
#ifndef SERVER_API_PROMETHEUS_H
#define SERVER_API_PROMETHEUS_H

#include "base/buf.h"
#include "base/counter.h"
#include "server/http/counters.h"
#include "server/serving/counters.h"
#include "server/serving/served_models.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum {
    METRICS_MAX_ROUTES = 64,
    METRICS_NO_ROUTE = METRICS_MAX_ROUTES - 1,
    METRICS_BUCKETS = 14,
    METRICS_CLASSES = 5
};

/* name, help; beside those of the door and of the serving core */
#define API_COUNTERS(X)                                                                                      \
    X(rejected_auth, "Requests refused for want of a valid token")                                           \
    X(rejected_host, "Requests refused because they named another host")                                     \
    X(backups, "Copies of the store made by POST /v1/admin/backup")

struct metrics {
    atomic_uint_fast64_t requests[METRICS_MAX_ROUTES][METRICS_CLASSES];    /* by route and status / 100 - 1 */
    atomic_uint_fast64_t buckets[METRICS_MAX_ROUTES][METRICS_BUCKETS + 1]; /* latency, not cumulated */
    atomic_uint_fast64_t latency_ns[METRICS_MAX_ROUTES];
#define X(name, help) atomic_uint_fast64_t name;
    API_COUNTERS(X)
#undef X
    struct http_counters http;
    struct serving_counters serving;
};

/* Counts a request of the route with this number in the table of routes; METRICS_NO_ROUTE: of none. */
void metrics_request(struct metrics *m, size_t route, int status, int64_t ns);

/* Appends all metrics. */
void metrics_write(const struct metrics *m, struct serving *serving, struct buf *out);

#endif
