/* engine/cache/batcher.c: concurrent generations as batches. Risks: a context that waits for ever or is
 * generated twice, weights that reach the wrong thread, an error that reaches others. Run under
 * ThreadSanitizer too. */
#include "engine/cache/batcher.h"
#include "engine/format/model_write.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/network/hypernet.h"
#include "tests/support/sample_model.h"
#include "tests/support/suite.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_THREADS = 48, N_EACH = 40 };

static struct model *model;
static struct batcher *batcher;
static pthread_barrier_t start;

static void setup(void)
{
    char path[] = "/tmp/hypernet-gather-XXXXXX";
    struct sample_model sample;
    struct err e = {0};
    int f = mkstemp(path);
    ck_assert_int_ge(f, 0);
    (void)close(f);
    sample_model_init(&sample, SAMPLE_RANKING, 1);
    ck_assert_msg(!model_write(path, &sample.spec, &sample.params, &sample.ids, &e), "%s", e.text);
    ck_assert_msg(!model_open(path, &model, &e), "%s", e.text);
    sample_model_fini(&sample);
    (void)unlink(path);
    pthread_barrier_init(&start, NULL, N_THREADS);
}

static void teardown(void)
{
    mem_fail_at(0, 0);
    batcher_free(batcher);
    batcher = NULL;
    model_unref(model);
    pthread_barrier_destroy(&start);
}

static void gather_with(size_t n_running, int64_t min_ns)
{
    struct batcher_config config = {.n_running = n_running, .min_ns = min_ns};
    struct err e = {0};
    ck_assert_msg(!batcher_new(model, &config, &batcher, &e), "%s", e.text);
}

/* Each thread asks for contexts of its own, some of them bad, and compares with a generation alone. Returns
 * how many answers were not as alone. */
static void *ask(void *number)
{
    const struct model_spec *spec = &model->spec;
    struct theta_layout layout;
    struct rng r;
    theta_layout_of(spec, &layout);
    rng_init(&r, 5, (size_t)(char *)number);
    float c[64], work[256], theta[1024], alone[1024];
    ck_assert(spec->d_context <= 64 && hypernet_workspace_len(spec) <= 256 && layout.len < 1024);
    size_t wrong = 0;
    pthread_barrier_wait(&start);
    for (size_t i = 0; i < N_EACH; i++) {
        struct err e = {0}, e_alone = {0};
        for (size_t j = 0; j < spec->d_context; j++)
            c[j] = (float)rng_normal(&r);
        if (i % 7 == 3)
            c[i % spec->d_context] = NAN;
        enum err_code code = batcher_generate(batcher, c, work, theta, &e);
        wrong += code != hypernet_generate(spec, &model->params, c, work, alone, &e_alone);
        wrong +=
            code ? strcmp(e.text, e_alone.text) != 0 : memcmp(theta, alone, layout.len * sizeof *theta) != 0;
    }
    return (char *)NULL + wrong;
}

static void all_ask(void)
{
    pthread_t threads[N_THREADS];
    for (size_t i = 0; i < N_THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask, (char *)NULL + i), 0);
    for (size_t i = 0; i < N_THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        ck_assert_ptr_null(wrong);
    }
}

/* The loop number is how many batches may run at once. */
START_TEST(test_each_thread_gets_what_its_context_generates_alone)
{
    gather_with((size_t)_i, 0);
    ck_assert(batcher_pays(batcher));
    all_ask();
    struct batcher_stats stats = batcher_read_stats(batcher);
    ck_assert_uint_eq(stats.contexts, N_THREADS * N_EACH);
    ck_assert_uint_ge(stats.batches, 1);
    ck_assert_uint_le(stats.batches, stats.contexts);
}
END_TEST

START_TEST(test_where_it_does_not_pay_each_thread_generates_by_itself)
{
    gather_with(2, INT64_MAX);
    ck_assert(!batcher_pays(batcher));
    all_ask();
    ck_assert_uint_eq(batcher_read_stats(batcher).batches, 0);
}
END_TEST

static void *ask_once(void *unused)
{
    float c[64] = {0}, theta[1024];
    (void)unused;
    ck_assert_int_eq(batcher_generate(batcher, c, NULL, theta, NULL), ERR_OK);
    return NULL;
}

START_TEST(test_one_alone_does_not_wait)
{
    gather_with(1, 0);
    float c[64] = {0}, theta[1024];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(batcher_generate(batcher, c, NULL, theta, NULL), ERR_OK);
    struct batcher_stats stats = batcher_read_stats(batcher);
    ck_assert_uint_eq(stats.batches, 3);
    ck_assert_uint_eq(stats.contexts, 3);
}
END_TEST

/* The first waits as long as it takes until a batch is full. */
START_TEST(test_who_come_at_once_are_one_batch)
{
    struct batcher_config config = {.n_running = (size_t)_i, .collect_ns = (int64_t)1000 * 1000000000};
    struct err e = {0};
    pthread_t threads[HYPERNET_BATCH];
    ck_assert_msg(!batcher_new(model, &config, &batcher, &e), "%s", e.text);
    for (size_t i = 0; i < HYPERNET_BATCH; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_once, NULL), 0);
    for (size_t i = 0; i < HYPERNET_BATCH; i++)
        pthread_join(threads[i], NULL);
    struct batcher_stats stats = batcher_read_stats(batcher);
    ck_assert_uint_eq(stats.batches, 1);
    ck_assert_uint_eq(stats.contexts, HYPERNET_BATCH);
}
END_TEST

START_TEST(test_nobody_comes_and_the_first_goes_alone)
{
    struct batcher_config config = {.n_running = 2, .collect_ns = 1000};
    ck_assert_int_eq(batcher_new(model, &config, &batcher, NULL), ERR_OK);
    (void)ask_once(NULL);
    all_ask();
    struct batcher_stats stats = batcher_read_stats(batcher);
    ck_assert_uint_eq(stats.contexts, 1 + N_THREADS * N_EACH);
}
END_TEST

START_TEST(test_the_cost_is_that_of_the_model)
{
    gather_with(1, 0);
    struct batcher_cost cost = batcher_cost(batcher);
    ck_assert_uint_eq(cost.bytes, hypernet_bytes_read(&model->spec, &model->params));
    ck_assert_int_gt(cost.single_ns, 0);
    ck_assert_int_gt(cost.batch_ns, 0);
}
END_TEST

START_TEST(test_without_memory_there_is_an_error_and_nothing_left)
{
    struct batcher_config config = {.n_running = 2};
    for (long n = 1;; n++) {
        struct err e = {0};
        mem_fail_at(n, 0);
        enum err_code code = batcher_new(model, &config, &batcher, &e);
        mem_fail_at(0, 0);
        if (code == ERR_OK) {
            ck_assert_int_gt(n, 3);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
        ck_assert_ptr_null(batcher);
    }
}
END_TEST

SUITE("server/gather", setup, teardown,
      {test_each_thread_gets_what_its_context_generates_alone, .from = 1, .to = 4},
      {test_where_it_does_not_pay_each_thread_generates_by_itself}, {test_one_alone_does_not_wait},
      {test_who_come_at_once_are_one_batch, .from = 1, .to = 3}, {test_nobody_comes_and_the_first_goes_alone},
      {test_the_cost_is_that_of_the_model}, {test_without_memory_there_is_an_error_and_nothing_left})
