/* How a request lives here. Bytes are looked at before libmicrohttpd has them (mhd_system.c, wire.h). It
 * calls `begin_request` with the raw target, then `handle` at the headers, for each piece of the body, and at
 * its end; `end_request` frees the state at the end, and where the library forgets to call it, the next
 * request of the connection does, or its close.
 *
 * - Headers: framing, route, token, media type and declared length are checked. A refusal waits for the end
 *   of the body, which is thrown away, because a client that is still sending would hear of a broken pipe
 *   instead; unless the client asked before sending (Expect: 100-continue), the body is far beyond the limit,
 *   or is not framed as it must be.
 * - End: the call is planned, once. What needs no wait is run and its answer queued at once in this thread.
 *   What does gets a place in the queue of its kind; the connection is suspended, then the job is published.
 *   The worker runs what was planned and resumes the connection, and `handle` queues the answer. A
 *   connection is suspended one call of `handle` later than the call that decided it. The library makes that
 *   second call at once, when the first one left no answer, and only then notes that it has nothing to read.
 *   If a connection were suspended in the first call, the library would read from the client after the
 *   resume, before it asks for the answer. A client that has shut its sending side would then be taken for
 *   gone (libmicrohttpd 0.9.75).
 *
 * Who is connected and for how long is in connections.c. While draining, answers carry Connection: close, so
 * that clients and proxies leave before the stop. */
#include "server/http/http.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "server/http/connections.h"
#include "server/http/content_encoding.h"
#include "server/http/exchange.h"
#include "server/http/mhd_system.h"
#include "server/http/problem.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of a refused body, up to this many times the limit is read and thrown away. */
enum { MAX_THROWN_AWAY = 8 };

/* ---- the state of a request ---- */

static void finish(struct http_server *s, struct exchange *x)
{
    x->of->exchange = NULL;
    COUNTER_ADD(s->handler.counters, rejected_body_memory, x->request->lacked_memory);
    s->handler.finish(s->handler.of, x->request);
    connection_answered(x->of);
    exchange_put(s, x);
    COUNTER_ADD(s->handler.counters, in_flight, -1);
}

/* What connections.h has of a connection; NULL when there was no memory. */
static struct connection *connection_behind(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void *begin_request(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct http_server *s = arg;
    struct connection *c = connection_behind(connection);
    if (!c)
        return NULL; /* `handle` drops the connection */
    if (c->exchange)
        finish(s, c->exchange);
    unsigned long long number = ++c->n_requests;
    struct exchange *x = exchange_take(s, uri);
    if (!x)
        return NULL;
    *x = (struct exchange){
        .server = s, .request = x->request, .connection = connection, .of = c, .number = number};
    x->request->memory = &s->body_memory;
    c->exchange = x;
    COUNTER_ADD(s->handler.counters, in_flight, 1);
    return x;
}

static void end_request(void *arg, struct MHD_Connection *connection, void **state,
                        enum MHD_RequestTerminationCode why)
{
    struct connection *c = connection_behind(connection);
    (void)why;
    if (*state && c && c->exchange == *state)
        finish(arg, *state);
    *state = NULL;
}

static enum MHD_Result admit(void *arg, const struct sockaddr *from, socklen_t size)
{
    struct http_server *s = arg;
    (void)size;
    return connections_admit(s->connections, from) ? MHD_YES : MHD_NO;
}

static void note_connection(void *arg, struct MHD_Connection *connection, void **state,
                            enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = arg;
    struct connection *c = *state;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *from =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
        const union MHD_ConnectionInfo *fd =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *state = from && fd ? connection_open(s->connections, fd->connect_fd, from->client_addr) : NULL;
        return;
    }
    if (c && c->exchange)
        finish(s, c->exchange);
    connection_close(c);
    *state = NULL;
}

/* Paths and parameters are decoded by request.c from the raw target. */
static size_t keep_escaped(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text);
}

static struct text header(struct MHD_Connection *connection, const char *name)
{
    const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
    return text_of(value);
}

