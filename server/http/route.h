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

enum route_next { ROUTE_DONE, ROUTE_NEEDS_WORKER };

/* Who does what an HTTP thread may not. Each has a queue and threads of its own, so that what one kind waits
 * for holds up no other: writes wait for the store's lock, long computations for processors, reads for
 * little. Large writes are made one by one, so that a small one waits for one of them at most. */
enum route_queue { QUEUE_READ, QUEUE_WRITE, QUEUE_BULK, QUEUE_LONG, N_QUEUES };

struct api_thread;

/* Answers r. Without may_block (the thread serves many connections) a call that would wait for the store or
 * somebody else, or take long, returns ROUTE_NEEDS_WORKER and has answered nothing. */
typedef enum route_next route_fn(struct api_thread *t, struct request *r, bool may_block);

struct route {
    const char *method;
    const char
        *pattern; /* "/v1/users/{user}/recommendations": a braced segment matches any one that is not empty */
    enum access access;
    enum body_kind body;
    const char *const *params; /* names of the query parameters it takes, NULL-terminated; "*": any */
    route_fn *run;
    bool writes;            /* it waits for the store's lock */
    const char *long_param; /* a query parameter with which it is a long computation; NULL: none */
};

struct route_table {
    const struct route *routes; /* (n) */
    size_t n;
};

/* Finds the route of r: sets r->route, or answers 400, 404, 405, or OPTIONS. HEAD is served as GET. */
void route_find(const struct route_table *table, struct request *r);

/* The queue of a request whose route was found. */
enum route_queue route_queue(const struct request *r);

/* The number of a route in the table, for metrics; the number of all for NULL. */
size_t route_number(const struct route_table *table, const struct route *route);

#endif
