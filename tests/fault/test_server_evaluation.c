/* server/evaluation*.c without memory, and with a model that has no encoder; risks: half-built threads and
 * tables, users who have no context, values of users on a disk that is full. */
#include "server/evaluate/evaluation.h"

#include "base/mem.h"
#include "tests/support/sample_model.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_USERS = 4 };

static char folder[64], store_file[96], model_path[96], test_path[96], candidates_path[96], new_path[96],
    known_path[96], users_path[96];
static struct sample_model sample;
static struct store *store;
static struct model *model;
static const struct metric metrics[] = {{METRIC_HR, 10}, {METRIC_MRR, SIZE_MAX}};
static struct evaluation_result result;

static void must(enum err_code code, const struct err *e)
{
    ck_assert_msg(code == ERR_OK, "%s", e->text);
}

/* The id of an item; the numbers go round, since the linear sample has few. */
static const char *item_of(int number)
{
    return sample.ids.ids[(size_t)number % sample.spec.n_items];
}

/* Two users who are not in the store: what is known of them, and what they are tested on. */
static void tell_of_new_users(void)
{
    FILE *test = fopen(new_path, "w"), *known = fopen(known_path, "w"), *users = fopen(users_path, "w");
    ck_assert(test && known && users);
    fprintf(test, "user\titem\n");
    fprintf(known, "user\titem\ttimestamp\n");
    fprintf(users, "user\tage\n");
    for (int u = 0; u < 2; u++) {
        fprintf(test, "new%d\t%s\n", u, item_of(u + 3));
        fprintf(known, "new%d\t%s\t2\nnew%d\t%s\t1\n", u, item_of(u), u, item_of(u + 1));
        fprintf(users, "new%d\t25\n", u);
    }
    ck_assert(fclose(test) == 0 && fclose(known) == 0 && fclose(users) == 0);
}

/* Every user has two items of the model and is tested on a third. */
static void fill(struct store_conn *c)
{
    struct err e = {0};
    FILE *test = fopen(test_path, "w"), *candidates = fopen(candidates_path, "w");
    ck_assert(test && candidates);
    fprintf(test, "user\titem\n");
    must(store_begin(c, &e), &e);
    for (size_t i = 0; i < sample.spec.n_items; i++) {
        const struct store_item item = {.id = text_of(sample.ids.ids[i])};
        bool created;
        must(store_put_item(c, &item, &created, &e), &e);
    }
    for (int u = 0; u < N_USERS; u++) {
        char id[16];
        int64_t revision;
        bool created;
        snprintf(id, sizeof id, "u%d", u);
        must(store_put_user(c, text_of(id), text_of("{\"age\":\"25\"}"), &revision, &created, &e), &e);
        for (int i = 1; i <= 2; i++)
            must(store_put_interaction(c, text_of(id), text_of(item_of(u + i)), 1, NAN, i, NULL, &e), &e);
        fprintf(test, "%s\t%s\n", id, item_of(u + 4));
        fprintf(candidates, "%s\t%s\t%s\n", id, item_of(u + 5), item_of(u + 7));
    }
    must(store_commit(c, &e), &e);
    ck_assert(fclose(test) == 0 && fclose(candidates) == 0);
}

