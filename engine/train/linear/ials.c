/* Rows are solved one by one, each by one thread, from the other side's factors: nothing is shared but reads,
 * so the result does not depend on the number of threads. The normal matrix of a row is the common gram plus
 * a product of the gathered factor rows, 64 at a time. */
#include "engine/train/linear/ials.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/kernels/blas.h"
#include "engine/kernels/normal_sum.h"

#include <math.h>
#include <string.h>

typedef void loop_fn(struct parallel *p, size_t n, parallel_fn *fn, void *arg);

/* One side's interactions in compressed rows. */
struct side {
    size_t n_rows;
    const size_t *start, *end; /* (n_rows) */
    const uint32_t *other;     /* row of the other side */
    const float *weight;
};

struct sweep {
    const struct ials_options *options;
    const struct side *side;
    size_t n_other;
    const real *other; /* (n_other, d) */
    const real *gram;  /* (d, d) */
    real *factors;     /* (n_rows, d) */
    real *workspaces;  /* (threads, normal_workspace_len) */
};

void ials_gram(const real *v, size_t n_rows, size_t d, double alpha, real *gram)
{
    blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, d, d, n_rows, (real)alpha, v, d, v, d, 0, gram, d);
}

static void solve_row(void *arg, size_t row, size_t thread)
{
    const struct sweep *s = arg;
    const struct side *side = s->side;
    size_t d = s->options->dim, n = side->end[row] - side->start[row];
    real *x = s->factors + row * d;
    struct normal_sum sum;
    memset(x, 0, d * sizeof *x);
    if (n == 0)
        return;
    normal_start(&sum, d, s->gram, s->workspaces + thread * normal_workspace_len(d), x);
    for (size_t i = side->start[row]; i < side->end[row]; i++) {
        real w = (real)side->weight[i];
        normal_add(&sum, s->other + (size_t)side->other[i] * d, w, w);
    }
    double scale = (double)n + s->options->alpha * (double)s->n_other;
    if (!normal_solve(&sum, (real)(s->options->reg * pow(scale, s->options->reg_exponent))))
        memset(x, 0, d * sizeof *x); /* only overflowed weights get here; the row then scores nothing */
}

/* The interactions turned round: rows are items. */
struct transposed {
    size_t *start; /* (n_items + 1) */
    uint32_t *user;
    float *weight;
};

static void transpose(const struct ials_data *data, struct transposed *t)
{
    for (size_t u = 0; u < data->n_users; u++)
        for (size_t i = data->start[u]; i < data->end[u]; i++)
            t->start[data->interactions[i].item + 1]++;
    for (size_t i = 0; i < data->n_items; i++)
        t->start[i + 1] += t->start[i];
    for (size_t u = 0; u < data->n_users; u++)
        for (size_t i = data->start[u]; i < data->end[u]; i++) {
            size_t at = t->start[data->interactions[i].item]++;
            t->user[at] = (uint32_t)u;
            t->weight[at] = data->interactions[i].weight;
        }
    for (size_t i = data->n_items; i > 0; i--) /* filling moved each start to its end */
        t->start[i] = t->start[i - 1];
    t->start[0] = 0;
}

static void init_factors(real *v, size_t n_rows, size_t d, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed, 1);
    double scale = 0.1 / sqrt((double)d);
    for (size_t i = 0; i < n_rows * d; i++)
        v[i] = (real)(scale * rng_normal(&r));
}

enum err_code ials_run(const struct ials_data *data, const struct ials_options *options,
                       struct parallel *team, progress_fn *progress, void *arg, real *item_factors,
                       real *user_factors, struct err *e)
{
    size_t d = options->dim, n = 0;
    for (size_t u = 0; u < data->n_users; u++)
        n = data->end[u] > n ? data->end[u] : n;
    struct transposed t = {.start = mem_zalloc_array(data->n_items + 1, sizeof *t.start),
                           .user = mem_alloc_array(n, sizeof *t.user),
                           .weight = mem_alloc_array(n, sizeof *t.weight)};
    uint32_t *item = mem_alloc_array(n, sizeof *item);
    float *weight = mem_alloc_array(n, sizeof *weight);
    real *gram = mem_alloc_aligned(d * d, sizeof *gram);
    real *workspaces =
        mem_alloc_aligned(parallel_threads(team) * normal_workspace_len(d), sizeof *workspaces);
    enum err_code code = ERR_OK;
    if (!t.start || !t.user || !t.weight || !item || !weight || !gram || !workspaces) {
        code = err_set(e, ERR_NOMEM, "no memory to factorise %zu interactions", n);
        goto out;
    }
    transpose(data, &t);
    for (size_t i = 0; i < n; i++) {
        item[i] = data->interactions[i].item;
        weight[i] = data->interactions[i].weight;
    }
    struct side users = {data->n_users, data->start, data->end, item, weight};
    struct side items = {data->n_items, t.start, t.start + 1, t.user, t.weight};
    init_factors(item_factors, data->n_items, d, options->seed);
    for (int epoch = 0; epoch < options->n_epochs && (epoch == 0 || !parallel_stopped(team)); epoch++) {
        loop_fn *loop = epoch == 0 ? parallel_for : parallel_for_unless_stopped;
        struct sweep s = {options, &users, data->n_items, item_factors, gram, user_factors, workspaces};
        ials_gram(item_factors, data->n_items, d, options->alpha, gram);
        loop(team, users.n_rows, solve_row, &s);
        s = (struct sweep){options, &items, data->n_users, user_factors, gram, item_factors, workspaces};
        ials_gram(user_factors, data->n_users, d, options->alpha, gram);
        loop(team, items.n_rows, solve_row, &s);
        struct progress done = progress_at("factorise", (double)(epoch + 1) / options->n_epochs);
        if (progress && !progress(arg, &done))
            break;
    }
out:
    mem_free(t.start);
    mem_free(t.user);
    mem_free(t.weight);
    mem_free(item);
    mem_free(weight);
    mem_free(gram);
    mem_free(workspaces);
    return code;
}
