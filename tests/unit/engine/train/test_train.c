/* engine/train/train.c, whole: a run's bytes depend on data, options and seed alone - not on threads, and not
 * on whether it was stopped and resumed. Risks: a draw that is not tied to its epoch, a sum in the order of
 * the threads, a state that the checkpoint forgets, a second course that starts from what the first one
 * left. */
#include "base/buf.h"
#include "base/mem.h"
#include "engine/model.h"
#include "engine/train/data/split.h"
#include "engine/train/ranking/estimate.h"
#include "engine/train/train.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_USERS = 150, N_ITEMS = 40, MOST = 14, MAX_USERS = 500, MAX_INTERACTIONS = 12 * MAX_USERS };

struct world {
    struct encoder_interaction interactions[MAX_INTERACTIONS];
    size_t start[MAX_USERS + 1];
    char texts[N_ITEMS][8];
    const char *ids[N_ITEMS];
    struct train_data data;
};

static char folder[] = "/tmp/hypernet-train-XXXXXX";

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Users walk round the catalogue, from somewhere, by one or two items a step: what comes next follows from
 * what came last. Each has 5 to 14 interactions in a year, timed or not. */
static void make_world(struct world *w, bool timed)
{
    uint64_t state = 7;
    size_t n = 0;
    memset(w, 0, sizeof *w);
    for (size_t u = 0; u < N_USERS; u++) {
        size_t count = 5 + next_random(&state) % (MOST - 4);
        uint32_t item = next_random(&state) % N_ITEMS;
        w->start[u] = n;
        while (n < w->start[u] + count) {
            item = (item + 1 + next_random(&state) % 2) % N_ITEMS;
            int64_t time = timed ? 1500000000 + (int64_t)(n - w->start[u]) * 2000000 : 0;
            w->interactions[n++] =
                (struct encoder_interaction){.item = item, .weight = 1, .rating = 0, .timestamp = time};
        }
    }
    w->start[N_USERS] = n;
    for (size_t i = 0; i < N_ITEMS; i++) {
        (void)snprintf(w->texts[i], sizeof w->texts[i], "i%zu", i);
        w->ids[i] = w->texts[i];
    }
    w->data = (struct train_data){.n_users = N_USERS,
                                  .n_items = N_ITEMS,
                                  .user_start = w->start,
                                  .interactions = w->interactions,
                                  .item_ids = w->ids};
}

enum { SET_ITEMS = 4, N_SETS = N_ITEMS / SET_ITEMS, OF_SETS = 3 };

/* Users take three whole sets, of which there are more than factors are wide, at times that are not known. */
static void make_sets(struct world *w)
{
    uint64_t state = 7;
    make_world(w, false);
    for (size_t u = 0, n = 0; u < N_USERS; u++) {
        uint32_t first = next_random(&state) % N_SETS, step = 1 + next_random(&state) % 4; /* all different */
        w->start[u] = n;
        for (uint32_t k = 0; k < SET_ITEMS * OF_SETS; k++, n++)
            w->interactions[n] = (struct encoder_interaction){
                .item = (first + k / SET_ITEMS * step) % N_SETS * SET_ITEMS + k % SET_ITEMS, .weight = 1};
        w->start[u + 1] = n;
    }
}

/* Which of two items comes third depends on whether the two before it are alike in a way that no sum of
 * theirs tells: what a user's items say apart says nothing. Each user has such rounds, of items of their own,
 * in any order. */
enum { N_ROUNDS = 4, ROUND_ITEMS = 6, ROUND = 3, N_WALKERS = MAX_USERS };

static void make_rounds(struct world *w)
{
    uint64_t state = 11;
    make_world(w, true);
    w->data.n_users = N_WALKERS;
    for (size_t u = 0, n = 0; u < N_WALKERS; u++) {
        uint32_t order = next_random(&state) % N_ROUNDS;
        w->start[u] = n;
        for (uint32_t k = 0; k < N_ROUNDS; k++) {
            uint32_t first = (order + k) % N_ROUNDS * ROUND_ITEMS, a = next_random(&state) % 2,
                     b = next_random(&state) % 2, c = a ^ b;
            uint32_t items[ROUND] = {first + a, first + 2 + b, first + 4 + c};
            for (size_t i = 0; i < ROUND; i++, n++)
                w->interactions[n] = (struct encoder_interaction){
                    .item = items[i],
                    .weight = 1,
                    .timestamp = 1500000000 + (int64_t)(n - w->start[u]) * 2000000};
        }
        w->start[u + 1] = n;
    }
}

