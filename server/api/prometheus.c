/* Latency buckets from 50 microseconds to 10 seconds: a cached answer is at the low end, a drained client at
 * the high. */
#include "server/api/prometheus.h"

#include "base/log.h"
#include "engine/kernels/blas.h"
#include "engine/kernels/kernel.h"
#include "server/api/routes.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const double bounds_s[METRICS_BUCKETS] = {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                                 0.01,    0.025,  0.05,    0.1,    0.5,   2,      10};

void metrics_request(struct metrics *m, size_t route, int status, int64_t ns)
{
    assert(route < routes.n || route == METRICS_NO_ROUTE);
    int class = status / 100 - 1;
    if (class >= 0 && class < METRICS_CLASSES)
        COUNTER_ADD(m, requests[route][class], 1);
    size_t bucket = 0;
    while (bucket < METRICS_BUCKETS && (double)ns > bounds_s[bucket] * 1e9)
        bucket++;
    COUNTER_ADD(m, buckets[route][bucket], 1);
    COUNTER_ADD(m, latency_ns[route], (uint_fast64_t)ns);
}

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_addf(out, "# HELP hypernet_%s %s\n# TYPE hypernet_%s %s\n", name, help, name, type);
}

static void single(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    head(out, name, type, help);
    buf_addf(out, "hypernet_%s %.17g\n", name, value);
}

static const char *pattern_of(size_t route)
{
    return route < routes.n ? routes.routes[route].pattern : "none";
}

static const char *method_of(size_t route)
{
    return route < routes.n ? routes.routes[route].method : "any";
}

static void write_requests(const struct metrics *m, struct buf *out)
{
    head(out, "requests_total", "counter", "Requests answered, by call and class of status");
    for (size_t r = 0; r < METRICS_MAX_ROUTES; r++)
        for (size_t c = 0; c < METRICS_CLASSES; c++) {
            uint_fast64_t n = atomic_load_explicit(&m->requests[r][c], memory_order_relaxed);
            if (n)
                buf_addf(out, "hypernet_requests_total{method=\"%s\",route=\"%s\",status=\"%zuxx\"} %llu\n",
                         method_of(r), pattern_of(r), c + 1, (unsigned long long)n);
        }
    head(out, "request_seconds", "histogram", "Time from the request's first line to its answer, by call");
    for (size_t r = 0; r < METRICS_MAX_ROUTES; r++) {
        unsigned long long sum = 0, counts[METRICS_BUCKETS + 1];
        for (size_t b = 0; b <= METRICS_BUCKETS; b++)
            counts[b] = sum += atomic_load_explicit(&m->buckets[r][b], memory_order_relaxed);
        if (!sum)
            continue;
        for (size_t b = 0; b < METRICS_BUCKETS; b++)
            buf_addf(out, "hypernet_request_seconds_bucket{method=\"%s\",route=\"%s\",le=\"%g\"} %llu\n",
                     method_of(r), pattern_of(r), bounds_s[b], counts[b]);
        buf_addf(out,
                 "hypernet_request_seconds_bucket{method=\"%s\",route=\"%s\",le=\"+Inf\"} %llu\n"
                 "hypernet_request_seconds_sum{method=\"%s\",route=\"%s\"} %.9f\n"
                 "hypernet_request_seconds_count{method=\"%s\",route=\"%s\"} %llu\n",
                 method_of(r), pattern_of(r), sum, method_of(r), pattern_of(r),
                 (double)atomic_load_explicit(&m->latency_ns[r], memory_order_relaxed) / 1e9, method_of(r),
                 pattern_of(r), sum);
    }
}

