/* A queue under one mutex, and places in which a batch may run. The first place is for whoever comes when
 * nothing runs; another is opened when so many wait that they fill a block of lanes, which costs the same
 * however many are in it. Invariant: where there is a queue a batch runs, and its end looks at the queue
 * again. The first thread of a batch runs it; no thread of its own is needed, and a stop needs nothing: the
 * threads that ask are joined by their owners once their requests are answered.
 *
 *     asks --> nothing runs?  yes: collects, runs
 *                             no: queue, sleeps
 *     batch ends, or somebody queued up --> next_batch: wakes the first of those who wait longest
 *
 * The lock is a leaf: nothing is called under it. Who generates for the weight cache may sleep here, as it
 * holds no lock, and no batch waits for a flight of the cache. */
#include "engine/cache/batcher.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "engine/network/hypernet.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

/* Who waits a 32nd of such a generation would wait about as long as a thread takes to wake up. */
enum { COLLECT_LEAST_NS = 1000 * 1000 };

/* Where one batch runs. */
struct place {
    struct place *next_free;
    real *workspace;
};

/* One who asks, on its thread's stack. */
struct asking {
    struct hypernet_job job;
    struct asking *next; /* in the queue, then in the batch */
    struct place *place; /* set: this thread runs the batch that starts with itself */
    bool done;
    pthread_cond_t changed; /* place or done */
};

struct batcher {
    struct model *model;
    bool gathers;
    struct batcher_cost cost;
    int64_t collect_ns;
    pthread_mutex_t lock;     /* guards all below */
    struct asking *collector; /* has a place and waits for others to come along; NULL: nobody */
    struct place *free;
    struct asking *first, **end; /* the queue; *end is where the next one goes */
    size_t n_waiting;            /* in the queue */
    size_t n_running; /* places in use, those of batches whose first thread is still waking up included */
    struct batcher_stats stats;
    size_t n_places;
    struct place places[]; /* (n_places) */
};

/* ---- what it costs ---- */

/* Processor time, the least of some runs: what else the machine does should not decide. n times the same
 * context. */
static int64_t batch_ns(const struct model *m, struct hypernet_job *job, size_t n, real *workspace)
{
    enum { RUNS = 5, ENOUGH_NS = 50 * 1000 * 1000 };
    struct hypernet_job *jobs[HYPERNET_BATCH];
    int64_t least = INT64_MAX, begin = clock_thread_ns();
    for (size_t i = 0; i < n; i++)
        jobs[i] = job;
    for (int i = 0; i < RUNS && (i < 2 || clock_thread_ns() - begin < ENOUGH_NS); i++) {
        int64_t start = clock_thread_ns();
        hypernet_generate_batch(&m->spec, &m->params, jobs, n, workspace);
        int64_t took = clock_thread_ns() - start;
        least = took < least ? took : least;
    }
    return least;
}

static enum err_code measure(struct batcher *g, struct err *e)
{
    const struct model_spec *spec = &g->model->spec;
    struct theta_layout layout;
    theta_layout_of(spec, &layout);
    real *theta = mem_alloc_aligned(layout.len + 1, sizeof *theta);
    real *c = mem_zalloc_array(spec->d_context, sizeof *c);
    struct hypernet_job job = {.c = c, .theta = theta};
    enum err_code code = theta && c ? ERR_OK : err_set(e, ERR_NOMEM, "no memory to measure a generation");
    g->cost.bytes = hypernet_bytes_read(spec, &g->model->params);
    if (!code) {
        g->cost.single_ns = batch_ns(g->model, &job, 1, g->places[0].workspace);
        g->cost.batch_ns = batch_ns(g->model, &job, HYPERNET_BATCH, g->places[0].workspace);
    }
    mem_free(theta);
    mem_free(c);
    return code;
}

/* A batch pays when its contexts cost at most half of what they cost alone. */
static bool pays(const struct batcher_cost *cost, int64_t min_ns)
{
    return min_ns == 0 ||
           (cost->single_ns >= min_ns && cost->batch_ns <= cost->single_ns * (HYPERNET_BATCH / 2));
}

/* ---- life cycle ---- */

enum err_code batcher_new(struct model *m, const struct batcher_config *config, struct batcher **out,
                          struct err *e)
{
    struct batcher *g = mem_zalloc_array(1, sizeof *g + config->n_running * sizeof g->places[0]);
    if (!g)
        return err_set(e, ERR_NOMEM, "no memory to gather generations");
    pthread_mutex_init(&g->lock, NULL);
    g->model = model_ref(m);
    g->end = &g->first;
    enum err_code code = ERR_OK;
    for (; g->n_places < config->n_running && !code; g->n_places++) {
        struct place *p = &g->places[g->n_places];
        p->workspace = mem_alloc_aligned(hypernet_batch_workspace_len(&m->spec), sizeof *p->workspace);
        p->next_free = g->free;
        g->free = p;
        if (!p->workspace)
            code = err_set(e, ERR_NOMEM, "no memory to gather generations");
    }
    if (!code)
        code = measure(g, e);
    if (code) {
        batcher_free(g);
        return code;
    }
    g->gathers = pays(&g->cost, config->min_ns);
    g->collect_ns = config->collect_ns;
    if (g->collect_ns == 0 && g->cost.single_ns >= COLLECT_LEAST_NS)
        g->collect_ns = g->cost.single_ns / 32;
    *out = g;
    return ERR_OK;
}

void batcher_free(struct batcher *g)
{
    if (!g)
        return;
    assert(!g->first);
    for (size_t i = 0; i < g->n_places; i++)
        mem_free(g->places[i].workspace);
    pthread_mutex_destroy(&g->lock);
    model_unref(g->model);
    mem_free(g);
}

