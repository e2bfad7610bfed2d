/* How a request lives here. libmicrohttpd calls `begin_request` with the raw target, then `handle` at the
 * headers, for each piece of the body, and at its end; `end_request` frees the state on every kind of end.
 *
 * - Headers: route, token, media type and declared length are checked. A refusal waits for the end of the
 *   body, which is thrown away, because a client that is still sending would hear of a broken pipe instead;
 *   unless the client asked before sending (Expect: 100-continue) or the body is far beyond the limit.
 * - End: what is cached, or made without waiting, is answered at once, in this thread; what may block gets a place in the queue, the
 *   connection is suspended, and only then is the job published; the worker resumes it and `handle` queues the
 *   answer. It is suspended in the call after the one that found out, which the library makes at once when there is no answer
 *   yet: only by then has it noted that it wants nothing from the client. Else it reads before it asks for the answer, and
 *   a client that has shut its sending side would be taken for gone (libmicrohttpd 0.9.75).
 *
 * While draining, answers carry Connection: close, so that clients and proxies leave before the stop. */
#include "server/http.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/problem.h"
#include "server/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct http_server {
    struct MHD_Daemon *daemon;
    struct workers *workers;
    struct api *api;
    struct http_config config;
    pthread_key_t thread_key;    /* an HTTP thread's struct http_thread */
    struct http_thread *threads; /* (config.n_threads) each its own thread's from its first request on */
    atomic_size_t n_threads_taken;
    char host[256];
    int port;
    int socket;
    char id_prefix[REQUEST_ID_BYTES / 2]; /* of the requests' own ids: the start and the process */
    atomic_ullong n_ids;
};

/* Of a refused body, up to this many times the limit is read and thrown away. */
enum { MOST_THROWN_AWAY = 8 };

/* What hangs on a connection while a request lasts. */
struct exchange {
    struct http_server *server;
    struct request *request;
    struct MHD_Connection *connection;
    bool begun;     /* headers were looked at */
    bool waits;     /* for the next call of `handle`, which gives it to a worker */
    bool suspended; /* a worker has or had it */
    bool not_read;  /* refused before its body, which is not even thrown away */
    size_t n_thrown_away;
    int64_t queued_ns; /* when it was given to the workers */
    struct exchange *next_spare;
};

/* What an HTTP thread has. Ended exchanges serve again, so that an answer from the cache takes nothing from the heap that all
 * threads share; a few are enough, since such answers follow each other. */
enum { MOST_SPARES = 8 };
struct http_thread {
    struct api_thread *api;
    struct exchange *spares;
    size_t n_spares;
};

/* ---- a thread ---- */

static void free_exchange(struct exchange *x)
{
    request_free(x->request);
    mem_free(x);
}

static void free_threads(struct http_server *s)
{
    for (size_t i = 0; s->threads && i < s->config.n_threads; i++) {
        struct http_thread *t = &s->threads[i];
        while (t->spares) {
            struct exchange *x = t->spares;
            t->spares = x->next_spare;
            free_exchange(x);
        }
        api_thread_free(t->api);
    }
    mem_free(s->threads);
}

/* All that HTTP threads need, made before there are any: what is missing is missing at start, not at a request. */
static enum err_code make_threads(struct http_server *s, struct err *e)
{
    s->threads = mem_zalloc_array(s->config.n_threads, sizeof *s->threads);
    if (!s->threads)
        return err_set(e, ERR_NOMEM, "no memory for %zu HTTP threads", s->config.n_threads);
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < s->config.n_threads && !code; i++)
        code = api_thread_new(s->api, &s->threads[i].api, e);
    return code;
}

/* What the calling HTTP thread has; NULL when there is no memory to remember it, now or by then. */
static struct http_thread *own_thread(struct http_server *s)
{
    struct http_thread *t = pthread_getspecific(s->thread_key);
    if (t)
        return t;
    size_t i = atomic_fetch_add(&s->n_threads_taken, 1);
    if (i >= s->config.n_threads || pthread_setspecific(s->thread_key, &s->threads[i]))
        return NULL;
    return &s->threads[i];
}

/* ---- the state of a request ---- */

