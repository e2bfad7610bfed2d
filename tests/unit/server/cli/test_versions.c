/* server/cli/versions.c: which versions of a model lose their contexts. Risk: one that is still asked for
 * goes because of one that nothing could be dropped of. */
#include "server/cli/versions.h"

#include "tests/support/store_fixture.h"

#include <stdio.h>

STORE_FIXTURE(f)

static void put(const char *version, const char *user, bool given)
{
    const struct store_context_key key = {"m", version, "user"};
    store_fixture_context(f.conn, &key, user, store_fixture_user(f.conn, user, NULL), given, "abcd");
}

static bool see(void *arg, const struct store_version *v)
{
    char *line = arg;
    size_t at = strlen(line);
    (void)snprintf(line + at, 128 - at, "%.*s:%d ", (int)v->version.len, v->version.data, (int)v->n_contexts);
    return true;
}

static void assert_kept(int64_t keep, int64_t n_dropped, const char *expected)
{
    char line[128] = "";
    int64_t n = -1;
    STORE_OK(versions_trim(f.conn, "m", "4", keep, &n, &e));
    STORE_OK(store_each_version(f.conn, see, line, &e));
    ck_assert_str_eq(line, expected);
    ck_assert_int_eq(n, n_dropped);
}

START_TEST(the_newest_stay_and_none_goes_where_all_are_kept)
{
    put("1", "a", false);
    put("2", "a", false);
    put("3", "a", false);
    assert_kept(0, 0, "1:1 2:1 3:1 ");
    assert_kept(4, 0, "1:1 2:1 3:1 ");
    assert_kept(2, 2, "3:1 ");
    assert_kept(1, 1, "");
}
END_TEST

START_TEST(a_version_of_given_contexts_alone_takes_no_place)
{
    put("1", "a", false);
    put("2", "a", false);
    put("2", "b", true);
    put("3", "a", true);
    assert_kept(2, 1, "2:2 3:1 ");
    assert_kept(1, 1, "2:1 3:1 ");
}
END_TEST

SUITE("server/cli/versions", start, stop, {the_newest_stay_and_none_goes_where_all_are_kept},
      {a_version_of_given_contexts_alone_takes_no_place})
