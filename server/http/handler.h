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

    /* Runs the call of r->route in the thread that t belongs to. */
    enum route_next (*run)(struct api_thread *t, struct request *r, bool may_block);

    /* The request is answered, or was let go: counts and logs it. Any thread. */
    void (*finish)(void *of, struct request *r);
};

#endif