/* An exchange with a request for the target; NULL when there is no memory. */
static struct exchange *take_exchange(struct http_server *s, const char *target)
{
    struct http_thread *t = own_thread(s);
    struct exchange *x = t ? t->spares : NULL;
    if (x) {
        if (!request_renew(x->request, target))
            return NULL;
        t->spares = x->next_spare;
        t->n_spares--;
        return x;
    }
    x = mem_zalloc_array(1, sizeof *x);
    if (x && !(x->request = request_new(target, s->config.max_body_bytes))) {
        mem_free(x);
        return NULL;
    }
    return x;
}

static void put_exchange(struct http_server *s, struct exchange *x)
{
    struct http_thread *t = pthread_getspecific(s->thread_key);
    if (!t || t->n_spares == MOST_SPARES) {
        free_exchange(x);
        return;
    }
    request_end(x->request);
    x->next_spare = t->spares;
    t->spares = x;
    t->n_spares++;
}

static void *begin_request(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct http_server *s = arg;
    struct exchange *x = take_exchange(s, uri);
    if (!x)
        return NULL; /* `handle` drops the connection */
    *x = (struct exchange){.server = s, .request = x->request, .connection = connection};
    METRICS_ADD(s->api->metrics, in_flight, 1);
    return x;
}

static void end_request(void *arg, struct MHD_Connection *connection, void **state,
                        enum MHD_RequestTerminationCode why)
{
    struct http_server *s = arg;
    struct exchange *x = *state;
    (void)connection;
    (void)why;
    if (!x)
        return;
    api_finish(s->api, x->request);
    put_exchange(s, x);
    *state = NULL;
    METRICS_ADD(s->api->metrics, in_flight, -1);
}

static void count_connection(void *arg, struct MHD_Connection *connection, void **state,
                             enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = arg;
    (void)connection;
    (void)state;
    METRICS_ADD(s->api->metrics, connections, code == MHD_CONNECTION_NOTIFY_STARTED ? 1 : -1);
}

/* Paths and parameters are decoded by request.c from the raw target. */
static size_t keep_escaped(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text);
}

static struct store_text header(struct MHD_Connection *connection, const char *name)
{
    const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
    return (struct store_text){value, value ? strlen(value) : 0};
}

/* The caller's id when it is harmless to print, else one of our own. */
static void choose_id(struct http_server *s, struct request *r, struct store_text given)
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

static enum MHD_Result queue_answer(struct exchange *x)
{
    struct request *r = x->request;
    const char *bytes = buf_text(&r->answer);
    if (!bytes && r->status < 500) /* out of memory while the answer was written, or it passed its limit */
        r->status = 500;
    r->answer_bytes = bytes ? r->answer.len : 0;
    /* Sent from where it was written: the request lasts until `end_request`. */
    struct MHD_Response *answer = MHD_create_response_from_buffer(
        r->answer_bytes, bytes ? r->answer.data : NULL, MHD_RESPMEM_PERSISTENT);
    if (!answer)
        return MHD_NO;
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
    if (r->retry_after_s) {
        (void)snprintf(number, sizeof number, "%d", r->retry_after_s);
        MHD_add_response_header(answer, "Retry-After", number);
    }
    if (atomic_load_explicit(&x->server->api->draining, memory_order_relaxed)) {
        MHD_add_response_header(answer, "Connection", "close");
        METRICS_ADD(x->server->api->metrics, drained_requests, 1);
    }
    enum MHD_Result queued = MHD_queue_response(x->connection, (unsigned)r->status, answer);
    MHD_destroy_response(answer);
    return queued;
}

/* ---- workers ---- */

static enum err_code worker_start(void *arg, void **thread, struct err *e)
{
    struct http_server *s = arg;
    return api_thread_new(s->api, (struct api_thread **)thread, e);
}

static void worker_run(void *arg, void *thread, void *job)
{
    struct exchange *x = job;
    struct http_server *s = arg;
    METRICS_ADD(s->api->metrics, queued, -1);
    if (clock_monotonic_ns() - x->queued_ns > (int64_t)s->config.timeout_s * 1000000000) {
        /* A suspended connection has no timeout of its own; who asked has given up, and others wait. */
        METRICS_ADD(s->api->metrics, rejected_waited_too_long, 1);
        problem_answer(x->request, PROBLEM_OVERLOADED, NULL,
                       "no worker had time within %u s (--request-timeout)", s->config.timeout_s);
    } else {
        (void)api_run(thread, x->request, true);
    }
    MHD_resume_connection(x->connection);
}

