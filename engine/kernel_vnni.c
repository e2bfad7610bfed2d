/* The loops of engine/kernel_screen.h for AVX-512 VNNI: 64 products of bytes an instruction. Without x86, or with
 * a compiler that has no target pragma, or in the double build, there is no such pass. */
#include "engine/kernel_screen.h"

#if defined(__x86_64__) && !defined(__clang__) && !defined(ENGINE_DOUBLE)
#pragma GCC optimize("O3")
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,avx2,fma")
#include <immintrin.h>
#include <stdbool.h>

/* Four sums in turn, because each step waits for the one before it. */
static inline __m512i dot(const uint8_t *x, const int32_t *p, size_t groups, int32_t start)
{
    __m512i a[4] = {_mm512_set1_epi32(start), _mm512_setzero_si512(), _mm512_setzero_si512(),
                    _mm512_setzero_si512()};
    size_t g = 0;
    for (; g + 4 <= groups; g += 4)
        for (size_t k = 0; k < 4; k++)
            a[k] =
                _mm512_dpbusd_epi32(a[k], _mm512_loadu_si512(x + (g + k) * 64), _mm512_set1_epi32(p[g + k]));
    for (; g < groups; g++)
        a[0] = _mm512_dpbusd_epi32(a[0], _mm512_loadu_si512(x + g * 64), _mm512_set1_epi32(p[g]));
    return _mm512_add_epi32(_mm512_add_epi32(a[0], a[1]), _mm512_add_epi32(a[2], a[3]));
}

/* Adds the hidden layer of two blocks, v and v + v_groups * 64: each weight is loaded once for both. */
static inline void hidden(const struct screen_context *c, size_t v_groups, const uint8_t *v,
                          const float *v_scale, __m512 score[2])
{
    __m512 t0 = _mm512_loadu_ps(v_scale), t1 = _mm512_loadu_ps(v_scale + KERNEL_LANES);
    const __m512 zero = _mm512_setzero_ps();
    for (size_t o = 0; o < c->d_hidden; o++) {
        __m512i a0 = _mm512_set1_epi32(c->w_start[o]), a1 = a0;
        for (size_t g = 0; g < v_groups; g++) {
            __m512i w = _mm512_set1_epi32(c->w[o * v_groups + g]);
            a0 = _mm512_dpbusd_epi32(a0, _mm512_loadu_si512(v + g * 64), w);
            a1 = _mm512_dpbusd_epi32(a1, _mm512_loadu_si512(v + (v_groups + g) * 64), w);
        }
        __m512 b = _mm512_set1_ps(c->b[o]), out = _mm512_set1_ps(c->out[o]);
        __m512 h0 = _mm512_fmadd_ps(_mm512_cvtepi32_ps(a0), t0, b);
        __m512 h1 = _mm512_fmadd_ps(_mm512_cvtepi32_ps(a1), t1, b);
        score[0] = _mm512_fmadd_ps(out, _mm512_max_ps(h0, zero), score[0]);
        score[1] = _mm512_fmadd_ps(out, _mm512_max_ps(h1, zero), score[1]);
    }
}

/* The usual number of groups as a constant, so that the compiler keeps v in registers. */
static inline void add_hidden(const struct screen_items *items, const struct screen_context *c, size_t block,
                              __m512 score[2])
{
    const uint8_t *v = items->v + block * items->v_groups * 64;
    const float *scale = items->v_scale + block * KERNEL_LANES;
    if (items->v_groups == 4)
        hidden(c, 4, v, scale, score);
    else
        hidden(c, items->v_groups, v, scale, score);
}

static inline __m512 linear(const struct screen_items *items, const struct screen_context *c, size_t block)
{
    size_t at = block * KERNEL_LANES;
    __m512i sum = dot(items->x + block * items->groups * 64, c->p, items->groups, c->p_start);
    __m512 scale = _mm512_mul_ps(_mm512_loadu_ps(items->x_scale + at), _mm512_set1_ps(c->p_scale));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, _mm512_loadu_ps(items->base + at));
}

static inline __m512 margin(const struct screen_items *items, const struct screen_context *c, size_t block)
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

/* screen.c lays out an even number of blocks, so a pair is never half outside. */
static void bounds(const struct screen_items *items, const struct screen_context *c, size_t first, size_t n,
                   float *least, float *most)
{
    for (size_t i = 0; i < n; i += 2) {
        __m512 score[2] = {linear(items, c, first + i), linear(items, c, first + i + 1)};
        if (items->v_groups)
            add_hidden(items, c, first + i, score);
        for (size_t k = 0; k < 2; k++) {
            __m512 m = margin(items, c, first + i + k);
            _mm512_storeu_ps(least + (i + k) * KERNEL_LANES, _mm512_sub_ps(score[k], m));
            _mm512_storeu_ps(most + (i + k) * KERNEL_LANES, _mm512_add_ps(score[k], m));
        }
    }
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

const struct screen_kernel *screen_kernel_best(void)
{
    static const struct screen_kernel vnni = {bounds, next};
    __builtin_cpu_init();
    bool able = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma");
    return able ? &vnni : NULL;
}
#else
const struct screen_kernel *screen_kernel_best(void)
{
    return NULL;
}
#endif
