/* bench_continual - continual learning of MNIST: tasks one after the other, without the rows of those
 * before.
 *
 * bench_continual FOLDER split|permuted [SEED] [KEY=VALUE...]
 *
 * Reads the four files of MNIST (IDX, gzip) from FOLDER. `split`: five tasks of two digits, two outputs.
 * `permuted`: ten tasks (tasks=N) of ten digits whose 784 pixels a permutation of the task's own reorders,
 * the first as they are. Prints accuracies in percent, task by time, of the hypernetwork, and the last
 * row, the mean, forgetting and intransigence (a network of the task's own, less what the model has
 * straight after the task) of it, of the same without penalty, of a plain network in sequence and of
 * elastic weight consolidation, the last two with a head a task; and which task a row is of by the least
 * entropy. Test rows choose nothing. Keys, with the defaults of split and permuted: width hidden units of
 * two layers, size of a chunk, trunk width of its two layers, steps, beta, old tasks a step, rate, own (1:
 * chunks' embeddings of each task's own), lambda of EWC, only (1: the hypernetwork, 2: networks of the
 * tasks' own), valid (1: the last 10,000 rows that are learned from are left out, and tested on instead:
 * for choosing settings). */
#include "base/mem.h"
#include "base/rng.h"
#include "engine/kernels/blas.h"
#include "engine/network/target.h"
#include "engine/train/continual/continual.h"
#include "engine/train/continual/theta_fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

enum { PIXELS = 784, MOST_TASKS = 100, D_TASK = 32, D_CHUNK = 32, BATCH = 128, FISHER_ROWS = 1000 };

struct settings {
    bool split;
    size_t n_tasks, width, size, trunk, n_old;
    long steps;
    double beta, rate, lambda;
    bool own, valid;
    int only; /* 1: the hypernetwork, 2: networks of the tasks' own */
    uint64_t seed;
};

/* What is learned from and what is tested on. */
struct digits {
    size_t n;
    real *x;     /* (n, PIXELS) 0 to 1 */
    uint32_t *y; /* (n) */
};

struct task {
    struct digits train, test;
};

static void *must_have(void *p)
{
    if (!p) {
        fputs("bench_continual: no memory\n", stderr);
        exit(1);
    }
    return p;
}

