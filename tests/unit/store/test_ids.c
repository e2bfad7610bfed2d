/* What the store takes as an id or a text, by every call that names one. Risk: an id that is cut, or two that
 * are taken for the same. */
#include "base/limits.h"
#include "tests/support/store_fixture.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

STORE_FIXTURE(f)

/* Every way to name a user or item with this id, which the store must refuse. */
static void assert_refused(struct text id)
{
    int64_t number;
    bool flag;
    struct store_item item = {.id = id};
    struct store_bulk *bulk;
    STORE_FAILS(store_read_user(f.conn, id, NULL, &f.user, &e), ERR_INVALID);
    STORE_FAILS(store_item_key_of(f.conn, id, &number, &e), ERR_INVALID);
    STORE_OK(store_begin(f.conn, &e));
    STORE_FAILS(store_put_user(f.conn, id, text_of(NULL), &number, &flag, &e), ERR_INVALID);
    STORE_FAILS(store_touch_user(f.conn, id, &number, &e), ERR_INVALID);
    STORE_FAILS(store_clear_user(f.conn, id, STORE_CLEAR_ALL, &e), ERR_INVALID);
    STORE_FAILS(store_delete_user(f.conn, id, &e), ERR_INVALID);
    STORE_FAILS(store_put_item(f.conn, &item, &flag, &e), ERR_INVALID);
    STORE_FAILS(store_put_interaction(f.conn, id, text_of("i"), 1, NAN, 0, NULL, &e), ERR_INVALID);
    STORE_FAILS(store_put_interaction(f.conn, text_of("u"), id, 1, NAN, 0, NULL, &e), ERR_INVALID);
    STORE_FAILS(store_put_context(f.conn, &store_fixture_key, id, 1, true, "abcd", 4, &e), ERR_INVALID);
    STORE_OK(store_bulk_begin(f.conn, &bulk, &e));
    STORE_FAILS(store_bulk_user(bulk, id, text_of(NULL), &e), ERR_INVALID);
    STORE_FAILS(store_bulk_item(bulk, &item, &e), ERR_INVALID);
    STORE_FAILS(store_bulk_interaction(bulk, id, text_of("i"), 1, NAN, 0, &e), ERR_INVALID);
    STORE_FAILS(store_bulk_interaction(bulk, text_of("u"), id, 1, NAN, 0, &e), ERR_INVALID);
    store_bulk_abandon(bulk);
    store_rollback(f.conn);
}

START_TEST(test_ids_have_1_to_256_bytes)
{
    char id[258];
    memset(id, 'x', sizeof id);
    assert_refused((struct text){id, 0});
    assert_refused((struct text){NULL, 5});
    assert_refused((struct text){id, 257});
    for (size_t n = 1; n <= 256; n += 255) {
        struct text at_limit = {id, n};
        struct store_item item = {.id = at_limit};
        int64_t revision;
        bool created;
        STORE_OK(store_begin(f.conn, &e));
        STORE_OK(store_put_user(f.conn, at_limit, text_of(NULL), &revision, &created, &e));
        STORE_OK(store_put_item(f.conn, &item, &created, &e));
        STORE_OK(store_put_interaction(f.conn, at_limit, at_limit, 1, NAN, 0, NULL, &e));
        STORE_OK(store_commit(f.conn, &e));
        STORE_OK(store_read_user(f.conn, at_limit, NULL, &f.user, &e));
        ck_assert_uint_eq(f.user.n_interactions, 1);
    }
    store_fixture_assert_counts(f.conn, 2, 2, 2, 0);
}
END_TEST

START_TEST(test_ids_are_utf8_without_a_zero_byte)
{
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {{"a\0b", 3},
               {"\0", 1},
               {"\x80", 1},
               {"\xC0\xAF", 2},
               {"\xC3", 1},
               {"ab\xE2\x82", 4},
               {"\xE0\x80\xAF", 3},
               {"\xED\xA0\x80", 3},
               {"\xF0\x80\x80\x80", 4},
               {"\xF4\x90\x80\x80", 4},
               {"\xF5\x80\x80\x80", 4},
               {"\xFF", 1},
               {"\xC3\x28", 2}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused((struct text){bad[i].bytes, bad[i].n});
    const char *const good[] = {
        "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF", "' OR 1=1 --", "\x01\x7F", " "};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        store_fixture_user(f.conn, good[i], NULL);
        store_fixture_event(f.conn, good[i], good[i], 1, 1);
        store_fixture_read(&f, good[i]);
        ck_assert_uint_eq(f.user.n_interactions, 1);
    }
    store_fixture_assert_counts(f.conn, 7, 7, 7, 0);
}
END_TEST

START_TEST(test_ids_differ_by_every_byte)
{
    const char *const ids[] = {"a", "A", "a ", " a", "a%", "\xC3\xA9", "e\xCC\x81", "1", "01", "1.0"};
    enum { N = sizeof ids / sizeof *ids };
    for (size_t i = 0; i < N; i++)
        store_fixture_user(f.conn, ids[i], ids[i]);
    for (size_t i = 0; i < N; i++) {
        store_fixture_read(&f, ids[i]);
        ck_assert_str_eq(buf_text(&f.user.profile), ids[i]);
    }
    store_fixture_assert_counts(f.conn, N, 0, 0, 0);
}
END_TEST

START_TEST(test_texts_past_their_limits_are_refused)
{
    char *long_text = malloc(LIMIT_METADATA_BYTES + 1);
    memset(long_text, 'x', LIMIT_METADATA_BYTES + 1);
    int64_t revision;
    bool created;
    struct store_item item = {.id = text_of("i"), .title = {long_text, LIMIT_TITLE_BYTES + 1}};
    STORE_OK(store_begin(f.conn, &e));
    STORE_FAILS(store_put_user(f.conn, text_of("u"), (struct text){long_text, LIMIT_PROFILE_BYTES + 1},
                               &revision, &created, &e),
                ERR_LIMIT);
    STORE_OK(store_put_user(f.conn, text_of("u"), (struct text){long_text, LIMIT_PROFILE_BYTES}, &revision,
                            &created, &e));
    STORE_FAILS(store_put_item(f.conn, &item, &created, &e), ERR_LIMIT);
    item.title.len--;
    item.metadata = (struct text){long_text, LIMIT_METADATA_BYTES + 1};
    STORE_FAILS(store_put_item(f.conn, &item, &created, &e), ERR_LIMIT);
    item.metadata.len--;
    STORE_OK(store_put_item(f.conn, &item, &created, &e));
    item.title = text_of("\xFF");
    STORE_FAILS(store_put_item(f.conn, &item, &created, &e), ERR_INVALID);
    STORE_OK(store_commit(f.conn, &e));
    store_fixture_read(&f, "u");
    ck_assert_uint_eq(f.user.profile.len, LIMIT_PROFILE_BYTES);
    free(long_text);
}
END_TEST

STORE_SUITE("store ids", start, stop, {test_ids_have_1_to_256_bytes}, {test_ids_are_utf8_without_a_zero_byte},
            {test_ids_differ_by_every_byte}, {test_texts_past_their_limits_are_refused})
