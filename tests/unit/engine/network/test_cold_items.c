/* engine/network/cold_items.c, title_words.c and added_items.c: risks: a row that is not the equation's, an
 * item that nobody took and yet moved, words that training and serving see differently, an extra item scored
 * or encoded other than a trained one with the same row. */
#include "engine/added_items.h"
#include "engine/network/cold_items.h"
#include "engine/network/encoder.h"
#include "engine/network/hypernet.h"
#include "engine/network/title_words.h"
#include "engine/rank/catalogue.h"
#include "tests/support/sample_model.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sample_model m;
static struct item_row at;

static void setup(void)
{
    sample_model_init(&m, SAMPLE_RANKING, 1);
    item_row_of(&m.spec, &at);
}

static void teardown(void)
{
    sample_model_fini(&m);
}

/* ---- words ---- */

static bool add_word(void *arg, const char *word)
{
    strcat(arg, word);
    strcat(arg, "|");
    return strlen(arg) < 200;
}

START_TEST(test_item_words_are_runs_of_letters_and_digits)
{
    static const char *const cases[][2] = {
        {"Toy Story 2 (1999)", "toy|story|2|1999|"},
        {"", ""},
        {" --- ", ""},
        {"It's", "it|s|"},
        {"\xC3\x89t\xC3\xA9", "\xC3\x89t\xC3\xA9|"},
        {"a,b", "a|b|"},
        {"x 0123456789012345678901234567890123456789012345678901234567890123 y",
         "x|0123456789012345678901234567890123456789012345678901234567890123|y|"},
        {"x 01234567890123456789012345678901234567890123456789012345678901234 y", "x|y|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[512] = "";
        title_words_each(cases[i][0], strlen(cases[i][0]), add_word, got);
        ck_assert_str_eq(got, cases[i][1]);
    }
}
END_TEST

START_TEST(test_item_side_finds_features)
{
    for (size_t i = 0; i < m.spec.cold_items.n_features; i++)
        ck_assert_int_eq(cold_items_feature(&m.spec, m.spec.cold_items.features[i].field,
                                            m.spec.cold_items.features[i].value),
                         (long)i);
    ck_assert_int_eq(cold_items_feature(&m.spec, "word", "a"), -1);
    ck_assert_int_eq(cold_items_feature(&m.spec, "category", "toy"), -1);
    ck_assert_int_eq(cold_items_feature(&m.spec, "", ""), -1);
}
END_TEST

/* ---- rows ---- */

START_TEST(test_item_side_prior_adds_the_rows_of_features)
{
    static const uint32_t features[] = {1, 3};
    real row[256];
    cold_items_prior(&m.spec, &m.params, features, 2, row);
    for (size_t j = 0; j < at.len; j++)
        ck_assert_double_eq_tol((double)row[j],
                                (double)m.params.item_mean[j] + (double)m.params.item_weight[at.len + j] +
                                    (double)m.params.item_weight[3 * at.len + j],
                                1e-6);
}
END_TEST

enum { D = 5, MOST = 150 };

/* Solves a x = b (D, D) by elimination, in double. */
static void solve(double a[D][D], double b[D])
{
    const size_t n = D;
    for (size_t i = 0; i < n; i++) {
        size_t best = i;
        for (size_t r = i; r < n; r++)
            best = fabs(a[r][i]) > fabs(a[best][i]) ? r : best;
        for (size_t c = 0; c < n; c++) {
            double x = a[i][c];
            a[i][c] = a[best][c];
            a[best][c] = x;
        }
        double x = b[i];
        b[i] = b[best];
        b[best] = x;
        for (size_t r = i + 1; r < n; r++) {
            double part = a[r][i] / a[i][i];
            for (size_t c = i; c < n; c++)
                a[r][c] -= part * a[i][c];
            b[r] -= part * b[i];
        }
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t c = i + 1; c < n; c++)
            b[i] -= a[i][c] * b[c];
        b[i] /= a[i][i];
    }
}

