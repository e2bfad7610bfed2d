/* engine/rank/int8_bounds.c and engine/rank/catalogue_top_k.c: the best of a catalogue by bounds
 * in 8 bits are the best by scoring everything, to the last bit, whatever the shape, the size of the numbers,
 * ties, filters and other contexts of the pass. Where the CPU lacks the instructions the second claim holds
 * by itself. Risks: a bound that is too narrow, lanes past the end, padding, a context's state that is
 * another's. */
#include "base/mem.h"
#include "base/rng.h"
#include "engine/kernels/int8_kernel.h"
#include "engine/network/hypernet.h"
#include "engine/network/item_item.h"
#include "engine/rank/catalogue.h"
#include "engine/rank/int8_bounds.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_CASES = 11, MAX_K = 200 };

static const struct shape {
    size_t n_items, d_item, rank, d_hidden; /* rank 0: no layers */
    enum bias_kind bias;
    float size;   /* of all values */
    size_t alike; /* so many items in a row are the same */
    size_t near;  /* entries that a history adds to scores */
} shapes[N_CASES] = {
    {600, 16, 4, 8, BIAS_FULL, 1, 1, 0},      {5000, 192, 16, 32, BIAS_FULL, 1, 1, 0},
    {4097, 13, 5, 9, BIAS_SHARED, 1, 1, 0},   {777, 6, 3, 1, BIAS_NONE, 1, 1, 0},
    {1000, 7, 0, 0, BIAS_NONE, 1, 1, 0},      {1024, 33, 16, 7, BIAS_FULL, 1e-15F, 1, 0},
    {1023, 33, 16, 7, BIAS_FULL, 1e4F, 1, 0}, {700, 8, 4, 4, BIAS_FULL, 1e9F, 1, 0},
    {2000, 16, 4, 8, BIAS_FULL, 1, 40, 0},    {512, 4, 4, 4, BIAS_FULL, 0, 1, 0},
    {6000, 16, 4, 8, BIAS_FULL, 1, 1, 400},
};

struct made {
    struct model_spec spec;
    struct model_params params;
    void *blocks[MODEL_MAX_TENSORS];
    size_t n_blocks;
    struct theta_layout layout;
    real *theta, *workspace, *scores;
    struct catalogue *catalogue;
    struct rng rng;
};

static void describe(struct made *m, const struct shape *s)
{
    m->spec = (struct model_spec){.name = "screened",
                                  .version = "1",
                                  .objective = &objective_ranking,
                                  .n_items = s->n_items,
                                  .d_item = s->d_item,
                                  .d_context = 3,
                                  .d_output = 1,
                                  .has_linear = true};
    m->spec.n_pairs = s->near;
    if (!s->rank)
        return;
    m->spec.n_layers = 2;
    m->spec.layers[0] =
        (struct layer_spec){s->d_item, s->d_hidden, GENERATOR_CORE, s->rank, s->bias, ACTIVATION_RELU};
    m->spec.layers[1] =
        (struct layer_spec){s->d_hidden, 1, GENERATOR_FULL, 0, BIAS_NONE, ACTIVATION_IDENTITY};
}

static void fill(struct made *m, real *x, size_t n, float size)
{
    for (size_t i = 0; i < n; i++)
        x[i] = size * (real)rng_normal(&m->rng);
}

/* Random weights, and what a history adds to every 13th score. */
static void fill_theta(struct made *m, const struct shape *s)
{
    fill(m, m->theta, m->layout.len, s->size);
    item_item_index *at = (item_item_index *)(m->theta + m->layout.len);
    *at++ = (uint32_t)s->near;
    for (size_t i = 0; i < s->near; i++)
        at[i] = (uint32_t)(i * 13);
    fill(m, (real *)(at + s->near), s->near, 10 * s->size);
}

static void made_init(struct made *m, const struct shape *s)
{
    struct tensor_spec table[MODEL_MAX_TENSORS];
    struct err e = {0};
    memset(m, 0, sizeof *m);
    describe(m, s);
    rng_init(&m->rng, 7, s->n_items);
    size_t n = model_spec_tensors(&m->spec, table);
    for (size_t i = 0; i < n; i++) {
        size_t len = table[i].n_rows * table[i].n_cols;
        real *values = calloc(len, sizeof *values);
        fill(m, values, len, s->size);
        m->blocks[m->n_blocks++] = values;
        *model_params_slot(&m->params, &table[i]) = values;
    }
    for (size_t i = 0; i < s->n_items; i++) {
        size_t from = i - i % s->alike;
        memmove(m->params.catalogue_embedding + i * s->d_item,
                m->params.catalogue_embedding + from * s->d_item, s->d_item * sizeof(real));
        m->params.catalogue_bias[i] = m->params.catalogue_bias[from];
    }
    theta_layout_of(&m->spec, &m->layout);
    m->theta = mem_alloc_aligned(m->layout.len + 1 + 2 * s->near, sizeof(real));
    ck_assert_int_eq(catalogue_new(&m->spec, &m->params, &m->catalogue, &e), ERR_OK);
    m->workspace = mem_alloc_aligned(catalogue_workspace_len(m->catalogue), sizeof(real));
    m->scores = mem_alloc_aligned(s->n_items, sizeof(real));
}

