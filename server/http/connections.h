/* connections - who is connected, since when and how long silent; who may come, and who must leave for that.
 *
 * At most max_connections are kept, and of one address (an IPv6 one by its first 64 bits) at most
 * max_per_address. Whoever comes when there is no place takes that of the connection whose last answer, or
 * whose beginning when it never had one, is longest ago, and that waits for its client: what a server owes an
 * answer is left alone. When all are owed one, LIMIT_RESERVED_CONNECTIONS more are taken, for probes and the
 * admin alone. A thread of its own ends those that pass a time limit:
 *   keep_alive_s  between requests
 *   request_s     before the first one; without a byte of a request, or one taken of an answer
 *   deadline_s    from a request's first byte to its last
 * Layer: server/http
 * Threads: any; a struct connection belongs to the thread that serves it, but for what is atomic.
 * Memory: a block a connection, and a table of pointers as long as the process may have files. */
#ifndef SERVER_HTTP_CONNECTIONS_H
#define SERVER_HTTP_CONNECTIONS_H

#include "base/err.h"
#include "server/http/counters.h"
#include "server/http/wire.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct connections;

struct connections_config {
    size_t max_connections, max_per_address;
    unsigned keep_alive_s, request_s, deadline_s;
};

enum connection_phase {
    CONNECTION_IDLE,      /* between requests */
    CONNECTION_RECEIVING, /* a request has begun */
    CONNECTION_ANSWERING, /* it is whole: the server owes an answer, or is sending it */
    CONNECTION_ENDED      /* its socket was shut, by who found it over a limit */
};

enum { CONNECTION_ADDRESS_BYTES = 17 }; /* family and address */

struct connection {
    struct connections *all;
    void *exchange; /* of the request at hand, or NULL; whose door it is knows what it is */
    struct wire wire;
    unsigned long long n_requests; /* that were handed to the API */
    atomic_bool served;            /* had an answer */
    bool reserved;                 /* came when all others were owed an answer */
    int fd;
    atomic_int phase;
    _Atomic int64_t begun_ns;    /* the phase */
    _Atomic int64_t byte_ns;     /* the last byte that came */
    _Atomic int64_t answered_ns; /* the last answer; at first the beginning */
    /* guarded by the lock of all */
    size_t place;        /* in the list of all */
    int unsent_bytes;    /* of an answer, when last looked at */
    int64_t progress_ns; /* when that last changed */
    unsigned char address[CONNECTION_ADDRESS_BYTES];
};

/* Counts into m. Starts the thread. */
enum err_code connections_new(const struct connections_config *config, struct http_counters *m,
                              struct connections **out, struct err *e) ERR_MUST_CHECK;

/* Ends the thread; NULL is allowed. No connection may be left. */
void connections_free(struct connections *all);

/* Whether one more may come from an address; another may be shut for it. */
bool connections_admit(struct connections *all, const struct sockaddr *from);

/* One has come: new, owned by the caller until connection_close. NULL when there is no memory, or fd is
 * beyond the table. */
struct connection *connection_open(struct connections *all, int fd, const struct sockaddr *from);

/* Before its socket is closed. NULL is allowed. */
void connection_close(struct connection *c);

/* The connection of a socket, borrowed by the thread that serves it; NULL: none of ours. */
struct connection *connection_of(int fd);

/* Bytes came; a request has begun when none was at hand. */
void connection_receives(struct connection *c);

/* The request is whole. False: the connection was ended before. */
bool connection_owes_answer(struct connection *c);

/* The answer was sent, or there will be none. */
void connection_answered(struct connection *c);

/* Whether nobody waits any more for an answer that was so long in the queue: the connection was reset, or has
 * been shut on the client's side for longer than one that only says that it will send no more would take to
 * be served. */
bool connection_abandoned(const struct connection *c, int64_t waited_ns);

/* One round of the thread, for tests: ends what is over its limits at `now`. */
void connections_sweep(struct connections *all, int64_t now_ns);

#endif
