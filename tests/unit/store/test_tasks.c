/* Tasks in the store: their profile, their labelled rows, their contexts, their end. Risk: a row of another
 * task or out of its order, sums that are older than the rows, something left of a forgotten task. */
#include "base/limits.h"
#include "tests/support/change_fixture.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct store_fixture f;
static struct store_task task;
static const struct store_context_key key = {"model", "1", "task"}, other_key = {"model", "2", "task"};

static void start(void)
{
    store_fixture_start(&f);
}

static void stop(void)
{
    store_task_fini(&task);
    store_fixture_stop(&f);
}

static void read_task(const char *id)
{
    STORE_OK(store_read_task(f.conn, text_of(id), &key, &task, &e));
}

/* The rows as "number:row ", until it is told to stop. */
struct seen {
    size_t n, stop_at;
    char line[512];
};

static bool see_row(void *arg, int64_t number, struct text row)
{
    struct seen *seen = arg;
    size_t at = strlen(seen->line);
    (void)snprintf(seen->line + at, sizeof seen->line - at, "%d:%.*s ", (int)number, (int)row.len, row.data);
    return ++seen->n != seen->stop_at;
}

static void assert_rows(const char *id, size_t stop_at, const char *expected)
{
    struct seen seen = {.stop_at = stop_at};
    STORE_OK(store_each_task_row(f.conn, text_of(id), see_row, &seen, &e));
    ck_assert_str_eq(seen.line, expected);
}

/* ---- records ---- */

START_TEST(test_a_task_is_read_as_it_was_put)
{
    int64_t revision, again;
    bool created;
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(
        store_put_task(f.conn, text_of("s2/b1"), text_of("{\"age\":30}"), true, &revision, &created, &e));
    ck_assert(created);
    STORE_OK(store_put_task(f.conn, text_of("s2/b1"), text_of("{\"age\":31}"), false, &again, &created, &e));
    ck_assert(!created && again > revision);
    STORE_OK(store_put_task(f.conn, text_of("s2/b2"), text_of(NULL), true, &revision, &created, &e));
    STORE_OK(store_commit(f.conn, &e));
    store_fixture_reopen(&f);
    read_task("s2/b1");
    ck_assert_str_eq(buf_text(&task.profile), "{\"age\":31}");
    ck_assert(!task.keeps_rows && task.n_rows == 0 && task.key > 0 && task.revision == again);
    ck_assert(task.context.len == 0 && task.context_revision == 0 && !task.context_given);
    read_task("s2/b2");
    ck_assert_uint_eq(task.profile.len, 0);
    ck_assert(task.keeps_rows);
    STORE_FAILS(store_read_task(f.conn, text_of("s2"), &key, &task, &e), ERR_NOTFOUND);
    store_fixture_assert_tasks(f.conn, 2, 0);
}
END_TEST

START_TEST(test_rows_are_told_of_in_the_order_in_which_they_came)
{
    static const char *const ids[] = {"a", "b"};
    for (int i = 0; i < 2; i++)
        store_fixture_task(f.conn, ids[i], "{}", true);
    for (int i = 0; i < 4; i++) {
        char row[32];
        (void)snprintf(row, sizeof row, "{\"y\":%d}", 9 - i);
        store_fixture_task_row(f.conn, ids[i % 2], row);
    }
    assert_rows("a", 0, "1:{\"y\":9} 2:{\"y\":7} ");
    assert_rows("b", 0, "1:{\"y\":8} 2:{\"y\":6} ");
    store_fixture_reopen(&f);
    store_fixture_task(f.conn, "a", NULL, true); /* rows stay when the profile goes */
    store_fixture_task_row(f.conn, "a", "{}");
    assert_rows("a", 0, "1:{\"y\":9} 2:{\"y\":7} 3:{} ");
    assert_rows("a", 2, "1:{\"y\":9} 2:{\"y\":7} ");
    read_task("a");
    ck_assert_int_eq(task.n_rows, 3);
    store_fixture_assert_tasks(f.conn, 2, 5);
}
END_TEST

