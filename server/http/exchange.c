/* Ended exchanges serve again in the order of a stack: the last one's memory is the warmest. */
#include "server/http/exchange.h"

#include "base/mem.h"

/* What an HTTP thread has. Ended exchanges serve again, so that an answer from the cache takes nothing from
 * the heap that all threads share; a few are enough, since such answers follow each other. */
enum { MAX_SPARES = 8 };
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

void http_threads_free(struct http_server *s)
{
    for (size_t i = 0; s->threads && i < s->config.n_threads; i++) {
        struct http_thread *t = &s->threads[i];
        while (t->spares) {
            struct exchange *x = t->spares;
            t->spares = x->next_spare;
            free_exchange(x);
        }
        s->handler.thread_free(t->api);
    }
    mem_free(s->threads);
}

enum err_code http_threads_new(struct http_server *s, struct err *e)
{
    s->threads = mem_zalloc_array(s->config.n_threads, sizeof *s->threads);
    if (!s->threads)
        return err_set(e, ERR_NOMEM, "no memory for %zu HTTP threads", s->config.n_threads);
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < s->config.n_threads && !code; i++)
        code = s->handler.thread_new(s->handler.of, &s->threads[i].api, e);
    return code;
}

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

struct api_thread *http_thread_api(struct http_server *s)
{
    struct http_thread *t = own_thread(s);
    return t ? t->api : NULL;
}

/* ---- the state of a request ---- */

struct exchange *exchange_take(struct http_server *s, const char *target)
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

void exchange_put(struct http_server *s, struct exchange *x)
{
    struct http_thread *t = pthread_getspecific(s->thread_key);
    if (!t || t->n_spares == MAX_SPARES) {
        free_exchange(x);
        return;
    }
    request_end(x->request);
    x->next_spare = t->spares;
    t->spares = x;
    t->n_spares++;
}
