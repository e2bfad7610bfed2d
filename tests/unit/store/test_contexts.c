/* The contexts of users in the store: which model, version and kind they belong to, when they are stale, and
 * the items that they list. Risk: a context that is older than the user, or another model's; a list that is
 * not the user's items. */
#include "base/limits.h"
#include "tests/support/store_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

STORE_FIXTURE(f)

START_TEST(test_contexts_of_models_versions_and_kinds_do_not_meet)
{
    const struct store_context_key keys[] = {
        {"m", "1", "user"}, {"m", "2", "user"}, {"n", "1", "user"}, {"m", "1", "task"}};
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_task(f.conn, "ann", NULL, true);
    for (size_t i = 0; i < 4; i++) {
        char bytes[2] = {(char)('0' + i), 0};
        store_fixture_context(f.conn, &keys[i], "ann", (int64_t)(10 + i), i == 2, bytes);
    }
    for (size_t i = 0; i < 4; i++) {
        STORE_OK(store_read_user(f.conn, text_of("ann"), &keys[i], &f.user, &e));
        ck_assert_uint_eq(f.user.embedding.len, 1);
        ck_assert_int_eq(f.user.embedding.data[0], (int)('0' + i));
        ck_assert_int_eq(f.user.embedding_revision, (int64_t)(10 + i));
        ck_assert_int_eq(f.user.embedding_given, i == 2);
    }
    store_fixture_read(&f, "ann");
    ck_assert_uint_eq(f.user.embedding.len, 0);
    STORE_OK(store_read_user(f.conn, text_of("ann"), NULL, &f.user, &e));
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
    store_fixture_context(f.conn, &store_fixture_key, "ann", revision + 1, false, "newer");
    store_fixture_context(f.conn, &store_fixture_key, "ann", revision, false, "encoded too late");
    store_fixture_read(&f, "ann");
    ck_assert_str_eq(buf_text(&f.user.embedding), "newer");
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
    STORE_FAILS(store_put_context(f.conn, &store_fixture_key, text_of("ann"), 1, false, "abcd", 4, &e),
                ERR_NOTFOUND);
    store_rollback(f.conn);
    store_fixture_assert_counts(f.conn, 0, 0, 0, 0);
}
END_TEST

START_TEST(test_a_context_of_no_bytes_or_too_many_or_another_kind_is_refused)
{
    static char many[LIMIT_CONTEXT_BYTES + 1];
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_task(f.conn, "ann", NULL, true);
    STORE_OK(store_begin(f.conn, &e));
    STORE_FAILS(store_put_context(f.conn, &store_fixture_key, text_of("ann"), 1, false, NULL, 0, &e),
                ERR_INVALID);
    for (int i = 0; i < 2; i++)
        STORE_FAILS(store_put_context(f.conn, &(struct store_context_key){"m", "1", i ? "task" : "thing"},
                                      text_of("ann"), 1, false, "abcd", 4, &e),
                    ERR_INVALID);
    STORE_FAILS(
        store_put_context(f.conn, &store_fixture_key, text_of("ann"), 1, false, many, sizeof many, &e),
        ERR_LIMIT);
    STORE_OK(
        store_put_context(f.conn, &store_fixture_key, text_of("ann"), 1, false, many, sizeof many - 1, &e));
    store_rollback(f.conn);
}
END_TEST

/* ---- the items that a context lists ---- */

START_TEST(test_an_encoded_context_lists_the_users_items_by_key)
{
    enum { N = 300 }; /* more than a first read makes room for */
    int64_t keys[N];
    store_fixture_user(f.conn, "ann", "{\"a\": 1}");
    for (int i = 0; i < N; i++) {
        char item[16];
        (void)snprintf(item, sizeof item, "i%d", i);
        (void)store_fixture_event(f.conn, "ann", item, 1,
                                  1000 - i); /* time and keys run against each other */
        STORE_OK(store_item_key_of(f.conn, text_of(item), &keys[i], &e));
    }
    store_fixture_encoded(&f, "ann", "abcd");
    ck_assert(store_fixture_finds_context(&f, "ann"));
    ck_assert_uint_eq(f.context.n_items, N);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(f.context.items[i], keys[i]);
    ck_assert_str_eq(buf_text(&f.context.embedding), "abcd");
    store_fixture_read(&f, "ann");
    ck_assert_uint_eq(f.user.n_interactions, N);
    ck_assert_int_eq(f.context.revision, f.user.revision);
    ck_assert_int_eq(f.context.key, f.user.key);
}
END_TEST

START_TEST(test_what_a_caller_gave_is_not_replaced_by_what_is_encoded)
{
    int64_t revision = store_fixture_user(f.conn, "ann", "{}");
    ck_assert(!store_fixture_finds_context(&f, "ann"));
    store_fixture_context(f.conn, &store_fixture_key, "ann", revision, true, "given");
    store_fixture_encoded(&f, "ann", "abcd"); /* as a training of this name and version does for all users */
    ck_assert(!store_fixture_finds_context(&f, "ann"));
    store_fixture_read(&f, "ann");
    ck_assert(f.user.embedding_given);
    ck_assert_str_eq(buf_text(&f.user.embedding), "given");
    store_fixture_context(f.conn, &store_fixture_key, "ann", revision, true, "again");
    ck_assert(!store_fixture_finds_context(&f, "ann"));
    store_fixture_read(&f, "ann");
    ck_assert_str_eq(buf_text(&f.user.embedding), "again");
}
END_TEST

