/* exchange - what hangs on a connection while a request lasts, and what an HTTP thread keeps of it for the
 * next.
 * Layer: server/http
 * Threads: an exchange belongs to its HTTP thread, and to a worker while it is suspended; the spares to their
 *   thread.
 * Memory: of ended exchanges a few are kept, so that an answer from the cache takes nothing from the heap
 *   that all threads share. */
#ifndef SERVER_HTTP_EXCHANGE_H
#define SERVER_HTTP_EXCHANGE_H

#include "server/http/connections.h"
#include "server/http/http.h"
#include "server/http/listen.h"
#include "server/http/worker_pool.h"

#include <pthread.h>
#include <stdatomic.h>

struct http_server {
    struct MHD_Daemon *daemon;
    struct workers *workers[N_QUEUES];
    struct connections *connections;
    struct body_memory body_memory;
    struct http_handler handler;
    struct http_config config;
    pthread_key_t thread_key;    /* an HTTP thread's struct http_thread */
    struct http_thread *threads; /* (config.n_threads) each its own thread's from its first request on */
    atomic_size_t n_threads_taken;
    struct http_address address;
    char id_prefix[REQUEST_ID_BYTES / 2]; /* of the requests' own ids: the start and the process */
    atomic_ullong n_ids;
    atomic_bool ends; /* nobody is answered any more */
};

/* What hangs on a connection while a request lasts. */
struct exchange {
    struct http_server *server;
    struct request *request;
    struct MHD_Connection *connection;
    struct connection *of;     /* the connection, as connections.h has it */
    unsigned long long number; /* among its requests */
    bool begun;                /* headers were looked at */
    bool waits;                /* for the next call of `handle`, which gives it to a worker */
    bool suspended;            /* a worker has or had it */
    bool not_read;             /* refused before its body, which is not even thrown away */
    bool abandoned;            /* its client left before there was an answer */
    size_t n_thrown_away;
    int64_t queued_ns; /* when it was given to the workers */
    struct exchange *next_spare;
};

struct http_thread;

/* All that HTTP threads need, made before there are any: what is missing is missing at start, not at a
 * request. */
enum err_code http_threads_new(struct http_server *s, struct err *e) ERR_MUST_CHECK;
void http_threads_free(struct http_server *s);

/* The calls' workspace of the calling HTTP thread, borrowed; NULL when there is no memory to remember it, now
 * or by then. */
struct api_thread *http_thread_api(struct http_server *s);

/* An exchange with a request for the target, new; NULL when there is no memory. */
struct exchange *exchange_take(struct http_server *s, const char *target);

/* Ends it. */
void exchange_put(struct http_server *s, struct exchange *x);

#endif
