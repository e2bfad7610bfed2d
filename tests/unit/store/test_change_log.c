/* The log of changes grown so long that its beginning goes, and the revisions that its numbers are. Risk:
 * somebody far behind who is not told so, a revision that comes back. */
#include "base/limits.h"
#include "tests/support/store_fixture.h"

#include <stdio.h>
#include <string.h>

static struct store_fixture f;

static void start(void)
{
    store_fixture_start(&f);
}

static void stop(void)
{
    store_fixture_stop(&f);
}

static struct text text(const char *s)
{
    return store_fixture_text(s);
}

static int64_t last_change(struct store_conn *c)
{
    int64_t last;
    STORE_OK(store_last_change(c, &last, &e));
    return last;
}

struct seen_changes {
    size_t n, stop_at;
    int64_t since, last;
    char line[256]; /* "user:ann item:i all: " */
};

static bool see_change(void *arg, const struct store_change *change)
{
    static const char *const names[] = {"user", "gone", "item", "all"};
    struct seen_changes *seen = arg;
    ck_assert_int_gt(change->number, seen->since);
    ck_assert_int_gt(change->number, seen->last);
    seen->last = change->number;
    size_t at = strlen(seen->line);
    if (change->kind == STORE_CHANGE_GONE)
        (void)snprintf(seen->line + at, sizeof seen->line - at, "gone:%d ", (int)change->row_key);
    else
        (void)snprintf(seen->line + at, sizeof seen->line - at, "%s:%.*s ", names[change->kind],
                       (int)change->id.len, change->id.data ? change->id.data : "");
    return ++seen->n != seen->stop_at;
}

static struct seen_changes changes(int64_t since, size_t stop_at)
{
    struct seen_changes seen = {.since = since, .stop_at = stop_at};
    STORE_OK(store_changes(f.conn, since, see_change, &seen, &e));
    return seen;
}

/* Touches ann n times in one transaction. */
static void touch_often(int n)
{
    int64_t revision;
    STORE_OK(store_begin(f.conn, &e));
    for (int i = 0; i < n; i++)
        STORE_OK(store_touch_user(f.conn, text("ann"), &revision, &e));
    STORE_OK(store_commit(f.conn, &e));
}

START_TEST(test_who_is_too_far_behind_is_told_to_forget_all)
{
    int64_t since = store_fixture_user(f.conn, "ann", NULL);
    touch_often(LIMIT_CHANGE_LOG - 10);
    struct seen_changes seen = {.since = since, .stop_at = 3};
    STORE_OK(store_changes(f.conn, since, see_change, &seen, &e)); /* nothing trimmed yet */
    ck_assert_str_eq(seen.line, "user:ann user:ann user:ann ");
    touch_often(2000);
    seen = changes(since, 0);
    ck_assert_uint_eq(seen.n, 1);
    ck_assert_str_eq(seen.line, "all: ");
    ck_assert_int_eq(seen.last, last_change(f.conn));
    ck_assert_uint_eq(changes(seen.last - 5, 0).n, 5);
    size_t kept = changes(seen.last - LIMIT_CHANGE_LOG + 1, 1).n;
    ck_assert_uint_eq(kept, 1);
    ck_assert_str_eq(changes(seen.last - LIMIT_CHANGE_LOG + 1, 1).line, "user:ann ");
}
END_TEST

START_TEST(test_a_revision_never_comes_back)
{
    int64_t highest = 0;
    for (int i = 0; i < 20; i++) {
        int64_t revision = store_fixture_user(f.conn, "ann", NULL);
        ck_assert_int_gt(revision, highest);
        highest = store_fixture_event(f.conn, "ann", "i", 1, 1);
        ck_assert_int_gt(highest, revision);
        store_fixture_delete(f.conn, "ann");
        ck_assert_int_gt(last_change(f.conn), highest);
        if (i % 5 == 0)
            store_fixture_reopen(&f);
    }
    store_fixture_user(f.conn, "ann", NULL);
    touch_often(LIMIT_CHANGE_LOG + 2000); /* the log is trimmed; its numbers go on */
    store_fixture_reopen(&f);
    struct store_user user = {0};
    STORE_OK(store_read_user(f.conn, text("ann"), NULL, &user, &e));
    ck_assert_int_gt(store_fixture_user(f.conn, "ann", NULL), user.revision);
    store_user_fini(&user);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, test_who_is_too_far_behind_is_told_to_forget_all);
    tcase_add_test(tc, test_a_revision_never_comes_back);
}

int main(void)
{
    return store_fixture_run("store change log", add);
}