/* Few of each user, few users, each item as likely as the one before it is popular: what more there is to
 * learn is by heart. */
static void make_chance(struct world *w)
{
    enum { EACH = 6 };
    uint64_t state = 5;
    make_world(w, true);
    for (size_t u = 0, n = 0; u < N_USERS; u++) {
        bool taken[N_ITEMS] = {false};
        w->start[u] = n;
        for (size_t i = 0; i < EACH; i++, n++) {
            uint32_t item;
            do {
                uint32_t x = next_random(&state) % N_ITEMS;
                item = x * x / N_ITEMS;
            } while (taken[item]);
            taken[item] = true;
            w->interactions[n] = (struct encoder_interaction){
                .item = item, .weight = 1, .timestamp = 1500000000 + (int64_t)(n - w->start[u]) * 2000000};
        }
        w->start[u + 1] = n;
    }
}

static char *path_of(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static struct train_options some_options(void)
{
    struct train_options o;
    train_options_default(&o);
    o.n_epochs = 8;
    o.n_threads = 1;
    o.dim = 8;
    return o;
}

/* The bytes of a file; the caller frees them. */
static char *bytes_of(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s", path);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    *n = (size_t)ftell(f);
    rewind(f);
    char *bytes = malloc(*n);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, *n, f), *n);
    (void)fclose(f);
    return bytes;
}

static void assert_same_file(const char *a, const char *b)
{
    size_t n_a, n_b;
    char *x = bytes_of(a, &n_a), *y = bytes_of(b, &n_b);
    ck_assert_uint_eq(n_a, n_b);
    ck_assert_int_eq(memcmp(x, y, n_a), 0);
    free(x);
    free(y);
}

struct stop {
    const char *stage;
    const char *contender; /* in an epoch of this one only; NULL: of any */
    int epoch;             /* stops when this one has ended; 0: never */
    bool within;           /* not when it has ended, but before */
    bool at_once;          /* at the first word of the stage */
    int n_stages;          /* of the stage, seen */
    char note[256];        /* the last one */
    char first[256];       /* the first that speaks of what is generated */
    char choice[256];      /* the last one that does */
    int n_choose;          /* words of models that are compared */
    int raced[2];          /* the last epoch of each of them, by whether it is generated */
    double best[2];        /* and its best figure */
};

static bool watch(void *arg, const struct progress *p)
{
    struct stop *s = arg;
    bool here = s->stage && strcmp(p->stage, s->stage) == 0 &&
                (!s->contender || (p->contender && strcmp(p->contender, s->contender) == 0));
    s->n_stages += here;
    if (p->note)
        (void)snprintf(s->note, sizeof s->note, "%s", p->note);
    if (p->note && strstr(p->note, "hidden layer")) {
        (void)snprintf(s->choice, sizeof s->choice, "%s", p->note);
        if (!s->first[0])
            (void)snprintf(s->first, sizeof s->first, "%s", p->note);
    }
    if (strcmp(p->stage, "choose") == 0) {
        s->n_choose++;
        ck_assert_ptr_nonnull(p->contender);
        s->raced[strcmp(p->contender, "core") == 0] = p->epoch;
        s->best[strcmp(p->contender, "core") == 0] = p->best_metric;
    }
    if (here && s->at_once)
        return false;
    if (s->within)
        return !(here && p->epoch == s->epoch);
    return !(here && s->epoch && p->epoch == s->epoch && p->fraction >= 1 && !(p->left_s >= 0));
}

static void run(const struct world *w, const struct train_options *o, const char *path, struct stop *stop,
                struct train_report *report)
{
    struct err e = {0};
    struct stop none = {0};
    struct train_report ignored;
    enum err_code code =
        train_run(&w->data, o, path, watch, stop ? stop : &none, report ? report : &ignored, &e);
    ck_assert_msg(code == ERR_OK, "%s", e.text);
}

