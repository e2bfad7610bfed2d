/* What serving costs below HTTP, on one core, for one model: bench_engine MODEL. Prints one line of JSON a
 * measurement. Beside generation and scoring stands cblas_sgemm on the same shapes, timed in turn with it:
 * the ceiling for arithmetic; beside a pass over the catalogue, a plain read of as many bytes. */
#include "base/mem.h"
#include "base/rng.h"
#include "engine/kernels/blas.h"
#include "engine/kernels/kernel.h"
#include "engine/model.h"
#include "engine/network/encoder.h"
#include "engine/network/fold_in.h"
#include "engine/network/hypernet.h"
#include "engine/rank/catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 9, ROUND_NS = 20 * 1000 * 1000, CROWD = 64, TOP = 10, MAX_HISTORY = 256 };

struct bench {
    struct model *model;
    struct theta_layout layout;
    size_t batch;
    real *contexts;                                  /* (CROWD, C) */
    real *thetas;                                    /* (CROWD, theta) */
    struct hypernet_job jobs[CROWD], *listed[CROWD]; /* for each context */
    real *scores;                                    /* (I) */
    real *workspace;                                 /* for whatever is called */
    real *a, *b, *c;                                 /* operands and result of the products beside it */
    size_t n_a;                                      /* reals of a */
    struct encoder_interaction history[MAX_HISTORY];
    size_t n_history;
};

typedef void work_fn(struct bench *b);

static real *reals(size_t n)
{
    real *x = mem_alloc_aligned(n, sizeof *x);
    if (!x)
        exit(1);
    return x;
}

/* ---- what is timed ---- */

static void generate(struct bench *b)
{
    hypernet_generate_batch(&b->model->spec, &b->model->params, b->listed, b->batch, b->workspace);
}

static void generate_one_by_one(struct bench *b)
{
    const struct model_spec *spec = &b->model->spec;
    struct err e = {0};
    for (size_t i = 0; i < b->batch; i++)
        if (hypernet_generate(spec, &b->model->params, b->contexts + i * spec->d_context, b->workspace,
                              b->thetas + i * b->layout.len, &e))
            exit(1);
}

/* (n, d_out) from (n, d_in) and (d_out, d_in), with operands that are there. */
static void product(struct bench *b, size_t n, size_t d_out, size_t d_in)
{
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, d_out, d_in, 1, b->b, d_in, b->a, d_in, 0, b->c, d_out);
}

static void generate_gemm(struct bench *b)
{
    const struct model_spec *spec = &b->model->spec;
    size_t d = spec->d_context;
    for (size_t i = 0; i < spec->n_trunk; d = spec->trunk[i++].d_out)
        product(b, b->batch, spec->trunk[i].d_out, d);
    if (spec->has_linear)
        product(b, b->batch, spec->d_item, spec->d_context + (spec->linear_head ? d : 0));
    for (size_t i = 0; i < spec->n_layers; i++) {
        size_t bias = spec->layers[i].bias == BIAS_FULL ? spec->layers[i].d_out : 0;
        if (layer_spec_n_generated(&spec->layers[i]) + bias)
            product(b, b->batch, layer_spec_n_generated(&spec->layers[i]) + bias, d);
    }
}

static void score(struct bench *b)
{
    catalogue_score_all(b->model->catalogue, b->thetas, b->workspace, b->scores);
}

/* The shapes of one context's pass over the items: p, then each layer, the first on what is shared. */
static void score_gemm(struct bench *b)
{
    const struct model_spec *spec = &b->model->spec;
    product(b, spec->n_items, 1, spec->d_item);
    for (size_t i = 0; i < spec->n_layers; i++) {
        const struct layer_spec *l = &spec->layers[i];
        bool core = l->generator == GENERATOR_CORE;
        product(b, spec->n_items, l->d_out, core ? l->rank : l->d_in);
    }
}

static void top_ten(struct bench *b)
{
    struct topk_entry entries[TOP];
    struct topk top;
    topk_init(&top, entries, TOP);
    catalogue_top_k(b->model->catalogue, b->thetas, NULL, b->workspace, &top);
    (void)topk_finish(&top);
}