/* The equation of cold_items.h, written down. */
static void fold_naively(const real *f, const real *w, size_t n, const real *prior, double *row)
{
    double a[D][D], step[D];
    double ridge =
        m.spec.encoder.reg * pow((double)n + m.spec.encoder.alpha * (double)m.spec.cold_items.n_users,
                                 m.spec.encoder.reg_exponent);
    for (size_t i = 0; i < D; i++) {
        step[i] = 0;
        for (size_t j = 0; j < D; j++)
            a[i][j] = (double)m.params.item_gram[i * D + j] + (i == j ? ridge : 0);
    }
    for (size_t u = 0; u < n; u++) {
        double left = 1;
        for (size_t i = 0; i < D; i++)
            left -= (double)f[u * D + i] * (double)prior[i];
        for (size_t i = 0; i < D; i++) {
            step[i] += (double)w[u] * left * (double)f[u * D + i];
            for (size_t j = 0; j < D; j++)
                a[i][j] += (double)w[u] * (double)f[u * D + i] * (double)f[u * D + j];
        }
    }
    solve(a, step);
    for (size_t j = 0; j < at.len; j++) {
        row[j] = (double)prior[j] + (j < D ? step[j] : 0);
        for (size_t i = 0; j >= D && i < D; i++)
            row[j] += step[i] * (double)m.params.item_follow[i * (at.len - D) + j - D];
    }
}

START_TEST(test_item_side_fold_solves_its_equation)
{
    static const size_t counts[] = {1, 2, 63, 64, 65, 150};
    real f[MOST * D], w[MOST], prior[256], row[256],
        *work = malloc(cold_items_workspace_len(&m.spec) * sizeof *work);
    unsigned seed = 5;
    for (size_t i = 0; i < MOST * D; i++)
        f[i] = (real)(rand_r(&seed) % 1000) / 500 - 1;
    for (size_t i = 0; i < MOST; i++)
        w[i] = (real)(1 + rand_r(&seed) % 4) / 2;
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        double want[256];
        cold_items_prior(&m.spec, &m.params, NULL, 0, prior);
        memcpy(row, prior, sizeof row);
        fold_naively(f, w, counts[k], prior, want);
        ck_assert(cold_items_fold(&m.spec, &m.params, f, w, counts[k], work, row));
        for (size_t j = 0; j < at.len; j++)
            ck_assert_double_eq_tol((double)row[j], want[j], 1e-4);
    }
    free(work);
}
END_TEST

START_TEST(test_item_side_without_takers_is_the_prior_to_the_bit)
{
    real prior[256], row[256], work[1024];
    cold_items_prior(&m.spec, &m.params, NULL, 0, prior);
    memcpy(row, prior, sizeof row);
    ck_assert(cold_items_fold(&m.spec, &m.params, NULL, NULL, 0, work, row));
    ck_assert_mem_eq(row, prior, at.len * sizeof *row);
}
END_TEST

START_TEST(test_item_side_weights_too_large_leave_the_prior)
{
    real prior[256], row[256], f[D] = {1, 1, 1, 1, 1}, w[1] = {INFINITY}, work[1024];
    cold_items_prior(&m.spec, &m.params, NULL, 0, prior);
    memcpy(row, prior, sizeof row);
    ck_assert(!cold_items_fold(&m.spec, &m.params, f, w, 1, work, row));
    ck_assert_mem_eq(row, prior, at.len * sizeof *row);
}
END_TEST

/* ---- extra items ---- */

static struct model model; /* of the sample, without a file */
static struct added_items *extra;
static struct catalogue *catalogue;
static real *theta, *work;

enum { N_EXTRA = 600 }; /* more than a catalogue scores without bounds */

/* Extra item k has the row of this trained item. */
static size_t twin_of(size_t k)
{
    return 3 * k % m.spec.n_items;
}

