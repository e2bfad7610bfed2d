/* engine/kernels/kernel.c: the loops of every version of the processor that this one can run, against naive
 * ones in double. Risk: a lane, a row or a remainder that is dropped. */
#include "base/rng.h"
#include "engine/kernels/kernel.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void assert_close(double got, double expected, const char *what, size_t i)
{
    ck_assert_msg(fabs(got - expected) <= 3e-5 * (1 + fabs(expected)), "case %s %zu: got %.9g, expected %.9g",
                  what, i, got, expected);
}

START_TEST(test_kernels_of_every_cpu_version_equal_the_naive_loop)
{
    const struct kernels *all[3];
    size_t n = kernel_all(all);
    struct rng r;
    rng_init(&r, 9, 9);
    float x[40 * 16], w[40 * 40], bias[40], start[40 * 16], out[40 * 16], y[40];
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) {
        x[i] = (float)rng_normal(&r);
        start[i] = (float)rng_normal(&r);
    }
    for (size_t i = 0; i < sizeof w / sizeof *w; i++)
        w[i] = (float)rng_normal(&r);
    for (size_t i = 0; i < 40; i++)
        bias[i] = (float)rng_normal(&r);
    for (size_t v = 0; v < n; v++)
        for (size_t d = 1; d < 40; d += 3) {
            all[v]->layer(w, d % 2 ? bias : NULL, d % 4 > 1 ? start : NULL, d, 40 - d, x, out);
            for (size_t o = 0; o < d; o++)
                for (size_t lane = 0; lane < 16; lane++) {
                    double sum = (d % 2 ? bias[o] : 0) + (d % 4 > 1 ? start[o * 16 + lane] : 0);
                    for (size_t i = 0; i < 40 - d; i++)
                        sum += (double)w[o * (40 - d) + i] * x[i * 16 + lane];
                    assert_close(out[o * 16 + lane], sum, all[v]->name, o);
                }
            const float *rows[40];
            size_t n_rows = 1600 / d < 40 ? 1600 / d : 40;
            for (size_t i = 0; i < n_rows; i++) /* not in their order */
                rows[i] = w + (n_rows - 1 - i) * d;
            all[v]->dot_rows(rows, n_rows, d, x, y);
            for (size_t i = 0; i < n_rows; i++) {
                double sum = 0;
                for (size_t j = 0; j < d; j++)
                    sum += (double)rows[i][j] * x[j];
                assert_close(y[i], sum, all[v]->name, i);
            }
        }
}
END_TEST

/* What catalogue.c promises: an item's score does not depend on which others are asked for. */
START_TEST(test_products_of_rows_do_not_depend_on_the_rows_beside_them)
{
    const struct kernels *all[3];
    size_t n_versions = kernel_all(all);
    struct rng r;
    rng_init(&r, 3, 4);
    static float x[16 * 50], w[50];
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (float)rng_normal(&r);
    for (size_t i = 0; i < 50; i++)
        w[i] = (float)rng_normal(&r);
    for (size_t v = 0; v < n_versions; v++)
        for (size_t d = 1; d <= 50; d++)
            for (size_t n = 1; n <= 16; n++) {
                const float *rows[16];
                float together[16], alone;
                for (size_t i = 0; i < n; i++)
                    rows[i] = x + i * d;
                all[v]->dot_rows(rows, n, d, w, together);
                for (size_t i = 0; i < n; i++) {
                    all[v]->dot_rows(rows + i, 1, d, w, &alone);
                    ck_assert_msg(memcmp(&alone, &together[i], sizeof alone) == 0,
                                  "%s: row %zu of %zu, %zu values", all[v]->name, i, n, d);
                }
            }
}
END_TEST

/* The fused hidden layer of training: y, hidden and all gradients are added to what is there. */
START_TEST(test_hidden_kernels_of_every_cpu_version_equal_the_naive_loop)
{
    enum { N = 37, K = 32, H = 48, LEN = N * H };
    const struct kernels *all[3];
    size_t n_versions = kernel_all(all);
    struct rng r;
    rng_init(&r, 9, 10);
    static float f[LEN], w[LEN], wt[LEN], b[H], v[H], hidden[LEN], y[N], dy[N], df[LEN], dwt[LEN], db[H],
        dv[H];
    for (size_t i = 0; i < LEN; i++) {
        f[i] = (float)rng_normal(&r);
        w[i] = (float)rng_normal(&r);
        b[i % H] = (float)rng_normal(&r);
        v[i % H] = (float)rng_normal(&r);
        dy[i % N] = i % 5 ? (float)rng_normal(&r) : 0;
    }
    for (size_t o = 0; o < H; o++)
        for (size_t j = 0; j < K; j++)
            wt[j * H + o] = w[o * K + j];
    for (size_t k = 0; k < 2 * n_versions; k++) {
        struct kernel_hidden p = {N, K, H, f, w, wt, k % 2 ? b : NULL, v, hidden};
        struct kernel_hidden_grads g = {df, dwt, k % 2 ? db : NULL, dv};
        const struct kernels *version = all[k / 2];
        static double want_df[LEN], want_dwt[LEN], want_db[H], want_dv[H];
        for (size_t i = 0; i < LEN; i++)
            df[i] = dwt[i] = db[i % H] = dv[i % H] = 1;
        for (size_t i = 0; i < LEN; i++)
            want_df[i] = want_dwt[i] = want_db[i % H] = want_dv[i % H] = 1;
        for (size_t i = 0; i < N; i++)
            y[i] = 2;
        version->hidden_forward(&p, y);
        version->hidden_backward(&p, dy, &g);
        for (size_t i = 0; i < N; i++) {
            double sum = 2;
            for (size_t o = 0; o < H; o++) {
                double x = k % 2 ? b[o] : 0;
                for (size_t j = 0; j < K; j++)
                    x += (double)w[o * K + j] * f[i * K + j];
                assert_close(hidden[i * H + o], x > 0 ? x : 0, version->name, o);
                sum += x > 0 ? x * v[o] : 0;
                double d = x > 0 ? (double)dy[i] * v[o] : 0;
                want_dv[o] += x > 0 ? x * dy[i] : 0;
                want_db[o] += d;
                for (size_t j = 0; j < K; j++) {
                    want_df[i * K + j] += d * w[o * K + j];
                    want_dwt[j * H + o] += d * f[i * K + j];
                }
            }
            assert_close(y[i], sum, version->name, i);
        }
        for (size_t i = 0; i < N * K; i++)
            assert_close(df[i], want_df[i], version->name, i);
        for (size_t i = 0; i < K * H; i++)
            assert_close(dwt[i], want_dwt[i], version->name, i);
        for (size_t o = 0; o < H; o++) {
            assert_close(db[o], k % 2 ? want_db[o] : 1, version->name, o);
            assert_close(dv[o], want_dv[o], version->name, o);
        }
    }
}
END_TEST

SUITE("engine kernel", NULL, NULL, {test_kernels_of_every_cpu_version_equal_the_naive_loop},
      {test_products_of_rows_do_not_depend_on_the_rows_beside_them},
      {test_hidden_kernels_of_every_cpu_version_equal_the_naive_loop})