/* Of each context of the batch. */
static void top_ten_together(struct bench *b)
{
    struct topk_entry entries[CROWD][TOP];
    struct topk tops[CROWD];
    struct catalogue_query queries[CROWD];
    for (size_t i = 0; i < b->batch; i++) {
        topk_init(&tops[i], entries[i], TOP);
        queries[i] = (struct catalogue_query){b->thetas + i * b->layout.len, NULL, &tops[i]};
    }
    catalogue_top_k_each(b->model->catalogue, queries, b->batch, b->workspace);
    for (size_t i = 0; i < b->batch; i++)
        (void)topk_finish(&tops[i]);
}

static void top_ten_one_by_one(struct bench *b)
{
    struct topk_entry entries[TOP];
    struct topk top;
    for (size_t i = 0; i < b->batch; i++) {
        topk_init(&top, entries, TOP);
        catalogue_top_k(b->model->catalogue, b->thetas + i * b->layout.len, NULL, b->workspace, &top);
        (void)topk_finish(&top);
    }
}

static void select_ten(struct bench *b)
{
    struct topk_entry entries[TOP];
    struct topk top;
    topk_init(&top, entries, TOP);
    for (size_t i = 0; i < b->model->spec.n_items; i++)
        topk_push(&top, b->scores[i], (uint32_t)i);
    (void)topk_finish(&top);
}

static void fold_in(struct bench *b, const struct fold_in_basis *basis)
{
    const struct model *m = b->model;
    struct fold_in_factors factors = {m->params.fold_in_factor, NULL, m->spec.n_items,
                                      m->spec.encoder.d_fold_in};
    if (!fold_in_solve(&factors, m->params.fold_in_gram, basis, encoder_fold_in_ridge(&m->spec, b->n_history),
                       b->history, b->n_history, 0, b->workspace, b->c))
        exit(1);
}

static void fold_in_short(struct bench *b)
{
    fold_in(b, b->model->fold_in);
}

static void fold_in_directly(struct bench *b)
{
    fold_in(b, NULL);
}

static void read_memory(struct bench *b)
{
    typedef real row __attribute__((vector_size(64)));
    const row *x = (const row *)b->a;
    row sums[4] = {{0}};
    for (size_t i = 0; i + 4 <= b->n_a / 16; i += 4)
        for (size_t j = 0; j < 4; j++)
            sums[j] += x[i + j];
    b->c[0] = (sums[0] + sums[1] + sums[2] + sums[3])[0];
}

/* ---- timing ---- */

/* Processor time of this thread: what others do on the machine is not counted. */
static double thread_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double once(struct bench *b, work_fn *work, size_t n)
{
    double start = thread_ns();
    for (size_t i = 0; i < n; i++)
        work(b);
    return (thread_ns() - start) / (double)n;
}