/* Of a report, by its name in the JSON. */
static double figure(const struct train_report *r, const char *name)
{
    const struct train_figure *f = report_find(r, name);
    ck_assert_msg(f != NULL, "%s", name);
    return f->value;
}

static enum generator generator_of(const struct train_report *r)
{
    enum generator g = GENERATOR_SHARED;
    ck_assert(generator_parse(report_find(r, "generator")->text, &g));
    return g;
}

START_TEST(the_model_does_not_depend_on_the_number_of_threads)
{
    struct world w;
    make_world(&w, _i == 1);
    struct train_options o = some_options();
    char *one = path_of("one"), *three = path_of("three");
    run(&w, &o, one, NULL, NULL);
    o.n_threads = 3;
    run(&w, &o, three, NULL, NULL);
    assert_same_file(one, three);
}
END_TEST

START_TEST(another_seed_gives_another_model)
{
    struct world w;
    size_t n_a, n_b;
    make_world(&w, true);
    struct train_options o = some_options();
    char *a = path_of("a"), *b = path_of("b");
    run(&w, &o, a, NULL, NULL);
    o.seed = 2;
    run(&w, &o, b, NULL, NULL);
    char *x = bytes_of(a, &n_a), *y = bytes_of(b, &n_b);
    ck_assert(n_a != n_b || memcmp(x, y, n_a) != 0);
    free(x);
    free(y);
}
END_TEST

/* Stops while two models take turns, between the epoch of the one and that of the other, and in the second
 * course. */
START_TEST(a_stopped_run_that_is_resumed_ends_with_the_same_model)
{
    static const char *const stages[] = {"choose", "refit"};
    struct world w;
    make_world(&w, true);
    struct train_options o = some_options();
    struct train_report report, all;
    char *whole = path_of("whole"), *parts = path_of("parts"), *checkpoint = path_of("checkpoint");
    run(&w, &o, whole, NULL, &all);
    ck_assert_int_ge(all.best_epoch, 2); /* else there is no second course to stop in */
    o.checkpoint = checkpoint;
    for (int stage = 0; stage < 2; stage++) {
        (void)unlink(checkpoint);
        struct stop stop = {.stage = stages[stage], .epoch = stage == 0 ? 3 : 1};
        run(&w, &o, parts, &stop, &report);
        ck_assert_int_eq(report.end, TRAIN_INTERRUPTED);
        struct stop rest = {.stage = "search"};
        run(&w, &o, parts, &rest, &report);
        ck_assert_int_eq(rest.n_stages, 0); /* it went on, it did not begin anew */
        ck_assert_int_eq(rest.n_choose > 0, stage == 0);
        ck_assert(figure(&report, "generator_chosen"));
        ck_assert_int_eq(generator_of(&report), generator_of(&all));
        ck_assert_double_eq(figure(&report, "choice_core_ndcg@10"), figure(&all, "choice_core_ndcg@10"));
        assert_same_file(whole, parts);
    }
}
END_TEST

/* Of one generator, and of the one that was surely better: what is compared no more is not in the
 * checkpoint. */
START_TEST(a_stopped_first_course_goes_on_where_it_was)
{
    bool chosen = _i == 1;
    struct world w;
    struct train_report report;
    (chosen ? make_rounds : make_chance)(&w);
    struct train_options o = some_options();
    o.n_epochs = 40;
    o.choose_generator = chosen;
    char *path = path_of("parts"), *checkpoint = path_of("checkpoint");
    (void)unlink(checkpoint);
    o.checkpoint = checkpoint;
    struct stop stop = {.stage = "train", .epoch = 1}, rest = {.stage = "train", .epoch = 6};
    if (chosen)
        stop = (struct stop){.stage = "train", .epoch = 5, .within = true}; /* the first after the choice */
    run(&w, &o, path, &stop, &report);
    run(&w, &o, path, &rest, &report);
    ck_assert_int_eq(rest.n_choose, 0);
    ck_assert_int_eq(figure(&report, "generator_chosen"), chosen);
    ck_assert_int_eq(report.epochs_run, 6);
}
END_TEST

