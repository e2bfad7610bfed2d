/* http - the door to libmicrohttpd: connections, bodies, suspension, stop. Who answers behind it is a handler
 * (handler.h), which sees struct request only.
 * Layer: server/http
 * Threads: http_start makes the HTTP threads (one epoll loop each) and the workers; the rest is called by the
 *   thread that started it.
 * Memory: bounded by connections, body limit and queue. */
#ifndef SERVER_HTTP_HTTP_H
#define SERVER_HTTP_HTTP_H

#include "base/err.h"
#include "server/http/handler.h"

#include <stddef.h>

struct http_server;

struct http_config {
    const char *listen; /* HOST:PORT, [IPV6]:PORT; port 0: any free one */
    size_t n_threads;
    size_t n_workers, n_write_workers,
        n_long_workers;                     /* of reads that wait, of writes, of long computations */
    size_t max_body_bytes, max_body_memory; /* of one body, of all */
    size_t max_connections, max_per_address;
    size_t max_queue;      /* of each kind of work */
    unsigned timeout_s;    /* of a connection without progress */
    unsigned keep_alive_s; /* of one between requests */
    unsigned deadline_s;   /* from a request's first byte to its last */
};

/* Both are copied. */
enum err_code http_start(const struct http_config *config, const struct http_handler *handler,
                         struct http_server **out, struct err *e) ERR_MUST_CHECK;

/* "http://127.0.0.1:8080" with the real port. */
void http_url(const struct http_server *s, char *out, size_t size);

/* Stops accepting, waits up to max_s seconds for requests under way, then ends all threads. */
void http_stop(struct http_server *s, unsigned max_s);

/* Splits HOST:PORT; false when it is not of that form. */
bool http_split_listen(const char *listen, char host[256], char port[8]);

#endif