/* The caller's id when it is harmless to print, else one of our own. */
static void choose_id(struct http_server *s, struct request *r, struct text given)
{
    bool harmless = given.data && given.len > 0 && given.len < REQUEST_ID_BYTES;
    for (size_t i = 0; harmless && i < given.len; i++)
        harmless =
            given.data[i] > ' ' && given.data[i] < 127 && given.data[i] != '"' && given.data[i] != '\\';
    if (harmless) {
        memcpy(r->id, given.data, given.len);
        return;
    }
    unsigned long long n = atomic_fetch_add_explicit(&s->n_ids, 1, memory_order_relaxed);
    char *at = stpcpy(r->id, s->id_prefix);
    int digits = 1;
    while (digits < 16 && n >> (4 * digits))
        digits++;
    while (digits-- > 0)
        *at++ = "0123456789abcdef"[n >> (4 * digits) & 15];
    *at = '\0';
}

/* ---- answers ---- */

static void add_headers(struct exchange *x, struct MHD_Response *answer)
{
    struct request *r = x->request;
    char number[16];
    if (r->answer_type)
        MHD_add_response_header(answer, "Content-Type", r->answer_type);
    MHD_add_response_header(answer, "X-Request-Id", r->id);
    if (r->cache)
        MHD_add_response_header(answer, "x-hypernet-cache", r->cache);
    if (r->allow[0])
        MHD_add_response_header(answer, "Allow", r->allow);
    if (r->challenge)
        MHD_add_response_header(answer, "WWW-Authenticate", "Bearer realm=\"hypernet\"");
    if (r->names_encodings)
        MHD_add_response_header(answer, "Accept-Encoding", content_encodings);
    if (!r->route || r->route->access != ACCESS_ALL) /* of a person, or for one who may ask */
        MHD_add_response_header(answer, "Cache-Control", "no-store");
    if (r->retry_after_s) {
        (void)snprintf(number, sizeof number, "%d", r->retry_after_s);
        MHD_add_response_header(answer, "Retry-After", number);
    }
    bool draining = atomic_load_explicit(x->server->handler.draining, memory_order_relaxed);
    if (draining || r->closes)
        MHD_add_response_header(answer, "Connection", "close");
    COUNTER_ADD(x->server->handler.counters, drained_requests, draining);
}

static enum MHD_Result queue_answer(struct exchange *x)
{
    struct request *r = x->request;
    if (r->answer.len && r->answer_type != request_bytes && r->answer.data[r->answer.len - 1] != '\n')
        buf_addc(&r->answer, '\n');
    const char *bytes = buf_text(&r->answer);
    if (!bytes && r->status < 500) /* out of memory while the answer was written, or it passed its limit */
        r->status = 500;
    r->answer_bytes = bytes ? r->answer.len : 0;
    /* Sent from where it was written: the request lasts until `end_request`. */
    struct MHD_Response *answer = MHD_create_response_from_buffer(
        r->answer_bytes, bytes ? r->answer.data : NULL, MHD_RESPMEM_PERSISTENT);
    if (!answer)
        return MHD_NO;
    add_headers(x, answer);
    enum MHD_Result queued = MHD_queue_response(x->connection, (unsigned)r->status, answer);
    MHD_destroy_response(answer);
    return queued;
}

/* ---- workers ---- */

static enum err_code worker_start(void *arg, void **thread, struct err *e)
{
    struct http_server *s = arg;
    return s->handler.thread_new(s->handler.of, (struct api_thread **)thread, e);
}

/* Of a request, for it. */
static bool client_left(const void *exchange)
{
    const struct exchange *x = exchange;
    return atomic_load_explicit(&x->server->ends, memory_order_relaxed) ||
           connection_abandoned(x->of, clock_monotonic_ns() - x->queued_ns);
}

static void run_job(struct http_server *s, void *thread, struct exchange *x)
{
    struct request *r = x->request;
    int64_t waited_ns = clock_monotonic_ns() - x->queued_ns;
    r->client_left = client_left;
    r->left_of = x;
    if (request_is_left(r)) {
        /* nothing is done for it */
    } else if (waited_ns > (int64_t)s->config.timeout_s * 1000000000) {
        /* A suspended connection has no timeout of its own; who asked has given up, and others wait. */
        COUNTER_ADD(s->handler.counters, rejected_waited_too_long, 1);
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no worker had time within %u s (--request-timeout)",
                       s->config.timeout_s);
    } else if (!content_is_encoded(r) || content_decode(r)) {
        s->handler.run(thread, r);
    }
    if (!r->is_left)
        return;
    COUNTER_ADD(s->handler.counters, abandoned, 1);
    x->abandoned = true;
    r->status = 0; /* it is not answered */
}

