/* engine/train/train.c, whole: a run that is stopped keeps what is worth keeping, and one that is resumed
 * ends as if it had not been stopped. Risks: a state that the checkpoint forgets, a second course that starts
 * from what the first one left, a phase that goes on past its deadline. */
#include "engine/model.h"
#include "tests/support/train_world.h"

#include <string.h>
#include <unistd.h>

enum { N_USERS = TRAIN_WORLD_USERS };

/* The ratings of a world in which users differ. */
static void rate(struct train_world *w)
{
    for (size_t u = 0; u < N_USERS; u++)
        for (size_t i = w->start[u]; i < w->start[u + 1]; i++)
            w->interactions[i].rating = (float)(1 + (u + w->interactions[i].item) % 5);
}

/* Stops while two models take turns, between the epoch of the one and that of the other, and in the second
 * course. */
START_TEST(a_stopped_run_that_is_resumed_ends_with_the_same_model)
{
    static const char *const stages[] = {"choose", "refit"};
    struct train_world w;
    train_world_make(&w, true);
    struct train_options o = train_world_options();
    struct train_report report, all;
    char *whole = train_world_path("whole"), *parts = train_world_path("parts"),
         *checkpoint = train_world_path("checkpoint");
    train_world_run(&w, &o, whole, NULL, &all);
    ck_assert_int_ge(all.best_epoch, 2); /* else there is no second course to stop in */
    o.checkpoint = checkpoint;
    for (int stage = 0; stage < 2; stage++) {
        (void)unlink(checkpoint);
        struct train_stop stop = {.stage = stages[stage], .epoch = stage == 0 ? 3 : 1};
        train_world_run(&w, &o, parts, &stop, &report);
        ck_assert_int_eq(report.end, TRAIN_INTERRUPTED);
        struct train_stop rest = {.stage = "search"};
        train_world_run(&w, &o, parts, &rest, &report);
        ck_assert_int_eq(rest.n_stages, 0); /* it went on, it did not begin anew */
        ck_assert_int_eq(rest.n_choose > 0, stage == 0);
        ck_assert(train_world_figure(&report, "generator_chosen"));
        ck_assert_int_eq(train_world_generator(&report), train_world_generator(&all));
        ck_assert_double_eq(train_world_figure(&report, "choice_core_ndcg@10"),
                            train_world_figure(&all, "choice_core_ndcg@10"));
        train_world_same_file(whole, parts);
    }
}
END_TEST

/* Of one generator, and of the one that was surely better: what is compared no more is not in the
 * checkpoint. */
START_TEST(a_stopped_first_course_goes_on_where_it_was)
{
    bool chosen = _i == 1;
    struct train_world w;
    struct train_report report;
    (chosen ? train_world_make_rounds : train_world_make_chance)(&w);
    struct train_options o = train_world_options();
    o.n_epochs = 40;
    o.choose_generator = chosen;
    char *path = train_world_path("parts"), *checkpoint = train_world_path("checkpoint");
    (void)unlink(checkpoint);
    o.checkpoint = checkpoint;
    struct train_stop stop = {.stage = "train", .epoch = 1}, rest = {.stage = "train", .epoch = 6};
    if (chosen)
        stop = (struct train_stop){
            .stage = "train", .epoch = 5, .within = true}; /* the first after the choice */
    train_world_run(&w, &o, path, &stop, &report);
    train_world_run(&w, &o, path, &rest, &report);
    ck_assert_int_eq(rest.n_choose, 0);
    ck_assert_int_eq(train_world_figure(&report, "generator_chosen"), chosen);
    ck_assert_int_eq(report.epochs_run, 6);
}
END_TEST

START_TEST(a_stop_in_the_second_course_leaves_the_model_of_the_first)
{
    struct train_world w;
    struct err e = {0};
    struct model *m;
    train_world_make(&w, true);
    struct train_options o = train_world_options();
    char *path = train_world_path("first");
    struct train_stop stop = {.stage = "refit", .epoch = 1};
    train_world_run(&w, &o, path, &stop, NULL);
    ck_assert_int_gt(stop.n_stages, 0);
    ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
    model_unref(m);
}
END_TEST