START_TEST(test_many_rows_come_back_in_their_order)
{
    enum { N = 3000 };
    struct seen seen = {.stop_at = 0};
    store_fixture_task(f.conn, "a", NULL, true);
    store_fixture_task(f.conn, "b", NULL, true);
    STORE_OK(store_begin(f.conn, &e));
    for (int i = 0; i < N; i++) {
        char row[32];
        (void)snprintf(row, sizeof row, "{\"y\":%d}", i);
        STORE_OK(store_add_task_row(f.conn, text_of(i % 3 ? "a" : "b"), text_of(row), &e));
    }
    STORE_OK(store_commit(f.conn, &e));
    STORE_OK(store_each_task_row(f.conn, text_of("a"), see_row, &seen, &e));
    ck_assert_uint_eq(seen.n, N / 3 * 2);
    ck_assert_ptr_nonnull(strstr(seen.line, "1:{\"y\":1} 2:{\"y\":2} 3:{\"y\":4} 4:{\"y\":5} 5:{\"y\":7} "));
    store_fixture_assert_tasks(f.conn, 2, N);
}
END_TEST

static bool see_task(void *arg, int64_t task_key, struct text id, struct text profile, int64_t revision)
{
    struct seen *seen = arg;
    size_t at = strlen(seen->line);
    (void)snprintf(seen->line + at, sizeof seen->line - at, "%d:%.*s:%.*s:%d ", (int)task_key, (int)id.len,
                   id.data, (int)profile.len, profile.data ? profile.data : "", (int)revision);
    return ++seen->n != seen->stop_at;
}

START_TEST(test_all_tasks_are_told_of_by_key)
{
    struct seen seen = {.stop_at = 0}, first = {.stop_at = 1};
    store_fixture_task(f.conn, "b", "{\"x\":1}", true);
    store_fixture_task(f.conn, "a", NULL, true);
    STORE_OK(store_each_task(f.conn, see_task, &seen, &e));
    ck_assert_str_eq(seen.line, "1:b:{\"x\":1}:1 2:a::2 ");
    STORE_OK(store_each_task(f.conn, see_task, &first, &e));
    ck_assert_str_eq(first.line, "1:b:{\"x\":1}:1 ");
}
END_TEST

START_TEST(test_rows_and_ids_that_no_store_takes_are_refused)
{
    static char longest[LIMIT_TASK_ROW_BYTES + 1], id[LIMIT_ID_BYTES + 1];
    int64_t revision;
    bool created;
    memset(longest, 'x', sizeof longest);
    memset(id, 'x', sizeof id);
    store_fixture_task(f.conn, "a", NULL, true);
    STORE_OK(store_begin(f.conn, &e));
    STORE_FAILS(store_add_task_row(f.conn, text_of("a"), text_of(""), &e), ERR_INVALID);
    STORE_FAILS(store_add_task_row(f.conn, text_of("a"), text_of(NULL), &e), ERR_INVALID);
    STORE_FAILS(store_add_task_row(f.conn, text_of("a"), text_of("\xff"), &e), ERR_INVALID);
    STORE_FAILS(store_add_task_row(f.conn, text_of("a"), (struct text){"{\0}", 3}, &e), ERR_INVALID);
    STORE_FAILS(store_add_task_row(f.conn, text_of("a"), (struct text){longest, sizeof longest}, &e),
                ERR_LIMIT);
    STORE_OK(store_add_task_row(f.conn, text_of("a"), (struct text){longest, sizeof longest - 1}, &e));
    STORE_FAILS(store_put_task(f.conn, text_of(""), text_of(NULL), true, &revision, &created, &e),
                ERR_INVALID);
    STORE_FAILS(
        store_put_task(f.conn, (struct text){id, sizeof id}, text_of(NULL), true, &revision, &created, &e),
        ERR_INVALID);
    STORE_FAILS(store_put_task(f.conn, text_of("\xc3"), text_of(NULL), true, &revision, &created, &e),
                ERR_INVALID);
    STORE_FAILS(store_put_task(f.conn, text_of("a"), (struct text){longest, LIMIT_PROFILE_BYTES + 1}, true,
                               &revision, &created, &e),
                ERR_LIMIT);
    STORE_OK(store_commit(f.conn, &e));
    read_task("a");
    ck_assert_int_eq(task.n_rows, 1);
}
END_TEST