static void setup_extra(void)
{
    struct err e = {0};
    struct theta_layout layout;
    real c[64], row[256];
    unsigned seed = 3;
    setup();
    ck_assert_int_eq(catalogue_new(&m.spec, &m.params, &catalogue, &e), ERR_OK);
    model = (struct model){.spec = m.spec, .params = m.params, .catalogue = catalogue};
    ck_assert_int_eq(added_items_new(&model, N_EXTRA, &extra, &e), ERR_OK);
    const struct encoder_spec *n = &m.spec.encoder;
    for (size_t k = 0; k < N_EXTRA; k++) {
        size_t i = twin_of(k);
        memcpy(row, m.params.fold_in_factor + i * D, D * sizeof *row);
        memcpy(row + at.embedding, m.params.catalogue_embedding + i * m.spec.d_item,
               m.spec.d_item * sizeof *row);
        row[at.bias] = m.params.catalogue_bias[i];
        memcpy(row + at.history, m.params.history + i * n->d_history, n->d_history * sizeof *row);
        memcpy(row + at.recent, m.params.recent + i * n->d_recent, n->d_recent * sizeof *row);
        added_items_set(extra, k, row);
        real back[256];
        added_items_get(extra, k, back);
        ck_assert_mem_eq(back, row, at.len * sizeof *row);
    }
    ck_assert_int_eq(added_items_finish(extra, &e), ERR_OK);
    theta_layout_of(&m.spec, &layout);
    theta = malloc(layout.len * sizeof *theta);
    size_t len = catalogue_workspace_len(catalogue) + hypernet_workspace_len(&m.spec) +
                 encoder_workspace_len(&m.spec, 0);
    work = malloc(len * sizeof *work);
    for (size_t i = 0; i < m.spec.d_context; i++)
        c[i] = (real)(rand_r(&seed) % 1000) / 500 - 1;
    ck_assert_int_eq(hypernet_generate(&m.spec, &m.params, c, work, theta, &e), ERR_OK);
}

static void teardown_extra(void)
{
    added_items_free(extra);
    catalogue_free(catalogue);
    free(theta);
    free(work);
    teardown();
}

START_TEST(test_extra_items_score_as_trained_ones_to_the_bit)
{
    uint32_t indices[3 * N_EXTRA];
    real scores[3 * N_EXTRA];
    size_t n_items = m.spec.n_items;
    for (size_t k = 0; k < N_EXTRA; k++) {
        indices[3 * k] = (uint32_t)(n_items + k);
        indices[3 * k + 1] = indices[3 * k + 2] = (uint32_t)twin_of(k);
    }
    added_items_score(&model, extra, theta, indices, 3 * N_EXTRA, work, scores);
    for (size_t k = 0; k < N_EXTRA; k++) {
        ck_assert_mem_eq(&scores[3 * k], &scores[3 * k + 1], sizeof *scores);
        ck_assert_mem_eq(&scores[3 * k], &scores[3 * k + 2], sizeof *scores);
    }
}
END_TEST

START_TEST(test_extra_items_rank_behind_trained_ones_of_the_same_score)
{
    struct topk_entry entries[1000];
    struct topk top;
    uint32_t excluded[] = {0, (uint32_t)m.spec.n_items + 1};
    struct catalogue_filter filter = {.excluded = excluded, .n_excluded = 2};
    size_t n_items = m.spec.n_items, n_extra = 0;
    topk_init(&top, entries, 1000);
    added_items_top_k(&model, extra, theta, &filter, work, &top);
    size_t n = topk_finish(&top);
    ck_assert_uint_eq(n, n_items + N_EXTRA - 2);
    for (size_t i = 0; i < n; i++) {
        ck_assert(entries[i].index != 0 && entries[i].index != n_items + 1);
        if (entries[i].index < n_items)
            continue;
        n_extra++;
        size_t trained = twin_of(entries[i].index - n_items);
        if (trained != 0) {  /* whose trained twin is left out */
            size_t twin = i; /* items of the same score lie side by side, the trained ones first */
            while (entries[twin].index != trained)
                ck_assert_uint_gt(twin--, 0);
            ck_assert_mem_eq(&entries[i].score, &entries[twin].score, sizeof(real));
        }
    }
    ck_assert_uint_eq(n_extra, N_EXTRA - 1);
}
END_TEST

