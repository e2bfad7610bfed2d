/* engine/network/hypernet_batch.c and the loops of engine/kernels/kernel.h below it. The naive twin of a
 * batch is hypernet_generate, one context after the other, which test_engine_forward.c holds to the formulas.
 * Tolerance: none, the bits are the same: an answer must not depend on who else asked. Risks: a tile or a
 * lane at an end, a bad context that spoils others. */
#include "base/mem.h"
#include "base/rng.h"
#include "engine/kernels/kernel.h"
#include "engine/network/hypernet.h"
#include "engine/network/hypernet_panels.h"
#include "engine/train/gradient/param_block.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 2 * HYPERNET_BATCH + 5, N_CASES = 12, GUARD = 3, MAX_OUT = 193, MAX_IN = 64 };

static float *normal(struct rng *r, size_t n)
{
    float *x = mem_alloc_aligned(n + 1, sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_normal(r);
    return x;
}

/* ---- kernels ---- */

/* w (d_out, d_in) as panels of engine/kernels/kernel.h, by the places that each value has there. */
static float *panels_of(const float *w, size_t d_out, size_t d_in)
{
    size_t rounded = (d_out + KERNEL_LANES - 1) / KERNEL_LANES * KERNEL_LANES;
    float *out = mem_zalloc_array(rounded * d_in, sizeof *out);
    ck_assert_ptr_nonnull(out);
    for (size_t o = 0; o < d_out; o++)
        for (size_t i = 0; i < d_in; i++) {
            size_t first = o / KERNEL_PANEL * KERNEL_PANEL, left = rounded - first;
            out[first * d_in + i * (left < KERNEL_PANEL ? left : KERNEL_PANEL) + o - first] = w[o * d_in + i];
        }
    return out;
}

/* `vector` and `panels` of one version, to the bits of a lane of its `layer`. */
static void check_vectors(const struct kernels *k, const float *w, const float *start, size_t d_out,
                          size_t d_in, const float *x)
{
    enum { LANE = 5 };
    float *lanes = mem_alloc_array(d_in * KERNEL_LANES, sizeof *lanes), y[2][MAX_OUT + 1];
    float *expected = mem_alloc_array(d_out * KERNEL_LANES, sizeof *expected);
    float *in_panels = panels_of(w, d_out, d_in);
    ck_assert(lanes && expected);
    for (size_t i = 0; i < d_in * KERNEL_LANES; i++)
        lanes[i] = x[i / KERNEL_LANES];
    y[0][d_out] = y[1][d_out] = GUARD;
    k->layer(w, start, NULL, d_out, d_in, lanes, expected);
    k->vector(w, start, d_out, d_in, x, y[0]);
    k->panels(in_panels, start, d_out, d_in, x, y[1]);
    for (size_t way = 0; way < 2; way++) {
        for (size_t o = 0; o < d_out; o++)
            ck_assert_msg(!memcmp(&y[way][o], &expected[o * KERNEL_LANES + LANE], sizeof(float)),
                          "%s %zu x %zu, way %zu, output %zu: %.9g, %.9g", k->name, d_out, d_in, way, o,
                          y[way][o], expected[o * KERNEL_LANES + LANE]);
        ck_assert(y[way][d_out] == GUARD);
    }
    mem_free(lanes);
    mem_free(expected);
    mem_free(in_panels);
}

START_TEST(test_a_vector_gets_the_bits_of_a_lane)
{
    static const size_t outs[] = {1, 7, 8, 31, 40, 64, 73, 112, MAX_OUT}, ins[] = {1, 5, 8, 17, MAX_IN};
    const struct kernels *all[3];
    struct rng r;
    rng_init(&r, 3, 1);
    float *w = normal(&r, MAX_OUT * MAX_IN), *bias = normal(&r, MAX_OUT), *x = normal(&r, MAX_IN);
    for (size_t v = kernel_all(all); v-- > 0;)
        for (size_t a = 0; a < sizeof outs / sizeof *outs; a++)
            for (size_t b = 0; b < sizeof ins / sizeof *ins; b++)
                check_vectors(all[v], w, (a + b) % 2 ? bias : NULL, outs[a], ins[b], x);
    mem_free(w);
    mem_free(bias);
    mem_free(x);
}
END_TEST

START_TEST(test_bfloat16_is_the_upper_half)
{
    enum { WIDEST = 70 };
    const struct kernels *all[3];
    for (size_t v = kernel_all(all); v-- > 0;)
        for (uint32_t first = 0, n = 0; first < 0x10000; first += n, n = n % WIDEST + 1) {
            uint16_t x[WIDEST];
            float y[WIDEST + 1];
            for (uint32_t i = 0; i < n; i++)
                x[i] = (uint16_t)(first + i);
            y[n] = GUARD;
            all[v]->widen(x, n, y);
            ck_assert(y[n] == GUARD);
            for (uint32_t i = 0; i < n; i++) {
                uint32_t bits = (uint32_t)x[i] << 16;
                ck_assert_msg(!memcmp(&y[i], &bits, sizeof bits), "%s: %x", all[v]->name, x[i]);
            }
        }
}
END_TEST

START_TEST(test_rows_go_into_lanes_and_back)
{
    enum { D = 21, AT = 2 };
    const struct kernels *all[3];
    struct rng r;
    rng_init(&r, 3, 2);
    float *x = normal(&r, KERNEL_LANES * D), back[KERNEL_LANES][AT + D + 1], lanes[D * KERNEL_LANES];
    for (size_t v = kernel_all(all); v-- > 0;)
        for (size_t n = 1; n <= KERNEL_LANES; n++) {
            const float *rows[KERNEL_LANES];
            float *to[KERNEL_LANES];
            for (size_t i = 0; i < n; i++) {
                rows[i] = x + i * D;
                to[i] = back[i];
                back[i][AT - 1] = back[i][AT + D] = GUARD;
            }
            all[v]->rows_to_lanes(rows, n, D, lanes);
            for (size_t j = 0; j < D; j++)
                for (size_t i = 0; i < KERNEL_LANES; i++)
                    ck_assert(lanes[j * KERNEL_LANES + i] == (i < n ? x[i * D + j] : 0));
            float non_finite[KERNEL_LANES] __attribute__((aligned(64))) = {0};
            all[v]->lanes_to_rows(lanes, n, D, to, AT, n % 2, non_finite);
            for (size_t i = 0; i < KERNEL_LANES; i++)
                ck_assert(non_finite[i] == 0);
            for (size_t i = 0; i < n; i++) {
                ck_assert_int_eq(memcmp(back[i] + AT, x + i * D, D * sizeof *x), 0);
                ck_assert(back[i][AT - 1] == GUARD && back[i][AT + D] == GUARD);
            }
        }
    mem_free(x);
}
END_TEST

/* Rows at any place of a cache line: those that can be are written past the caches, and read the same. One
 * value of a lane that is not finite is told of that lane alone. */
START_TEST(test_rows_written_past_the_caches_read_the_same)
{
    enum { D = 44, ROOM = D + 40 };
    const struct kernels *all[3];
    struct rng r;
    rng_init(&r, 4, 2);
    float *lanes = normal(&r, D * KERNEL_LANES), *memory = normal(&r, KERNEL_LANES * ROOM);
    float *to[KERNEL_LANES], non_finite[KERNEL_LANES] __attribute__((aligned(64)));
    static const float bad[] = {NAN, INFINITY, -INFINITY, 1e38F};
    for (size_t v = kernel_all(all); v-- > 0;)
        for (size_t at = 0; at < 33; at++) {
            size_t odd = at % KERNEL_LANES;
            lanes[at * KERNEL_LANES + odd] = bad[at % 4];
            memset(non_finite, 0, sizeof non_finite);
            for (size_t i = 0; i < KERNEL_LANES; i++) {
                to[i] = memory + i * ROOM;
                to[i][at + D] = GUARD;
            }
            all[v]->lanes_to_rows(lanes, KERNEL_LANES, D, to, at, true, non_finite);
            for (size_t i = 0; i < KERNEL_LANES; i++) {
                for (size_t j = 0; j < D; j++)
                    ck_assert(memcmp(&to[i][at + j], &lanes[j * KERNEL_LANES + i], sizeof(float)) == 0);
                ck_assert(to[i][at + D] == GUARD);
                ck_assert_int_eq(non_finite[i] == 0, i != odd || at % 4 == 3);
            }
            lanes[at * KERNEL_LANES + odd] = 1;
        }
    mem_free(lanes);
    mem_free(memory);
}
END_TEST

/* ---- batches ---- */

/* Shapes with whole tiles, parts of tiles and less than eight rows; every generator, bias, norm and trunk. */
static struct model_spec make_spec(int number)
{
    struct model_spec s = {.name = "t",
                           .version = "1",
                           .objective = &objective_ranking,
                           .n_items = 9,
                           .d_item = 24,
                           .d_output = 1,
                           .d_context = 37,
                           .norm = (enum norm_kind)(number % 3),
                           .n_trunk = (size_t)(number % 3),
                           .has_linear = number % 4 != 0,
                           .linear_head = number % 4 > 1,
                           .n_layers = 3};
    bool wide = number == 7; /* more than one piece of a row, and of a matrix's rows */
    s.trunk[0] = (struct trunk_layer_spec){wide ? 150 : 19, ACTIVATION_RELU};
    s.trunk[1] = (struct trunk_layer_spec){16, ACTIVATION_TANH};
    size_t widths[] = {24, wide ? 45 : 13, wide ? 40 : 10, 1};
    for (size_t i = 0; i < 3; i++) {
        enum generator g = (enum generator)(((size_t)number + i) % 4);
        s.layers[i] = (struct layer_spec){.d_in = widths[i],
                                          .d_out = widths[i + 1],
                                          .generator = g,
                                          .rank = g == GENERATOR_CORE || g == GENERATOR_LOW_RANK ? 1 : 0,
                                          .bias = (enum bias_kind)((size_t)number / 4 % 3),
                                          .activation = i < 2 ? ACTIVATION_RELU : ACTIVATION_IDENTITY};
    }
    return s;
}

struct world {
    struct model_spec spec;
    struct param_block block;
    struct model_params params; /* what is tested: block's, or with panels, or with heads in bfloat16 */
    uint16_t *half[LIMIT_LAYERS];
    struct hypernet_panels *panels;
    struct theta_layout layout;
    float *contexts; /* (MOST, C) */
    float *thetas;   /* (MOST, stride) */
    float *alone, *workspace;
    size_t stride; /* theta and a guard */
    struct hypernet_job jobs[MOST], *listed[MOST];
};

static void world_init(struct world *w, int number)
{
    struct rng r;
    struct err e = {0};
    rng_init(&r, 4, (uint64_t)number);
    w->spec = make_spec(number);
    ck_assert_int_eq(param_block_init(&w->block, &w->spec, &e), ERR_OK);
    for (size_t i = 0; i < w->block.n_values; i++)
        w->block.values[i] = (float)(0.4 * rng_normal(&r));
    theta_layout_of(&w->spec, &w->layout);
    w->stride = w->layout.len + 1;
    w->contexts = normal(&r, MOST * w->spec.d_context);
    w->thetas = normal(&r, MOST * w->stride);
    w->alone = normal(&r, w->stride);
    w->workspace = normal(&r, hypernet_batch_workspace_len(&w->spec));
    for (size_t i = 0; i < MOST; i++) {
        w->jobs[i] = (struct hypernet_job){w->contexts + i * w->spec.d_context, w->thetas + i * w->stride,
                                           .err = {ERR_BUSY, "left over"}};
        w->listed[i] = &w->jobs[i];
        w->thetas[i * w->stride + w->layout.len] = GUARD;
    }
    w->params = w->block.params;
    w->panels = NULL;
    memset(w->half, 0, sizeof w->half);
}

/* All heads become numbers that bfloat16 has, and are given in it. */
static void halve_heads(struct world *w)
{
    for (size_t i = 0; i < w->spec.n_layers; i++) {
        size_t n = layer_spec_n_generated(&w->spec.layers[i]) * model_spec_d_trunk(&w->spec);
        float *head = w->block.params.layers[i].head;
        w->half[i] = mem_alloc_array(n, sizeof *w->half[i]);
        for (size_t k = 0; k < n; k++) {
            uint32_t bits;
            memcpy(&bits, &head[k], sizeof bits);
            w->half[i][k] = (uint16_t)(bits >> 16);
            bits &= 0xffff0000;
            memcpy(&head[k], &bits, sizeof bits);
        }
        if (n) {
            w->params.layers[i].head = NULL;
            w->params.layers[i].head_half = w->half[i];
        }
    }
}

static void world_fini(struct world *w)
{
    hypernet_panels_free(w->panels);
    for (size_t i = 0; i < LIMIT_LAYERS; i++)
        mem_free(w->half[i]);
    param_block_fini(&w->block);
    mem_free(w->contexts);
    mem_free(w->thetas);
    mem_free(w->alone);
    mem_free(w->workspace);
}

static void assert_as_alone(struct world *w, size_t i, size_t n)
{
    struct err e = {0};
    enum err_code code =
        hypernet_generate(&w->spec, &w->block.params, w->jobs[i].c, w->workspace, w->alone, &e);
    ck_assert_int_eq(w->jobs[i].err.code, code);
    ck_assert_str_eq(w->jobs[i].err.text, e.text);
    ck_assert_msg(code || !memcmp(w->alone, w->jobs[i].theta, w->layout.len * sizeof *w->alone),
                  "context %zu of %zu", i, n);
    ck_assert(w->jobs[i].theta[w->layout.len] == GUARD);
}

/* In panels or not, in bfloat16 or not: the bits of the plain matrices. */
START_TEST(test_a_batch_gives_the_bits_of_single_generations)
{
    static const size_t sizes[] = {0, 1, 2, 3, 6, 7, 15, 16, 17, 31, 32, 33, 34, 48, MOST};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        struct world w;
        world_init(&w, _i / 4);
        if (_i & 2)
            halve_heads(&w);
        if (_i & 1) {
            ck_assert_int_eq(hypernet_panels_new(&w.spec, &w.params, &w.panels, NULL), ERR_OK);
            ck_assert_ptr_nonnull(w.panels);
            w.params.panels = w.panels;
        }
        hypernet_generate_batch(&w.spec, &w.params, w.listed, sizes[k], w.workspace);
        for (size_t i = 0; i < sizes[k]; i++)
            assert_as_alone(&w, i, sizes[k]);
        world_fini(&w);
    }
}
END_TEST

