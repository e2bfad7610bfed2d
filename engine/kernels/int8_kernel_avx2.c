/* The loops of engine/kernels/int8_kernel.h for AVX2: 32 products of bytes an instruction, which adds pairs
 * of them in 16 bits. So that no pair overflows, a context's bytes stay within 64: 2 x 255 x 64 is below
 * 32768. Without x86, or with a compiler that has no target pragma, or in the double build, there is no such
 * pass. */
#include "engine/kernels/int8_kernel_versions.h"

#if defined(__x86_64__) && !defined(__clang__) && !defined(ENGINE_DOUBLE)
#pragma GCC optimize("O3,align-loops=64,align-functions=64")
#pragma GCC target("avx2,fma")
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>

enum {
    HALF = 8, /* lanes of a register; a block is two */
    MAX_BYTE = 64,
    BYTES = 32, /* of a register: four values of each of its lanes */
};

/* ---- a context ---- */

/* A square below the smallest float is lost, but not the length that it may stand for. */
static float length(const float *x, size_t n)
{
    float squares = 0, rounding = 1 + 1e-7F * (float)(n + 16);
    for (size_t j = 0; j < n; j++)
        squares += x[j] * x[j];
    return sqrtf(squares) * rounding + 1e-22F * (float)n;
}

static int32_t pack(const float *x, size_t n, size_t groups, int32_t *packed, float *scale, float *lost)
{
    const float min_scaled = 1e-20F; /* so that dividing by a scale stays far from infinity */
    int8_t *bytes = (int8_t *)packed;
    float most = 0, missed = 0;
    int32_t sum = 0;
    for (size_t j = 0; j < n; j++)
        most = fabsf(x[j]) > most ? fabsf(x[j]) : most;
    *scale =
        most > min_scaled ? most / MAX_BYTE : 0; /* nothing of what is smaller is kept; its length is lost */
    float inverse = *scale > 0 ? 1 / *scale : 0;
    for (size_t j = 0; j < groups * 4; j++) {
        float value = j < n ? x[j] : 0, whole = rintf(value * inverse); /* within 64 */
        float difference = value - whole * *scale;
        missed += difference * difference;
        bytes[j] = (int8_t)whole;
        sum += bytes[j];
    }
    /* with what float loses of each difference, and of their sum */
    *lost =
        sqrtf(missed) * (1 + 1e-7F * (float)(n + 16)) + *scale * 1e-5F * sqrtf((float)n) + 1e-22F * (float)n;
    return -128 * sum;
}

static void product(const float *x, const float *a, size_t n, float *y)
{
    for (size_t j = 0; j < n; j++)
        y[j] = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            y[j] += x[i] * a[i * n + j];
}

/* ---- the catalogue ---- */

/* sum + the products of four bytes a lane. */
static inline __m256i add_products(__m256i sum, __m256i items, __m256i context)
{
    __m256i pairs = _mm256_maddubs_epi16(items, context);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

static inline __m256i load(const uint8_t *x)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)x);
}

/* The products of a block's embeddings with p, its halves side by side: each group of p is loaded once for
 * both. */
static inline void linear(const struct int8_bounds_items *items, const struct int8_bounds_context *c,
                          size_t block, __m256 score[2])
{
    const uint8_t *x = items->x + block * items->groups * 2 * BYTES;
    __m256i sum[2] = {_mm256_set1_epi32(c->p_start), _mm256_set1_epi32(c->p_start)};
    for (size_t g = 0; g < items->groups; g++) {
        __m256i q = _mm256_set1_epi32(c->p[g]);
        for (size_t h = 0; h < 2; h++)
            sum[h] = add_products(sum[h], load(x + (2 * g + h) * BYTES), q);
    }
    for (size_t h = 0; h < 2; h++) {
        size_t at = block * KERNEL_LANES + h * HALF;
        __m256 steps = _mm256_mul_ps(_mm256_cvtepi32_ps(sum[h]), _mm256_set1_ps(c->p_scale));
        score[h] =
            _mm256_fmadd_ps(steps, _mm256_loadu_ps(items->x_scale + at), _mm256_loadu_ps(items->base + at));
    }
}

/* The sums of one hidden unit over half a block: v of a group is 2 * BYTES behind that of the one before. */
static inline __m256i unit(const __m256i *v, const int32_t *w, size_t v_groups, int32_t start)
{
    __m256i sum = _mm256_set1_epi32(start);
    for (size_t g = 0; g < v_groups; g++)
        sum = add_products(sum, v[g], _mm256_set1_epi32(w[g]));
    return sum;
}

/* Adds what two units' sums say: ReLU of 15 bits each, times their out. */
static inline __m256i add_pair(__m256i sum, __m256i first, __m256i second, unsigned shift, int32_t out)
{
    __m128i down = _mm_cvtsi32_si128((int)shift), up = _mm_cvtsi32_si128(16 - (int)shift);
    __m256i both = _mm256_blend_epi16(_mm256_sra_epi32(first, down), _mm256_sll_epi32(second, up), 0xAA);
    __m256i kept = _mm256_max_epi16(both, _mm256_setzero_si256());
    return _mm256_add_epi32(sum, _mm256_madd_epi16(kept, _mm256_set1_epi32(out)));
}

