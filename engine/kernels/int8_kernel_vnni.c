/* The loops of engine/kernels/int8_kernel.h for AVX-512 VNNI: 64 products of bytes an instruction. Without
 * x86, or with a compiler that has no target pragma, or in the double build, there is no such pass. */
#include "engine/kernels/int8_kernel_versions.h"

#if defined(__x86_64__) && !defined(__clang__) && !defined(ENGINE_DOUBLE)
/* Where the loops happen to lie is a tenth of their time, so it is not left to chance. */
#pragma GCC optimize("O3,align-loops=64,align-functions=64")
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,avx2,fma")
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>

/* ---- a context ---- */

/* Of 16 values from x[j] on those below n. */
static inline __mmask16 mask_of(size_t j, size_t n)
{
    return (__mmask16)(n - j >= KERNEL_LANES ? 0xFFFFU : (1U << (n - j)) - 1);
}

static inline __m512 load_some(const float *x, size_t j, size_t n)
{
    return _mm512_maskz_loadu_ps(mask_of(j, n), x + j);
}

/* A square below the smallest float is lost, but not the length that it may stand for. */
static float length(const float *x, size_t n)
{
    __m512 sum = _mm512_setzero_ps();
    for (size_t j = 0; j < n; j += KERNEL_LANES) {
        __m512 v = load_some(x, j, n);
        sum = _mm512_fmadd_ps(v, v, sum);
    }
    float squares = _mm512_reduce_add_ps(sum), rounding = 1 + 1e-7F * (float)(n / KERNEL_LANES + 16);
    return sqrtf(squares) * rounding + 1e-22F * (float)n;
}

static float scale_of(const float *x, size_t n)
{
    const float min_scaled = 1e-20F; /* so that dividing by a scale stays far from infinity */
    __m512 most = _mm512_setzero_ps();
    for (size_t j = 0; j < n; j += KERNEL_LANES)
        most = _mm512_max_ps(most, _mm512_abs_ps(load_some(x, j, n)));
    float value = _mm512_reduce_max_ps(most);
    return value > min_scaled ? value / 127 : 0; /* nothing of what is smaller is kept; its length is lost */
}

static int32_t pack(const float *x, size_t n, size_t groups, int32_t *packed, float *scale, float *lost)
{
    *scale = scale_of(x, n);
    __m512 inverse = _mm512_set1_ps(*scale > 0 ? 1 / *scale : 0), step = _mm512_set1_ps(*scale);
    __m512 missed = _mm512_setzero_ps();
    __m512i sum = _mm512_setzero_si512();
    for (size_t j = 0; j < groups * 4; j += KERNEL_LANES) {
        __m512 value = j < n ? load_some(x, j, n) : _mm512_setzero_ps();
        __m512i bytes = _mm512_cvtps_epi32(_mm512_mul_ps(value, inverse)); /* within 127 */
        __m512 difference = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(bytes), step, value);
        missed = _mm512_fmadd_ps(difference, difference, missed);
        sum = _mm512_add_epi32(sum, bytes);
        _mm_mask_storeu_epi8((int8_t *)packed + j, mask_of(j, groups * 4), _mm512_cvtepi32_epi8(bytes));
    }
    /* with what float loses of each difference, and of their sum */
    *lost = sqrtf(_mm512_reduce_add_ps(missed)) * (1 + 1e-7F * (float)(n + 16)) +
            *scale * 1e-5F * sqrtf((float)n) + 1e-22F * (float)n;
    return -128 * _mm512_reduce_add_epi32(sum);
}

static void product(const float *x, const float *a, size_t n, float *y)
{
    for (size_t j = 0; j < n; j += KERNEL_LANES) {
        __m512 sum = _mm512_setzero_ps();
        for (size_t i = 0; i < n; i++)
            sum = _mm512_fmadd_ps(_mm512_set1_ps(x[i]), load_some(a + i * n, j, n), sum);
        _mm512_mask_storeu_ps(y + j, mask_of(j, n), sum);
    }
}

/* ---- the catalogue ---- */

enum {
    PAIR = 2,
    SUMS = 4
}; /* blocks at a time; sums in turn, because each step waits for the one before it */