static void made_fini(struct made *m)
{
    catalogue_free(m->catalogue);
    for (size_t i = 0; i < m->n_blocks; i++)
        free(m->blocks[i]);
    mem_free(m->theta);
    mem_free(m->workspace);
    mem_free(m->scores);
}

static bool is_in(const struct catalogue_filter *f, uint32_t index)
{
    for (size_t i = 0; f && i < f->n_excluded; i++)
        if (f->excluded[i] == index)
            return false;
    return !f || !f->allowed || f->allowed[index / 64] >> (index % 64) & 1;
}

static void same_as_scoring_all(struct made *m, const struct catalogue_filter *filter, size_t k)
{
    struct topk_entry got[MAX_K], expected[MAX_K];
    struct topk top, naive;
    topk_init(&top, got, k);
    topk_init(&naive, expected, k);
    catalogue_top_k(m->catalogue, m->theta, filter, m->workspace, &top);
    for (uint32_t i = 0; i < m->spec.n_items; i++)
        if (is_in(filter, i))
            topk_push(&naive, m->scores[i], i);
    size_t n = topk_finish(&top);
    ck_assert_uint_eq(n, topk_finish(&naive));
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(got[i].index, expected[i].index);
        ck_assert_mem_eq(&got[i].score, &expected[i].score, sizeof got[i].score);
    }
}

START_TEST(test_the_best_are_those_of_scoring_everything)
{
    static const size_t ks[] = {1, 10, 100, 128, 129, 200};
    const struct shape *s = &shapes[_i];
    struct made m;
    made_init(&m, s);
    uint32_t excluded[100];
    uint64_t allowed[128] = {0};
    for (uint32_t i = 0; i < 100; i++)
        excluded[i] = i * 3;
    for (size_t i = 0; i < s->n_items; i += 5)
        allowed[i / 64] |= (uint64_t)1 << (i % 64);
    allowed[1] = 0;
    const struct catalogue_filter filters[] = {
        {excluded, 100, NULL}, {NULL, 0, allowed}, {excluded, 100, allowed}};
    for (size_t user = 0; user < 5; user++) {
        fill_theta(&m, s);
        catalogue_score_all(m.catalogue, m.theta, m.workspace, m.scores);
        for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
            same_as_scoring_all(&m, NULL, ks[i]);
            for (size_t f = 0; f < 3; f++)
                same_as_scoring_all(&m, &filters[f], ks[i]);
        }
    }
    made_fini(&m);
}
END_TEST

START_TEST(test_the_best_of_what_little_is_not_excluded)
{
    const struct shape *s = &shapes[_i];
    struct made m;
    made_init(&m, s);
    fill_theta(&m, s);
    catalogue_score_all(m.catalogue, m.theta, m.workspace, m.scores);
    uint32_t *excluded = malloc(s->n_items * sizeof *excluded);
    static const size_t left[] = {0, 1, 9, 40};
    for (size_t l = 0; l < 4; l++) {
        size_t n = 0; /* the first are left, then all are excluded */
        for (size_t i = left[l]; i < s->n_items; i++)
            excluded[n++] = (uint32_t)i;
        struct catalogue_filter filter = {excluded, n, NULL};
        same_as_scoring_all(&m, &filter, 10);
        same_as_scoring_all(&m, &filter, 16);
    }
    free(excluded);
    made_fini(&m);
}
END_TEST

/* ---- several contexts in one pass ---- */

enum { N_CONTEXTS = 2 * CATALOGUE_TOGETHER + 5 };

/* What each asks for: few or many, with and without filters, some with a list that is begun. */
struct asked {
    real *theta;
    struct catalogue_filter filter;
    struct topk together, alone;
    struct topk_entry of_together[MAX_K], of_alone[MAX_K];
};

