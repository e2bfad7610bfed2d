/* Heads are matrices with the first units' rows first, so that a candidate's part of a head is its first
 * rows, and what is cut away costs nothing. */
#include "engine/train/search/weight_generator.h"

#include "base/mem.h"
#include "engine/kernels/blas.h"

#include <math.h>
#include <string.h>

enum { Z = WEIGHTS_TRUNK, RANK = WEIGHTS_RANK };

static const double head_deviation = 0.1; /* of what heads add at first, beside biases of about 1 */

/* ---- layout ---- */

static struct weights_head lay_head(size_t rows, size_t cols, size_t *at)
{
    struct weights_head h = {*at, *at + rows * cols};
    *at += rows * (cols + 1);
    return h;
}

static void lay_place(struct weights_place *p, size_t d_out, size_t d_in, size_t *at)
{
    p->d_out = d_out;
    p->d_in = d_in;
    p->weight = *at;
    p->bias = *at + d_out * d_in;
    *at += d_out * (d_in + 1);
    p->a = lay_head(d_out * RANK, Z, at);
    p->b = lay_head(d_in * RANK, Z, at);
    p->gain = lay_head(d_out, Z, at);
    p->add = lay_head(d_out, Z, at);
}

static size_t lay(struct weight_generator *g, size_t d_in, size_t d_out)
{
    size_t at = 0;
    g->trunk[0] = lay_head(Z, ARCHITECTURE_CODE, &at);
    g->trunk[1] = lay_head(Z, Z, &at);
    for (size_t i = 0; i < ARCHITECTURE_DEPTH; i++)
        lay_place(&g->places[i], ARCHITECTURE_MOST, i ? ARCHITECTURE_MOST : d_in, &at);
    for (size_t i = 0; i < ARCHITECTURE_DEPTH; i++)
        lay_place(&g->places[ARCHITECTURE_DEPTH + i], d_out, ARCHITECTURE_MOST, &at);
    return at;
}

/* ---- values to begin with ---- */

static void fill(struct rng *r, real *values, size_t n, double deviation)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (real)(deviation * rng_normal(r));
}

static void start(struct weight_generator *g, uint64_t seed)
{
    struct rng r;
    real *v = g->values;
    rng_init(&r, seed, 80);
    fill(&r, v + g->trunk[0].weight, Z * ARCHITECTURE_CODE, 1 / sqrt(5.0));
    fill(&r, v + g->trunk[1].weight, Z * Z, 1 / sqrt((double)Z));
    for (size_t i = 0; i < WEIGHTS_PLACES; i++) {
        const struct weights_place *p = &g->places[i];
        bool last = i >= ARCHITECTURE_DEPTH;
        fill(&r, v + p->weight, p->d_out * p->d_in, sqrt((last ? 1.0 : 1.5) / (double)p->d_in));
        fill(&r, v + p->a.weight, p->d_out * RANK * Z, head_deviation / sqrt(Z * RANK));
        fill(&r, v + p->a.bias, p->d_out * RANK, 1 / sqrt((double)RANK));
    }
}

enum err_code weight_generator_init(struct weight_generator *g, size_t d_in, size_t d_out, uint64_t seed,
                                    struct err *e)
{
    *g = (struct weight_generator){0};
    g->n_values = lay(g, d_in, d_out);
    size_t widest_in = d_in > ARCHITECTURE_MOST ? d_in : ARCHITECTURE_MOST;
    size_t widest_out = d_out > ARCHITECTURE_MOST ? d_out : ARCHITECTURE_MOST;
    g->room_len = 2 * (widest_in * RANK + widest_out * (RANK + 2)) + 2 * widest_in * widest_out;
    g->values = mem_zalloc_array(g->n_values, 4 * sizeof *g->values);
    g->room = mem_alloc_array(g->room_len, sizeof *g->room);
    if (!g->values || !g->room)
        return err_set(e, ERR_NOMEM, "no memory for a hypernetwork of %zu weights", g->n_values);
    g->grads = g->values + g->n_values;
    g->moment1 = g->grads + g->n_values;
    g->moment2 = g->moment1 + g->n_values;
    start(g, seed);
    return ERR_OK;
}

void weight_generator_fini(struct weight_generator *g)
{
    mem_free(g->values);
    mem_free(g->room);
    *g = (struct weight_generator){0};
}

/* ---- heads ---- */

/* out (n) = the first n rows of a head on x (d). */
static void head_forward(const struct weight_generator *g, const struct weights_head *h, size_t n, size_t d,
                         const real *x, real *out)
{
    memcpy(out, g->values + h->bias, n * sizeof *out);
    blas_gemv(BLAS_AS_IS, n, d, 1, g->values + h->weight, d, x, 1, out);
}

/* From dout (n): the head's gradient, and dx (d) is added to; NULL: not wanted. */
static void head_backward(struct weight_generator *g, const struct weights_head *h, size_t n, size_t d,
                          const real *x, const real *dout, real *dx)
{
    blas_ger(n, d, 1, dout, x, g->grads + h->weight, d);
    blas_axpy(n, 1, dout, g->grads + h->bias);
    if (dx)
        blas_gemv(BLAS_TRANSPOSED, n, d, 1, g->values + h->weight, d, dout, 1, dx);
}

/* ---- layers ---- */

/* What is generated of one layer, and its gradients; of a candidate's r units and c inputs. */
struct parts {
    real *a, *b, *gain, *add; /* (r, RANK), (c, RANK), (r), (r) */
    real *da, *db, *dgain;    /* the same */
    real *sum, *dsum;         /* (r, c) W0 + A B, and its gradient */
};

