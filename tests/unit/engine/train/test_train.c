/* engine/train/train.c, whole: a run's bytes depend on data, options and seed alone, not on threads, and what
 * helps is chosen. Risks: a draw that is not tied to its epoch, a sum in the order of the threads. Stops are
 * in test_train_stops.c, checkpoints of something else in test_train_checkpoint.c. */
#include "engine/model.h"
#include "engine/train/data/split.h"
#include "engine/train/ranking/estimate.h"
#include "tests/support/train_world.h"

#include <stdlib.h>
#include <string.h>

enum { N_ITEMS = TRAIN_WORLD_ITEMS, SET_ITEMS = TRAIN_WORLD_SET_ITEMS };

START_TEST(the_model_does_not_depend_on_the_number_of_threads)
{
    struct train_world w;
    train_world_make(&w, _i == 1);
    struct train_options o = train_world_options();
    char *one = train_world_path("one"), *three = train_world_path("three");
    train_world_run(&w, &o, one, NULL, NULL);
    o.n_threads = 3;
    train_world_run(&w, &o, three, NULL, NULL);
    train_world_same_file(one, three);
}
END_TEST

START_TEST(another_seed_gives_another_model)
{
    struct train_world w;
    size_t n_a, n_b;
    train_world_make(&w, true);
    struct train_options o = train_world_options();
    char *a = train_world_path("a"), *b = train_world_path("b");
    train_world_run(&w, &o, a, NULL, NULL);
    o.seed = 2;
    train_world_run(&w, &o, b, NULL, NULL);
    char *x = train_world_bytes(a, &n_a), *y = train_world_bytes(b, &n_b);
    ck_assert(n_a != n_b || memcmp(x, y, n_a) != 0);
    free(x);
    free(y);
}
END_TEST

START_TEST(item_item_are_kept_where_they_help_whatever_the_threads)
{
    struct train_world w;
    struct train_report report;
    train_world_make_sets(&w);
    struct train_options o = train_world_narrow_options();
    char *one = train_world_path("one"), *three = train_world_path("three");
    train_world_run(&w, &o, one, NULL, &report);
    ck_assert_double_gt(train_world_figure(&report, "ndcg@10"),
                        1.2 * train_world_figure(&report, "warm_start_ndcg@10"));
    ck_assert_uint_gt(train_world_n_pairs(one), N_ITEMS * (SET_ITEMS - 1));
    o.n_threads = 3;
    train_world_run(&w, &o, three, NULL, NULL);
    train_world_same_file(one, three);
}
END_TEST

/* Whatever is generated. */
START_TEST(item_item_weights_are_chosen_apart_from_what_is_generated)
{
    static const enum generator generators[] = {GENERATOR_SHARED, GENERATOR_CORE};
    struct train_world w;
    train_world_make_sets(&w);
    struct train_options o = train_world_narrow_options();
    char *path = train_world_path("apart");
    struct train_report report;
    o.choose_generator = false;
    for (size_t i = 0; i < 2; i++) {
        o.generator = generators[i];
        o.no_pairs = false;
        train_world_run(&w, &o, path, NULL, &report);
        ck_assert_uint_gt(train_world_n_pairs(path), N_ITEMS * (SET_ITEMS - 1));
        ck_assert(train_world_figure(&report, "item_item") &&
                  !train_world_figure(&report, "generator_chosen"));
        ck_assert_int_eq(train_world_generator(&report), generators[i]);
        ck_assert_double_gt(train_world_figure(&report, "ndcg@10"),
                            train_world_figure(&report, "without_item_item_ndcg@10"));
        o.no_pairs = true;
        train_world_run(&w, &o, path, NULL, &report);
        ck_assert_uint_eq(train_world_n_pairs(path), 0);
        ck_assert(!train_world_figure(&report, "item_item"));
    }
}
END_TEST

START_TEST(what_is_generated_is_chosen_by_what_it_is_worth)
{
    bool planted = _i == 1;
    struct train_world w;
    (planted ? train_world_make_rounds : train_world_make_chance)(&w);
    struct train_options o = train_world_options();
    struct train_report report;
    o.n_epochs = 40;
    struct train_stop stop = {.stage = "train", .epoch = 5}; /* the first after the choice */
    train_world_run(&w, &o, train_world_path("chosen"), &stop, &report);
    ck_assert(train_world_figure(&report, "generator_chosen") && train_world_figure(&report, "choice_sure"));
    ck_assert_str_eq(stop.first, stop.choice);
    ck_assert_ptr_nonnull(strstr(stop.choice, planted ? "generated (core);" : "nothing is generated;"));
    ck_assert_double_gt(train_world_figure(&report, "choice_standard_error"), 0);
    ck_assert_int_eq(train_world_figure(&report, "choice_core_ndcg@10") >
                         train_world_figure(&report, "choice_shared_ndcg@10") +
                             1.5 * train_world_figure(&report, "choice_standard_error"),
                     planted);
    ck_assert_int_eq(train_world_generator(&report), planted ? GENERATOR_CORE : GENERATOR_SHARED);
}
END_TEST

/* The first look does not tell in either world; in the one further epochs do, in the other none does. Nothing
 * of the race is left in the winner: its file is that of a training that was for it alone. Fewer epochs than
 * those from which on several starts are tried, as the start is chosen by what is generated. */
