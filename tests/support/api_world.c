/* What server/http/http.c does with a request, without a connection: a fault found here needs no network to
 * be looked at. */
#include "tests/support/api_world.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tests/support/memory_store.h"
#include "tests/support/sample_model.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void must(enum err_code code, const struct err *e)
{
    if (code) {
        (void)fprintf(stderr, "api_world: %s\n", e->text);
        abort();
    }
}

static void write_model(const char *path, enum sample_model_kind kind)
{
    struct sample_model m;
    struct err e = {0};
    sample_model_init(&m, kind, 1);
    must(model_write(path, &m.spec, &m.params, &m.ids, &e), &e);
    sample_model_fini(&m);
}

/* The model's items as an import would bring them. */
static void add_items(struct store *store, const char *path)
{
    struct model *m;
    struct store_conn *c;
    struct store_bulk *bulk;
    struct err e = {0};
    must(model_open(path, &m, &e), &e);
    must(store_connect(store, &c, &e), &e);
    must(store_begin(c, &e), &e);
    must(store_bulk_begin(c, &bulk, &e), &e);
    for (size_t i = 0; i < m->spec.n_items; i++) {
        struct store_item item = {0};
        item.id.data = model_item_id(m, i, &item.id.len);
        must(store_bulk_item(bulk, &item, &e), &e);
    }
    must(store_bulk_end(bulk, NULL, &e), &e);
    must(store_commit(c, &e), &e);
    store_disconnect(c);
    model_unref(m);
}

static void make_folder(struct api_world *w)
{
    memset(w, 0, sizeof *w);
    (void)snprintf(w->folder, sizeof w->folder, "/tmp/hypernet-api-XXXXXX");
    if (!mkdtemp(w->folder))
        abort();
    (void)snprintf(w->store_path, sizeof w->store_path, "%s/store.db", w->folder);
}

static void serve(struct api_world *w, const char *store, const char *const *models, size_t n)
{
    struct err e = {0};
    must(store_open(store, STORE_CREATE, &w->store, &e), &e);
    struct serving_options options = {.models = models, .n_models = n, .cache_bytes = (size_t)1 << 20};
    add_items(w->store, models[0]);
    must(serving_open(&w->serving, w->store, &options, &e), &e);
    struct batcher_config batcher = {.n_running = 1, .min_ns = BATCHER_MIN_NS};
    bool batching;
    must(serving_measure(&w->serving, &batcher, &batching, &e), &e);
    w->api.serving = &w->serving;
    w->api.metrics = &w->metrics;
    atomic_store(&w->api.ready, true);
    atomic_store(&w->serving.store_read_ns, clock_monotonic_ns());
    must(tokens_set(&w->api.tokens, TOKEN_ADMIN, API_WORLD_TOKEN, &e), &e);
    must(api_thread_new(&w->api, &w->http, &e), &e);
    must(api_thread_new(&w->api, &w->worker, &e), &e);
}

static void serve_samples(struct api_world *w, const char *store)
{
    char ranking[96], linear[96];
    (void)snprintf(ranking, sizeof ranking, "%s/sample.hn", w->folder);
    (void)snprintf(linear, sizeof linear, "%s/linear.hn", w->folder);
    write_model(ranking, SAMPLE_RANKING);
    write_model(linear, SAMPLE_LINEAR);
    serve(w, store, (const char *const[]){ranking, linear}, 2);
}

void api_world_init(struct api_world *w)
{
    make_folder(w);
    serve_samples(w, w->store_path);
}

void api_world_init_in_memory(struct api_world *w)
{
    char name[80];
    make_folder(w);
    (void)snprintf(name, sizeof name, "memory:%s", w->folder);
    serve_samples(w, name);
}

void api_world_init_model(struct api_world *w, const char *path)
{
    make_folder(w);
    serve(w, w->store_path, &path, 1);
}

void api_world_fini(struct api_world *w)
{
    static const char *const names[] = {"store.db", "store.db-wal", "store.db-shm", "sample.hn", "linear.hn"};
    char path[128];
    api_thread_free(w->http);
    api_thread_free(w->worker);
    serving_close(&w->serving);
    tokens_fini(&w->api.tokens);
    store_close(w->store);
    memory_store_forget(w->folder);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", w->folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(w->folder);
}

struct request *api_world_call(struct api_world *w, const char *method, const char *target, const char *type,
                               const char *body, size_t n)
{
    struct request *r = request_new(target, LIMIT_BODY_BYTES);
    if (!r)
        return NULL;
    r->method = method;
    r->content_type = text_of(type);
    r->authorization = (struct text){"Bearer " API_WORLD_TOKEN, sizeof "Bearer " API_WORLD_TOKEN - 1};
    (void)snprintf(r->id, sizeof r->id, "test");
    api_begin(&w->api, r);
    if (!r->status) {
        buf_add(&r->body, body, n);
        if (r->body.failed) { /* the server drops the connection */
            request_free(r);
            return NULL;
        }
        struct api_thread *thread = w->http;
        if (!api_plan(thread, r)) {
            w->n_handed_over++;
            thread = w->worker;
        }
        if (!r->status)
            api_run(thread, r);
    }
    api_finish(&w->api, r);
    return r;
}

int api_world_json(struct api_world *w, const char *method, const char *target, const char *body,
                   char **answer)
{
    struct request *r = api_world_call(w, method, target, body ? "application/json" : NULL, body ? body : "",
                                       body ? strlen(body) : 0);
    if (!r)
        abort();
    int status = r->status;
    if (answer)
        *answer = buf_steal(&r->answer, NULL);
    request_free(r);
    return status;
}

struct store_counts api_world_counts(struct api_world *w)
{
    struct store_counts counts;
    struct err e = {0};
    must(store_count(w->worker->session.conn, &counts, &e), &e);
    return counts;
}

struct http_config api_world_http_config(void)
{
    return (struct http_config){.listen = "127.0.0.1:0",
                                .n_threads = 1,
                                .n_workers = 1,
                                .n_write_workers = 1,
                                .n_long_workers = 1,
                                .max_body_memory = 64 << 20,
                                .max_per_address = 100,
                                .keep_alive_s = 60,
                                .deadline_s = 60,
                                .max_body_bytes = LIMIT_BODY_BYTES,
                                .max_connections = 4,
                                .max_queue = 4,
                                .timeout_s = 60};
}

struct http_server *api_world_serve(struct api_world *w)
{
    const struct http_config config = api_world_http_config();
    const struct http_handler handler = api_handler(&w->api);
    struct http_server *server;
    struct err e = {0};
    must(http_start(&config, &handler, &server, &e), &e);
    return server;
}

int api_world_connect(const struct http_server *server)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char url[300];
    http_url(server, url, sizeof url);
    to.sin_port = htons((uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        abort();
    return fd;
}
