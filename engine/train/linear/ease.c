/* The matrix is symmetric until its columns are scaled, so only its lower triangle is gathered, factored and
 * inverted, in place. */
#include "engine/train/linear/ease.h"

#include "base/mem.h"
#include "engine/kernels/blas.h"
#include "engine/train/data/climb.h"
#include "engine/train/data/validate.h"

#include <string.h>

static const double lambdas[] = {10, 30, 100, 300, 1000, 3000, 10000};
enum { N_LAMBDAS = sizeof lambdas / sizeof *lambdas, FIRST_LAMBDA = 3 };

/* Lower triangle of X^T X + lambda 1. */
static void gather(const struct ials_data *data, double lambda, real *g)
{
    size_t n = data->n_items;
    memset(g, 0, n * n * sizeof *g);
    for (size_t u = 0; u < data->n_users; u++)
        for (size_t i = data->start[u]; i < data->end[u]; i++)
            for (size_t j = data->start[u]; j <= i; j++) {
                size_t a = data->interactions[i].item, b = data->interactions[j].item;
                g[(a > b ? a : b) * n + (a > b ? b : a)] += 1;
            }
    for (size_t i = 0; i < n; i++)
        g[i * n + i] += (real)lambda;
}

/* From the lower triangle of P to B. */
static void to_weights(size_t n, real *p)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            p[j * n + i] = -p[i * n + j] / p[i * n + i];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            p[i * n + j] = -p[i * n + j] / p[j * n + j];
    for (size_t i = 0; i < n; i++)
        p[i * n + i] = 0;
}

enum err_code ease_fit(const struct ials_data *data, double lambda, real *b, struct err *e)
{
    if (data->n_items > EASE_MOST_ITEMS)
        return err_set(e, ERR_INVALID, "EASE of %zu items; at most %d", data->n_items, EASE_MOST_ITEMS);
    gather(data, lambda, b);
    if (!blas_cholesky(data->n_items, b, data->n_items) ||
        !blas_cholesky_inverse(data->n_items, b, data->n_items))
        return err_set(e, ERR_INVALID, "EASE's equation has no solution with lambda %g", lambda);
    to_weights(data->n_items, b);
    return ERR_OK;
}

void ease_scores(const real *b, size_t n_items, const struct encoder_interaction *known, size_t n_known,
                 real *scores)
{
    memset(scores, 0, n_items * sizeof *scores);
    for (size_t i = 0; i < n_known; i++)
        blas_axpy(n_items, 1, b + known[i].item * n_items, scores);
}

struct trial {
    const struct split *split;
    struct parallel *team;
    real *b;       /* (n_items, n_items) */
    real *scores;  /* (threads, n_items) */
    double *gains; /* (n_validated) */
};

static void score_user(void *arg, size_t i, size_t thread)
{
    const struct trial *t = arg;
    const struct split *s = t->split;
    size_t u = s->validated[i], n = s->data->n_items;
    real *scores = t->scores + thread * n;
    ease_scores(t->b, n, s->interactions + s->start[u], s->end[u] - s->start[u], scores);
    t->gains[i] = validate_gain(s, u, scores);
}

static enum err_code try_lambda(void *arg, int at, int y, double *ndcg, struct err *e)
{
    struct trial *t = arg;
    const struct split *s = t->split;
    (void)y;
    struct ials_data data = {s->data->n_users, s->data->n_items, s->start, s->end, s->interactions};
    enum err_code code = ease_fit(&data, lambdas[at], t->b, e);
    if (code)
        return code;
    parallel_for(t->team, s->n_validated, score_user, t);
    *ndcg = 0;
    for (size_t i = 0; i < s->n_validated; i++)
        *ndcg += t->gains[i];
    return ERR_OK;
}

enum err_code ease_choose(const struct split *split, struct parallel *team, real *b, double *lambda,
                          struct err *e)
{
    size_t n_items = split->data->n_items;
    struct trial t = {.split = split,
                      .team = team,
                      .b = b,
                      .scores = mem_alloc_array(parallel_threads(team) * n_items, sizeof *t.scores),
                      .gains = mem_alloc_array(split->n_validated, sizeof *t.gains)};
    const struct climb line = {.n_x = N_LAMBDAS, .n_y = 1, .try_at = try_lambda, .arg = &t};
    double best;
    int at = FIRST_LAMBDA;
    enum err_code code = t.scores && t.gains ? ERR_OK : err_set(e, ERR_NOMEM, "no memory to choose lambda");
    if (!code)
        code = try_lambda(&t, at, 0, &best, e);
    if (!code)
        code = climb_line(&line, -1, &at, &best, e);
    *lambda = lambdas[at];
    mem_free(t.scores);
    mem_free(t.gains);
    return code;
}