/* Before the weights are chosen, and after: in the second course they are chosen no more. */
START_TEST(a_stopped_run_that_is_resumed_has_the_same_neighbours)
{
    static const char *const stages[] = {"train", "refit"};
    struct train_world w;
    struct train_report report;
    train_world_make_sets(&w);
    struct train_options o = train_world_narrow_options();
    o.choose_generator = false;
    char *whole = train_world_path("whole"), *parts = train_world_path("parts"),
         *checkpoint = train_world_path("checkpoint");
    train_world_run(&w, &o, whole, NULL, &report);
    ck_assert_int_ge(report.best_epoch, 2); /* else there is no second course to stop in */
    o.checkpoint = checkpoint;
    for (int stage = 0; stage < 2; stage++) {
        (void)unlink(checkpoint);
        struct train_stop stop = {.stage = stages[stage], .epoch = 1};
        train_world_run(&w, &o, parts, &stop, NULL);
        ck_assert_int_eq(train_world_n_pairs(parts) > 0, stage == 1);
        struct train_stop rest = {.stage = "neighbours"};
        train_world_run(&w, &o, parts, &rest, NULL);
        ck_assert_int_eq(rest.n_stages > 0, stage == 0);
        ck_assert_uint_gt(train_world_n_pairs(parts), 0);
        train_world_same_file(whole, parts);
    }
}
END_TEST

START_TEST(a_stopped_choice_of_neighbours_leaves_the_model_without)
{
    struct train_world w;
    train_world_make_sets(&w);
    struct train_options o = train_world_narrow_options();
    char *path = train_world_path("without");
    struct train_stop stop = {.stage = "neighbours", .at_once = true};
    train_world_run(&w, &o, path, &stop, NULL);
    ck_assert_int_eq(stop.n_stages, 1);
    ck_assert_uint_eq(train_world_n_pairs(path), 0);
}
END_TEST

START_TEST(an_interrupt_before_the_first_epoch_writes_nothing)
{
    static const char *const stages[] = {"search", "factorise", "start", "choose", "train"};
    struct train_world w;
    train_world_make(&w, true);
    struct train_options o = train_world_options();
    struct train_report report;
    char *path = train_world_path("nothing");
    struct train_stop stop = {.stage = stages[_i], .at_once = true};
    train_world_run(&w, &o, path, &stop, &report);
    ck_assert_int_gt(stop.n_stages, 0);
    ck_assert(!report.written);
    ck_assert_int_eq(report.end, TRAIN_INTERRUPTED);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_ptr_nonnull(strstr(stop.note, "nothing is written"));
}
END_TEST

/* The one that had fewer epochs is the better here. */
START_TEST(an_interrupt_of_the_first_epochs_of_two_models_keeps_the_better_so_far)
{
    struct train_world w;
    train_world_make_rounds(&w);
    struct train_options o = train_world_options();
    struct train_report report;
    o.n_epochs = 40;
    struct train_stop stop = {.stage = "choose", .contender = "core", .epoch = 2 + _i};
    train_world_run(&w, &o, train_world_path("first"), &stop, &report);
    ck_assert(report.written && !train_world_figure(&report, "generator_chosen"));
    ck_assert_int_eq(stop.raced[0], 4);
    ck_assert_int_eq(stop.raced[1], 2 + _i);
    ck_assert_double_gt(stop.best[1], stop.best[0]);
    ck_assert_int_eq(train_world_generator(&report), GENERATOR_CORE);
    ck_assert_double_eq(train_world_figure(&report, "ndcg@10"), stop.best[1]);
}
END_TEST