static void worker_run(void *arg, void *thread, void *job)
{
    struct exchange *x = job;
    struct http_server *s = arg;
    COUNTER_ADD(s->handler.counters, queued, -1);
    run_job(s, thread, x);
    MHD_resume_connection(x->connection);
}

static void worker_stop(void *arg, void *thread)
{
    struct http_server *s = arg;
    s->handler.thread_free(thread);
}

/* Of scans and copies few wait: each does for seconds, and who asked is gone before many are over. */
static size_t max_waiting(const struct http_server *s, size_t queue)
{
    enum { MAX_SCANS = 8 };
    bool few = queue == QUEUE_SCAN || queue == QUEUE_COPY;
    return few && s->config.max_queue > MAX_SCANS ? MAX_SCANS : s->config.max_queue;
}

static void hand_over(struct exchange *x)
{
    static const char *const kinds[N_QUEUES] = {
        "reads", "writes", "large writes", "explanations and large bodies", "scans", "copies"};
    struct http_server *s = x->server;
    enum route_queue queue = route_queue(x->request);
    x->waits = false;
    if (!worker_reserve(s->workers[queue])) {
        COUNTER_ADD(s->handler.counters, rejected_queue_full, 1);
        problem_answer(x->request, PROBLEM_OVERLOADED, NULL, "%zu %s wait already%s; try again in a second",
                       max_waiting(s, queue), kinds[queue],
                       max_waiting(s, queue) == s->config.max_queue ? " (--max-queue)" : "");
        return;
    }
    x->suspended = true;
    x->queued_ns = clock_monotonic_ns();
    COUNTER_ADD(s->handler.counters, queued, 1);
    MHD_suspend_connection(x->connection);
    worker_submit(s->workers[queue], x); /* from here on the exchange is the worker's until it resumes */
}

/* ---- the handler ---- */

/* Refuses a request that is not framed as it must be; the connection ends with it. */
static bool refuse_faulty(struct exchange *x)
{
    static const enum problem problems[] = {[WIRE_MALFORMED] = PROBLEM_BAD_REQUEST,
                                            [WIRE_TARGET_TOO_LONG] = PROBLEM_TARGET_TOO_LONG,
                                            [WIRE_HEAD_TOO_LARGE] = PROBLEM_HEAD_TOO_LARGE,
                                            [WIRE_VERSION] = PROBLEM_HTTP_VERSION};
    const struct wire *w = &x->of->wire;
    if (!w->fault || w->n_requests != x->number)
        return false;
    COUNTER_ADD(x->server->handler.counters, rejected_malformed, 1);
    problem_answer(x->request, problems[w->fault], NULL, "%s", w->what);
    x->request->closes = x->not_read = true;
    return true;
}

/* Connections beyond the limit are for probes and the admin. */
static void refuse_reserved(struct exchange *x)
{
    struct request *r = x->request;
    if (r->status || r->route->access != ACCESS_API)
        return;
    problem_answer(r, PROBLEM_OVERLOADED, NULL,
                   "all connections are busy (--max-connections); try again in a second");
    r->closes = true;
}

static void check_encoding(struct request *r)
{
    if (r->status || content_encoding_known(r))
        return;
    problem_answer(r, PROBLEM_MEDIA_TYPE, NULL,
                   "a body may be plain, or have Content-Encoding gzip or deflate");
    r->names_encodings = true;
}

static void look_at_headers(struct exchange *x, const char *method)
{
    struct request *r = x->request;
    x->begun = true;
    r->method = method;
    r->content_type = header(x->connection, "Content-Type");
    r->content_encoding = header(x->connection, "Content-Encoding");
    r->authorization = header(x->connection, "Authorization");
    r->host = header(x->connection, "Host");
    choose_id(x->server, r, header(x->connection, "X-Request-Id"));
    if (refuse_faulty(x))
        return;
    x->server->handler.begin(x->server->handler.of, r);
    if (x->of->reserved)
        refuse_reserved(x);
    check_encoding(r);
    struct text length = header(x->connection, "Content-Length");
    unsigned long long declared = length.data ? strtoull(length.data, NULL, 10) : 0;
    if (!r->status && declared > x->server->config.max_body_bytes)
        r->body_too_large = true;
    x->not_read =
        (r->status || r->body_too_large) && (declared / MAX_THROWN_AWAY > x->server->config.max_body_bytes ||
                                             header(x->connection, "Expect").data);
}

