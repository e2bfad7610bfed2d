/* Tasks learned one after the other, from files to answers, when there is no memory: every allocation that
 * fails ends with ERR_NOMEM and writes nothing, and the next try works. Leaks are the sanitizer's to find. */
#include "base/mem.h"
#include "engine/model.h"
#include "server/cli/evaluate_inputs.h"
#include "server/cli/train_inputs.h"
#include "server/tasks/trained_room.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { N = 24, D = 4, MOST_FAILURES = 20000 };

static char folder[] = "/tmp/test_trained_XXXXXX", x_path[64], y_path[64], first[64], second[64];

static void write_idx(const char *path, const unsigned char *head, size_t n_head, const unsigned char *values,
                      size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(head, 1, n_head, f), n_head);
    ck_assert_uint_eq(fwrite(values, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static void set_up(void)
{
    static const unsigned char x_head[] = {0, 0, 8, 2, 0, 0, 0, N, 0, 0, 0, D},
                               y_head[] = {0, 0, 8, 1, 0, 0, 0, N};
    unsigned char x[N * D], y[N];
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(x_path, sizeof x_path, "%s/x", folder);
    (void)snprintf(y_path, sizeof y_path, "%s/y", folder);
    (void)snprintf(first, sizeof first, "%s/1", folder);
    (void)snprintf(second, sizeof second, "%s/2", folder);
    for (size_t i = 0; i < N * D; i++)
        x[i] = (unsigned char)(i * 37 % 200);
    for (size_t i = 0; i < N; i++)
        y[i] = i % 2;
    write_idx(x_path, x_head, sizeof x_head, x, sizeof x);
    write_idx(y_path, y_head, sizeof y_head, y, sizeof y);
}

static void tear_down(void)
{
    mem_fail_at(0, 0);
    (void)unlink(x_path);
    (void)unlink(y_path);
    (void)unlink(first);
    (void)unlink(second);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing else was left there */
}

static bool quiet(void *arg, const struct progress *p)
{
    (void)arg;
    (void)p;
    return true;
}

static enum err_code train(const char *task, const char *from, const char *out, struct err *e)
{
    bool written;
    const struct train_inputs t = {.inputs = x_path,
                                   .classes = y_path,
                                   .task = task,
                                   .from = from,
                                   .hidden = "3",
                                   .n_chunks = 20,
                                   .out = out,
                                   .name = from ? NULL : "m",
                                   .version = "1",
                                   .seed = 1,
                                   .steps = 2,
                                   .beta = 1,
                                   .json = true};
    return train_inputs_run(&t, quiet, NULL, &written, e);
}

static enum err_code train_first(struct err *e)
{
    return train("a", NULL, first, e);
}

static enum err_code train_second(struct err *e)
{
    return train("b", first, second, e);
}

static enum err_code evaluate(struct err *e)
{
    char a[160], b[160];
    (void)snprintf(a, sizeof a, "a=%s,%s", x_path, y_path);
    (void)snprintf(b, sizeof b, "b=%s,%s", x_path, y_path);
    const struct evaluate_inputs v = {.models = {2, {first, second}},
                                      .inputs = {2, {a, b}},
                                      .learned = {2, {a, b}},
                                      .seed = 1,
                                      .steps = 2,
                                      .json = true};
    return evaluate_inputs_run(&v, e);
}

static void none_of(void *arg, size_t input, const char *text)
{
    (void)arg;
    ck_abort_msg("input %zu: %s", input, text);
}

static enum err_code read_inputs(struct err *e)
{
    struct model *m;
    struct trained_room *room = NULL;
    bool ok = false;
    json_t *inputs = json_pack("[[i,i,i,i]]", 1, 2, 3, 4);
    enum err_code code = inputs ? model_open(first, &m, e) : ERR_NOMEM;
    if (!code) {
        code = trained_room_new(m, &room, e);
        if (!code)
            code = trained_room_read(room, inputs, none_of, NULL, &ok, e);
        ck_assert(code || ok);
        trained_room_free(room);
        model_unref(m);
    }
    json_decref(inputs);
    return code;
}

/* Fails the n-th allocation, n = 1, 2, ..., until none is left to fail; persistent: and all later ones. */
static void check_each_failure(enum err_code (*run)(struct err *e), int persistent, const char *writes)
{
    bool failed = true;
    for (long n = 1; failed; n++) {
        struct err e = {0};
        ck_assert_int_lt(n, MOST_FAILURES);
        mem_fail_at(n, persistent);
        enum err_code code = run(&e);
        failed = mem_count() >= n;
        mem_fail_at(0, 0);
        ck_assert_msg(code == ERR_OK || (failed && code == ERR_NOMEM), "allocation %ld: %s: %s", n,
                      err_name(code), e.text);
        if (writes)
            ck_assert_int_eq(access(writes, F_OK) == 0, code == ERR_OK);
        if (writes && failed)
            (void)unlink(writes);
        ck_assert(failed || n > 3);
    }
}

START_TEST(no_memory_anywhere_is_told_and_writes_nothing)
{
    check_each_failure(train_first, _i, first);
    check_each_failure(train_second, _i, second);
    check_each_failure(evaluate, _i, NULL);
    check_each_failure(read_inputs, _i, NULL);
}
END_TEST

SUITE("fault: trained tasks", set_up, tear_down, {no_memory_anywhere_is_told_and_writes_nothing, 2})