/* ---- batches; all under the lock ---- */

/* Takes the longest waiting off the queue, which has one, `most` at most, as a list. */
static struct asking *take_waiting(struct batcher *g, size_t most)
{
    ASSERT_HELD(&g->lock);
    assert(g->first && most > 0);
    struct asking *batch = g->first, *last = batch;
    size_t n = 1;
    for (; n < most && last->next; n++)
        last = last->next;
    g->n_waiting -= n;
    g->first = last->next;
    last->next = NULL;
    if (!g->first)
        g->end = &g->first;
    return batch;
}

static struct place *take_place(struct batcher *g)
{
    ASSERT_HELD(&g->lock);
    assert(g->free);
    struct place *p = g->free;
    g->free = p->next_free;
    g->n_running++;
    return p;
}

static void free_place(struct batcher *g, struct place *p)
{
    ASSERT_HELD(&g->lock);
    assert(g->n_running > 0);
    p->next_free = g->free;
    g->free = p;
    g->n_running--;
}

/* Starts the next batch when there is a place and reason for it. */
static void next_batch(struct batcher *g)
{
    ASSERT_HELD(&g->lock);
    if (!g->first || !g->free || (g->n_running > 0 && g->n_waiting < HYPERNET_BATCH))
        return;
    struct asking *first = take_waiting(g, HYPERNET_BATCH);
    first->place = take_place(g);
    (void)pthread_cond_signal(&first->changed);
}

/* Runs the batch that starts with this thread's own context, without the lock; then tells the others. */
static void run_batch(struct batcher *g, struct asking *own)
{
    struct hypernet_job *jobs[HYPERNET_BATCH];
    size_t n = 0;
    for (struct asking *a = own; a; a = a->next) {
        assert(n < HYPERNET_BATCH);
        jobs[n++] = &a->job;
    }
    (void)pthread_mutex_unlock(&g->lock);
    hypernet_generate_batch(&g->model->spec, &g->model->params, jobs, n, own->place->workspace);
    (void)pthread_mutex_lock(&g->lock);
    g->stats.batches++;
    g->stats.contexts += n;
    free_place(g, own->place);
    next_batch(g);
    for (struct asking *a = own->next, *next; a; a = next) {
        next = a->next; /* a is gone once its thread knows */
        a->done = true;
        (void)pthread_cond_signal(&a->changed);
    }
}

/* Sleeps in the queue until this context is generated, or until its thread is to run a batch. */
static void wait_turn(struct batcher *g, struct asking *own)
{
    ASSERT_HELD(&g->lock);
    *g->end = own;
    g->end = &own->next;
    g->n_waiting++;
    if (g->collector && g->n_waiting >= HYPERNET_BATCH - 1) {
        struct asking *collector = g->collector;
        collector->next = take_waiting(g, HYPERNET_BATCH - 1);
        g->collector = NULL;
        (void)pthread_cond_signal(&collector->changed);
    }
    next_batch(g);
    while (!own->done && !own->place)
        (void)pthread_cond_wait(&own->changed, &g->lock);
}

/* Waits a moment for others and takes them along: those who come at once with the first would else wait for
 * its end. Whoever makes it a full batch gives it the others, see wait_turn. */
static void collect(struct batcher *g, struct asking *own)
{
    struct timespec end;
    int64_t end_ns = clock_monotonic_ns() + g->collect_ns;
    end.tv_sec = (time_t)(end_ns / 1000000000);
    end.tv_nsec = (long)(end_ns % 1000000000);
    g->collector = own;
    while (g->collector == own &&
           pthread_cond_clockwait(&own->changed, &g->lock, CLOCK_MONOTONIC, &end) != ETIMEDOUT)
        ;
    if (g->collector == own && g->first)
        own->next = take_waiting(g, HYPERNET_BATCH - 1);
    if (g->collector == own)
        g->collector = NULL;
}

enum err_code batcher_generate(struct batcher *g, const real *c, real *workspace, real *theta, struct err *e)
{
    if (!g->gathers)
        return hypernet_generate(&g->model->spec, &g->model->params, c, workspace, theta, e);
    struct asking own = {.job = {.c = c, .theta = theta}};
    (void)pthread_cond_init(&own.changed, NULL); /* default attributes: cannot fail on Linux */
    (void)pthread_mutex_lock(&g->lock);
    if (g->n_running > 0) {
        wait_turn(g, &own);
    } else {
        own.place = take_place(g);
        if (g->collect_ns > 0)
            collect(g, &own);
    }
    if (!own.done)
        run_batch(g, &own);
    (void)pthread_mutex_unlock(&g->lock);
    (void)pthread_cond_destroy(&own.changed);
    return own.job.err.code ? err_copy(e, &own.job.err) : ERR_OK;
}

/* ---- query ---- */

bool batcher_allows_inline(const struct batcher *g)
{
    return g && !g->gathers && g->cost.single_ns < BATCHER_MIN_NS;
}

bool batcher_pays(const struct batcher *g)
{
    return g->gathers;
}

struct batcher_cost batcher_cost(const struct batcher *g)
{
    return g->cost;
}

struct batcher_stats batcher_read_stats(const struct batcher *g)
{
    struct batcher *open = (struct batcher *)g; /* the lock is not part of the value */
    (void)pthread_mutex_lock(&open->lock);
    struct batcher_stats stats = open->stats;
    (void)pthread_mutex_unlock(&open->lock);
    return stats;
}
