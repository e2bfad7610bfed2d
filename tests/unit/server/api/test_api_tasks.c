/* server/api/api_task.c over a model whose rows age: what a time that is far off is warned of, and rows
 * that were checked with a profile that the task has no more. Risks: a warning of rows that merely age,
 * rows that are added with another profile than they were checked with. */
#include "base/mem.h"
#include "server/serving/task_updates.h"
#include "tests/support/api_world.h"
#include "tests/support/sample_tasks.h"
#include "tests/support/suite.h"

#include <string.h>
#include <unistd.h>

static struct api_world w;
static char model[] = "/tmp/test_api_tasks_XXXXXX";
static struct err e;

static void setup(void)
{
    int fd = mkstemp(model);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    sample_tasks_write(model, "shops", false);
    api_world_init_model(&w, model);
    err_clear(&e);
}

static void teardown(void)
{
    api_world_fini(&w);
    (void)unlink(model);
    memcpy(model + strlen(model) - 6, "XXXXXX", 6);
}

#define ROW(day) "{\"price\":2,\"deal\":\"no\",\"units\":30,\"day\":" #day "}"

/* Whether the answer to a body warns of a row that makes the others old. */
static bool warns(const char *method, const char *target, const char *body, int status)
{
    char *answer;
    ck_assert_int_eq(api_world_json(&w, method, target, body, &answer), status);
    bool aged = strstr(answer, "urn:hypernet:warning:rows-aged") != NULL;
    mem_free(answer);
    return aged;
}

START_TEST(one_time_that_is_far_off_is_warned_of)
{
    ck_assert(!warns("PUT", "/v1/admin/tasks/a",
                     "{\"support\":{\"rows\":[" ROW(1) "," ROW(2) "," ROW(9) "]}}", 201));
    ck_assert(!warns("PUT", "/v1/admin/tasks/b", "{\"support\":{\"rows\":[" ROW(1e9) "]}}", 201));
    ck_assert(warns("PUT", "/v1/admin/tasks/c",
                    "{\"support\":{\"rows\":[" ROW(1) "," ROW(2) "," ROW(1e9) "]}}", 201));
    ck_assert(!warns("POST", "/v1/tasks/a/examples", "{\"rows\":[" ROW(10) "]}", 200));
    ck_assert(warns("POST", "/v1/tasks/a/examples", "{\"rows\":[" ROW(1e9) "]}", 200));
}
END_TEST

START_TEST(rows_checked_with_a_profile_that_is_no_more_are_not_added)
{
    struct session *s = &w.worker->session;
    const struct text row = text_of(ROW(1));
    json_t *parsed = json_loads(ROW(1), 0, NULL);
    struct task_registration g = {.id = text_of("ann"), .profile = text_of("{\"size\":2}")};
    int64_t before, after;
    ck_assert_int_eq(api_world_json(&w, "PUT", "/v1/admin/tasks/ann", "{\"profile\":{\"size\":1}}", NULL),
                     201);
    g.handle = recommender_find_task(s->recommender, NULL);
    ck_assert_ptr_nonnull(g.handle);
    g.known = (struct task_rows_known){&parsed, &row, 1};
    ck_assert_int_eq(store_last_change(s->conn, &before, &e), ERR_OK);
    ck_assert_int_eq(task_updates_examples(s, &g, false, &e), ERR_CONFLICT);
    ck_assert_int_eq(store_last_change(s->conn, &after, &e), ERR_OK);
    ck_assert_int_eq(before, after);
    err_clear(&e);
    g.profile = text_of("{\"size\":1}");
    ck_assert_int_eq(task_updates_examples(s, &g, false, &e), ERR_OK);
    ck_assert_uint_eq(g.n_known, 1);
    json_decref(parsed);
}
END_TEST

SUITE("server/api for tasks", setup, teardown, {one_time_that_is_far_off_is_warned_of, 1},
      {rows_checked_with_a_profile_that_is_no_more_are_not_added, 1})
