/* engine/train/ranking/checkpoint.c: what is written reads back to the last bit, and what no training can
 * have written is refused. Risks: a number of the state that is forgotten or rounded, so that a resumed run
 * ends with another model; a damaged file that goes on with numbers of which nobody hears. */
#include "engine/train/ranking/checkpoint.h"

#include "engine/format/model_spec.h"
#include "tests/support/suite.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_VALUES = 7, N_FROZEN = 3, N_ARRAYS = 6 };

static char folder[] = "/tmp/hypernet-checkpoint-XXXXXX", path[64];

/* A model in training whose numbers are its own. */
struct model_in_training {
    real arrays[N_ARRAYS][N_VALUES];
    struct param_block block;
    struct training_state state;
};

static void make(struct model_in_training *m, int seed)
{
    for (int i = 0; i < N_ARRAYS; i++)
        for (int j = 0; j < N_VALUES; j++)
            m->arrays[i][j] = (real)(1 + seed * 100 + i * 10 + j) / 3;
    m->block = (struct param_block){.n_values = N_VALUES,
                                    .n_frozen = N_FROZEN,
                                    .values = m->arrays[0],
                                    .moment1 = m->arrays[1],
                                    .moment2 = m->arrays[2],
                                    .frozen_values = m->arrays[5]};
    m->state = (struct training_state){.fingerprint = UINT64_MAX - 1,
                                       .generator = GENERATOR_CORE,
                                       .choice = {1, 1, 1.0 / 3, 2.0 / 7, 1e-17},
                                       .epoch = 5,
                                       .n_first = 6 + seed,
                                       .best_epoch = 4,
                                       .n_cuts = 3,
                                       .cuts = {2, 3, 3},
                                       .n_steps = LONG_MAX,
                                       .start_metric = 0.1,
                                       .best_metric = nextafter(0.3, 1),
                                       .peak_metric = 0.2,
                                       .alpha = 0.003,
                                       .reg = 1.0 / 7,
                                       .reg_exponent = -0.25,
                                       .dim = 192,
                                       .ridge = 5.5,
                                       .damping = 0.15,
                                       .scale = 1.0 / 9,
                                       .local = 1};
}

static struct checkpoint_model view(struct model_in_training *m)
{
    return (struct checkpoint_model){&m->state, &m->block, m->arrays[3], m->arrays[4]};
}

static void write_models(struct model_in_training *m, size_t n)
{
    struct err e = {0};
    struct checkpoint_model models[CHECKPOINT_MOST_MODELS];
    for (size_t i = 0; i < n; i++)
        models[i] = view(&m[i]);
    ck_assert_msg(checkpoint_write(path, models, n, &e) == ERR_OK, "%s", e.text);
}

static enum err_code read_states(struct training_state states[CHECKPOINT_MOST_MODELS], size_t *n,
                                 struct err *e)
{
    return checkpoint_read_states(path, UINT64_MAX - 1, states, n, e);
}

static enum err_code read_model(size_t which, struct model_in_training *out, struct err *e)
{
    make(out, 50);
    return checkpoint_read_model(path, which, &out->block, out->arrays[3], out->arrays[4], e);
}

START_TEST(states_and_numbers_read_back_to_the_last_bit)
{
    struct err e = {0};
    struct model_in_training m[2], back;
    struct training_state states[CHECKPOINT_MOST_MODELS] = {0};
    size_t n, n_models = (size_t)_i;
    for (size_t i = 0; i < n_models; i++)
        make(&m[i], (int)i);
    write_models(m, n_models);
    ck_assert_msg(read_states(states, &n, &e) == ERR_OK, "%s", e.text);
    ck_assert_uint_eq(n, n_models);
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(memcmp(&states[i].cuts, &m[i].state.cuts, sizeof states[i].cuts), 0);
        ck_assert_int_eq(states[i].n_first, m[i].state.n_first);
        ck_assert_int_eq(states[i].n_steps, LONG_MAX);
        ck_assert(states[i].best_metric == m[i].state.best_metric && states[i].reg == m[i].state.reg);
        ck_assert(states[i].choice.generated == m[i].state.choice.generated &&
                  states[i].scale == m[i].state.scale);
        ck_assert_msg(read_model(i, &back, &e) == ERR_OK, "%s", e.text);
        for (int k = 0; k < N_ARRAYS; k++)
            ck_assert_int_eq(
                memcmp(back.arrays[k], m[i].arrays[k], (k == 5 ? N_FROZEN : N_VALUES) * sizeof(real)), 0);
    }
}
END_TEST