START_TEST(models_that_do_not_surely_differ_go_on_until_they_do_or_end_and_the_better_is_kept)
{
    static const enum generator generators[] = {GENERATOR_SHARED, GENERATOR_CORE};
    bool sure = _i == 1;
    struct train_world w;
    struct train_report alone[2], report;
    if (sure)
        train_world_make(&w, true);
    else
        train_world_make_chance(&w);
    struct train_options o = train_world_options();
    o.n_epochs = 7;
    char *paths[] = {train_world_path("shared"), train_world_path("core")}, *both = train_world_path("both");
    o.choose_generator = false;
    for (size_t i = 0; i < 2; i++) {
        o.generator = generators[i];
        train_world_run(&w, &o, paths[i], NULL, &alone[i]);
    }
    o.choose_generator = true;
    struct train_stop watched = {0};
    train_world_run(&w, &o, both, &watched, &report);
    ck_assert_ptr_nonnull(strstr(watched.first, "not sure yet, both go on"));
    ck_assert_int_eq(strstr(watched.choice, "neither surely better") == NULL, sure);
    ck_assert(train_world_figure(&report, "generator_chosen") &&
              train_world_figure(&report, "choice_sure") == sure);
    bool generated = train_world_generator(&report) == GENERATOR_CORE;
    ck_assert_int_eq(generated, train_world_figure(&report, "choice_core_ndcg@10") >
                                    train_world_figure(&report, "choice_shared_ndcg@10"));
    ck_assert_int_eq(generated,
                     train_world_figure(&alone[1], "ndcg@10") > train_world_figure(&alone[0], "ndcg@10"));
    for (size_t i = 0; i < 2; i++)
        ck_assert(sure ? watched.raced[i] < o.n_epochs : watched.raced[i] == alone[i].epochs_run);
    if (!sure) {
        ck_assert_double_eq(train_world_figure(&report, "choice_shared_ndcg@10"),
                            train_world_figure(&alone[0], "ndcg@10"));
        ck_assert_double_eq(train_world_figure(&report, "choice_core_ndcg@10"),
                            train_world_figure(&alone[1], "ndcg@10"));
    }
    train_world_same_file(both, paths[generated]);
}
END_TEST

/* Values, gradients, two moments, the average, a spare and the best of each. */
START_TEST(the_memory_that_is_said_before_is_that_of_both_models)
{
    struct train_world w;
    struct err e = {0};
    struct split s;
    struct train_report report;
    train_world_make(&w, true);
    struct train_options o = train_world_options();
    ck_assert_int_eq(split_init(&s, &w.data, true, 1, &e), ERR_OK);
    double both = estimate_training(&s, &o, 1).bytes;
    o.choose_generator = false;
    double one = estimate_training(&s, &o, 1).bytes;
    train_world_run(&w, &o, train_world_path("sized"), NULL, &report);
    ck_assert_double_ge(both - one, 7.0 * sizeof(float) * (double)report.n_parameters);
    split_fini(&s);
}
END_TEST

START_TEST(order_is_used_where_it_is_known_unless_it_is_to_be_ignored)
{
    struct train_world w;
    struct err e = {0};
    char *path = train_world_path("order");
    for (int i = 0; i < 3; i++) { /* timed, timed and ignored, not timed */
        struct model *m;
        train_world_make(&w, i < 2);
        struct train_options o = train_world_options();
        o.ignore_order = i == 1;
        train_world_run(&w, &o, path, NULL, NULL);
        ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
        ck_assert_int_eq(m->spec.encoder.d_recent > 0, i == 0);
        ck_assert_int_eq(m->spec.encoder.d_when > 0, i == 0);
        model_unref(m);
    }
}
END_TEST

START_TEST(too_little_data_is_refused)
{
    struct train_world w;
    struct err e = {0};
    struct train_report report;
    train_world_make(&w, true);
    w.data.n_users = 1;
    struct train_options o = train_world_options();
    ck_assert_int_eq(train_run(&w.data, &o, train_world_path("none"), NULL, NULL, &report, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "at least two users"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/train");
    TCase *threads = tcase_create("threads"), *t = tcase_create("train");
    tcase_add_loop_test(threads, the_model_does_not_depend_on_the_number_of_threads, 0, 2);
    tcase_add_test(threads, item_item_are_kept_where_they_help_whatever_the_threads);
    suite_add_tcase(s, threads);
    tcase_set_tags(t, "one_thread"); /* ../one_thread */
    tcase_add_loop_test(t, what_is_generated_is_chosen_by_what_it_is_worth, 0, 2);
    tcase_add_loop_test(t, models_that_do_not_surely_differ_go_on_until_they_do_or_end_and_the_better_is_kept,
                        0, 2);
    tcase_add_test(t, the_memory_that_is_said_before_is_that_of_both_models);
    tcase_add_test(t, item_item_weights_are_chosen_apart_from_what_is_generated);
    tcase_add_test(t, another_seed_gives_another_model);
    tcase_add_test(t, order_is_used_where_it_is_known_unless_it_is_to_be_ignored);
    tcase_add_test(t, too_little_data_is_refused);
    suite_add_tcase(s, t);
    return train_world_run_suite(s);
}
