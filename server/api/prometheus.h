/* metrics - counters of the process in Prometheus' text format.
 * Layer: server; depends on base.      Threads: any; relaxed atomics, no lock.
 * Memory: fixed. No label has unbounded values: routes are templates, never the user. */
#ifndef SERVER_API_PROMETHEUS_H
#define SERVER_API_PROMETHEUS_H

#include "base/buf.h"
#include "server/serving/served_models.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { METRICS_MAX_ROUTES = 32, METRICS_BUCKETS = 14, METRICS_CLASSES = 5 };

/* name, help */
#define METRICS_COUNTERS(X)                                                                                  \
    X(registrations, "Users registered or replaced")                                                         \
    X(deletions, "Users deleted")                                                                            \
    X(item_registrations, "Items registered or replaced")                                                    \
    X(item_deletions, "Items deleted")                                                                       \
    X(events, "Events recorded")                                                                             \
    X(misses_at_once, "Cache misses made by the HTTP thread that was asked, which waited for nothing")       \
    X(rejected_queue_full, "Requests refused because the queue of the workers was full")                     \
    X(rejected_waited_too_long, "Requests refused because no worker had time for them")                      \
    X(rejected_body_memory, "Requests refused because bodies took all of --max-body-memory")                 \
    X(rejected_malformed, "Requests refused because they were not framed as HTTP/1.1 has it")                \
    X(abandoned, "Requests dropped unanswered because their clients left while they waited for a worker")    \
    X(requests_too_slow, "Requests ended because they, or who reads the answer, took too long")              \
    X(connections_evicted, "Connections closed to make room for new ones")                                   \
    X(connections_refused, "Connections refused because there was no room")                                  \
    X(rejected_auth, "Requests refused for want of a valid token")                                           \
    X(rejected_host, "Requests refused because they named another host")                                     \
    X(store_errors, "Reads and writes of the store that failed")                                             \
    X(changes_followed, "Changes of other processes that were followed")                                     \
    X(drained_requests, "Requests answered while draining")

struct metrics {
    atomic_uint_fast64_t requests[METRICS_MAX_ROUTES][METRICS_CLASSES];    /* by route and status / 100 - 1 */
    atomic_uint_fast64_t buckets[METRICS_MAX_ROUTES][METRICS_BUCKETS + 1]; /* latency, not cumulated */
    atomic_uint_fast64_t latency_ns[METRICS_MAX_ROUTES];
#define X(name, help) atomic_uint_fast64_t name;
    METRICS_COUNTERS(X)
#undef X
    atomic_long in_flight;   /* requests begun and not answered */
    atomic_long connections; /* open */
    atomic_long queued;      /* jobs waiting for a worker */
};

#define METRICS_ADD(m, name, n) atomic_fetch_add_explicit(&(m)->name, (n), memory_order_relaxed)

/* Counts a request of a route (METRICS_MAX_ROUTES - 1 stands for none). */
void metrics_request(struct metrics *m, size_t route, int status, int64_t ns);

/* Appends all metrics. */
void metrics_write(const struct metrics *m, const struct serving *serving, struct buf *out);

#endif
