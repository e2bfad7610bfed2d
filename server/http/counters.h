/* counters - what the door counts, whoever answers behind it.
 * Layer: server/http
 * Threads: any; relaxed atomics.
 * Memory: fixed. */
#ifndef SERVER_HTTP_COUNTERS_H
#define SERVER_HTTP_COUNTERS_H

#include "base/counter.h"

#include <stdint.h>

/* name, help */
#define HTTP_COUNTERS(X)                                                                                     \
    X(rejected_queue_full, "Requests refused because the queue of the workers was full")                     \
    X(rejected_waited_too_long, "Requests refused because no worker had time for them")                      \
    X(rejected_body_memory, "Requests refused because bodies took all of --max-body-memory")                 \
    X(rejected_malformed, "Requests refused because they were not framed as HTTP/1.1 has it")                \
    X(abandoned, "Requests dropped unanswered because their clients left while a worker was due or at work") \
    X(requests_too_slow, "Requests ended because they, or who reads the answer, took too long")              \
    X(connections_evicted, "Connections closed to make room for new ones")                                   \
    X(connections_refused, "Connections refused because there was no room")                                  \
    X(drained_requests, "Requests answered while draining")

struct http_counters {
#define X(name, help) atomic_uint_fast64_t name;
    HTTP_COUNTERS(X)
#undef X
    atomic_long in_flight;   /* requests begun and not answered */
    atomic_long connections; /* open */
    atomic_long queued;      /* jobs waiting for a worker */
};

#endif
