/* handler - who answers behind the door, as a table of functions: the door knows no word of what is answered.
 * Layer: server/http
 * Threads: said of each function.
 * Memory: what thread_new makes is freed by thread_free. */
#ifndef SERVER_HTTP_HANDLER_H
#define SERVER_HTTP_HANDLER_H

#include "base/err.h"
#include "server/http/counters.h"
#include "server/http/route.h"

#include <stdatomic.h>

struct http_handler {
    void *of; /* goes to begin, finish and thread_new */
    struct http_counters *counters;
    const atomic_bool *draining; /* answers ask the client to leave */

    /* What a thread needs for its calls, confined to it from then on. Called by the thread that starts the
     * server, and by workers as they start, several at a time. */
    enum err_code (*thread_new)(void *of, struct api_thread **out, struct err *e);
    void (*thread_free)(struct api_thread *t);

    /* Called once a request's headers are read, by any thread: sets r->route, or answers a refusal. */
    void (*begin)(void *of, struct request *r);

    /* Called once the body is there, by an HTTP thread: reads the request and waits for nothing. True: `run`
     * is to be called here, or it answered with a refusal; false: by a worker. Not called for a body that is
     * encoded, which a worker decodes first. */
    bool (*plan)(struct api_thread *t, struct request *r);

    /* Answers a request that is not answered yet, in the thread that t belongs to: the one that planned it,
     * or a worker. What was planned is not read again. */
    void (*run)(struct api_thread *t, struct request *r);

    /* The request is answered, or was let go: counts and logs it. Any thread. */
    void (*finish)(void *of, struct request *r);
};

#endif
