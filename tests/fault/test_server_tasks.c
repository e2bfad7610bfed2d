/* Tables of tasks, training from them and answers, when there is no memory: every allocation that fails
 * ends with ERR_NOMEM and writes nothing, and the next try works. Leaks are the sanitizer's to find. */
#include "base/mem.h"
#include "base/rng.h"
#include "engine/format/model_json.h"
#include "engine/model.h"
#include "engine/train/train.h"
#include "server/tasks/network_baselines.h"
#include "server/tasks/task_answers.h"
#include "server/tasks/task_baselines.h"
#include "server/tasks/task_measures.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_TASKS = 6, N_ROWS = 10 };

static char folder[] = "/tmp/test_tasks_XXXXXX", table_path[64], model_path[64];
static struct task_rows rows;
static struct task_dataset data;
static struct task_rows_options options;

/* What a table is: of numbers without and with times, of classes, of NDJSON. */
enum { NUMBERS, TIMED, CLASSES, OBJECTS, N_KINDS };

static void write_table(int kind)
{
    struct rng r;
    FILE *f = fopen(table_path, "w");
    ck_assert_ptr_nonnull(f);
    rng_init(&r, 4, 1);
    if (kind != OBJECTS)
        (void)fputs("shop,week,price,deal,units\n", f);
    for (size_t i = 0; i < N_TASKS * N_ROWS; i++) {
        double price = 1 + rng_uniform(&r), units = 10 / price + (double)(i % N_TASKS);
        const char *deal = i % 7 == 3 ? "" : i % 2 ? "yes" : "no";
        if (kind == OBJECTS)
            (void)fprintf(f, "{\"shop\":%zu,\"week\":%zu,\"price\":%g,\"deal\":\"%s\",\"units\":%g}\n",
                          i % N_TASKS, i, price, deal, units);
        else if (kind == CLASSES)
            (void)fprintf(f, "s%zu,%zu,%g,%s,%s\n", i % N_TASKS, i, price, deal, units > 9 ? "many" : "few");
        else
            (void)fprintf(f, "s%zu,%zu,%g,%s,%g\n", i % N_TASKS, i, price, deal, units);
    }
    ck_assert_int_eq(fclose(f), 0);
}

static void set_up(void)
{
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(table_path, sizeof table_path, "%s/t", folder);
    (void)snprintf(model_path, sizeof model_path, "%s/m", folder);
}

static void tear_down(void)
{
    mem_fail_at(0, 0);
    task_dataset_fini(&data);
    task_rows_fini(&rows);
    (void)unlink(table_path);
    (void)unlink(model_path);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing else was left there */
}

static void use(int kind)
{
    options = (struct task_rows_options){.keys = {"shop"}, .n_keys = 1, .target = "units"};
    options.time = kind == TIMED ? "week" : NULL;
    options.format = kind == OBJECTS ? TABLE_NDJSON : TABLE_CSV;
    write_table(kind);
}

static void must(enum err_code code, const struct err *e)
{
    ck_assert_msg(code == ERR_OK, "%s", e->text);
}

static void read_all(int kind)
{
    struct err e = {0};
    use(kind);
    must(task_rows_read(table_path, &options, &rows, &e), &e);
    must(task_dataset_make(&rows, &options, NULL, NULL, 0, &data, NULL, NULL, &e), &e);
}

static enum err_code train(struct err *e)
{
    struct train_options o;
    struct train_report report;
    struct train_data train_data = {.tasks = &data.table};
    train_options_default(&o);
    o.objective = data.about.n_classes ? &objective_classification : &objective_regression;
    o.loss = options.time ? LOSS_RELATIVE : LOSS_SQUARED;
    o.n_threads = 1;
    o.n_epochs = 1;
    o.dim = 3;
    return train_run(&train_data, &o, model_path, NULL, NULL, &report, e);
}

/* Whether the n-th try got through; a failure is the memory's. */
static bool got_through(enum err_code code, const struct err *e, long n)
{
    mem_fail_at(0, 0);
    ck_assert_int_lt(n, 20000);
    ck_assert_msg(code == ERR_OK || (code == ERR_NOMEM && e->code == ERR_NOMEM), "allocation %ld: %s: %s", n,
                  err_name(code), e->text);
    return code == ERR_OK;
}