static void worker_stop(void *arg, void *thread)
{
    (void)arg;
    api_thread_free(thread);
}

static void hand_over(struct exchange *x)
{
    struct http_server *s = x->server;
    x->waits = false;
    if (!worker_reserve(s->workers)) {
        METRICS_ADD(s->api->metrics, rejected_queue_full, 1);
        problem_answer(x->request, PROBLEM_OVERLOADED, NULL,
                       "%zu requests wait already (--max-queue); try again in a second", s->config.max_queue);
        return;
    }
    x->suspended = true;
    x->queued_ns = clock_monotonic_ns();
    METRICS_ADD(s->api->metrics, queued, 1);
    MHD_suspend_connection(x->connection);
    worker_submit(s->workers, x); /* from here on the exchange is the worker's until it resumes */
}

/* ---- the handler ---- */

static void look_at_headers(struct exchange *x, const char *method)
{
    struct request *r = x->request;
    x->begun = true;
    r->method = method;
    r->content_type = header(x->connection, "Content-Type");
    r->authorization = header(x->connection, "Authorization");
    r->host = header(x->connection, "Host");
    choose_id(x->server, r, header(x->connection, "X-Request-Id"));
    api_begin(x->server->api, r);
    struct store_text length = header(x->connection, "Content-Length");
    unsigned long long declared = length.data ? strtoull(length.data, NULL, 10) : 0;
    if (!r->status && declared > x->server->config.max_body_bytes)
        r->body_too_large = true;
    x->not_read =
        (r->status || r->body_too_large) && (declared / MOST_THROWN_AWAY > x->server->config.max_body_bytes ||
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
        return x->n_thrown_away / MOST_THROWN_AWAY > x->server->config.max_body_bytes ? MHD_NO : MHD_YES;
    }
    buf_add(&r->body, bytes, n);
    if (r->body.failed == ERR_LIMIT) {
        r->body_too_large = true;
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
    struct http_thread *t = own_thread(x->server);
    if (!t)
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for this thread's workspace");
    else
        x->waits = api_run(t->api, r, false) == ROUTE_NEEDS_WORKER;
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
    if (!x)
        return MHD_NO;
    if (!x->begun) {
        look_at_headers(x, method);
        if (x->not_read && *upload_size == 0) {
            if (x->request->body_too_large)
                answer_too_large(x);
            return queue_answer(x);
        }
        return MHD_YES;
    }
    if (*upload_size) {
        size_t n = *upload_size;
        *upload_size = 0;
        return take_piece(x, upload, n);
    }
    if (!x->request->status && !x->suspended) {
        if (x->waits)
            hand_over(x);
        else
            run_call(x);
        if (x->suspended || x->waits)
            return MHD_YES; /* called again, at once or when a worker has resumed the connection: x may be in its hands */
    }
    return queue_answer(x);
}

/* ---- start and stop ---- */

bool http_split_listen(const char *listen, char host[256], char port[8])
{
    const char *colon = strrchr(listen, ':');
    if (!colon || colon == listen || strlen(colon + 1) == 0 || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) || strtoul(colon + 1, NULL, 10) > 65535)
        return false;
    size_t n = (size_t)(colon - listen);
    if (listen[0] == '[' && colon[-1] == ']') {
        listen++;
        n -= 2;
    }
    if (n == 0 || n > 255)
        return false;
    memcpy(host, listen, n);
    host[n] = '\0';
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    return true;
}

static enum err_code open_socket(struct http_server *s, struct err *e)
{
    char port[8];
    if (!http_split_listen(s->config.listen, s->host, port))
        return err_set(e, ERR_INVALID, "--listen takes HOST:PORT, not '%s'", s->config.listen);
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM},
                    *found = NULL;
    int failed = getaddrinfo(s->host, port, &hints, &found), on = 1;
    if (failed)
        return err_set(e, ERR_INVALID, "cannot listen on '%s': %s", s->config.listen, gai_strerror(failed));
    s->socket = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->socket >= 0)
        (void)setsockopt(s->socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    enum err_code code = ERR_OK;
    if (s->socket < 0 || bind(s->socket, found->ai_addr, found->ai_addrlen) || listen(s->socket, 1024))
        code = err_set(e, ERR_IO, "cannot listen on '%s': %s", s->config.listen, strerror(errno));
    freeaddrinfo(found);
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    if (!code && getsockname(s->socket, (struct sockaddr *)&bound, &size) == 0)
        s->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&bound)->sin6_port
                                                    : ((struct sockaddr_in *)(void *)&bound)->sin_port);
    return code;
}

