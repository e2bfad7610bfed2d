/* Tasks learned one after the other (engine/train/continual), on clusters of points whose classes each
 * task names in its own way, so that a network which learns the next one must forget the last. Risk: old
 * tasks that are forgotten, a frozen tensor that moves, a run that depends on more than its data, options
 * and seed. */
#include "base/mem.h"
#include "base/rng.h"
#include "engine/format/model_write.h"
#include "engine/model.h"
#include "engine/network/target.h"
#include "engine/train/continual/continual.h"
#include "engine/train/continual/rivals.h"
#include "engine/train/continual/theta_fit.h"
#include "tests/support/suite.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { D = 6, O = 3, N = 300, N_TASKS = 4, N_CLUSTERS = 6 };

static real x[N * D];
static uint32_t y[N_TASKS][N];
static struct labelled_rows rows[N_TASKS];

static void set_up(void)
{
    struct rng r;
    real centre[N_CLUSTERS][D];
    rng_init(&r, 3, 1);
    for (size_t k = 0; k < N_CLUSTERS; k++)
        for (size_t j = 0; j < D; j++)
            centre[k][j] = (real)(2 * rng_normal(&r));
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < D; j++)
            x[i * D + j] = centre[i % N_CLUSTERS][j] + (real)(0.3 * rng_normal(&r));
    for (size_t t = 0; t < N_TASKS; t++) {
        for (size_t i = 0; i < N; i++)
            y[t][i] = (uint32_t)((i % N_CLUSTERS * (1 + t) + t + i % N_CLUSTERS / 3) % O);
        rows[t] = (struct labelled_rows){N, x, y[t]};
    }
}

static struct model_spec spec_of(size_t n_tasks)
{
    return (struct model_spec){.name = "t",
                               .version = "1",
                               .objective = &objective_classification,
                               .d_item = D,
                               .d_output = O,
                               .d_context = 8,
                               .n_trunk = 1,
                               .trunk = {{32, ACTIVATION_RELU}},
                               .n_layers = 2,
                               .layers = {{D, 16, GENERATOR_CHUNKED, 0, BIAS_FULL, ACTIVATION_RELU},
                                          {16, O, GENERATOR_CHUNKED, 0, BIAS_FULL, ACTIVATION_IDENTITY}},
                               .chunks = {.size = 40, .d_embedding = 8},
                               .encoder = {.present = true, .d_id = 8, .n_tasks = n_tasks}};
}

static const struct continual_options usual = {
    .beta = 1, .n_old = 1, .batch = 32, .n_steps = 300, .rate = 3e-3, .seed = 9};

static double accuracy_of(const struct model_spec *s, const struct model_params *p, const real *theta,
                          size_t t)
{
    real *work = mem_alloc_aligned(target_workspace_len(s), sizeof *work), out[N * O];
    size_t right = 0;
    target_forward(s, p, theta, x, N, work, out);
    for (size_t i = 0; i < N; i++) {
        size_t best = 0;
        for (size_t k = 1; k < O; k++)
            best = out[i * O + k] > out[i * O + best] ? k : best;
        right += best == y[t][i];
    }
    mem_free(work);
    return (double)right / N;
}

static double accuracy(const struct model_spec *s, const struct model_params *p, size_t t)
{
    real theta[512], *work = mem_alloc_aligned(hypernet_workspace_len(s), sizeof *work);
    ck_assert_int_eq(hypernet_generate(s, p, p->task_id + t * s->d_context, work, theta, NULL), ERR_OK);
    mem_free(work);
    return accuracy_of(s, p, theta, t);
}

/* One more task on what there is of n_tasks - 1; the block there was is freed. */
static void learn_next(struct param_block *block, size_t n_tasks, const struct continual_options *o)
{
    struct model_spec s = spec_of(n_tasks);
    struct param_block next;
    struct err e = {0};
    ck_assert_msg(continual_init(&next, &s, n_tasks > 1 ? &block->params : NULL, o->seed, &e) == ERR_OK, "%s",
                  e.text);
    ck_assert_msg(continual_learn(&s, &next, &rows[n_tasks - 1], o, NULL, &e) == ERR_OK, "%s", e.text);
    param_block_fini(block);
    *block = next;
}