START_TEST(a_stop_in_the_second_course_leaves_the_model_of_the_first)
{
    struct world w;
    struct err e = {0};
    struct model *m;
    make_world(&w, true);
    struct train_options o = some_options();
    char *path = path_of("first");
    struct stop stop = {.stage = "refit", .epoch = 1};
    run(&w, &o, path, &stop, NULL);
    ck_assert_int_gt(stop.n_stages, 0);
    ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
    model_unref(m);
}
END_TEST

static size_t n_pairs_of(const char *path)
{
    struct model *m;
    struct err e = {0};
    ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
    size_t n = m->spec.n_pairs;
    model_unref(m);
    return n;
}

static struct train_options narrow_options(void)
{
    struct train_options o = some_options();
    o.dim = 2;
    o.n_epochs = 5;
    return o;
}

START_TEST(item_item_are_kept_where_they_help_whatever_the_threads)
{
    struct world w;
    struct train_report report;
    make_sets(&w);
    struct train_options o = narrow_options();
    char *one = path_of("one"), *three = path_of("three");
    run(&w, &o, one, NULL, &report);
    ck_assert_double_gt(figure(&report, "ndcg@10"), 1.2 * figure(&report, "warm_start_ndcg@10"));
    ck_assert_uint_gt(n_pairs_of(one), N_ITEMS * (SET_ITEMS - 1));
    o.n_threads = 3;
    run(&w, &o, three, NULL, NULL);
    assert_same_file(one, three);
}
END_TEST

/* Whatever is generated. */
START_TEST(item_item_weights_are_chosen_apart_from_what_is_generated)
{
    static const enum generator generators[] = {GENERATOR_SHARED, GENERATOR_CORE};
    struct world w;
    make_sets(&w);
    struct train_options o = narrow_options();
    char *path = path_of("apart");
    struct train_report report;
    o.choose_generator = false;
    for (size_t i = 0; i < 2; i++) {
        o.generator = generators[i];
        o.no_pairs = false;
        run(&w, &o, path, NULL, &report);
        ck_assert_uint_gt(n_pairs_of(path), N_ITEMS * (SET_ITEMS - 1));
        ck_assert(figure(&report, "item_item") && !figure(&report, "generator_chosen"));
        ck_assert_int_eq(generator_of(&report), generators[i]);
        ck_assert_double_gt(figure(&report, "ndcg@10"), figure(&report, "without_item_item_ndcg@10"));
        o.no_pairs = true;
        run(&w, &o, path, NULL, &report);
        ck_assert_uint_eq(n_pairs_of(path), 0);
        ck_assert(!figure(&report, "item_item"));
    }
}
END_TEST

START_TEST(what_is_generated_is_chosen_by_what_it_is_worth)
{
    bool planted = _i == 1;
    struct world w;
    (planted ? make_rounds : make_chance)(&w);
    struct train_options o = some_options();
    struct train_report report;
    o.n_epochs = 40;
    struct stop stop = {.stage = "train", .epoch = 5}; /* the first after the choice */
    run(&w, &o, path_of("chosen"), &stop, &report);
    ck_assert(figure(&report, "generator_chosen") && figure(&report, "choice_sure"));
    ck_assert_str_eq(stop.first, stop.choice);
    ck_assert_ptr_nonnull(strstr(stop.choice, planted ? "generated (core);" : "nothing is generated;"));
    ck_assert_double_gt(figure(&report, "choice_standard_error"), 0);
    ck_assert_int_eq(figure(&report, "choice_core_ndcg@10") >
                         figure(&report, "choice_shared_ndcg@10") +
                             1.5 * figure(&report, "choice_standard_error"),
                     planted);
    ck_assert_int_eq(generator_of(&report), planted ? GENERATOR_CORE : GENERATOR_SHARED);
}
END_TEST

/* The first look does not tell in either world; in the one further epochs do, in the other none does. Nothing
 * of the race is left in the winner: its file is that of a training that was for it alone. Fewer epochs than
 * those from which on several starts are tried, as the start is chosen by what is generated. */