START_TEST(test_a_context_of_a_user_that_changed_since_is_not_found_until_encoded_again)
{
    store_fixture_user(f.conn, "ann", NULL);
    ck_assert(!store_fixture_finds_context(&f, "ann"));
    (void)store_fixture_event(f.conn, "ann", "a", 1, 1);
    store_fixture_encoded(&f, "ann", "abcd");
    ck_assert(store_fixture_finds_context(&f, "ann"));
    (void)store_fixture_event(f.conn, "ann", "b", 1, 2);
    ck_assert(!store_fixture_finds_context(&f, "ann"));
    store_fixture_encoded(&f, "ann", "efgh");
    ck_assert(store_fixture_finds_context(&f, "ann"));
    ck_assert_uint_eq(f.context.n_items, 2);
    ck_assert_str_eq(buf_text(&f.context.embedding), "efgh");
    int64_t revision = store_fixture_user(f.conn, "ann", "{}");
    ck_assert(!store_fixture_finds_context(&f, "ann"));
    store_fixture_context(f.conn, &store_fixture_key, "ann", revision, true, "given");
    ck_assert(!store_fixture_finds_context(&f, "ann"));
}
END_TEST

START_TEST(test_a_context_of_another_model_or_of_nobody_is_not_found)
{
    bool found = true;
    store_fixture_user(f.conn, "ann", NULL);
    store_fixture_encoded(&f, "ann", "abcd");
    STORE_OK(store_read_context(f.conn, text_of("ann"), &(struct store_context_key){"other", "1", "user"},
                                &f.context, &found, &e));
    ck_assert(!found);
    found = true;
    STORE_OK(store_read_context(f.conn, text_of("bob"), &store_fixture_key, &f.context, &found, &e));
    ck_assert(!found);
    STORE_FAILS(store_read_context(f.conn, text_of(""), &store_fixture_key, &f.context, &found, &e),
                ERR_INVALID);
}
END_TEST

START_TEST(test_a_user_of_no_items_has_an_empty_list)
{
    store_fixture_user(f.conn, "ann", NULL);
    (void)store_fixture_event(f.conn, "ann", "a", 1, 1);
    store_fixture_user(f.conn, "bob", NULL);
    store_fixture_read(&f, "ann"); /* a record with room, used again */
    store_fixture_encoded(&f, "bob", "abcd");
    ck_assert(store_fixture_finds_context(&f, "bob"));
    ck_assert_uint_eq(f.context.n_items, 0);
}
END_TEST

/* ---- versions of models ---- */

static const struct store_context_key old_key = {"model", "0", "user"}, task_key = {"model", "0", "task"},
                                      other_key = {"another", "1", "user"};

/* Version 1 of `model` comes before its version 0; of that are a given context and one of a task, too. */
static void put_versions(void)
{
    static const char *const users[] = {"ann", "bob", "cid"};
    for (size_t i = 0; i < 3; i++)
        store_fixture_user(f.conn, users[i], NULL);
    store_fixture_context(f.conn, &store_fixture_key, "ann", 1, false, "abcd");
    for (size_t i = 0; i < 3; i++)
        store_fixture_context(f.conn, &old_key, users[i], 1, i == 0, "abcd");
    store_fixture_task(f.conn, "a task", NULL, true);
    store_fixture_context(f.conn, &task_key, "a task", 1, false, "abcd");
    store_fixture_context(f.conn, &other_key, "ann", 1, false, "abcd");
}

struct versions {
    size_t n, stop_at;
    char line[128]; /* "model/version contexts given," each */
};

static bool see_version(void *arg, const struct store_version *v)
{
    struct versions *all = arg;
    size_t at = strlen(all->line);
    (void)snprintf(all->line + at, sizeof all->line - at, "%.*s/%.*s %d %d,", (int)v->model.len,
                   v->model.data, (int)v->version.len, v->version.data, (int)v->n_contexts, (int)v->n_given);
    ck_assert_int_ge(v->n_bytes, 4 * v->n_contexts);
    return ++all->n != all->stop_at;
}

static void assert_versions(size_t stop_at, const char *expected)
{
    struct versions all = {.stop_at = stop_at};
    STORE_OK(store_each_version(f.conn, see_version, &all, &e));
    ck_assert_str_eq(all.line, expected);
}

START_TEST(test_versions_are_told_of_by_model_and_the_latest_comes_last)
{
    assert_versions(0, "");
    put_versions();
    assert_versions(0, "another/1 1 0,model/1 1 0,model/0 4 1,");
    assert_versions(1, "another/1 1 0,");
    store_fixture_context(f.conn, &store_fixture_key, "ann", 2, false, "efgh"); /* one that was there */
    assert_versions(0, "another/1 1 0,model/1 1 0,model/0 4 1,");
    store_fixture_context(f.conn, &store_fixture_key, "bob", 1, false, "abcd");
    assert_versions(0, "another/1 1 0,model/0 4 1,model/1 2 0,");
}
END_TEST

