/* batch - the parts of a request's body, read one by one while their faults are gathered.
 * Layer: server/api
 * Threads: confined to its thread.
 * Memory: the parsed body and what the parts were read into, until batch_fini. */
#ifndef SERVER_API_BATCH_H
#define SERVER_API_BATCH_H

#include "server/api/json_body.h"
#include "server/http/problem_list.h"
#include "server/http/request.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct batch {
    json_t **roots; /* (n_roots) parsed documents, in which the texts of the parts live */
    size_t n_roots;
    size_t n;      /* parts that were read */
    void **blocks; /* (n_blocks) of batch_alloc */
    size_t n_blocks, blocks_capacity;
    struct problem_list faults;
};

/* What a body is made of: {"NAME": [part, ...]}, or a part a line. */
struct batch_parts {
    const char *name, *mark; /* the member that has the parts; one that a part has (json_body_parts) */
    size_t most;
    bool lines; /* NDJSON */
    void *arg;
    /* Makes room for n parts; false: answered. */
    bool (*reserve)(void *arg, size_t n);
    /* Reads the i-th part; NULL: it is no JSON, which is among the faults. */
    void (*read)(void *arg, size_t i, const json_t *value, const struct json_place *at);
};

/* Begins to gather faults: those that a refusal lists, or with skip the first ones of each part, for an
 * answer that says what it leaves out. What is wrong with a value of the body from here on is no answer
 * yet. */
void batch_init(struct request *r, struct batch *b, bool skip);
void batch_fini(struct request *r, struct batch *b);

/* Before the parts are read once more. */
void batch_forget_faults(struct batch *b);

/* Zeroed memory until batch_fini; NULL: answered. */
void *batch_alloc(struct request *r, struct batch *b, size_t count, size_t size);

/* Ends a rehearsal of the answer before the commit (session_answerable): the caller has written it to
 * r->answer as far as it is known, and may write so many bytes more when it answers. Then there is room
 * for it. ERR_LIMIT: it would be larger than an answer may be. */
enum err_code batch_rehearsed(struct request *r, size_t more_bytes, struct err *e) ERR_MUST_CHECK;

/* Appends ,"refused":[...]: what on_error=skip left out. */
void batch_add_refused(struct batch *b, struct buf *out);

/* Reads all parts of the body. False: answered, since something is wrong with the whole. */
bool batch_read(struct request *r, struct batch *b, const struct batch_parts *parts);

#endif