START_TEST(models_that_do_not_surely_differ_go_on_until_they_do_or_end_and_the_better_is_kept)
{
    static const enum generator generators[] = {GENERATOR_SHARED, GENERATOR_CORE};
    bool sure = _i == 1;
    struct world w;
    struct train_report alone[2], report;
    if (sure)
        make_world(&w, true);
    else
        make_chance(&w);
    struct train_options o = some_options();
    o.n_epochs = 7;
    char *paths[] = {path_of("shared"), path_of("core")}, *both = path_of("both");
    o.choose_generator = false;
    for (size_t i = 0; i < 2; i++) {
        o.generator = generators[i];
        run(&w, &o, paths[i], NULL, &alone[i]);
    }
    o.choose_generator = true;
    struct stop watched = {0};
    run(&w, &o, both, &watched, &report);
    ck_assert_ptr_nonnull(strstr(watched.first, "not sure yet, both go on"));
    ck_assert_int_eq(strstr(watched.choice, "neither surely better") == NULL, sure);
    ck_assert(figure(&report, "generator_chosen") && figure(&report, "choice_sure") == sure);
    bool generated = generator_of(&report) == GENERATOR_CORE;
    ck_assert_int_eq(generated,
                     figure(&report, "choice_core_ndcg@10") > figure(&report, "choice_shared_ndcg@10"));
    ck_assert_int_eq(generated, figure(&alone[1], "ndcg@10") > figure(&alone[0], "ndcg@10"));
    for (size_t i = 0; i < 2; i++)
        ck_assert(sure ? watched.raced[i] < o.n_epochs : watched.raced[i] == alone[i].epochs_run);
    if (!sure) {
        ck_assert_double_eq(figure(&report, "choice_shared_ndcg@10"), figure(&alone[0], "ndcg@10"));
        ck_assert_double_eq(figure(&report, "choice_core_ndcg@10"), figure(&alone[1], "ndcg@10"));
    }
    assert_same_file(both, paths[generated]);
}
END_TEST

/* Values, gradients, two moments, the average, a spare and the best of each. */
START_TEST(the_memory_that_is_said_before_is_that_of_both_models)
{
    struct world w;
    struct err e = {0};
    struct split s;
    struct train_report report;
    make_world(&w, true);
    struct train_options o = some_options();
    ck_assert_int_eq(split_init(&s, &w.data, true, 1, &e), ERR_OK);
    double both = estimate_training(&s, &o, 1).bytes;
    o.choose_generator = false;
    double one = estimate_training(&s, &o, 1).bytes;
    run(&w, &o, path_of("sized"), NULL, &report);
    ck_assert_double_ge(both - one, 7.0 * sizeof(float) * (double)report.n_parameters);
    split_fini(&s);
}
END_TEST

/* Before the weights are chosen, and after: in the second course they are chosen no more. */
START_TEST(a_stopped_run_that_is_resumed_has_the_same_neighbours)
{
    static const char *const stages[] = {"train", "refit"};
    struct world w;
    struct train_report report;
    make_sets(&w);
    struct train_options o = narrow_options();
    o.choose_generator = false;
    char *whole = path_of("whole"), *parts = path_of("parts"), *checkpoint = path_of("checkpoint");
    run(&w, &o, whole, NULL, &report);
    ck_assert_int_ge(report.best_epoch, 2); /* else there is no second course to stop in */
    o.checkpoint = checkpoint;
    for (int stage = 0; stage < 2; stage++) {
        (void)unlink(checkpoint);
        struct stop stop = {.stage = stages[stage], .epoch = 1};
        run(&w, &o, parts, &stop, NULL);
        ck_assert_int_eq(n_pairs_of(parts) > 0, stage == 1);
        struct stop rest = {.stage = "neighbours"};
        run(&w, &o, parts, &rest, NULL);
        ck_assert_int_eq(rest.n_stages > 0, stage == 0);
        ck_assert_uint_gt(n_pairs_of(parts), 0);
        assert_same_file(whole, parts);
    }
}
END_TEST

START_TEST(a_stopped_choice_of_neighbours_leaves_the_model_without)
{
    struct world w;
    make_sets(&w);
    struct train_options o = narrow_options();
    char *path = path_of("without");
    struct stop stop = {.stage = "neighbours", .at_once = true};
    run(&w, &o, path, &stop, NULL);
    ck_assert_int_eq(stop.n_stages, 1);
    ck_assert_uint_eq(n_pairs_of(path), 0);
}
END_TEST