/* _i is a kind of table, and whether later allocations fail too. */
START_TEST(a_table_that_finds_no_memory_is_read_the_next_time)
{
    use(_i / 2);
    bool through = false;
    for (long n = 1; !through; n++) {
        struct err e = {0};
        task_rows_fini(&rows);
        mem_fail_at(n, _i % 2);
        enum err_code code = task_rows_read(table_path, &options, &rows, &e);
        through = got_through(code, &e, n);
        ck_assert(!through || n > 5);
    }
    ck_assert_uint_eq(rows.n_rows, N_TASKS * N_ROWS);
}
END_TEST

START_TEST(arrays_that_find_no_memory_are_made_the_next_time)
{
    struct err e = {0};
    use(_i / 2);
    must(task_rows_read(table_path, &options, &rows, &e), &e);
    bool through = false;
    for (long n = 1; !through; n++) {
        err_clear(&e);
        task_dataset_fini(&data);
        mem_fail_at(n, _i % 2);
        enum err_code code = task_dataset_make(&rows, &options, NULL, NULL, 0, &data, NULL, NULL, &e);
        through = got_through(code, &e, n);
        ck_assert(!through || n > 10);
    }
    ck_assert_uint_eq(data.about.columns.n, options.time ? 2 : 3);
    size_t deal = columns_find(&data.about.columns, (struct text){"deal", 4});
    ck_assert_uint_eq(data.about.columns.list[deal].n_values, 2); /* no value was lost on the way */
}
END_TEST

/* The next allocation to fail where each costs a training: the first ones one by one, the later ones by
 * samples. */
static long later(long n)
{
    return n + 1 + n / 8;
}

/* _i is a kind of table; what fails after the training costs a training each, so that one way of failing must
 * do. */
START_TEST(a_training_that_finds_no_memory_writes_nothing)
{
    read_all(_i);
    bool through = false;
    for (long n = 1; !through; n = later(n)) {
        struct err e = {0};
        mem_fail_at(n, _i == NUMBERS);
        enum err_code code = train(&e);
        through = got_through(code, &e, n);
        if (!through && !strstr(e.text, "sync its folder"))
            ck_assert_int_ne(access(model_path, F_OK), 0);
    }
    struct model *m;
    struct err e = {0};
    must(model_open(model_path, &m, &e), &e);
    model_unref(m);
}
END_TEST

START_TEST(a_model_that_finds_no_memory_is_opened_and_answers_the_next_time)
{
    struct model *m = NULL;
    struct task_answers answers = {0};
    struct task_dataset asked = {0};
    struct task_measures measures;
    struct err e = {0};
    read_all(_i / 2);
    must(train(&e), &e);
    bool through = false;
    for (long n = 1; !through; n++) {
        err_clear(&e);
        mem_fail_at(n, _i % 2);
        through = got_through(model_open(model_path, &m, &e), &e, n);
    }
    through = false;
    for (long n = 1; !through; n++) {
        err_clear(&e);
        task_dataset_fini(&asked);
        mem_fail_at(n, _i % 2);
        through = got_through(task_dataset_for(&rows, &m->spec, true, &asked, &e), &e, n);
    }
    through = false;
    for (long n = 1; !through; n++) {
        err_clear(&e);
        task_answers_fini(&answers);
        mem_fail_at(n, _i % 2);
        through = got_through(task_answers_make(m, &rows, &asked, &rows, &data, &answers, &e), &e, n);
    }
    ck_assert_uint_eq(answers.n, N_TASKS * N_ROWS);
    through = false;
    for (long n = 1; !through; n++) {
        err_clear(&e);
        mem_fail_at(n, _i % 2);
        enum err_code code = task_measures_make(&answers, asked.y, 0.9, NULL, 0, 0, &measures, &e);
        through = got_through(code, &e, n);
    }
    ck_assert_uint_eq(measures.n_rows, N_TASKS * N_ROWS);
    task_answers_fini(&answers);
    task_dataset_fini(&asked);
    model_unref(m);
}
END_TEST