/* The products of two blocks, x and x + groups * 64, with p: each group of p is loaded once for both. */
static inline void dots(const uint8_t *x, const int32_t *p, size_t groups, int32_t start, __m512i out[PAIR])
{
    __m512i a[PAIR][SUMS] = {{_mm512_set1_epi32(start)}, {_mm512_set1_epi32(start)}};
    size_t g = 0;
    for (; g + SUMS <= groups; g += SUMS)
        for (size_t k = 0; k < SUMS; k++) {
            __m512i q = _mm512_set1_epi32(p[g + k]);
            for (size_t b = 0; b < PAIR; b++)
                a[b][k] = _mm512_dpbusd_epi32(a[b][k], _mm512_loadu_si512(x + (b * groups + g + k) * 64), q);
        }
    for (; g < groups; g++)
        for (size_t b = 0; b < PAIR; b++)
            a[b][0] = _mm512_dpbusd_epi32(a[b][0], _mm512_loadu_si512(x + (b * groups + g) * 64),
                                          _mm512_set1_epi32(p[g]));
    for (size_t b = 0; b < PAIR; b++)
        out[b] = _mm512_add_epi32(_mm512_add_epi32(a[b][0], a[b][1]), _mm512_add_epi32(a[b][2], a[b][3]));
}

/* The sums of one hidden unit over a block: v in registers. */
static inline __m512i unit(const __m512i *v, const int32_t *w, size_t v_groups, __m512i sum)
{
    for (size_t g = 0; g < v_groups; g++)
        sum = _mm512_dpbusd_epi32(sum, v[g], _mm512_set1_epi32(w[g]));
    return sum;
}

/* How a pair of hidden units goes into the halves of each 32-bit lane. */
struct halves {
    __m128i down, up; /* shifts of the first and the second unit's sums */
};

static inline struct halves halves_of(const struct int8_bounds_context *c)
{
    return (struct halves){_mm_cvtsi32_si128((int)c->shift), _mm_cvtsi32_si128(16 - (int)c->shift)};
}

/* Adds what two units' sums over a block say: ReLU of 15 bits each, times their out. */
static inline __m512i add_pair(__m512i sum, __m512i first, __m512i second, struct halves h, __m512i out)
{
    __m512i both =
        _mm512_mask_blend_epi16(0xAAAAAAAAU, _mm512_sra_epi32(first, h.down), _mm512_sll_epi32(second, h.up));
    return _mm512_dpwssd_epi32(sum, _mm512_max_epi16(both, _mm512_setzero_si512()), out);
}

/* What the next two blocks' products will read, in equal parts for each pair of hidden units. Those products
 * wait for the second cache and the hidden layer for its multiplications: fetched ahead, the one hides the
 * other. */
struct ahead {
    const uint8_t *x;
    size_t n_lines; /* of 64 bytes, a pair of units */
};

enum { MAX_HELD = 4 }; /* groups of v of a block that stay in registers */

/* Adds the hidden layer of two blocks, v and v + v_groups * 64, for at most MAX_HELD groups. */
static inline void hidden(const struct int8_bounds_context *c, size_t v_groups, const uint8_t *v,
                          const struct ahead *next, __m512i sum[PAIR])
{
    const struct halves h = halves_of(c);
    __m512i held[PAIR][MAX_HELD];
    for (size_t b = 0; b < PAIR; b++)
        for (size_t g = 0; g < v_groups; g++)
            held[b][g] = _mm512_loadu_si512(v + (b * v_groups + g) * 64);
    for (size_t o = 0; o < c->n_pairs; o++) {
        const int32_t *w = c->w + 2 * o * v_groups;
        __m512i start0 = _mm512_set1_epi32(c->w_start[2 * o]),
                start1 = _mm512_set1_epi32(c->w_start[2 * o + 1]);
        __m512i out = _mm512_set1_epi32(c->out[o]);
        for (size_t k = 0; k < next->n_lines; k++)
            _mm_prefetch((const char *)next->x + (o * next->n_lines + k) * 64, _MM_HINT_T0);
        for (size_t b = 0; b < PAIR; b++)
            sum[b] = add_pair(sum[b], unit(held[b], w, v_groups, start0),
                              unit(held[b], w + v_groups, v_groups, start1), h, out);
    }
}

/* The same for any number of groups. */
static inline void hidden_any(const struct int8_bounds_context *c, size_t v_groups, const uint8_t *v,
                              __m512i sum[PAIR])
{
    const struct halves h = halves_of(c);
    for (size_t o = 0; o < c->n_pairs; o++)
        for (size_t b = 0; b < PAIR; b++) {
            __m512i a[2];
            for (size_t k = 0; k < 2; k++) {
                a[k] = _mm512_set1_epi32(c->w_start[2 * o + k]);
                for (size_t g = 0; g < v_groups; g++)
                    a[k] = _mm512_dpbusd_epi32(a[k], _mm512_loadu_si512(v + (b * v_groups + g) * 64),
                                               _mm512_set1_epi32(c->w[(2 * o + k) * v_groups + g]));
            }
            sum[b] = add_pair(sum[b], a[0], a[1], h, _mm512_set1_epi32(c->out[o]));
        }
}