/* ---- contexts ---- */

START_TEST(test_a_tasks_context_is_stale_once_a_row_came)
{
    store_fixture_task(f.conn, "a", NULL, true);
    int64_t revision = store_fixture_task_row(f.conn, "a", "{\"y\":1}");
    store_fixture_context(f.conn, &key, "a", revision, false, "sums of one");
    read_task("a");
    ck_assert_str_eq(buf_text(&task.context), "sums of one");
    ck_assert(task.context_revision == task.revision && !task.context_given);
    int64_t next = store_fixture_task_row(f.conn, "a", "{\"y\":2}");
    read_task("a");
    ck_assert(task.context_revision == revision && task.revision == next);
    STORE_OK(store_read_task(f.conn, text_of("a"), NULL, &task, &e));
    ck_assert(task.context.len == 0 && task.context_revision == 0);
    STORE_OK(store_read_task(f.conn, text_of("a"), &other_key, &task, &e));
    ck_assert(task.context.len == 0 && task.context_revision == 0);
}
END_TEST

START_TEST(test_a_tasks_context_of_a_later_revision_or_a_given_one_stays)
{
    store_fixture_task(f.conn, "a", NULL, true);
    store_fixture_context(f.conn, &key, "a", 7, false, "later");
    store_fixture_context(f.conn, &key, "a", 6, false, "too late");
    read_task("a");
    ck_assert_str_eq(buf_text(&task.context), "later");
    store_fixture_context(f.conn, &key, "a", 8, true, "given");
    store_fixture_context(f.conn, &key, "a", 9, false, "made");
    read_task("a");
    ck_assert_str_eq(buf_text(&task.context), "given");
    ck_assert(task.context_given && task.context_revision == 8);
}
END_TEST

/* Contexts of a task by these versions of a model, one after the other. */
static void put_versions(const char *id, const char *model, int from, int to, bool given)
{
    for (int i = from; i <= to; i++) {
        char version[8];
        (void)snprintf(version, sizeof version, "%d", i);
        const struct store_context_key of = {model, version, "task"};
        store_fixture_context(f.conn, &of, id, i, given, "abcd");
    }
}

static bool see_version(void *arg, const struct store_version *v)
{
    struct seen *seen = arg;
    size_t at = strlen(seen->line);
    (void)snprintf(seen->line + at, sizeof seen->line - at, "%.*s/%.*s:%d ", (int)v->model.len, v->model.data,
                   (int)v->version.len, v->version.data, (int)v->n_contexts);
    return true;
}

static void assert_versions(const char *expected)
{
    struct seen seen = {0};
    STORE_OK(store_each_version(f.conn, see_version, &seen, &e));
    ck_assert_str_eq(seen.line, expected);
}

START_TEST(test_of_a_task_that_keeps_no_rows_it_is_told_whether_another_has_a_context)
{
    for (int keeps = 0; keeps < 2; keeps++) {
        const char *id = keeps ? "kept" : "sums";
        store_fixture_task(f.conn, id, NULL, keeps);
        read_task(id);
        ck_assert(!task.has_others);
        store_fixture_context(f.conn, &other_key, id, 100, true, "abcd");
        read_task(id);
        ck_assert(task.has_others == !keeps && task.context.len == 0);
        STORE_OK(store_read_task(f.conn, text_of(id), &other_key, &task, &e));
        ck_assert(!task.has_others && task.context.len == 4);
    }
}
END_TEST

START_TEST(test_a_tasks_contexts_are_of_the_last_versions_of_a_model)
{
    store_fixture_task(f.conn, "a", NULL, true);
    store_fixture_task(f.conn, "b", NULL, true);
    put_versions("a", "m", 1, 2, false);
    put_versions("b", "m", 1, 1, false);
    put_versions("a", "n", 1, 1, false);
    put_versions("a", "m", 3, 5, false);
    assert_versions("m/1:1 m/4:1 m/5:1 n/1:1 "); /* of another task or model nothing goes */
    put_versions("a", "m", 2, 2, false); /* a replica that still serves an old one has written long ago */
    assert_versions("m/1:1 m/4:1 m/5:1 n/1:1 ");
    put_versions("a", "m", 6, 6, true);
    put_versions("a", "m", 7, 8, false);
    assert_versions("m/1:1 m/6:1 m/7:1 m/8:1 n/1:1 "); /* what was given stays, and takes no place */
}
END_TEST