static void start(enum sample_model_kind kind)
{
    struct err e = {0};
    struct store_conn *c;
    snprintf(folder, sizeof folder, "/tmp/hypernet-evaluation-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(store_file, sizeof store_file, "%s/s.db", folder);
    snprintf(model_path, sizeof model_path, "%s/m", folder);
    snprintf(test_path, sizeof test_path, "%s/test.tsv", folder);
    snprintf(candidates_path, sizeof candidates_path, "%s/candidates.tsv", folder);
    snprintf(new_path, sizeof new_path, "%s/new.tsv", folder);
    snprintf(known_path, sizeof known_path, "%s/known.tsv", folder);
    snprintf(users_path, sizeof users_path, "%s/users.tsv", folder);
    sample_model_init(&sample, kind, 7);
    must(model_write(model_path, &sample.spec, &sample.params, &sample.ids, &e), &e);
    must(model_open(model_path, &model, &e), &e);
    must(store_open(store_file, STORE_CREATE, &store, &e), &e);
    must(store_connect(store, &c, &e), &e);
    fill(c);
    store_disconnect(c);
    tell_of_new_users();
}

static void setup_ranking(void)
{
    start(SAMPLE_RANKING);
}

static void setup_linear(void)
{
    start(SAMPLE_LINEAR);
}

static void teardown(void)
{
    char wal[128], shm[128];
    snprintf(wal, sizeof wal, "%s-wal", store_file);
    snprintf(shm, sizeof shm, "%s-shm", store_file);
    model_unref(model);
    store_close(store);
    sample_model_fini(&sample);
    const char *const files[] = {store_file,      wal,      shm,        model_path, test_path,
                                 candidates_path, new_path, known_path, users_path};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        (void)unlink(files[i]);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing else was left there */
}

static struct evaluation_options options_with(bool with_candidates, bool baselines)
{
    return (struct evaluation_options){.test_path = test_path,
                                       .candidates_path = with_candidates ? candidates_path : NULL,
                                       .metrics = metrics,
                                       .n_metrics = 2,
                                       .baselines = baselines ? EVALUATION_ALL_BASELINES : 0,
                                       .n_threads = 1,
                                       .seed = 1};
}

START_TEST(test_evaluation_without_memory_says_so_and_leaks_nothing)
{
    const struct evaluation_options options = options_with(_i & 1, true);
    for (long n = 1;; n++) {
        struct err e = {0};
        ck_assert_int_lt(n, 10000);
        mem_fail_at(n, _i >> 1);
        enum err_code code = evaluation_run(store, &model, 1, &options, &result, &e);
        mem_fail_at(0, 0);
        if (code == ERR_OK)
            break;
        ck_assert_msg(code == ERR_NOMEM && e.code == ERR_NOMEM, "allocation %ld: %s", n, e.text);
    }
    ck_assert_uint_eq(result.n_users, N_USERS); /* and the next try works */
    ck_assert_uint_eq(result.n_without, 0);
    ck_assert_uint_eq(result.n_rows, 5);
}
END_TEST

START_TEST(test_evaluation_of_new_users_without_memory_leaks_nothing)
{
    static const size_t counts[] = {0, 2};
    struct evaluation_options options = options_with(false, true);
    options.test_path = new_path;
    options.known_path = known_path;
    options.users_path = users_path;
    options.counts = counts;
    options.n_counts = 2;
    for (long n = 1;; n++) {
        struct err e = {0};
        ck_assert_int_lt(n, 10000);
        mem_fail_at(n, _i);
        enum err_code code = evaluation_run(store, &model, 1, &options, &result, &e);
        mem_fail_at(0, 0);
        if (code == ERR_OK)
            break;
        ck_assert_msg(code == ERR_NOMEM && e.code == ERR_NOMEM, "allocation %ld: %s", n, e.text);
    }
    ck_assert_uint_eq(result.n_users, 2);
    ck_assert_uint_eq(result.n_cases, 2);
}
END_TEST

START_TEST(test_evaluation_a_full_disk_is_an_error)
{
    struct evaluation_options options = options_with(false, false);
    struct err e = {0};
    options.per_user_path = "/dev/full";
    ck_assert_int_eq(evaluation_run(store, &model, 1, &options, &result, &e), ERR_IO);
    ck_assert_ptr_nonnull(strstr(e.text, "/dev/full"));
}
END_TEST

/* Goes on for so many words. */
static bool go_on_for(void *arg, const struct progress *p)
{
    ck_assert_ptr_nonnull(p->note);
    return (*(int *)arg)-- > 0;
}

START_TEST(test_evaluation_that_is_stopped_ends_there_and_leaks_nothing)
{
    struct evaluation_options options = options_with(false, true);
    struct err e = {0};
    int left = _i;
    options.progress = go_on_for;
    options.progress_arg = &left;
    enum err_code code = evaluation_run(store, &model, 1, &options, &result, &e);
    ck_assert_int_eq(code, _i < 2 ? ERR_DEADLINE : ERR_OK); /* iALS and EASE are announced */
    ck_assert_int_eq(left, _i < 2 ? -1 : 0);
}
END_TEST

START_TEST(test_evaluation_counts_who_has_no_given_context)
{
    const struct evaluation_options options = options_with(false, true);
    const struct store_context_key key = {sample.spec.name, sample.spec.version, "user"};
    struct store_conn *c;
    struct err e = {0};
    float *given = calloc(sample.spec.d_context, sizeof *given);
    ck_assert_ptr_nonnull(given);
    must(store_connect(store, &c, &e), &e);
    must(store_begin(c, &e), &e);
    must(store_put_context(c, &key, text_of("u2"), 1, true, given, sample.spec.d_context * sizeof *given, &e),
         &e);
    must(store_commit(c, &e), &e);
    store_disconnect(c);
    free(given);
    must(evaluation_run(store, &model, 1, &options, &result, &e), &e);
    ck_assert_uint_eq(result.n_users, N_USERS);
    ck_assert_uint_eq(result.n_without, N_USERS - 1);
    ck_assert_str_eq(result.without[0], "u0");
    ck_assert_str_eq(result.without[1], "u1");
    ck_assert_str_eq(result.without[2], "u3");
    ck_assert_uint_eq(result.n_rows, 4);            /* no fold-in, so popularity, iALS and EASE */
    ck_assert(result.cases[0].rows[0].mean[1] > 0); /* one user is ranked ... */
    ck_assert(result.cases[0].rows[0].mean[1] <= 1.0 / N_USERS); /* ... and the others score zero */
}
END_TEST

START_TEST(test_evaluation_a_context_of_the_wrong_length_is_no_silent_zero)
{
    const struct evaluation_options options = options_with(false, false);
    const struct store_context_key key = {sample.spec.name, sample.spec.version, "user"};
    struct store_conn *c;
    struct err e = {0};
    must(store_connect(store, &c, &e), &e);
    must(store_begin(c, &e), &e);
    must(store_put_context(c, &key, text_of("u2"), 1, true, "abcd", 4, &e), &e);
    must(store_commit(c, &e), &e);
    store_disconnect(c);
    ck_assert_int_eq(evaluation_run(store, &model, 1, &options, &result, &e), ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(e.text, "u2"));
}
END_TEST

SUITE_OF("fault/server/evaluation",
         SUITE_CASE("ranking", setup_ranking, teardown,
                    {test_evaluation_without_memory_says_so_and_leaks_nothing, 4},
                    {test_evaluation_of_new_users_without_memory_leaks_nothing, 2},
                    {test_evaluation_a_full_disk_is_an_error},
                    {test_evaluation_that_is_stopped_ends_there_and_leaks_nothing, 3}),
         SUITE_CASE("linear", setup_linear, teardown, {test_evaluation_counts_who_has_no_given_context},
                    {test_evaluation_a_context_of_the_wrong_length_is_no_silent_zero}))