START_TEST(an_interrupt_of_the_search_for_ratings_writes_nothing)
{
    struct train_world w;
    atomic_bool interrupt = true;
    train_world_make(&w, true);
    rate(&w);
    struct train_options o = train_world_options();
    o.objective = &objective_rating;
    o.interrupt = &interrupt;
    struct train_report report;
    char *path = train_world_path("unrated");
    train_world_run(&w, &o, path, NULL, &report);
    ck_assert(!report.written);
    ck_assert_int_eq(report.end, TRAIN_INTERRUPTED);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

/* Of one model, and of two that take turns. */
START_TEST(a_later_interrupt_keeps_the_best_and_says_so)
{
    struct train_world w;
    train_world_make(&w, true);
    struct train_options o = train_world_options();
    struct train_report report;
    char *path = train_world_path("later");
    o.choose_generator = _i == 1;
    struct train_stop stop = {.stage = _i ? "choose" : "train", .epoch = 2};
    train_world_run(&w, &o, path, &stop, &report);
    ck_assert(report.written);
    ck_assert_int_eq(report.end, TRAIN_INTERRUPTED);
    ck_assert_int_eq(report.epochs_run,
                     train_world_generator(&report) == GENERATOR_SHARED || _i == 0 ? 2 : 1);
    ck_assert_double_ge(train_world_figure(&report, "ndcg@10"),
                        train_world_figure(&report, "generator_chosen")
                            ? train_world_figure(&report, "choice_shared_ndcg@10")
                            : 0);
    ck_assert_double_ge(train_world_figure(&report, "ndcg@10"),
                        train_world_figure(&report, "generator_chosen")
                            ? train_world_figure(&report, "choice_core_ndcg@10")
                            : 0);
    ck_assert_int_eq(access(path, F_OK), 0);
    ck_assert_ptr_nonnull(strstr(stop.note, "interrupted: the best model so far is kept"));
}
END_TEST

/* A deadline that is over before the call: what is done all the same is what a model cannot be without. */
START_TEST(a_deadline_holds_for_every_phase_and_leaves_a_model)
{
    struct train_world w;
    struct err e = {0};
    struct model *m;
    train_world_make(&w, _i > 0);
    rate(&w);
    struct train_options o = train_world_options();
    o.objective = _i == 2 ? &objective_rating : &objective_ranking;
    o.started_ns = 1;
    o.deadline_s = 1e-9;
    struct train_report report;
    char *path = train_world_path("late");
    struct train_stop watched = {.stage = "search"};
    train_world_run(&w, &o, path, &watched, &report);
    ck_assert(report.written);
    ck_assert_int_eq(report.end, TRAIN_DEADLINE);
    ck_assert_int_eq(watched.n_stages, 0); /* of which each try is told */
    ck_assert_int_eq(report.best_epoch, _i == 2 ? report.epochs_run : 0);
    ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
    ck_assert_uint_eq(m->spec.n_pairs, 0);
    model_unref(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/train: stops");
    TCase *t = tcase_create("train");
    tcase_set_tags(t, "one_thread"); /* ../one_thread */
    tcase_add_test(t, a_stopped_run_that_is_resumed_ends_with_the_same_model);
    tcase_add_loop_test(t, a_stopped_first_course_goes_on_where_it_was, 0, 2);
    tcase_add_test(t, a_stop_in_the_second_course_leaves_the_model_of_the_first);
    tcase_add_test(t, a_stopped_run_that_is_resumed_has_the_same_neighbours);
    tcase_add_test(t, a_stopped_choice_of_neighbours_leaves_the_model_without);
    tcase_add_loop_test(t, an_interrupt_before_the_first_epoch_writes_nothing, 0, 5);
    tcase_add_loop_test(t, an_interrupt_of_the_first_epochs_of_two_models_keeps_the_better_so_far, 0, 2);
    tcase_add_test(t, an_interrupt_of_the_search_for_ratings_writes_nothing);
    tcase_add_loop_test(t, a_later_interrupt_keeps_the_best_and_says_so, 0, 2);
    tcase_add_loop_test(t, a_deadline_holds_for_every_phase_and_leaves_a_model, 0, 3);
    suite_add_tcase(s, t);
    return train_world_run_suite(s);
}
