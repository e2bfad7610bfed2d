/* server/data/import_unchanged.c: rows of users that change nothing. Risks: a row that is left out though it
 * changes something, by itself, after another row of the table, or after what others wrote meanwhile; a
 * report that counts otherwise. */
#include "base/mem.h"
#include "server/data/import.h"
#include "store/sqlite/private.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct store_fixture f;
static char path[128];

static void setup(void)
{
    store_fixture_start(&f);
    (void)snprintf(path, sizeof path, "%s/users.csv", f.dir);
}

static void teardown(void)
{
    mem_fail_at(0, 0);
    store_fixture_stop(&f);
}

static const struct import_report *import(const char *rows)
{
    static struct import_report report;
    const struct import_options options = {
        .store = f.path, .files = {{path, TABLE_USERS}}, .n_files = 1, .stage_from = 1};
    store_fixture_write_file(path, rows, strlen(rows));
    STORE_OK(import_run(&options, &report, &e));
    import_report_fini(&report);
    return &report;
}

static int64_t revision_of(const char *user)
{
    store_fixture_read(&f, user);
    return f.user.revision;
}

static void assert_profile(const char *user, const char *profile)
{
    store_fixture_read(&f, user);
    ck_assert_uint_eq(f.user.profile.len, strlen(profile));
    ck_assert_msg(memcmp(f.user.profile.data, profile, f.user.profile.len) == 0, "%.*s",
                  (int)f.user.profile.len, f.user.profile.data);
}

static const char table[] = "user,age,city\nann,31,Bern\nbob,40,Basel\neve,25,Chur\n";

START_TEST(users_who_are_as_they_were_are_left_alone_and_counted_all_the_same)
{
    (void)import(table);
    int64_t ann = revision_of("ann"), bob = revision_of("bob");
    const struct import_report *r =
        import("user,age,city\nann,31,Bern\nbob,41,Basel\neve,25,Chur\nnew,1,Sion\n"
               "eve,25,Chur\n");
    ck_assert_int_eq(r->n_rows[TABLE_USERS], 5);
    ck_assert_int_eq(r->n_known[TABLE_USERS], 3);
    ck_assert_int_eq(r->n_repeated[TABLE_USERS], 1);
    ck_assert_int_eq(revision_of("ann"), ann);
    ck_assert_int_gt(revision_of("bob"), bob);
    assert_profile("bob", "{\"age\":\"41\",\"city\":\"Basel\"}");
    assert_profile("new", "{\"age\":\"1\",\"city\":\"Sion\"}");
}
END_TEST

START_TEST(a_part_of_a_profile_that_is_as_it_was_changes_nothing)
{
    (void)import(table);
    int64_t ann = revision_of("ann");
    (void)import("user,city\nann,Bern\nbob,Brig\n");
    ck_assert_int_eq(revision_of("ann"), ann);
    assert_profile("bob", "{\"age\":\"40\",\"city\":\"Brig\"}");
}
END_TEST

START_TEST(a_row_that_takes_back_what_one_before_it_changed_is_stored)
{
    (void)import(table);
    const struct import_report *r =
        import("user,age,city\nann,32,Bern\nann,31,Bern\nbob,40,Basel\nbob,41,Basel\n");
    ck_assert_int_eq(r->n_known[TABLE_USERS], 2);
    ck_assert_int_eq(r->n_repeated[TABLE_USERS], 2);
    assert_profile("ann", "{\"age\":\"31\",\"city\":\"Bern\"}");
    assert_profile("bob", "{\"age\":\"41\",\"city\":\"Basel\"}");
}
END_TEST

/* ---- what others do before the lock is taken ---- */

static void (*meanwhile)(struct store_conn *c);

static int before_the_lock(unsigned kind, void *arg, void *statement, void *sql)
{
    void (*what)(struct store_conn *) = meanwhile;
    (void)kind;
    (void)arg;
    (void)statement;
    if (what && strncmp(sql, "BEGIN IMMEDIATE", 15) == 0) {
        meanwhile = NULL;
        what(f.conn);
    }
    return 0;
}

static int trace_connection(sqlite3 *db, char **message, const struct sqlite3_api_routines *api)
{
    (void)message;
    (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, before_the_lock, NULL);
}

static void import_and(const char *rows, void (*what)(struct store_conn *c))
{
    ck_assert_int_eq(sqlite3_auto_extension((void (*)(void))trace_connection), SQLITE_OK);
    meanwhile = what;
    (void)import(rows);
    (void)sqlite3_cancel_auto_extension((void (*)(void))trace_connection);
    ck_assert_ptr_null(meanwhile);
}

static void change_ann(struct store_conn *c)
{
    (void)store_fixture_user(c, "ann", "{\"age\":\"99\"}");
}

static void forget_ann(struct store_conn *c)
{
    store_fixture_delete(c, "ann");
}

START_TEST(a_user_whom_others_changed_or_deleted_meanwhile_is_as_the_table_says)
{
    (void)import(table);
    import_and(table, _i ? forget_ann : change_ann);
    assert_profile("ann", "{\"age\":\"31\",\"city\":\"Bern\"}");
}
END_TEST

/* ---- without memory ---- */

START_TEST(an_import_without_memory_changes_nothing)
{
    static struct import_report report;
    const struct import_options options = {
        .store = f.path, .files = {{path, TABLE_USERS}}, .n_files = 1, .stage_from = 1};
    bool done = false;
    (void)import(table);
    static const char next[] = "user,age,city\nann,31,Bern\nbob,41,Basel\n";
    store_fixture_write_file(path, next, strlen(next));
    for (long n = 1; !done; n++) {
        struct err e = {0};
        char *before = store_fixture_dump(f.conn), *after;
        mem_fail_at(n, 1);
        done = import_run(&options, &report, &e) == ERR_OK;
        mem_fail_at(0, 0);
        import_report_fini(&report);
        after = store_fixture_dump(f.conn);
        ck_assert(done || strcmp(before, after) == 0);
        mem_free(before);
        mem_free(after);
    }
    assert_profile("bob", "{\"age\":\"41\",\"city\":\"Basel\"}");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("server/data/import_unchanged");
    TCase *t = tcase_create("users");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, users_who_are_as_they_were_are_left_alone_and_counted_all_the_same);
    tcase_add_test(t, a_part_of_a_profile_that_is_as_it_was_changes_nothing);
    tcase_add_test(t, a_row_that_takes_back_what_one_before_it_changed_is_stored);
    tcase_add_loop_test(t, a_user_whom_others_changed_or_deleted_meanwhile_is_as_the_table_says, 0, 2);
    tcase_add_test(t, an_import_without_memory_changes_nothing);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