/* The usual number of groups as a constant, so that the compiler keeps v in registers. */
static inline void add_hidden(const struct int8_bounds_items *items, const struct int8_bounds_context *c,
                              size_t block, __m512 score[PAIR])
{
    const uint8_t *v = items->v + block * items->v_groups * 64;
    __m512i sum[PAIR] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    struct ahead next = {.x = items->x + (block + PAIR) * items->groups * 64,
                         .n_lines = block + PAIR < items->n_blocks ? PAIR * items->groups / c->n_pairs : 0};
    if (items->v_groups == MAX_HELD)
        hidden(c, MAX_HELD, v, &next, sum);
    else
        hidden_any(c, items->v_groups, v, sum);
    for (size_t b = 0; b < PAIR; b++)
        score[b] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[b]), _mm512_set1_ps(c->out_step), score[b]);
}

static inline void linear(const struct int8_bounds_items *items, const struct int8_bounds_context *c,
                          size_t block, __m512 score[PAIR])
{
    __m512i sums[PAIR];
    dots(items->x + block * items->groups * 64, c->p, items->groups, c->p_start, sums);
    for (size_t b = 0; b < PAIR; b++) {
        size_t at = (block + b) * KERNEL_LANES;
        __m512 steps = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[b]), _mm512_set1_ps(c->p_scale));
        score[b] =
            _mm512_fmadd_ps(steps, _mm512_loadu_ps(items->x_scale + at), _mm512_loadu_ps(items->base + at));
    }
}

static inline __m512 margin(const struct int8_bounds_items *items, const struct int8_bounds_context *c,
                            size_t block)
{
    size_t at = block * KERNEL_LANES;
    __m512 m = _mm512_set1_ps(c->slack);
    m = _mm512_fmadd_ps(_mm512_loadu_ps(items->x_lost + at), _mm512_set1_ps(c->by_x_lost), m);
    m = _mm512_fmadd_ps(_mm512_loadu_ps(items->x_norm + at), _mm512_set1_ps(c->by_x_norm), m);
    if (items->v_groups) {
        m = _mm512_fmadd_ps(_mm512_loadu_ps(items->v_lost + at), _mm512_set1_ps(c->by_v_lost), m);
        m = _mm512_fmadd_ps(_mm512_loadu_ps(items->v_norm + at), _mm512_set1_ps(c->by_v_norm), m);
    }
    return m;
}

/* int8_bounds.c lays out an even number of blocks, so a pair is never half outside. */
static void bounds(const struct int8_bounds_items *items, const struct int8_bounds_context *c, size_t first,
                   size_t n, float *least, float *most)
{
    for (size_t i = 0; i < n; i += PAIR) {
        __m512 score[PAIR];
        linear(items, c, first + i, score);
        if (items->v_groups)
            add_hidden(items, c, first + i, score);
        for (size_t k = 0; k < PAIR; k++) {
            __m512 m = margin(items, c, first + i + k);
            _mm512_storeu_ps(least + (i + k) * KERNEL_LANES, _mm512_sub_ps(score[k], m));
            _mm512_storeu_ps(most + (i + k) * KERNEL_LANES, _mm512_add_ps(score[k], m));
        }
    }
}

static void lanes_most(const float *x, size_t n, float most[KERNEL_LANES])
{
    __m512 m = _mm512_loadu_ps(x);
    for (size_t i = 1; i < n; i++)
        m = _mm512_max_ps(m, _mm512_loadu_ps(x + i * KERNEL_LANES));
    _mm512_storeu_ps(most, m);
}

static size_t next(const float *x, size_t from, size_t n, float threshold, uint16_t *lanes)
{
    __m512 t = _mm512_set1_ps(threshold);
    for (size_t i = from; i < n; i++) {
        *lanes = _mm512_cmp_ps_mask(_mm512_loadu_ps(x + i * KERNEL_LANES), t, _CMP_GE_OQ);
        if (*lanes)
            return i;
    }
    return n;
}

const struct int8_kernel *int8_kernel_vnni(void)
{
    static const struct int8_kernel vnni = {"vnni", pack, length, product, bounds, lanes_most, next};
    __builtin_cpu_init();
    bool able = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma");
    return able ? &vnni : NULL;
}
#else
const struct int8_kernel *int8_kernel_vnni(void)
{
    return NULL;
}
#endif