START_TEST(test_a_bad_context_spoils_no_other)
{
    struct world w;
    world_init(&w, _i);
    w.contexts[3 * w.spec.d_context + 5] = NAN;
    w.contexts[17 * w.spec.d_context] = INFINITY;
    for (size_t j = 0; j < w.spec.d_context; j++) /* finite, but what is generated of it need not be */
        w.contexts[20 * w.spec.d_context + j] = j % 2 ? 3e38f : -3e38f;
    hypernet_generate_batch(&w.spec, &w.block.params, w.listed, MOST, w.workspace);
    ck_assert_int_eq(w.jobs[3].err.code, ERR_INVALID);
    ck_assert_int_eq(w.jobs[17].err.code, ERR_INVALID);
    for (size_t i = 0; i < MOST; i++) {
        assert_as_alone(&w, i, MOST);
        ck_assert(i == 3 || i == 17 || i == 20 || w.jobs[i].err.code == ERR_OK);
    }
    world_fini(&w);
}
END_TEST

static bool has_panels(const struct model_spec *s, const struct model_params *params)
{
    struct hypernet_panels *panels = NULL;
    ck_assert_int_eq(hypernet_panels_new(s, params, &panels, NULL), ERR_OK);
    hypernet_panels_free(panels);
    return panels;
}

