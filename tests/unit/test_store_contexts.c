/* The contexts of users in the store: which model, version and kind they belong to, and when they are stale. Risk: a context
 * that is older than the user, or another model's. */
#include "tests/support/store_fixture.h"

#include <check.h>
#include <stdlib.h>
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

static struct store_text text(const char *s)
{
    return store_fixture_text(s);
}

START_TEST(test_contexts_of_models_versions_and_kinds_do_not_meet)
{
    const struct store_context_key keys[] = {
        {"m", "1", "user"}, {"m", "2", "user"}, {"n", "1", "user"}, {"m", "1", "task"}};
    store_fixture_user(f.conn, "ann", NULL);
    for (size_t i = 0; i < 4; i++) {
        char bytes[2] = {(char)('0' + i), 0};
        store_fixture_context(f.conn, &keys[i], "ann", (int64_t)(10 + i), i == 2, bytes);
    }
    for (size_t i = 0; i < 4; i++) {
        STORE_OK(store_read_user(f.conn, text("ann"), &keys[i], &f.user, &e));
        ck_assert_uint_eq(f.user.embedding.len, 1);
        ck_assert_int_eq(f.user.embedding.data[0], (int)('0' + i));
        ck_assert_int_eq(f.user.embedding_revision, (int64_t)(10 + i));
        ck_assert_int_eq(f.user.embedding_given, i == 2);
    }
    store_fixture_read(&f, "ann");
    ck_assert_uint_eq(f.user.embedding.len, 0);
    STORE_OK(store_read_user(f.conn, text("ann"), NULL, &f.user, &e));
    ck_assert_uint_eq(f.user.embedding.len, 0);
}
END_TEST

START_TEST(test_a_context_is_stale_once_the_user_changed)
{
    int64_t revision = store_fixture_user(f.conn, "ann", NULL);
    store_fixture_context(f.conn, &store_fixture_key, "ann", revision, false, "abcd");
    store_fixture_read(&f, "ann");
    ck_assert_int_eq(f.user.embedding_revision, f.user.revision);
    int64_t next = store_fixture_event(f.conn, "ann", "i", 1, 1);
    store_fixture_read(&f, "ann");
    ck_assert_int_eq(f.user.revision, next);
    ck_assert_int_lt(f.user.embedding_revision, f.user.revision);
    store_fixture_context(f.conn, &store_fixture_key, "ann", next, false, "longer than before");
    store_fixture_read(&f, "ann");
    ck_assert_int_eq(f.user.embedding_revision, f.user.revision);
    ck_assert_str_eq(buf_text(&f.user.embedding), "longer than before");
    store_fixture_assert_counts(f.conn, 1, 1, 1, 1);
}
END_TEST

START_TEST(test_a_context_made_from_an_older_revision_does_not_replace_a_newer_one)
{
    int64_t revision = store_fixture_user(f.conn, "ann", NULL);
    store_fixture_context(f.conn, &store_fixture_key, "ann", revision + 1, true, "given");
    store_fixture_context(f.conn, &store_fixture_key, "ann", revision, false, "encoded too late");
    store_fixture_read(&f, "ann");
    ck_assert_str_eq(buf_text(&f.user.embedding), "given");
    ck_assert(f.user.embedding_given);
    store_fixture_context(f.conn, &store_fixture_key, "ann", revision + 1, false, "again");
    store_fixture_read(&f, "ann");
    ck_assert_str_eq(buf_text(&f.user.embedding), "again");
}
END_TEST

START_TEST(test_a_user_that_is_gone_gets_no_context)
{
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_delete(f.conn, "ann");
    STORE_OK(store_begin(f.conn, &e));
    STORE_FAILS(store_put_context(f.conn, &store_fixture_key, text("ann"), 1, false, "abcd", 4, &e),
                ERR_NOTFOUND);
    store_rollback(f.conn);
    store_fixture_assert_counts(f.conn, 0, 0, 0, 0);
    store_fixture_context(f.conn, &(struct store_context_key){"m", "1", "task"}, "a task has no user", 1,
                          true, "abcd");
    store_fixture_assert_counts(f.conn, 0, 0, 0, 1);
}
END_TEST

START_TEST(test_a_context_of_no_bytes_or_an_unknown_kind_is_refused)
{
    store_fixture_user(f.conn, "ann", NULL);
    STORE_OK(store_begin(f.conn, &e));
    STORE_FAILS(store_put_context(f.conn, &store_fixture_key, text("ann"), 1, false, NULL, 0, &e),
                ERR_INVALID);
    STORE_FAILS(store_put_context(f.conn, &(struct store_context_key){"m", "1", "thing"}, text("ann"), 1,
                                  false, "abcd", 4, &e),
                ERR_INVALID);
    store_rollback(f.conn);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store contexts");
    TCase *tc = tcase_create("contexts");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, test_contexts_of_models_versions_and_kinds_do_not_meet);
    tcase_add_test(tc, test_a_context_is_stale_once_the_user_changed);
    tcase_add_test(tc, test_a_context_made_from_an_older_revision_does_not_replace_a_newer_one);
    tcase_add_test(tc, test_a_user_that_is_gone_gets_no_context);
    tcase_add_test(tc, test_a_context_of_no_bytes_or_an_unknown_kind_is_refused);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