START_TEST(test_extra_items_are_found_where_no_trained_one_is_admitted)
{
    enum { K = 20 };
    struct topk_entry entries[K];
    struct topk top;
    uint64_t allowed[(1000 + N_EXTRA) / 64] = {0};
    uint32_t indices[N_EXTRA];
    real scores[N_EXTRA], best = -(real)INFINITY;
    for (size_t k = 0; k < N_EXTRA; k++) {
        indices[k] = (uint32_t)(m.spec.n_items + k);
        allowed[indices[k] / 64] |= (uint64_t)1 << (indices[k] % 64);
    }
    struct catalogue_filter filter = {.allowed = allowed};
    topk_init(&top, entries, K);
    added_items_top_k(&model, extra, theta, &filter, work, &top);
    ck_assert_uint_eq(topk_finish(&top), K);
    added_items_score(&model, extra, theta, indices, N_EXTRA, work, scores);
    for (size_t k = 0; k < N_EXTRA; k++)
        best = scores[k] > best ? scores[k] : best;
    ck_assert_mem_eq(&entries[0].score, &best, sizeof best);
    for (size_t i = 0; i < K; i++) {
        ck_assert_uint_ge(entries[i].index, m.spec.n_items);
        ck_assert_mem_eq(&entries[i].score, &scores[entries[i].index - m.spec.n_items], sizeof(real));
    }
}
END_TEST

START_TEST(test_extra_items_none_is_the_catalogue_alone)
{
    struct topk_entry a[20], b[20];
    struct topk top;
    topk_init(&top, a, 20);
    added_items_top_k(&model, NULL, theta, NULL, work, &top);
    ck_assert_uint_eq(topk_finish(&top), 20);
    topk_init(&top, b, 20);
    catalogue_top_k(catalogue, theta, NULL, work, &top);
    ck_assert_uint_eq(topk_finish(&top), 20);
    for (size_t i = 0; i < 20; i++)
        ck_assert(a[i].index == b[i].index && a[i].score == b[i].score);
    ck_assert_uint_eq(added_items_count(NULL), 0);
    ck_assert_ptr_null(added_items_params(NULL));
}
END_TEST

START_TEST(test_extra_items_make_the_context_of_trained_ones)
{
    struct err e = {0};
    real trained[64], new[64];
    struct encoder_interaction own[] = {{3, 1, NAN, 0}, {9, 2, NAN, 5}, {30, 1, NAN, 7}}, other[3];
    memcpy(other, own, sizeof own);
    for (size_t i = 0; i < 3; i++)
        other[i].item = (uint32_t)(m.spec.n_items + own[i].item / 3);
    struct encoder_input input = {.interactions = own, .n_interactions = 3};
    ck_assert_int_eq(encoder_encode(&m.spec, &m.params, &input, work, trained, &e), ERR_OK);
    input.interactions = other;
    ck_assert_int_eq(encoder_encode(&m.spec, &m.params, &input, work, new, &e),
                     ERR_INVALID); /* none are given */
    err_clear(&e);
    input.extra = added_items_params(extra);
    input.n_extra = added_items_count(extra);
    ck_assert_int_eq(encoder_encode(&m.spec, &m.params, &input, work, new, &e), ERR_OK);
    ck_assert_mem_eq(new, trained, m.spec.d_context * sizeof *new);
    other[0].item = (uint32_t)(m.spec.n_items + N_EXTRA);
    ck_assert_int_eq(encoder_encode(&m.spec, &m.params, &input, work, new, &e), ERR_INVALID);
}
END_TEST

SUITE_OF("engine/item_side",
         SUITE_CASE("rows", setup, teardown, {test_item_words_are_runs_of_letters_and_digits},
                    {test_item_side_finds_features}, {test_item_side_prior_adds_the_rows_of_features},
                    {test_item_side_fold_solves_its_equation},
                    {test_item_side_without_takers_is_the_prior_to_the_bit},
                    {test_item_side_weights_too_large_leave_the_prior}),
         SUITE_CASE("extra", setup_extra, teardown_extra, {test_extra_items_score_as_trained_ones_to_the_bit},
                    {test_extra_items_rank_behind_trained_ones_of_the_same_score},
                    {test_extra_items_are_found_where_no_trained_one_is_admitted},
                    {test_extra_items_none_is_the_catalogue_alone},
                    {test_extra_items_make_the_context_of_trained_ones}))
