/* engine/train/continual/stored_rows_fit.c and engine/network/stored_rows.c: whose rows are, by a few of each
 * task. Risks: rows that only look right because they are in the fit; a class without rows that wins; a block
 * of rows that is cut wrongly. */
#include "base/mem.h"
#include "base/rng.h"
#include "engine/network/stored_rows.h"
#include "engine/train/continual/stored_rows_fit.h"
#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

enum { D = 5, TASKS = 3, CLASSES = 2, EACH = 6, ROWS = TASKS * CLASSES * EACH, ASKED = 150 };

static struct model_spec spec;
static real rows[ROWS * D], weights[ROWS * TASKS * CLASSES];

static void add_tasks(const size_t *counts)
{
    const char *const names[CLASSES] = {"a", "b"};
    struct err e = {0};
    for (size_t t = 0; t < TASKS; t++) {
        ck_assert_int_eq(trained_spec_add(&spec.trained, names, CLASSES, &e), ERR_OK);
        ck_assert_int_eq(trained_spec_keep(&spec.trained, t, counts, &e), ERR_OK);
    }
}

static void setup(void)
{
    const size_t counts[CLASSES] = {EACH, EACH};
    spec = (struct model_spec){.d_item = D, .trained = {.present = true}};
    add_tasks(counts);
}

static void teardown(void)
{
    mem_fail_at(0, 0);
    trained_spec_fini(&spec.trained);
}

/* A row close to the place of class c of task t. */
static void draw(size_t t, size_t c, struct rng *r, real *x)
{
    for (size_t j = 0; j < D; j++)
        x[j] = (real)((j == t) * 4 + (j == 3 + c) * 3 + 0.3 * rng_normal(r));
}

static void draw_rows(struct rng *r)
{
    for (size_t i = 0; i < ROWS; i++)
        draw(i / (CLASSES * EACH), i / EACH % CLASSES, r, rows + i * D);
}

static double must_fit(void)
{
    double right = -1;
    struct err e = {0};
    ck_assert_msg(stored_rows_fit(&spec.trained, rows, D, weights, &right, &e) == ERR_OK, "%s", e.text);
    ck_assert(spec.trained.width > 0);
    return right;
}

/* (n, TASKS) of rows x; new. */
static real *scores_of(const real *x, size_t n)
{
    const struct model_params params = {.stored_rows = rows, .stored_weights = weights};
    real *work = mem_alloc_aligned(stored_rows_workspace_len(&spec), sizeof *work),
         *scores = mem_alloc_array(n * TASKS, sizeof *scores);
    ck_assert(work && scores);
    stored_rows_scores(&spec, &params, x, n, work, scores);
    mem_free(work);
    return scores;
}

START_TEST(rows_are_of_the_task_whose_stored_rows_are_close)
{
    struct rng r;
    static real x[ASKED * D]; /* more than a block */
    rng_init(&r, 1, 1);
    draw_rows(&r);
    ck_assert(must_fit() == 1);
    ck_assert(trained_spec_guesses(&spec.trained) && trained_spec_n_rows(&spec.trained) == ROWS);
    for (size_t i = 0; i < ASKED; i++)
        draw(i % TASKS, i % CLASSES, &r, x + i * D);
    real *scores = scores_of(x, ASKED);
    for (size_t i = 0; i < ASKED; i++) {
        const real *s = scores + i * TASKS;
        for (size_t t = 0; t < TASKS; t++)
            ck_assert(t == i % TASKS || s[t] < s[i % TASKS]);
        ck_assert(s[i % TASKS] > 0.5 && s[i % TASKS] < 1.5);
        real *alone = scores_of(x + i * D, 1); /* as in a block */
        for (size_t t = 0; t < TASKS; t++)
            ck_assert(fabs((double)(alone[t] - s[t])) < 1e-4);
        mem_free(alone);
    }
    mem_free(scores);
}
END_TEST

START_TEST(a_row_far_from_all_is_of_none)
{
    struct rng r;
    const real far[D] = {100, -100, 100, -100, 100};
    rng_init(&r, 2, 1);
    draw_rows(&r);
    (void)must_fit();
    real *scores = scores_of(far, 1);
    for (size_t t = 0; t < TASKS; t++)
        ck_assert(fabs((double)scores[t]) < 1e-6);
    mem_free(scores);
}
END_TEST

/* Each row has a twin in another task: in the fit it is half of its own, and by the others wholly its
 * twin's. */
START_TEST(rows_are_measured_by_the_others_alone)
{
    struct rng r;
    const size_t half = ROWS / 2;
    rng_init(&r, 3, 1);
    for (size_t i = 0; i < half * D; i++)
        rows[i] = (real)(5 * rng_normal(&r));
    memcpy(rows + half * D, rows, half * D * sizeof *rows);
    ck_assert(must_fit() < 0.4);
}
END_TEST

START_TEST(a_task_without_rows_is_no_guess_and_keeps_the_others)
{
    struct rng r;
    struct err e = {0};
    const size_t none[CLASSES] = {0, 0};
    rng_init(&r, 4, 1);
    draw_rows(&r);
    ck_assert_int_eq(trained_spec_keep(&spec.trained, TASKS - 1, none, &e), ERR_OK);
    ck_assert(must_fit() == 1);
    ck_assert(!trained_spec_guesses(&spec.trained));
    ck_assert_uint_eq(trained_spec_n_rows(&spec.trained), ROWS - CLASSES * EACH);
    for (size_t i = 0; i < ROWS - CLASSES * EACH; i++)
        for (size_t c = (TASKS - 1) * CLASSES; c < TASKS * CLASSES; c++)
            ck_assert(fabs((double)weights[i * TASKS * CLASSES + c]) < 1e-6);
}
END_TEST

START_TEST(rows_that_are_all_the_same_are_fitted)
{
    memset(rows, 0, sizeof rows);
    ck_assert(must_fit() <= 1);
}
END_TEST

START_TEST(without_memory_nothing_is_fitted)
{
    struct rng r;
    bool done = false;
    rng_init(&r, 5, 1);
    draw_rows(&r);
    for (long n = 1; !done; n++) {
        struct err e = {0};
        double right;
        mem_fail_at(n, _i);
        enum err_code code = stored_rows_fit(&spec.trained, rows, D, weights, &right, &e);
        mem_fail_at(0, 0);
        done = code == ERR_OK;
        ck_assert(done || (code == ERR_NOMEM && spec.trained.width <= 0));
    }
}
END_TEST

SUITE("engine/train/continual/stored_rows", setup, teardown,
      {rows_are_of_the_task_whose_stored_rows_are_close}, {a_row_far_from_all_is_of_none},
      {rows_are_measured_by_the_others_alone}, {a_task_without_rows_is_no_guess_and_keeps_the_others},
      {rows_that_are_all_the_same_are_fitted}, {without_memory_nothing_is_fitted, 2})