enum { MAX_HELD = 4 }; /* groups of v that stay in registers */

/* Adds the hidden layer of half a block, for at most MAX_HELD groups. */
static inline __m256i hidden(const struct int8_bounds_context *c, size_t v_groups, const uint8_t *v)
{
    __m256i held[MAX_HELD], sum = _mm256_setzero_si256();
    for (size_t g = 0; g < v_groups; g++)
        held[g] = load(v + 2 * g * BYTES);
    for (size_t o = 0; o < c->n_pairs; o++) {
        const int32_t *w = c->w + 2 * o * v_groups;
        sum = add_pair(sum, unit(held, w, v_groups, c->w_start[2 * o]),
                       unit(held, w + v_groups, v_groups, c->w_start[2 * o + 1]), c->shift, c->out[o]);
    }
    return sum;
}

/* The same for any number of groups. */
static inline __m256i hidden_any(const struct int8_bounds_context *c, size_t v_groups, const uint8_t *v)
{
    __m256i sum = _mm256_setzero_si256();
    for (size_t o = 0; o < c->n_pairs; o++) {
        __m256i a[2];
        for (size_t k = 0; k < 2; k++) {
            a[k] = _mm256_set1_epi32(c->w_start[2 * o + k]);
            for (size_t g = 0; g < v_groups; g++)
                a[k] = add_products(a[k], load(v + 2 * g * BYTES),
                                    _mm256_set1_epi32(c->w[(2 * o + k) * v_groups + g]));
        }
        sum = add_pair(sum, a[0], a[1], c->shift, c->out[o]);
    }
    return sum;
}

/* The usual number of groups as a constant, so that the compiler keeps v in registers. */
static inline __m256 add_hidden(const struct int8_bounds_items *items, const struct int8_bounds_context *c,
                                const uint8_t *v, __m256 score)
{
    __m256i sum = items->v_groups == MAX_HELD ? hidden(c, MAX_HELD, v) : hidden_any(c, items->v_groups, v);
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), _mm256_set1_ps(c->out_step), score);
}

static inline __m256 margin(const struct int8_bounds_items *items, const struct int8_bounds_context *c,
                            size_t at)
{
    __m256 m = _mm256_set1_ps(c->slack);
    m = _mm256_fmadd_ps(_mm256_loadu_ps(items->x_lost + at), _mm256_set1_ps(c->by_x_lost), m);
    m = _mm256_fmadd_ps(_mm256_loadu_ps(items->x_norm + at), _mm256_set1_ps(c->by_x_norm), m);
    if (items->v_groups) {
        m = _mm256_fmadd_ps(_mm256_loadu_ps(items->v_lost + at), _mm256_set1_ps(c->by_v_lost), m);
        m = _mm256_fmadd_ps(_mm256_loadu_ps(items->v_norm + at), _mm256_set1_ps(c->by_v_norm), m);
    }
    return m;
}

static void bounds(const struct int8_bounds_items *items, const struct int8_bounds_context *c, size_t first,
                   size_t n, float *least, float *most)
{
    for (size_t i = 0; i < n; i++) {
        __m256 score[2];
        linear(items, c, first + i, score);
        for (size_t h = 0; h < 2; h++) {
            if (items->v_groups)
                score[h] = add_hidden(items, c, items->v + ((first + i) * items->v_groups * 2 + h) * BYTES,
                                      score[h]);
            __m256 m = margin(items, c, (first + i) * KERNEL_LANES + h * HALF);
            _mm256_storeu_ps(least + i * KERNEL_LANES + h * HALF, _mm256_sub_ps(score[h], m));
            _mm256_storeu_ps(most + i * KERNEL_LANES + h * HALF, _mm256_add_ps(score[h], m));
        }
    }
}

static void lanes_most(const float *x, size_t n, float most[KERNEL_LANES])
{
    for (size_t h = 0; h < KERNEL_LANES; h += HALF) {
        __m256 m = _mm256_loadu_ps(x + h);
        for (size_t i = 1; i < n; i++)
            m = _mm256_max_ps(m, _mm256_loadu_ps(x + i * KERNEL_LANES + h));
        _mm256_storeu_ps(most + h, m);
    }
}

static unsigned reach(const float *x, __m256 threshold)
{
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(x), threshold, _CMP_GE_OQ));
}

static size_t next(const float *x, size_t from, size_t n, float threshold, uint16_t *lanes)
{
    __m256 t = _mm256_set1_ps(threshold);
    for (size_t i = from; i < n; i++) {
        const float *block = x + i * KERNEL_LANES;
        *lanes = (uint16_t)(reach(block, t) | reach(block + HALF, t) << HALF);
        if (*lanes)
            return i;
    }
    return n;
}

const struct int8_kernel *int8_kernel_avx2(void)
{
    static const struct int8_kernel avx2 = {"avx2", pack, length, product, bounds, lanes_most, next};
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &avx2 : NULL;
}
#else
const struct int8_kernel *int8_kernel_avx2(void)
{
    return NULL;
}
#endif
