/* The log of changes grown so long that its beginning goes, and the revisions that its numbers are. Risk:
 * somebody far behind who is not told so, a revision that comes back. */
#include "base/limits.h"
#include "tests/support/change_fixture.h"

#include <stdio.h>
#include <string.h>

STORE_FIXTURE(f)

/* Touches ann n times in one transaction. */
static void touch_often(int n)
{
    int64_t revision;
    STORE_OK(store_begin(f.conn, &e));
    for (int i = 0; i < n; i++)
        STORE_OK(store_touch_user(f.conn, text_of("ann"), &revision, &e));
    STORE_OK(store_commit(f.conn, &e));
}

START_TEST(test_who_is_too_far_behind_is_told_to_forget_all)
{
    int64_t since = store_fixture_user(f.conn, "ann", NULL);
    touch_often(LIMIT_CHANGE_LOG - 10);
    struct seen_changes seen = change_fixture_since(f.conn, since, 3); /* nothing trimmed yet */
    ck_assert_str_eq(seen.line, "user:ann user:ann user:ann ");
    touch_often(2000);
    seen = change_fixture_since(f.conn, since, 0);
    ck_assert_uint_eq(seen.n, 1);
    ck_assert_str_eq(seen.line, "all: ");
    ck_assert_int_eq(seen.last, change_fixture_last(f.conn));
    ck_assert_uint_eq(change_fixture_since(f.conn, seen.last - 5, 0).n, 5);
    size_t kept = change_fixture_since(f.conn, seen.last - LIMIT_CHANGE_LOG + 1, 1).n;
    ck_assert_uint_eq(kept, 1);
    ck_assert_str_eq(change_fixture_since(f.conn, seen.last - LIMIT_CHANGE_LOG + 1, 1).line, "user:ann ");
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
        ck_assert_int_gt(change_fixture_last(f.conn), highest);
        if (i % 5 == 0)
            store_fixture_reopen(&f);
    }
    store_fixture_user(f.conn, "ann", NULL);
    touch_often(LIMIT_CHANGE_LOG + 2000); /* the log is trimmed; its numbers go on */
    store_fixture_reopen(&f);
    struct store_user user = {0};
    STORE_OK(store_read_user(f.conn, text_of("ann"), NULL, &user, &e));
    ck_assert_int_gt(store_fixture_user(f.conn, "ann", NULL), user.revision);
    store_user_fini(&user);
}
END_TEST

STORE_SUITE("store change log", start, stop, {test_who_is_too_far_behind_is_told_to_forget_all},
            {test_a_revision_never_comes_back})