START_TEST(test_a_version_is_trimmed_of_what_an_encoder_made)
{
    int64_t n = 0;
    put_versions();
    STORE_OK(store_trim_version(f.conn, &old_key, &n, &e));
    ck_assert_int_eq(n, 3);
    assert_versions(0, "another/1 1 0,model/1 1 0,model/0 1 1,");
    STORE_OK(store_trim_version(f.conn, &old_key, &n, &e));
    ck_assert_int_eq(n, 0);
}
END_TEST

START_TEST(test_a_task_that_keeps_no_rows_keeps_its_contexts_when_a_version_is_trimmed)
{
    int64_t n = 0;
    put_versions();
    store_fixture_task(f.conn, "sums alone", NULL, false);
    store_fixture_context(f.conn, &task_key, "sums alone", 1, false, "abcd");
    store_fixture_user(f.conn, "sums alone", NULL); /* a user is no task */
    store_fixture_context(f.conn, &old_key, "sums alone", 1, false, "abcd");
    assert_versions(0, "another/1 1 0,model/1 1 0,model/0 6 2,");
    STORE_OK(store_trim_version(f.conn, &old_key, &n, &e));
    ck_assert_int_eq(n, 4);
    assert_versions(0, "another/1 1 0,model/1 1 0,model/0 2 2,");
    STORE_WRITE(f.conn, store_drop_contexts(f.conn, &task_key, &e));
    assert_versions(0, "another/1 1 0,model/1 1 0,model/0 1 1,");
}
END_TEST

START_TEST(test_dropped_contexts_are_those_of_the_kind_that_an_encoder_made)
{
    put_versions();
    STORE_WRITE(f.conn, store_drop_contexts(f.conn, &old_key, &e));
    store_fixture_assert_counts(f.conn, 3, 0, 0, 4);
    STORE_OK(store_read_user(f.conn, text_of("ann"), &old_key, &f.user, &e));
    ck_assert(f.user.embedding_given);
    STORE_OK(store_read_user(f.conn, text_of("bob"), &old_key, &f.user, &e));
    ck_assert_uint_eq(f.user.embedding.len, 0);
}
END_TEST

/* ---- contexts that are yet to be made ---- */

static bool see_unfinished(void *arg, int64_t first, int64_t last)
{
    char *line = arg;
    size_t at = strlen(line);
    (void)snprintf(line + at, 64 - at, "%d-%d,", (int)first, (int)last);
    return first != 7;
}

static void assert_unfinished(const char *expected)
{
    char line[64] = "";
    STORE_OK(store_each_unfinished(f.conn, see_unfinished, line, &e));
    ck_assert_str_eq(line, expected);
}

START_TEST(test_word_of_contexts_to_be_made_is_there_until_it_is_taken_back)
{
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_note_unfinished(f.conn, 5, 6, &e));
    STORE_OK(store_note_unfinished(f.conn, 1, 4, &e));
    store_rollback(f.conn);
    assert_unfinished("");
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_note_unfinished(f.conn, 5, 6, &e));
    STORE_OK(store_note_unfinished(f.conn, 1, 4, &e));
    STORE_OK(store_note_unfinished(f.conn, 7, 8, &e));
    STORE_OK(store_note_unfinished(f.conn, 9, 9, &e));
    STORE_OK(store_commit(f.conn, &e));
    store_fixture_reopen(&f);
    assert_unfinished("1-4,5-6,7-8,"); /* it was told to stop there */
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_end_unfinished(f.conn, 5, &e));
    STORE_OK(store_end_unfinished(f.conn, 5, &e)); /* ended already */
    STORE_OK(store_end_unfinished(f.conn, 7, &e));
    STORE_OK(store_commit(f.conn, &e));
    assert_unfinished("1-4,9-9,");
}
END_TEST

STORE_SUITE("store contexts", start, stop, {test_contexts_of_models_versions_and_kinds_do_not_meet},
            {test_a_context_is_stale_once_the_user_changed},
            {test_a_context_made_from_an_older_revision_does_not_replace_a_newer_one},
            {test_a_user_that_is_gone_gets_no_context},
            {test_a_context_of_no_bytes_or_too_many_or_another_kind_is_refused},
            {test_an_encoded_context_lists_the_users_items_by_key},
            {test_what_a_caller_gave_is_not_replaced_by_what_is_encoded},
            {test_a_context_of_a_user_that_changed_since_is_not_found_until_encoded_again},
            {test_a_context_of_another_model_or_of_nobody_is_not_found},
            {test_a_user_of_no_items_has_an_empty_list},
            {test_versions_are_told_of_by_model_and_the_latest_comes_last},
            {test_a_version_is_trimmed_of_what_an_encoder_made},
            {test_a_task_that_keeps_no_rows_keeps_its_contexts_when_a_version_is_trimmed},
            {test_dropped_contexts_are_those_of_the_kind_that_an_encoder_made},
            {test_word_of_contexts_to_be_made_is_there_until_it_is_taken_back})