static struct parts parts_at(real *room, size_t r, size_t c)
{
    struct parts p;
    p.a = room;
    p.da = p.a + r * RANK;
    p.b = p.da + r * RANK;
    p.db = p.b + c * RANK;
    p.gain = p.db + c * RANK;
    p.dgain = p.gain + r;
    p.add = p.dgain + r;
    p.sum = p.add + 2 * r;
    p.dsum = p.sum + r * c;
    return p;
}

static const struct weights_place *place_of(const struct weight_generator *g, const struct candidate *c,
                                            size_t layer)
{
    size_t n = c->architecture.n_layers;
    return &g->places[layer < n ? layer : ARCHITECTURE_DEPTH + n - 1];
}

static double scale_of(const struct weights_place *p, const struct candidate_layer *l)
{
    return sqrt((double)p->d_in / (double)l->d_in);
}

/* A, B, gain and addition of a layer, and W0 + A B. */
static void make_parts(const struct weight_generator *g, const struct weights_place *p,
                       const struct candidate_layer *l, const struct parts *q)
{
    head_forward(g, &p->a, l->d_out * RANK, Z, g->z, q->a);
    head_forward(g, &p->b, l->d_in * RANK, Z, g->z, q->b);
    head_forward(g, &p->gain, l->d_out, Z, g->z, q->gain);
    head_forward(g, &p->add, l->d_out, Z, g->z, q->add);
    for (size_t i = 0; i < l->d_out; i++)
        memcpy(q->sum + i * l->d_in, g->values + p->weight + i * p->d_in, l->d_in * sizeof *q->sum);
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, l->d_out, l->d_in, RANK, 1, q->a, RANK, q->b, RANK, 1, q->sum,
              l->d_in);
}

static void make_layer(struct weight_generator *g, const struct weights_place *p,
                       const struct candidate_layer *l)
{
    struct parts q = parts_at(g->room, l->d_out, l->d_in);
    double scale = scale_of(p, l);
    make_parts(g, p, l, &q);
    for (size_t i = 0; i < l->d_out; i++) {
        real by = (real)scale * (1 + q.gain[i]);
        for (size_t j = 0; j < l->d_in; j++)
            l->weight[i * l->d_in + j] = by * q.sum[i * l->d_in + j];
        l->bias[i] = g->values[p->bias + i] + q.add[i];
    }
}

static void think(struct weight_generator *g, const struct architecture *a)
{
    architecture_code(a, g->code);
    head_forward(g, &g->trunk[0], Z, ARCHITECTURE_CODE, g->code, g->z1);
    for (size_t i = 0; i < Z; i++)
        g->z1[i] = (real)tanh((double)g->z1[i]);
    head_forward(g, &g->trunk[1], Z, Z, g->z1, g->z);
    for (size_t i = 0; i < Z; i++)
        g->z[i] = (real)tanh((double)g->z[i]);
}

void weight_generator_make(struct weight_generator *g, struct candidate *c)
{
    struct candidate_layer layers[ARCHITECTURE_DEPTH + 1];
    size_t n = candidate_layers(c, layers);
    think(g, &c->architecture);
    for (size_t i = 0; i < n; i++)
        make_layer(g, place_of(g, c, i), &layers[i]);
}

/* ---- backward ---- */

/* The parts are made anew: to keep those of all layers would be more to write than to compute. */
static void layer_backward(struct weight_generator *g, const struct weights_place *p,
                           const struct candidate_layer *l, real *dz)
{
    struct parts q = parts_at(g->room, l->d_out, l->d_in);
    size_t r = l->d_out, c = l->d_in;
    real scale = (real)scale_of(p, l);
    make_parts(g, p, l, &q);
    for (size_t i = 0; i < r; i++) {
        const real *dw = l->dweight + i * c, *sum = q.sum + i * c;
        real by = scale * (1 + q.gain[i]), *dsum = q.dsum + i * c;
        q.dgain[i] = scale * blas_dot(c, dw, sum);
        for (size_t j = 0; j < c; j++)
            dsum[j] = by * dw[j];
        blas_axpy(c, 1, dsum, g->grads + p->weight + i * p->d_in);
    }
    blas_axpy(r, 1, l->dbias, g->grads + p->bias);
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, r, RANK, c, 1, q.dsum, c, q.b, RANK, 0, q.da, RANK);
    blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, c, RANK, r, 1, q.dsum, c, q.a, RANK, 0, q.db, RANK);
    head_backward(g, &p->a, r * RANK, Z, g->z, q.da, dz);
    head_backward(g, &p->b, c * RANK, Z, g->z, q.db, dz);
    head_backward(g, &p->gain, r, Z, g->z, q.dgain, dz);
    head_backward(g, &p->add, r, Z, g->z, l->dbias, dz);
}

void weight_generator_backward(struct weight_generator *g, const struct candidate *c)
{
    struct candidate_layer layers[ARCHITECTURE_DEPTH + 1];
    size_t n = candidate_layers(c, layers);
    real dz[Z] = {0}, dz1[Z] = {0};
    for (size_t i = 0; i < n; i++)
        layer_backward(g, place_of(g, c, i), &layers[i], dz);
    for (size_t i = 0; i < Z; i++)
        dz[i] *= 1 - g->z[i] * g->z[i];
    head_backward(g, &g->trunk[1], Z, Z, g->z1, dz, dz1);
    for (size_t i = 0; i < Z; i++)
        dz1[i] *= 1 - g->z1[i] * g->z1[i];
    head_backward(g, &g->trunk[0], Z, ARCHITECTURE_CODE, g->code, dz1, NULL);
}