static void answer_too_large(struct exchange *x)
{
    problem_answer(x->request, PROBLEM_TOO_LARGE, NULL, "a body may have %zu bytes (--max-body-bytes)",
                   x->server->config.max_body_bytes);
}

/* A piece of the body: kept, or thrown away when the answer is known already. A body without an end ends the
 * connection. */
static enum MHD_Result take_piece(struct exchange *x, const char *bytes, size_t n)
{
    struct request *r = x->request;
    if (r->status || r->body_too_large) {
        x->n_thrown_away += n;
        return x->n_thrown_away / MAX_THROWN_AWAY > x->server->config.max_body_bytes ? MHD_NO : MHD_YES;
    }
    buf_add(&r->body, bytes, n);
    if (r->body.failed == ERR_LIMIT) {
        r->body_too_large = true;
        buf_fini(&r->body);
    } else if (!request_charge(r, r->body.capacity)) {
        problem_answer(
            r, PROBLEM_OVERLOADED, NULL,
            "bodies take all the memory there is for them (--max-body-memory); try again in a second");
        buf_fini(&r->body);
    }
    return r->body.failed == ERR_NOMEM ? MHD_NO : MHD_YES;
}

static void run_call(struct exchange *x)
{
    struct request *r = x->request;
    if (r->body_too_large) {
        answer_too_large(x);
        return;
    }
    if (refuse_faulty(x))
        return;
    const struct http_handler *handler = &x->server->handler;
    struct api_thread *t = http_thread_api(x->server);
    if (!t) {
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for this thread's workspace");
        return;
    }
    x->waits = content_is_encoded(r) || !handler->plan(t, r);
    if (!x->waits && !r->status)
        handler->run(t, r);
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    struct exchange *x = *state;
    (void)arg;
    (void)url;
    (void)version;
    (void)connection;
    if (!x || x->abandoned)
        return MHD_NO;
    if (!x->begun) {
        look_at_headers(x, method);
        if (x->not_read && *upload_size == 0) {
            if (x->request->body_too_large)
                answer_too_large(x);
            return connection_owes_answer(x->of) ? queue_answer(x) : MHD_NO;
        }
        return MHD_YES;
    }
    if (*upload_size) {
        size_t n = *upload_size;
        *upload_size = 0;
        return take_piece(x, upload, n);
    }
    if (!connection_owes_answer(x->of))
        return MHD_NO;
    if (!x->request->status && !x->suspended) {
        if (x->waits)
            hand_over(x);
        else
            run_call(x);
        if (x->suspended || x->waits)
            return MHD_YES; /* called again, at once or when a worker has resumed the connection: x may be in
                               its hands */
    }
    return queue_answer(x);
}

/* ---- start and stop ---- */

static enum err_code start_daemon(struct http_server *s, struct err *e)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
    /* The library deals its limit out to its threads and stops to listen at it: connections.c sees to it that
     * it is never reached. */
    unsigned never =
        (unsigned)(2 * (s->config.max_connections + LIMIT_RESERVED_CONNECTIONS) * s->config.n_threads);
    s->daemon = MHD_start_daemon(
        flags, 0, admit, s, handle, s, MHD_OPTION_LISTEN_SOCKET, s->address.socket,
        MHD_OPTION_URI_LOG_CALLBACK, begin_request, s, MHD_OPTION_NOTIFY_COMPLETED, end_request, s,
        MHD_OPTION_NOTIFY_CONNECTION, note_connection, s, MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, s,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)s->config.n_threads, MHD_OPTION_CONNECTION_LIMIT, never,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LIMIT_HEAD_BYTES, MHD_OPTION_END);
    return s->daemon ? ERR_OK
                     : err_set(e, ERR_IO, "the HTTP server did not start on '%s': %s", s->config.listen,
                               strerror(errno));
}