static void ask(struct made *m, const struct shape *s, size_t i, const struct catalogue_filter *filter,
                struct asked *out)
{
    static const size_t ks[] = {10, 1, 128, 10, 129, 0, 16, 50};
    size_t k = ks[i % (sizeof ks / sizeof *ks)], len = m->layout.len + 1 + 2 * s->near;
    fill_theta(m, s);
    out->theta = mem_alloc_aligned(len, sizeof *out->theta);
    memcpy(out->theta, m->theta, len * sizeof *out->theta);
    out->filter = filter ? *filter : (struct catalogue_filter){NULL, 0, NULL};
    topk_init(&out->together, out->of_together, k);
    topk_init(&out->alone, out->of_alone, k);
    if (i % 7 == 3) {
        topk_push(&out->together, s->size, 5000000);
        topk_push(&out->alone, s->size, 5000000);
    }
}

static void same_as_alone(struct asked *a)
{
    size_t n = topk_finish(&a->together);
    ck_assert_uint_eq(n, topk_finish(&a->alone));
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(a->of_together[i].index, a->of_alone[i].index);
        ck_assert_mem_eq(&a->of_together[i].score, &a->of_alone[i].score, sizeof(real));
    }
}

START_TEST(test_contexts_of_one_pass_have_the_bits_that_each_has_alone)
{
    const struct shape *s = &shapes[_i];
    struct made m;
    made_init(&m, s);
    uint32_t excluded[100];
    uint64_t allowed[128] = {0};
    for (uint32_t i = 0; i < 100; i++)
        excluded[i] = i * 3;
    for (size_t i = 0; i < s->n_items; i += 5)
        allowed[i / 64] |= (uint64_t)1 << (i % 64);
    const struct catalogue_filter filters[] = {
        {excluded, 100, NULL}, {NULL, 0, allowed}, {excluded, 100, allowed}};
    struct asked *asked = calloc(N_CONTEXTS, sizeof *asked);
    struct catalogue_query queries[N_CONTEXTS];
    for (size_t i = 0; i < N_CONTEXTS; i++) {
        ask(&m, s, i, i % 4 ? &filters[i % 4 - 1] : NULL, &asked[i]);
        queries[i] =
            (struct catalogue_query){asked[i].theta, i % 4 ? &asked[i].filter : NULL, &asked[i].together};
        catalogue_top_k(m.catalogue, asked[i].theta, queries[i].filter, m.workspace, &asked[i].alone);
    }
    real *workspace = mem_alloc_aligned(catalogue_each_workspace_len(m.catalogue), sizeof *workspace);
    catalogue_top_k_each(m.catalogue, queries, N_CONTEXTS, workspace);
    for (size_t i = 0; i < N_CONTEXTS; i++) {
        same_as_alone(&asked[i]);
        mem_free(asked[i].theta);
    }
    catalogue_top_k_each(m.catalogue, queries, 0, workspace);
    mem_free(workspace);
    free(asked);
    made_fini(&m);
}
END_TEST

/* All lanes, so that the padding's are seen too. */
static void within(struct made *m, const struct int8_bounds *screen, const struct int8_bounds_context *c)
{
    enum { LEN = INT8_CHUNK_BLOCKS * KERNEL_LANES };
    static float least[LEN], most[LEN];
    size_t n_blocks = (m->spec.n_items + KERNEL_LANES - 1) / KERNEL_LANES;
    for (size_t first = 0, n; first < n_blocks; first += n) {
        n = int8_bounds_compute(screen, c, first, least, most);
        for (size_t i = 0; i < n * KERNEL_LANES; i++) {
            size_t item = first * KERNEL_LANES + i;
            ck_assert(!isnan(least[i]) && !isnan(most[i]));
            if (item < m->spec.n_items)
                ck_assert(least[i] <= m->scores[item] && m->scores[item] <= most[i]);
            else
                ck_assert(isinf(most[i]) && most[i] < 0);
        }
    }
}

/* V x of every item, as catalogue.c keeps it. */
static real *shared_part(struct made *m)
{
    size_t d = m->spec.d_item, rank = m->spec.n_layers ? m->spec.layers[0].rank : 0;
    real *shared = calloc(m->spec.n_items * (rank + 1), sizeof *shared);
    for (size_t i = 0; i < m->spec.n_items; i++)
        for (size_t r = 0; r < rank; r++)
            for (size_t j = 0; j < d; j++)
                shared[i * rank + r] +=
                    m->params.layers[0].v[r * d + j] * m->params.catalogue_embedding[i * d + j];
    return shared;
}

