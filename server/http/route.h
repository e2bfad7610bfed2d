/* route - which call a request makes, by a table of paths and methods, with who may make it, what body it
 * takes and what it may wait for. The table is whoever answers'.
 * Layer: server/http
 * Threads: the table is immutable.
 * Memory: none. */
#ifndef SERVER_HTTP_ROUTE_H
#define SERVER_HTTP_ROUTE_H

#include "server/http/request.h"

#include <stddef.h>

enum access { ACCESS_ALL, ACCESS_API, ACCESS_ADMIN };
enum body_kind { BODY_NONE, BODY_JSON, BODY_JSON_OR_NDJSON };

/* Whether a call may block, and so who runs it. */
enum route_class {
    ROUTE_INLINE, /* the HTTP thread, which serves many connections: it waits for nothing and takes little */
    ROUTE_MAY_BLOCK, /* who it is depends on the request: the HTTP thread plans it, and runs it where that
                        needs no wait; else a worker does */
    ROUTE_READS,     /* a worker from the start: it waits for the store to be read */
    ROUTE_WRITES,    /* likewise, for the store's lock */
    ROUTE_SCANS,     /* likewise, and it goes through all that the store has of a kind */
    ROUTE_COPIES     /* likewise, and it writes out all of it: minutes */
};

/* Who does what an HTTP thread may not. Each has a queue and threads of its own, so that what one kind waits
 * for holds up no other: writes wait for the store's lock, long computations for processors, reads for
 * little. Large writes are made one by one, so that a small one waits for one of them at most; scans too, of
 * which each takes a processor for seconds; copies wait for the disk. */
enum route_queue { QUEUE_READ, QUEUE_WRITE, QUEUE_BULK, QUEUE_LONG, QUEUE_SCAN, QUEUE_COPY, N_QUEUES };

struct api_thread;
typedef void route_fn(struct api_thread *t, struct request *r);

struct route {
    const char *method;
    const char
        *pattern; /* "/v1/users/{user}/recommendations": a braced segment matches any one that is not empty */
    enum access access;
    enum body_kind body;
    const char *const *params; /* names of the query parameters it takes, NULL-terminated; "*": any */
    enum route_class class;
    route_fn *plan; /* of ROUTE_MAY_BLOCK: reads r to r->plan or refuses it, waits for nothing; else NULL */
    route_fn *run;  /* answers r; of ROUTE_MAY_BLOCK by its plan */
    /* Query parameters with any of which it is a long computation, NULL-terminated; "*": it always is. NULL:
     * none. Of ROUTE_SCANS those with which it scans, else it is a read; NULL: it always scans. */
    const char *const *long_params;
};

struct route_table {
    const struct route *routes; /* (n) */
    size_t n;
};

/* Finds the route of r: sets r->route, or answers 400, 404, 405, or OPTIONS. HEAD is served as GET. */
void route_find(const struct route_table *table, struct request *r);

/* Whether a worker has a request, whose route was found, from the start: by its class, or since it takes long
 * to read. */
bool route_is_for_worker(const struct request *r);

/* The queue of a request whose route was found. */
enum route_queue route_queue(const struct request *r);

/* The number of a route in the table, for metrics; the number of all for NULL. */
size_t route_number(const struct route_table *table, const struct route *route);

#endif