static enum err_code start_daemon(struct http_server *s, struct err *e)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handle, s, MHD_OPTION_LISTEN_SOCKET, s->socket, MHD_OPTION_URI_LOG_CALLBACK,
        begin_request, s, MHD_OPTION_NOTIFY_COMPLETED, end_request, s, MHD_OPTION_NOTIFY_CONNECTION,
        count_connection, s, MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, s, MHD_OPTION_THREAD_POOL_SIZE,
        (unsigned)s->config.n_threads, MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->config.max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, s->config.timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)LIMIT_HEAD_BYTES, MHD_OPTION_END);
    return s->daemon ? ERR_OK
                     : err_set(e, ERR_IO, "the HTTP server did not start on '%s': %s", s->config.listen,
                               strerror(errno));
}

/* What is left when no thread runs any more. */
static void free_server(struct http_server *s)
{
    workers_free(s->workers);
    free_threads(s);
    pthread_key_delete(s->thread_key);
    mem_free(s);
}

enum err_code http_start(const struct http_config *config, struct api *api, struct http_server **out,
                         struct err *e)
{
    struct http_server *s = mem_zalloc_array(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "no memory for the HTTP server");
    s->config = *config;
    s->api = api;
    s->socket = -1;
    (void)snprintf(s->id_prefix, sizeof s->id_prefix, "%llx-%x-", (unsigned long long)clock_unix_ms(),
                   (unsigned)getpid());
    struct worker_calls calls = {s, worker_start, worker_run, worker_stop};
    if (pthread_key_create(&s->thread_key, NULL)) {
        mem_free(s);
        return err_set(e, ERR_NOMEM, "no memory for the HTTP server's threads");
    }
    enum err_code code = open_socket(s, e);
    if (!code)
        code = make_threads(s, e);
    if (!code)
        code = workers_start(config->n_workers, config->max_queue, &calls, &s->workers, e);
    if (!code)
        code = start_daemon(s, e);
    if (code) {
        workers_stop(s->workers);
        if (s->socket >= 0)
            (void)close(s->socket);
        free_server(s);
        return code;
    }
    *out = s;
    return ERR_OK;
}

void http_url(const struct http_server *s, char *out, size_t size)
{
    bool ipv6 = strchr(s->host, ':') != NULL;
    (void)snprintf(out, size, "http://%s%s%s:%d", ipv6 ? "[" : "", s->host, ipv6 ? "]" : "", s->port);
}

/* Stands before libc's for the whole process. MHD_quiesce_daemon of libmicrohttpd up to 1.0 takes the listening socket
 * out of each thread's set, and so does the thread itself when it sees the flag: now and then both do, and the
 * second aborts the process because there is nothing left to take out. That is no failure. */
int epoll_ctl(int set, int op, int fd, struct epoll_event *event)
{
    long result = syscall(SYS_epoll_ctl, set, op, fd, event);
    return result < 0 && op == EPOLL_CTL_DEL && errno == ENOENT ? 0 : (int)result;
}

/* Likewise, and gives one event less than there is room for. libmicrohttpd (0.9.75, and before) looks again when it got as many as
 * it asked for, 128, and for as long as before: when there are no others, those 128 connections wait for somebody else's event, or
 * for the timeout. */
int epoll_wait(int set, struct epoll_event *events, int most, int timeout_ms)
{
    return epoll_pwait(set, events, most > 1 ? most - 1 : most, timeout_ms, NULL);
}

void http_stop(struct http_server *s, unsigned most_s)
{
    MHD_socket listening = MHD_quiesce_daemon(s->daemon);
    int64_t end_ns = clock_monotonic_ns() + (int64_t)most_s * 1000000000;
    while (atomic_load(&s->api->metrics->in_flight) > 0 && clock_monotonic_ns() < end_ns)
        (void)usleep(2000);
    /* Jobs first: every suspended connection is resumed by its job, and the daemon must not stop before that.
     */
    workers_stop(s->workers);
    MHD_stop_daemon(s->daemon);
    if (listening != MHD_INVALID_SOCKET)
        (void)close(listening);
    free_server(s);
}