static size_t repeats(struct bench *b, work_fn *work)
{
    (void)once(b, work, 1);
    double ns = once(b, work, 1);
    return ns < ROUND_NS ? (size_t)(ROUND_NS / ns) + 1 : 1;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nanoseconds of each, medians of rounds in turn; second may be NULL. */
static void in_turn(struct bench *b, work_fn *first, work_fn *second, double ns[2])
{
    double x[ROUNDS], y[ROUNDS];
    size_t n = repeats(b, first), m = second ? repeats(b, second) : 0;
    for (size_t i = 0; i < ROUNDS; i++) {
        x[i] = once(b, first, n);
        y[i] = second ? once(b, second, m) : 0;
    }
    qsort(x, ROUNDS, sizeof *x, by_size);
    qsort(y, ROUNDS, sizeof *y, by_size);
    ns[0] = x[ROUNDS / 2];
    ns[1] = y[ROUNDS / 2];
}

static void report(struct bench *b, const char *what, size_t size, work_fn *work, work_fn *ceiling)
{
    double ns[2];
    in_turn(b, work, ceiling, ns);
    (void)printf("{\"what\":\"%s\",\"size\":%zu,\"us\":%.3f", what, size, ns[0] / 1e3);
    if (ceiling)
        (void)printf(",\"ceiling_us\":%.3f,\"of_ceiling\":%.3f", ns[1] / 1e3, ns[1] / ns[0]);
    (void)printf("}\n");
    (void)fflush(stdout);
}

/* ---- setting up ---- */

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The largest operand of any product above: a's rows are items or heads. */
static size_t operand_len(const struct model_spec *spec)
{
    size_t d_trunk = model_spec_d_trunk(spec),
           n = most(spec->d_context, d_trunk) * (spec->d_context + d_trunk);
    for (size_t i = 0; i < spec->n_layers; i++)
        n = most(n, (layer_spec_n_generated(&spec->layers[i]) + spec->layers[i].d_out) *
                        most(d_trunk, spec->layers[i].d_in));
    for (size_t i = 0; i < spec->n_trunk; i++)
        n = most(n, spec->trunk[i].d_out * most(spec->d_context, 4096));
    return most(n, spec->n_items * spec->d_item);
}

static void set_up(struct bench *b)
{
    const struct model_spec *spec = &b->model->spec;
    struct rng r;
    rng_init(&r, 1, 1);
    theta_layout_of(spec, &b->layout);
    b->contexts = reals(CROWD * spec->d_context);
    for (size_t i = 0; i < CROWD * spec->d_context; i++)
        b->contexts[i] = (real)rng_normal(&r);
    b->thetas = reals(CROWD * (b->layout.len + 1));
    for (size_t i = 0; i < CROWD; i++) {
        b->jobs[i].c = b->contexts + i * spec->d_context;
        b->jobs[i].theta = b->thetas + i * b->layout.len;
        b->listed[i] = &b->jobs[i];
    }
    b->scores = reals(spec->n_items + KERNEL_LANES);
    b->workspace = reals(
        most(fold_in_workspace_len(spec->encoder.d_fold_in),
             most(catalogue_each_workspace_len(b->model->catalogue), hypernet_batch_workspace_len(spec))));
    for (size_t i = 0; i < MAX_HISTORY; i++)
        b->history[i] =
            (struct encoder_interaction){.item = (uint32_t)((i * 611953 + 7) % spec->n_items), .weight = 1};
    b->n_a = operand_len(spec);
    b->a = reals(b->n_a);
    b->b = reals(b->n_a); /* (batch or items, d_in) */
    for (size_t i = 0; i < b->n_a; i++)
        b->a[i] = b->b[i] = (real)((double)(i % 1024) / 1024 - 0.5);
    b->c = reals(most(spec->n_items * most(spec->layers[0].d_out, spec->d_item), CROWD * b->layout.len));
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    struct err e = {0};
    const char *better = blas_better_coretype();
    if (better && !getenv("OPENBLAS_CORETYPE") && setenv("OPENBLAS_CORETYPE", better, 1) == 0)
        (void)execv("/proc/self/exe", argv);
    blas_use_one_thread();
    if (argc != 2 || model_open(argv[1], &b.model, &e)) {
        (void)fprintf(stderr, "usage: bench_engine MODEL\n%s\n", e.text);
        return 2;
    }
    set_up(&b);
    static const size_t batches[] = {1, 8, HYPERNET_BATCH, CROWD};
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        b.batch = batches[i];
        report(&b, "generate", b.batch, generate, generate_gemm);
    }
    report(&b, "generate, beside one by one", b.batch, generate, generate_one_by_one);
    size_t n = b.model->spec.n_items;
    report(&b, "score", n, score, score_gemm);
    report(&b, "read as many bytes as all products", b.n_a * sizeof(real), read_memory, NULL);
    report(&b, "top 10 of the catalogue", n, top_ten, score);
    b.batch = CROWD;
    report(&b, "top 10 of each of 64 contexts, beside one by one", n, top_ten_together, top_ten_one_by_one);
    report(&b, "top 10 of ready scores", n, select_ten, NULL);
    static const size_t histories[] = {1, 10, 30, 60, MAX_HISTORY};
    for (size_t i = 0; b.model->spec.encoder.d_fold_in && i < 5; i++) {
        b.n_history = histories[i];
        report(&b, "fold-in", b.n_history, fold_in_short, fold_in_directly);
    }
    model_unref(b.model);
    return 0;
}