static enum err_code start_connections(struct http_server *s, struct err *e)
{
    const struct http_config *c = &s->config;
    struct connections_config config = {.max_connections = c->max_connections,
                                        .max_per_address = c->max_per_address,
                                        .keep_alive_s = c->keep_alive_s,
                                        .request_s = c->timeout_s,
                                        .deadline_s = c->deadline_s};
    if (!http_system_stands())
        return err_set(e, ERR_INTERNAL, "the HTTP library does not read through this program");
    return connections_new(&config, s->handler.counters, &s->connections, e);
}

/* One waits for the disk while the other one does, and what both read they read once. */
enum { COPY_WORKERS = 2 };

static enum err_code start_workers(struct http_server *s, struct err *e)
{
    struct worker_calls calls = {s, worker_start, worker_run, worker_stop};
    size_t n_threads[N_QUEUES] = {[QUEUE_READ] = s->config.n_workers,
                                  [QUEUE_WRITE] = s->config.n_write_workers,
                                  [QUEUE_BULK] = 1,
                                  [QUEUE_LONG] = s->config.n_long_workers,
                                  [QUEUE_SCAN] = 1,
                                  [QUEUE_COPY] = COPY_WORKERS};
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < N_QUEUES && !code; i++)
        code = workers_start(n_threads[i], max_waiting(s, i), &calls, &s->workers[i], e);
    return code;
}

static void stop_workers(struct http_server *s)
{
    for (size_t i = 0; i < N_QUEUES; i++)
        workers_stop(s->workers[i]);
}

/* What is left when no thread runs any more. */
static void free_server(struct http_server *s)
{
    for (size_t i = 0; i < N_QUEUES; i++)
        workers_free(s->workers[i]);
    connections_free(s->connections);
    http_threads_free(s);
    pthread_key_delete(s->thread_key);
    mem_free(s);
}

enum err_code http_start(const struct http_config *config, const struct http_handler *handler,
                         struct http_server **out, struct err *e)
{
    struct http_server *s = mem_zalloc_array(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "no memory for the HTTP server");
    s->config = *config;
    s->handler = *handler;
    s->address.socket = -1;
    s->body_memory.max_bytes = config->max_body_memory;
    (void)snprintf(s->id_prefix, sizeof s->id_prefix, "%llx-%x-", (unsigned long long)clock_unix_ms(),
                   (unsigned)getpid());
    if (pthread_key_create(&s->thread_key, NULL)) {
        mem_free(s);
        return err_set(e, ERR_NOMEM, "no memory for the HTTP server's threads");
    }
    enum err_code code = http_listen(config->listen, &s->address, e);
    if (!code)
        code = http_threads_new(s, e);
    if (!code)
        code = start_connections(s, e);
    if (!code)
        code = start_workers(s, e);
    if (!code)
        code = start_daemon(s, e);
    if (code) {
        stop_workers(s);
        if (s->address.socket >= 0)
            (void)close(s->address.socket);
        free_server(s);
        return code;
    }
    *out = s;
    return ERR_OK;
}

void http_url(const struct http_server *s, char *out, size_t size)
{
    bool ipv6 = strchr(s->address.host, ':') != NULL;
    (void)snprintf(out, size, "http://%s%s%s:%d", ipv6 ? "[" : "", s->address.host, ipv6 ? "]" : "",
                   s->address.port);
}

void http_stop(struct http_server *s, unsigned max_s)
{
    MHD_socket listening = MHD_quiesce_daemon(s->daemon);
    int64_t end_ns = clock_monotonic_ns() + (int64_t)max_s * 1000000000;
    while (atomic_load(&s->handler.counters->in_flight) > 0 && clock_monotonic_ns() < end_ns)
        (void)usleep(2000);
    atomic_store(&s->ends, true); /* who would compute for longer sees it where it looks for its client */
    /* Jobs first: every suspended connection is resumed by its job, and the daemon must not stop before that.
     */
    stop_workers(s);
    MHD_stop_daemon(s->daemon);
    if (listening != MHD_INVALID_SOCKET)
        (void)close(listening);
    free_server(s);
}