START_TEST(test_old_tasks_answer_as_before_without_their_rows)
{
    struct param_block block = {0};
    for (size_t n = 1; n <= N_TASKS; n++)
        learn_next(&block, n, &usual);
    struct model_spec s = spec_of(N_TASKS);
    for (size_t t = 0; t < N_TASKS; t++)
        ck_assert_msg(accuracy(&s, &block.params, t) >= 0.99, "task %zu: %g", t,
                      accuracy(&s, &block.params, t));
    param_block_fini(&block);
}
END_TEST

START_TEST(test_without_the_penalty_they_are_forgotten)
{
    struct param_block block = {0};
    struct continual_options o = usual;
    double old = 0;
    o.beta = 0;
    for (size_t n = 1; n <= N_TASKS; n++)
        learn_next(&block, n, &o);
    struct model_spec s = spec_of(N_TASKS);
    ck_assert(accuracy(&s, &block.params, N_TASKS - 1) >= 0.99);
    for (size_t t = 0; t + 1 < N_TASKS; t++)
        old += accuracy(&s, &block.params, t) / (N_TASKS - 1);
    ck_assert_msg(old < 0.8, "%g", old);
    param_block_fini(&block);
}
END_TEST

START_TEST(test_what_is_frozen_keeps_its_bits_and_the_rest_hardly_moves)
{
    struct param_block before = {0}, after = {0};
    struct model_spec one = spec_of(2), two = spec_of(3);
    struct continual_drift drift, none;
    struct err e = {0};
    learn_next(&before, 1, &usual);
    learn_next(&before, 2, &usual);
    ck_assert_int_eq(continual_init(&after, &two, &before.params, usual.seed, &e), ERR_OK);
    ck_assert_int_eq(continual_audit(&one, &before.params, &two, &after.params, &none, &e), ERR_OK);
    ck_assert(none.frozen_same && none.theta_most == 0);
    ck_assert_int_eq(continual_learn(&two, &after, &rows[2], &usual, NULL, &e), ERR_OK);
    ck_assert_int_eq(continual_audit(&one, &before.params, &two, &after.params, &drift, &e), ERR_OK);
    ck_assert(drift.frozen_same);
    ck_assert_msg(drift.theta_most > 0 && drift.theta_most < 0.3, "%g", drift.theta_most);
    after.params.layers[1].bias[0] += 1e-7f; /* what must stay, and does not */
    ck_assert_int_eq(continual_audit(&one, &before.params, &two, &after.params, &drift, &e), ERR_OK);
    ck_assert(!drift.frozen_same);
    param_block_fini(&before);
    param_block_fini(&after);
}
END_TEST

START_TEST(test_layers_of_all_tasks_are_learned_with_the_first_alone)
{
    struct param_block block = {0}, next = {0};
    struct model_spec s = spec_of(1), two;
    struct err e = {0};
    s.layers[0].generator = GENERATOR_SHARED;
    s.layers[0].bias = BIAS_SHARED;
    ck_assert_int_eq(continual_init(&block, &s, NULL, 1, &e), ERR_OK);
    real first = block.params.layers[0].weight[3], theta0 = block.params.layers[1].weight[3];
    ck_assert_int_eq(continual_learn(&s, &block, &rows[0], &usual, NULL, &e), ERR_OK);
    ck_assert(block.params.layers[0].weight[3] != first);
    ck_assert(block.params.layers[1].weight[3] == theta0);
    two = s;
    two.encoder.n_tasks = 2;
    ck_assert_int_eq(continual_init(&next, &two, &block.params, 1, &e), ERR_OK);
    ck_assert_int_eq(continual_learn(&two, &next, &rows[1], &usual, NULL, &e), ERR_OK);
    ck_assert_mem_eq(next.params.layers[0].weight, block.params.layers[0].weight, D * 16 * sizeof first);
    ck_assert(accuracy(&two, &next.params, 0) >= 0.97);
    param_block_fini(&block);
    param_block_fini(&next);
}
END_TEST

START_TEST(test_a_run_depends_on_data_options_and_seed_alone)
{
    struct param_block a = {0}, b = {0}, c = {0};
    struct continual_options other = usual;
    other.seed++;
    for (size_t n = 1; n <= 2; n++) {
        learn_next(&a, n, &usual);
        learn_next(&b, n, &usual);
        learn_next(&c, n, &other);
    }
    ck_assert_mem_eq(a.values, b.values, a.n_values * sizeof *a.values);
    ck_assert_mem_ne(a.values, c.values, a.n_values * sizeof *a.values);
    param_block_fini(&a);
    param_block_fini(&b);
    param_block_fini(&c);
}
END_TEST