static void write_cache(const struct serving *serving, struct buf *out)
{
    struct weights_cache_stats s;
    weights_cache_read_stats(serving->cache, &s);
    single(out, "cache_hits_total", "counter", "Look-ups of generated weights that found them",
           (double)s.hits);
    single(out, "cache_misses_total", "counter", "Look-ups that did not", (double)s.misses);
    single(out, "weights_made_total", "counter", "Times the hypernetwork generated weights", (double)s.made);
    single(out, "weights_waited_total", "counter",
           "Requests that waited for weights another one was generating", (double)s.waited);
    single(out, "weights_failed_total", "counter", "Generations that failed", (double)s.failed);
    single(out, "weights_make_seconds_total", "counter", "Time spent reading contexts and generating weights",
           (double)s.make_ns / 1e9);
    single(out, "cache_evictions_total", "counter", "Entries that made room for others", (double)s.evicted);
    single(out, "cache_drops_total", "counter", "Entries dropped because their context changed",
           (double)s.dropped);
    single(out, "cache_entries", "gauge", "Entries in the cache", (double)s.n_entries);
    single(out, "cache_used_bytes", "gauge", "Bytes of the cache in use", (double)s.used_bytes);
    single(out, "cache_peak_bytes", "gauge", "Most bytes the cache ever used", (double)s.peak_bytes);
    single(out, "cache_capacity_bytes", "gauge", "Limit of the cache (--cache-bytes)", (double)s.limit_bytes);
}

static void write_batches(const struct model_set *set, struct buf *out)
{
    struct batcher_stats sum = {0};
    for (size_t i = 0; i < set->n; i++)
        if (set->models[i]->batcher) {
            struct batcher_stats s = batcher_read_stats(set->models[i]->batcher);
            sum.batches += s.batches;
            sum.contexts += s.contexts;
        }
    single(out, "weights_batches_total", "counter", "Batches of generations, of models with large heads",
           (double)sum.batches);
    single(out, "weights_batched_total", "counter", "Generations in these batches", (double)sum.contexts);
}

static double resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        if (fscanf(f, "%*u %lu", &pages) != 1)
            pages = 0;
        (void)fclose(f);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void write_models(const struct model_set *set, struct buf *out)
{
    head(out, "build_info", "gauge", "The program");
    buf_addf(out, "hypernet_build_info{version=\"%s\",blas=\"%s\",kernel=\"%s\"} 1\n", HYPERNET_VERSION,
             blas_corename(), kernel_best()->name);
    head(out, "model_info", "gauge", "The models served");
    for (size_t i = 0; i < set->n; i++) {
        const struct model_spec *spec = &set->models[i]->model->spec;
        buf_adds(out, "hypernet_model_info{model="); /* a JSON string is a label value */
        buf_add_json_string(out, spec->name, strlen(spec->name));
        buf_adds(out, ",version=");
        buf_add_json_string(out, spec->version, strlen(spec->version));
        buf_adds(out, "} 1\n");
    }
    size_t n_unranked = 0;
    for (size_t i = 0; i < set->n; i++) {
        size_t n = atomic_load_explicit(&set->models[i]->n_unranked, memory_order_relaxed);
        n_unranked = n > n_unranked ? n : n_unranked;
    }
    single(out, "items_unranked", "gauge",
           "New items that a model does not rank, for want of room; train it anew", (double)n_unranked);
}

void metrics_write(const struct metrics *m, struct serving *serving, struct buf *out)
{
    write_requests(m, out);
#define X(name, help)                                                                                        \
    single(out, #name "_total", "counter", help,                                                             \
           (double)atomic_load_explicit(&m->serving.name, memory_order_relaxed));
    SERVING_COUNTERS(X)
#undef X
#define X(name, help)                                                                                        \
    single(out, #name "_total", "counter", help,                                                             \
           (double)atomic_load_explicit(&m->http.name, memory_order_relaxed));
    HTTP_COUNTERS(X)
#undef X
#define X(name, help)                                                                                        \
    single(out, #name "_total", "counter", help,                                                             \
           (double)atomic_load_explicit(&m->name, memory_order_relaxed));
    API_COUNTERS(X)
#undef X
    single(out, "log_lines_dropped_total", "counter", "Lines of the log that its reader was too slow for",
           (double)log_dropped());
    single(out, "requests_in_flight", "gauge", "Requests begun and not answered yet",
           (double)atomic_load(&m->http.in_flight));
    single(out, "connections", "gauge", "Open connections", (double)atomic_load(&m->http.connections));
    single(out, "queue_depth", "gauge", "Requests waiting for a worker",
           (double)atomic_load(&m->http.queued));
    single(out, "store_lost", "gauge", "1: the store's file was removed or replaced, nothing is written",
           atomic_load(&serving->store_lost));
    write_cache(serving, out);
    struct model_set *set = serving_models(serving);
    write_batches(set, out);
    write_models(set, out);
    model_set_unref(set);
    single(out, "process_resident_memory_bytes", "gauge", "Resident memory", resident_bytes());
}