static void must(enum err_code code, const struct err *e)
{
    if (code) {
        fprintf(stderr, "bench_continual: %s\n", e->text);
        exit(1);
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- data ---- */

/* The bytes of an IDX file behind its head; n is what the head says of its first dimension. */
static unsigned char *read_idx(const char *folder, const char *name, unsigned n_dims, size_t item, size_t *n)
{
    char path[4096];
    unsigned char head[16];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    gzFile f = gzopen(path, "rb");
    unsigned head_bytes = 4 + 4 * n_dims;
    if (!f || gzread(f, head, head_bytes) != (int)head_bytes || head[2] != 8 || head[3] != n_dims) {
        fprintf(stderr, "bench_continual: %s is no IDX file of bytes\n", path);
        exit(1);
    }
    *n = (size_t)head[4] << 24 | (size_t)head[5] << 16 | (size_t)head[6] << 8 | head[7];
    unsigned char *bytes = must_have(malloc(*n * item));
    if (gzread(f, bytes, (unsigned)(*n * item)) != (int)(*n * item)) {
        fprintf(stderr, "bench_continual: %s is cut\n", path);
        exit(1);
    }
    gzclose(f);
    return bytes;
}

static struct digits read_digits(const char *folder, const char *part)
{
    char name[64];
    size_t n_labels;
    struct digits d;
    (void)snprintf(name, sizeof name, "%s-images-idx3-ubyte.gz", part);
    unsigned char *images = read_idx(folder, name, 3, PIXELS, &d.n);
    (void)snprintf(name, sizeof name, "%s-labels-idx1-ubyte.gz", part);
    unsigned char *labels = read_idx(folder, name, 1, 1, &n_labels);
    d.x = must_have(malloc(d.n * PIXELS * sizeof *d.x));
    d.y = must_have(malloc(d.n * sizeof *d.y));
    for (size_t i = 0; i < d.n * PIXELS; i++)
        d.x[i] = (real)images[i] / 255;
    for (size_t i = 0; i < d.n; i++)
        d.y[i] = labels[i];
    free(images);
    free(labels);
    return d;
}

static struct digits empty(size_t n)
{
    return (struct digits){.x = must_have(malloc(n * PIXELS * sizeof(real))),
                           .y = must_have(malloc(n * sizeof(uint32_t)))};
}

/* Digits 2 t and 2 t + 1 as classes 0 and 1. */
static struct digits split_of(const struct digits *all, size_t t)
{
    struct digits out = empty(all->n);
    for (size_t i = 0; i < all->n; i++)
        if (all->y[i] / 2 == t) {
            memcpy(out.x + out.n * PIXELS, all->x + i * PIXELS, PIXELS * sizeof *out.x);
            out.y[out.n++] = all->y[i] % 2;
        }
    return out;
}

static struct digits permuted_of(const struct digits *all, size_t t, uint64_t seed)
{
    struct digits out = empty(all->n);
    uint32_t order[PIXELS];
    struct rng r;
    rng_init(&r, seed, 77 + t);
    for (uint32_t i = 0; i < PIXELS; i++)
        order[i] = i;
    if (t)
        rng_shuffle(&r, order, PIXELS);
    for (size_t i = 0; i < all->n; i++)
        for (size_t j = 0; j < PIXELS; j++)
            out.x[i * PIXELS + j] = all->x[i * PIXELS + order[j]];
    memcpy(out.y, all->y, all->n * sizeof *out.y);
    out.n = all->n;
    return out;
}

/* ---- what is measured ---- */

struct matrix {
    double at[MOST_TASKS][MOST_TASKS]; /* [after task][of task], percent */
};

static double accuracy(const struct model_spec *spec, const struct model_params *p, const real *theta,
                       const struct digits *test)
{
    size_t o = spec->d_output, right = 0;
    real *work = must_have(mem_alloc_aligned(target_workspace_len(spec), sizeof *work));
    real *y = must_have(malloc(test->n * o * sizeof *y));
    target_forward(spec, p, theta, test->x, test->n, work, y);
    for (size_t i = 0; i < test->n; i++) {
        size_t best = 0;
        for (size_t k = 1; k < o; k++)
            best = y[i * o + k] > y[i * o + best] ? k : best;
        right += best == test->y[i];
    }
    mem_free(work);
    free(y);
    return 100 * (double)right / (double)test->n;
}

static void print_summary(const char *name, const struct matrix *m, size_t n, const double *own, double cpu)
{
    double last = 0, straight = 0, forgot = 0, behind = 0;
    for (size_t t = 0; t < n; t++) {
        last += m->at[n - 1][t] / (double)n;
        straight += m->at[t][t] / (double)n;
        forgot += t + 1 < n ? (m->at[t][t] - m->at[n - 1][t]) / (double)(n - 1) : 0;
        behind += (own[t] - m->at[t][t]) / (double)n;
    }
    printf("%-34s %6.2f after all %6.2f straight %6.2f forgetting %6.2f intransigence %7.1f s\n", name, last,
           straight, forgot, behind, cpu);
    (void)fflush(stdout);
}

static void print_matrix(const struct matrix *m, size_t n)
{
    for (size_t a = 0; a < n; a++) {
        printf("  after %2zu ", a + 1);
        for (size_t t = 0; t <= a; t++)
            printf(" %6.2f", m->at[a][t]);
        puts("");
    }
}

/* ---- networks ---- */

static struct model_spec spec_of(const struct settings *s, size_t n_tasks)
{
    struct model_spec m = {.name = "bench",
                           .version = "1",
                           .objective = &objective_classification,
                           .d_item = PIXELS,
                           .d_output = s->split ? 2 : 10,
                           .d_context = D_TASK,
                           .n_trunk = 2,
                           .trunk = {{s->trunk, ACTIVATION_RELU}, {s->trunk, ACTIVATION_RELU}},
                           .n_layers = 3,
                           .chunks = {s->size, D_CHUNK, s->own}};
    size_t widths[] = {PIXELS, s->width, s->width, m.d_output};
    for (size_t i = 0; i < 3; i++)
        m.layers[i] =
            (struct layer_spec){widths[i], widths[i + 1], GENERATOR_CHUNKED,
                                0,         BIAS_FULL,     i < 2 ? ACTIVATION_RELU : ACTIVATION_IDENTITY};
    if (s->own)
        m.d_context += model_spec_n_chunks(&m) * D_CHUNK;
    m.encoder = (struct encoder_spec){.present = true, .d_id = m.d_context, .n_tasks = n_tasks};
    return m;
}

static struct labelled_rows rows_of(const struct digits *d)
{
    return (struct labelled_rows){d->n, d->x, d->y};
}

static struct continual_options options_of(const struct settings *s, double beta)
{
    return (struct continual_options){.beta = beta,
                                      .n_old = s->n_old,
                                      .batch = BATCH,
                                      .n_steps = s->steps,
                                      .rate = s->rate,
                                      .seed = s->seed};
}

/* The task whose network has the least entropy, over all test rows: how often it is the right one, and how
 * often task and class are. */
static void print_guesses(const struct settings *s, const struct model_spec *spec,
                          const struct model_params *p, const real *thetas, size_t len,
                          const struct task *tasks)
{
    size_t o = spec->d_output, n = s->n_tasks, n_rows = 0, right_task = 0, right = 0;
    real *work = must_have(mem_alloc_aligned(target_workspace_len(spec), sizeof *work));
    for (size_t t = 0; t < n; t++) {
        const struct digits *test = &tasks[t].test;
        real *y = must_have(malloc(n * test->n * o * sizeof *y));
        for (size_t k = 0; k < n; k++) {
            real *at = y + k * test->n * o;
            target_forward(spec, p, thetas + k * len, test->x, test->n, work, at);
            target_softmax(at, test->n, o);
        }
        for (size_t i = 0; i < test->n; i++) {
            size_t guess = 0, best = 0;
            double least = INFINITY;
            for (size_t k = 0; k < n; k++) {
                const real *q = y + (k * test->n + i) * o;
                double entropy = 0;
                for (size_t c = 0; c < o; c++)
                    entropy -= q[c] > 0 ? (double)q[c] * log((double)q[c]) : 0;
                if (entropy < least) {
                    least = entropy;
                    guess = k;
                }
            }
            const real *q = y + (guess * test->n + i) * o;
            for (size_t c = 1; c < o; c++)
                best = q[c] > q[best] ? c : best;
            right_task += guess == t;
            right += best == test->y[i] && (guess == t || !s->split); /* classes of tasks differ in split */
        }
        n_rows += test->n;
        free(y);
    }
    mem_free(work);
    printf("  by least entropy: the task of %.2f %% of rows, the class of %.2f %%\n",
           100 * (double)right_task / (double)n_rows, 100 * (double)right / (double)n_rows);
}

static void run_hypernetwork(const struct settings *s, double beta, const char *name,
                             const struct task *tasks, const double *own)
{
    struct param_block block = {0}, next;
    struct model_spec spec = {0}, wider;
    struct matrix m;
    struct err e = {0};
    struct theta_layout layout;
    double start = seconds(), spent = 0, worst = 0;
    bool frozen = true;
    real *thetas = NULL;
    for (size_t t = 0; t < s->n_tasks; t++, spec = wider, block = next) {
        wider = spec_of(s, t + 1);
        struct labelled_rows rows = rows_of(&tasks[t].train);
        struct continual_options o = options_of(s, beta);
        start = seconds();
        must(continual_init(&next, &wider, t ? &block.params : NULL, s->seed, &e), &e);
        must(continual_learn(&wider, &next, &rows, &o, NULL, &e), &e);
        spent += seconds() - start;
        if (t) {
            struct continual_drift drift;
            must(continual_audit(&spec, &block.params, &wider, &next.params, &drift, &e), &e);
            frozen = frozen && drift.frozen_same;
            worst = fmax(worst, drift.theta_most);
            param_block_fini(&block);
        }
        theta_layout_of(&wider, &layout);
        thetas = must_have(realloc(thetas, (t + 1) * layout.len * sizeof *thetas));
        real *work = must_have(mem_alloc_aligned(hypernet_workspace_len(&wider), sizeof *work));
        for (size_t k = 0; k <= t; k++) {
            must(hypernet_generate(&wider, &next.params, next.params.task_id + k * wider.d_context, work,
                                   thetas + k * layout.len, &e),
                 &e);
            m.at[t][k] = accuracy(&wider, &next.params, thetas + k * layout.len, &tasks[k].test);
        }
        mem_free(work);
    }
    print_summary(name, &m, s->n_tasks, own, spent);
    print_matrix(&m, s->n_tasks);
    print_guesses(s, &spec, &block.params, thetas, layout.len, tasks);
    printf("  %zu weights, hypernetwork of %zu; what is frozen has %s, the largest step of an old weight is "
           "%.3g\n",
           layout.len, block.n_values - layout.len, frozen ? "the same bits" : "CHANGED", worst);
    param_block_fini(&block);
    free(thetas);
}

/* theta0 of the first model: where all plain networks start. */
static real *plain_start(const struct settings *s, struct param_block *block, struct model_spec *spec)
{
    struct err e = {0};
    struct theta_layout layout;
    *spec = spec_of(s, 1);
    must(continual_init(block, spec, NULL, s->seed, &e), &e);
    theta_layout_of(spec, &layout);
    real *theta = must_have(mem_alloc_aligned(layout.len, sizeof *theta));
    for (size_t i = 0; i < spec->n_layers; i++) {
        const struct layer_spec *l = &spec->layers[i];
        memcpy(theta + layout.layers[i].weight, block->params.layers[i].weight,
               l->d_out * l->d_in * sizeof *theta);
        memcpy(theta + layout.layers[i].bias, block->params.layers[i].bias, l->d_out * sizeof *theta);
    }
    return theta;
}

static void run_own(const struct settings *s, const struct task *tasks, double *own)
{
    struct param_block block;
    struct model_spec spec;
    struct theta_layout layout;
    struct err e = {0};
    struct matrix m = {0};
    double start = seconds();
    real *theta0 = plain_start(s, &block, &spec);
    theta_layout_of(&spec, &layout);
    real *theta = must_have(mem_alloc_aligned(layout.len, sizeof *theta));
    struct continual_options o = options_of(s, 0);
    for (size_t t = 0; t < s->n_tasks; t++) {
        struct labelled_rows rows = rows_of(&tasks[t].train);
        memcpy(theta, theta0, layout.len * sizeof *theta);
        must(theta_fit(&spec, &block.params, theta, &rows, &o, 1 + t, NULL, &e), &e);
        own[t] = m.at[t][t] = m.at[s->n_tasks - 1][t] = accuracy(&spec, &block.params, theta, &tasks[t].test);
    }
    print_summary("a network of each task's own", &m, s->n_tasks, own, seconds() - start);
    mem_free(theta0);
    mem_free(theta);
    param_block_fini(&block);
}

static void run_sequence(const struct settings *s, double lambda, const char *name, const struct task *tasks,
                         const double *own)
{
    struct param_block block;
    struct model_spec spec;
    struct theta_layout layout;
    struct ewc hold = {0};
    struct err e = {0};
    struct matrix m = {0};
    double start = seconds();
    real *theta = plain_start(s, &block, &spec);
    theta_layout_of(&spec, &layout);
    size_t body = layout.layers[2].weight, n_head = layout.len - body;
    real *heads = must_have(malloc((s->n_tasks + 1) * n_head * sizeof *heads)),
         *first = heads + s->n_tasks * n_head;
    memcpy(first, theta + body, n_head * sizeof *first);
    must(ewc_init(&hold, body, lambda, &e), &e);
    struct continual_options o = options_of(s, 0);
    for (size_t t = 0; t < s->n_tasks; t++) {
        struct labelled_rows rows = rows_of(&tasks[t].train);
        memcpy(theta + body, first, n_head * sizeof *first);
        must(theta_fit(&spec, &block.params, theta, &rows, &o, 1 + t, lambda > 0 ? &hold : NULL, &e), &e);
        memcpy(heads + t * n_head, theta + body, n_head * sizeof *heads);
        if (lambda > 0)
            must(ewc_add(&hold, &spec, &block.params, theta, &rows, FISHER_ROWS, &e), &e);
        for (size_t k = 0; k <= t; k++) {
            memcpy(theta + body, heads + k * n_head, n_head * sizeof *heads);
            m.at[t][k] = accuracy(&spec, &block.params, theta, &tasks[k].test);
        }
    }
    print_summary(name, &m, s->n_tasks, own, seconds() - start);
    ewc_fini(&hold);
    free(heads);
    mem_free(theta);
    param_block_fini(&block);
}

/* ---- the command ---- */

static void read_key(struct settings *s, const char *text)
{
    char key[16];
    double value;
    if (sscanf(text, "%15[a-z]=%lf", key, &value) != 2) {
        s->seed = (uint64_t)strtoull(text, NULL, 10);
        return;
    }
    size_t n = value > 0 ? (size_t)value : 0;
    if (!strcmp(key, "tasks") && n && n <= MOST_TASKS)
        s->n_tasks = n;
    else if (!strcmp(key, "width"))
        s->width = n;
    else if (!strcmp(key, "size"))
        s->size = n;
    else if (!strcmp(key, "trunk"))
        s->trunk = n;
    else if (!strcmp(key, "old"))
        s->n_old = n;
    else if (!strcmp(key, "steps"))
        s->steps = (long)n;
    else if (!strcmp(key, "beta"))
        s->beta = value;
    else if (!strcmp(key, "rate"))
        s->rate = value;
    else if (!strcmp(key, "lambda"))
        s->lambda = value;
    else if (!strcmp(key, "own"))
        s->own = n;
    else if (!strcmp(key, "only"))
        s->only = (int)n;
    else if (!strcmp(key, "valid"))
        s->valid = n;
    else {
        fprintf(stderr, "bench_continual: no key is called %s\n", key);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static struct task tasks[MOST_TASKS];
    double own[MOST_TASKS] = {0};
    if (argc < 3) {
        fputs("usage: bench_continual FOLDER split|permuted [SEED] [KEY=VALUE...]\n", stderr);
        return 2;
    }
    blas_use_one_thread();
    struct settings s = {.split = true,
                         .n_tasks = 5,
                         .width = 100,
                         .size = 4500,
                         .trunk = 100,
                         .n_old = 1,
                         .steps = 400,
                         .beta = 1,
                         .rate = 1e-3,
                         .lambda = 1000,
                         .seed = 1};
    if (strcmp(argv[2], "permuted") == 0)
        s = (struct settings){.n_tasks = 10,
                              .width = 400,
                              .size = 24000,
                              .trunk = 48,
                              .n_old = 1,
                              .steps = 1500,
                              .beta = 0.004,
                              .rate = 1e-3,
                              .lambda = 100,
                              .seed = 1};
    for (int i = 3; i < argc; i++)
        read_key(&s, argv[i]);
    struct digits train = read_digits(argv[1], "train"), test = read_digits(argv[1], "t10k");
    if (s.valid) {
        enum { HELD = 10000 };
        train.n -= HELD;
        test = (struct digits){HELD, train.x + train.n * PIXELS, train.y + train.n};
    }
    for (size_t t = 0; t < s.n_tasks; t++) {
        tasks[t].train = s.split ? split_of(&train, t) : permuted_of(&train, t, s.seed);
        tasks[t].test = s.split ? split_of(&test, t) : permuted_of(&test, t, s.seed);
    }
    printf("%s MNIST, seed %llu\n", argv[2], (unsigned long long)s.seed);
    if (s.only != 1)
        run_own(&s, tasks, own);
    else
        for (size_t t = 0; t < s.n_tasks; t++)
            own[t] = NAN; /* not measured */
    if (s.only != 2)
        run_hypernetwork(&s, s.beta, "hypernetwork", tasks, own);
    if (!s.only) {
        run_hypernetwork(&s, 0, "hypernetwork, beta 0", tasks, own);
        run_sequence(&s, 0, "a plain network in sequence", tasks, own);
        run_sequence(&s, s.lambda, "elastic weight consolidation", tasks, own);
    }
    return 0;
}
