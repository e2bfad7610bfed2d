/* request - one HTTP request and its answer, as the API sees them: no socket, no library type.
 * Layer: server/http
 * Threads: owned by one thread at a time (HTTP thread, then a worker, then back).
 * Memory: one block for the request, one for its target's copies, one for its plan, the body up to its limit,
 *   the answer up to LIMIT_RESPONSE_BYTES. */
#ifndef SERVER_HTTP_REQUEST_H
#define SERVER_HTTP_REQUEST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REQUEST_MAX_SEGMENTS = 8, REQUEST_MAX_PARAMS = 32, REQUEST_ID_BYTES = 64, REQUEST_ALLOW_BYTES = 48 };

struct request_param {
    struct text name, value; /* percent-decoded */
};

struct route;
struct problem_list;

/* What the bodies of all requests, and what is made of them, take together. */
struct body_memory {
    atomic_size_t used_bytes;
    size_t max_bytes;
};

/* An ended request keeps what is no larger than this of its memory, each of its parts. */
enum { REQUEST_KEPT_BYTES = 16 << 10 };

struct request {
    char *raw_target;       /* a copy of what was sent; one block with target */
    char *target;           /* another copy, decoded in place */
    size_t target_capacity; /* of the block */
    struct buf body;
    struct buf answer;
    struct body_memory *memory; /* NULL: without a limit */
    size_t charged_bytes;       /* of it, for this request */
    void *plan;                 /* (plan_capacity bytes) what the call was read into, see request_plan */
    size_t plan_capacity;
    void (*end_plan)(void *plan); /* NULL: there is no plan */
    /* From here on a new request begins with zeros; the first n_params of params are set. */
    const char *method; /* borrowed from the connection */
    bool bad_path;      /* a bad percent-encoding */
    bool bad_query;     /* that, or too many parameters */
    size_t n_segments;  /* more than REQUEST_MAX_SEGMENTS: the path is too deep to be kept */
    struct text segments[REQUEST_MAX_SEGMENTS];                      /* of the path, percent-decoded */
    struct text content_type, content_encoding, authorization, host; /* NULL data: none */
    char id[REQUEST_ID_BYTES]; /* the caller's X-Request-Id or our own */
    bool body_too_large;
    bool lacked_memory;        /* of all bodies */
    const struct route *route; /* set by the router */
    struct problem_list
        *faults;     /* where faults of the body's values are gathered; NULL: the first one is the answer */
    bool by_admin;   /* it carries the admin token */
    bool takes_long; /* its plan says that it is a long computation */
    bool writes;     /* its plan says that it writes, although its route is one that reads */
    bool (*client_left)(const void *of); /* see request_is_left; NULL: nobody can tell */
    const void *left_of;
    bool is_left; /* found so: there will be no answer */
    int64_t start_ns;

    /* the answer */
    int status;                      /* 0: not answered yet */
    const char *answer_type;         /* its Content-Type; static */
    size_t answer_bytes;             /* of what was handed over to be sent */
    const char *cache;               /* "hit", "miss" or NULL: x-hypernet-cache */
    char allow[REQUEST_ALLOW_BYTES]; /* of 405 and OPTIONS; empty: none */
    bool challenge;                  /* WWW-Authenticate of 401 */
    bool names_encodings;            /* Accept-Encoding of 415 */
    bool closes;                     /* the connection ends with it */
    int retry_after_s;               /* of 503 and 429; 0: none */

    size_t n_params;
    struct request_param params[REQUEST_MAX_PARAMS];
};

/* New request for a raw target ("/v1/users/a%2Fb?limit=5"); NULL when there is no memory. */
struct request *request_new(const char *raw_target, size_t max_body_bytes);

/* Ends a request that shall be renewed: frees its large parts. */
void request_end(struct request *r);

/* Makes an ended request one for another target, in the same memory; false, and it stays the ended one, when
 * there is none. */
bool request_renew(struct request *r, const char *raw_target);

void request_free(struct request *r);

/* Room for what a call is read into, which the thread that answers finds as r->plan; not zeroed. It is that
 * of an earlier request's plan where that is enough. `end` is called once, by request_end_plan or at the
 * request's end. NULL when there is no memory. */
void *request_plan(struct request *r, size_t size, void (*end)(void *plan));
void request_end_plan(struct request *r); /* nothing where there is none */

/* Counts that many bytes, all in all, as taken for the request's body until it ends; the first
 * REQUEST_KEPT_BYTES are free. False: too much is taken already, and it stays as it was. */
bool request_charge(struct request *r, size_t bytes);

/* Counts so many bytes more: what is made of the body. */
bool request_charge_more(struct request *r, size_t bytes);

/* Whether the client of a request that a worker runs has gone: who computes for long looks between two steps,
 * and then returns; what it answered is dropped. A system call. */
bool request_is_left(struct request *r);

/* The value of the first parameter of this name, or NULL data. */
struct text request_param_of(const struct request *r, const char *name);

/* Starts an answer: sets status and content type, empties the buffer; returns it. */
struct buf *request_answer(struct request *r, int status, const char *content_type);

/* Whether the media type, without its parameters, is this one, or ends with suffix ("+json"; NULL: none). */
bool request_type_is(const struct request *r, const char *type, const char *suffix);

extern const char request_json[]; /* "application/json" */
extern const char
    request_bytes[]; /* "application/octet-stream": the answer is sent as it is, others end with a
                                      newline */

#endif
