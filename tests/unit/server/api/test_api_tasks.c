/* server/api/api_task.c, api_task_examples.c and server/serving/task_drafts.c over a model whose rows age:
 * what a time that is far off is warned of, and rows that were checked with a profile that the task has no
 * more. Risks: a warning of rows that merely age, rows that are added with another profile than they were
 * checked with, others who write that wait while contexts are made, a context of a task that has changed
 * since. */
#include "base/mem.h"
#include "server/serving/task_guess.h"
#include "server/serving/task_updates.h"
#include "server/tasks/task_context.h"
#include "store/sqlite/private.h"
#include "tests/support/api_world.h"
#include "tests/support/sample_tasks.h"
#include "tests/support/suite.h"

#include <math.h>
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
    sample_tasks_generated_write(model, "shops", false, GENERATOR_CORE);
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
    struct task_registration g = {.id = text_of("ann"),
                                  .must_be_there = true,
                                  .expects_profile = true,
                                  .profile_before = text_of("{\"size\":2}")};
    int64_t before, after;
    ck_assert_int_eq(api_world_json(&w, "PUT", "/v1/admin/tasks/ann", "{\"profile\":{\"size\":1}}", NULL),
                     201);
    g.handle = recommender_find_task(s->recommender, NULL);
    ck_assert_ptr_nonnull(g.handle);
    g.known = (struct task_rows_known){&parsed, &row, 1};
    ck_assert_int_eq(store_last_change(s->conn, &before, &e), ERR_OK);
    ck_assert_int_eq(task_updates_examples(s, &g, NULL, &e), ERR_CONFLICT);
    ck_assert_int_eq(store_last_change(s->conn, &after, &e), ERR_OK);
    ck_assert_int_eq(before, after);
    err_clear(&e);
    g.profile_before = text_of("{\"size\":1}");
    ck_assert_int_eq(task_updates_examples(s, &g, NULL, &e), ERR_OK);
    ck_assert_uint_eq(g.n_known, 1);
    json_decref(parsed);
}
END_TEST

/* ---- guesses ---- */

static size_t n_found;

static bool found(void *arg, const struct task_guessed *task, struct task_room *room,
                  const struct task_state *state)
{
    char *ids = arg;
    (void)room;
    (void)state;
    n_found++;
    (void)strncat(ids, task->id.data, task->id.len);
    return true;
}

/* With no time at all a call looks at one task, and the next goes on behind it. */
START_TEST(guesses_without_time_come_to_all_tasks_one_by_one)
{
    char ids[16] = "";
    json_t *rows = json_loads("[" ROW(5) "]", 0, NULL);
    struct session *s = &w.worker->session;
    struct task_query query = {.asked = {.rows = rows}, .clamp = true, .interval = 0.9};
    struct task_guess g = {.query = &query, .among = {.most = 3}, .found = found, .arg = ids};
    bool ok;
    for (const char *id = "abc"; *id; id++) {
        char target[] = "/v1/admin/tasks/a";
        target[sizeof target - 2] = *id;
        ck_assert_int_eq(api_world_json(&w, "PUT", target, "{\"support\":{\"rows\":[" ROW(1) "]}}", NULL),
                         201);
    }
    for (size_t i = 0; i < 3; i++) {
        char after[LIMIT_ID_BYTES + 1];
        memcpy(after, g.among.next, sizeof after);
        g.among.after = i ? text_of(after) : (struct text){NULL, 0};
        ck_assert_int_eq(task_guess_run(s, recommender_find_task(s->recommender, NULL), &g, &ok, &e), ERR_OK);
        ck_assert(ok);
        ck_assert_uint_eq(g.among.n_looked, 1);
        ck_assert_uint_eq(g.among.n_all, 3 - i);
        ck_assert_uint_eq(n_found, i + 1);
        ck_assert_int_eq(g.among.complete, i == 2);
    }
    ck_assert_str_eq(ids, "abc");
    json_decref(rows);
}
END_TEST

/* ---- before the lock ---- */

static double rows_in_room; /* of the context that was made last, when the write began */
static int n_begun, n_rows_read;

static int watch(unsigned kind, void *arg, void *statement, void *text)
{
    struct task_room *room = arg;
    (void)kind;
    (void)statement;
    if (strncmp(text, "BEGIN", 5) == 0 && !n_begun++)
        rows_in_room = room->context[TASK_CONTEXT_ROWS];
    n_rows_read += strstr(text, "FROM task_rows") && strncmp(text, "SELECT", 6) == 0;
    return 0;
}

/* The status of a call; what the writer does is watched. */
static int watched(const char *method, const char *target, const char *body)
{
    struct task_room *room;
    struct session *s = &w.worker->session;
    sqlite3 *db = ((struct sqlite_conn *)w.serving.writer)->db;
    ck_assert_int_eq(model_handle_room(recommender_find_task(s->recommender, NULL), &room, &e), ERR_OK);
    n_begun = n_rows_read = 0;
    rows_in_room = NAN;
    (void)sqlite3_trace_v2(db, SQLITE_TRACE_STMT, watch, room);
    int status = api_world_json(&w, method, target, body, NULL);
    (void)sqlite3_trace_v2(db, 0, NULL, NULL);
    return status;
}

START_TEST(contexts_are_made_before_the_lock_is_taken)
{
    ck_assert_int_eq(
        watched("POST", "/v1/admin/tasks",
                "{\"tasks\":[{\"id\":\"a\",\"support\":{\"rows\":[" ROW(
                    1) "]}},"
                       "{\"id\":\"b\",\"support\":{\"rows\":[" ROW(1) "," ROW(2) "," ROW(3) "]}}]}"),
        200);
    ck_assert_int_eq(n_begun, 1);
    ck_assert_double_eq(rows_in_room, 3);
    ck_assert_int_eq(watched("PUT", "/v1/admin/tasks/b", "{\"profile\":{\"size\":2}}"), 200);
    ck_assert_int_eq(n_rows_read, 0);
    ck_assert_double_eq(rows_in_room, 3);
    ck_assert_int_eq(watched("POST", "/v1/tasks/b/examples", "{\"rows\":[" ROW(4) "]}"), 200);
    ck_assert_double_eq(rows_in_room, 4);
}
END_TEST

/* Of a task that changed since its context was made, here by the same call, it is made anew. */
START_TEST(a_task_that_is_named_twice_is_what_was_said_last)
{
    char *answer;
    ck_assert_int_eq(api_world_json(&w, "POST", "/v1/admin/tasks",
                                    "{\"tasks\":[{\"id\":\"a\",\"support\":{\"rows\":[" ROW(1) "," ROW(
                                        2) "]}},"
                                           "{\"id\":\"a\",\"profile\":{\"size\":3}}]}",
                                    NULL),
                     200);
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/tasks/a", NULL, &answer), 200);
    ck_assert_ptr_nonnull(strstr(answer, "\"known\":2,\"rows\":2"));
    ck_assert_ptr_nonnull(strstr(answer, "\"profile\":{\"size\":3}"));
    mem_free(answer);
}
END_TEST

SUITE("server/api for tasks", setup, teardown, {one_time_that_is_far_off_is_warned_of, 1},
      {rows_checked_with_a_profile_that_is_no_more_are_not_added, 1},
      {contexts_are_made_before_the_lock_is_taken, 1}, {guesses_without_time_come_to_all_tasks_one_by_one, 1},
      {a_task_that_is_named_twice_is_what_was_said_last, 1})
