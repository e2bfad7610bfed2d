/* What gathering gives when users miss at once: bench_gather MODEL. CROWD threads ask for weights of
 * different contexts through engine/cache/batcher.h, one round after the other, each round from a common
 * start to the last answer; in batches and each by itself, in turn. Wall time, because waking those who wait
 * is part of it. Prints one line of JSON. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "engine/cache/batcher.h"
#include "engine/kernels/blas.h"
#include "engine/network/hypernet.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { WALL, CPU, N_TIMES };
enum { CROWD = 64, ROUNDS = 11, MAX_REPEATS = 200, ENOUGH_NS = 100 * 1000 * 1000 };

static struct model *model;
static struct batcher *gathers[2]; /* in batches; each by itself */
static pthread_barrier_t start, end;
static struct batcher *asked; /* NULL: the threads end; written before the barrier */
static size_t n_repeats;      /* generations of a thread in a round */

static void *reals(size_t n)
{
    void *x = mem_alloc_aligned(n, sizeof(real));
    if (!x)
        exit(1);
    return x;
}

static void *ask(void *number)
{
    struct theta_layout layout;
    struct rng r;
    theta_layout_of(&model->spec, &layout);
    real *c = reals(model->spec.d_context), *theta = reals(layout.len + 1);
    real *workspace = reals(hypernet_workspace_len(&model->spec));
    rng_init(&r, 1, (size_t)(char *)number);
    for (size_t i = 0; i < model->spec.d_context; i++)
        c[i] = (real)rng_normal(&r);
    for (;;) {
        pthread_barrier_wait(&start);
        if (!asked)
            break;
        for (size_t i = 0; i < n_repeats; i++)
            if (batcher_generate(asked, c, workspace, theta, NULL))
                exit(1);
        pthread_barrier_wait(&end);
    }
    mem_free(c);
    mem_free(theta);
    mem_free(workspace);
    return NULL;
}

static double processor_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Wall time, and processor time of all threads, of a generation by each. */
static void time_round(struct batcher *g, double ns[N_TIMES])
{
    asked = g;
    double wall = (double)clock_monotonic_ns(),
           cpu = processor_ns(); /* before the threads may begin without us */
    pthread_barrier_wait(&start);
    pthread_barrier_wait(&end);
    ns[WALL] = ((double)clock_monotonic_ns() - wall) / (double)n_repeats;
    ns[CPU] = (processor_ns() - cpu) / (double)n_repeats;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double rounds[ROUNDS][N_TIMES], size_t which)
{
    double x[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++)
        x[i] = rounds[i][which];
    qsort(x, ROUNDS, sizeof *x, by_size);
    return x[ROUNDS / 2];
}

static void report(double together[ROUNDS][N_TIMES], double alone[ROUNDS][N_TIMES])
{
    struct batcher_cost cost = batcher_cost(gathers[0]);
    struct batcher_stats stats = batcher_read_stats(gathers[0]);
    (void)printf("{\"what\":\"%d at once beside each by "
                 "itself\",\"size\":%d,\"read_bytes\":%zu,\"us\":%.3f,\"ceiling_us\":%.3f,"
                 "\"of_ceiling\":%.3f,\"of_processor_time\":%.3f,\"batch\":%.1f,\"single_us\":%.1f}\n",
                 CROWD, CROWD, cost.bytes, median(together, WALL) / 1e3, median(alone, WALL) / 1e3,
                 median(alone, WALL) / median(together, WALL), median(alone, CPU) / median(together, CPU),
                 (double)stats.contexts / (double)stats.batches, (double)cost.single_ns / 1e3);
}

static void run(void)
{
    double together[ROUNDS][N_TIMES], alone[ROUNDS][N_TIMES];
    pthread_t threads[CROWD];
    for (size_t i = 0; i < CROWD; i++)
        if (pthread_create(&threads[i], NULL, ask, (char *)NULL + i))
            exit(1);
    n_repeats = 1;
    time_round(gathers[1], alone[0]);
    n_repeats =
        alone[0][WALL] * MAX_REPEATS < ENOUGH_NS ? MAX_REPEATS : (size_t)(ENOUGH_NS / alone[0][WALL]) + 1;
    for (size_t i = 0; i < ROUNDS; i++) {
        time_round(gathers[0], together[i]);
        time_round(gathers[1], alone[i]);
    }
    asked = NULL;
    pthread_barrier_wait(&start);
    for (size_t i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    report(together, alone);
}

int main(int argc, char **argv)
{
    struct err e = {0};
    const char *better = blas_better_coretype();
    if (better && !getenv("OPENBLAS_CORETYPE") && setenv("OPENBLAS_CORETYPE", better, 1) == 0)
        (void)execv("/proc/self/exe", argv);
    blas_use_one_thread();
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    struct batcher_config always = {.n_running = n > 0 ? (size_t)n : 1, .min_ns = 0},
                          never = {.n_running = 1, .min_ns = INT64_MAX};
    if (argc != 2 || model_open(argv[1], &model, &e) || batcher_new(model, &always, &gathers[0], &e) ||
        batcher_new(model, &never, &gathers[1], &e)) {
        (void)fprintf(stderr, "usage: bench_gather MODEL\n%s\n", e.text);
        return 2;
    }
    pthread_barrier_init(&start, NULL, CROWD + 1);
    pthread_barrier_init(&end, NULL, CROWD + 1);
    run();
    batcher_free(gathers[0]);
    batcher_free(gathers[1]);
    model_unref(model);
    return 0;
}