/* Also where it is rounded rows that make it large, or a head in bfloat16 that takes twice as much as
 * float32. */
START_TEST(test_a_large_hypernetwork_has_no_panels)
{
    enum { MAX_REALS = HYPERNET_PANELS_BYTES / sizeof(real), N = 256 };
    static real w[MAX_REALS];
    static uint16_t half[MAX_REALS];
    static const struct {
        size_t d_out, d_context;
        bool small;
    } trunks[] = {{KERNEL_LANES, MAX_REALS / KERNEL_LANES, true},
                  {KERNEL_LANES + 1, MAX_REALS / (KERNEL_LANES + 1), false},
                  {1, MAX_REALS / KERNEL_LANES, true},
                  {1, MAX_REALS / KERNEL_LANES + 1, false}};
    for (size_t i = 0; i < sizeof trunks / sizeof *trunks; i++) {
        struct model_spec s = {
            .d_context = trunks[i].d_context, .n_trunk = 1, .trunk = {{trunks[i].d_out, ACTIVATION_RELU}}};
        struct model_params params = {.trunk = {{w, NULL}}};
        ck_assert_int_eq(has_panels(&s, &params), trunks[i].small);
    }
    for (size_t more = 0; more < 2; more++) {
        struct model_spec s = {.d_context = MAX_REALS / N + more,
                               .n_layers = 1,
                               .layers = {{.d_in = N, .d_out = 1, .generator = GENERATOR_FULL}}};
        struct model_params params = {.layers = {{.head_half = half}}};
        ck_assert_uint_lt(hypernet_bytes_read(&s, &params), HYPERNET_PANELS_BYTES);
        ck_assert_int_eq(has_panels(&s, &params), more == 0);
    }
}
END_TEST

START_TEST(test_panels_without_memory_are_refused)
{
    struct world w;
    struct err e = {0};
    struct hypernet_panels *panels;
    world_init(&w, 5);
    mem_fail_at(1, 0);
    ck_assert_int_eq(hypernet_panels_new(&w.spec, &w.block.params, &panels, &e), ERR_NOMEM);
    ck_assert_ptr_null(panels);
    mem_fail_at(0, 0);
    world_fini(&w);
}
END_TEST

SUITE("engine hypernet batch", NULL, NULL, {test_a_vector_gets_the_bits_of_a_lane},
      {test_bfloat16_is_the_upper_half}, {test_rows_go_into_lanes_and_back},
      {test_rows_written_past_the_caches_read_the_same},
      {test_a_batch_gives_the_bits_of_single_generations, 4 * N_CASES},
      {test_a_bad_context_spoils_no_other, N_CASES}, {test_a_large_hypernetwork_has_no_panels},
      {test_panels_without_memory_are_refused})