START_TEST(baselines_that_find_no_memory_are_made_the_next_time)
{
    struct model *m = NULL;
    struct task_answers answers[N_NETWORK_BASELINES] = {0};
    struct task_learned learned = {0};
    struct err e = {0};
    read_all(_i / 2);
    must(train(&e), &e);
    must(model_open(model_path, &m, &e), &e);
    const struct task_source asked = {&rows, &data}, none = {0};
    bool through = false;
    for (long n = 1; !through; n++) {
        err_clear(&e);
        task_learned_fini(&learned);
        mem_fail_at(n, _i % 2);
        through = got_through(task_learned_make(&learned, &m->spec, &asked, &none, &e), &e, n);
    }
    for (int which = 0; which < N_TASK_BASELINES; which++) {
        through = false;
        for (long n = 1; !through; n++) {
            err_clear(&e);
            task_answers_fini(&answers[0]);
            mem_fail_at(n, _i % 2);
            enum err_code code =
                task_baselines_make(m, (enum task_baseline)which, &learned, &asked, 1, &answers[0], &e);
            through = got_through(code, &e, n);
        }
        ck_assert_uint_eq(answers[0].n, N_TASKS * N_ROWS);
    }
    const struct network_baselines networks = {
        .learned = &learned, .seed = 1, .most_steps = 10, .wanted = {true, true, true}};
    through = false;
    for (long n = 1; !through; n = later(n)) {
        err_clear(&e);
        for (int k = 0; k < N_NETWORK_BASELINES; k++)
            task_answers_fini(&answers[k]);
        mem_fail_at(n, _i % 2);
        through = got_through(network_baselines_make(&networks, m, &asked, answers, &e), &e, n);
        ck_assert(!through || n > 20);
    }
    for (int k = 0; k < N_NETWORK_BASELINES; k++) {
        ck_assert_uint_eq(answers[k].n, N_TASKS * N_ROWS);
        task_answers_fini(&answers[k]);
    }
    task_learned_fini(&learned);
    model_unref(m);
}
END_TEST

START_TEST(a_description_that_finds_no_memory_is_read_and_written_the_next_time)
{
    struct model *m;
    struct err e = {0};
    struct buf text;
    read_all(_i / 2);
    must(train(&e), &e);
    must(model_open(model_path, &m, &e), &e);
    buf_init(&text, 1 << 20);
    bool through = false;
    for (long n = 1; !through; n++) {
        err_clear(&e);
        buf_fini(&text);
        mem_fail_at(n, _i % 2);
        through = got_through(model_json_encode(&m->spec, &text, &e), &e, n);
    }
    const char *json = buf_text(&text);
    through = false;
    for (long n = 1; !through; n++) {
        struct model_spec spec = {0};
        err_clear(&e);
        mem_fail_at(n, _i % 2);
        through = got_through(model_json_decode(json, &spec, &e), &e, n);
        if (through)
            model_spec_fini(&spec);
    }
    buf_fini(&text);
    model_unref(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fault: tasks");
    TCase *t = tcase_create("memory");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, a_table_that_finds_no_memory_is_read_the_next_time, 0, 2 * N_KINDS);
    tcase_add_loop_test(t, arrays_that_find_no_memory_are_made_the_next_time, 0, 2 * N_KINDS);
    tcase_add_loop_test(t, a_training_that_finds_no_memory_writes_nothing, 0, OBJECTS);
    tcase_add_loop_test(t, a_model_that_finds_no_memory_is_opened_and_answers_the_next_time, 0, 2 * OBJECTS);
    tcase_add_loop_test(t, baselines_that_find_no_memory_are_made_the_next_time, 0, 2 * OBJECTS);
    tcase_add_loop_test(t, a_description_that_finds_no_memory_is_read_and_written_the_next_time, 0,
                        2 * OBJECTS);
    suite_add_tcase(s, t);
    return suite_run(s);
}