START_TEST(test_a_task_that_keeps_no_rows_keeps_its_contexts_of_all_versions)
{
    store_fixture_task(f.conn, "a", NULL, false);
    store_fixture_user(f.conn, "a", NULL); /* a user is no task */
    put_versions("a", "m", 1, 4, false);
    assert_versions("m/1:1 m/2:1 m/3:1 m/4:1 ");
}
END_TEST

START_TEST(test_a_user_and_a_task_of_one_id_have_nothing_in_common)
{
    store_fixture_user(f.conn, "x", "{\"of\":\"user\"}");
    store_fixture_task(f.conn, "x", "{\"of\":\"task\"}", true);
    store_fixture_event(f.conn, "x", "i", 1, 1);
    store_fixture_task_row(f.conn, "x", "{\"y\":1}");
    store_fixture_context(f.conn, &store_fixture_key, "x", 1, false, "of the user");
    store_fixture_context(f.conn, &key, "x", 2, false, "of the task");
    read_task("x");
    ck_assert_str_eq(buf_text(&task.context), "of the task");
    store_fixture_delete(f.conn, "x");
    read_task("x");
    ck_assert_str_eq(buf_text(&task.context), "of the task");
    store_fixture_user(f.conn, "x", NULL);
    store_fixture_context(f.conn, &store_fixture_key, "x", 1, false, "of the user");
    STORE_WRITE(f.conn, store_delete_task(f.conn, text_of("x"), &e));
    store_fixture_read(&f, "x");
    ck_assert_str_eq(buf_text(&f.user.embedding), "of the user");
    store_fixture_assert_counts(f.conn, 1, 1, 0, 1);
}
END_TEST

/* ---- the end ---- */

START_TEST(test_a_deleted_task_leaves_nothing_and_its_revisions_do_not_come_back)
{
    store_fixture_task(f.conn, "a", "{\"x\":1}", true);
    store_fixture_task(f.conn, "b", NULL, true);
    store_fixture_task_row(f.conn, "b", "{\"y\":0}");
    int64_t revision = store_fixture_task_row(f.conn, "a", "{\"y\":1}");
    store_fixture_context(f.conn, &key, "a", revision, false, "abcd");
    store_fixture_context(f.conn, &other_key, "a", revision, true, "abcd");
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_delete_task(f.conn, text_of("a"), &e));
    STORE_FAILS(store_delete_task(f.conn, text_of("a"), &e), ERR_NOTFOUND);
    STORE_OK(store_commit(f.conn, &e));
    STORE_FAILS(store_read_task(f.conn, text_of("a"), &key, &task, &e), ERR_NOTFOUND);
    store_fixture_assert_tasks(f.conn, 1, 1);
    store_fixture_assert_counts(f.conn, 0, 0, 0, 0);
    ck_assert_int_gt(store_fixture_task(f.conn, "a", NULL, true), revision + 1);
    assert_rows("a", 0, "");
    assert_rows("b", 0, "1:{\"y\":0} ");
    read_task("a");
    ck_assert(task.n_rows == 0 && task.context.len == 0);
}
END_TEST

static bool see_context(void *arg, const struct store_context_key *of, struct text bytes)
{
    struct seen *seen = arg;
    size_t at = strlen(seen->line);
    (void)snprintf(seen->line + at, sizeof seen->line - at, "%s/%s:%.*s ", of->model, of->model_version,
                   (int)bytes.len, bytes.data);
    return ++seen->n != seen->stop_at;
}