/* The ratings of a world in which users differ. */
static void rate(struct world *w)
{
    for (size_t u = 0; u < N_USERS; u++)
        for (size_t i = w->start[u]; i < w->start[u + 1]; i++)
            w->interactions[i].rating = (float)(1 + (u + w->interactions[i].item) % 5);
}

START_TEST(an_interrupt_before_the_first_epoch_writes_nothing)
{
    static const char *const stages[] = {"search", "factorise", "start", "choose", "train"};
    struct world w;
    make_world(&w, true);
    struct train_options o = some_options();
    struct train_report report;
    char *path = path_of("nothing");
    struct stop stop = {.stage = stages[_i], .at_once = true};
    run(&w, &o, path, &stop, &report);
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
    struct world w;
    make_rounds(&w);
    struct train_options o = some_options();
    struct train_report report;
    o.n_epochs = 40;
    struct stop stop = {.stage = "choose", .contender = "core", .epoch = 2 + _i};
    run(&w, &o, path_of("first"), &stop, &report);
    ck_assert(report.written && !figure(&report, "generator_chosen"));
    ck_assert_int_eq(stop.raced[0], 4);
    ck_assert_int_eq(stop.raced[1], 2 + _i);
    ck_assert_double_gt(stop.best[1], stop.best[0]);
    ck_assert_int_eq(generator_of(&report), GENERATOR_CORE);
    ck_assert_double_eq(figure(&report, "ndcg@10"), stop.best[1]);
}
END_TEST