/* With a screen of every kernel that runs here. */
static void each_screen(struct made *m,
                        void (*call)(struct made *m, struct int8_bounds *screen, real *workspace))
{
    const struct int8_kernel *all[2];
    struct err e = {0};
    real *shared = shared_part(m);
    for (size_t i = 0, n = int8_kernel_all(all); i < n; i++) {
        struct int8_bounds *screen;
        ck_assert_int_eq(int8_bounds_new(&m->spec, &m->params, shared, all[i], &screen, &e), ERR_OK);
        ck_assert_ptr_nonnull(screen);
        real *workspace = mem_alloc_aligned(int8_bounds_workspace_len(screen), sizeof(real));
        call(m, screen, workspace);
        mem_free(workspace);
        int8_bounds_free(screen);
    }
    free(shared);
}

static const struct shape *shape_in_use;

static void bounds_of_users(struct made *m, struct int8_bounds *screen, real *workspace)
{
    for (size_t user = 0; user < 20; user++) {
        struct target_pass pass;
        struct int8_bounds_context c;
        m->spec.n_pairs = shape_in_use->near;
        fill_theta(m, shape_in_use);
        m->spec.n_pairs = 0; /* catalogue.c adds these */
        catalogue_score_all(m->catalogue, m->theta, m->workspace, m->scores);
        target_pass_init(&pass, &m->spec, &m->params, m->theta, m->workspace);
        if (int8_bounds_prepare(screen, &pass, workspace, &c))
            within(m, screen, &c);
        else
            ck_assert(shape_in_use->size > 1e3F);
    }
}

START_TEST(test_a_score_is_never_outside_its_bounds)
{
    struct made m;
    shape_in_use = &shapes[_i];
    made_init(&m, shape_in_use);
    each_screen(&m, bounds_of_users);
    made_fini(&m);
}
END_TEST

/* The mean width of the bounds of the first blocks. */
static double width_of(struct made *m, const struct int8_bounds *screen, real *workspace)
{
    static real least[INT8_CHUNK_BLOCKS * KERNEL_LANES], most[INT8_CHUNK_BLOCKS * KERNEL_LANES];
    struct target_pass pass;
    struct int8_bounds_context c;
    target_pass_init(&pass, &m->spec, &m->params, m->theta, m->workspace);
    ck_assert(int8_bounds_prepare(screen, &pass, workspace, &c));
    (void)int8_bounds_compute(screen, &c, 0, least, most);
    double sum = 0;
    for (size_t i = 0; i < m->spec.n_items && i < INT8_CHUNK_BLOCKS * KERNEL_LANES; i++)
        sum += (double)(most[i] - least[i]);
    return sum;
}

static void widths_with_odd_units(struct made *m, struct int8_bounds *screen, real *workspace)
{
    real *bias = m->theta + m->layout.layers[0].bias;
    fill_theta(m, &shapes[1]);
    double usual = width_of(m, screen, workspace);
    bias[0] *= 30;
    ck_assert_double_lt(width_of(m, screen, workspace), 1.2 * usual);
    real row[16], *u = (real *)m->params.layers[0].u;
    memcpy(row, u, sizeof row);
    bias[0] = 0;
    memset(u, 0, sizeof row);
    ck_assert_double_lt(width_of(m, screen, workspace), 1.01 * usual);
    memcpy(u, row, sizeof row);
}

/* A unit whose row and bias are zero, and one with a bias far above the others': all units share a shift and
 * a step, and one must not cost the others their bits. */
START_TEST(test_an_odd_unit_does_not_widen_the_bounds_of_the_others)
{
    struct made m;
    made_init(&m, &shapes[1]);
    each_screen(&m, widths_with_odd_units);
    made_fini(&m);
}
END_TEST

static void bounds_of_this(struct made *m, struct int8_bounds *screen, real *workspace)
{
    struct target_pass pass;
    struct int8_bounds_context c;
    catalogue_score_all(m->catalogue, m->theta, m->workspace, m->scores);
    target_pass_init(&pass, &m->spec, &m->params, m->theta, m->workspace);
    ck_assert(int8_bounds_prepare(screen, &pass, workspace, &c));
    within(m, screen, &c);
}

/* Bytes at their limits: pairs of products are the largest that there are, and so are their sums. */
static void bounds_of_extremes(struct made *m, struct int8_bounds *screen, real *workspace)
{
    bounds_of_this(m, screen, workspace);
    double width = width_of(m, screen, workspace) / (INT8_CHUNK_BLOCKS * KERNEL_LANES), size = 0;
    for (size_t i = 0; i < m->spec.n_items; i++)
        size = fmax(size, fabs((double)m->scores[i]));
    ck_assert_double_lt(width, 0.01 * size);
}