START_TEST(test_contexts_of_a_task_are_told_of_whoever_made_them)
{
    static const struct store_context_key others[] = {
        {"n", "1", "task"}, {"m", "2", "task"}, {"m", "1", "task"}};
    int64_t revision = store_fixture_task(f.conn, "a", NULL, true);
    struct seen all = {0}, first = {.stop_at = 1}, none = {0};
    store_fixture_task(f.conn, "b", NULL, true);
    for (int i = 0; i < 3; i++)
        store_fixture_context(f.conn, &others[i], "a", revision, i == 0, "abcd");
    store_fixture_context(f.conn, &others[0], "b", revision + 1, false, "efgh");
    STORE_OK(store_each_task_context(f.conn, text_of("a"), see_context, &all, &e));
    ck_assert_str_eq(all.line, "m/1:abcd m/2:abcd n/1:abcd ");
    STORE_OK(store_each_task_context(f.conn, text_of("a"), see_context, &first, &e));
    ck_assert_str_eq(first.line, "m/1:abcd ");
    STORE_OK(store_each_task_context(f.conn, text_of("c"), see_context, &none, &e));
    ck_assert_str_eq(none.line, "");
}
END_TEST

START_TEST(test_a_task_that_is_gone_gets_nothing)
{
    int64_t revision;
    struct seen seen = {0};
    STORE_OK(store_begin(f.conn, &e));
    STORE_FAILS(store_add_task_row(f.conn, text_of("a"), text_of("{}"), &e), ERR_NOTFOUND);
    STORE_FAILS(store_touch_task(f.conn, text_of("a"), &revision, &e), ERR_NOTFOUND);
    STORE_FAILS(store_clear_task(f.conn, text_of("a"), STORE_CLEAR_ALL, &e), ERR_NOTFOUND);
    STORE_FAILS(store_put_task_context(f.conn, &key, text_of("a"), 1, false, "abcd", 4, &e), ERR_NOTFOUND);
    STORE_FAILS(store_delete_task(f.conn, text_of("a"), &e), ERR_NOTFOUND);
    STORE_OK(store_commit(f.conn, &e));
    STORE_FAILS(store_each_task_row(f.conn, text_of("a"), see_row, &seen, &e), ERR_NOTFOUND);
    store_fixture_assert_tasks(f.conn, 0, 0);
    store_fixture_assert_counts(f.conn, 0, 0, 0, 0);
}
END_TEST

START_TEST(test_rows_and_contexts_are_cleared_apart)
{
    store_fixture_task(f.conn, "a", "{}", false);
    store_fixture_task_row(f.conn, "a", "{\"y\":1}");
    int64_t revision = store_fixture_task_row(f.conn, "a", "{\"y\":2}");
    store_fixture_context(f.conn, &key, "a", revision, false, "abcd");
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_clear_task(f.conn, text_of("a"), STORE_CLEAR_INTERACTIONS, &e));
    STORE_OK(store_add_task_row(f.conn, text_of("a"), text_of("{\"y\":3}"), &e));
    STORE_OK(store_commit(f.conn, &e));
    assert_rows("a", 0, "1:{\"y\":3} ");
    read_task("a");
    ck_assert(task.n_rows == 1 && task.context.len == 4 && task.revision == revision);
    STORE_WRITE(f.conn, store_clear_task(f.conn, text_of("a"), STORE_CLEAR_CONTEXTS, &e));
    read_task("a");
    ck_assert(task.n_rows == 1 && task.context.len == 0 && task.profile.len == 2);
    STORE_WRITE(f.conn, store_clear_task(f.conn, text_of("a"), STORE_CLEAR_ALL, &e));
    store_fixture_assert_tasks(f.conn, 1, 0);
}
END_TEST

/* ---- transactions, changes ---- */