/* Learning goes on from a file as from memory: all that it needs of the tasks before is in the file. */
START_TEST(test_learning_goes_on_from_a_written_model)
{
    char path[] = "/tmp/test_continual_XXXXXX";
    const char *names[] = {"first"};
    struct model_ids ids = {names};
    struct param_block memory = {0}, file = {0};
    struct model_spec one = spec_of(1), two = spec_of(2);
    struct model *m;
    struct err e = {0};
    close(mkstemp(path));
    learn_next(&memory, 1, &usual);
    ck_assert_msg(model_write(path, &one, &memory.params, &ids, &e) == ERR_OK, "%s", e.text);
    ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
    ck_assert_int_eq(continual_init(&file, &two, &m->params, usual.seed, &e), ERR_OK);
    ck_assert_int_eq(continual_learn(&two, &file, &rows[1], &usual, NULL, &e), ERR_OK);
    learn_next(&memory, 2, &usual);
    ck_assert_mem_eq(file.values, memory.values, file.n_values * sizeof *file.values);
    model_unref(m);
    param_block_fini(&memory);
    param_block_fini(&file);
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(test_an_interrupt_ends_it_soon)
{
    struct param_block block;
    struct model_spec s = spec_of(1);
    struct continual_options o = usual;
    struct err e = {0};
    atomic_bool yes = true;
    bool stopped = false;
    o.interrupt = &yes;
    o.n_steps = 1000000000;
    ck_assert_int_eq(continual_init(&block, &s, NULL, 1, &e), ERR_OK);
    ck_assert_int_eq(continual_learn(&s, &block, &rows[0], &o, &stopped, &e), ERR_OK);
    ck_assert(stopped);
    param_block_fini(&block);
}
END_TEST

START_TEST(test_what_cannot_be_learned_is_refused)
{
    struct param_block block = {0};
    struct model_spec s = spec_of(1), bad = s, two = spec_of(2);
    struct continual_options o = usual;
    uint32_t wrong[N] = {[7] = O};
    struct err e = {0};
    bad.encoder.d_id = 7;
    ck_assert_int_eq(continual_init(&block, &bad, NULL, 1, &e), ERR_INVALID);
    err_clear(&e);
    bad = s;
    bad.encoder = (struct encoder_spec){0};
    ck_assert_int_eq(continual_init(&block, &bad, NULL, 1, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "not an embedding of each trained task alone"));
    err_clear(&e);
    ck_assert_int_eq(continual_init(&block, &two, NULL, 1, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "the first task has no model to go on from"));
    err_clear(&e);
    ck_assert_int_eq(continual_init(&block, &s, NULL, 1, &e), ERR_OK);
    ck_assert_int_eq(continual_learn(&s, &block, &(struct labelled_rows){0, x, y[0]}, &o, NULL, &e),
                     ERR_INVALID);
    ck_assert_str_eq(e.text, "the task has no rows to learn from");
    err_clear(&e);
    ck_assert_int_eq(continual_learn(&s, &block, &(struct labelled_rows){N, x, wrong}, &o, NULL, &e),
                     ERR_INVALID);
    ck_assert_str_eq(e.text, "row 7 is of class 3 of 3");
    err_clear(&e);
    o.rate = 1e30;
    ck_assert_int_eq(continual_learn(&s, &block, &rows[0], &o, NULL, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "not finite, with a rate of 1e+30"));
    err_clear(&e);
    bad = s;
    bad.objective = &objective_regression;
    ck_assert_int_eq(continual_learn(&bad, &block, &rows[0], &usual, NULL, &e), ERR_INVALID);
    ck_assert_str_eq(e.text, "tasks are learned one after the other by classification alone");
    param_block_fini(&block);
}
END_TEST

/* Each allocation fails in turn; what is left can be freed, and learning works once there is memory. */
START_TEST(test_without_memory_it_says_so)
{
    struct model_spec s = spec_of(1), two = spec_of(2);
    struct continual_options o = usual;
    struct continual_drift drift;
    o.n_steps = 2;
    bool done = false;
    for (int n = 1; !done; n++) {
        struct param_block block = {0}, next = {0};
        struct err e = {0};
        mem_fail_at(n, 0);
        enum err_code code = continual_init(&block, &s, NULL, 1, &e);
        if (!code)
            code = continual_learn(&s, &block, &rows[0], &o, NULL, &e);
        if (!code)
            code = continual_init(&next, &two, &block.params, 1, &e);
        if (!code)
            code = continual_learn(&two, &next, &rows[1], &o, NULL, &e);
        if (!code)
            code = continual_audit(&s, &block.params, &two, &next.params, &drift, &e);
        mem_fail_at(0, 0);
        ck_assert_msg(code == ERR_OK || code == ERR_NOMEM, "%s", e.text);
        done = code == ERR_OK;
        ck_assert_int_lt(n, 100);
        param_block_fini(&block);
        param_block_fini(&next);
    }
}
END_TEST

/* ---- plain networks ---- */

static double sequence(double lambda)
{
    struct param_block block;
    struct model_spec s = spec_of(1);
    struct theta_layout layout;
    struct ewc hold = {0};
    struct err e = {0};
    real theta[512] = {0};
    theta_layout_of(&s, &layout);
    ck_assert_int_eq(continual_init(&block, &s, NULL, 1, &e), ERR_OK);
    for (size_t i = 0; i < 2; i++)
        memcpy(theta + layout.layers[i].weight, block.params.layers[i].weight,
               s.layers[i].d_in * s.layers[i].d_out * sizeof *theta);
    ck_assert_int_eq(ewc_init(&hold, layout.len, lambda, &e), ERR_OK);
    for (size_t t = 0; t < 2; t++) {
        ck_assert_msg(theta_fit(&s, &block.params, theta, &rows[t], &usual, t, &hold, &e) == ERR_OK, "%s",
                      e.text);
        ck_assert(t || accuracy_of(&s, &block.params, theta, 0) >= 0.99);
        ck_assert_int_eq(ewc_add(&hold, &s, &block.params, theta, &rows[t], 100, &e), ERR_OK);
    }
    double first = accuracy_of(&s, &block.params, theta, 0);
    ewc_fini(&hold);
    param_block_fini(&block);
    return first;
}

START_TEST(test_elastic_weights_hold_more_than_a_plain_sequence)
{
    double plain = sequence(0), held = sequence(1e5);
    ck_assert_msg(plain < 0.6, "%g", plain);
    ck_assert_msg(held > 0.95, "%g", held);
}
END_TEST

START_TEST(test_a_network_with_weights_that_are_not_generated_is_not_fitted)
{
    struct model_spec s = spec_of(1);
    struct model_params none = {0};
    struct err e = {0};
    real theta[512] = {0};
    s.layers[0].generator = GENERATOR_SHARED;
    s.layers[0].bias = BIAS_SHARED;
    ck_assert_int_eq(theta_fit(&s, &none, theta, &rows[0], &usual, 1, NULL, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "layer 0 has weights that are not generated"));
    const struct rival_task task = {rows[0], rows[0], 2};
    double accuracy;
    ck_assert_int_eq(rivals_measure(&s, RIVAL_OWN, &task, 1, &usual, 0, &accuracy, &e), ERR_INVALID);
}
END_TEST

START_TEST(test_the_hypernetwork_without_its_penalty_is_measured_task_by_time)
{
    struct model_spec s = spec_of(2);
    struct err e = {0};
    const struct rival_task tasks[] = {{rows[0], rows[0], O}, {rows[1], rows[1], O}};
    double accuracy[4];
    ck_assert_int_eq(rivals_measure(&s, RIVAL_UNHELD, tasks, 2, &usual, 0, accuracy, &e), ERR_OK);
    ck_assert_double_gt(accuracy[0], 0.9);
    ck_assert_double_eq(accuracy[1], 0);
    ck_assert_double_gt(accuracy[3], 0.9);
    ck_assert_double_lt(accuracy[2], accuracy[0] - 0.1);
}
END_TEST

SUITE("engine continual", set_up, NULL, {test_old_tasks_answer_as_before_without_their_rows},
      {test_without_the_penalty_they_are_forgotten},
      {test_what_is_frozen_keeps_its_bits_and_the_rest_hardly_moves},
      {test_layers_of_all_tasks_are_learned_with_the_first_alone},
      {test_a_run_depends_on_data_options_and_seed_alone}, {test_learning_goes_on_from_a_written_model},
      {test_an_interrupt_ends_it_soon}, {test_what_cannot_be_learned_is_refused},
      {test_without_memory_it_says_so}, {test_elastic_weights_hold_more_than_a_plain_sequence},
      {test_the_hypernetwork_without_its_penalty_is_measured_task_by_time},
      {test_a_network_with_weights_that_are_not_generated_is_not_fitted})