static void extremes_of(const struct shape *s)
{
    struct made m;
    made_init(&m, s);
    const struct layer_spec *l = m.spec.layers;
    for (size_t i = 0; i < s->n_items * s->d_item; i++)
        m.params.catalogue_embedding[i] = i / s->d_item % 2 ? 1 : -1;
    for (size_t i = 0; i < s->rank * s->d_item; i++)
        ((real *)m.params.layers[0].v)[i] = 1;
    for (size_t i = 0; s->rank && i < l[0].d_out * s->rank; i++)
        ((real *)m.params.layers[0].u)[i] = 1;
    for (int sign = -1; sign <= 1; sign += 2) {
        for (size_t i = 0; i < m.layout.len; i++)
            m.theta[i] = (real)sign;
        catalogue_free(m.catalogue); /* it keeps V x */
        struct err e = {0};
        ck_assert_int_eq(catalogue_new(&m.spec, &m.params, &m.catalogue, &e), ERR_OK);
        each_screen(&m, bounds_of_extremes);
    }
    made_fini(&m);
}

START_TEST(test_bounds_hold_where_every_byte_is_the_largest)
{
    const struct shape linear = {5000, 192, 0, 0, BIAS_NONE, 1, 1, 0};
    extremes_of(&linear);
    extremes_of(&shapes[1]);
}
END_TEST

/* Scales whose product is below the smallest float that is exact. */
START_TEST(test_bounds_hold_of_the_smallest_numbers)
{
    const struct shape tiny = {600, 16, 0, 0, BIAS_NONE, 0, 1, 0};
    struct made m;
    made_init(&m, &tiny);
    for (size_t i = 0; i < tiny.n_items * tiny.d_item; i++)
        m.params.catalogue_embedding[i] = i / 3 % 2 ? 1e-21F : -1e-21F; /* bytes lose nothing of them */
    for (size_t i = 0; i < m.layout.len; i++)
        m.theta[i] = i % 2 ? 1e-17F : -1e-17F;
    each_screen(&m, bounds_of_this);
    made_fini(&m);
}
END_TEST

START_TEST(test_blocks_that_reach_a_threshold_are_found)
{
    enum { N = 37 };
    const struct int8_kernel *all[2];
    static float x[N * KERNEL_LANES];
    struct rng r;
    rng_init(&r, 5, 6);
    for (size_t i = 0; i < N * KERNEL_LANES; i++)
        x[i] = i % 29 == 28 ? -INFINITY : (float)rng_normal(&r);
    for (size_t k = 0, n_kernels = int8_kernel_all(all); k < n_kernels; k++) {
        float most[KERNEL_LANES];
        all[k]->lanes_most(x, N, most);
        for (size_t lane = 0; lane < KERNEL_LANES; lane++) {
            float expected = -INFINITY;
            for (size_t b = 0; b < N; b++)
                expected = fmaxf(expected, x[b * KERNEL_LANES + lane]);
            ck_assert(most[lane] == expected);
        }
        static const float thresholds[] = {-1e30F, 0, 1, 2, 3, 1e30F};
        for (size_t t = 0; t < sizeof thresholds / sizeof *thresholds; t++)
            for (size_t from = 0, b = 0; from < N; from = b + 1) {
                uint16_t lanes = 0, expected = 0;
                for (b = from; b < N && !expected; b += !expected)
                    for (size_t lane = 0; lane < KERNEL_LANES; lane++)
                        if (x[b * KERNEL_LANES + lane] >= thresholds[t])
                            expected |= (uint16_t)(1U << lane);
                ck_assert_uint_eq(all[k]->next(x, from, N, thresholds[t], &lanes), b);
                ck_assert(b == N || lanes == expected);
            }
    }
}
END_TEST

SUITE("engine/screen", NULL, NULL, {test_the_best_are_those_of_scoring_everything, N_CASES},
      {test_the_best_of_what_little_is_not_excluded, N_CASES},
      {test_contexts_of_one_pass_have_the_bits_that_each_has_alone, N_CASES},
      {test_a_score_is_never_outside_its_bounds, N_CASES},
      {test_an_odd_unit_does_not_widen_the_bounds_of_the_others},
      {test_bounds_hold_where_every_byte_is_the_largest}, {test_bounds_hold_of_the_smallest_numbers},
      {test_blocks_that_reach_a_threshold_are_found})