START_TEST(test_task_writes_happen_in_a_transaction_whole_or_not_at_all)
{
    int64_t revision = store_fixture_task(f.conn, "a", NULL, true), next;
    bool created;
    STORE_FAILS(store_put_task(f.conn, text_of("b"), text_of(NULL), true, &next, &created, &e), ERR_INTERNAL);
    STORE_FAILS(store_add_task_row(f.conn, text_of("a"), text_of("{}"), &e), ERR_INTERNAL);
    STORE_FAILS(store_touch_task(f.conn, text_of("a"), &next, &e), ERR_INTERNAL);
    STORE_FAILS(store_clear_task(f.conn, text_of("a"), STORE_CLEAR_ALL, &e), ERR_INTERNAL);
    STORE_FAILS(store_delete_task(f.conn, text_of("a"), &e), ERR_INTERNAL);
    STORE_FAILS(store_put_task_context(f.conn, &key, text_of("a"), 1, false, "abcd", 4, &e), ERR_INTERNAL);
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_put_task(f.conn, text_of("b"), text_of(NULL), true, &next, &created, &e));
    STORE_OK(store_add_task_row(f.conn, text_of("b"), text_of("{}"), &e));
    assert_rows("b", 0, "1:{} "); /* its own writes */
    STORE_OK(store_add_task_row(f.conn, text_of("a"), text_of("{}"), &e));
    STORE_OK(store_touch_task(f.conn, text_of("a"), &next, &e));
    STORE_OK(store_delete_task(f.conn, text_of("a"), &e));
    store_rollback(f.conn);
    store_fixture_assert_tasks(f.conn, 1, 0);
    read_task("a");
    ck_assert_int_eq(task.revision, revision);
    STORE_OK(store_begin(f.conn, &e)); /* nothing is remembered of what was rolled back */
    STORE_FAILS(store_add_task_row(f.conn, text_of("b"), text_of("{}"), &e), ERR_NOTFOUND);
    store_rollback(f.conn);
}
END_TEST

START_TEST(test_a_snapshot_sees_one_moment_of_a_task)
{
    struct store_conn *other;
    store_fixture_task(f.conn, "a", NULL, true);
    int64_t revision = store_fixture_task_row(f.conn, "a", "{\"y\":1}");
    STORE_OK(store_connect(f.store, &other, &e));
    STORE_OK(store_snapshot_begin(f.conn, &e));
    read_task("a");
    store_fixture_task_row(other, "a", "{\"y\":2}");
    assert_rows("a", 0, "1:{\"y\":1} ");
    read_task("a");
    ck_assert(task.revision == revision && task.n_rows == 1);
    store_snapshot_end(f.conn);
    assert_rows("a", 0, "1:{\"y\":1} 2:{\"y\":2} ");
    store_disconnect(other);
}
END_TEST

static void assert_changes(int64_t since, const char *expected)
{
    ck_assert_str_eq(change_fixture_since(f.conn, since, 0).line, expected);
}

START_TEST(test_the_log_tells_of_tasks_and_of_one_that_is_gone_by_its_key_alone)
{
    store_fixture_task(f.conn, "a", NULL, true);
    store_fixture_user(f.conn, "a", NULL);
    store_fixture_task(f.conn, "b", NULL, true);
    store_fixture_task_row(f.conn, "a", "{\"y\":1}");
    store_fixture_context(f.conn, &key, "a", 4, false, "abcd"); /* no change of the task */
    assert_changes(0, "task:a user:a task:b task:a ");
    STORE_WRITE(f.conn, store_delete_task(f.conn, text_of("a"), &e));
    assert_changes(0, "task gone:1 user:a task:b task gone:1 task gone:1 ");
}
END_TEST

STORE_SUITE("store tasks", start, stop, {test_a_task_is_read_as_it_was_put},
            {test_rows_are_told_of_in_the_order_in_which_they_came},
            {test_many_rows_come_back_in_their_order}, {test_all_tasks_are_told_of_by_key},
            {test_rows_and_ids_that_no_store_takes_are_refused},
            {test_a_tasks_context_is_stale_once_a_row_came},
            {test_a_tasks_context_of_a_later_revision_or_a_given_one_stays},
            {test_of_a_task_that_keeps_no_rows_it_is_told_whether_another_has_a_context},
            {test_a_tasks_contexts_are_of_the_last_versions_of_a_model},
            {test_a_task_that_keeps_no_rows_keeps_its_contexts_of_all_versions},
            {test_a_user_and_a_task_of_one_id_have_nothing_in_common},
            {test_a_deleted_task_leaves_nothing_and_its_revisions_do_not_come_back},
            {test_contexts_of_a_task_are_told_of_whoever_made_them}, {test_a_task_that_is_gone_gets_nothing},
            {test_rows_and_contexts_are_cleared_apart},
            {test_task_writes_happen_in_a_transaction_whole_or_not_at_all},
            {test_a_snapshot_sees_one_moment_of_a_task},
            {test_the_log_tells_of_tasks_and_of_one_that_is_gone_by_its_key_alone})