START_TEST(an_interrupt_of_the_search_for_ratings_writes_nothing)
{
    struct world w;
    atomic_bool interrupt = true;
    make_world(&w, true);
    rate(&w);
    struct train_options o = some_options();
    o.objective = &objective_rating;
    o.interrupt = &interrupt;
    struct train_report report;
    char *path = path_of("unrated");
    run(&w, &o, path, NULL, &report);
    ck_assert(!report.written);
    ck_assert_int_eq(report.end, TRAIN_INTERRUPTED);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

/* Of one model, and of two that take turns. */
START_TEST(a_later_interrupt_keeps_the_best_and_says_so)
{
    struct world w;
    make_world(&w, true);
    struct train_options o = some_options();
    struct train_report report;
    char *path = path_of("later");
    o.choose_generator = _i == 1;
    struct stop stop = {.stage = _i ? "choose" : "train", .epoch = 2};
    run(&w, &o, path, &stop, &report);
    ck_assert(report.written);
    ck_assert_int_eq(report.end, TRAIN_INTERRUPTED);
    ck_assert_int_eq(report.epochs_run, generator_of(&report) == GENERATOR_SHARED || _i == 0 ? 2 : 1);
    ck_assert_double_ge(figure(&report, "ndcg@10"),
                        figure(&report, "generator_chosen") ? figure(&report, "choice_shared_ndcg@10") : 0);
    ck_assert_double_ge(figure(&report, "ndcg@10"),
                        figure(&report, "generator_chosen") ? figure(&report, "choice_core_ndcg@10") : 0);
    ck_assert_int_eq(access(path, F_OK), 0);
    ck_assert_ptr_nonnull(strstr(stop.note, "interrupted: the best model so far is kept"));
}
END_TEST

/* A deadline that is over before the call: what is done all the same is what a model cannot be without. */
START_TEST(a_deadline_holds_for_every_phase_and_leaves_a_model)
{
    struct world w;
    struct err e = {0};
    struct model *m;
    make_world(&w, _i > 0);
    rate(&w);
    struct train_options o = some_options();
    o.objective = _i == 2 ? &objective_rating : &objective_ranking;
    o.started_ns = 1;
    o.deadline_s = 1e-9;
    struct train_report report;
    char *path = path_of("late");
    struct stop watched = {.stage = "search"};
    run(&w, &o, path, &watched, &report);
    ck_assert(report.written);
    ck_assert_int_eq(report.end, TRAIN_DEADLINE);
    ck_assert_int_eq(watched.n_stages, 0); /* of which each try is told */
    ck_assert_int_eq(report.best_epoch, _i == 2 ? report.epochs_run : 0);
    ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
    ck_assert_uint_eq(m->spec.n_pairs, 0);
    model_unref(m);
}
END_TEST

/* A world with everything that a training set may have. */
struct full_world {
    struct world w;
    size_t value_start[N_USERS + 1], category_start[N_ITEMS + 1], feature_start[N_ITEMS + 1];
    uint32_t values[N_USERS], categories[N_ITEMS], features[N_ITEMS];
    struct profile_value vocabulary[2], feature_names[2];
};

static char age[] = "age", size[] = "size", category[] = "category", a[] = "a", b[] = "b", c[] = "c";

static void make_full_world(struct full_world *f)
{
    make_world(&f->w, true);
    for (size_t u = 0; u <= N_USERS; u++)
        f->value_start[u] = u;
    for (uint32_t u = 0; u < N_USERS; u++)
        f->values[u] = u % 2;
    for (size_t i = 0; i <= N_ITEMS; i++)
        f->category_start[i] = f->feature_start[i] = i;
    for (uint32_t i = 0; i < N_ITEMS; i++)
        f->categories[i] = f->features[i] = i % 2;
    f->vocabulary[0] = (struct profile_value){.field = age, .from = -INFINITY, .below = 30};
    f->vocabulary[1] = (struct profile_value){.field = age, .from = 30, .below = INFINITY};
    f->feature_names[0] = (struct profile_value){.field = category, .value = a};
    f->feature_names[1] = (struct profile_value){.field = category, .value = b};
    struct train_data *d = &f->w.data;
    d->value_start = f->value_start;
    d->values = f->values;
    d->vocabulary = f->vocabulary;
    d->category_start = f->category_start;
    d->categories = f->categories;
    d->feature_start = f->feature_start;
    d->features = f->features;
    d->feature_names = f->feature_names;
    d->n_vocabulary = d->n_categories = d->n_features = 2;
}

static void change(struct full_world *f, int which)
{
    switch (which) {
    case 0:
        f->w.interactions[3].item = f->w.interactions[3].item ^ 1;
        break;
    case 1:
        f->w.interactions[3].timestamp++;
        break;
    case 2:
        f->w.interactions[3].weight = 2;
        break;
    case 3:
        f->w.interactions[3].rating = -1;
        break;
    case 4:
        f->w.start[1]++;
        break; /* the second user's first is the first user's last */
    case 5:
        f->values[7] ^= 1;
        break;
    case 6:
        f->value_start[7]++;
        break;
    case 7:
        f->vocabulary[0].below = f->vocabulary[1].from = 40;
        break;
    case 8:
        f->vocabulary[0].field = f->vocabulary[1].field = size;
        break;
    case 9:
        f->categories[7] ^= 1;
        break;
    case 10:
        f->category_start[7]++;
        break;
    case 11:
        f->w.data.n_categories++;
        break;
    case 12:
        f->features[7] ^= 1;
        break;
    case 13:
        f->feature_start[7]++;
        break;
    case 14:
        f->feature_names[1].value = c;
        break;
    case 15:
        f->w.ids[5] = "another";
        break;
    case 16:
        f->w.data.value_start = NULL;
        break;
    case 17:
        f->w.data.category_start = NULL;
        break;
    case 18:
        f->w.data.feature_start = NULL;
        break;
    }
}
enum { N_CHANGES = 19 };

static enum err_code resume(const struct full_world *f, const struct train_options *o, const char *path)
{
    struct err e = {0};
    struct train_report report;
    enum err_code code = train_run(&f->w.data, o, path, NULL, NULL, &report, &e);
    if (code)
        ck_assert_msg(strstr(e.text, "other data or options") != NULL, "%s", e.text);
    return code;
}

START_TEST(a_checkpoint_of_data_that_differ_in_one_field_is_refused)
{
    struct full_world *f = mem_zalloc_array(1, sizeof *f);
    struct train_options o = some_options();
    char *path = path_of("model"), *checkpoint = path_of("checkpoint");
    (void)unlink(checkpoint);
    o.checkpoint = checkpoint;
    make_full_world(f);
    run(&f->w, &o, path, NULL, NULL);
    for (int i = 0; i < N_CHANGES; i++) {
        make_full_world(f);
        change(f, i);
        ck_assert_msg(resume(f, &o, path) == ERR_CONFLICT, "change %d is accepted", i);
    }
    make_full_world(f);
    ck_assert_int_eq(resume(f, &o, path), ERR_OK);
    mem_free(f);
}
END_TEST

/* What the model depends on. */
static void change_option(struct train_options *o, int which)
{
    switch (which) {
    case 0:
        o->seed++;
        break;
    case 1:
        o->dim++;
        break;
    case 2:
        o->n_epochs++;
        break;
    case 3:
        o->n_epochs--;
        break;
    case 4:
        o->choose_generator = !o->choose_generator;
        break;
    case 5:
        o->choose_generator = false;
        o->generator = GENERATOR_FULL;
        break;
    case 6:
        o->no_pairs = !o->no_pairs;
        break;
    case 7:
        o->ignore_order = !o->ignore_order;
        break;
    }
}
enum { N_OPTIONS = 8 };

START_TEST(a_checkpoint_of_a_run_with_other_options_is_refused_and_stays)
{
    struct full_world *f = mem_zalloc_array(1, sizeof *f);
    struct train_options o = some_options();
    char *path = path_of("model"), *checkpoint = path_of("checkpoint");
    size_t n_before, n_after;
    (void)unlink(checkpoint);
    o.checkpoint = checkpoint;
    make_full_world(f);
    run(&f->w, &o, path, NULL, NULL);
    char *before = bytes_of(checkpoint, &n_before);
    for (int i = 0; i < N_OPTIONS; i++) {
        struct train_options other = o;
        change_option(&other, i);
        ck_assert_msg(resume(f, &other, path) == ERR_CONFLICT, "option %d may change", i);
    }
    char *after = bytes_of(checkpoint, &n_after);
    ck_assert(n_before == n_after && memcmp(before, after, n_before) == 0);
    free(before);
    free(after);
    mem_free(f);
}
END_TEST

START_TEST(a_checkpoint_goes_on_under_another_name_with_other_threads_and_a_deadline)
{
    struct full_world *f = mem_zalloc_array(1, sizeof *f);
    struct train_options o = some_options();
    char *path = path_of("model"), *checkpoint = path_of("checkpoint");
    (void)unlink(checkpoint);
    o.checkpoint = checkpoint;
    make_full_world(f);
    run(&f->w, &o, path, NULL, NULL);
    o.name = "another";
    o.version = "2";
    o.n_threads = 2;
    o.deadline_s = 1000;
    ck_assert_int_eq(resume(f, &o, path), ERR_OK);
    mem_free(f);
}
END_TEST

START_TEST(order_is_used_where_it_is_known_unless_it_is_to_be_ignored)
{
    struct world w;
    struct err e = {0};
    char *path = path_of("order");
    for (int i = 0; i < 3; i++) { /* timed, timed and ignored, not timed */
        struct model *m;
        make_world(&w, i < 2);
        struct train_options o = some_options();
        o.ignore_order = i == 1;
        run(&w, &o, path, NULL, NULL);
        ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
        ck_assert_int_eq(m->spec.encoder.d_recent > 0, i == 0);
        ck_assert_int_eq(m->spec.encoder.d_when > 0, i == 0);
        model_unref(m);
    }
}
END_TEST

START_TEST(too_little_data_is_refused)
{
    struct world w;
    struct err e = {0};
    struct train_report report;
    make_world(&w, true);
    w.data.n_users = 1;
    struct train_options o = some_options();
    ck_assert_int_eq(train_run(&w.data, &o, path_of("none"), NULL, NULL, &report, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "at least two users"));
}
END_TEST

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
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
    tcase_add_test(t, a_checkpoint_of_data_that_differ_in_one_field_is_refused);
    tcase_add_test(t, a_checkpoint_of_a_run_with_other_options_is_refused_and_stays);
    tcase_add_test(t, a_checkpoint_goes_on_under_another_name_with_other_threads_and_a_deadline);
    tcase_add_test(t, order_is_used_where_it_is_known_unless_it_is_to_be_ignored);
    tcase_add_test(t, too_little_data_is_refused);
    suite_add_tcase(s, t);
    int failed = suite_run(s);
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return failed || system(command) != 0;
}