/* Every field once in a state that no training is in. */
static void spoil(struct training_state *s, int which)
{
    switch (which) {
    case 0:
        s->refit = 2;
        break;
    case 1:
        s->epoch = -1;
        break;
    case 2:
        s->epoch = s->n_first + 1;
        break;
    case 3:
        s->refit = 1; /* whose epochs are those of the best one */
        break;
    case 4:
        s->n_first = INT_MIN;
        break;
    case 5:
        s->best_epoch = s->n_first + 2;
        break;
    case 6:
        s->n_cuts = TRAINING_MOST_CUTS + 1;
        break;
    case 7:
        s->n_cuts = -1;
        break;
    case 8:
        s->cuts[1] = 1; /* before the one before it */
        break;
    case 9:
        s->cuts[2] = 100;
        break;
    case 10:
        s->n_steps = -5;
        break;
    case 11:
        s->start_metric = NAN;
        break;
    case 12:
        s->best_metric = INFINITY;
        break;
    case 13:
        s->peak_metric = -0.1;
        break;
    case 14:
        s->alpha = 0;
        break;
    case 15:
        s->reg = NAN;
        break;
    case 16:
        s->reg_exponent = INFINITY;
        break;
    case 17:
        s->dim = 0;
        break;
    case 18:
        s->dim = SIZE_MAX;
        break;
    case 19:
        s->ridge = -1;
        break;
    case 20:
        s->damping = 1.5;
        break;
    case 21:
        s->scale = NAN;
        break;
    case 22:
        s->local = 7;
        break;
    case 23:
        s->generator = 4;
        break;
    case 24:
        s->generator = -1;
        break;
    case 25:
        s->choice.made = 2;
        break;
    }
}
enum { N_SPOILT = 26 };

START_TEST(a_state_that_no_training_is_in_is_refused)
{
    struct err e = {0};
    struct model_in_training m;
    struct training_state states[CHECKPOINT_MOST_MODELS];
    size_t n;
    make(&m, 0);
    spoil(&m.state, _i);
    write_models(&m, 1);
    ck_assert_msg(read_states(states, &n, &e) == ERR_CORRUPT, "%d is accepted", _i);
    ck_assert_ptr_nonnull(strstr(e.text, path));
}
END_TEST

START_TEST(two_models_of_the_second_course_are_refused)
{
    struct err e = {0};
    struct model_in_training m[2];
    struct training_state states[CHECKPOINT_MOST_MODELS];
    size_t n;
    for (int i = 0; i < 2; i++) {
        make(&m[i], i);
        m[i].state.refit = 1;
        m[i].state.epoch = 3;
    }
    write_models(m, 1);
    ck_assert_int_eq(read_states(states, &n, &e), ERR_OK);
    write_models(m, 2);
    ck_assert_int_eq(read_states(states, &n, &e), ERR_CORRUPT);
}
END_TEST

START_TEST(a_number_that_no_training_has_is_refused)
{
    static const real wrong[] = {(real)NAN, (real)INFINITY, -(real)INFINITY};
    struct model_in_training m, back;
    for (int i = 0; i < N_ARRAYS; i++)
        for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
            struct err e = {0};
            make(&m, 0);
            m.arrays[i][2] = wrong[k];
            write_models(&m, 1);
            ck_assert_msg(read_model(0, &back, &e) == ERR_CORRUPT, "array %d takes %g", i, (double)wrong[k]);
            ck_assert_ptr_nonnull(strstr(e.text, "damaged"));
        }
    for (int i = 0; i < 3; i++) { /* a second moment is a mean of squares; the others may be negative */
        struct err e = {0};
        make(&m, 0);
        m.arrays[i][2] = -1;
        write_models(&m, 1);
        ck_assert_int_eq(read_model(0, &back, &e), i == 2 ? ERR_CORRUPT : ERR_OK);
    }
}
END_TEST

START_TEST(another_run_another_size_and_no_file_are_told_apart)
{
    struct err e = {0};
    struct model_in_training m, back;
    struct training_state states[CHECKPOINT_MOST_MODELS];
    size_t n;
    make(&m, 0);
    write_models(&m, 1);
    ck_assert_int_eq(checkpoint_read_states(path, 5, states, &n, &e), ERR_CONFLICT);
    err_clear(&e);
    make(&back, 0);
    back.block.n_values--;
    ck_assert_int_eq(checkpoint_read_model(path, 0, &back.block, back.arrays[3], back.arrays[4], &e),
                     ERR_CORRUPT);
    err_clear(&e);
    ck_assert_int_eq(read_model(1, &back, &e), ERR_CORRUPT); /* there is one alone */
    err_clear(&e);
    (void)unlink(path);
    ck_assert_int_eq(read_states(states, &n, &e), ERR_NOTFOUND);
}
END_TEST

int main(void)
{
    if (!mkdtemp(folder))
        return EXIT_FAILURE;
    (void)snprintf(path, sizeof path, "%s/c", folder);
    Suite *s = suite_create("engine/train/checkpoint");
    TCase *t = tcase_create("checkpoint");
    tcase_add_loop_test(t, states_and_numbers_read_back_to_the_last_bit, 1, CHECKPOINT_MOST_MODELS + 1);
    tcase_add_loop_test(t, a_state_that_no_training_is_in_is_refused, 0, N_SPOILT);
    tcase_add_test(t, two_models_of_the_second_course_are_refused);
    tcase_add_test(t, a_number_that_no_training_has_is_refused);
    tcase_add_test(t, another_run_another_size_and_no_file_are_told_apart);
    suite_add_tcase(s, t);
    int status = suite_run(s);
    (void)unlink(path);
    (void)rmdir(folder);
    return status;
}
